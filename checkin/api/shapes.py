"""What places of the queue look like in an answer. Plain dictionaries, as the service's answers."""

from typing import Any

from checkin.models import QueueEntry
from checkin.selectors.queue import Place


def entry_data(entry: QueueEntry | Place) -> dict[str, Any]:
    """One entry, as staff read it."""
    return {
        "id": entry.id,
        "version": entry.version,
        "clinic": entry.clinic_id,
        "location": entry.location_id,
        "appointment": entry.appointment_id,
        "patient": entry.patient_id,
        "guest_name": entry.guest_name,
        "doctor": entry.doctor_id,
        "service": entry.service_id,
        "room": entry.room_id,
        "token": entry.token,
        "state": entry.state,
        "priority": entry.priority,
        "due_at": entry.due_at,
        "arrived_at": entry.arrived_at,
        "called_at": entry.called_at,
        "calls": entry.calls,
        "skips": entry.skips,
        "started_at": entry.started_at,
    }


def standing_data(place: Place) -> dict[str, Any]:
    """The place in the order, why, and how long it may take."""
    ahead, wait = place.ahead, place.wait
    return {
        "position": place.position,
        "ahead": None
        if ahead is None
        else {"urgent": ahead.urgent, "earlier": ahead.earlier, "waited": ahead.waited},
        "wait": None if wait is None else {"from": wait.low, "to": wait.high},
    }


def place_data(place: Place) -> dict[str, Any]:
    """One entry of a queue with its place, as staff read it."""
    return {
        **entry_data(place),
        "name": place.name,
        "starts_at": place.starts_at,
        **standing_data(place),
    }
