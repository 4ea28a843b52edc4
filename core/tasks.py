"""Thin tasks of the ground floor."""

from celery import shared_task

from core import audit, idempotency, outbox, partitions


@shared_task(name="core.outbox_relay")
def outbox_relay() -> int:
    """Deliver waiting outbox events; with more than one round's worth, ask for the next round."""
    delivered = outbox.relay()
    if delivered >= outbox.ROUND:
        outbox_relay.apply_async(retry=False, ignore_result=True)
    return delivered


@shared_task(name="core.audit_seal")
def audit_seal() -> int:
    """Seal new audit events."""
    return audit.seal()


@shared_task(name="core.partitions_maintain")
def partitions_maintain() -> list[str]:
    """Make the coming months' partitions, detach the expired."""
    return partitions.maintain()


@shared_task(name="core.idempotency_prune")
def idempotency_prune() -> int:
    """Forget answers older than a day."""
    return idempotency.prune()
