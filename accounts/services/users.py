"""Changing a user's own data, and making users who have not signed in yet."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext

from accounts.models import User
from accounts.phones import normalise_phone
from accounts.selectors import user_by_login
from accounts.services.sessions import sessions_revoke_all
from accounts.timezones import validate_timezone
from core import journal
from core.errors import ErrorCode, KairosError, invalid

#: What a user may change of themselves. Email and phone are sign-in names: they need proof.
OWN_FIELDS = ("given_name", "family_name", "locale", "timezone")


def user_update_own(*, user_id: UUID, fields: Mapping[str, Any]) -> User:
    """Change names, language and time zone. Raises NOT_FOUND and VALIDATION_ERROR."""
    user = _locked(user_id)
    changes = {
        name: [getattr(user, name), fields[name]]
        for name in OWN_FIELDS
        if name in fields and getattr(user, name) != fields[name]
    }
    if "locale" in changes and fields["locale"] not in dict(settings.LANGUAGES):
        raise invalid("locale", f"one of {', '.join(dict(settings.LANGUAGES))}")
    if "timezone" in changes:
        try:
            validate_timezone(fields["timezone"])
        except ValidationError as error:
            raise invalid("timezone", str(error.message)) from None
    if changes:
        for name in changes:
            setattr(user, name, fields[name])
        user.save(update_fields=list(changes))
        journal.record(journal.Act("user.changed", "accounts.user", user.id, changes=changes))
    return user


def user_get_or_invite(
    *,
    email: str | None = None,
    phone: str | None = None,
    region: str | None = None,
    given_name: str = "",
    family_name: str = "",
) -> tuple[User, bool]:
    """The user with this email or phone number, or a new one who has no password yet.

    Returns the user and whether they are new. `region` is the country of a number written without
    one. Names are only those of a new user. Raises VALIDATION_ERROR for a number that cannot be.
    """
    number = None
    if phone:
        number = normalise_phone(phone, region)
        if number is None:
            raise invalid("phone", "not a phone number")
    elif not email:
        raise invalid("email", "give an email or a phone number")
    name = email or number or ""
    known = user_by_login(name)
    if known is not None:
        return known, False
    try:
        with transaction.atomic():
            user = User.objects.create_user(
                email, None, phone=number, given_name=given_name, family_name=family_name
            )
    except IntegrityError:
        # Somebody else made the same user just now.
        known = user_by_login(name)
        if known is None:
            raise KairosError(ErrorCode.CONFLICT) from None
        return known, False
    journal.record(journal.Act("user.invited", "accounts.user", user.id))
    return user, True


def user_deactivate(*, user_id: UUID, reason: str = "") -> User:
    """Shut a user out, from every clinic and device, at once; what they did stays.

    For administrators of the installation: who may is the caller's to check. A user who is out
    already stays as they are. Raises NOT_FOUND, and CONFLICT for the last such administrator.
    """
    # Locked in one order, so that two administrators cannot shut each other out at once.
    admins = {
        admin.id: admin
        for admin in User.objects.filter(is_superuser=True, is_active=True)
        .select_for_update()
        .order_by("id")
    }
    user = admins.get(user_id) or _locked(user_id)
    if not user.is_active:
        return user
    if len(admins) == 1 and user.id in admins:
        raise KairosError(
            ErrorCode.CONFLICT, gettext("The installation keeps at least one administrator.")
        )
    _set_active(user, active=False, reason=reason)
    return user


def user_reactivate(*, user_id: UUID, reason: str = "") -> User:
    """Let a user in again; they sign in anew on each device. For whom: as `user_deactivate`.

    Raises NOT_FOUND.
    """
    user = _locked(user_id)
    if not user.is_active:
        _set_active(user, active=True, reason=reason)
    return user


def _locked(user_id: UUID) -> User:
    user = User.objects.select_for_update().filter(pk=user_id).first()
    if user is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    return user


def _set_active(user: User, *, active: bool, reason: str) -> None:
    changes: dict[str, Any] = {"is_active": [user.is_active, active]}
    if reason:
        changes["reason"] = [None, reason]
    user.is_active = active
    user.save(update_fields=["is_active"])
    if not active:
        changes["signed_in_devices"] = [sessions_revoke_all(user_id=user.id), 0]
    action = "user.reactivated" if active else "user.deactivated"
    journal.record(journal.Act(action, "accounts.user", user.id, changes=changes))
