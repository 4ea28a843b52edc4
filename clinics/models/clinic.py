"""The clinic itself: policy, locations, rooms, and who works there."""

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from guardian.models import GroupObjectPermissionBase

from accounts.models import User, validate_phone
from accounts.roles import ALL_CODENAMES, STAFF_ROLES, Role
from accounts.timezones import validate_timezone
from core.models import Entity

validate_colour = RegexValidator(r"^#[0-9a-fA-F]{6}$", _("A colour such as #1f6feb."))


class Clinic(Entity):
    """One tenant. Its own row is directory data; everything that hangs on it is its alone."""

    name = models.CharField(_("name"), max_length=200)
    slug = models.SlugField(_("name in links"), max_length=60, unique=True)
    timezone = models.CharField(
        _("time zone"), max_length=64, default="UTC", validators=[validate_timezone]
    )
    phone = models.CharField(_("phone"), max_length=16, blank=True, validators=[validate_phone])
    email = models.EmailField(_("email"), blank=True)
    website = models.URLField(_("website"), blank=True)
    country = models.CharField(_("country"), max_length=2, blank=True, help_text=_("ISO 3166."))
    colour = models.CharField(
        _("colour"), max_length=7, default="#0b6e6e", validators=[validate_colour]
    )
    logo_url = models.CharField(_("logo"), max_length=300, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    # Policy
    min_notice_minutes = models.PositiveIntegerField(
        _("notice before a visit, minutes"),
        default=60,
        validators=[MaxValueValidator(60 * 24 * 60)],
        help_text=_("For patients. Staff may book up to the present moment."),
    )
    horizon_days = models.PositiveIntegerField(
        _("how far ahead, days"), default=180, validators=[MaxValueValidator(1100)]
    )
    cancel_cutoff_minutes = models.PositiveIntegerField(
        _("last change before a visit, minutes"),
        default=24 * 60,
        validators=[MaxValueValidator(60 * 24 * 60)],
        help_text=_("For patients. A later cancellation by staff still counts against caps."),
    )
    checkin_opens_minutes = models.PositiveIntegerField(_("check-in opens before"), default=30)
    checkin_closes_minutes = models.PositiveIntegerField(_("check-in closes after"), default=120)
    late_grace_minutes = models.PositiveIntegerField(
        _("late after, minutes"),
        default=10,
        validators=[MaxValueValidator(24 * 60)],
        help_text=_("Who arrives later than this after their time waits as if just due."),
    )
    hold_minutes = models.PositiveIntegerField(
        _("hold, minutes"),
        default=5,
        validators=[MinValueValidator(1), MaxValueValidator(60)],
    )
    max_holds_per_patient = models.PositiveSmallIntegerField(_("holds a patient"), default=2)
    requires_approval = models.BooleanField(_("patients' bookings need approval"), default=False)
    wait_room_privacy = models.BooleanField(_("tokens only in the waiting room"), default=True)
    shared_calendars = models.BooleanField(_("doctors see the whole day"), default=True)
    reception_may_override = models.BooleanField(_("reception may overbook"), default=True)
    public_slots = models.BooleanField(_("free times are public"), default=True)
    guest_booking = models.BooleanField(
        _("patients without an account may book"),
        default=True,
        help_text=_("Where free times are public."),
    )
    auto_no_show = models.BooleanField(_("mark no-shows automatically"), default=True)

    class Meta:
        verbose_name = _("clinic")
        verbose_name_plural = _("clinics")
        ordering = ["name"]
        permissions = ALL_CODENAMES
        constraints = [
            models.CheckConstraint(
                condition=models.Q(hold_minutes__gte=1),
                name="clinics_clinic_hold",
                violation_error_message=_("A hold lasts a minute at least."),
            )
        ]

    def __str__(self) -> str:
        return self.name


class ClinicGroupPermission(GroupObjectPermissionBase):
    """Guardian's row for Clinic, with a real foreign key instead of a generic one."""

    content_object = models.ForeignKey(Clinic, on_delete=models.CASCADE)

    class Meta(GroupObjectPermissionBase.Meta):
        abstract = False

    def __str__(self) -> str:
        return f"{self.group_id} {self.permission_id} {self.content_object_id}"


class Location(Entity):
    """Where patients come to. Its time zone decides what a local day is."""

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="locations")
    name = models.CharField(_("name"), max_length=200)
    address = models.CharField(_("address"), max_length=300, blank=True)
    city = models.CharField(_("city"), max_length=120, blank=True)
    timezone = models.CharField(_("time zone"), max_length=64, validators=[validate_timezone])
    latitude = models.DecimalField(
        _("latitude"),
        max_digits=9,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[MinValueValidator(-90), MaxValueValidator(90)],
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
        _("geofence radius, metres"), null=True, blank=True
    )
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("location")
        verbose_name_plural = _("locations")
        constraints = [
            models.UniqueConstraint(
                fields=["clinic", "name"],
                name="clinics_location_name",
                violation_error_message=_("The clinic has a location of this name."),
            )
        ]

    def __str__(self) -> str:
        return self.name


class Room(Entity):
    """A room at a location; one doctor at a time."""

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="rooms")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="rooms")
    name = models.CharField(_("name"), max_length=120)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("room")
        verbose_name_plural = _("rooms")
        constraints = [
            models.UniqueConstraint(
                fields=["location", "name"],
                name="clinics_room_name",
                violation_error_message=_("The location has a room of this name."),
            )
        ]

    def __str__(self) -> str:
        return self.name


class Membership(Entity):
    """A user holds a role in a clinic. Its services keep the role's group in step."""

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(
        _("role"), max_length=20, choices=[(role.value, role.label) for role in STAFF_ROLES]
    )
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.UniqueConstraint(
                fields=["clinic", "user", "role"],
                name="clinics_membership_once",
                violation_error_message=_("This person has the role already."),
            )
        ]
        indexes = [models.Index(fields=["user", "clinic"], name="clinics_membership_user")]

    def __str__(self) -> str:
        return f"{self.user} · {Role(self.role).label}"
