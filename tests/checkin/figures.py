"""Days that are over: who came, who waited, who did not come, what was refused."""

import itertools
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from appointments.models import Appointment
from checkin.models import (
    CheckIn,
    CheckInAttempt,
    CheckInMethod,
    Outcome,
    QueueEntry,
    QueueState,
    SourceKind,
)
from clinics.models import Location
from core import ids, tenancy
from tests.checkin.arrivals import visit

_numbers = itertools.count(1)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def entry(house: Any, came: datetime, *, waited: float | None = 10, **fields: Any) -> QueueEntry:
    """Somebody who came, was called after half the wait, and then seen. Not seen with None."""
    location: Location = fields.pop("location", house.location)
    seen = None if waited is None else came + minutes(waited)
    values = {
        "clinic": house.clinic,
        "location": location,
        "doctor": house.doctor,
        "guest_name": "Noor",
        "local_day": came.astimezone(ZoneInfo(location.timezone)).date(),
        "prefix": "W",
        "number": next(_numbers),
        "state": QueueState.DONE,
        "due_at": came,
        "arrived_at": came,
        "called_at": None if waited is None else came + minutes(waited / 2),
        "started_at": seen,
        "done_at": (seen or came) + minutes(15),
    } | fields
    with tenancy.scope(tenancy.SYSTEM):
        return QueueEntry.objects.create(**values)


def past(
    house: Any, starts: datetime, status: str = "COMPLETED", *, lead: float = 5, **fields: Any
) -> Appointment:
    """A visit of those days, booked so many days before."""
    location = fields.get("location", house.location)
    values: dict[str, Any] = {
        "starts_at": starts,
        "ends_at": starts + minutes(30),
        "timezone": location.timezone if location else house.zone,
        "created_at": starts - timedelta(days=lead),
    } | fields
    return visit(house, status=status, **values)


def arrived(house: Any, starts: datetime, early: float, **fields: Any) -> Appointment:
    """A visit that was checked in so many minutes before its time."""
    kept = {name: fields.pop(name) for name in ("method", "forced", "undone_at") if name in fields}
    at = starts - minutes(early)
    made = past(house, starts, checked_in_at=at, **fields)
    values = {
        "appointment": made,
        "clinic": house.clinic,
        "patient_id": made.patient_id,
        "location_id": made.location_id,
        "checked_in_at": at,
        "method": CheckInMethod.KIOSK,
        "reason": "late bus" if kept.get("forced") else "",
    } | kept
    with tenancy.scope(tenancy.SYSTEM):
        CheckIn.objects.create(**values)
    return made


def refusal(house: Any, at: datetime, code: str, **fields: Any) -> None:
    values = {
        "clinic": house.clinic,
        "location_id": house.location.id,
        "source_kind": SourceKind.STAFF,
        "source_id": ids.uuid7(),
        "nonce": f"refused-{next(_numbers)}",
        "method": CheckInMethod.QR_SELF,
        "outcome": Outcome.REFUSED,
        "reason_code": code,
        "at": at,
        "received_at": at,
    } | fields
    with tenancy.scope(tenancy.SYSTEM):
        CheckInAttempt.objects.create(**values)
