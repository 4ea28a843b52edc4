"""Thin tasks of the back office."""

from uuid import UUID

from celery import shared_task

from backoffice.transfer import transfers, work
from core import outbox


@shared_task(name="backoffice.transfer_work")
def transfer_work(clinic_id: str, transfer_id: str, user_id: str) -> None:
    """Check or import a file."""
    work.work_apart(clinic_id=UUID(clinic_id), transfer_id=UUID(transfer_id), user_id=UUID(user_id))


@shared_task(name="backoffice.transfers_prune")
def transfers_prune() -> int:
    """Remove uploaded files and their reports after the time for which they are kept."""
    return transfers.transfers_prune()


@outbox.listens(transfers.QUEUED)
def transfer_queued(event: outbox.Event) -> None:
    """Tell a worker; twice does no harm."""
    transfer_work.delay(str(event.clinic_id), event.payload["transfer"], event.payload["user"])
