"""How long somebody in the waiting room will still wait, as a range. Pure: reads no table or clock.

The day ahead is played through 32 times, each time with other durations drawn evenly from what
the doctor's recent visits really took; the range is where the middle of them lies. The draws
are fixed, so that the same queue always gets the same answer. Learnt from each doctor's visits are
how long they take (by service), the pause between two, how late the day begins, whether the doctor
begins before a visit's time when the patient is early, and how fast today is. What the bookings say
stands in as long as there are few visits.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from math import ceil, exp, floor, log, sqrt
from random import Random
from statistics import NormalDist, fmean
from typing import Final

#: How many of a doctor's newest visits count; older ones change nothing.
HISTORY: Final = 200
#: Both ends of a range are multiples of this, in minutes.
STEP: Final = 5

_PATHS: Final = 32
# The ends of the range among the paths in order; then they are rounded outwards.
_LOW, _HIGH = 4, 27
_COLUMNS: Final = 193
_SESSION: Final = 90.0  # minutes without a patient after which the next begins a session
_BREAK: Final = 30.0  # a longer pause says nothing of the pause between two patients
_LONGEST: Final = 240.0  # a visit that took longer was forgotten, not long
_TODAY: Final = timedelta(hours=14)
_ENOUGH: Final = 5  # visits of a service whose mean is believed; days the assumption counts for
_HALF_LIFE: Final = 60  # visits after which one counts half
_OTHERS: Final = 4.0  # visits of other services count as this many together
_DAY_SPREAD: Final = 0.12  # how much days differ in pace, as a standard deviation of the logarithm
_EARLY, _EARLY_WEIGHT = 0.3, 3.0  # before anything is known: how often a free doctor begins early

Samples = list[tuple[float, float]]  # (minutes, weight)
_NORMAL = NormalDist()
_CENTRES = [(n + 0.5) / _PATHS for n in range(_PATHS)]
_Z = [_NORMAL.inv_cdf(share) for share in _CENTRES]


def _columns() -> list[list[int]]:
    """Fixed shuffles of 0 … 31: a Latin hypercube, one column for each thing that is drawn."""
    source = Random(5)  # noqa: S311 - not a secret
    return [source.sample(range(_PATHS), _PATHS) for _ in range(_COLUMNS)]


_DRAWS = _columns()
# Of a visit of one minute that was booked and nothing else is known of: mean 1, a third astray.
_BOOKED: Samples = [(exp(0.34 * _NORMAL.inv_cdf((n + 0.5) / 8) - 0.05), 0.5) for n in range(8)]
_PAUSES: Samples = [(0.5, 1.0), (1.5, 1.0), (4.0, 1.0)]
_BEGINNINGS: Samples = [(0.0, 1.0), (4.0, 1.0), (12.0, 1.0)]
_DELAYS: Samples = [(0.0, 1.0), (2.0, 1.0), (6.0, 1.0)]


@dataclass(frozen=True, slots=True)
class Wait:
    """From `low` to `high` minutes, both multiples of five and `low` the smaller."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Past:
    """A visit that ended. `minutes` is what was booked; `due_at` None for a walk-in."""

    arrived_at: datetime
    started_at: datetime
    done_at: datetime
    due_at: datetime | None = None
    service: Hashable = None
    minutes: float | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody in the queue.

    `doctor` None: whoever is free. `minutes`: what was booked, or the service's usual length.
    `due_at`: the visit's time; None for a walk-in and for whoever is seen at once.
    """

    arrived_at: datetime
    doctor: Hashable = None
    service: Hashable = None
    minutes: float | None = None
    due_at: datetime | None = None
    called: bool = False


@dataclass(slots=True)
class Habits:
    """What is known of a doctor's work. Made by `habits`; good until the next visit ends."""

    took: list[tuple[Hashable, float, float | None, float]] = field(default_factory=list)
    pauses: Samples = field(default_factory=lambda: _PAUSES)
    beginnings: Samples = field(default_factory=lambda: _BEGINNINGS)
    delays: Samples = field(default_factory=lambda: _DELAYS)
    early: float = _EARLY
    pace: float = 1.0
    pace_spread: float = _DAY_SPREAD
    known: dict[Hashable, "Samples | list[float] | None"] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Serving:
    """A doctor at work.

    `started_at`, `service` and `minutes` are of the patient inside, if any; `free_since` is when
    the last one of today left; `opens_at` when the doctor's hours begin or go on.
    """

    habits: Habits = field(default_factory=Habits)
    started_at: datetime | None = None
    service: Hashable = None
    minutes: float | None = None
    free_since: datetime | None = None
    opens_at: datetime | None = None


def habits(past: Iterable[Past], *, now: datetime) -> Habits:
    """What the visits of one doctor say, in any order; the newest `HISTORY` count."""
    seen = sorted(past, key=lambda visit: visit.started_at)[-HISTORY:]
    found = Habits()
    pauses, beginnings, delays = list(_PAUSES), list(_BEGINNINGS), list(_DELAYS)
    early, chances = _EARLY * _EARLY_WEIGHT, _EARLY_WEIGHT
    before: Past | None = None
    for age, visit in zip(range(len(seen) - 1, -1, -1), seen, strict=True):
        weight = 0.5 ** (age / _HALF_LIFE)
        took = _minutes(visit.done_at - visit.started_at)
        if 0 < took <= _LONGEST:
            found.took.append((visit.service, took, visit.minutes or None, weight))
        is_first = before is None or _minutes(visit.started_at - before.done_at) > _SESSION
        ready = visit.arrived_at
        if before is not None and not is_first:
            ready = max(ready, before.done_at)
        before = visit if before is None or visit.done_at > before.done_at else before
        lag = _minutes(visit.started_at - ready)
        until_due = _minutes(visit.due_at - ready) if visit.due_at is not None else 0.0
        if visit.due_at is not None and until_due > 2:
            begun_early = lag < until_due - 1
            chances += weight
            early += weight * begun_early
            if not begun_early:
                (beginnings if is_first else delays).append((max(0.0, lag - until_due), weight))
                continue
        # A longer one was a break, or somebody who came before the hours.
        if lag <= _BREAK:
            (beginnings if is_first else pauses).append((max(0.0, lag), weight))
    found.pauses, found.beginnings, found.delays = pauses, beginnings, delays
    found.early = early / chances
    _pace_of_today(found, seen, now)
    return found


def waits(
    queue: Sequence[Waiting], doctors: Mapping[Hashable, Serving], *, now: datetime
) -> list[Wait | None]:
    """The wait until each one's visit begins, `queue` being in the order in which they are called.

    Of one location: everybody in it, those called first. None where nobody is at work, and where
    nothing is known of somebody ahead. (Who is only expected is left out: counting them with
    their chance of coming made no estimate better.)
    """
    rooms = {key: _Room(serving, now, _first(queue, key)) for key, serving in doctors.items()}
    answers: list[Wait | None] = []
    for place, waiting in enumerate(queue):
        draws = [_DRAWS[(4 * place + nth) % _COLUMNS] for nth in range(4)]
        begins: list[float] | None
        if waiting.doctor is not None:
            room = rooms.get(waiting.doctor)
            begins = room.see(waiting, draws, now) if room is not None else None
        else:
            able = [room for room in rooms.values() if room.is_known]
            begins = _see_in_any(able, waiting, draws, now)
        answers.append(None if begins is None else _range(begins))
    return answers


class _Room:
    """One doctor's day ahead, `_PATHS` times: when the doctor is free, in minutes from now."""

    def __init__(self, serving: Serving, now: datetime, first: datetime | None) -> None:
        self.habits = serving.habits
        self.is_known = True
        at = len(_DRAWS) - 1
        pace, spread = self.habits.pace, self.habits.pace_spread
        self.pace = [pace * exp(spread * _Z[n]) for n in _DRAWS[at]]
        self.pauses = _known(self.habits, "pauses", self.habits.pauses)
        self.delays = _known(self.habits, "delays", self.habits.delays)
        opens = _minutes(serving.opens_at - now) if serving.opens_at is not None else 0.0
        #: A pause that began before now is over when `free` says so: it is not added to it again.
        self.is_resting = serving.started_at is None
        if serving.started_at is not None:
            samples = _durations(self.habits, serving.service, serving.minutes)
            self.is_known = samples is not None
            elapsed = max(0.0, _minutes(now - serving.started_at))
            left = _left([(pace * minutes, weight) for minutes, weight in samples or []], elapsed)
        elif first is None:
            left = [0.0] * _PATHS
        else:
            since = max(first, serving.opens_at or first, serving.free_since or first)
            idle = max(0.0, _minutes(now - since))
            begun = serving.free_since is not None
            left = _left(self.habits.pauses if begun else self.habits.beginnings, idle)
        self.free = [max(0.0, opens) + left[n] for n in _DRAWS[at - 1]]

    def see(self, waiting: Waiting, draws: list[list[int]], now: datetime) -> list[float] | None:
        """When the visit begins, on every path; afterwards the doctor is free when it ends."""
        if not self.is_known:
            return None
        begins = self.begins(waiting, draws, now)
        self.ends(waiting, draws, begins)
        return begins

    def begins(self, waiting: Waiting, draws: list[list[int]], now: datetime) -> list[float]:
        if waiting.called or self.is_resting:
            begins = list(self.free)
        else:
            pauses = self.pauses
            begins = [free + pauses[n] for free, n in zip(self.free, draws[1], strict=True)]
        due = _minutes(waiting.due_at - now) if waiting.due_at is not None else 0.0
        if due <= 0 or waiting.called:
            return begins
        delays, kept = self.delays, round(self.habits.early * _PATHS)
        return [
            begin if chance < kept or begin >= due + delays[n] else due + delays[n]
            for begin, chance, n in zip(begins, draws[2], draws[3], strict=True)
        ]

    def ends(self, waiting: Waiting, draws: list[list[int]], begins: list[float]) -> None:
        table = _table(self.habits, waiting)
        if table is None:
            self.is_known = False
            return
        self.is_resting = False
        lasts = self._lasts(table, draws[0])
        self.free = [begin + last for begin, last in zip(begins, lasts, strict=True)]

    def _lasts(self, table: list[float], draw: list[int]) -> list[float]:
        return [table[n] * pace for n, pace in zip(draw, self.pace, strict=True)]


def _see_in_any(
    rooms: list[_Room], waiting: Waiting, draws: list[list[int]], now: datetime
) -> list[float] | None:
    """The same for one who goes to whoever is free first."""
    if len(rooms) < 2:
        return rooms[0].see(waiting, draws, now) if rooms else None
    tables = [_table(room.habits, waiting) for room in rooms]
    begins = []
    offers = [room.begins(waiting, draws, now) for room in rooms]
    for path, moments in enumerate(zip(*offers, strict=True)):
        begin = min(moments)
        chosen = moments.index(begin)
        room, table = rooms[chosen], tables[chosen]
        if table is not None:
            room.free[path] = begin + table[draws[0][path]] * room.pace[path]
        begins.append(begin)
    for room, table in zip(rooms, tables, strict=True):
        room.is_resting = False
        room.is_known = table is not None
    return begins


def _first(queue: Sequence[Waiting], doctor: Hashable) -> datetime | None:
    """Since when the doctor could have begun with the one who is next."""
    for waiting in queue:
        if waiting.doctor in {None, doctor}:
            return max(waiting.arrived_at, waiting.due_at or waiting.arrived_at)
    return None


def _pace_of_today(found: Habits, seen: Sequence[Past], now: datetime) -> None:
    """How much longer than usual today's visits take, believed the more, the more there are."""
    usual: dict[Hashable, list[float]] = {}
    days: dict[bool | date, list[tuple[Hashable, float]]] = {}
    for visit in seen:
        took = _minutes(visit.done_at - visit.started_at)
        if not 0 < took <= _LONGEST:
            continue
        is_today = now - visit.started_at < _TODAY
        days.setdefault(is_today or visit.started_at.date(), []).append((visit.service, log(took)))
        if not is_today:
            usual.setdefault(visit.service, []).append(log(took))
    means = {key: fmean(took) for key, took in usual.items() if len(took) >= _ENOUGH}
    squares = [(took - mean) ** 2 for key, mean in means.items() for took in usual[key]]
    if not squares:
        return
    noise = fmean(squares) + 0.01
    strays = {
        day: [took - means[service] for service, took in visits if service in means]
        for day, visits in days.items()
    }
    today = strays.pop(True, [])
    # What a day strays from the mean more than chance explains is how much days differ.
    between = [fmean(day) ** 2 - noise / len(day) for day in strays.values() if day]
    differ = (_DAY_SPREAD**2 * _ENOUGH + max(0.0, sum(between))) / (_ENOUGH + len(between))
    count = len(today)
    found.pace = exp(differ * sum(today) / (differ * count + noise))
    # How well the mean itself is known comes on top.
    found.pace_spread = sqrt(differ * noise / (count * differ + noise) + noise / len(squares))


def _durations(of: Habits, service: Hashable, booked: float | None) -> Samples | None:
    """What such a visit takes: its service's own visits, then the others', then what was booked."""
    key = ("durations", service, booked)
    if key not in of.known:
        own = [(took, weight) for what, took, _, weight in of.took if what == service]
        others = [
            (took * (booked / planned if booked and planned else 1.0), weight)
            for what, took, planned, weight in of.took
            if what != service
        ]
        # The more there is of a thing itself, the less the rest says of it.
        fading = _ENOUGH / (_ENOUGH + sum(weight for _, weight in own))
        together = sum(weight for _, weight in others)
        share = fading * min(1.0, _OTHERS / together) if together else 0.0
        samples = own + [(took, weight * share) for took, weight in others]
        if booked:
            samples += [(booked * ratio, weight * fading) for ratio, weight in _BOOKED]
        of.known[key] = samples or None
    return of.known[key]  # type: ignore[return-value]  # what is kept under such a key


def _table(of: Habits, waiting: Waiting) -> list[float] | None:
    key = ("table", waiting.service, waiting.minutes)
    if key not in of.known:
        samples = _durations(of, waiting.service, waiting.minutes)
        of.known[key] = None if samples is None else _spread(samples)
    return of.known[key]  # type: ignore[return-value]  # what is kept under such a key


def _known(of: Habits, key: str, samples: Samples) -> list[float]:
    if key not in of.known:
        of.known[key] = _spread(samples)
    return of.known[key]  # type: ignore[return-value]  # what is kept under such a key


def _left(samples: Samples, elapsed: float) -> list[float]:
    """What is left of something that has lasted `elapsed` minutes, as even draws.

    Of those that lasted longer, the rest; past them all, about a quarter of the time so far, and
    half an hour at most.
    """
    total = sum(weight for _, weight in samples) or 1.0
    mean = sum(minutes * weight for minutes, weight in samples) / total
    longer = [(minutes - elapsed, weight) for minutes, weight in samples if minutes > elapsed]
    tail = min(_BREAK, max(2.0, 0.25 * max(elapsed, mean)))
    beyond = [(-tail * log(1 - (n + 0.5) / 8), 0.02 * total / 8) for n in range(8)]
    return _spread(longer + (beyond if elapsed else []))


def _spread(samples: Samples) -> list[float]:
    """`_PATHS` values that lie evenly in the weighted samples, in order."""
    ordered = sorted(samples)
    total = sum(weight for _, weight in ordered)
    if total <= 0:
        return [0.0] * _PATHS
    values: list[float] = []
    nth, passed = 0, 0.0
    centre_before, value_before = 0.0, ordered[0][0]
    for value, weight in ordered:
        centre = (passed + weight / 2) / total
        while nth < _PATHS and _CENTRES[nth] <= centre:
            between = centre - centre_before
            part = (_CENTRES[nth] - centre_before) / between if between > 0 else 1.0
            values.append(value_before + part * (value - value_before))
            nth += 1
        passed += weight
        centre_before, value_before = centre, value
    return values + [ordered[-1][0]] * (_PATHS - nth)


def _range(begins: list[float]) -> Wait:
    ordered = sorted(begins)
    low = max(0, floor(ordered[_LOW] / STEP) * STEP)
    high = max(low + STEP, ceil(ordered[_HIGH] / STEP) * STEP)
    return Wait(low, high)


def _minutes(span: timedelta) -> float:
    return span.total_seconds() / 60
