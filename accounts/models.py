"""Users and their signed-in devices."""

import hashlib
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import Group, PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from accounts.phones import normalise_phone
from accounts.roles import Role
from core import clock, ids


def validate_phone(value: str) -> None:
    """Raises ValidationError unless `value` is a phone number in E.164 form."""
    if normalise_phone(value) != value:
        raise ValidationError(_("Write the number with its country, such as +14155550123."))


class UserManager(BaseUserManager["User"]):
    def create_user(
        self,
        email: str | None = None,
        password: str | None = None,
        *,
        phone: str | None = None,
        **fields: Any,
    ) -> "User":
        """A user who signs in with `email` or `phone`. Raises ValueError with neither."""
        if not email and not phone:
            raise ValueError("a user needs an email or a phone number")
        user = self.model(
            email=self.normalize_email(email).lower() if email else None, phone=phone, **fields
        )
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """An administrator of the whole installation."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in. `is_superuser` is the role SUPER_ADMIN."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    email = models.EmailField(_("email"), null=True, blank=True)
    phone = models.CharField(
        _("phone"), max_length=16, null=True, blank=True, validators=[validate_phone]
    )
    given_name = models.CharField(_("given name"), max_length=100, blank=True)
    family_name = models.CharField(_("family name"), max_length=100, blank=True)
    locale = models.CharField(_("language"), max_length=12, default="en")
    timezone = models.CharField(_("time zone"), max_length=64, default="UTC")
    is_active = models.BooleanField(_("active"), default=True)
    is_staff = models.BooleanField(_("may enter the back office"), default=False)
    created_at = models.DateTimeField(_("created"), default=clock.now, editable=False)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = UserManager()

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="accounts_user_email",
                violation_error_message=_("This email is in use."),
            ),
            models.UniqueConstraint(
                fields=["phone"],
                name="accounts_user_phone",
                violation_error_message=_("This phone number is in use."),
            ),
            models.CheckConstraint(
                condition=models.Q(email__isnull=False) | models.Q(phone__isnull=False),
                name="accounts_user_reachable",
                violation_error_message=_("Give an email or a phone number."),
            ),
        ]

    def __str__(self) -> str:
        return self.full_name or self.email or self.phone or str(self.id)

    @property
    def full_name(self) -> str:
        return f"{self.given_name} {self.family_name}".strip()


class RefreshSession(models.Model):
    """One signed-in device. Only a hash of its current refresh token is kept."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="refresh_sessions")
    family = models.UUIDField(default=ids.uuid7, editable=False)
    token_hash = models.BinaryField(max_length=32)
    previous_hash = models.BinaryField(max_length=32, null=True)
    rotated_at = models.DateTimeField(null=True)
    device_name = models.CharField(_("device"), max_length=120, blank=True)
    address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=clock.now)
    last_used_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["user", "expires_at"], name="accounts_session_user"),
            models.Index(fields=["family"], name="accounts_session_family"),
        ]

    def __str__(self) -> str:
        return self.device_name or str(self.id)

    @staticmethod
    def hash_token(secret: str) -> bytes:
        """SHA-256 is enough: the secret has 256 random bits, there is nothing to guess."""
        return hashlib.sha256(secret.encode()).digest()


class RoleGroup(models.Model):
    """The group that holds one role's permissions in one clinic."""

    group = models.OneToOneField(
        Group, on_delete=models.CASCADE, primary_key=True, related_name="role_group"
    )
    clinic_id = models.UUIDField()
    role = models.CharField(max_length=20, choices=Role.choices)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["clinic_id", "role"],
                name="accounts_rolegroup_once",
                violation_error_message=_("The clinic has a group for this role."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.clinic_id}"
