"""Reads of follow-up plans: who sees which."""

from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.roles import Permission
from appointments.models import Appointment
from appointments.selectors.appointments import appointments_visible_to
from clinics.models import Patient
from clinics.principal import Principal
from clinics.selectors.patients import patients_visible_to
from core.errors import ErrorCode, KairosError
from followups.models import FollowUpPlan


def plans_visible_to(by: Principal) -> QuerySet[FollowUpPlan]:
    """Plans that `by` may read: of whole clinics, their own as the doctor, those of their charts.

    Their clinical text is for fewer: `appointments.selectors.appointments.shows_clinical_text`
    judges a plan as it does a visit.
    """
    if by.is_super_admin:
        return FollowUpPlan.objects.all()
    whole = by.clinics_with(Permission.FOLLOWUP_READ)
    seen = Q(clinic_id__in=whole) if whole else Q(pk__in=())
    if by.doctor_id is not None and (own := by.clinics_with_own(Permission.FOLLOWUP_READ)):
        seen |= Q(doctor_id=by.doctor_id, clinic_id__in=own)
    if patients := by.own_patients():
        seen |= Q(patient_id__in=patients)
    return FollowUpPlan.objects.filter(seen)


def visit_of(by: Principal, visit: UUID) -> Appointment:
    """A visit that `by` may read. Raises APPOINTMENT_NOT_FOUND."""
    found = appointments_visible_to(by).filter(pk=visit).first()
    if found is None:
        raise KairosError(ErrorCode.APPOINTMENT_NOT_FOUND)
    return found


def chart_of(by: Principal, patient: UUID) -> Patient:
    """A chart that `by` may read. Raises NOT_FOUND."""
    found = patients_visible_to(by).filter(pk=patient).first()
    if found is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    return found


def plans_of_visit(by: Principal, visit: UUID) -> QuerySet[FollowUpPlan]:
    """What follows a visit, as far as `by` may read it."""
    return plans_visible_to(by).filter(appointment_id=visit)


def plans_of_patient(by: Principal, patient: UUID) -> QuerySet[FollowUpPlan]:
    """Every plan of a chart, as far as `by` may read it."""
    return plans_visible_to(by).filter(patient_id=patient)
