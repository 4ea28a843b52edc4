"""Where people check in, and the devices that stand there."""

from datetime import datetime

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from clinics.models import Clinic, Location
from core import clock
from core.models import Entity


class PointMode(models.TextChoices):
    STATIC = "STATIC", _("Printed poster")
    ROTATING = "ROTATING", _("Screen with a changing code")


class GeofencePolicy(models.TextChoices):
    REFUSE = "REFUSE", _("Refuse")
    FLAG = "FLAG", _("Let in, and mark it")


class CheckInLocation(Entity):
    """A place at a location where patients check in: an entrance with its poster or screen.

    Its code is signed and carries `generation`: turning the code over raises the number, and every
    code of a lower one is known as a code of the past. A screen's codes carry the minute too.
    """

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+", db_index=False)
    location = models.ForeignKey(
        Location, on_delete=models.PROTECT, related_name="checkin_locations"
    )
    name = models.CharField(_("name"), max_length=120)
    mode = models.CharField(
        _("mode"), max_length=8, choices=PointMode.choices, default=PointMode.STATIC
    )
    generation = models.PositiveIntegerField(_("number of the code"), default=1, editable=False)
    rotated_at = models.DateTimeField(_("code since"), default=clock.now, editable=False)
    valid_until = models.DateTimeField(
        _("code valid until"), null=True, blank=True, help_text=_("Empty: until it is turned over.")
    )
    latitude = models.DecimalField(
        _("latitude"),
        max_digits=9,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[MinValueValidator(-90), MaxValueValidator(90)],
        help_text=_("Empty: the location's."),
    )
    longitude = models.DecimalField(
        _("longitude"),
        max_digits=9,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[MinValueValidator(-180), MaxValueValidator(180)],
    )
    geofence_metres = models.PositiveIntegerField(
        _("geofence radius, metres"),
        null=True,
        blank=True,
        validators=[MinValueValidator(10), MaxValueValidator(50_000)],
        help_text=_("Empty: the location's; with neither, nobody is asked where they are."),
    )
    geofence_policy = models.CharField(
        _("from outside the geofence"),
        max_length=6,
        choices=GeofencePolicy.choices,
        default=GeofencePolicy.REFUSE,
    )
    opens_minutes = models.PositiveIntegerField(
        _("check-in opens before, minutes"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(24 * 60)],
        help_text=_("Empty: as the clinic says."),
    )
    closes_minutes = models.PositiveIntegerField(
        _("check-in closes after, minutes"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(24 * 60)],
        help_text=_("Empty: as the clinic says."),
    )
    is_active = models.BooleanField(_("active"), default=True)
    deleted_at = models.DateTimeField(_("deleted"), null=True, editable=False)

    class Meta:
        verbose_name = _("check-in location")
        verbose_name_plural = _("check-in locations")
        constraints = [
            models.UniqueConstraint(
                fields=["location", "name"],
                condition=Q(deleted_at=None),
                name="checkin_point_name",
                violation_error_message=_("The location has a check-in place of this name."),
            ),
            models.CheckConstraint(
                condition=Q(latitude__isnull=True, longitude__isnull=True)
                | Q(latitude__isnull=False, longitude__isnull=False),
                name="checkin_point_coordinates",
                violation_error_message=_("Latitude and longitude go together."),
            ),
        ]
        indexes = [models.Index(fields=["clinic", "id"], name="checkin_point_clinic")]

    def __str__(self) -> str:
        return self.name


class DeviceKind(models.TextChoices):
    SCANNER = "SCANNER", _("Scanner")
    KIOSK = "KIOSK", _("Kiosk")
    WALL = "WALL", _("Wall screen")


class CheckInDevice(Entity):
    """A scanner, kiosk or wall screen: made first, paired once with a code, revoked at once.

    Only hashes are kept of its pairing code and of its token. `expires_at` ends a device that
    somebody lent for a shift. `slowed_until`: it did something odd, and is answered slowly.
    """

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+", db_index=False)
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    point = models.ForeignKey(
        CheckInLocation,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("check-in location"),
        help_text=_("Of a screen with a changing code: the one it shows."),
    )
    kind = models.CharField(_("kind"), max_length=7, choices=DeviceKind.choices)
    name = models.CharField(_("name"), max_length=120)
    pairing_hash = models.BinaryField(max_length=32, null=True, editable=False)
    pairing_expires_at = models.DateTimeField(_("pairing code until"), null=True, editable=False)
    token_hash = models.BinaryField(max_length=32, null=True, editable=False)
    paired_at = models.DateTimeField(_("paired"), null=True, editable=False)
    paired_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        db_index=False,
        verbose_name=_("paired by"),
    )
    expires_at = models.DateTimeField(_("paired until"), null=True, blank=True)
    last_seen_at = models.DateTimeField(_("last seen"), null=True, editable=False)
    last_address = models.GenericIPAddressField(_("last address"), null=True, editable=False)
    slowed_until = models.DateTimeField(_("slowed until"), null=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)
    revoked_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        db_index=False,
        verbose_name=_("revoked by"),
    )

    class Meta:
        verbose_name = _("check-in device")
        verbose_name_plural = _("check-in devices")
        constraints = [
            models.UniqueConstraint(
                fields=["pairing_hash"],
                condition=Q(pairing_hash__isnull=False),
                name="checkin_device_pairing",
                violation_error_message=_("This pairing code is in use."),
            ),
            models.CheckConstraint(
                condition=Q(token_hash__isnull=True) | Q(paired_at__isnull=False),
                name="checkin_device_paired",
                violation_error_message=_("A device with a token was paired."),
            ),
        ]
        indexes = [
            models.Index(fields=["clinic", "id"], name="checkin_device_clinic"),
            models.Index(F("location"), F("kind"), name="checkin_device_location"),
        ]

    def __str__(self) -> str:
        return self.name

    def is_live(self, now: datetime) -> bool:
        """Whether it is paired, not revoked, and its time is not over."""
        return (
            self.token_hash is not None
            and self.revoked_at is None
            and (self.expires_at is None or self.expires_at > now)
        )
