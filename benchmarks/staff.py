"""People who work in a clinic that a case opens for itself."""

from typing import Any
from uuid import UUID

from accounts.models import User
from accounts.roles import Role
from clinics.models import Doctor
from clinics.principal import Principal, principal_open
from clinics.services.changes import create_row
from clinics.services.memberships import membership_add


def doctor_made(clinic: Any, slug: str, number: int) -> UUID:
    """A doctor of the clinic, without hours."""
    user = User.objects.create_user(
        f"{slug}-{number}@example.test", None, given_name="Doctor", family_name=f"Number{number}"
    )
    membership_add(clinic=clinic, user=user, role=Role.DOCTOR)
    doctor = create_row(
        Doctor, {"user": user, "display_name": f"Dr Number {number:02d}"}, action="doctor.created"
    )
    return doctor.id


def principal_of(user: UUID) -> Principal:
    """Their rights, and their scope entered. Raises RuntimeError when they cannot sign in."""
    found = principal_open(user, None, write=True)
    if found is None:
        raise RuntimeError("nobody of this id can sign in")
    return found
