"""How a clinic chases follow-ups and offers freed time."""

from datetime import time

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from clinics.models import Clinic
from core.models import Entity


class CarePolicy(Entity):
    """A clinic's rules of continuing care; a clinic without a row has the defaults.

    Times of day are local ones of the clinic.
    """

    clinic = models.OneToOneField(Clinic, on_delete=models.PROTECT, related_name="care_policy")
    offer_batch_size = models.PositiveSmallIntegerField(
        _("people offered a freed time at once"),
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(50)],
    )
    offer_delay_minutes = models.PositiveSmallIntegerField(
        _("minutes until the next are asked"),
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(1440)],
    )
    offer_from = models.TimeField(_("offers are sent from"), default=time(8))
    offer_until = models.TimeField(_("offers are sent until"), default=time(20))
    offer_stop_minutes = models.PositiveIntegerField(
        _("no offers less than this before the visit, minutes"),
        default=120,
        validators=[MaxValueValidator(20_160)],
    )
    offers_per_week = models.PositiveSmallIntegerField(
        _("offers to one person in seven days at most"),
        default=5,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
    )
    recall_lead_days = models.PositiveSmallIntegerField(
        _("days before its date that a plan without a visit is on the recall list"),
        default=14,
        validators=[MaxValueValidator(365)],
    )
    escalate_after_attempts = models.PositiveSmallIntegerField(
        _("attempts without an answer until the doctor is told"),
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(50)],
    )
    escalate_after_days = models.PositiveSmallIntegerField(
        _("days overdue until the doctor is told"),
        default=14,
        validators=[MinValueValidator(1), MaxValueValidator(365)],
    )
    invitation_days = models.PositiveSmallIntegerField(
        _("days that an invitation is good for"),
        default=14,
        validators=[MinValueValidator(1), MaxValueValidator(90)],
    )
    invitation_times = models.PositiveSmallIntegerField(
        _("times that an invitation offers"),
        default=6,
        validators=[MinValueValidator(1), MaxValueValidator(20)],
    )

    class Meta:
        verbose_name = _("rules of continuing care")
        verbose_name_plural = _("rules of continuing care")
        constraints = [
            models.CheckConstraint(
                condition=Q(offer_until__gt=F("offer_from")),
                name="followups_policy_hours",
                violation_error_message=_("The sending hours end after they begin."),
            )
        ]

    def __str__(self) -> str:
        return str(self._meta.verbose_name)
