"""What an appointment looks like in an answer. Plain dictionaries: lists of them are hot."""

from collections.abc import Iterable, Mapping
from typing import Any

from appointments.models import AppointmentEvent
from appointments.selectors.appointments import shows_clinical_text
from clinics.models import Clinic, Doctor, Location, Patient, Service
from clinics.principal import Principal
from core.errors import invalid

#: Relations that `expand=` embeds, and how much of each.
EXPANDABLE: Mapping[str, Any] = {
    "doctor": (Doctor, ("id", "display_name", "profession")),
    "patient": (
        Patient,
        ("id", "given_name", "family_name", "mrn", "birth_date", "sex", "phone"),
    ),
    "location": (Location, ("id", "name", "address", "city", "timezone")),
    "service": (Service, ("id", "name", "duration_minutes", "colour")),
    "clinic": (Clinic, ("id", "name", "slug", "timezone")),
}


def appointment_data(a: Any, reader: Principal) -> dict[str, Any]:
    """One appointment (or a plain row of it) as `reader` may see it.

    Clinical text only for whom it is.
    """
    clinical = shows_clinical_text(reader, a)
    staff = reader.is_staff_in(a.clinic_id)
    return {
        "id": a.id,
        "version": a.version,
        "status": a.status,
        "clinic": a.clinic_id,
        "location": a.location_id,
        "room": a.room_id,
        "doctor": a.doctor_id,
        "patient": a.patient_id,
        "service": a.service_id,
        "type": a.type,
        "starts_at": a.starts_at,
        "ends_at": a.ends_at,
        "timezone": a.timezone,
        "reason": a.reason if clinical else None,
        "notes": a.notes if clinical and staff else None,
        "priority": a.priority,
        "source": a.source,
        "booked_by": a.booked_by_id if staff else None,
        "override_reason": a.override_reason if staff else None,
        "cancel_reason": a.cancel_reason,
        "cancelled_by": a.cancelled_by_id if staff else None,
        "cancelled_at": a.cancelled_at,
        "late_cancellation": a.late_cancellation,
        "confirmed_at": a.confirmed_at,
        "checked_in_at": a.checked_in_at,
        "started_at": a.started_at,
        "completed_at": a.completed_at,
        "parent_appointment": a.parent_appointment_id,
        "original_appointment": a.original_appointment_id,
        "is_follow_up": a.is_follow_up,
        "follow_up_reason": a.follow_up_reason if clinical else None,
        "series": a.series_id,
        "series_sequence": a.series_sequence,
        "created_at": a.created_at,
        "updated_at": a.updated_at,
    }


def expansion(raw: str | None) -> list[str]:
    """The relations named in `?expand=a,b`. Raises VALIDATION_ERROR for others."""
    names = [name for name in (raw or "").split(",") if name]
    if set(names) - set(EXPANDABLE):
        raise invalid("expand", f"any of {', '.join(EXPANDABLE)}")
    return names


def expand(rows: list[dict[str, Any]], names: Iterable[str]) -> list[dict[str, Any]]:
    """Replace ids by the rows they name: one query a relation, however many rows."""
    for name in names:
        model, fields = EXPANDABLE[name]
        wanted = {row[name] for row in rows if row[name] is not None}
        found = {
            related["id"]: related
            for related in model.objects.filter(id__in=wanted).values(*fields)
        }
        for row in rows:
            row[name] = found.get(row[name])
    return rows


def event_data(event: AppointmentEvent, *, clinical: bool) -> dict[str, Any]:
    """One entry of the history."""
    return {
        "id": event.id,
        "at": event.at,
        "verb": event.verb,
        "actor": event.actor_id,
        "from_status": event.from_status or None,
        "to_status": event.to_status,
        "reason": event.reason if clinical else None,
        "changes": event.changes,
        "undoes": event.undoes,
    }
