"""The cast of the calendar's tests: a clinic with its people, hours and rooms, and the outsider.

Built through the services, in whatever database is connected. Nobody has a password: each person
gets an open device session and an access token, which costs no password hashing.
"""

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.test import Client

from accounts import tokens
from accounts.models import RefreshSession, User
from clinics.models import Clinic, Doctor, Location, Patient, Room, ScheduleTemplate, Service
from clinics.principal import Principal, principal_open
from clinics.services.changes import create_row
from clinics.services.clinics import clinic_create
from clinics.services.memberships import membership_add
from core import clock, tenancy

EVERY_DAY = range(1, 8)


@dataclass(frozen=True)
class Person:
    """A signed-in user."""

    user: User
    session: UUID

    @property
    def id(self) -> UUID:
        return self.user.id

    @property
    def token(self) -> str:
        return tokens.issue_access(self.user.id, self.session)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def api(self) -> "Api":
        return Api(self)

    def principal(self) -> Principal:
        """The rights, read anew; also enters the person's scope, as a request does."""
        found = principal_open(self.user.id, self.session, write=True)
        assert found is not None
        return found


class Api:
    """The JSON API as one person, in this process. Nobody's with None."""

    client = Client()  # one for all: each instance would set up the middleware anew

    def __init__(self, by: Person | None) -> None:
        self._by = by

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(f"/api/v1/{path}", query, headers=self._headers({}))

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("post", path, json.dumps(body or {}, default=str), **headers)

    def put(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("put", path, json.dumps(body or {}, default=str), **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("patch", path, json.dumps(body or {}, default=str), **headers)

    def delete(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("delete", path, json.dumps(body or {}, default=str), **headers)

    def send(
        self,
        method: str,
        path: str,
        content: str | bytes,
        *,
        content_type: str = "application/json",
        **headers: str,
    ) -> Any:
        """A body as it is."""
        return getattr(self.client, method)(
            f"/api/v1/{path}", content, content_type=content_type, headers=self._headers(headers)
        )

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        return (self._by.headers if self._by else {}) | more


def person(name: str = "someone") -> Person:
    """A user with an open session. Names need not be unique."""
    user = User.objects.create_user(f"{name}-{secrets.token_hex(4)}@example.org", None)
    session = RefreshSession.objects.create(
        user=user,
        token_hash=RefreshSession.hash_token(secrets.token_hex(8)),
        expires_at=clock.now() + timedelta(days=3650),
    )
    return Person(user, session.id)


@dataclass
class House:
    """A clinic, with one of each who matters and one service, room and location."""

    clinic: Clinic
    location: Location
    service: Service
    room: Room
    admin: Person
    reception: Person
    nurse: Person
    doctor_user: Person
    doctor: Doctor
    patient: Person
    chart: Patient
    zone: str
    _numbers: list[int] = field(default_factory=lambda: [1])

    def add_chart(self, user: Person | None = None, clinic: Clinic | None = None) -> Patient:
        self._numbers[0] += 1
        number = self._numbers[0]
        return _row(
            Patient,
            clinic=clinic or self.clinic,
            user=user.user if user else None,
            mrn=f"M{number}",
            given_name=f"Given{number}",
            family_name="Family",
        )

    def add_doctor(self, **fields: Any) -> Doctor:
        """One more doctor of the clinic, without hours."""
        member = person("doctor")
        with tenancy.scope(tenancy.SYSTEM):
            membership_add(clinic=self.clinic, user=member.user, role="DOCTOR")
        return _row(Doctor, user=member.user, display_name="Dr More", **fields)

    def add_service(self, **fields: Any) -> Service:
        self._numbers[0] += 1
        defaults = {"name": f"Service {self._numbers[0]}", "duration_minutes": 30}
        return _row(Service, clinic=self.clinic, **(defaults | fields))

    def add_room(self) -> Room:
        self._numbers[0] += 1
        return _row(
            Room, clinic=self.clinic, location=self.location, name=f"Room {self._numbers[0]}"
        )

    def add_location(self, zone: str | None = None) -> Location:
        self._numbers[0] += 1
        name = f"Place {self._numbers[0]}"
        return _row(Location, clinic=self.clinic, name=name, timezone=zone or self.zone)

    def add_hours(
        self,
        doctor: Doctor | None = None,
        start: time = time(8),
        end: time = time(17),
        *,
        weekdays: Iterable[int] = EVERY_DAY,
        services: Iterable[Service] = (),
        **fields: Any,
    ) -> list[ScheduleTemplate]:
        made = []
        values = {"slot_minutes": 30, "location": self.location, "clinic": self.clinic} | fields
        for weekday in weekdays:
            template = _row(
                ScheduleTemplate,
                doctor=doctor or self.doctor,
                weekday=weekday,
                start_time=start,
                end_time=end,
                **values,
            )
            if services:
                with tenancy.scope(tenancy.SYSTEM):
                    template.services.set(services)
            made.append(template)
        return made

    def policy(self, **fields: Any) -> None:
        """Change the clinic's settings."""
        for name, value in fields.items():
            setattr(self.clinic, name, value)
        with tenancy.scope(tenancy.SYSTEM):
            self.clinic.save(update_fields=list(fields))

    def request(self, starts_at: datetime, /, **fields: Any) -> dict[str, Any]:
        """The body of a booking: the house's doctor, chart, place and service unless said."""
        body = {
            "doctor": self.doctor.id,
            "patient": self.chart.id,
            "location": self.location.id,
            "service": self.service.id,
            "type": "IN_PERSON",
            "starts_at": starts_at.isoformat(),
        } | fields
        return {name: value for name, value in body.items() if value is not ...}

    def book(
        self, starts_at: datetime, /, by: Person | None = None, **fields: Any
    ) -> dict[str, Any]:
        """Book over the API; the answer, which has to be a 201."""
        answer = (by or self.reception).api.post("appointments", self.request(starts_at, **fields))
        assert answer.status_code == 201, answer.content
        return answer.json()

    def doctor_of(self, shared: Doctor) -> None:
        """Let a doctor of another clinic work here too."""
        with tenancy.scope(tenancy.SYSTEM):
            membership_add(clinic=self.clinic, user=shared.user, role="DOCTOR")


def _row(model: type[Any], **fields: Any) -> Any:
    with tenancy.scope(tenancy.SYSTEM):
        return create_row(model, fields, action="test.made")


def house(name: str = "own", *, zone: str = "Europe/Berlin", hours: bool = True, **policy: Any):
    """A whole clinic. Without notice, with a long horizon, unless the policy says otherwise."""
    rules = {"min_notice_minutes": 0, "horizon_days": 1000} | policy
    clinic = clinic_create(
        name=name.title(), slug=f"{name}-{secrets.token_hex(4)}", timezone=zone, **rules
    )
    admin, reception, nurse, doctor_user, patient = (
        person(role) for role in ("admin", "reception", "nurse", "doctor", "patient")
    )
    roles = (
        (admin, "CLINIC_ADMIN"),
        (reception, "RECEPTIONIST"),
        (nurse, "NURSE"),
        (doctor_user, "DOCTOR"),
    )
    with tenancy.scope(tenancy.SYSTEM):
        for member, role in roles:
            membership_add(clinic=clinic, user=member.user, role=role)
    location = _row(Location, clinic=clinic, name="Main", timezone=zone)
    made = House(
        clinic=clinic,
        location=location,
        service=_row(Service, clinic=clinic, name="Visit", duration_minutes=30),
        room=_row(Room, clinic=clinic, location=location, name="Room 1"),
        admin=admin,
        reception=reception,
        nurse=nurse,
        doctor_user=doctor_user,
        doctor=_row(Doctor, user=doctor_user.user, display_name="Dr First"),
        patient=patient,
        chart=_row(Patient, clinic=clinic, user=patient.user, mrn="M1", given_name="Pat"),
        zone=zone,
    )
    if hours:
        made.add_hours()
    return made


@dataclass
class Scene:
    """The clinic under test, and the outsider: the same people in another clinic."""

    own: House
    other: House


def scene(**policy: Any) -> Scene:
    return Scene(house("own", **policy), house("other", zone="Asia/Kolkata"))
