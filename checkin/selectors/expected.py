"""The visits for which somebody may stand at a check-in location now, before they say so."""

from collections.abc import Collection
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Q

from appointments.models import OPEN, Appointment, AppointmentStatus
from checkin.selectors.visits import AHEAD, AROUND
from core import clock

_MOST = 20


def visits_expected(
    *, clinic: UUID, patients: Collection[UUID] = (), visits: Collection[UUID] = ()
) -> list[Appointment]:
    """Today's visits of these patients, and those of `visits`, by their time; none that are over
    or cancelled. None today: the next one within a week, alone.

    What may be checked in of them, and what not, is for the rules to say (`checkin.rules`).
    """
    now = clock.now()
    found = list(
        Appointment.objects.select_related(
            "clinic", "location", "doctor", "service", "patient", "arrival"
        )
        .filter(
            Q(patient_id__in=patients) | Q(pk__in=visits),
            clinic_id=clinic,
            status__in=[*OPEN, AppointmentStatus.NO_SHOW],
            starts_at__gte=now - AROUND,
            starts_at__lt=now + AHEAD,
        )
        .order_by("starts_at", "id")[:_MOST]
    )
    today = [visit for visit in found if is_today(visit)]
    later = [visit for visit in found if visit.starts_at > now and visit.status in OPEN]
    return today or later[:1]


def is_today(visit: Appointment) -> bool:
    """Whether the visit begins on the present day of its own location."""
    zone = ZoneInfo(visit.timezone)
    return visit.starts_at.astimezone(zone).date() == clock.now().astimezone(zone).date()
