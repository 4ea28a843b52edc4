"""`python -m benchmarks waits`: the estimated wait beside the wait that followed.

At every arrival and every start the range is worked out for everybody who waits, with what was
known then. The naive figure in the same run is the doctor's mean length times the people ahead.
"""

import time
from bisect import insort
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean, median, pstdev
from typing import Any

from benchmarks.waits_days import GRACE, Day, Visit, demo_days, hard_days, session_days
from checkin.estimate import HISTORY, Habits, Past, Serving, Wait, Waiting, habits, waits

Say = Callable[[str], None]

_LEARNING = 3  # days of a place that are only learnt from
_PLACES = 12
_HARD_DAYS = 40
_ENTRIES = 60


@dataclass(slots=True)
class _Seen:
    """One estimate and what came of it, in minutes."""

    real: float
    ours: Wait
    naive: float
    spread: float
    booked: float | None


def wait_estimates(say: Say, *, data: Path | None) -> list[dict[str, Any]]:
    """Replay every set of days and print a line each; the figures for programs."""
    sets = [("demo history", demo_days())]
    if data is not None:
        sets.append(("session data", session_days(data, places=_PLACES)))
    sets.append(("hard days", hard_days(days=_HARD_DAYS)))
    say(
        f"\n{'':<14} {'estimates':>9} {'real':>5} | {'ours: error':>11} {'width':>6} {'in it':>6}"
        f" | {'naive: error':>12} {'± sd':>6} {'in it':>6} | {'ratio':>5} | {'by the booking':>14}"
    )
    figures = [_line(name, _replay(days), say) for name, days in sets]
    figures.append(_speed(say))
    return figures


def _replay(days: Iterable[Day]) -> list[_Seen]:
    places: dict[str, list[Day]] = defaultdict(list)
    for day in days:
        places[day.place].append(day)
    seen: list[_Seen] = []
    for of_place in places.values():
        known: dict[str, list[Past]] = defaultdict(list)
        for number, day in enumerate(sorted(of_place, key=lambda day: min(day.opens.values()))):
            seen += _day(day, known, judged=number >= _LEARNING)
    return seen


def _day(day: Day, known: dict[str, list[Past]], *, judged: bool) -> list[_Seen]:
    came = [visit for visit in day.visits if visit.arrived and visit.started and visit.done]
    moments = sorted({visit.arrived for visit in came} | {visit.started for visit in came})
    learnt: dict[str, Habits] = {}
    ended = sorted(came, key=lambda visit: visit.done)
    seen: list[_Seen] = []
    for now in moments:
        while ended and ended[0].done <= now:
            visit = ended.pop(0)
            learnt.pop(visit.served_by, None)
            insort(known[visit.served_by], _past(visit), key=lambda past: past.done_at)
        if judged:
            for doctor in day.opens:
                if doctor not in learnt:
                    learnt[doctor] = habits(known[doctor][-HISTORY:], now=now)
            seen += _judged(day, came, learnt, known, now)
    for visit in ended:
        insort(known[visit.served_by], _past(visit), key=lambda past: past.done_at)
    return seen


def _judged(
    day: Day,
    came: list[Visit],
    learnt: dict[str, Habits],
    known: dict[str, list[Past]],
    now: datetime,
) -> list[_Seen]:
    present = [v for v in came if v.arrived <= now < v.started]
    if not present:
        return []
    inside = {v.served_by: v for v in came if v.started <= now < v.done}
    free = {}
    for visit in came:
        if visit.done <= now:
            free[visit.served_by] = max(visit.done, free.get(visit.served_by, visit.done))
    serving = {}
    for doctor, opens in day.opens.items():
        patient = inside.get(doctor)
        serving[doctor] = Serving(
            habits=learnt[doctor],
            started_at=patient.started if patient else None,
            service=patient.service if patient else None,
            minutes=patient.minutes if patient else None,
            free_since=free.get(doctor),
            opens_at=opens,
        )
    queue = sorted(present, key=lambda visit: visit.order)
    answers = waits([_waiting(visit) for visit in queue], serving, now=now)
    seen = []
    ahead = list(inside)
    for visit, answer in zip(queue, answers, strict=True):
        if answer is None:
            continue
        # Whoever goes to anyone counts for one doctor as a part of a person.
        one_of = 1 / len(day.opens)
        before = sum(
            1 if who == visit.doctor and who else one_of
            for who in ahead
            if not visit.doctor or who in {"", visit.doctor}
        )
        ahead.append(visit.doctor)
        naive, spread = _naive(visit, known, list(day.opens), before)
        booked = max(0.0, _minutes(visit.due - now)) if visit.due else None
        seen.append(_Seen(_minutes(visit.started - now), answer, naive, spread, booked))
    return seen


def _naive(
    visit: Visit, known: dict[str, list[Past]], doctors: list[str], ahead: float
) -> tuple[float, float]:
    """Mean length times people ahead, and the deviation of the lengths."""
    able = [visit.doctor] if visit.doctor else doctors
    took = [
        _minutes(past.done_at - past.started_at)
        for doctor in able
        for past in known[doctor][-HISTORY:]
    ] or [visit.minutes or 15.0]
    return fmean(took) * ahead, pstdev(took)


def _past(visit: Visit) -> Past:
    return Past(visit.arrived, visit.started, visit.done, visit.due, visit.service, visit.minutes)


def _waiting(visit: Visit) -> Waiting:
    late = visit.due and visit.arrived > visit.due + GRACE
    return Waiting(
        doctor=visit.doctor or None,
        service=visit.service,
        minutes=visit.minutes,
        due_at=None if visit.is_urgent or late else visit.due,
        arrived_at=visit.arrived,
    )


def _line(name: str, seen: list[_Seen], say: Say) -> dict[str, Any]:
    ours = fmean(abs((one.ours.low + one.ours.high) / 2 - one.real) for one in seen)
    width = fmean(one.ours.high - one.ours.low for one in seen)
    inside = fmean(one.ours.low <= one.real <= one.ours.high for one in seen)
    naive = fmean(abs(one.naive - one.real) for one in seen)
    spread = fmean(one.spread for one in seen)
    naive_inside = fmean(abs(one.naive - one.real) <= one.spread for one in seen)
    booked = [abs(one.booked - one.real) for one in seen if one.booked is not None]
    real = fmean(one.real for one in seen)
    say(
        f"{name:<14} {len(seen):>9,} {real:>5.1f} | {ours:>11.1f} {width:>6.1f} {inside:>6.0%}"
        f" | {naive:>12.1f} {spread:>6.1f} {naive_inside:>6.0%} | {ours / naive:>5.2f}"
        f" | {fmean(booked) if booked else 0:>14.1f}"
    )
    return {
        "name": name,
        "estimates": len(seen),
        "error": ours,
        "width": width,
        "coverage": inside,
        "naive_error": naive,
        "naive_coverage": naive_inside,
        "ratio": ours / naive,
    }


def _speed(say: Say) -> dict[str, Any]:
    """A queue of sixty before five doctors with two hundred visits each; its floor is a sum."""
    now = datetime(2026, 1, 5, 10, tzinfo=UTC)
    past = [
        Past(
            arrived_at=now - timedelta(minutes=30 * n + 40),
            started_at=now - timedelta(minutes=30 * n + 30),
            done_at=now - timedelta(minutes=30 * n + 30 - 10 - n % 15),
            service=n % 4,
            minutes=20.0,
        )
        for n in range(HISTORY)
    ]
    queue = [
        Waiting(
            doctor=n % 6 or None,
            service=n % 4,
            minutes=20.0,
            due_at=now + timedelta(minutes=4 * n),
            arrived_at=now,
        )
        for n in range(_ENTRIES)
    ]

    def doctors() -> dict[int, Serving]:
        started = now - timedelta(minutes=4)
        return {n: Serving(habits(past, now=now), started_at=started) for n in range(1, 6)}

    warm = doctors()
    one = [Waiting(now, 1, entry.service, 20.0, entry.due_at) for entry in queue]
    single = _timed(lambda: waits(one, warm, now=now))
    took = _timed(lambda: waits(queue, warm, now=now))
    cold = _timed(lambda: waits(queue, doctors(), now=now))
    means = [20.0] * _ENTRIES
    floor = _timed(lambda: [sum(means[:n]) for n in range(_ENTRIES)])
    say(
        f"\n{_ENTRIES} who wait: {single:.2f} ms for one doctor, {took:.2f} ms for five and anyone,"
        f" {cold:.2f} ms with what five doctors' visits say learnt anew; floor (sums) {floor:.3f}"
    )
    return {"name": "speed", "one": single, "five": took, "anew": cold, "floor": floor}


def _timed(act: Callable[[], object]) -> float:
    took = []
    for _ in range(60):
        before = time.perf_counter()
        act()
        took.append((time.perf_counter() - before) * 1000)
    return median(took)


def _minutes(span: timedelta) -> float:
    return span.total_seconds() / 60
