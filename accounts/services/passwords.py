"""Changing one's own password."""

from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services.sessions import sessions_revoke_all
from core import context, journal
from core.errors import ErrorCode, KairosError


def password_change(*, user_id: UUID, old: str, new: str) -> User | None:
    """Set a new password and sign every device of the user out; None when `old` is not right.

    A wrong old password is returned, not raised: the attempt goes into the trail, so the caller's
    transaction has to commit it. Page sessions end by themselves, since Django ties them to the
    password; which of them goes on is the caller's to say. Raises NOT_FOUND, and VALIDATION_ERROR
    for a password that is weak or is the old one.
    """
    user = User.objects.select_for_update().filter(pk=user_id, is_active=True).first()
    if user is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    context.current().actor_id = user.id
    if not user.check_password(old):
        journal.record(journal.Act("user.password_refused", "accounts.user", user.id))
        return None
    try:
        validate_password(new, user)
    except ValidationError as error:
        raise KairosError(
            ErrorCode.VALIDATION_ERROR, errors={"new": list(error.messages)}
        ) from error
    if user.check_password(new):
        raise KairosError(
            ErrorCode.VALIDATION_ERROR, errors={"new": [_("This is the password you have.")]}
        )
    user.set_password(new)
    user.save(update_fields=["password"])
    ended = sessions_revoke_all(user_id=user.id)
    journal.record(
        journal.Act(
            "user.password_changed",
            "accounts.user",
            user.id,
            changes={"signed_in_devices": [ended, 0]},
        )
    )
    return user
