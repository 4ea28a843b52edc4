"""What a filled form of each panel sends."""

from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from core import tenancy
from followups.models import CarePolicy


def clinic_form(name: str, slug: str) -> dict[str, Any]:
    return {
        "name": name,
        "slug": slug,
        "is_active": "on",
        "timezone": "Europe/Berlin",
        "country": "DE",
        "colour": "#112233",
        "min_notice_minutes": 0,
        "horizon_days": 90,
        "cancel_cutoff_minutes": 60,
        "hold_minutes": 5,
        "max_holds_per_patient": 2,
        "checkin_opens_minutes": 30,
        "checkin_closes_minutes": 120,
        "late_grace_minutes": 10,
        "shared_calendars": "on",
        "public_slots": "on",
        "guest_booking": "on",
    }


def location_form(world: Any) -> dict[str, Any]:
    return {
        "clinic": world.clinic.pk,
        "name": "New place",
        "timezone": "Europe/Berlin",
        "is_active": "on",
    }


def point_form(world: Any) -> dict[str, Any]:
    return {
        "clinic": world.clinic.pk,
        "location": world.location.pk,
        "name": "New entrance",
        "mode": "STATIC",
        "geofence_policy": "REFUSE",
        "is_active": "on",
    }


def device_form(world: Any) -> dict[str, Any]:
    return {
        "clinic": world.clinic.pk,
        "location": world.location.pk,
        "kind": "SCANNER",
        "name": "New scanner",
    }


def room_form(world: Any) -> dict[str, Any]:
    return {
        "clinic": world.clinic.pk,
        "location": world.location.pk,
        "name": "New room",
        "is_active": "on",
    }


def service_form(world: Any) -> dict[str, Any]:
    return {
        "clinic": world.clinic.pk,
        "name": "New service",
        "duration_minutes": 20,
        "buffer_before_minutes": 0,
        "buffer_after_minutes": 0,
        "modes": ["IN_PERSON"],
        "colour": "#112233",
        "is_active": "on",
        "is_public": "on",
    }


def doctor_form(world: Any) -> dict[str, Any]:
    return {"display_name": "Dr New", "profession": "DOCTOR", "is_active": "on"}


def new_doctor_form(world: Any) -> dict[str, Any]:
    """For the therapist, who has no calendar yet."""
    return doctor_form(world) | {"member": world.memberships["therapist"].pk}


def patient_form(world: Any) -> dict[str, Any]:
    return {
        "clinic": world.clinic.pk,
        "given_name": "New",
        "family_name": "Person",
        "sex": "unknown",
        "mrn": "N1",
        "contact_preferences": "{}",
        "is_active": "on",
    }


def proxy_form(world: Any) -> dict[str, Any]:
    return {
        "clinic": world.clinic.pk,
        "patient": world.patient.pk,
        "login": world.nurse.email,
        "relation": "CARER",
    }


def template_form(world: Any) -> dict[str, Any]:
    return {
        "clinic": world.clinic.pk,
        "doctor": world.doctor.pk,
        "location": world.location.pk,
        "weekday": 2,
        "start_time": "09:00",
        "end_time": "12:00",
        "slot_minutes": 30,
        "capacity": 1,
        "modes": ["IN_PERSON"],
    }


def exception_form(world: Any) -> dict[str, Any]:
    return {
        "clinic": world.clinic.pk,
        "kind": "CLOSED",
        "doctor": world.doctor.pk,
        "start_date": "2035-09-03",
        "end_date": "2035-09-04",
        "slot_minutes": 30,
        "capacity": 1,
        "modes": ["IN_PERSON"],
    }


def membership_form(world: Any) -> dict[str, Any]:
    return {"clinic": world.clinic.pk, "role": "NURSE", "email": "somebody@new.test"}


def visit_form(world: Any) -> dict[str, Any]:
    return {
        "patient": world.patient.pk,
        "doctor": world.doctor.pk,
        "service": world.service.pk,
        "location": world.location.pk,
        "type": "IN_PERSON",
        "day": "2035-06-04",
        "time": "11:30",
        "priority": "NORMAL",
    }


def rules_form(world: Any) -> dict[str, Any]:
    return {
        "clinic": world.clinic.pk,
        "offer_batch_size": 3,
        "offer_delay_minutes": 45,
        "offer_from": "08:00",
        "offer_until": "20:00",
        "offer_stop_minutes": 120,
        "offers_per_week": 5,
        "recall_lead_days": 14,
        "escalate_after_attempts": 3,
        "escalate_after_days": 14,
        "invitation_days": 14,
        "invitation_times": 6,
    }


def first_rules_form(world: Any) -> dict[str, Any]:
    """Of a clinic that had the defaults until now."""
    with tenancy.scope(tenancy.SYSTEM):
        CarePolicy.objects.filter(clinic_id=world.clinic.pk).delete()
    return rules_form(world)


def plan_form(world: Any) -> dict[str, Any]:
    return {
        "patient": world.patient.pk,
        "doctor": world.doctor.pk,
        "service": world.service.pk,
        "location": world.location.pk,
        "mode": "IN_PERSON",
        "follow_up_type": "routine",
        "priority": "NORMAL",
        "scheduled_for": "2035-07-02",
        "instructions": "Bring the readings",
        "medications": "One tablet each morning\nA second one\n",
    }


def entry_form(world: Any) -> dict[str, Any]:
    """Of the neighbour, who waits for nothing yet."""
    return {
        "patient": world.neighbour.pk,
        "service": world.service.pk,
        "mode": "IN_PERSON",
        "urgency": "NORMAL",
        "earliest": "2035-06-05",
        "latest": "2035-06-25",
        "weekdays": ["1", "3"],
        "doctors": [world.doctor.pk],
    }


def upload_form(world: Any) -> dict[str, Any]:
    lines = b"mrn,given_name\nN7,Filed\n"
    return {
        "clinic": world.clinic.pk,
        "kind": "patients",
        "file": SimpleUploadedFile("new.csv", lines),
    }


def week_form(world: Any) -> dict[str, Any]:
    """The one row of the doctor's week, as it is but for its end."""
    return {
        "hours-TOTAL_FORMS": 1,
        "hours-INITIAL_FORMS": 1,
        "hours-0-id": world.template.pk,
        "hours-0-version": 1,
        "hours-0-weekday": 1,
        "hours-0-start_time": "09:00",
        "hours-0-end_time": "13:00",
        "hours-0-location": world.location.pk,
        "hours-0-slot_minutes": 30,
        "hours-0-capacity": 1,
        "hours-0-modes": ["IN_PERSON"],
    }
