"""The appointment, its history, and what occupies a doctor's time."""

from zoneinfo import ZoneInfo

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateTimeRangeField, RangeOperators
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import DateField, DateTimeField, F, Func, Q
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from clinics.models import Clinic, Doctor, Location, Patient, Room, Service, VisitMode
from clinics.models.schedule import ScheduleException
from core import clock, ids
from core.models import Entity


class AppointmentStatus(models.TextChoices):
    PENDING = "PENDING", _("Pending approval")
    SCHEDULED = "SCHEDULED", _("Scheduled")
    CONFIRMED = "CONFIRMED", _("Confirmed")
    CHECKED_IN = "CHECKED_IN", _("Checked in")
    IN_PROGRESS = "IN_PROGRESS", _("In progress")
    COMPLETED = "COMPLETED", _("Completed")
    NO_SHOW = "NO_SHOW", _("No-show")
    CANCELLED = "CANCELLED", _("Cancelled")


#: Still to come or under way: these hold their time.
OPEN = (
    AppointmentStatus.PENDING,
    AppointmentStatus.SCHEDULED,
    AppointmentStatus.CONFIRMED,
    AppointmentStatus.CHECKED_IN,
    AppointmentStatus.IN_PROGRESS,
)


class Source(models.TextChoices):
    STAFF = "STAFF", _("Staff")
    PATIENT = "PATIENT", _("Patient")
    SERIES = "SERIES", _("Series")
    FOLLOW_UP = "FOLLOW_UP", _("Follow-up")
    IMPORT = "IMPORT", _("Import")
    API = "API", _("API")


class Priority(models.TextChoices):
    LOW = "LOW", _("Low")
    NORMAL = "NORMAL", _("Normal")
    HIGH = "HIGH", _("High")
    URGENT = "URGENT", _("Urgent")


class Appointment(Entity):
    """A visit of a patient to a doctor. Partitioned by month on the id.

    Foreign keys have no index of their own: the composite ones below begin with those that are
    searched, rows are never deleted, and each further index is paid for at every booking.

    While it is open and not yet over it owns one `BusyTime` row (a deferred constraint trigger says
    so), and its status moves only along the transition table (a trigger says that too).
    """

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+", db_index=False)
    location = models.ForeignKey(
        Location, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    room = models.ForeignKey(
        Room, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    doctor = models.ForeignKey(Doctor, on_delete=models.PROTECT, related_name="+", db_index=False)
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+", db_index=False)
    service = models.ForeignKey(
        Service, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    type = models.CharField(_("type"), max_length=12, choices=VisitMode.choices)
    status = models.CharField(_("status"), max_length=12, choices=AppointmentStatus.choices)
    starts_at = models.DateTimeField(_("starts"))
    ends_at = models.DateTimeField(_("ends"))
    timezone = models.CharField(_("time zone"), max_length=64)
    local_day = models.GeneratedField(
        verbose_name=_("local day"),
        expression=Cast(
            Func(F("timezone"), F("starts_at"), function="timezone", output_field=DateTimeField()),
            DateField(),
        ),
        output_field=DateField(),
        db_persist=True,
    )
    reason = models.CharField(_("reason for the visit"), max_length=500, blank=True)
    notes = models.TextField(_("notes"), max_length=4000, blank=True)
    priority = models.CharField(
        _("priority"), max_length=8, choices=Priority.choices, default=Priority.NORMAL
    )
    source = models.CharField(_("source"), max_length=10, choices=Source.choices)
    booked_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    override_reason = models.CharField(_("why past the rules"), max_length=500, blank=True)
    cancel_reason = models.CharField(_("why cancelled"), max_length=500, blank=True)
    cancelled_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    cancelled_at = models.DateTimeField(_("cancelled"), null=True, blank=True)
    late_cancellation = models.BooleanField(_("cancelled inside the cut-off"), default=False)
    confirmed_at = models.DateTimeField(_("confirmed"), null=True, blank=True)
    checked_in_at = models.DateTimeField(_("checked in"), null=True, blank=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    completed_at = models.DateTimeField(_("completed"), null=True, blank=True)
    parent_appointment = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    original_appointment = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    is_follow_up = models.BooleanField(_("follow-up"), default=False)
    follow_up_reason = models.CharField(_("why a follow-up"), max_length=500, blank=True)
    series = models.ForeignKey(
        "appointments.AppointmentSeries",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="visits",
        db_column="series",
        db_index=False,
        verbose_name=_("series"),
    )
    series_sequence = models.PositiveIntegerField(_("number in the series"), null=True, blank=True)

    class Meta:
        verbose_name = _("appointment")
        verbose_name_plural = _("appointments")
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")),
                name="appointments_times",
                violation_error_message=_("A visit ends after it starts."),
            ),
            models.CheckConstraint(
                condition=~Q(type="IN_PERSON") | Q(location__isnull=False),
                name="appointments_place",
                violation_error_message=_("A visit in person needs a location."),
            ),
            models.CheckConstraint(
                condition=~Q(status="CANCELLED") | Q(cancelled_at__isnull=False),
                name="appointments_cancelled",
                violation_error_message=_("A cancellation has its moment."),
            ),
        ]
        indexes = [
            models.Index(fields=["doctor", "clinic", "starts_at"], name="appointments_doctor"),
            models.Index(fields=["patient", "status", "starts_at"], name="appointments_patient"),
            models.Index(fields=["clinic", "starts_at", "status"], name="appointments_clinic"),
            models.Index(fields=["clinic", "local_day", "starts_at"], name="appointments_day"),
            models.Index(fields=["clinic", "is_follow_up", "type"], name="appointments_followup"),
            models.Index(fields=["parent_appointment", "starts_at"], name="appointments_parent"),
            models.Index(fields=["original_appointment", "starts_at"], name="appointments_chain"),
            models.Index(fields=["series", "series_sequence"], name="appointments_series"),
            models.Index(
                fields=["ends_at"],
                name="appointments_open",
                condition=Q(status__in=["PENDING", "SCHEDULED", "CONFIRMED"]),
            ),
        ]

    def __str__(self) -> str:
        local = self.starts_at.astimezone(ZoneInfo(self.timezone))
        return f"{local:%Y-%m-%d %H:%M} {self.get_status_display()}"

    @property
    def is_open(self) -> bool:
        return self.status in OPEN


class Claim(models.TextChoices):
    BOOKED = "BOOKED", _("Booked")
    HELD = "HELD", _("Held")
    BLOCKED = "BLOCKED", _("Blocked")


class LaneRange(Func):
    """The lane as a range, so that a row without a lane takes all of them."""

    template = "int4range(lane, lane, '[]')"


class BusyTime(models.Model):
    """One table says what occupies a doctor's time; its constraints decide every conflict.

    `period` includes the buffers, `visit` does not. A capacity of n is the lanes 0..n-1; an
    overbooked visit takes a lane above them; a row without a lane (leave) takes every lane. Rows
    whose time is past are pruned.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+", db_index=False)
    doctor = models.ForeignKey(Doctor, on_delete=models.PROTECT, related_name="+", db_index=False)
    lane = models.IntegerField(
        null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(10_000)]
    )
    room = models.ForeignKey(
        Room, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    patient = models.ForeignKey(
        Patient, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    period = DateTimeRangeField()
    visit = DateTimeRangeField()
    kind = models.CharField(max_length=8, choices=Claim.choices)
    appointment = models.OneToOneField(
        Appointment, on_delete=models.PROTECT, null=True, blank=True, related_name="busy_time"
    )
    service = models.ForeignKey(
        Service, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    location = models.ForeignKey(
        Location, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    holder = models.UUIDField(null=True, blank=True, help_text=_("The user who holds it."))
    address = models.GenericIPAddressField(
        null=True, blank=True, help_text=_("Of a guest's hold: where it was asked from.")
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    exception = models.ForeignKey(
        ScheduleException, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        verbose_name = _("busy time")
        verbose_name_plural = _("busy times")
        constraints = [
            ExclusionConstraint(
                name="busytime_doctor",
                expressions=[
                    ("doctor", RangeOperators.EQUAL),
                    (LaneRange(), RangeOperators.OVERLAPS),
                    ("period", RangeOperators.OVERLAPS),
                ],
                violation_error_message=_("This time is taken."),
            ),
            ExclusionConstraint(
                # Several patients of one doctor's group session share the room.
                name="busytime_room",
                expressions=[
                    ("room", RangeOperators.EQUAL),
                    ("doctor", RangeOperators.NOT_EQUAL),
                    ("period", RangeOperators.OVERLAPS),
                ],
                condition=Q(room__isnull=False),
                violation_error_message=_("The room is taken at this time."),
            ),
            ExclusionConstraint(
                name="busytime_patient",
                expressions=[
                    ("patient", RangeOperators.EQUAL),
                    ("visit", RangeOperators.OVERLAPS),
                ],
                condition=Q(patient__isnull=False),
                violation_error_message=_("The patient has another visit at this time."),
            ),
            models.CheckConstraint(
                condition=Q(kind="BOOKED", appointment__isnull=False, lane__isnull=False)
                | Q(kind="HELD", appointment__isnull=True, expires_at__isnull=False)
                | Q(kind="BLOCKED", appointment__isnull=True),
                name="busytime_kind",
                violation_error_message=_("A claim is an appointment's, a hold's or a block's."),
            ),
            models.CheckConstraint(
                condition=Q(period__contains=F("visit")) & Q(visit__isempty=False),
                name="busytime_ranges",
                violation_error_message=_("The period holds the visit."),
            ),
        ]
        indexes = [
            models.Index(fields=["clinic", "id"], name="busytime_clinic"),
            models.Index(fields=["expires_at"], name="busytime_holds", condition=Q(kind="HELD")),
            models.Index(Func(F("period"), function="upper"), name="busytime_over"),
            models.Index(
                fields=["holder"], name="busytime_holder", condition=Q(holder__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.visit}"


class Verb(models.TextChoices):
    """What happened in one event of an appointment's history."""

    BOOK = "book", _("booked")
    APPROVE = "approve", _("approved")
    CONFIRM = "confirm", _("confirmed")
    CHECK_IN = "check_in", _("checked in")
    START = "start", _("started")
    COMPLETE = "complete", _("completed")
    NO_SHOW = "no_show", _("marked as no-show")
    CANCEL = "cancel", _("cancelled")
    RESCHEDULE = "reschedule", _("moved")
    EDIT = "edit", _("changed")
    UNDO = "undo", _("undone")
    IMPORT = "import", _("imported")


class ImportedRow(models.Model):
    """A row of another system's export that became an appointment: makes imports idempotent."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+")
    system = models.CharField(max_length=40)
    external_id = models.CharField(max_length=120)
    appointment = models.ForeignKey(Appointment, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["clinic", "system", "external_id"],
                name="appointments_imported_once",
                violation_error_message=_("This row was imported already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.system} {self.external_id}"


class PatientMerge(Entity):
    """Two charts of one person made into one, and what it takes to part them again.

    `taken` maps a field of the kept chart to its [before, after]; `account` is the user who went
    over with the chart; `proxies` went over too, and `proxies_dropped` are rows as they were, of
    whom the other chart had already. `not_restored` says what an undo had to leave.
    """

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+", db_index=False)
    kept = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    duplicate = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(_("why merged"), max_length=500)
    merged_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    appointments = ArrayField(models.UUIDField(), default=list)
    taken = models.JSONField(_("fields taken"), default=dict)
    account = models.UUIDField(null=True)
    proxies = ArrayField(models.UUIDField(), default=list)
    proxies_dropped = models.JSONField(default=list)
    undone_at = models.DateTimeField(_("undone"), null=True)
    undone_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    undo_reason = models.CharField(_("why undone"), max_length=500, blank=True)
    not_restored = models.JSONField(_("not restored"), default=dict)

    class Meta:
        verbose_name = _("merge of patients")
        verbose_name_plural = _("merges of patients")
        constraints = [
            models.CheckConstraint(
                condition=~Q(kept=F("duplicate")),
                name="appointments_merge_two",
                violation_error_message=_("A chart is not merged into itself."),
            ),
            models.UniqueConstraint(
                fields=["duplicate"],
                condition=Q(undone_at=None),
                name="appointments_merge_once",
                violation_error_message=_("This chart was merged into another."),
            ),
        ]
        indexes = [models.Index(fields=["clinic", "id"], name="appointments_merges")]

    def __str__(self) -> str:
        return f"{self.duplicate} → {self.kept}"


class AppointmentEvent(models.Model):
    """One entry of an appointment's history. Append-only; partitioned by month on the id.

    `changes` maps a field to [before, after].
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    clinic = models.ForeignKey(
        Clinic, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    appointment = models.ForeignKey(
        Appointment, on_delete=models.PROTECT, related_name="events", db_index=False
    )
    verb = models.CharField(max_length=12, choices=Verb.choices)
    from_status = models.CharField(max_length=12, blank=True, choices=AppointmentStatus.choices)
    to_status = models.CharField(max_length=12, choices=AppointmentStatus.choices)
    actor_id = models.UUIDField(null=True)
    at = models.DateTimeField(default=clock.now)
    reason = models.CharField(max_length=500, blank=True)
    changes = models.JSONField(default=dict)
    undoes = models.UUIDField(null=True, help_text=_("The event that this one takes back."))

    class Meta:
        indexes = [models.Index(fields=["appointment", "id"], name="appointments_history")]

    def __str__(self) -> str:
        return f"{self.verb} {self.at:%Y-%m-%d %H:%M}"
