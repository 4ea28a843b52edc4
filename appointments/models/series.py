"""A visit that comes again by a rule."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from appointments.models.visits import Appointment, Priority
from clinics.models import Clinic, Doctor, Location, Patient, Room, Service, VisitMode
from core.models import Entity

#: Two years of every day but the weekends.
MAX_SERIES_VISITS = 530


class SeriesStatus(models.TextChoices):
    ACTIVE = "ACTIVE", _("Goes on")
    ENDED = "ENDED", _("Ended")
    CANCELLED = "CANCELLED", _("Cancelled")


class ClashPolicy(models.TextChoices):
    """What to do when dates of a series cannot be had. The values are those of the API."""

    ALL_OR_NOTHING = "all_or_nothing", _("Book all or nothing")
    SKIP_CONFLICTS = "skip_conflicts", _("Leave out what is taken")


class AppointmentSeries(Entity):
    """Visits of one patient with one doctor at one wall-clock time, by an RRULE (RFC 5545).

    The rule says the days, `local_time` the time on the clocks of `timezone`, whatever the season.
    What stands here is how the series goes on from now: a visit that was moved by itself is as it
    is. An `open_ended` series has neither COUNT nor UNTIL: its visits are booked up to
    `booked_until`, and a nightly job goes on from there.
    """

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+", db_index=False)
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+", db_index=False)
    doctor = models.ForeignKey(Doctor, on_delete=models.PROTECT, related_name="+", db_index=False)
    location = models.ForeignKey(
        Location, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    room = models.ForeignKey(
        Room, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    service = models.ForeignKey(
        Service, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    type = models.CharField(_("type"), max_length=12, choices=VisitMode.choices)
    rrule = models.CharField(_("rule (RRULE)"), max_length=300)
    local_time = models.TimeField(_("time of day"))
    timezone = models.CharField(_("time zone"), max_length=64)
    duration_minutes = models.PositiveSmallIntegerField(
        _("length, minutes"), validators=[MinValueValidator(5), MaxValueValidator(720)]
    )
    start_date = models.DateField(_("first day"))
    end_date = models.DateField(_("last day"), null=True, blank=True)
    open_ended = models.BooleanField(_("until further notice"), default=False)
    booked_until = models.DateField(_("booked until"))
    status = models.CharField(
        _("status"), max_length=10, choices=SeriesStatus.choices, default=SeriesStatus.ACTIVE
    )
    policy = models.CharField(
        _("when a date is taken"),
        max_length=16,
        choices=ClashPolicy.choices,
        default=ClashPolicy.ALL_OR_NOTHING,
    )
    reason = models.CharField(_("reason for the visits"), max_length=500, blank=True)
    notes = models.TextField(_("notes"), max_length=4000, blank=True)
    priority = models.CharField(
        _("priority"), max_length=8, choices=Priority.choices, default=Priority.NORMAL
    )
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    cancel_reason = models.CharField(_("why cancelled"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("series of visits")
        verbose_name_plural = _("series of visits")
        constraints = [
            models.CheckConstraint(
                condition=Q(end_date__isnull=True) | Q(end_date__gte=F("start_date")),
                name="appointments_series_dates",
                violation_error_message=_("A series ends after it starts."),
            ),
            models.CheckConstraint(
                condition=Q(open_ended=True, end_date__isnull=True)
                | Q(open_ended=False, end_date__isnull=False)
                | ~Q(status="ACTIVE"),
                name="appointments_series_end",
                violation_error_message=_("A series has a last day, or goes on until told."),
            ),
            models.CheckConstraint(
                condition=~Q(type="IN_PERSON") | Q(location__isnull=False),
                name="appointments_series_place",
                violation_error_message=_("A visit in person needs a location."),
            ),
        ]
        indexes = [
            models.Index(fields=["clinic", "id"], name="appointments_series_clinic"),
            models.Index(fields=["patient", "id"], name="appointments_series_patient"),
            models.Index(
                fields=["booked_until"],
                name="appointments_series_open",
                condition=Q(open_ended=True, status="ACTIVE"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rrule} {self.local_time:%H:%M}"


class SeriesSkip(models.Model):
    """A date of a series that was not booked, and why: the error code a booking would have got."""

    id = models.UUIDField(primary_key=True, editable=False)
    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+", db_index=False)
    series = models.ForeignKey(
        AppointmentSeries, on_delete=models.PROTECT, related_name="skips", db_index=False
    )
    sequence = models.PositiveIntegerField(_("number in the series"))
    starts_at = models.DateTimeField(_("would have started"))
    code = models.CharField(_("why"), max_length=40)
    made_up_by = models.ForeignKey(
        Appointment,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("booked instead"),
    )

    class Meta:
        verbose_name = _("date left out")
        verbose_name_plural = _("dates left out")
        constraints = [
            models.UniqueConstraint(
                fields=["series", "sequence"],
                name="appointments_series_skip",
                violation_error_message=_("This date was left out already."),
            )
        ]
        indexes = [models.Index(fields=["clinic", "id"], name="appointments_skips")]

    def __str__(self) -> str:
        return f"{self.sequence} {self.starts_at:%Y-%m-%d} {self.code}"
