"""Opens the demonstration clinics: rooms, services, staff, working hours and days off."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.hashers import make_password

from accounts.models import User
from accounts.roles import Role
from appointments.demo.clinics import CLINICS
from appointments.demo.doctors import DOCTORS
from appointments.demo.shapes import (
    ADMINISTRATOR,
    MAIN,
    OTHER,
    PASSWORD,
    THIRD,
    ClinicSpec,
    DoctorSpec,
    HoursSpec,
)
from appointments.services.leave import exception_create
from clinics.models import (
    Clinic,
    Doctor,
    ExceptionKind,
    Location,
    Room,
    ScheduleException,
    ScheduleTemplate,
    Service,
)
from clinics.principal import Principal
from clinics.services.changes import create_row
from clinics.services.clinics import clinic_create
from clinics.services.memberships import membership_add
from core import journal

Progress = Callable[[], object]


@dataclass(slots=True)
class OpenClinic:
    """A clinic as it was opened; rooms are found by location and name."""

    spec: ClinicSpec
    row: Clinic
    locations: list[Location] = field(default_factory=list)
    rooms: dict[tuple[int, str], Room] = field(default_factory=dict)
    services: dict[str, Service] = field(default_factory=dict)
    closed: list[ScheduleException] = field(default_factory=list)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.spec.timezone)


@dataclass(slots=True)
class Employed:
    """A doctor as employed; `away` and `special` are days that differ from the weekly hours."""

    spec: DoctorSpec
    row: Doctor
    away: list[ScheduleException] = field(default_factory=list)
    special: list[tuple[HoursSpec, ScheduleException]] = field(default_factory=list)


@dataclass(slots=True)
class Stage:
    """Everything but the patients and their visits."""

    clinics: dict[str, OpenClinic]
    doctors: list[Employed]
    users: dict[str, User]


def stage_set(*, now: datetime, step: Progress) -> Stage:
    """Open the clinics and employ the staff; days off lie around `now`."""
    users = _users()
    step()
    clinics = {}
    for spec in CLINICS:
        clinics[spec.slug] = _clinic_open(spec, users)
        step()
    doctors = []
    for doctor in DOCTORS:
        doctors.append(_doctor_employ(doctor, clinics, users))
        step()
    stage = Stage(clinics, doctors, users)
    _days_off(stage, now)
    step()
    return stage


def _users() -> dict[str, User]:
    """Everyone who signs in. The password is hashed once: twenty times would take seconds."""
    hashed = make_password(PASSWORD)
    people = [(ADMINISTRATOR, "Ada", "Kestrel", "UTC")]
    for clinic in CLINICS:
        people += [
            (email, given, family, clinic.timezone) for email, given, family, _ in clinic.staff
        ]
        if clinic.patient_account:
            people.append((*clinic.patient_account, clinic.timezone))
    zones = {clinic.slug: clinic.timezone for clinic in CLINICS}
    people += [
        (doctor.email, doctor.given, doctor.family, zones[doctor.clinics[0][0]])
        for doctor in DOCTORS
    ]
    users = User.objects.bulk_create(
        User(
            email=email,
            password=hashed,
            given_name=given,
            family_name=family,
            timezone=zone,
            is_staff=email == ADMINISTRATOR,
            is_superuser=email == ADMINISTRATOR,
        )
        for email, given, family, zone in people
    )
    journal.record_many(journal.Act("user.created", "accounts.user", user.id) for user in users)
    return {str(user.email): user for user in users}


def _clinic_open(spec: ClinicSpec, users: dict[str, User]) -> OpenClinic:
    clinic = clinic_create(
        name=spec.name,
        slug=spec.slug,
        timezone=spec.timezone,
        country=spec.country,
        colour=spec.colour,
        email=f"{spec.slug}@example.org",
        requires_approval=spec.requires_approval,
    )
    opened = OpenClinic(spec, clinic)
    for number, place in enumerate(spec.locations):
        location = create_row(
            Location,
            {
                "clinic": clinic,
                "name": place.name,
                "address": place.address,
                "city": place.city,
                "timezone": spec.timezone,
                "latitude": Decimal(place.latitude),
                "longitude": Decimal(place.longitude),
                "geofence_metres": 150,
            },
            action="location.created",
        )
        opened.locations.append(location)
        for name in place.rooms:
            opened.rooms[number, name] = create_row(
                Room,
                {"clinic": clinic, "location": location, "name": name},
                action="room.created",
            )
    for service in spec.services:
        opened.services[service.name] = create_row(
            Service,
            {
                "clinic": clinic,
                "name": service.name,
                "duration_minutes": service.minutes,
                "buffer_before_minutes": service.before,
                "buffer_after_minutes": service.after,
                "modes": list(service.modes),
                "capacity": service.capacity,
                "colour": service.colour,
            },
            action="service.created",
        )
    for email, _, _, role in spec.staff:
        membership_add(clinic=clinic, user=users[email], role=role.value)
    return opened


def _doctor_employ(
    spec: DoctorSpec, clinics: dict[str, OpenClinic], users: dict[str, User]
) -> Employed:
    doctor = create_row(
        Doctor,
        {
            "user": users[spec.email],
            "display_name": f"Dr {spec.given} {spec.family}"
            if Role.DOCTOR in {role for _, role in spec.clinics}
            else f"{spec.given} {spec.family}",
            "profession": spec.profession.value,
            "specialties": list(spec.specialties),
            "languages": list(spec.languages),
            "licensed_regions": list(spec.regions),
            "accepted_insurances": list(spec.insurances),
            "max_daily_appointments": spec.daily_cap,
            "max_weekly_appointments": spec.weekly_cap,
        },
        action="doctor.created",
    )
    for slug, role in spec.clinics:
        membership_add(clinic=clinics[slug].row, user=users[spec.email], role=role.value)
    chosen = []
    for hours in spec.hours:
        clinic = clinics[hours.clinic]
        for weekday in hours.weekdays:
            for start, end in hours.shifts:
                template = create_row(
                    ScheduleTemplate,
                    {
                        "clinic": clinic.row,
                        "doctor": doctor,
                        "location": clinic.locations[hours.location],
                        "weekday": weekday,
                        "start_time": start,
                        "end_time": end,
                        "slot_minutes": hours.slot_minutes,
                        "capacity": hours.capacity,
                        "modes": list(hours.modes),
                    },
                    action="template.created",
                )
                chosen += [
                    ScheduleTemplate.services.through(
                        scheduletemplate_id=template.id, service_id=clinic.services[name].id
                    )
                    for name in hours.services
                ]
    ScheduleTemplate.services.through.objects.bulk_create(chosen)
    return Employed(spec, doctor)


def _days_off(stage: Stage, now: datetime) -> None:
    """Leave, holidays and other hours, in the past and in the days to come."""
    by_email = {employed.spec.email: employed for employed in stage.doctors}
    for slug, ahead, times, reason in (
        (MAIN, 13, (None, None), "Staff training day"),
        (OTHER, 9, (None, None), "Public holiday"),
        (THIRD, 6, (time(13), time(0)), "Festival: closed in the afternoon"),
    ):
        clinic = stage.clinics[slug]
        day = _today(clinic, now) + timedelta(days=ahead)
        clinic.closed.append(
            _exception(stage, clinic, ExceptionKind.CLOSED, day, day, times=times, reason=reason)
        )
    for email, slug, first, last in (
        ("amelia.stone@demo.kairos", MAIN, 9, 11),
        ("callum.drummond@other.kairos", OTHER, -10, -8),
        ("kavya.sundaram@demo.kairos", THIRD, 14, 18),
    ):
        clinic, employed = stage.clinics[slug], by_email[email]
        today = _today(clinic, now)
        leave = _exception(
            stage,
            clinic,
            ExceptionKind.LEAVE,
            today + timedelta(days=first),
            today + timedelta(days=last),
            doctor=employed.row,
            reason="Annual leave",
        )
        employed.away.append(leave)
    wren = by_email["tobias.wren@demo.kairos"]
    late = _today(stage.clinics[MAIN], now) + timedelta(days=5)
    _special(stage, wren, late, (time(12), time(20)), "Late opening")
    # The day of loading shows every status, whatever the hour: somebody is on duty around it.
    local = now.astimezone(stage.clinics[MAIN].zone)
    first = min(8, max(0, local.hour - 3))
    last = max(17, min(24, local.hour + 5))
    first_doctor = stage.doctors[0]
    _special(stage, first_doctor, local.date(), (time(first), time(last % 24)), "Open door day")


def _today(clinic: OpenClinic, now: datetime) -> date:
    return now.astimezone(clinic.zone).date()


def _special(
    stage: Stage, employed: Employed, day: date, times: tuple[time, time], reason: str
) -> None:
    hours = employed.spec.hours[0]
    exception = _exception(
        stage,
        stage.clinics[hours.clinic],
        ExceptionKind.HOURS,
        day,
        day,
        doctor=employed.row,
        location=stage.clinics[hours.clinic].locations[hours.location],
        times=times,
        hours=hours,
        reason=reason,
    )
    employed.special.append((hours, exception))


def _exception(
    stage: Stage,
    clinic: OpenClinic,
    kind: ExceptionKind,
    first: date,
    last: date,
    *,
    reason: str,
    doctor: Doctor | None = None,
    location: Location | None = None,
    times: tuple[time | None, time | None] = (None, None),
    hours: HoursSpec | None = None,
) -> ScheduleException:
    fields: dict[str, Any] = {
        "doctor": doctor,
        "location": location,
        "kind": kind.value,
        "start_date": first,
        "end_date": last,
        "start_time": times[0],
        "end_time": times[1],
        "reason": reason,
    }
    if hours is not None:
        fields |= {"slot_minutes": hours.slot_minutes, "modes": list(hours.modes)}
    administrator = Principal(
        user_id=stage.users[ADMINISTRATOR].id,
        session_id=None,
        is_super_admin=True,
        locale="en",
        timezone="UTC",
        doctor_id=None,
    )
    return exception_create(by=administrator, clinic=clinic.row, **fields)
