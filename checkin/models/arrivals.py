"""That somebody arrived, and every attempt to say so."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from appointments.models import Appointment
from checkin.models.places import CheckInDevice, CheckInLocation
from clinics.models import Clinic, Location, Patient
from core import clock, ids
from core.errors import ErrorCode


class CheckInMethod(models.TextChoices):
    QR_SELF = "QR_SELF", _("The patient's own scan")
    QR_STAFF = "QR_STAFF", _("Scanned by staff")
    KIOSK = "KIOSK", _("Kiosk")
    MANUAL = "MANUAL", _("At the desk")
    OFFLINE_SYNC = "OFFLINE_SYNC", _("Scanned offline")


class SourceKind(models.TextChoices):
    """Whence an attempt came; nonces are unique within one source."""

    DEVICE = "DEVICE", _("Device")
    STAFF = "STAFF", _("Staff")
    PATIENT = "PATIENT", _("Patient")
    GUEST = "GUEST", _("Guest")


class Outcome(models.TextChoices):
    CHECKED_IN = "CHECKED_IN", _("Checked in")
    REFUSED = "REFUSED", _("Refused")
    CHOOSE = "CHOOSE", _("Asked which visit")


class CheckIn(models.Model):
    """A patient's arrival for one visit; its key is the visit's.

    `checked_in_at` is when they were there, which for a scan made offline is before the system
    heard of it. `undone_at`: staff took it back; a new arrival then takes the row's place.
    """

    appointment = models.OneToOneField(
        Appointment, on_delete=models.PROTECT, primary_key=True, related_name="arrival"
    )
    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+", db_index=False)
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+", db_index=False)
    location = models.ForeignKey(
        Location, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    checked_in_at = models.DateTimeField(_("checked in"))
    method = models.CharField(_("method"), max_length=12, choices=CheckInMethod.choices)
    by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        verbose_name=_("by"),
    )
    device = models.ForeignKey(
        CheckInDevice,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        verbose_name=_("device"),
    )
    point = models.ForeignKey(
        CheckInLocation,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        verbose_name=_("check-in location"),
    )
    distance_metres = models.PositiveIntegerField(_("distance, metres"), null=True)
    outside_geofence = models.BooleanField(_("from outside the geofence"), default=False)
    forced = models.BooleanField(_("forced"), default=False)
    reason = models.CharField(_("why forced"), max_length=500, blank=True)
    undone_at = models.DateTimeField(_("taken back"), null=True)
    recorded_at = models.DateTimeField(_("recorded"), default=clock.now)

    class Meta:
        verbose_name = _("check-in")
        verbose_name_plural = _("check-ins")
        constraints = [
            models.CheckConstraint(
                condition=Q(forced=False) | ~Q(reason=""),
                name="checkin_forced_reason",
                violation_error_message=_("A forced check-in has its reason."),
            )
        ]
        indexes = [
            models.Index(fields=["location", "checked_in_at"], name="checkin_at_location"),
            models.Index(fields=["patient", "checked_in_at"], name="checkin_of_patient"),
            models.Index(fields=["clinic", "location", "checked_in_at"], name="checkin_in_clinic"),
        ]

    def __str__(self) -> str:
        return f"{self.checked_in_at:%Y-%m-%d %H:%M} {self.method}"


class CheckInAttempt(models.Model):
    """One attempt to check in, refused ones too. Append-only; partitioned by month on the id.

    `at` is when it was made, corrected for a wrong clock; `received_at` when the system heard of
    it. The code itself is not kept, only its SHA-256. Without a clinic: nobody knows whose the code
    was.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    clinic = models.ForeignKey(
        Clinic,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    location_id = models.UUIDField(_("location"), null=True)
    source_kind = models.CharField(_("source"), max_length=7, choices=SourceKind.choices)
    source_id = models.UUIDField(_("source id"))
    nonce = models.CharField(_("nonce"), max_length=64)
    code_digest = models.BinaryField(max_length=32, null=True)
    method = models.CharField(_("method"), max_length=12, choices=CheckInMethod.choices)
    point_id = models.UUIDField(null=True)
    appointment_id = models.UUIDField(_("appointment"), null=True)
    patient_id = models.UUIDField(_("patient"), null=True)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome.choices)
    reason_code = models.CharField(_("code"), max_length=32, blank=True, choices=ErrorCode.choices)
    forced = models.BooleanField(_("forced"), default=False)
    distance_metres = models.PositiveIntegerField(_("distance, metres"), null=True)
    address = models.GenericIPAddressField(_("address"), null=True)
    at = models.DateTimeField(_("at"))
    received_at = models.DateTimeField(_("received"), default=clock.now)

    class Meta:
        verbose_name = _("check-in attempt")
        verbose_name_plural = _("check-in attempts")
        indexes = [
            models.Index(fields=["clinic", "received_at"], name="checkin_attempt_clinic"),
            models.Index(fields=["source_id", "received_at"], name="checkin_attempt_source"),
            models.Index(
                fields=["appointment_id", "id"],
                name="checkin_attempt_visit",
                condition=Q(appointment_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.outcome} {self.reason_code}".strip()


class ScanReceipt(models.Model):
    """The answer that was given to a nonce: asked for first, unique within its source.

    The attempts are partitioned by their own id, so that no constraint over them can hold a nonce
    to one; this small table can. Pruned after 90 days.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+", db_index=False)
    source_id = models.UUIDField()
    nonce = models.CharField(max_length=64)
    digest = models.BinaryField(max_length=32, help_text=_("Of what was asked with the nonce."))
    answer = models.JSONField(null=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source_id", "nonce"],
                name="checkin_receipt_once",
                violation_error_message=_("This scan was answered already."),
            )
        ]
        indexes = [models.Index(F("created_at"), name="checkin_receipt_age")]

    def __str__(self) -> str:
        return self.nonce
