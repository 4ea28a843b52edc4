"""Entries of the queue: made at arrival, and moved as their visits move."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection

from appointments.models import Appointment, AppointmentStatus, Priority, Verb
from checkin.live import patient_changed, queue_changed
from checkin.models import PRESENT, QueueEntry, QueueState
from checkin.services.tokens import VISIT, token_take
from clinics.models import Clinic
from core import clock, journal, versions

RANK: Final[dict[str, int]] = {
    Priority.URGENT: 0,
    Priority.HIGH: 1,
    Priority.NORMAL: 2,
    Priority.LOW: 3,
}


def due_at(starts_at: datetime, arrived_at: datetime, *, grace_minutes: int) -> datetime:
    """Whose turn it is by: the visit's time, or, for who came later than the grace, the arrival.

    So nobody gains by coming early, and who is late does not go before those who were there.
    """
    late = arrived_at > starts_at + timedelta(minutes=grace_minutes)
    return arrived_at if late else starts_at


def entry_of_visit(appointment_id: UUID) -> QueueEntry | None:
    """The visit's entry under its lock. The visit's own lock comes before it, always."""
    return (
        QueueEntry.objects.select_for_update(of=("self",), no_key=True)
        .filter(appointment_id=appointment_id)
        .first()
    )


def entry_arrive(appointment: Appointment) -> QueueEntry | None:
    """Put a visit that was just checked in into its location's queue; None when its day is over.

    A visit whose check-in was taken back, and that is checked in again on the same day and at the
    same location, has its old token.
    """
    arrived = appointment.checked_in_at or clock.now()
    zone = ZoneInfo(appointment.timezone)
    day = arrived.astimezone(zone).date()
    if appointment.location_id is None or day != clock.now().astimezone(zone).date():
        return None
    entry = entry_of_visit(appointment.id)
    made = entry is None
    entry = entry or QueueEntry(appointment=appointment, clinic_id=appointment.clinic_id)
    before = None if made else entry.state
    if (entry.local_day, entry.location_id) != (day, appointment.location_id):
        entry.location_id, entry.local_day, entry.prefix = appointment.location_id, day, VISIT
        entry.number = token_take(
            clinic=appointment.clinic_id, location=appointment.location_id, day=day, prefix=VISIT
        )
    entry.patient_id = appointment.patient_id
    entry.doctor_id = appointment.doctor_id
    entry.service_id = appointment.service_id
    entry.room_id = appointment.room_id
    entry.priority, entry.rank = appointment.priority, RANK[appointment.priority]
    entry.state = QueueState.WAITING
    entry.arrived_at = arrived
    entry.due_at = due_at(appointment.starts_at, arrived, grace_minutes=_grace(appointment))
    entry.called_at = entry.started_at = entry.done_at = None
    entry.calls = entry.skips = 0
    entry.left_reason, entry.swept = "", False
    if made:
        entry.save(force_insert=True)
    else:
        versions.save(entry, list(_AT_ARRIVAL))
    entry_record(entry, "queue.entered", {"state": [before, entry.state]})
    return entry


#: What an arrival says anew of an entry that was there before.
_AT_ARRIVAL: Final = (
    "location",
    "local_day",
    "prefix",
    "number",
    "patient",
    "doctor",
    "service",
    "room",
    "priority",
    "rank",
    "state",
    "arrived_at",
    "due_at",
    "called_at",
    "started_at",
    "done_at",
    "calls",
    "skips",
    "left_reason",
    "swept",
)


def entry_follow(appointment: Appointment, verb: Verb) -> None:
    """Move the visit's entry to where the visit now is."""
    entry = entry_of_visit(appointment.id)
    if entry is None:
        return
    before = entry.state
    if verb == Verb.EDIT:
        if entry.priority != appointment.priority and entry.state in PRESENT:
            entry.priority = appointment.priority
            entry.rank = RANK[appointment.priority]
            versions.save(entry, ["priority", "rank"])
            entry_record(entry, "queue.changed", {"priority": [None, entry.priority]})
        return
    now = clock.now()
    fields = ["state", "started_at", "done_at", "left_reason"]
    match appointment.status:
        case AppointmentStatus.IN_PROGRESS:
            entry.state = QueueState.IN_SERVICE
            entry.started_at = appointment.started_at or now
            entry.done_at, entry.left_reason = None, ""
        case AppointmentStatus.COMPLETED:
            entry.state = QueueState.DONE
            entry.done_at = appointment.completed_at or now
        case AppointmentStatus.CHECKED_IN:  # a step was taken back
            entry.state = QueueState.CALLED if entry.called_at else QueueState.WAITING
            entry.started_at = entry.done_at = None
            entry.left_reason = ""
        case _:
            if entry.state == QueueState.LEFT:
                return
            entry.state = QueueState.LEFT
            entry.done_at = now
            entry.left_reason = (appointment.cancel_reason or "taken back")[:200]
    if entry.state == before:
        return
    versions.save(entry, fields)
    entry_record(entry, "queue.changed", {"state": [before, entry.state]})


def entry_arrived_earlier(appointment: Appointment) -> None:
    """Put right the order, when a scan made offline shows that they were there before."""
    entry = entry_of_visit(appointment.id)
    if entry is None or appointment.checked_in_at is None:
        return
    entry.arrived_at = appointment.checked_in_at
    entry.due_at = due_at(
        appointment.starts_at,
        entry.arrived_at,
        grace_minutes=_grace(appointment),
    )
    versions.save(entry, ["arrived_at", "due_at"])
    entry_record(entry, "queue.changed", {"arrived_at": [None, entry.arrived_at]})


def entries_rechartered(source: UUID, target: UUID, visits: Sequence[UUID]) -> None:
    """Arrivals and entries of visits that went over to another chart go with them."""
    if not visits:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH arrivals AS (UPDATE checkin_checkin SET patient_id = %(target)s"
            " WHERE patient_id = %(source)s AND appointment_id = ANY (%(visits)s))"
            " UPDATE checkin_queueentry SET patient_id = %(target)s"
            " WHERE patient_id = %(source)s AND appointment_id = ANY (%(visits)s)",
            {"source": source, "target": target, "visits": list(visits)},
        )


def entry_record(entry: QueueEntry, action: str, changes: Mapping[str, Any]) -> None:
    """Write down what became of an entry, and tell the screens."""
    payload = {
        "entry": entry.id,
        "location": entry.location_id,
        "doctor": entry.doctor_id,
        "appointment": entry.appointment_id,
        "state": entry.state,
        "token": entry.token,
    }
    journal.record(
        journal.Act(
            action,
            "checkin.queueentry",
            entry.id,
            entry.clinic_id,
            (entry.patient_id,) if entry.patient_id else (),
            dict(changes),
            topic="queue.changed",
            payload=payload,
        )
    )
    queue_changed(location=entry.location_id, clinic=entry.clinic_id, doctor=entry.doctor_id)
    if entry.patient_id is not None:
        patient_changed(entry.patient_id)


def _grace(appointment: Appointment) -> int:
    if Appointment._meta.get_field("clinic").is_cached(appointment):
        return appointment.clinic.late_grace_minutes
    grace = Clinic.objects.values_list("late_grace_minutes", flat=True)
    return grace.get(pk=appointment.clinic_id)
