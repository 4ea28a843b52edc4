"""Reads of series: who sees which, their visits, and what is free near dates that are taken."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from appointments.models import Appointment, AppointmentSeries, SeriesSkip
from appointments.selectors.appointments import calendars_read_by
from appointments.selectors.slots import Slot
from clinics.principal import Principal
from core import clock
from core.rows import load_instants_fast

#: Visits of a series that are listed one by one; a list of visits can be filtered by their series.
MOST_LISTED = 600
#: For so many dates other times are looked for on the days around; for more, on their own day.
_LOOK_AROUND = 26
#: Nobody reads more; each costs a look at the calendar.
MOST_WITH_ALTERNATIVES = 104


def series_visible_to(principal: Principal) -> QuerySet[AppointmentSeries]:
    """Series that the principal may read: as with visits, by clinic, own calendar or own chart."""
    if principal.is_super_admin:
        return AppointmentSeries.objects.all()
    whole, own = calendars_read_by(principal)
    seen = Q(clinic_id__in=whole) if whole else Q(pk__in=())
    if principal.doctor_id is not None and own:
        seen |= Q(doctor_id=principal.doctor_id, clinic_id__in=own)
    patients = principal.own_patients()
    if patients:
        seen |= Q(patient_id__in=patients)
    return AppointmentSeries.objects.filter(seen)


def series_visits(series_id: UUID) -> QuerySet[Appointment]:
    """Every visit that was booked for the series, in the order of its numbers, whatever became
    of it. The series itself must be the reader's to see."""
    return Appointment.objects.filter(series_id=series_id).order_by("series_sequence", "id")


@dataclass(frozen=True, slots=True)
class SeriesSummary:
    """How a series stands: its visits (at most `MOST_LISTED`), how many have each status, the next
    open one, and the dates that were left out."""

    visits: list[Appointment]
    by_status: dict[str, int]
    next: Appointment | None
    skips: list[SeriesSkip]


def series_summary(series_id: UUID) -> SeriesSummary:
    """Two statements, whatever the length."""
    return summary_of(
        series_visits(series_id)[:MOST_LISTED],
        SeriesSkip.objects.filter(series_id=series_id).order_by("sequence")[:MOST_LISTED],
    )


def summary_of(visits: Iterable[Appointment], skips: Iterable[SeriesSkip]) -> SeriesSummary:
    """The same of visits and skips that are there already, in order."""
    listed = list(visits)
    now = clock.now()
    coming = [visit for visit in listed if visit.is_open and visit.starts_at >= now]
    return SeriesSummary(
        listed,
        dict(Counter(str(visit.status) for visit in listed)),
        min(coming, key=lambda visit: visit.starts_at, default=None),
        list(skips),
    )


_ALTERNATIVES = """
SELECT a.place, s.doctor_id, s.clinic_id, s.location_id, s.starts_at, s.ends_at, s.timezone,
       s.remaining
FROM unnest(%(starts)s::timestamptz[]) WITH ORDINALITY AS a(at, place)
CROSS JOIN LATERAL (
    SELECT f.* FROM appointments_slots(
        %(clinics)s::uuid[], %(doctors)s::uuid[], %(location)s::uuid, %(service)s::uuid,
        %(minutes)s::integer, %(mode)s, GREATEST(a.at - %(before)s, %(now)s), a.at + %(after)s,
        %(now)s, false, NULL, %(moving)s::uuid[], NULL, false, a.at + interval '30 days', 1000) AS f
    ORDER BY abs(extract(epoch FROM f.starts_at - a.at)), f.starts_at
    LIMIT 12
) AS s
ORDER BY a.place, abs(extract(epoch FROM s.starts_at - a.at)), s.starts_at
"""


def alternatives_all(
    *,
    clinic: UUID,
    doctor: UUID,
    around: Sequence[datetime],
    location: UUID | None,
    service: UUID | None,
    minutes: int,
    mode: str,
    moving: Sequence[UUID] = (),
    taken: Sequence[tuple[datetime, datetime]] = (),
    count: int = 3,
) -> list[list[Slot]]:
    """For each of these starts the free ones nearest to it, in one statement; in their order.

    Times in `taken`, which are about to be booked, are left out. The clinic's horizon does not
    bind here. Beyond `MOST_WITH_ALTERNATIVES` starts the rest get none.
    """
    asked = list(around[:MOST_WITH_ALTERNATIVES])
    found: list[list[Slot]] = [[] for _ in around]
    if not asked:
        return found
    days = len(asked) <= _LOOK_AROUND
    now = clock.now()
    params: dict[str, Any] = {
        "starts": asked,
        "clinics": [clinic],
        "doctors": [doctor],
        "location": location,
        "service": service,
        "minutes": minutes,
        "mode": mode,
        "before": timedelta(days=2) if days else timedelta(hours=6),
        "after": timedelta(days=5) if days else timedelta(hours=6),
        "now": now,
        "moving": list(moving) or None,
    }
    with connection.cursor() as cursor:
        load_instants_fast(cursor)
        cursor.execute(_ALTERNATIVES, params)
        for place, *row in cursor.fetchall():
            slots = found[place - 1]
            slot = Slot(row[0], row[1], row[2], service, *row[3:7])
            clear = not any(slot.starts_at < end and start < slot.ends_at for start, end in taken)
            if len(slots) < count and clear:
                slots.append(slot)
    return found
