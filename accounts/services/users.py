"""Changing a user's own data, and making users who have not signed in yet."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.models import User
from accounts.phones import normalise_phone
from accounts.selectors import user_by_login
from accounts.timezones import validate_timezone
from core import journal
from core.errors import ErrorCode, KairosError, invalid

#: What a user may change of themselves. Email and phone are sign-in names: they need proof.
OWN_FIELDS = ("given_name", "family_name", "locale", "timezone")


def user_update_own(*, user_id: UUID, fields: Mapping[str, Any]) -> User:
    """Change names, language and time zone. Raises NOT_FOUND and VALIDATION_ERROR."""
    user = User.objects.select_for_update().filter(pk=user_id).first()
    if user is None:
        raise KairosError(ErrorCode.NOT_FOUND)
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
