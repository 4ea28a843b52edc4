"""What can be booked, and when the doors are open."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, RangeOperators
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Func, Q, Value
from django.utils.translation import gettext_lazy as _

from clinics.models.clinic import Clinic, Location, validate_colour
from clinics.models.people import Doctor
from core.models import Entity


class VisitMode(models.TextChoices):
    """How doctor and patient meet; the `type` of an appointment."""

    IN_PERSON = "IN_PERSON", _("In person")
    VIDEO_CALL = "VIDEO_CALL", _("Video call")
    HOME_VISIT = "HOME_VISIT", _("Home visit")
    PHONE = "PHONE", _("Phone")


def default_modes() -> list[str]:
    return [VisitMode.IN_PERSON.value]


def _modes() -> ArrayField:
    return ArrayField(
        models.CharField(max_length=12, choices=VisitMode.choices),
        verbose_name=_("ways to meet"),
        default=default_modes,
    )


class Service(Entity):
    """What can be booked at a clinic. Durations and buffers are minutes."""

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="services")
    name = models.CharField(_("name"), max_length=160)
    description = models.CharField(_("description"), max_length=500, blank=True)
    duration_minutes = models.PositiveIntegerField(
        _("duration"), validators=[MinValueValidator(5), MaxValueValidator(720)]
    )
    buffer_before_minutes = models.PositiveIntegerField(
        _("buffer before"), default=0, validators=[MaxValueValidator(240)]
    )
    buffer_after_minutes = models.PositiveIntegerField(
        _("buffer after"), default=0, validators=[MaxValueValidator(240)]
    )
    modes = _modes()
    capacity = models.PositiveSmallIntegerField(
        _("patients at a time"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(200)],
        help_text=_("Lowers the capacity of the working hours; empty: as they say."),
    )
    colour = models.CharField(
        _("colour"), max_length=7, default="#4477aa", validators=[validate_colour]
    )
    min_notice_minutes = models.PositiveIntegerField(_("notice, minutes"), null=True, blank=True)
    horizon_days = models.PositiveIntegerField(_("how far ahead, days"), null=True, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    is_public = models.BooleanField(_("patients may book it"), default=True)

    class Meta:
        verbose_name = _("service")
        verbose_name_plural = _("services")
        constraints = [
            models.UniqueConstraint(
                fields=["clinic", "name"],
                name="clinics_service_name",
                violation_error_message=_("The clinic has a service of this name."),
            ),
            models.CheckConstraint(
                condition=Q(duration_minutes__gte=5, duration_minutes__lte=720),
                name="clinics_service_duration",
                violation_error_message=_("A visit lasts between 5 minutes and 12 hours."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Weekday(models.IntegerChoices):
    """ISO 8601 weekdays."""

    MONDAY = 1, _("Monday")
    TUESDAY = 2, _("Tuesday")
    WEDNESDAY = 3, _("Wednesday")
    THURSDAY = 4, _("Thursday")
    FRIDAY = 5, _("Friday")
    SATURDAY = 6, _("Saturday")
    SUNDAY = 7, _("Sunday")


class MinuteRange(Func):
    """[start, end) of a local day in minutes, as int4range; an end of 00:00 is midnight."""

    template = (
        "int4range((EXTRACT(epoch FROM start_time) / 60)::int,"
        " CASE WHEN end_time = '00:00' THEN 1440"
        " ELSE (EXTRACT(epoch FROM end_time) / 60)::int END)"
    )


class ScheduleTemplate(Entity):
    """Weekly working hours: local wall-clock times at a location. An end of 00:00 is midnight."""

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="templates")
    doctor = models.ForeignKey(Doctor, on_delete=models.PROTECT, related_name="templates")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="templates")
    weekday = models.PositiveSmallIntegerField(_("weekday"), choices=Weekday.choices)
    start_time = models.TimeField(_("from"))
    end_time = models.TimeField(_("to"))
    slot_minutes = models.PositiveSmallIntegerField(
        _("slot, minutes"),
        default=30,
        validators=[MinValueValidator(5), MaxValueValidator(720)],
    )
    capacity = models.PositiveSmallIntegerField(
        _("patients at a time"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(200)],
    )
    modes = _modes()
    services = models.ManyToManyField(Service, blank=True, related_name="templates")
    valid_from = models.DateField(_("valid from"), null=True, blank=True)
    valid_to = models.DateField(_("valid to"), null=True, blank=True)

    class Meta:
        verbose_name = _("working hours")
        verbose_name_plural = _("working hours")
        constraints = [
            models.CheckConstraint(
                condition=Q(end_time__gt=F("start_time")) | Q(end_time="00:00"),
                name="clinics_template_times",
                violation_error_message=_("The end comes after the start."),
            ),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True)
                | Q(valid_from__isnull=True)
                | Q(valid_to__gte=F("valid_from")),
                name="clinics_template_validity",
                violation_error_message=_("The last day comes after the first."),
            ),
            models.CheckConstraint(
                condition=Q(weekday__gte=1, weekday__lte=7),
                name="clinics_template_weekday",
                violation_error_message=_("A weekday is 1 (Monday) to 7 (Sunday)."),
            ),
            models.CheckConstraint(
                condition=Q(slot_minutes__gte=5, capacity__gte=1, capacity__lte=200),
                name="clinics_template_slots",
                violation_error_message=_("Slots of 5 minutes or more, 1 to 200 patients."),
            ),
            ExclusionConstraint(
                name="clinics_template_overlap",
                expressions=[
                    ("doctor", RangeOperators.EQUAL),
                    ("weekday", RangeOperators.EQUAL),
                    (
                        Func(F("valid_from"), F("valid_to"), Value("[]"), function="daterange"),
                        RangeOperators.OVERLAPS,
                    ),
                    (MinuteRange(), RangeOperators.OVERLAPS),
                ],
                violation_error_message=_("These hours overlap others of the same doctor."),
            ),
        ]
        indexes = [
            models.Index(fields=["clinic", "doctor", "weekday"], name="clinics_template_clinic")
        ]

    def __str__(self) -> str:
        return f"{self.get_weekday_display()} {self.start_time:%H:%M} to {self.end_time:%H:%M}"


class ExceptionKind(models.TextChoices):
    CLOSED = "CLOSED", _("Closed")
    HOURS = "HOURS", _("Other hours")
    LEAVE = "LEAVE", _("Leave")


class ScheduleException(Entity):
    """A date, or a range of dates, that is not as the working hours say.

    CLOSED: shut (for one doctor, or without a doctor for a whole location or clinic). HOURS: these
    hours replace the weekly ones on those dates. LEAVE: the doctor is away; it claims BusyTime too,
    so that it holds in every clinic. Times narrow it to a part of each day; without them all day.
    """

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="exceptions")
    doctor = models.ForeignKey(
        Doctor, on_delete=models.PROTECT, null=True, blank=True, related_name="exceptions"
    )
    location = models.ForeignKey(
        Location, on_delete=models.PROTECT, null=True, blank=True, related_name="exceptions"
    )
    kind = models.CharField(_("kind"), max_length=8, choices=ExceptionKind.choices)
    start_date = models.DateField(_("from"))
    end_date = models.DateField(_("to"))
    start_time = models.TimeField(_("from (time)"), null=True, blank=True)
    end_time = models.TimeField(_("to (time)"), null=True, blank=True)
    slot_minutes = models.PositiveSmallIntegerField(
        _("slot, minutes"), default=30, validators=[MinValueValidator(5), MaxValueValidator(720)]
    )
    capacity = models.PositiveSmallIntegerField(
        _("patients at a time"), default=1, validators=[MinValueValidator(1)]
    )
    modes = _modes()
    reason = models.CharField(_("reason"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("schedule exception")
        verbose_name_plural = _("schedule exceptions")
        constraints = [
            models.CheckConstraint(
                condition=Q(end_date__gte=F("start_date")),
                name="clinics_exception_dates",
                violation_error_message=_("The last day comes after the first."),
            ),
            models.CheckConstraint(
                condition=Q(start_time__isnull=True, end_time__isnull=True)
                | Q(start_time__isnull=False, end_time__isnull=False)
                & (Q(end_time__gt=F("start_time")) | Q(end_time="00:00")),
                name="clinics_exception_times",
                violation_error_message=_("Give both times, the end after the start."),
            ),
            models.CheckConstraint(
                condition=~Q(kind="HOURS")
                | Q(doctor__isnull=False, location__isnull=False, start_time__isnull=False),
                name="clinics_exception_hours",
                violation_error_message=_("Other hours need a doctor, a location and times."),
            ),
            models.CheckConstraint(
                condition=~Q(kind="LEAVE") | Q(doctor__isnull=False),
                name="clinics_exception_leave",
                violation_error_message=_("Leave needs a doctor."),
            ),
        ]
        indexes = [
            models.Index(fields=["doctor", "end_date"], name="clinics_exception_doctor"),
            models.Index(fields=["clinic", "end_date"], name="clinics_exception_clinic"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.start_date} to {self.end_date}"
