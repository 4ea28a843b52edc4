"""Doctors, and patients' charts."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import User, validate_phone
from clinics.models.clinic import Clinic
from core import clock
from core.models import Entity


class Profession(models.TextChoices):
    DOCTOR = "DOCTOR", _("Doctor")
    DENTIST = "DENTIST", _("Dentist")
    THERAPIST = "THERAPIST", _("Therapist")
    COUNSELOR = "COUNSELOR", _("Counselor")
    PSYCHOLOGIST = "PSYCHOLOGIST", _("Psychologist")
    PSYCHIATRIST = "PSYCHIATRIST", _("Psychiatrist")
    NURSE_PRACTITIONER = "NURSE_PRACTITIONER", _("Nurse practitioner")
    PHYSIOTHERAPIST = "PHYSIOTHERAPIST", _("Physiotherapist")
    DIETITIAN = "DIETITIAN", _("Dietitian")


def _words(label: Any) -> ArrayField:
    return ArrayField(models.CharField(max_length=80), verbose_name=label, default=list, blank=True)


class Doctor(Entity):
    """Anyone who can be booked. One person, one calendar, in however many clinics.

    Works at clinics through `Membership`; the row itself is directory data.
    """

    user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="doctor")
    display_name = models.CharField(_("name shown"), max_length=200)
    profession = models.CharField(
        _("profession"), max_length=24, choices=Profession.choices, default=Profession.DOCTOR
    )
    specialties = _words(_("specialties"))
    licensed_regions = _words(_("licensed regions"))
    accepted_insurances = _words(_("accepted insurances"))
    languages = _words(_("languages"))
    max_daily_appointments = models.PositiveIntegerField(
        _("appointments a day"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    max_weekly_appointments = models.PositiveIntegerField(
        _("appointments a week"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("doctor")
        verbose_name_plural = _("doctors")
        indexes = [
            GinIndex(fields=["licensed_regions"], name="clinics_doctor_regions"),
            GinIndex(fields=["accepted_insurances"], name="clinics_doctor_insurances"),
            GinIndex(fields=["specialties"], name="clinics_doctor_specialties"),
            models.Index(fields=["profession", "id"], name="clinics_doctor_profession"),
        ]

    def __str__(self) -> str:
        return self.display_name


class Sex(models.TextChoices):
    """Administrative gender, as HL7 FHIR R4 has it."""

    FEMALE = "female", _("Female")
    MALE = "male", _("Male")
    OTHER = "other", _("Other")
    UNKNOWN = "unknown", _("Unknown")


class Channel(models.TextChoices):
    """Ways to reach a patient. `contact_preferences` maps one to whether it is wanted."""

    EMAIL = "email", _("Email")
    SMS = "sms", _("Text message")
    PHONE = "phone", _("Call")
    WHATSAPP = "whatsapp", _("WhatsApp")
    POST = "post", _("Letter")


class Patient(Entity):
    """A person's chart in one clinic. `user` is null for who has no account."""

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="patients")
    user = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="charts"
    )
    mrn = models.CharField(_("record number"), max_length=40)
    given_name = models.CharField(_("given name"), max_length=200)
    family_name = models.CharField(_("family name"), max_length=200, blank=True)
    birth_date = models.DateField(_("birth date"), null=True, blank=True)
    sex = models.CharField(_("sex"), max_length=8, choices=Sex.choices, default=Sex.UNKNOWN)
    phone = models.CharField(_("phone"), max_length=16, blank=True, validators=[validate_phone])
    email = models.EmailField(_("email"), blank=True)
    region = models.CharField(_("region"), max_length=80, blank=True)
    insurance = models.CharField(_("insurance"), max_length=80, blank=True)
    language = models.CharField(_("language"), max_length=12, blank=True)
    contact_preferences = models.JSONField(_("contact preferences"), default=dict, blank=True)
    external_id = models.CharField(_("id in another system"), max_length=80, null=True, blank=True)
    notes = models.TextField(_("notes"), max_length=4000, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    merged_into = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="merged"
    )

    class Meta:
        verbose_name = _("patient")
        verbose_name_plural = _("patients")
        constraints = [
            models.UniqueConstraint(
                fields=["clinic", "mrn"],
                name="clinics_patient_mrn",
                violation_error_message=_("The clinic has a patient with this record number."),
            ),
            models.UniqueConstraint(
                fields=["clinic", "external_id"],
                name="clinics_patient_external",
                violation_error_message=_("The clinic has a patient with this outside id."),
            ),
        ]
        indexes = [
            models.Index(
                fields=["clinic", "family_name", "given_name", "id"], name="clinics_patient_name"
            ),
            models.Index(fields=["clinic", "birth_date"], name="clinics_patient_birth"),
            models.Index(fields=["user"], name="clinics_patient_user"),
        ]

    def __str__(self) -> str:
        return self.full_name

    @property
    def full_name(self) -> str:
        return f"{self.given_name} {self.family_name}".strip()


class PatientProxy(Entity):
    """A user who acts for a patient: a parent for a child, a carer."""

    class Relation(models.TextChoices):
        PARENT = "PARENT", _("Parent")
        GUARDIAN = "GUARDIAN", _("Guardian")
        SPOUSE = "SPOUSE", _("Spouse or partner")
        CHILD = "CHILD", _("Child")
        CARER = "CARER", _("Carer")

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="+")
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="proxies")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="proxy_for")
    relation = models.CharField(_("relation"), max_length=12, choices=Relation.choices)
    valid_until = models.DateField(_("until"), null=True, blank=True)
    granted_at = models.DateTimeField(default=clock.now)

    class Meta:
        verbose_name = _("proxy")
        verbose_name_plural = _("proxies")
        constraints = [
            models.UniqueConstraint(
                fields=["patient", "user"],
                name="clinics_proxy_once",
                violation_error_message=_("This person acts for the patient already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.patient}"
