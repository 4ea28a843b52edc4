"""Reads of appointments: who sees which, and which part of them."""

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.roles import Permission
from appointments.models import Appointment, AppointmentEvent
from clinics.models import Clinic
from clinics.principal import Principal


def appointments_visible_to(principal: Principal) -> QuerySet[Appointment]:
    """Appointments that the principal may read.

    The whole clinic for those who hold that; their own calendar for clinicians, and the whole
    clinic's too where it shares calendars (without clinical text); their own visits for patients.
    """
    if principal.is_super_admin:
        return Appointment.objects.all()
    whole = set(principal.clinics_with(Permission.APPOINTMENT_READ))
    own = principal.clinics_with_own(Permission.APPOINTMENT_READ)
    if own - whole:
        whole.update(
            Clinic.objects.filter(id__in=own - whole, shared_calendars=True).values_list(
                "id", flat=True
            )
        )
    seen = Q(clinic_id__in=whole) if whole else Q(pk__in=())
    if principal.doctor_id is not None and own - whole:
        seen |= Q(doctor_id=principal.doctor_id, clinic_id__in=own)
    patients = principal.own_patients()
    if patients:
        seen |= Q(patient_id__in=patients)
    return Appointment.objects.filter(seen)


def shows_clinical_text(principal: Principal, appointment: Any) -> bool:
    """Whether reason and notes of an appointment (or a row with its ids) are for this reader."""
    return principal.may_for(
        Permission.APPOINTMENT_CLINICAL,
        appointment.clinic_id,
        doctor_id=appointment.doctor_id,
        patient_id=appointment.patient_id,
    )


def history(appointment_id: UUID) -> QuerySet[AppointmentEvent]:
    """What happened to an appointment, oldest first."""
    return AppointmentEvent.objects.filter(appointment_id=appointment_id).order_by("id")
