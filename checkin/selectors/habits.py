"""How the doctors of a location work: what their recent visits say, and whom they have inside."""

import threading
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from django.db import connection

from appointments.selectors.day import hours_between
from checkin.estimate import HISTORY, Habits, Past, Serving, habits
from checkin.models import QueueState
from clinics.selectors.directory import doctors_of_clinic
from core.rows import load_instants_fast

Span = tuple[datetime, datetime]

#: How old the knowledge of a doctor's pace may become.
FRESH_SECONDS: Final = 120.0
LOOKED_BACK: Final = timedelta(days=60)
#: Hours are read this far around the present.
AROUND: Final = timedelta(hours=12)
_MOST_KEPT: Final = 5_000


class Present(Protocol):
    """What is read of an entry of the queue."""

    @property
    def clinic_id(self) -> UUID: ...
    @property
    def doctor_id(self) -> UUID | None: ...
    @property
    def service_id(self) -> UUID | None: ...
    @property
    def state(self) -> str: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def minutes(self) -> float | None: ...


# Numbers only, and of one clinic each: what a process knows of paces is nobody's secret.
_kept: dict[tuple[UUID, UUID], tuple[float, Habits, datetime | None]] = {}
_shifts: dict[UUID, tuple[float, dict[UUID, list[Span]]]] = {}
_turn = threading.Lock()

_SQL = """
SELECT e.doctor_id, e.arrived_at, e.started_at, e.done_at, a.starts_at, e.service_id,
       COALESCE(EXTRACT(epoch FROM a.ends_at - a.starts_at) / 60, s.duration_minutes)::float8
FROM unnest(%(doctors)s::uuid[]) AS wanted (doctor_id)
CROSS JOIN LATERAL (
    SELECT * FROM checkin_queueentry q
    WHERE q.doctor_id = wanted.doctor_id AND q.state = 'DONE' AND NOT q.swept
      AND q.done_at > %(since)s AND q.started_at IS NOT NULL AND q.clinic_id = %(clinic)s
    ORDER BY q.done_at DESC
    LIMIT %(most)s
) e
LEFT JOIN appointments_appointment a ON a.id = e.appointment_id
LEFT JOIN clinics_service s ON s.id = e.service_id
"""


def serving_of(present: Sequence[Present], *, location: UUID, now: datetime) -> dict[Any, Serving]:
    """By doctor, how each works, whom they have inside, and when they are there.

    Everyone of whom somebody is present, and everyone at work there now. No statement while what is
    known is fresh; eight otherwise.
    """
    clinic = present[0].clinic_id
    hours = _hours_at(clinic, location, now=now)
    doctors = {(one.clinic_id, one.doctor_id) for one in present if one.doctor_id is not None}
    doctors |= {(clinic, doctor) for doctor, shifts in hours.items() if _is_on(shifts, now)}
    known = _habits_of(doctors, now=now)
    inside = {
        one.doctor_id: one
        for one in present
        if one.state == QueueState.IN_SERVICE and one.doctor_id is not None
    }
    found: dict[Any, Serving] = {}
    for of_clinic, doctor in doctors:
        work, free_since = known[of_clinic, doctor]
        opens_at = _opens(hours.get(doctor, ()), now)
        patient = inside.get(doctor)
        if patient is None:
            found[doctor] = Serving(habits=work, free_since=free_since, opens_at=opens_at)
        else:
            found[doctor] = Serving(
                habits=work,
                started_at=patient.started_at,
                service=patient.service_id,
                minutes=patient.minutes,
                opens_at=opens_at,
            )
    return found


def _is_on(shifts: Iterable[Span], now: datetime) -> bool:
    return any(opens <= now < closes for opens, closes in shifts)


def _opens(shifts: Iterable[Span], now: datetime) -> datetime | None:
    """When the hours began that run now, or when the next begin; None when none are known."""
    return next((opens for opens, closes in shifts if now < closes), None)


def _hours_at(clinic: UUID, location: UUID, *, now: datetime) -> dict[UUID, list[Span]]:
    """The working hours of today at the location, by doctor, in order."""
    moment = time.monotonic()
    kept = _shifts.get(location)
    if kept is not None and moment - kept[0] < FRESH_SECONDS:
        return kept[1]
    doctors = list(doctors_of_clinic(clinic).values_list("id", flat=True))
    found: dict[UUID, list[Span]] = {}
    for hours in hours_between(
        clinic=clinic,
        doctors=doctors,
        start=now - AROUND,
        end=now + AROUND,
        location=location,
    ):
        found.setdefault(hours.doctor, []).append((hours.opens, hours.closes))
    with _turn:
        if len(_shifts) >= _MOST_KEPT:
            _shifts.clear()
        _shifts[location] = moment, found
    return found


def _habits_of(
    doctors: Iterable[tuple[UUID, UUID]], *, now: datetime
) -> dict[tuple[UUID, UUID], tuple[Habits, datetime | None]]:
    moment = time.monotonic()
    found: dict[tuple[UUID, UUID], tuple[Habits, datetime | None]] = {}
    missing: dict[UUID, list[UUID]] = {}
    for clinic, doctor in doctors:
        kept = _kept.get((clinic, doctor))
        if kept is not None and moment - kept[0] < FRESH_SECONDS:
            found[clinic, doctor] = kept[1], kept[2]
        else:
            missing.setdefault(clinic, []).append(doctor)
    for clinic, wanted in missing.items():
        past = _past_of(wanted, clinic=clinic, now=now)
        for doctor in wanted:
            seen = past.get(doctor, [])
            work = habits(seen, now=now)
            today = [one.done_at for one in seen if now - one.done_at < timedelta(hours=4)]
            last = max(today, default=None)
            found[clinic, doctor] = work, last
            with _turn:
                if len(_kept) >= _MOST_KEPT:
                    _kept.clear()
                _kept[clinic, doctor] = moment, work, last
    return found


def habits_forget() -> None:
    """Let everything be read anew."""
    with _turn:
        _kept.clear()
        _shifts.clear()


def _past_of(doctors: Sequence[UUID], *, clinic: UUID, now: datetime) -> dict[UUID, list[Past]]:
    past: dict[UUID, list[Past]] = {}
    with connection.cursor() as cursor:
        load_instants_fast(cursor)
        cursor.execute(
            _SQL,
            {
                "doctors": list(doctors),
                "clinic": clinic,
                "since": now - LOOKED_BACK,
                "most": HISTORY,
            },
        )
        for doctor, arrived, started, done, due, service, minutes in cursor.fetchall():
            past.setdefault(doctor, []).append(Past(arrived, started, done, due, service, minutes))
    return past
