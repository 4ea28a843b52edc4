"""Thin tasks of arrival."""

from datetime import datetime
from typing import Any
from uuid import UUID

from celery import shared_task

from checkin.services import alerts, one_time, push, sweep
from core import outbox, sms, tenancy
from core.errors import ErrorCode, KairosError


@shared_task(name="checkin.push_send", soft_time_limit=40, time_limit=60)
def push_send(*, clinic: str, subscription: str, what: str, since: str, tries: int = 0) -> None:
    """Send one message to one device; what cannot be sent now is tried again, ever later."""
    pause = push.push_deliver(
        clinic=UUID(clinic),
        subscription=UUID(subscription),
        what=what,
        since=datetime.fromisoformat(since),
        tries=tries,
    )
    if pause is not None:
        push_send.apply_async(
            kwargs={
                "clinic": clinic,
                "subscription": subscription,
                "what": what,
                "since": since,
                "tries": tries + 1,
            },
            countdown=pause,
            ignore_result=True,
        )


@shared_task(name="checkin.push_prune")
def push_prune() -> int:
    """Forget subscriptions whose day is over."""
    return push.push_prune()


@shared_task(name="checkin.one_time_send", bind=True, max_retries=5, default_retry_delay=20)
def one_time_send(self: Any, *, clinic: str, sealed: str) -> bool:
    """Send a one-time code to who is known to the clinic, as long as the code is good."""
    with tenancy.scope([UUID(clinic)]):
        message = one_time.one_time_message(sealed=sealed)
    if message is None:
        return False
    try:
        sms.send(to=message.to, text=message.text, key=message.key)
    except KairosError as error:
        if error.code != ErrorCode.SERVICE_UNAVAILABLE:
            return False  # no number that takes messages: trying again changes nothing
        raise self.retry(exc=error) from None
    return True


@shared_task(name="checkin.one_time_prune")
def one_time_prune() -> int:
    """Forget one-time codes that are over."""
    return one_time.one_time_prune()


@shared_task(name="checkin.queue_sweep")
def queue_sweep() -> int:
    """Close the queues of days that are over."""
    return sweep.queue_sweep()


@shared_task(name="checkin.receipts_prune")
def receipts_prune() -> int:
    """Forget answers to scans of long ago."""
    return sweep.receipts_prune()


@outbox.listens(one_time.TOPIC)
def one_time_asked(event: outbox.Event) -> None:
    """Have a code sent by another worker: the relay does not wait for a gateway.

    Raises when the broker cannot be reached: the outbox tries again.
    """
    one_time_send.apply_async(
        kwargs={"clinic": str(event.clinic_id), "sealed": event.payload["sealed"]},
        retry=False,
        ignore_result=True,
    )


@outbox.listens("appointment.checked_in")
def arrival_looked_at(event: outbox.Event) -> None:
    """Whether the patient can have come from where they were last."""
    alerts.arrival_observe(appointment_id=UUID(event.payload["appointment"]))
