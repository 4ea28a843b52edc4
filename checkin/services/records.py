"""The rows that say that somebody arrived."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.db import connection

from appointments.models import Appointment
from checkin.models import CheckIn, CheckInMethod
from core import clock


@dataclass(frozen=True, slots=True)
class How:
    """How somebody was checked in. `outside`: seen outside the geofence, and let in."""

    method: CheckInMethod
    by: UUID | None = None
    device: UUID | None = None
    point: UUID | None = None
    distance_metres: int | None = None
    outside: bool = False
    forced_reason: str = ""


_WRITE = """
INSERT INTO checkin_checkin AS arrival (appointment_id, clinic_id, patient_id, location_id,
    checked_in_at, method, by_id, device_id, point_id, distance_metres, outside_geofence, forced,
    reason, undone_at, recorded_at)
VALUES (%(visit)s, %(clinic)s, %(patient)s, %(location)s, %(at)s, %(method)s, %(by)s, %(device)s,
    %(point)s, %(distance)s, %(outside)s, %(forced)s, %(reason)s, NULL, %(now)s)
ON CONFLICT (appointment_id) DO UPDATE SET
    patient_id = excluded.patient_id, location_id = excluded.location_id,
    checked_in_at = excluded.checked_in_at, method = excluded.method, by_id = excluded.by_id,
    device_id = excluded.device_id, point_id = excluded.point_id,
    distance_metres = excluded.distance_metres, outside_geofence = excluded.outside_geofence,
    forced = excluded.forced, reason = excluded.reason, undone_at = NULL,
    recorded_at = excluded.recorded_at
WHERE arrival.undone_at IS NOT NULL OR %(earlier)s
"""


def arrival_write(
    appointment: Appointment,
    how: How | None = None,
    *,
    at: datetime | None = None,
    earlier: bool = False,
) -> None:
    """Write down the arrival for a visit, unless one stands; `earlier` puts it in its place.

    Without `how`: the visit was moved to "checked in" past the services of this floor; its history
    says by whom.
    """
    how = how or How(CheckInMethod.MANUAL)
    with connection.cursor() as cursor:
        cursor.execute(
            _WRITE,
            {
                "visit": appointment.id,
                "clinic": appointment.clinic_id,
                "patient": appointment.patient_id,
                "location": appointment.location_id,
                "at": at or appointment.checked_in_at or clock.now(),
                "method": how.method.value,
                "by": how.by,
                "device": how.device,
                "point": how.point,
                "distance": how.distance_metres,
                "outside": how.outside,
                "forced": bool(how.forced_reason),
                "reason": how.forced_reason,
                "now": clock.now(),
                "earlier": earlier,
            },
        )
    CheckIn(appointment=appointment)  # the visit knows of it from now on, see `arrival_is_known`


def arrival_is_known(appointment: Appointment) -> bool:
    """Whether this very object knows that its arrival stands, without asking the database."""
    relation: Any = Appointment._meta.get_field("arrival")
    arrival = cast("CheckIn | None", relation.get_cached_value(appointment, default=None))
    return arrival is not None and arrival.undone_at is None


def arrival_undo(appointment: Appointment) -> None:
    """The check-in was taken back: the row stays, and says so."""
    relation: Any = Appointment._meta.get_field("arrival")
    if relation.is_cached(appointment):
        relation.delete_cached_value(appointment)
    CheckIn.objects.filter(appointment_id=appointment.id, undone_at=None).update(
        undone_at=clock.now()
    )
