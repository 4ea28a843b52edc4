"""Reads of users, sessions and roles."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from uuid import UUID

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import connection
from django.utils.crypto import constant_time_compare

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


def page_session_user(session_key: str) -> User | None:
    """Whose page session this is; None when it ended, the user may not sign in, or the password
    was changed since.

    As Django's `get_user`, but it writes nothing: a socket cannot give the browser a new cookie.
    """
    session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    if session.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = User.objects.filter(pk=session.get(SESSION_KEY), is_active=True).first()
    if user is None:
        return None
    kept = session.get(HASH_SESSION_KEY, "")
    hashes = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return user if any(constant_time_compare(kept, known) for known in hashes) else None


def names_of(ids: Iterable[UUID | None]) -> dict[UUID, str]:
    """The users behind the ids that trails and histories keep, by name, in one query.

    Who is in no row that is shown is not looked up.
    """
    wanted = {one for one in ids if one is not None}
    if not wanted:
        return {}
    users = User.objects.filter(id__in=wanted).only("id", "given_name", "family_name", "email")
    return {user.id: user.full_name or user.email or str(user.id) for user in users}
