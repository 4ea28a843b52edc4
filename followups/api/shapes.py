"""What plans look like in an answer. Plain dictionaries: lists of them are hot."""

from typing import Any

from appointments.api.shapes import appointment_data
from appointments.selectors.appointments import shows_clinical_text
from appointments.selectors.chains import ChainNode
from appointments.services.calendar import slot_data
from clinics.principal import Principal
from followups.services.plans import PlanMade


def plan_data(plan: Any, reader: Principal) -> dict[str, Any]:
    """One plan (or a plain row of it) as `reader` may see it.

    Clinical text only for whom it is, and how the patient was chased only for staff.
    """
    clinical = shows_clinical_text(reader, plan)
    staff = reader.is_staff_in(plan.clinic_id)
    return {
        "id": plan.id,
        "version": plan.version,
        "clinic": plan.clinic_id,
        "patient": plan.patient_id,
        "doctor": plan.doctor_id,
        "appointment": plan.appointment_id,
        "follow_up_appointment": plan.follow_up_appointment_id,
        "follow_up_type": plan.follow_up_type,
        "service": plan.service_id,
        "location": plan.location_id,
        "type": plan.mode,
        "duration_minutes": plan.duration_minutes,
        "scheduled_for": plan.scheduled_for,
        "days_after": plan.days_after,
        "status": plan.status,
        "priority": plan.priority,
        "instructions": plan.instructions if clinical else None,
        "medications": plan.medications if clinical else None,
        "tests": plan.tests if clinical else None,
        "restrictions": plan.restrictions if clinical else None,
        "waiting_code": plan.waiting_code or None,
        "attempts": plan.attempts if staff else None,
        "contacted_at": plan.contacted_at if staff else None,
        "contact_on": plan.contact_on if staff else None,
        "declined_at": plan.declined_at,
        "escalated_at": plan.escalated_at if staff else None,
        "cancel_reason": (plan.cancel_reason or None) if clinical else None,
        "created_by": plan.created_by_id if staff else None,
        "created_at": plan.created_at,
        "updated_at": plan.updated_at,
    }


def made_data(made: PlanMade, reader: Principal) -> dict[str, Any]:
    """A plan with what became of its booking."""
    booked = made.appointment
    return {
        **plan_data(made.plan, reader),
        "booked_appointment": None if booked is None else appointment_data(booked, reader),
        "code": made.code,
        "alternatives": [slot_data(slot) for slot in made.alternatives],
    }


def node_data(node: ChainNode, reader: Principal) -> dict[str, Any]:
    """One visit of a chain, where it stands in the tree."""
    return {
        "depth": node.depth,
        "parent": node.parent,
        "appointment": appointment_data(node.row, reader),
    }
