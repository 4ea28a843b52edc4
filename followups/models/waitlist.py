"""Who waits for an earlier time, what became free, and every offer that was made."""

from zoneinfo import ZoneInfo

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from appointments.models import Appointment, Priority
from clinics.models import Clinic, Doctor, Location, Patient, Service, VisitMode
from core.models import Entity


class WaitlistStatus(models.TextChoices):
    WAITING = "WAITING", _("Waiting")
    BOOKED = "BOOKED", _("Booked")
    WITHDRAWN = "WITHDRAWN", _("Withdrawn")
    EXPIRED = "EXPIRED", _("Expired")


class WaitlistEntry(Entity):
    """What a patient would come for if a time became free.

    Empty lists and times mean any. Days of the week are ISO ones (1 is Monday); days and times are
    local to where the visit would be. With `appointment` the patient has a visit already, which is
    kept until a better time is won, and then moved there.
    """

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+", db_index=False)
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+", db_index=False)
    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="+", db_index=False)
    mode = models.CharField(
        _("type of visit"), max_length=12, choices=VisitMode.choices, default=VisitMode.IN_PERSON
    )
    location = models.ForeignKey(
        Location, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    doctors = ArrayField(models.UUIDField(), default=list, blank=True, size=20)
    weekdays = ArrayField(
        models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(7)]),
        default=list,
        blank=True,
        size=7,
    )
    time_from = models.TimeField(_("not before"), null=True, blank=True)
    time_to = models.TimeField(_("over by"), null=True, blank=True)
    earliest = models.DateField(_("first day"))
    latest = models.DateField(_("last day"))
    urgency = models.CharField(
        _("urgency"), max_length=8, choices=Priority.choices, default=Priority.NORMAL
    )
    rank = models.PositiveSmallIntegerField(_("rank"), default=2, editable=False)
    status = models.CharField(
        _("status"), max_length=10, choices=WaitlistStatus.choices, default=WaitlistStatus.WAITING
    )
    appointment = models.ForeignKey(
        Appointment,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("visit to be moved"),
    )
    booked = models.ForeignKey(
        Appointment,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("visit that was won"),
    )
    note = models.CharField(_("note"), max_length=500, blank=True)
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    by_patient = models.BooleanField(_("entered by the patient"), default=False)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    merged_from = models.UUIDField(null=True, editable=False)

    class Meta:
        verbose_name = _("waitlist entry")
        verbose_name_plural = _("waitlist entries")
        constraints = [
            models.CheckConstraint(
                condition=Q(latest__gte=F("earliest")),
                name="followups_wait_days",
                violation_error_message=_("The last day is not before the first."),
            ),
            models.CheckConstraint(
                condition=Q(time_from__isnull=True)
                | Q(time_to__isnull=True)
                | Q(time_to__gt=F("time_from")),
                name="followups_wait_times",
                violation_error_message=_("The time of day ends after it begins."),
            ),
            models.CheckConstraint(
                condition=~Q(status="BOOKED") | Q(booked__isnull=False),
                name="followups_wait_booked",
                violation_error_message=_("Who was booked has a visit."),
            ),
            models.UniqueConstraint(
                fields=["patient", "service"],
                condition=Q(status="WAITING"),
                name="followups_wait_once",
                violation_error_message=_("The patient waits for this already."),
            ),
        ]
        indexes = [
            models.Index(
                F("clinic"),
                F("service"),
                F("rank"),
                F("id"),
                name="followups_wait_order",
                condition=Q(status="WAITING"),
            ),
            models.Index(fields=["clinic", "id"], name="followups_wait_clinic"),
            models.Index(fields=["patient", "id"], name="followups_wait_patient"),
            models.Index(
                fields=["latest"], name="followups_wait_until", condition=Q(status="WAITING")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.earliest} - {self.latest}"


class OpeningCause(models.TextChoices):
    CANCELLED = "CANCELLED", _("A visit was cancelled")
    MOVED = "MOVED", _("A visit was moved")
    OPENED = "OPENED", _("Working hours were opened")
    LEAVE = "LEAVE", _("A leave was taken back")
    BY_HAND = "BY_HAND", _("Offered by hand")


class OpeningStatus(models.TextChoices):
    OPEN = "OPEN", _("Being offered")
    TAKEN = "TAKEN", _("Taken")
    CLOSED = "CLOSED", _("Nobody wanted it")
    GONE = "GONE", _("Booked otherwise")


class WaitlistOpening(Entity):
    """A time of a doctor that became free, and is offered to who waits for one.

    `next_batch_at` is when the next people are asked; None when nobody is left to ask. Its row is
    the lock under which an offer of it is accepted.
    """

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+", db_index=False)
    doctor = models.ForeignKey(Doctor, on_delete=models.PROTECT, related_name="+", db_index=False)
    location = models.ForeignKey(
        Location, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("to"))
    timezone = models.CharField(_("time zone"), max_length=64)
    cause = models.CharField(_("why it is free"), max_length=10, choices=OpeningCause.choices)
    event = models.UUIDField(null=True, editable=False)
    status = models.CharField(
        _("status"), max_length=8, choices=OpeningStatus.choices, default=OpeningStatus.OPEN
    )
    batch = models.PositiveSmallIntegerField(_("batches sent"), default=0)
    next_batch_at = models.DateTimeField(_("next are asked"), null=True, blank=True)
    taken_by = models.ForeignKey(
        Appointment,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("visit that took it"),
    )

    class Meta:
        verbose_name = _("freed time")
        verbose_name_plural = _("freed times")
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")),
                name="followups_opening_times",
                violation_error_message=_("A time ends after it starts."),
            ),
            models.UniqueConstraint(
                # Heard of twice, offered once.
                fields=["event", "doctor", "starts_at"],
                condition=Q(event__isnull=False),
                name="followups_opening_once",
                violation_error_message=_("This time is being offered already."),
            ),
            models.CheckConstraint(
                condition=~Q(status="TAKEN") | Q(taken_by__isnull=False),
                name="followups_opening_taken",
                violation_error_message=_("A time that was taken has its visit."),
            ),
        ]
        indexes = [
            models.Index(fields=["clinic", "id"], name="followups_openings"),
            models.Index(
                fields=["next_batch_at"],
                name="followups_opening_next",
                condition=Q(status="OPEN", next_batch_at__isnull=False),
            ),
            models.Index(
                fields=["starts_at"], name="followups_opening_open", condition=Q(status="OPEN")
            ),
        ]

    def __str__(self) -> str:
        local = self.starts_at.astimezone(ZoneInfo(self.timezone))
        return f"{local:%Y-%m-%d %H:%M} {self.get_status_display()}"


class OfferStatus(models.TextChoices):
    OPEN = "OPEN", _("Asked")
    ACCEPTED = "ACCEPTED", _("Accepted")
    DECLINED = "DECLINED", _("Declined")
    LOST = "LOST", _("Somebody was quicker")
    EXPIRED = "EXPIRED", _("Not answered")
    WITHDRAWN = "WITHDRAWN", _("Withdrawn")


class WaitlistOffer(Entity):
    """One person was offered one freed time: the ledger, of which nothing is ever deleted.

    `starts_at` and `ends_at` are the visit that would be booked, inside the freed time.
    """

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+", db_index=False)
    opening = models.ForeignKey(
        WaitlistOpening, on_delete=models.PROTECT, related_name="offers", db_index=False
    )
    entry = models.ForeignKey(
        WaitlistEntry, on_delete=models.PROTECT, related_name="offers", db_index=False
    )
    batch = models.PositiveSmallIntegerField(_("batch"))
    place = models.PositiveSmallIntegerField(_("place in the order"))
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("to"))
    status = models.CharField(
        _("status"), max_length=10, choices=OfferStatus.choices, default=OfferStatus.OPEN
    )
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    sent_by = models.CharField(
        _("sent by"), max_length=10, blank=True, help_text=_("Empty: to be told by the desk.")
    )
    expires_at = models.DateTimeField(_("good until"))
    answered_at = models.DateTimeField(_("answered"), null=True, blank=True)
    by_staff = models.BooleanField(_("made or answered at the desk"), default=False)

    class Meta:
        verbose_name = _("waitlist offer")
        verbose_name_plural = _("waitlist offers")
        constraints = [
            models.UniqueConstraint(
                fields=["opening", "entry"],
                name="followups_offer_once",
                violation_error_message=_("They were offered this time already."),
            ),
            models.UniqueConstraint(
                fields=["opening"],
                condition=Q(status="ACCEPTED"),
                name="followups_offer_won_once",
                violation_error_message=_("Somebody else took this time."),
            ),
        ]
        indexes = [
            models.Index(fields=["entry", "id"], name="followups_offers_entry"),
            models.Index(fields=["clinic", "id"], name="followups_offers_clinic"),
            models.Index(
                fields=["expires_at"], name="followups_offers_until", condition=Q(status="OPEN")
            ),
        ]

    def __str__(self) -> str:
        local = self.starts_at.astimezone(ZoneInfo(self.opening.timezone))
        return f"{local:%Y-%m-%d %H:%M} {self.get_status_display()}"
