"""One-time codes, whom to push to, and what looked odd."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from appointments.models import Appointment
from checkin.models.places import CheckInDevice
from clinics.models import Clinic
from core import clock, ids


class OneTimeCode(models.Model):
    """A code sent to somebody who says that a phone number is theirs. Only its hash is kept.

    `phone_digest` is a keyed hash of the number, so that a row tells nothing, and one is written
    whether or not the clinic knows the number. Six digits, five minutes, five tries.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+", db_index=False)
    phone_digest = models.BinaryField(max_length=32)
    code_hash = models.BinaryField(max_length=32)
    tries = models.PositiveSmallIntegerField(default=0)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        indexes = [
            models.Index(fields=["clinic", "phone_digest", "id"], name="checkin_otp_phone"),
            models.Index(F("expires_at"), name="checkin_otp_age"),
        ]

    def __str__(self) -> str:
        return f"{self.created_at:%Y-%m-%d %H:%M}"


class PushKind(models.TextChoices):
    WEB = "WEB", _("Web push")
    FCM = "FCM", _("Firebase")


class PushSubscription(models.Model):
    """Where a patient's device is told that their turn comes; gone with the day of the visit.

    For `WEB` the endpoint is the push service's address, with the browser's keys (base64url); for
    `FCM` it is the app's registration token.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+", db_index=False)
    appointment = models.ForeignKey(
        Appointment, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    kind = models.CharField(max_length=3, choices=PushKind.choices, default=PushKind.WEB)
    endpoint = models.CharField(max_length=1000)
    p256dh = models.CharField(max_length=120, blank=True)
    auth = models.CharField(max_length=60, blank=True)
    language = models.CharField(max_length=8, blank=True)
    #: The last thing told, so that nothing is told twice: "", "near" or "called:<n-th call>".
    told = models.CharField(max_length=20, blank=True)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["appointment", "endpoint"],
                name="checkin_push_once",
                violation_error_message=_("This device is told already."),
            )
        ]
        indexes = [models.Index(F("expires_at"), name="checkin_push_age")]

    def __str__(self) -> str:
        return f"{self.kind} {self.created_at:%Y-%m-%d %H:%M}"


class AlertKind(models.TextChoices):
    MANY_REFUSALS = "MANY_REFUSALS", _("Many refusals")
    UNKNOWN_CODES = "UNKNOWN_CODES", _("Unknown codes")
    IMPOSSIBLE_DISTANCE = "IMPOSSIBLE_DISTANCE", _("Two places at once")


class CheckInAlert(models.Model):
    """Something odd about a source of scans, for the clinic's administrators to look at."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(_("kind"), max_length=20, choices=AlertKind.choices)
    device = models.ForeignKey(
        CheckInDevice, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    source_id = models.UUIDField(_("source id"))
    count = models.PositiveIntegerField(_("attempts"), default=1)
    details = models.JSONField(_("details"), default=dict)
    created_at = models.DateTimeField(_("first seen"), default=clock.now)
    last_at = models.DateTimeField(_("last seen"), default=clock.now)
    seen_at = models.DateTimeField(_("looked at"), null=True)
    seen_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )

    class Meta:
        verbose_name = _("check-in alert")
        verbose_name_plural = _("check-in alerts")
        constraints = [
            models.UniqueConstraint(
                fields=["clinic", "source_id", "kind"],
                condition=Q(seen_at=None),
                name="checkin_alert_open_once",
                violation_error_message=_("This is known already."),
            )
        ]
        indexes = [models.Index(fields=["clinic", "id"], name="checkin_alert_clinic")]

    def __str__(self) -> str:
        return f"{self.kind} {self.created_at:%Y-%m-%d %H:%M}"
