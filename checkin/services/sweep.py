"""What time does to a waiting room: yesterday's queue is closed, old receipts go."""

from datetime import timedelta
from typing import Final

from django.db.models import DateField, DateTimeField, F, Func, Value
from django.db.models.functions import Cast

from checkin.models import PRESENT, QueueEntry, QueueState, ScanReceipt
from checkin.services.entries import entry_record
from core import clock, tenancy, versions

RECEIPTS_KEPT: Final = timedelta(days=90)
_ROUND: Final = 500


def queue_sweep() -> int:
    """Close entries whose local day is over; returns how many. Safe to run twice at once.

    Who waited or was called is taken to have left, who was inside to be done; `swept` tells them
    from those of whom somebody said so, and keeps them out of the durations. A visit stays as it
    is: what became of it is for a person to say.
    """
    now = clock.now()
    with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000):
        today = Func(
            F("location__timezone"), Value(now), function="timezone", output_field=DateTimeField()
        )
        stale = list(
            QueueEntry.objects.filter(state__in=PRESENT, local_day__lt=Cast(today, DateField()))
            .order_by("local_day", "id")
            .values_list("id", "clinic_id")[:_ROUND]
        )
    closed = 0
    for entry_id, clinic_id in stale:
        with tenancy.scope([clinic_id]):
            entry = (
                QueueEntry.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
                .filter(pk=entry_id, state__in=PRESENT)
                .first()
            )
            if entry is None:
                continue
            before = entry.state
            done = entry.state == QueueState.IN_SERVICE
            entry.state = QueueState.DONE if done else QueueState.LEFT
            entry.done_at, entry.swept = now, True
            entry.left_reason = "" if done else "the day was over"
            versions.save(entry, ["state", "done_at", "swept", "left_reason"])
            entry_record(entry, "queue.swept", {"state": [before, entry.state]})
            closed += 1
    return closed


def receipts_prune() -> int:
    """Remove answers to scans that nobody sends again any more; returns how many."""
    with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000):
        gone, _ = ScanReceipt.objects.filter(created_at__lt=clock.now() - RECEIPTS_KEPT).delete()
    return gone
