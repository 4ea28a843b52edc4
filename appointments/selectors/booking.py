"""What can be booked with a doctor, and what the desk wants to know before it books."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from django.db.models import Count

from appointments.models import OPEN, Appointment, BusyTime, Claim
from appointments.selectors.appointments import appointments_visible_to
from clinics.models import (
    Doctor,
    ExceptionKind,
    Location,
    Room,
    ScheduleException,
    ScheduleTemplate,
    Service,
)
from clinics.principal import Principal
from clinics.selectors.directory import doctors_of_clinic
from core import clock

#: What was booked in this time says what is usual.
_USUAL = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a clinic has to choose from: active doctors, places, services and rooms, by name."""

    doctors: list[Doctor]
    locations: list[Location]
    services: list[Service]
    rooms: list[Room]

    def doctor(self, wanted: UUID | None) -> Doctor | None:
        return next((one for one in self.doctors if one.id == wanted), None)

    def location(self, wanted: UUID | None) -> Location | None:
        return next((one for one in self.locations if one.id == wanted), None)

    def service(self, wanted: UUID | None) -> Service | None:
        return next((one for one in self.services if one.id == wanted), None)


def offer_of(clinic: UUID) -> Offer:
    """The clinic's whole offer, in a constant number of statements."""
    return Offer(
        doctors=list(doctors_of_clinic(clinic).order_by("display_name", "id")),
        locations=list(Location.objects.filter(clinic_id=clinic, is_active=True).order_by("name")),
        services=list(Service.objects.filter(clinic_id=clinic, is_active=True).order_by("name")),
        rooms=list(
            Room.objects.filter(clinic_id=clinic, is_active=True, location__is_active=True)
            .select_related("location")
            .order_by("location__name", "name")
        ),
    )


@dataclass(frozen=True, slots=True)
class DoctorsHours:
    """The hours of one doctor at a clinic on one local day, or of any day where that has none."""

    templates: list[ScheduleTemplate]
    other_hours: bool

    def location_at(self, at: time | None) -> UUID | None:
        """Where the doctor works at that time of the day, else anywhere on it."""
        for hours in self.templates:
            late = hours.end_time == time(0) or (at is not None and at < hours.end_time)
            if at is not None and hours.start_time <= at and late:
                return hours.location_id
        return self.templates[0].location_id if self.templates else None

    def services_in(self, services: Sequence[Service], location: UUID | None) -> list[Service]:
        """Those that the hours are for; hours that name none, and changed hours, are for all."""
        here = [one for one in self.templates if location in {None, one.location_id}]
        named = [set(one.services.all()) for one in here or self.templates]
        if self.other_hours or not named or not all(named):
            return list(services)
        allowed = {service.id for group in named for service in group}
        return [service for service in services if service.id in allowed]


def hours_of_doctor(clinic: UUID, doctor: UUID, day: date | None) -> DoctorsHours:
    """The doctor's weekly hours that hold on `day`; all of them where the day has none."""
    found = list(
        ScheduleTemplate.objects.filter(clinic_id=clinic, doctor_id=doctor)
        .prefetch_related("services")
        .order_by("weekday", "start_time")
    )
    if day is None:
        return DoctorsHours(found, other_hours=False)
    changed = ScheduleException.objects.filter(
        clinic_id=clinic,
        doctor_id=doctor,
        kind=ExceptionKind.HOURS,
        start_date__lte=day,
        end_date__gte=day,
    ).exists()
    that_day = [one for one in found if one.weekday == day.isoweekday() and _holds(one, day)]
    return DoctorsHours(that_day or found, other_hours=changed)


def _holds(hours: ScheduleTemplate, day: date) -> bool:
    return (hours.valid_from is None or hours.valid_from <= day) and (
        hours.valid_to is None or hours.valid_to >= day
    )


def service_usual(clinic: UUID, doctor: UUID | None) -> UUID | None:
    """The service booked most often in the past three months: with the doctor, or with anybody."""
    found = Appointment.objects.filter(
        clinic_id=clinic, starts_at__gte=clock.now() - _USUAL, service__isnull=False
    )
    if doctor is not None:
        found = found.filter(doctor_id=doctor)
    row = (
        found.values("service_id").annotate(times=Count("id")).order_by("-times", "service_id")
    ).first()
    return row["service_id"] if row else None


def coming_counted(principal: Principal, patients: Iterable[UUID]) -> dict[UUID, int]:
    """How many open visits each patient has before them, as far as the reader sees them."""
    wanted = list(patients)
    if not wanted:
        return {}
    rows = (
        appointments_visible_to(principal)
        .filter(patient_id__in=wanted, status__in=OPEN, ends_at__gte=clock.now())
        .values_list("patient_id")
        .annotate(Count("id"))
        .order_by()
    )
    return dict(rows)


def visit_in_the_way(
    principal: Principal, patient: UUID, start: datetime, end: datetime
) -> Appointment | None:
    """The patient's open visit in [start, end), if the reader may see it."""
    return (
        appointments_visible_to(principal)
        .filter(patient_id=patient, status__in=OPEN, starts_at__lt=end, ends_at__gt=start)
        .select_related("doctor")
        .order_by("starts_at")
        .first()
    )


@dataclass(frozen=True, slots=True)
class OwnHold:
    """A time that the user keeps, in this clinic."""

    id: UUID
    starts_at: datetime
    ends_at: datetime
    service: UUID | None
    location: UUID | None
    expires_at: datetime


def holds_of(
    holder: UUID, *, clinic: UUID, doctor: UUID, start: datetime, end: datetime
) -> list[OwnHold]:
    """The user's live holds of the doctor's time that touch [start, end), latest first."""
    rows = BusyTime.objects.filter(
        holder=holder,
        kind=Claim.HELD,
        clinic_id=clinic,
        doctor_id=doctor,
        expires_at__gt=clock.now(),
    ).values_list("id", "visit", "service_id", "location_id", "expires_at")
    found = [
        OwnHold(claim, visit.lower, visit.upper, service, location, expires)
        for claim, visit, service, location, expires in rows.order_by("-id")
        if expires is not None
    ]
    return [one for one in found if one.starts_at < end and one.ends_at > start]
