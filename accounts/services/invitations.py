"""A first password for whoever was invited: one link, once, to be handed over."""

from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.models import User
from core import context, journal
from core.errors import ErrorCode, KairosError


class _Tokens(PasswordResetTokenGenerator):
    """Signed with the installation's key, over the user's password and last sign-in: the first use
    ends it. Lives as long as `PASSWORD_RESET_TIMEOUT` says."""

    key_salt = "accounts.invitations"


_tokens = _Tokens()


def invitation_make(*, user_id: UUID, clinic_id: UUID | None = None) -> str:
    """The secret with which the user may set a first password.

    Raises NOT_FOUND, and CONFLICT for whoever has a password already: a link must never open an
    account that is somebody's.
    """
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    if user.has_usable_password() or user.last_login is not None or user.is_superuser:
        raise KairosError(ErrorCode.CONFLICT, _("This person has a password already."))
    journal.record(
        journal.Act("user.invitation_made", "accounts.user", user.id, clinic_id=clinic_id)
    )
    return f"{user.id}.{_tokens.make_token(user)}"


def invitation_find(*, secret: str) -> User:
    """Whose first password the secret sets. Raises TOKEN_EXPIRED for one that is of no use."""
    head, _dot, token = secret.partition(".")
    try:
        user = User.objects.filter(pk=UUID(head), is_active=True).first()
    except ValueError:
        user = None
    if user is None or user.has_usable_password() or not _tokens.check_token(user, token):
        raise KairosError(
            ErrorCode.TOKEN_EXPIRED,
            _("This link was used already, or is too old. Ask your clinic for another."),
            status=410,
        )
    return user


def invitation_accept(*, secret: str, password: str) -> User:
    """Set the first password. Raises TOKEN_EXPIRED, and VALIDATION_ERROR for a weak password."""
    found = invitation_find(secret=secret)
    # Under the lock once more: a link that two people have opens for one of them.
    User.objects.select_for_update().filter(pk=found.pk).first()
    user = invitation_find(secret=secret)
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise KairosError(
            ErrorCode.VALIDATION_ERROR, errors={"password": list(error.messages)}
        ) from error
    user.set_password(password)
    user.save(update_fields=["password"])
    context.current().actor_id = user.id
    journal.record(journal.Act("user.password_set", "accounts.user", user.id))
    return user
