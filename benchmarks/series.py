"""`python -m benchmarks series`: a series of 1, 10 and 104 visits, booked as one.

The floor is the same INSERTs with the same values, sent again by themselves: no reading, no
judging, no locks. Both are rolled back after the constraints were checked, so that every run finds
the same calendar; then the same over the API, committed. A naive loop of single bookings stands
beside the longest.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median
from typing import Any

from django.db import connection, transaction

from appointments.models import Appointment
from appointments.services.booking import appointment_book
from appointments.services.series import SeriesWish, series_create, series_preview
from benchmarks.asking import Asking, ask
from benchmarks.population import People, Staff
from benchmarks.statements import Statement, recording
from benchmarks.world import World
from clinics.principal import Principal, principal_open
from core import clock, tenancy

LENGTHS = (1, 10, 104)
LIMIT_MS, LIMIT_STATEMENTS = 150, 15
_RUNS, _API_RUNS = 15, 5
_AHEAD = timedelta(weeks=13)  # where no diary of a shape is filled

# When each doctor of the clinic works; the first hours of a weekday.
_HOURS = """
SELECT DISTINCT ON (t.doctor_id, t.weekday) t.doctor_id, t.location_id, t.weekday, t.start_time
FROM clinics_scheduletemplate t
WHERE t.clinic_id = %s AND 'IN_PERSON' = ANY (t.modes)
  AND (t.valid_from IS NULL OR t.valid_from <= now()::date)
  AND (t.valid_to IS NULL OR t.valid_to > now()::date + 900)
ORDER BY t.doctor_id, t.weekday, t.start_time
"""
_WISHES = 30

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Scene:
    """A desk, and whose series it books: one doctor and patient each."""

    desk: Staff
    wishes: list[SeriesWish]

    def wish(self, length: int, number: int = 0) -> SeriesWish:
        wish = self.wishes[number % len(self.wishes)].copy()
        wish["rrule"] = f"FREQ=WEEKLY;COUNT={length}"
        return wish


def series(world: World, people: People, say: Say, *, repeat: int) -> list[dict[str, Any]]:
    """Print a line for each length; the figures for programs."""
    scene = _scene(people)
    figures = [_length(scene, length, say, repeat) for length in LENGTHS]
    figures.append(_naive(scene, LENGTHS[-1], say, repeat))
    figures += [_over_the_api(scene, length, say, place) for place, length in enumerate(LENGTHS)]
    figures.append(_taken(scene, say))
    return figures


def _scene(people: People) -> _Scene:
    """The clinic with the most doctors. Raises RuntimeError where too few are free so far ahead."""
    clinic = max(people.doctors_of, key=lambda one: len(people.doctors_of[one]))
    desk = people.desks_of[clinic][0]
    patients = people.patients_of(clinic)
    # For the bookings one by one; a series does not ask.
    people.database.execute("UPDATE clinics_clinic SET horizon_days = 1000 WHERE id = %s", [clinic])
    people.database.execute(
        "UPDATE clinics_service SET horizon_days = NULL WHERE clinic_id = %s", [clinic]
    )
    found: list[SeriesWish] = []
    for doctor, location, weekday, begins in people.database.execute(_HOURS, [clinic]):
        wish = SeriesWish(
            patient=patients[len(found)],
            doctor=doctor,
            location=location,
            service=people.consultation[clinic],
            rrule=f"FREQ=WEEKLY;COUNT={LENGTHS[-1]}",
            start_date=_next(weekday),
            local_time=begins,
        )
        with _as(desk) as by:
            if not series_preview(by=by, **wish).clashes:
                found.append(wish)
        if len(found) == _WISHES:
            return _Scene(desk, found)
    raise RuntimeError(f"only {len(found)} series of the shape are free for two years")


def _next(weekday: int) -> date:
    day = clock.now().date() + _AHEAD
    return day + timedelta(days=(weekday - day.isoweekday()) % 7)


@contextmanager
def _as(desk: Staff) -> Iterator[Principal]:
    """In the desk's scope; what is written is checked as at a commit, and rolled back."""
    with tenancy.scope(()):
        by = principal_open(desk.user, desk.session, write=True)
        if by is None:
            raise RuntimeError("the desk is not signed in")
        yield by
        connection.check_constraints()
        transaction.set_rollback(True)


def _length(scene: _Scene, length: int, say: Say, repeat: int) -> dict[str, Any]:
    took, floor, statements = [], [], 0
    for run in range(_RUNS * repeat + 1):
        wish = scene.wish(length, run)
        with recording() as seen, _as(scene.desk) as by:
            started = time.perf_counter()
            made = series_create(by=by, **wish)
            connection.check_constraints()
            ended = time.perf_counter()
        if len(made.visits) != length:
            raise RuntimeError(f"{len(made.visits)} visits of {length} were booked")
        statements = len(_of_the_series(seen))
        inserts = [one for one in seen if "INSERT INTO" in "".join(one.pieces)]
        bare = _again(scene.desk, inserts)
        if run:  # the first is for caches and plans
            took.append((ended - started) * 1000)
            floor.append(bare * 1000)
    ratio = median(took) / median(floor)
    say(
        f"series of {length:>3}: {median(took):6.1f} ms {_range(took)}, {statements} statements;"
        f" floor, its {len(inserts)} INSERTs alone: {median(floor):6.1f} ms {_range(floor)};"
        f" ratio {ratio:.2f}"
        + (f" (limits {LIMIT_MS} ms, {LIMIT_STATEMENTS})" if length == LENGTHS[-1] else "")
    )
    return {
        "case": f"series-{length}",
        "ms": took,
        "floor_ms": floor,
        "ratio": ratio,
        "statements": statements,
    }


def _of_the_series(seen: list[Statement]) -> list[Statement]:
    """Without who asks, and without the check that stands for the commit."""
    texts = ["".join(one.pieces) for one in seen]
    return [
        one
        for one, text in zip(seen, texts, strict=True)
        if "clinics_open_scope" not in text
        and "set_config" not in text
        and not text.startswith("SET CONSTRAINTS")
    ]


def _again(desk: Staff, inserts: list[Statement]) -> float:
    """Seconds for the same INSERTs, sent by themselves."""
    with _as(desk), connection.cursor() as cursor:
        sent = [
            ("%s".join(piece.replace("%", "%%") for piece in one.pieces), one.values)
            for one in inserts
        ]
        started = time.perf_counter()
        for sql, values in sent:
            cursor.execute(sql, values)
        connection.check_constraints()
        return time.perf_counter() - started


def _naive(scene: _Scene, length: int, say: Say, repeat: int) -> dict[str, Any]:
    """One booking after the other, in one transaction."""
    took, statements = [], 0
    for run in range(repeat + 1):
        wish = scene.wish(length, run)
        with _as(scene.desk) as by:
            starts = [one.starts_at for one in series_preview(by=by, **wish).dates]
            with recording() as seen:
                started = time.perf_counter()
                for start in starts:
                    appointment_book(
                        by=by,
                        doctor=wish["doctor"],
                        patient=wish["patient"],
                        location=wish.get("location"),
                        service=wish.get("service"),
                        starts_at=start,
                    )
                connection.check_constraints()
                ended = time.perf_counter()
            statements = len(seen)
        if run:
            took.append((ended - started) * 1000)
    say(f"one by one, {length}: {median(took):6.1f} ms {_range(took)}, {statements} statements")
    return {"case": "one-by-one", "ms": took, "statements": statements}


def _over_the_api(scene: _Scene, length: int, say: Say, place: int) -> dict[str, Any]:
    """POST appointments/recurring in this process, with token, idempotency key and commit."""
    took = []
    for run in range(_API_RUNS):
        # Each its own doctor or hour: these stay.
        wish = scene.wish(length, place * _API_RUNS + run)
        body = json.dumps({**wish, "type": "IN_PERSON"}, default=str).encode()
        asking = Asking(
            "/api/v1/appointments/recurring", scene.desk.token, "POST", body, f"{length}-{run}"
        )
        started = time.perf_counter()
        ask(asking)
        took.append((time.perf_counter() - started) * 1000)
    with tenancy.scope(tenancy.SYSTEM):
        kept = Appointment.objects.filter(source="SERIES").count()
    say(f"over the API, {length:>3}: {median(took):6.1f} ms {_range(took)}; {kept} visits kept")
    return {"case": f"api-{length}", "ms": took}


def _taken(scene: _Scene, say: Say) -> dict[str, Any]:
    """The preview of the longest when every date of it is taken, with what is free near each."""
    took, near = [], 0
    for run in range(_API_RUNS):
        length = LENGTHS[-1]
        wish = scene.wish(length, (len(LENGTHS) - 1) * _API_RUNS + run)
        wish["patient"] = scene.wishes[-1]["patient"]
        with _as(scene.desk) as by:
            started = time.perf_counter()
            seen = series_preview(by=by, **wish)
            took.append((time.perf_counter() - started) * 1000)
        if len(seen.clashes) != length:
            raise RuntimeError(f"{len(seen.clashes)} of {length} dates are taken")
        near = sum(len(one.alternatives) for one in seen.clashes)
    say(f"preview, all taken: {median(took):6.1f} ms {_range(took)}, {near} alternatives")
    return {"case": "preview-taken", "ms": took}


def _range(values: list[float]) -> str:
    return f"({min(values):.1f}–{max(values):.1f})"
