"""The queue of a waiting room."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from appointments.models import Appointment, Priority
from clinics.models import Clinic, Doctor, Location, Patient, Room, Service
from core.models import Entity


class QueueState(models.TextChoices):
    WAITING = "WAITING", _("Waiting")
    CALLED = "CALLED", _("Called")
    IN_SERVICE = "IN_SERVICE", _("In service")
    DONE = "DONE", _("Done")
    SKIPPED = "SKIPPED", _("Skipped")
    LEFT = "LEFT", _("Left")


#: Who still waits, is called or is being seen.
PRESENT = (QueueState.WAITING, QueueState.CALLED, QueueState.SKIPPED, QueueState.IN_SERVICE)


class QueueEntry(Entity):
    """Somebody in the queue of a location: for a visit, or a walk-in.

    For a visit the visit is the truth: starting, completing or cancelling it moves the entry, and
    moving the entry goes through the visit. The order is (rank, due_at, arrived_at, id): `rank` is
    the priority, 0 the most urgent; `due_at` the visit's time, or the arrival of a walk-in and of
    who came late.
    """

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+", db_index=False)
    location = models.ForeignKey(
        Location, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    appointment = models.OneToOneField(
        Appointment, on_delete=models.PROTECT, null=True, blank=True, related_name="queue_entry"
    )
    patient = models.ForeignKey(
        Patient, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    guest_name = models.CharField(
        _("name"), max_length=200, blank=True, help_text=_("Of a walk-in without a chart.")
    )
    doctor = models.ForeignKey(
        Doctor,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text=_("Empty: whoever is free."),
    )
    service = models.ForeignKey(
        Service, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    room = models.ForeignKey(
        Room, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    local_day = models.DateField(_("day"))
    prefix = models.CharField(_("letter"), max_length=3)
    number = models.PositiveIntegerField(_("number"))
    state = models.CharField(
        _("state"), max_length=10, choices=QueueState.choices, default=QueueState.WAITING
    )
    priority = models.CharField(
        _("priority"), max_length=8, choices=Priority.choices, default=Priority.NORMAL
    )
    rank = models.PositiveSmallIntegerField(_("rank"), default=2, editable=False)
    due_at = models.DateTimeField(_("due"))
    arrived_at = models.DateTimeField(_("arrived"))
    called_at = models.DateTimeField(_("called"), null=True, blank=True)
    called_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    calls = models.PositiveSmallIntegerField(_("times called"), default=0)
    skips = models.PositiveSmallIntegerField(_("times skipped"), default=0)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    done_at = models.DateTimeField(_("ended"), null=True, blank=True)
    left_reason = models.CharField(_("why left"), max_length=200, blank=True)
    swept = models.BooleanField(_("closed at the end of the day"), default=False, editable=False)

    class Meta:
        verbose_name = _("queue entry")
        verbose_name_plural = _("queue entries")
        constraints = [
            models.UniqueConstraint(
                fields=["location", "local_day", "prefix", "number"],
                name="checkin_queue_token",
                violation_error_message=_("This token was given out already."),
            ),
            models.CheckConstraint(
                condition=Q(appointment__isnull=True) | Q(patient__isnull=False),
                name="checkin_queue_visit",
                violation_error_message=_("A visit's entry has its patient."),
            ),
            models.CheckConstraint(
                condition=Q(patient__isnull=False) | ~Q(guest_name=""),
                name="checkin_queue_who",
                violation_error_message=_("Say who waits: a patient or a name."),
            ),
            models.CheckConstraint(
                condition=~Q(state="CALLED") | Q(called_at__isnull=False),
                name="checkin_queue_called",
                violation_error_message=_("A call has its moment."),
            ),
            models.CheckConstraint(
                condition=~Q(state="IN_SERVICE") | Q(started_at__isnull=False),
                name="checkin_queue_started",
                violation_error_message=_("A start has its moment."),
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["DONE", "LEFT"]) | Q(done_at__isnull=False),
                name="checkin_queue_ended",
                violation_error_message=_("An end has its moment."),
            ),
            models.UniqueConstraint(
                fields=["location", "local_day", "patient", "doctor"],
                condition=Q(
                    appointment__isnull=True,
                    patient__isnull=False,
                    state__in=["WAITING", "CALLED", "SKIPPED", "IN_SERVICE"],
                ),
                nulls_distinct=False,
                name="checkin_queue_walk_in_once",
                violation_error_message=_("The patient waits there already."),
            ),
        ]
        indexes = [
            models.Index(
                F("location"),
                F("rank"),
                F("due_at"),
                F("arrived_at"),
                F("id"),
                name="checkin_queue_order",
                condition=Q(state__in=["WAITING", "CALLED", "SKIPPED", "IN_SERVICE"]),
            ),
            models.Index(fields=["clinic", "local_day"], name="checkin_queue_day"),
            models.Index(fields=["clinic", "id"], name="checkin_queue_clinic"),
            models.Index(
                fields=["doctor", "done_at"],
                name="checkin_queue_durations",
                condition=Q(state="DONE"),
            ),
            models.Index(
                fields=["local_day"],
                name="checkin_queue_stale",
                condition=Q(state__in=["WAITING", "CALLED", "SKIPPED", "IN_SERVICE"]),
            ),
        ]

    def __str__(self) -> str:
        return self.token

    @property
    def token(self) -> str:
        """What the wall shows: letters and a number of three digits at least."""
        return f"{self.prefix}{self.number:03d}"


class TokenCounter(models.Model):
    """The last token given out at a location on a local day, by prefix. Its row is the lock."""

    id = models.UUIDField(primary_key=True, editable=False)
    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+", db_index=False)
    location = models.ForeignKey(
        Location, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    local_day = models.DateField()
    prefix = models.CharField(max_length=3)
    last = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["location", "local_day", "prefix"],
                name="checkin_counter_once",
                violation_error_message=_("There is one counter for each letter and day."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.prefix} {self.local_day} {self.last}"
