"""The people of the tests: a clinic with every role, made as often as a test needs clinics.

`build_cast("home")` and `build_cast("away")` are strangers to one another: the second is the
outsider of the first. Nobody has a password, and signing in makes a device session directly, so
that no test pays for password hashing unless it is about passwords.
"""

from dataclasses import dataclass, field
from datetime import time, timedelta
from typing import Any
from uuid import uuid4

from django.test import Client

from accounts import tokens
from accounts.models import RefreshSession, User
from accounts.roles import Role
from clinics.models import (
    Clinic,
    Doctor,
    Location,
    Membership,
    Patient,
    Room,
    ScheduleTemplate,
    Service,
)
from clinics.services.changes import create_row
from clinics.services.clinics import clinic_create
from clinics.services.memberships import membership_add
from core import clock, tenancy

#: The name under which each role's user stands in a cast.
STAFF: dict[str, Role] = {
    "clinic_admin": Role.CLINIC_ADMIN,
    "receptionist": Role.RECEPTIONIST,
    "doctor_user": Role.DOCTOR,
    "nurse": Role.NURSE,
    "therapist": Role.THERAPIST,
    "counselor": Role.COUNSELOR,
    "pharmacist": Role.PHARMACIST,
    "lab": Role.LAB_TECHNICIAN,
    "finance": Role.FINANCE_BILLING,
    "support": Role.SUPPORT_STAFF,
}


@dataclass
class Cast:
    """A clinic, what stands in it, and who works there or is a patient of it."""

    clinic: Clinic
    location: Location
    room: Room
    service: Service
    doctor: Doctor
    template: ScheduleTemplate
    patient: Patient
    neighbour: Patient
    clinic_admin: User
    receptionist: User
    doctor_user: User
    nurse: User
    therapist: User
    counselor: User
    pharmacist: User
    lab: User
    finance: User
    support: User
    patient_user: User
    memberships: dict[str, Membership] = field(default_factory=dict)

    @property
    def membership(self) -> Membership:
        """The nurse's."""
        return self.memberships["nurse"]

    def user(self, name: str) -> User:
        """The user of that name: a key of `STAFF`, or `patient_user`."""
        found = getattr(self, name)
        assert isinstance(found, User)
        return found


def build_user(name: str, **fields: Any) -> User:
    """A user without a password; the email is made unique."""
    return User.objects.create_user(
        f"{name}-{uuid4().hex[:8]}@example.test",
        None,
        given_name=name.replace("_", " ").title(),
        **fields,
    )


def build_super_admin() -> User:
    """An administrator of the installation."""
    return build_user("super_admin", is_superuser=True)


def build_cast(slug: str, *, timezone: str = "Europe/Berlin") -> Cast:
    """A clinic with one of everything. `slug` begins its name in links."""
    with tenancy.scope(tenancy.SYSTEM):
        clinic = clinic_create(
            name=f"Clinic {slug}",
            slug=f"{slug}-{uuid4().hex[:8]}",
            timezone=timezone,
            country="DE",
        )
        users = {name: build_user(name) for name in STAFF}
        memberships = {
            name: membership_add(clinic=clinic, user=users[name], role=role)
            for name, role in STAFF.items()
        }
        patient_user = build_user("patient_user")
        location = create_row(
            Location,
            {"clinic": clinic, "name": "Main", "timezone": timezone},
            action="location.created",
        )
        doctor = create_row(
            Doctor,
            {"user": users["doctor_user"], "display_name": f"Dr {slug.title()}"},
            action="doctor.created",
        )
        template_fields = {
            "clinic": clinic,
            "doctor": doctor,
            "location": location,
            "weekday": 1,
            "start_time": time(9),
            "end_time": time(12),
        }
        return Cast(
            clinic=clinic,
            location=location,
            room=create_row(
                Room,
                {"clinic": clinic, "location": location, "name": "1"},
                action="room.created",
            ),
            service=create_row(
                Service,
                {"clinic": clinic, "name": "Visit", "duration_minutes": 30},
                action="service.created",
            ),
            doctor=doctor,
            template=create_row(
                ScheduleTemplate, template_fields, action="schedule_template.created"
            ),
            patient=build_patient(clinic, "Anna", "Berger", user=patient_user),
            neighbour=build_patient(clinic, "Bruno", "Nachbar"),
            patient_user=patient_user,
            memberships=memberships,
            **users,
        )


def build_patient(clinic: Clinic, given_name: str, family_name: str, **fields: Any) -> Patient:
    """A chart, with a record number of its own unless one is given."""
    with tenancy.scope([clinic.id]):
        values = {
            "clinic": clinic,
            "mrn": f"T{uuid4().hex[:10]}",
            "given_name": given_name,
            "family_name": family_name,
        }
        return create_row(Patient, values | fields, action="patient.created")


def build_session(user: User) -> RefreshSession:
    """A signed-in device of the user."""
    return RefreshSession.objects.create(
        user=user,
        token_hash=RefreshSession.hash_token(uuid4().hex),
        expires_at=clock.now() + timedelta(days=1),
    )


def signed_in(user: User | None) -> Client:
    """An API client with an access token of the user; without a user, an anonymous one."""
    if user is None:
        return Client()
    access = tokens.issue_access(user.id, build_session(user).id)
    return Client(headers={"Authorization": f"Bearer {access}"})
