"""An appointment's history, its audit event and its announcement: written together, always."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson

from appointments.following import visit_moved
from appointments.live import visit_changed
from appointments.models import Appointment, Verb
from core import clock, context, ids, journal


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
    """Write one event into the open transaction; its id. `extra` goes into the outbox payload.

    Then whoever follows visits (`appointments.following`) does their part. The audit trail names
    the fields that changed; clinical text itself stays in the appointment.
    """
    event_id = ids.uuid7()
    changed = dict(changes or {})
    history = journal.Insert(
        "history",
        "INSERT INTO appointments_appointmentevent (id, clinic_id, appointment_id, verb,"
        " from_status, to_status, actor_id, at, reason, changes, undoes)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s)",
        [
            event_id,
            appointment.clinic_id,
            appointment.id,
            verb.value,
            from_status,
            appointment.status,
            context.current().actor_id,
            clock.now(),
            reason,
            orjson.dumps(changed, default=str).decode(),
            undoes,
        ],
    )
    journal.record(
        journal.Act(
            topic,
            "appointments.appointment",
            appointment.id,
            appointment.clinic_id,
            (appointment.patient_id,),
            {**changed, "status": [from_status or None, appointment.status]},
            topic=topic,
            payload={
                "appointment": appointment.id,
                "event": event_id,
                "doctor": appointment.doctor_id,
                "patient": appointment.patient_id,
                "location": appointment.location_id,
                "status": appointment.status,
                "starts_at": appointment.starts_at,
                "version": appointment.version,
                **(extra or {}),
            },
        ),
        along=history,
    )
    visit_changed(
        clinic=appointment.clinic_id,
        doctor=appointment.doctor_id,
        span=(appointment.starts_at, appointment.ends_at),
        changes=changed,
    )
    visit_moved(appointment, verb, from_status)
    return event_id
