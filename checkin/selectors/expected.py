"""The visits for which somebody may stand at a check-in location now, before they say so."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import Q

from appointments.models import OPEN, Appointment, AppointmentStatus
from checkin.rules import is_on_day_of
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
    today = [visit for visit in found if is_on_day_of(visit, now)]
    later = [visit for visit in found if visit.starts_at > now and visit.status in OPEN]
    return today or later[:1]
