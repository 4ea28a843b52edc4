"""Thin tasks of continuing care."""

from typing import Any
from uuid import UUID

from celery import shared_task

from core import outbox, sms, tenancy
from core.errors import ErrorCode, KairosError
from followups.services import invitation_messages, offer_jobs, offer_rows, plans, recall_jobs


@shared_task(name="followups.overdue_mark")
def overdue_mark() -> int:
    """Plans whose day has passed are overdue."""
    return plans.plans_mark_overdue()


@shared_task(name="followups.escalate")
def escalate() -> int:
    """Tell doctors of plans that nobody gets hold of."""
    return recall_jobs.escalate_due()


@shared_task(name="followups.invitations_expire")
def invitations_expire() -> int:
    """Close invitations whose time has passed."""
    return recall_jobs.invitations_expire()


def _taken(task: Any, message: sms.Message) -> bool:
    """Whether the gateway has taken the message; not, if the number takes none: the desk tells.

    Raises Celery's Retry while the gateway cannot be reached.
    """
    try:
        sms.send(to=message.to, text=message.text, key=message.key)
    except KairosError as error:
        if error.code == ErrorCode.SERVICE_UNAVAILABLE:
            raise task.retry(exc=error) from None
        return False
    return True


@shared_task(name="followups.invitation_send", bind=True, max_retries=5, default_retry_delay=20)
def invitation_send(self: Any, *, clinic: str, invitation: str) -> bool:
    """Send an invitation's link to the patient's phone; whether the gateway has taken it."""
    invitation_id = UUID(invitation)
    with tenancy.scope([UUID(clinic)]):
        message = invitation_messages.invitation_message(invitation_id=invitation_id)
    if message is None:
        return False
    taken = _taken(self, message)
    with tenancy.scope([UUID(clinic)]):
        invitation_messages.invitation_sent(
            invitation_id=invitation_id,
            by=invitation_messages.BY_SMS if taken else invitation_messages.REFUSED,
        )
    return taken


@outbox.listens(invitation_messages.INVITED)
def invited(event: outbox.Event) -> None:
    """Have a link sent by another worker: the relay does not wait for a gateway.

    Raises when the broker cannot be reached: the outbox tries again.
    """
    if event.payload["by_sms"]:
        invitation_send.apply_async(
            kwargs={
                "clinic": str(event.clinic_id),
                "invitation": event.payload["invitation"],
            },
            retry=False,
            ignore_result=True,
        )


@shared_task(name="followups.offers_send_due")
def offers_send_due() -> int:
    """Ask the next people about freed times; tell who should have been told by now."""
    asked = offer_jobs.offers_send_due()
    for clinic, offer in offer_jobs.offers_untold():
        _tell(clinic=str(clinic), offer=str(offer), what=offer_rows.OFFERED)
    return asked


@shared_task(name="followups.offers_expire")
def offers_expire() -> int:
    """End offers whose time is up."""
    return offer_jobs.offers_expire()


@shared_task(name="followups.waitlist_expire")
def waitlist_expire() -> int:
    """Close entries whose last day is over."""
    return offer_jobs.waitlist_expire()


@shared_task(name="followups.offer_tell", bind=True, max_retries=5, default_retry_delay=20)
def offer_tell(self: Any, *, clinic: str, offer: str, what: str) -> bool:
    """Tell somebody of an offer, or that they lost it; whether the gateway has taken it."""
    with tenancy.scope([UUID(clinic)]):
        message = offer_jobs.offer_message(UUID(offer), what)
    if message is None:
        return False
    taken = _taken(self, message)
    if what == offer_rows.OFFERED:
        with tenancy.scope([UUID(clinic)]):
            offer_jobs.offer_sent(UUID(offer), taken=taken)
    return taken


@outbox.listens(offer_rows.OFFERED, offer_rows.LOST)
def offer_to_be_told(event: outbox.Event) -> None:
    """Have a message sent by another worker: the relay does not wait for a gateway.

    Raises when the broker cannot be reached: the outbox tries again.
    """
    _tell(clinic=str(event.clinic_id), offer=event.payload["offer"], what=event.topic)


def _tell(**what: str) -> None:
    offer_tell.apply_async(kwargs=what, retry=False, ignore_result=True)
