"""Many appointments at once: for imports and demonstration data.

The same guarantees as one booking. A visit that still occupies time gets its claim first, and the
exclusion constraints decide who gets in; only then is the appointment written. What is not done
here is judging: working hours, notice and caps are the caller's business, because a register kept
elsewhere has already happened.

A batch is one audited act (with the patients it concerns) and one outbox event, not one for each
row: nobody is to be reminded of a visit of years ago. Who needs each row asks the history.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from appointments.live import calendar_replaced
from appointments.models import OPEN, Appointment, AppointmentEvent, ImportedRow
from appointments.services.calendar import lock_keys
from appointments.services.writing import rows_insert
from clinics.models import Patient
from core import clock, ids, journal, locks
from core.errors import ErrorCode

_NO_TIME = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One entry of a visit's history, as it will stand in it."""

    verb: str
    to_status: str
    at: datetime
    actor_id: UUID | None = None
    reason: str = ""
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVisit:
    """An unsaved appointment with its history, oldest entry first.

    `capacity` is how many lanes the doctor has at that time; the buffers belong to the service.
    `external_id` is the row's id in the system that it was imported from.
    """

    appointment: Appointment
    history: Sequence[Step]
    capacity: int = 1
    buffer_before: timedelta = _NO_TIME
    buffer_after: timedelta = _NO_TIME
    external_id: str = ""


@dataclass(frozen=True, slots=True)
class RefusedVisit:
    """A visit whose time is not to be had; nothing of it was written."""

    visit: NewVisit
    code: ErrorCode


def appointments_insert(
    *,
    clinic_id: UUID,
    visits: Sequence[NewVisit],
    action: str,
    system: str = "",
    details: dict[str, Any] | None = None,
) -> list[RefusedVisit]:
    """Write the visits, their claims and their history into the open scope's transaction.

    A visit of a chart that was merged into another becomes the kept chart's. Visits may have any
    status. An open one that is not over claims its time, in the lowest lane
    that is free; one that cannot is left out and returned with the code that a booking would have
    got (SCHEDULING_CONFLICT, PATIENT_CONFLICT, ROOM_CONFLICT, DOCTOR_ON_LEAVE). With `system` each
    row's `external_id` is kept, so that it cannot come in twice. `action` names the act in the
    trail, and `details` are added to it.

    Raises ValueError for a visit of another clinic, and `django.db.IntegrityError` for a row that
    was imported before.
    """
    if any(visit.appointment.clinic_id != clinic_id for visit in visits):
        raise ValueError("every visit of a batch is of its clinic")
    _follow_merges([visit.appointment for visit in visits])
    refused = _claim([visit for visit in visits if _holds_time(visit)])
    left_out = {one.visit.appointment.id for one in refused}
    accepted = [visit for visit in visits if visit.appointment.id not in left_out]
    if not accepted:
        return refused
    rows_insert(Appointment, [visit.appointment for visit in accepted])
    rows_insert(AppointmentEvent, [row for visit in accepted for row in _history(visit)])
    if system:
        rows_insert(
            ImportedRow,
            [
                {
                    "id": ids.uuid7(),
                    "clinic_id": clinic_id,
                    "system": system,
                    "external_id": visit.external_id,
                    "appointment_id": visit.appointment.id,
                }
                for visit in accepted
            ],
        )
    journal.record(
        journal.Act(
            action,
            "appointments.appointment",
            clinic_id=clinic_id,
            subjects=sorted({visit.appointment.patient_id for visit in accepted}),
            changes={"count": [None, len(accepted)]} | (details or {}),
            topic=action,
            payload={"count": len(accepted)},
        )
    )
    rows = [visit.appointment for visit in accepted]
    calendar_replaced(
        clinic=clinic_id, claimed=((row.doctor_id, (row.starts_at, row.ends_at)) for row in rows)
    )
    return refused


def patients_insert(*, clinic_id: UUID, patients: Sequence[Patient], action: str) -> None:
    """Write many new charts of one clinic: one audited act with all of them as its subjects.

    Raises ValueError for a chart of another clinic, and `django.db.IntegrityError` for a record
    number or outside id that is taken.
    """
    if any(patient.clinic_id != clinic_id for patient in patients):
        raise ValueError("every chart of a batch is of its clinic")
    if not patients:
        return
    rows_insert(Patient, patients)
    journal.record(
        journal.Act(
            action,
            "clinics.patient",
            clinic_id=clinic_id,
            subjects=[patient.id for patient in patients],
            changes={"count": [None, len(patients)]},
            topic=action,
            payload={"count": len(patients)},
        )
    )


def _history(visit: NewVisit) -> Iterator[dict[str, Any]]:
    status = ""
    for step in visit.history:
        yield {
            "id": ids.uuid7(),
            "clinic_id": visit.appointment.clinic_id,
            "appointment_id": visit.appointment.id,
            "verb": step.verb,
            "from_status": status,
            "to_status": step.to_status,
            "actor_id": step.actor_id,
            "at": step.at,
            "reason": step.reason,
            "changes": step.changes,
            "undoes": None,
        }
        status = step.to_status


# Sorted, as a merge locks its two: neither waits for the other in a circle.
_CHARTS = """
    SELECT id, merged_into_id FROM clinics_patient WHERE id = ANY(%s) ORDER BY id FOR SHARE
"""


def _follow_merges(appointments: Sequence[Appointment]) -> None:
    """Nobody's visit goes into a chart that was given up, or is given up before the commit."""
    with connection.cursor() as cursor:
        asked = {appointment.patient_id for appointment in appointments}
        while asked:
            cursor.execute(_CHARTS, [sorted(asked)])
            into = {chart: kept for chart, kept in cursor.fetchall() if kept is not None}
            for appointment in appointments:
                appointment.patient_id = into.get(appointment.patient_id, appointment.patient_id)
            asked = set(into.values())


def _holds_time(visit: NewVisit) -> bool:
    return visit.appointment.status in OPEN


# The claims of the visits not yet over: `now()` is when the transaction began, which is what the
# database's own check of the claims goes by.
_CLAIM = """
    INSERT INTO appointments_busytime
        (id, clinic_id, doctor_id, lane, room_id, patient_id, period, visit, kind, appointment_id,
         service_id, location_id, reason, created_at)
    SELECT r.id, r.clinic_id, r.doctor_id, %(lane)s, r.room_id, r.patient_id, r.period, r.visit,
           'BOOKED', r.appointment_id, r.service_id, r.location_id, '', %(at)s
    FROM unnest(%(ids)s::uuid[], %(clinics)s::uuid[], %(doctors)s::uuid[], %(rooms)s::uuid[],
                %(patients)s::uuid[], %(periods)s::tstzrange[], %(visits)s::tstzrange[],
                %(appointments)s::uuid[], %(services)s::uuid[], %(locations)s::uuid[])
        AS r(id, clinic_id, doctor_id, room_id, patient_id, period, visit, appointment_id,
             service_id, location_id)
    ON CONFLICT DO NOTHING
    RETURNING appointment_id
"""
# Why a claim failed, in the order in which a booking looks, and as far as this scope can see:
# another clinic's claim is just "taken".
_WHY = """
    SELECT CASE
        WHEN EXISTS (SELECT FROM appointments_busytime b
                     WHERE b.doctor_id = r.doctor_id AND b.period && r.period AND b.lane IS NULL)
            THEN 'DOCTOR_ON_LEAVE'
        WHEN r.capacity <= (SELECT count(DISTINCT b.lane) FROM appointments_busytime b
                            WHERE b.doctor_id = r.doctor_id AND b.period && r.period
                              AND b.lane < r.capacity)
            THEN 'SCHEDULING_CONFLICT'
        WHEN EXISTS (SELECT FROM appointments_busytime b
                     WHERE b.room_id = r.room_id AND b.doctor_id <> r.doctor_id
                       AND b.period && r.period)
            THEN 'ROOM_CONFLICT'
        WHEN EXISTS (SELECT FROM appointments_busytime b
                     WHERE b.patient_id = r.patient_id AND b.visit && r.visit)
            THEN 'PATIENT_CONFLICT'
        ELSE 'SCHEDULING_CONFLICT' END
    FROM unnest(%(doctors)s::uuid[], %(rooms)s::uuid[], %(patients)s::uuid[],
                %(periods)s::tstzrange[], %(visits)s::tstzrange[], %(capacities)s::int[])
        WITH ORDINALITY AS r(doctor_id, room_id, patient_id, period, visit, capacity, place)
    ORDER BY r.place
"""


def _claim(visits: Sequence[NewVisit]) -> list[RefusedVisit]:
    """Claim time for those not yet over, lane by lane; returns who found none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        row = cursor.fetchone()
        began: datetime = row[0] if row else clock.now()
        # The earlier of the two clocks: the database demands a claim by its own.
        since = min(began, clock.now())
        waiting = [
            visit for visit in visits if visit.appointment.ends_at + visit.buffer_after > since
        ]
        if not waiting:
            return []
        locks.advisory(_queues(waiting))
        # An expired hold still fills the constraint; whoever needs its time removes it.
        cursor.execute("SELECT appointments_sweep(%s, '-infinity')", [clock.now()])
        for lane in range(max(visit.capacity for visit in waiting)):
            trying = [visit for visit in waiting if lane < visit.capacity]
            cursor.execute(_CLAIM, {**_columns(trying), "lane": lane, "at": clock.now()})
            won = {claimed for (claimed,) in cursor.fetchall()}
            waiting = [visit for visit in waiting if visit.appointment.id not in won]
        if not waiting:
            return []
        cursor.execute(_WHY, _columns(waiting))
        codes = [ErrorCode(code) for (code,) in cursor.fetchall()]
    return [RefusedVisit(visit, code) for visit, code in zip(waiting, codes, strict=True)]


def _queues(visits: Sequence[NewVisit]) -> set[str]:
    """The queues of every doctor and day concerned; of a doctor with a cap and of one without."""
    return {
        key
        for visit in visits
        for capped in (True, False)
        for key in lock_keys(
            visit.appointment.doctor_id,
            visit.appointment.starts_at - visit.buffer_before,
            visit.appointment.ends_at + visit.buffer_after,
            capped=capped,
        )
    }


def _columns(visits: Sequence[NewVisit]) -> dict[str, Any]:
    rows = [visit.appointment for visit in visits]
    return {
        "ids": [ids.uuid7() for _ in rows],
        "clinics": [row.clinic_id for row in rows],
        "doctors": [row.doctor_id for row in rows],
        "rooms": [row.room_id for row in rows],
        "patients": [row.patient_id for row in rows],
        "services": [row.service_id for row in rows],
        "locations": [row.location_id for row in rows],
        "appointments": [row.id for row in rows],
        "capacities": [visit.capacity for visit in visits],
        "visits": [_range(row.starts_at, row.ends_at) for row in rows],
        "periods": [
            _range(
                visit.appointment.starts_at - visit.buffer_before,
                visit.appointment.ends_at + visit.buffer_after,
            )
            for visit in visits
        ],
    }


def _range(start: datetime, end: datetime) -> str:
    return f"[{start.isoformat()},{end.isoformat()})"
