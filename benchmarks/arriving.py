"""A clinic whose patients all come today: its places, scanners, and the passes of its visits."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from accounts.models import User
from accounts.roles import Role
from appointments.models import Appointment, BusyTime, Claim, Source
from benchmarks.population import People
from benchmarks.staff import doctor_made, principal_of
from checkin.codes import Kind, code_of
from checkin.services.devices import device_lend
from clinics.models import Location, Patient
from clinics.services.changes import create_row
from clinics.services.clinics import clinic_create
from clinics.services.memberships import membership_add
from core import clock, ids, tenancy

_DOCTORS = 2  # of each place


@dataclass(frozen=True, slots=True)
class House:
    """By place: the tokens of its scanners, and the codes of who comes there today."""

    clinic: UUID
    tokens: list[list[str]]
    passes: list[list[str]]


def arrivals_open(people: People, *, places: int, devices: int, visits: int) -> House:
    """A new clinic with so many places, and so many devices and visits at each."""
    slug = f"door-{ids.uuid7().hex[-8:]}"
    now = clock.now()
    # Today everywhere in the clinic, whatever the hour is: nobody comes at midnight.
    zone = (
        f"Etc/GMT{'+' if now.hour >= 12 else '-'}{abs(now.hour - 12)}" if now.hour != 12 else "UTC"
    )
    with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000):
        clinic = clinic_create(name="The door", slug=slug, timezone=zone, country="DE")
        desk = User.objects.create_user(f"{slug}@example.test", None, given_name="Desk")
        membership_add(clinic=clinic, user=desk, role=Role.RECEPTIONIST)
        rooms: list[Any] = [
            create_row(
                Location,
                {"clinic": clinic, "name": f"Place {number}", "timezone": zone},
                action="location.created",
            )
            for number in range(places)
        ]
        doctors = [doctor_made(clinic, slug, number) for number in range(places * _DOCTORS)]
        charts = Patient.objects.bulk_create(
            Patient(
                clinic=clinic,
                mrn=f"D{number}",
                given_name=f"Given{number}",
                family_name="Name",
            )
            for number in range(places * visits)
        )
        made = [
            Appointment(
                clinic=clinic,
                location=rooms[number % places],
                doctor_id=doctors[number % (places * _DOCTORS)],
                patient=chart,
                type="IN_PERSON",
                status="CONFIRMED",
                starts_at=now + timedelta(minutes=number % 20),
                ends_at=now + timedelta(minutes=number % 20 + 20),
                timezone=zone,
                source=Source.IMPORT,
            )
            for number, chart in enumerate(charts)
        ]
        Appointment.objects.bulk_create(made)
        BusyTime.objects.bulk_create(
            BusyTime(
                clinic=clinic,
                doctor_id=one.doctor_id,
                lane=lane,
                kind=Claim.BOOKED,
                appointment=one,
                period=(one.starts_at, one.ends_at),
                visit=(one.starts_at, one.ends_at),
            )
            for lane, one in enumerate(made)
        )
    with tenancy.scope(()):
        by = principal_of(desk.id)
        tokens = [
            [device_lend(by=by, clinic=clinic, location=room)[1] for _ in range(devices)]
            for room in rooms
        ]
    passes: list[list[str]] = [[] for _ in range(places)]
    for number, one in enumerate(made):
        passes[number % places].append(code_of(Kind.PASS, clinic=clinic.id, subject=one.id))
    people.database.execute("ANALYZE appointments_appointment")
    return House(clinic.id, tokens, passes)
