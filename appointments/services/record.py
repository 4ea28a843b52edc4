"""An appointment's history, its audit event and its announcement: written together, always."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from appointments.following import visit_moved
from appointments.live import visit_changed
from appointments.models import Appointment, Verb
from core import clock, context, ids, journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One step of one visit, as it is to be written down. `extra` goes into the outbox payload."""

    appointment: Appointment
    verb: Verb
    from_status: str
    topic: str
    reason: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    undoes: UUID | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    id: UUID = field(default_factory=ids.uuid7)


_ROW = "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s)"


def events_record(steps: Sequence[Happened]) -> None:
    """Write the steps into the open transaction, in one statement however many they are.

    Then whoever follows visits (`appointments.following`) does their part. The audit trail names
    the fields that changed; clinical text itself stays in the appointment.
    """
    if not steps:
        return
    actor, now = context.current().actor_id, clock.now()
    params: list[Any] = []
    for step in steps:
        params += (
            step.id,
            step.appointment.clinic_id,
            step.appointment.id,
            step.verb.value,
            step.from_status,
            step.appointment.status,
            actor,
            now,
            step.reason,
            orjson.dumps(dict(step.changes), default=str).decode(),
            step.undoes,
        )
    history = journal.Insert(
        "history",
        "INSERT INTO appointments_appointmentevent (id, clinic_id, appointment_id, verb,"
        " from_status, to_status, actor_id, at, reason, changes, undoes)"
        f" VALUES {', '.join([_ROW] * len(steps))}",
        params,
    )
    journal.record_many((_act(step) for step in steps), along=history)
    for step in steps:
        visit = step.appointment
        visit_changed(
            clinic=visit.clinic_id,
            doctor=visit.doctor_id,
            span=(visit.starts_at, visit.ends_at),
            changes=dict(step.changes),
        )
    for step in steps:
        visit_moved(step.appointment, step.verb, step.from_status)


def event_record(
    appointment: Appointment,
    *,
    verb: Verb,
    from_status: str,
    topic: str,
    reason: str = "",
    changes: Mapping[str, Any] | None = None,
    undoes: UUID | None = None,
    extra: Mapping[str, Any] | None = None,
) -> UUID:
    """Write one step down (`events_record`); the id of its entry in the history."""
    step = Happened(
        appointment=appointment,
        verb=verb,
        from_status=from_status,
        topic=topic,
        reason=reason,
        changes=changes or {},
        undoes=undoes,
        extra=extra or {},
    )
    events_record([step])
    return step.id


def _act(step: Happened) -> journal.Act:
    visit = step.appointment
    return journal.Act(
        step.topic,
        "appointments.appointment",
        visit.id,
        visit.clinic_id,
        (visit.patient_id,),
        {**step.changes, "status": [step.from_status or None, visit.status]},
        topic=step.topic,
        payload={
            "appointment": visit.id,
            "event": step.id,
            "doctor": visit.doctor_id,
            "patient": visit.patient_id,
            "location": visit.location_id,
            "status": visit.status,
            "starts_at": visit.starts_at,
            "version": visit.version,
            **step.extra,
        },
    )
