"""A patient's visits, as far as the reader may see them."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from appointments.models import OPEN, Appointment, AppointmentStatus
from appointments.selectors.appointments import appointments_visible_to
from appointments.selectors.keyset import beyond, place_of
from clinics.principal import Principal
from core import clock


@dataclass(frozen=True, slots=True)
class Attendance:
    """How often a patient came, stayed away, or cancelled inside the cut-off."""

    completed: int
    no_shows: int
    late_cancellations: int


@dataclass(frozen=True, slots=True)
class Around:
    """The visit before now and the one after it."""

    last: Appointment | None = None
    next: Appointment | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some visits, latest first; `older` is where to read on, None at the end."""

    visits: list[Appointment]
    older: str | None


def visits_to_come(principal: Principal, patient: UUID, *, limit: int = 50) -> list[Appointment]:
    """Open visits that are not over, soonest first."""
    found = _with_names(_of(principal, [patient]).filter(_to_come()))
    return list(found.order_by("starts_at", "id")[:limit])


def visits_before(
    principal: Principal, patient: UUID, *, older: str | None = None, limit: int = 10
) -> Page:
    """What is over, or will not take place; latest first. Raises VALIDATION_ERROR for `older`."""
    found = _of(principal, [patient]).exclude(_to_come())
    if older is not None:
        found = found.filter(beyond(older, backwards=True))
    rows = list(_with_names(found).order_by("-starts_at", "-id")[: limit + 1])
    shown = rows[:limit]
    more = len(rows) > limit
    return Page(shown, place_of(shown[-1]) if more else None)


def attendance(principal: Principal, patient: UUID) -> Attendance:
    """Counts over every visit of the patient that the reader sees."""
    counted = _of(principal, [patient]).aggregate(
        completed=Count("pk", filter=Q(status=AppointmentStatus.COMPLETED)),
        no_shows=Count("pk", filter=Q(status=AppointmentStatus.NO_SHOW)),
        late=Count("pk", filter=Q(status=AppointmentStatus.CANCELLED, late_cancellation=True)),
    )
    return Attendance(counted["completed"], counted["no_shows"], counted["late"])


def visits_around(principal: Principal, patients: Iterable[UUID]) -> dict[UUID, Around]:
    """For each patient the last visit and the next; two statements for all of them."""
    wanted = list(patients)
    if not wanted:
        return {}
    visits = _with_names(_of(principal, wanted))
    coming = {
        visit.patient_id: visit
        for visit in visits.filter(_to_come())
        .order_by("patient_id", "starts_at", "id")
        .distinct("patient_id")
    }
    gone = {
        visit.patient_id: visit
        for visit in visits.exclude(_to_come())
        .exclude(status=AppointmentStatus.CANCELLED)
        .order_by("patient_id", "-starts_at", "-id")
        .distinct("patient_id")
    }
    return {patient: Around(gone.get(patient), coming.get(patient)) for patient in wanted}


def _of(principal: Principal, patients: list[UUID]) -> QuerySet[Appointment]:
    return appointments_visible_to(principal).filter(patient_id__in=patients)


def _to_come() -> Q:
    return Q(status__in=OPEN, ends_at__gte=clock.now())


def _with_names(visits: QuerySet[Appointment]) -> QuerySet[Appointment]:
    return visits.select_related("doctor", "location", "service")
