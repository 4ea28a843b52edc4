"""Making a member of a clinic someone who can be booked."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from accounts.models import User
from accounts.roles import BOOKABLE_ROLES
from clinics.models import Clinic, Doctor, Membership
from clinics.services.changes import apply_changes, create_row
from core.errors import ErrorCode, KairosError


def doctor_create(*, clinic: Clinic, user: User, fields: Mapping[str, Any]) -> Doctor:
    """A doctor's entry for a member of `clinic`.

    Raises NOT_FOUND for whoever has no bookable role there (known elsewhere or not), CONFLICT when
    the person has an entry already: one person is one doctor in however many clinics.
    """
    member = Membership.objects.filter(
        clinic=clinic, user=user, is_active=True, role__in=BOOKABLE_ROLES
    )
    if not member.exists():
        raise KairosError(ErrorCode.NOT_FOUND)
    return create_row(Doctor, {"user": user, **fields}, action="doctor.created")


def doctor_update(
    *, doctor_id: UUID, fields: Mapping[str, Any], expected_version: int | None
) -> Doctor:
    """Change the entry, caps included. Raises NOT_FOUND, PRECONDITION_FAILED, VALIDATION_ERROR."""
    return apply_changes(
        Doctor, doctor_id, fields, expected_version=expected_version, action="doctor.changed"
    )
