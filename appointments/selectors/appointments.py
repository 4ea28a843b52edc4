"""Reads of appointments: who sees which, and which part of them."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.roles import Permission
from appointments.models import Appointment, AppointmentEvent
from clinics.models import Clinic
from clinics.principal import Principal


def appointments_visible_to(
    principal: Principal, *, at_once: bool = False
) -> QuerySet[Appointment]:
    """Appointments that the principal may read.

    The whole clinic for those who hold that; their own calendar for clinicians, and the whole
    clinic's too where it shares calendars (without clinical text); their own visits for patients;
    the one visit of their link for guests. `at_once` asks in the same statement which clinics share
    them: for a few rows that are named, not for a calendar.
    """
    if principal.is_super_admin:
        return Appointment.objects.all()
    if at_once:
        whole = set(principal.clinics_with(Permission.APPOINTMENT_READ))
        own = set(principal.clinics_with_own(Permission.APPOINTMENT_READ)) - whole
    else:
        whole, own = calendars_read_by(principal)
    seen = Q(clinic_id__in=whole) if whole else Q(pk__in=())
    if at_once and own:
        seen |= Q(clinic_id__in=Clinic.objects.filter(id__in=own, shared_calendars=True))
    if principal.doctor_id is not None and own:
        seen |= Q(doctor_id=principal.doctor_id, clinic_id__in=own)
    patients = principal.own_patients()
    if patients:
        seen |= Q(patient_id__in=patients)
    if principal.visit_id is not None:
        seen |= Q(pk=principal.visit_id)
    return Appointment.objects.filter(seen)


def calendars_read_by(principal: Principal) -> tuple[set[UUID], set[UUID]]:
    """As staff: the clinics whose whole calendar the principal may read, and the other ones in
    which they may read their own. (A super admin may read all; ask that first.)"""
    whole = set(principal.clinics_with(Permission.APPOINTMENT_READ))
    own = set(principal.clinics_with_own(Permission.APPOINTMENT_READ)) - whole
    if own:
        shared = Clinic.objects.filter(id__in=own, shared_calendars=True)
        whole.update(shared.values_list("id", flat=True))
    return whole, own - whole


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


def last_events(appointments: Iterable[UUID]) -> dict[UUID, AppointmentEvent]:
    """The latest event of each of these appointments, in one query."""
    found = AppointmentEvent.objects.filter(appointment_id__in=list(appointments)).order_by("id")
    return {event.appointment_id: event for event in found}
