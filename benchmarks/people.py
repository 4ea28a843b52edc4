"""Who and what a shape begins with: clinics, places, services, doctors with hours, and accounts."""

from collections.abc import Iterator
from datetime import time, timedelta
from itertools import cycle, islice
from uuid import UUID

from django.contrib.auth.hashers import make_password

from accounts import tokens
from accounts.models import RefreshSession, RoleGroup, User
from accounts.roles import Role
from benchmarks.shape import Shape
from clinics.models import (
    Clinic,
    Doctor,
    Location,
    Membership,
    Profession,
    Room,
    ScheduleTemplate,
    Service,
)
from clinics.services.clinics import clinic_create
from core import clock, ids, tenancy

ZONES = ("America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Sydney", "Africa/Lagos")
SPECIALTIES = ("General practice", "Cardiology", "Paediatrics", "Dermatology", "Psychiatry")
#: Name, minutes, buffer after, modes. A short visit and its buffer fill one cell of 20 minutes, a
#: long one two of them.
SERVICES = (
    ("Consultation", 20, 0, ["IN_PERSON"]),
    ("Follow-up", 15, 5, ["IN_PERSON"]),
    ("Video consultation", 20, 0, ["VIDEO_CALL"]),
    ("Check-up", 35, 5, ["IN_PERSON"]),
)
_BATCH = 1000  # a statement takes at most 65,535 parameters
_EARLY = ((time(8), time(12)), (time(13), time(17)))
_LATE = ((time(9), time(13)), (time(14), time(18)))


def people_create(shape: Shape) -> None:
    """Everything but charts and appointments, through the services where rules are involved."""
    with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000):
        clinics = [
            clinic_create(
                name=f"Clinic {number + 1}",
                slug=f"clinic-{number + 1}",
                timezone=zone,
                country="US",
            )
            for number, zone in enumerate(islice(cycle(ZONES), shape.clinics))
        ]
        groups = {
            (clinic, role): group
            for clinic, role, group in RoleGroup.objects.values_list(
                "clinic_id", "role", "group_id"
            )
        }
        places = _places(clinics)
        doctors = list(_doctors(shape, clinics))
        desks = _users("desk", shape.receptionists)
        accounts = _users("patient", shape.accounts)
        admins = _users("manager", shape.clinics)
        User.objects.bulk_create(
            [*(user for user, _ in doctors), *desks, *accounts, *admins], batch_size=_BATCH
        )
        Doctor.objects.bulk_create((doctor for _, doctor in doctors), batch_size=_BATCH)
        _employ(
            groups,
            [
                *(
                    (clinics[n % len(clinics)], user, Role.DOCTOR)
                    for n, (user, _) in enumerate(doctors)
                ),
                # One doctor in twenty also works for the next clinic.
                *(
                    (clinics[(n + 1) % len(clinics)], user, Role.DOCTOR)
                    for n, (user, _) in enumerate(doctors)
                    if n % 20 == 0
                ),
                *(
                    (clinics[n % len(clinics)], user, Role.RECEPTIONIST)
                    for n, user in enumerate(desks)
                ),
                *(
                    (clinic, user, Role.CLINIC_ADMIN)
                    for clinic, user in zip(clinics, admins, strict=True)
                ),
            ],
        )
        _hours(clinics, places, [doctor for _, doctor in doctors])
        _sessions([*(user for user, _ in doctors), *desks, *accounts, *admins])


def _users(kind: str, count: int) -> list[User]:
    password = make_password(None)
    return [
        User(
            id=ids.uuid7(),
            email=f"{kind}-{number}@example.test",
            given_name=kind.title(),
            family_name=str(number),
            password=password,
        )
        for number in range(count)
    ]


def _doctors(shape: Shape, clinics: list[Clinic]) -> Iterator[tuple[User, Doctor]]:
    for number, user in enumerate(_users("doctor", shape.doctors)):
        yield (
            user,
            Doctor(
                user=user,
                display_name=f"Dr. Number {number}",
                profession=Profession.DOCTOR if number % 10 else Profession.PSYCHOLOGIST,
                specialties=[SPECIALTIES[number % len(SPECIALTIES)]],
                licensed_regions=[f"R{number % 8}"],
                accepted_insurances=[f"Plan {number % 5}", f"Plan {(number + 2) % 5}"],
                languages=["en"],
                # One in ten has a cap: it is high, but has to be counted.
                max_daily_appointments=30 if number % 10 == 5 else None,
            ),
        )


def _places(clinics: list[Clinic]) -> dict[UUID, list[Location]]:
    places = {
        clinic.id: [
            Location(clinic=clinic, name=name, city="Town", timezone=clinic.timezone)
            for name in ("Main street", "Station")
        ]
        for clinic in clinics
    }
    Location.objects.bulk_create(
        (place for both in places.values() for place in both), batch_size=_BATCH
    )
    Room.objects.bulk_create(
        (
            Room(clinic_id=place.clinic_id, location=place, name=f"Room {number}")
            for both in places.values()
            for place in both
            for number in range(1, 4)
        ),
        batch_size=_BATCH,
    )
    Service.objects.bulk_create(
        (
            Service(
                clinic=clinic,
                name=name,
                duration_minutes=minutes,
                buffer_after_minutes=after,
                modes=modes,
            )
            for clinic in clinics
            for name, minutes, after, modes in SERVICES
        ),
        batch_size=_BATCH,
    )
    return places


def _employ(groups: dict[tuple[UUID, str], int], posts: list[tuple[Clinic, User, Role]]) -> None:
    Membership.objects.bulk_create(
        (Membership(clinic=clinic, user=user, role=role) for clinic, user, role in posts),
        batch_size=_BATCH,
    )
    through = User.groups.through
    through.objects.bulk_create(
        (
            through(user_id=user.id, group_id=groups[clinic.id, role.value])
            for clinic, user, role in posts
        ),
        batch_size=_BATCH,
    )


def _hours(
    clinics: list[Clinic], places: dict[UUID, list[Location]], doctors: list[Doctor]
) -> None:
    templates = []
    for number, doctor in enumerate(doctors):
        clinic = clinics[number % len(clinics)]
        main, station = places[clinic.id]
        for weekday in range(1, 6):
            for shift, (start, end) in enumerate(_LATE if number % 2 else _EARLY):
                # One doctor in five spends the afternoons at the second location.
                place = station if shift and number % 5 == 0 else main
                templates.append(
                    ScheduleTemplate(
                        clinic=clinic,
                        doctor=doctor,
                        location=place,
                        weekday=weekday,
                        start_time=start,
                        end_time=end,
                        slot_minutes=20,
                        modes=["IN_PERSON", "VIDEO_CALL"],
                    )
                )
    ScheduleTemplate.objects.bulk_create(templates, batch_size=2000)
    services: dict[UUID, list[UUID]] = {}
    for clinic_id, service_id in Service.objects.values_list("clinic_id", "id"):
        services.setdefault(clinic_id, []).append(service_id)
    links = ScheduleTemplate.services.through
    listed = {doctor.id for doctor in doctors[::4]}  # these say which services; others: any
    links.objects.bulk_create(
        (
            links(scheduletemplate_id=template.id, service_id=service)
            for template in templates
            if template.doctor_id in listed
            for service in services[template.clinic_id]
        ),
        batch_size=_BATCH,
    )


def _sessions(users: list[User]) -> None:
    expires = tokens.session_expiry(clock.now()) + timedelta(days=300)
    RefreshSession.objects.bulk_create(
        (
            RefreshSession(
                user=user, token_hash=b"\0" * 32, device_name="benchmark", expires_at=expires
            )
            for user in users
        ),
        batch_size=_BATCH,
    )
