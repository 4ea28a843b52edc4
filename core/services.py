"""Acts on the ground's own tables that a person asks for."""

from uuid import UUID

from django.utils.translation import gettext as _

from core import clock, journal, outbox
from core.errors import ErrorCode, KairosError
from core.models import OutboxEvent


def outbox_retry(*, event_id: UUID) -> OutboxEvent:
    """Put an event that was given up, or that waits for its next attempt, first in line again.

    Its attempts are counted anew; the last error stays to be read. Listeners that have done their
    work for it are not asked again. Raises NOT_FOUND (also out of scope), and CONFLICT for one
    that was delivered, be it by a relay this very moment.
    """
    before = OutboxEvent.objects.filter(pk=event_id).first()
    if before is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    now = clock.now()
    put_back = OutboxEvent.objects.filter(pk=event_id, delivered_at=None).update(
        attempts=0, failed_at=None, next_attempt_at=now
    )
    if not put_back:
        raise KairosError(ErrorCode.CONFLICT, _("It has been delivered."))
    journal.record(
        journal.Act(
            "outbox.retried",
            "core.outboxevent",
            event_id,
            before.clinic_id,
            changes={
                "attempts": [before.attempts, 0],
                "failed_at": [before.failed_at, None],
                "topic": [before.topic, before.topic],
            },
        )
    )
    outbox.kick_on_commit()
    return OutboxEvent.objects.get(pk=event_id)
