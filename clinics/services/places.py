"""Locations, rooms and services of a clinic."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from clinics.models import Location, Room
from clinics.services.changes import apply_changes, create_row, require_same_clinic


def room_create(*, location: Location, **fields: Any) -> Room:
    """A room at a location, of the location's clinic. Raises VALIDATION_ERROR, CONFLICT."""
    return create_row(
        Room,
        {"clinic_id": location.clinic_id, "location": location, **fields},
        action="room.created",
    )


def room_update(
    *, room_id: UUID, clinic_id: UUID, fields: Mapping[str, Any], expected_version: int | None
) -> Room:
    """Rename, move within the clinic, open or close. Raises NOT_FOUND for a foreign location."""
    require_same_clinic(clinic_id, location=fields.get("location"))
    return apply_changes(
        Room, room_id, fields, expected_version=expected_version, action="room.changed"
    )
