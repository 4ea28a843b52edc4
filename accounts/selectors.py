"""Reads of users, sessions and roles."""

from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from accounts.models import User
from accounts.phones import normalise_phone


@dataclass(frozen=True, slots=True)
class RoleInClinic:
    """A role the user holds in a clinic."""

    clinic: UUID
    role: str


def user_by_login(login: str) -> User | None:
    """The user with this email (any case) or phone number (E.164, spaces and dashes allowed)."""
    if "\x00" in login or len(login) > 254:
        return None
    if "@" in login:
        return User.objects.filter(email__iexact=login.strip()).first()
    phone = normalise_phone(login)
    return User.objects.filter(phone=phone).first() if phone else None


def roles_of(user_id: UUID) -> list[RoleInClinic]:
    """Every clinic and role of a user, without a scope: a user's own memberships span clinics."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clinic_id, role FROM accounts_roles_of(%s)", [user_id])
        return [RoleInClinic(*row) for row in cursor.fetchall()]
