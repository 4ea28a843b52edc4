"""The clinic that a file goes to: its location, doctors and services, as the mapping has them."""

from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError

from accounts.models import User
from accounts.roles import BOOKABLE_ROLES, Role
from appointments.importing.mapping import Mapping, RosterPart
from appointments.importing.refusals import ImportStopped
from clinics.models import Clinic, Doctor, Location, Membership, Service
from clinics.services.changes import create_row
from clinics.services.clinics import clinic_create
from clinics.services.memberships import membership_add
from core import locks, tenancy

_TIMEOUT_MS = 60_000


@dataclass(frozen=True, slots=True)
class Target:
    """Where the rows go. `roster` is in its own order; the others are found by their names."""

    clinic: Clinic
    location: Location
    zone: ZoneInfo
    roster: tuple[UUID, ...]
    doctors: dict[str, UUID]
    services: dict[str, Service]
    locations: dict[str, Location]


def clinic_find(*, slug: str, create: bool, name: str = "", timezone: str = "") -> Clinic:
    """The clinic `slug`, opened first if it is missing and `create` says so.

    Raises ImportStopped when there is none, or when the new one would not be valid.
    """
    clinic = Clinic.objects.filter(slug=slug).first()
    if clinic is not None:
        return clinic
    if not create:
        raise ImportStopped(f"no clinic {slug!r}; --create-clinic opens one")
    try:
        return clinic_create(slug=slug, name=name or slug, timezone=timezone or "UTC")
    except ValidationError as error:
        raise ImportStopped(f"clinic {slug!r}: {'; '.join(error.messages)}") from error


def target_prepare(*, clinic: Clinic, mapping: Mapping) -> Target:
    """Find the mapping's location and doctors, or create them, in one transaction.

    A roster's doctors cannot sign in, and have no working hours, so nobody can book them; they
    stand for those whom the register does not name.
    """
    with tenancy.scope([clinic.id], statement_timeout_ms=_TIMEOUT_MS):
        locks.advisory([f"import-target:{clinic.id}"], timeout_ms=_TIMEOUT_MS)
        location = Location.objects.filter(clinic=clinic, name=mapping.location).first()
        if location is None:
            location = create_row(
                Location,
                {"clinic": clinic, "name": mapping.location, "timezone": clinic.timezone},
                action="location.created",
            )
        roster = _roster(clinic, mapping.system, mapping.roster) if mapping.roster else ()
        return Target(
            clinic=clinic,
            location=location,
            zone=ZoneInfo(location.timezone),
            roster=roster,
            doctors=_doctors(clinic) if mapping.visit.doctor else {},
            services={service.name: service for service in Service.objects.filter(clinic=clinic)},
            locations={place.name: place for place in Location.objects.filter(clinic=clinic)},
        )


def _doctors(clinic: Clinic) -> dict[str, UUID]:
    """The clinic's doctors by e-mail address and by name; a name that two share names nobody."""
    users = Membership.objects.filter(
        clinic=clinic, is_active=True, role__in=[role.value for role in BOOKABLE_ROLES]
    ).values_list("user_id", flat=True)
    found: dict[str, UUID] = {}
    shared: set[str] = set()
    for doctor in Doctor.objects.filter(user_id__in=list(users)).select_related("user"):
        for name in {doctor.display_name.casefold(), (doctor.user.email or "").casefold()} - {""}:
            if found.setdefault(name, doctor.id) != doctor.id:
                shared.add(name)
    return {name: doctor for name, doctor in found.items() if name not in shared}


def _roster(clinic: Clinic, system: str, roster: RosterPart) -> tuple[UUID, ...]:
    """The roster's doctors, by number; those missing are made."""
    emails = [
        # A name that can never receive mail (RFC 2606).
        f"{system}-{number:04d}@{clinic.slug}.invalid"
        for number in range(1, roster.doctors + 1)
    ]
    found = dict(Doctor.objects.filter(user__email__in=emails).values_list("user__email", "id"))
    unusable = make_password(None)
    for number, email in enumerate(emails, start=1):
        if email in found:
            continue
        name = roster.name.replace("{number}", str(number))
        user = User.objects.create(
            email=email, password=unusable, family_name=name[:100], is_active=False
        )
        doctor = create_row(
            Doctor,
            {"user": user, "display_name": name, "profession": roster.profession.value},
            action="doctor.created",
        )
        membership_add(clinic=clinic, user=user, role=Role.DOCTOR.value)
        found[email] = doctor.id
    return tuple(found[email] for email in emails)
