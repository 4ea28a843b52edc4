"""The follow-up plan, who was asked about it, and the invitations that let patients choose."""

from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from appointments.models import Appointment, Priority
from clinics.models import Clinic, Doctor, Location, Patient, Service, VisitMode
from core import clock, ids
from core.models import Entity

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

#: Entries of a plan's lists (medications, tests, restrictions), and letters of one entry.
MAX_ITEMS, MAX_ITEM_LENGTH = 50, 200


class FollowUpType(models.TextChoices):
    """The values are those of the API."""

    ROUTINE = "routine", _("Routine")
    URGENT = "urgent", _("Urgent")
    SPECIALIST = "specialist", _("Specialist")
    THERAPY = "therapy", _("Therapy")
    SURGERY = "surgery", _("Surgery")


class PlanStatus(models.TextChoices):
    """A plan is completed when its visit is booked; the values are those of the API."""

    SCHEDULED = "scheduled", _("To be booked")
    OVERDUE = "overdue", _("Overdue")
    COMPLETED = "completed", _("Booked")
    CANCELLED = "cancelled", _("Cancelled")


#: Plans that wait for a visit.
WAITING = (PlanStatus.SCHEDULED, PlanStatus.OVERDUE)


def _items(name: "_StrPromise") -> ArrayField:
    return ArrayField(
        models.CharField(max_length=MAX_ITEM_LENGTH),
        default=list,
        blank=True,
        size=MAX_ITEMS,
        verbose_name=name,
    )


class FollowUpPlan(Entity):
    """What is to come next for a patient: when, with whom, and what to do until then.

    `appointment` is the visit that it follows, `follow_up_appointment` the visit that was booked
    for it last. While it waits (`status` in `WAITING`), that visit is none, or was cancelled or
    missed. `waiting_code` is why it could not be booked at once: an error code, or empty.
    """

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+", db_index=False)
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+", db_index=False)
    doctor = models.ForeignKey(Doctor, on_delete=models.PROTECT, related_name="+", db_index=False)
    appointment = models.ForeignKey(
        Appointment,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="follow_up_plans",
        verbose_name=_("follows the visit"),
    )
    follow_up_appointment = models.OneToOneField(
        Appointment,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="fulfils_plan",
        verbose_name=_("booked visit"),
    )
    follow_up_type = models.CharField(
        _("kind"), max_length=12, choices=FollowUpType.choices, default=FollowUpType.ROUTINE
    )
    service = models.ForeignKey(
        Service, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    location = models.ForeignKey(
        Location, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    mode = models.CharField(
        _("type of visit"),
        max_length=12,
        choices=VisitMode.choices,
        default=VisitMode.IN_PERSON,
    )
    duration_minutes = models.PositiveSmallIntegerField(
        _("length, minutes"),
        null=True,
        blank=True,
        help_text=_("Empty: that of the service."),
        validators=[MinValueValidator(5), MaxValueValidator(720)],
    )
    scheduled_for = models.DateField(_("not before"))
    days_after = models.PositiveSmallIntegerField(_("days after the visit"), null=True, blank=True)
    status = models.CharField(
        _("status"), max_length=10, choices=PlanStatus.choices, default=PlanStatus.SCHEDULED
    )
    priority = models.CharField(
        _("priority"), max_length=8, choices=Priority.choices, default=Priority.NORMAL
    )
    rank = models.PositiveSmallIntegerField(_("rank"), default=2, editable=False)
    instructions = models.TextField(_("instructions"), max_length=4000, blank=True)
    medications = _items(_("medications"))
    tests = _items(_("tests"))
    restrictions = _items(_("restrictions"))
    waiting_code = models.CharField(_("why not booked"), max_length=40, blank=True)
    attempts = models.PositiveSmallIntegerField(
        _("attempts without an answer"), default=0, editable=False
    )
    contacted_at = models.DateTimeField(_("last asked"), null=True, blank=True, editable=False)
    contact_on = models.DateField(
        _("ask again on"), null=True, blank=True, help_text=_("Empty: when it is due.")
    )
    escalated_at = models.DateTimeField(_("doctor told"), null=True, blank=True, editable=False)
    declined_at = models.DateTimeField(
        _("does not want to come since"), null=True, blank=True, editable=False
    )
    cancel_reason = models.CharField(_("why cancelled"), max_length=500, blank=True)
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    merged_from = models.UUIDField(null=True, editable=False)

    class Meta:
        verbose_name = _("follow-up plan")
        verbose_name_plural = _("follow-up plans")
        constraints = [
            models.CheckConstraint(
                condition=~Q(status="completed") | Q(follow_up_appointment__isnull=False),
                name="followups_plan_booked",
                violation_error_message=_("A booked plan has its visit."),
            ),
            models.CheckConstraint(
                condition=Q(appointment__isnull=True)
                | Q(follow_up_appointment__isnull=True)
                | ~Q(appointment=F("follow_up_appointment")),
                name="followups_plan_next",
                violation_error_message=_("A visit does not follow itself."),
            ),
        ]
        indexes = [
            models.Index(
                fields=["patient", "status", "scheduled_for"], name="followups_plan_patient"
            ),
            models.Index(
                fields=["clinic", "status", "scheduled_for"], name="followups_plan_clinic"
            ),
            models.Index(fields=["doctor", "scheduled_for"], name="followups_plan_doctor"),
            models.Index(fields=["clinic", "id"], name="followups_plan_ids"),
            # The recall list: the most urgent first, then who waits longest.
            models.Index(
                F("clinic"),
                F("rank"),
                F("scheduled_for"),
                F("id"),
                name="followups_plan_recall",
                condition=Q(status__in=["scheduled", "overdue"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_follow_up_type_display()} {self.scheduled_for}"

    @property
    def is_waiting(self) -> bool:
        return self.status in WAITING


class ContactChannel(models.TextChoices):
    PHONE = "PHONE", _("Phone")
    SMS = "SMS", _("Text message")
    LETTER = "LETTER", _("Letter")
    EMAIL = "EMAIL", _("Email")
    IN_PERSON = "IN_PERSON", _("In person")


class ContactOutcome(models.TextChoices):
    BOOKED = "BOOKED", _("Booked")
    INVITED = "INVITED", _("Invited to choose a time")
    LEFT_MESSAGE = "LEFT_MESSAGE", _("Left a message")
    NO_ANSWER = "NO_ANSWER", _("No answer")
    WRONG_NUMBER = "WRONG_NUMBER", _("Wrong number")
    CALL_LATER = "CALL_LATER", _("Asked to be called later")
    DECLINED = "DECLINED", _("Does not want to come")


#: Outcomes after which nobody has spoken with the patient.
UNANSWERED = (ContactOutcome.LEFT_MESSAGE, ContactOutcome.NO_ANSWER, ContactOutcome.WRONG_NUMBER)


class ContactAttempt(models.Model):
    """Somebody asked the patient about a plan. Append-only."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+", db_index=False)
    plan = models.ForeignKey(
        FollowUpPlan, on_delete=models.PROTECT, related_name="contact_attempts", db_index=False
    )
    at = models.DateTimeField(_("at"), default=clock.now)
    by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    channel = models.CharField(_("by"), max_length=10, choices=ContactChannel.choices)
    outcome = models.CharField(_("outcome"), max_length=14, choices=ContactOutcome.choices)
    note = models.CharField(_("note"), max_length=500, blank=True)
    again_on = models.DateField(_("ask again on"), null=True, blank=True)

    class Meta:
        verbose_name = _("contact attempt")
        verbose_name_plural = _("contact attempts")
        indexes = [
            models.Index(fields=["plan", "id"], name="followups_attempts"),
            models.Index(fields=["clinic", "id"], name="followups_attempts_clinic"),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()}: {self.get_outcome_display()}"


class InvitationStatus(models.TextChoices):
    OPEN = "OPEN", _("Open")
    ACCEPTED = "ACCEPTED", _("Time chosen")
    DECLINED = "DECLINED", _("Declined")
    EXPIRED = "EXPIRED", _("Expired")
    WITHDRAWN = "WITHDRAWN", _("Withdrawn")


class FollowUpInvitation(Entity):
    """A signed link with which the patient of a plan picks one of the times offered.

    `times` is a list of `{"doctor", "location", "starts_at", "ends_at", "timezone"}`; they are
    offered, not held: whoever comes first has them, and the page then offers others.
    """

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+", db_index=False)
    plan = models.ForeignKey(
        FollowUpPlan, on_delete=models.PROTECT, related_name="invitations", db_index=False
    )
    status = models.CharField(
        _("status"), max_length=10, choices=InvitationStatus.choices, default=InvitationStatus.OPEN
    )
    times = models.JSONField(_("times offered"), default=list)
    expires_at = models.DateTimeField(_("good until"))
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    sent_by = models.CharField(_("sent by"), max_length=10, blank=True)
    answered_at = models.DateTimeField(_("answered"), null=True, blank=True)
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )

    class Meta:
        verbose_name = _("follow-up invitation")
        verbose_name_plural = _("follow-up invitations")
        constraints = [
            models.UniqueConstraint(
                fields=["plan"],
                condition=Q(status="OPEN"),
                name="followups_invited_once",
                violation_error_message=_("The patient has been invited already."),
            )
        ]
        indexes = [
            models.Index(fields=["clinic", "id"], name="followups_invitations"),
            models.Index(
                fields=["expires_at"], name="followups_invited_until", condition=Q(status="OPEN")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_status_display()} {self.expires_at:%Y-%m-%d}"
