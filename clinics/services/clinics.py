"""Opening a clinic, and changing what it says of itself."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from accounts.models import User
from accounts.roles import Role
from clinics.models import Clinic
from clinics.services.changes import apply_changes, check, explained
from clinics.services.contact import phone_in
from clinics.services.memberships import membership_add, role_groups_sync
from core import journal, tenancy
from core.errors import ErrorCode, KairosError

_APP_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,58}[a-z0-9])")
#: Would be mistaken for pages of the installation.
_RESERVED = frozenset({"admin", "api", "app", "docs", "health", "kairos", "static", "www"})


@dataclass(frozen=True, slots=True)
class AppName:
    """Whether a name in links can be had; `reason` says why not."""

    valid: bool
    available: bool
    reason: str = ""


def app_name_check(name: str) -> AppName:
    """Whether a new clinic may take `name` in its links."""
    if not _APP_NAME.fullmatch(name):
        return AppName(False, False, "3 to 60 lower-case letters, digits and hyphens")
    if name in _RESERVED or Clinic.objects.filter(slug=name).exists():
        return AppName(True, False, "taken")
    return AppName(True, True)


def clinic_create(**fields: Any) -> Clinic:
    """A new clinic with its role groups. Runs in the system scope: nobody is in the clinic yet.

    Raises VALIDATION_ERROR, and CONFLICT when the name in links is taken.
    """
    with tenancy.scope(tenancy.SYSTEM):
        clinic = Clinic(**fields)
        clinic.phone = phone_in(clinic.country, clinic.phone)
        if clinic.slug in _RESERVED:
            raise KairosError(ErrorCode.CONFLICT, "This name is reserved.")
        check(clinic)
        with explained(Clinic):
            clinic.save(force_insert=True)
        role_groups_sync(clinic=clinic)
        journal.record(
            journal.Act(
                "clinic.created",
                "clinics.clinic",
                clinic.id,
                clinic.id,
                changes={"name": [None, clinic.name]},
                topic="clinic.created",
            )
        )
    return clinic


def clinic_open(*, admin: User, **fields: Any) -> Clinic:
    """A new clinic with its first administrator. Raises as `clinic_create`."""
    with tenancy.scope(tenancy.SYSTEM):
        clinic = clinic_create(**fields)
        membership_add(clinic=clinic, user=admin, role=Role.CLINIC_ADMIN)
    return clinic


def clinic_update(*, clinic: Clinic, expected_version: int | None, **fields: Any) -> Clinic:
    """Change settings. Raises PRECONDITION_FAILED, VALIDATION_ERROR, CONFLICT."""
    if "phone" in fields:
        fields["phone"] = phone_in(fields.get("country", clinic.country), fields["phone"])
    return apply_changes(
        Clinic, clinic.id, fields, expected_version=expected_version, action="clinic.changed"
    )


def clinic_deactivate(*, clinic_id: UUID, expected_version: int | None) -> Clinic:
    """Close a clinic: its roles and charts stop counting, its data stays.

    Raises NOT_FOUND, PRECONDITION_FAILED.
    """
    return apply_changes(
        Clinic,
        clinic_id,
        {"is_active": False},
        expected_version=expected_version,
        action="clinic.deactivated",
    )
