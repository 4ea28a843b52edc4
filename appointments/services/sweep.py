"""Removing claims that have had their time."""

from datetime import UTC, datetime, timedelta

from django.db import connection

from appointments.live import calendar_changed
from appointments.models import BusyTime, Claim
from core import clock, tenancy

#: Claims stay this long after their end, so that yesterday's board can still be drawn.
KEEP = timedelta(days=7)


def holds_sweep() -> int:
    """Remove expired holds; returns how many."""
    return _sweep(clock.now(), datetime.min.replace(tzinfo=UTC))


def busy_time_prune() -> int:
    """Remove claims that ended a week ago, and expired holds; returns how many."""
    return _sweep(clock.now(), clock.now() - KEEP)


def _sweep(holds_before: datetime, over_before: datetime) -> int:
    with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000), connection.cursor() as cursor:
        expired = BusyTime.objects.filter(kind=Claim.HELD, expires_at__lte=holds_before)
        for clinic, doctor, visit in expired.values_list("clinic_id", "doctor_id", "visit"):
            calendar_changed(clinic=clinic, doctor=doctor, spans=[(visit.lower, visit.upper)])
        cursor.execute("SELECT appointments_sweep(%s, %s)", [holds_before, over_before])
        return int(cursor.fetchone()[0])
