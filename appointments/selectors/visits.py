"""Reads of visits for the people who work with them: one, its neighbours, what waits, a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.roles import Permission
from appointments.models import Appointment, AppointmentStatus
from appointments.selectors.appointments import appointments_visible_to
from clinics.principal import Principal
from core.errors import ErrorCode, KairosError, invalid

_PEOPLE_AND_PLACES = ("patient", "doctor", "location", "room", "service")
#: Statuses that leave no visit to speak of.
_GONE = (AppointmentStatus.CANCELLED,)


def visit_open(by: Principal, *, clinic: UUID, visit: UUID) -> Appointment:
    """A visit of the clinic with everybody and everything it names, in one query.

    Raises APPOINTMENT_NOT_FOUND, the same for what does not exist and what `by` may not see.
    """
    found = (
        appointments_visible_to(by)
        .filter(pk=visit, clinic_id=clinic)
        .select_related(*_PEOPLE_AND_PLACES, "booked_by", "cancelled_by")
        .first()
    )
    if found is None:
        raise KairosError(ErrorCode.APPOINTMENT_NOT_FOUND)
    return found


def neighbours(by: Principal, visit: Appointment) -> tuple[Appointment | None, Appointment | None]:
    """The patient's visits before and after this one in its clinic, cancelled ones left out."""
    others = (
        appointments_visible_to(by)
        .filter(clinic_id=visit.clinic_id, patient_id=visit.patient_id)
        .exclude(pk=visit.pk)
        .exclude(status__in=_GONE)
        .select_related("doctor")
    )
    at, pk = visit.starts_at, visit.pk
    earlier = others.filter(Q(starts_at__lt=at) | Q(starts_at=at, pk__lt=pk))
    later = others.filter(Q(starts_at__gt=at) | Q(starts_at=at, pk__gt=pk))
    return (
        earlier.order_by("-starts_at", "-id").first(),
        later.order_by("starts_at", "id").first(),
    )


def requests_for(by: Principal, *, clinic: UUID) -> QuerySet[Appointment]:
    """What waits for the clinic's approval and `by` may answer, the oldest request first."""
    found = appointments_visible_to(by).filter(clinic_id=clinic, status=AppointmentStatus.PENDING)
    if not by.may(Permission.APPOINTMENT_MANAGE, clinic):
        if by.doctor_id is None or not by.may_own(Permission.APPOINTMENT_MANAGE, clinic):
            return found.none()
        found = found.filter(doctor_id=by.doctor_id)
    return found.order_by("created_at", "id")


@dataclass(frozen=True, slots=True)
class Requests:
    """A page of requests; `after` is where to read on, None at the end."""

    visits: Sequence[Appointment]
    after: str | None


def requests_page(
    by: Principal,
    *,
    clinic: UUID,
    limit: int,
    after: str | None = None,
) -> Requests:
    """At most `limit` requests, made after the one that `after` names.

    Raises VALIDATION_ERROR for an `after` that is none of ours.
    """
    found = requests_for(by, clinic=clinic).select_related(*_PEOPLE_AND_PLACES)
    if after is not None:
        at, pk = _key(after)
        found = found.filter(Q(created_at__gt=at) | Q(created_at=at, pk__gt=pk))
    rows = list(found[: limit + 1])
    last = rows[limit - 1] if len(rows) > limit else None
    return Requests(rows[:limit], f"{last.created_at.isoformat()}_{last.pk}" if last else None)


def _key(after: str) -> tuple[datetime, UUID]:
    at, _underscore, pk = after.partition("_")
    try:
        moment = datetime.fromisoformat(at)
        key = UUID(pk)
    except ValueError:
        raise invalid("after", "not a page of this list") from None
    if moment.tzinfo is None:
        raise invalid("after", "not a page of this list")
    return moment, key


def requests_counted(by: Principal, *, clinic: UUID, limit: int) -> int:
    """How many requests wait for `by`, in one query that stops at `limit`."""
    return requests_for(by, clinic=clinic).order_by()[:limit].count()


def visits_of_day(
    by: Principal,
    *,
    clinic: UUID,
    day: date,
    doctors: Sequence[UUID] = (),
    locations: Sequence[UUID] = (),
) -> QuerySet[Appointment]:
    """The visits of a local day by doctor's name and time, cancelled ones left out.

    Of these doctors, or at these locations, where some are given.
    """
    found = (
        appointments_visible_to(by)
        .filter(clinic_id=clinic, local_day=day)
        .exclude(status__in=_GONE)
        .select_related(*_PEOPLE_AND_PLACES)
    )
    if doctors:
        found = found.filter(doctor_id__in=doctors)
    if locations:
        found = found.filter(location_id__in=locations)
    return found.order_by("doctor__display_name", "doctor_id", "starts_at", "id")
