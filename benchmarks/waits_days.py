"""The days that wait estimates are replayed over: of the demo, of real loads, and hard ones.

What is real and what is assumed of each is told in docs/benchmarks.md.
"""

import csv
import gzip
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from statistics import median

GRACE = timedelta(minutes=15)
_OPENS, _NOON, _BACK, _CLOSES = time(8), time(12), time(13), time(17)
_STEP = timedelta(seconds=30)


@dataclass(slots=True)
class Visit:
    """One visit as it went; without `arrived` nobody came. `doctor` empty: whoever is free."""

    doctor: str
    service: str
    minutes: float | None
    due: datetime | None
    arrived: datetime | None
    lasts: float = 0.0
    is_urgent: bool = False
    is_seen_early: bool = False
    served_by: str = ""
    started: datetime | None = None
    done: datetime | None = None

    @property
    def order(self) -> tuple[bool, datetime, datetime]:
        """The written rule: urgent ones, then by time; who is late, by arrival."""
        assert self.arrived is not None  # noqa: S101 - asked of those who came
        due = self.due if self.due and self.arrived <= self.due + GRACE else self.arrived
        return not self.is_urgent, due, self.arrived


@dataclass(slots=True)
class Day:
    """One place on one day, and when each of its doctors' hours begin."""

    place: str
    opens: dict[str, datetime]
    visits: list[Visit] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Manner:
    """What is assumed of the doctors of a played day. Minutes; `early` is a share of visits."""

    late_start: float
    pause: float
    early: float
    pace: float = 0.1
    interrupted: float = 0.0


def demo_days() -> list[Day]:
    """The demo's visits that were completed in a consulting room, a doctor at a time."""
    # Models are there only after the set-up.
    from appointments.demo.clinics import CLINICS  # noqa: PLC0415
    from appointments.demo.loading import demo_load  # noqa: PLC0415
    from appointments.models import Appointment, AppointmentStatus  # noqa: PLC0415
    from core import tenancy  # noqa: PLC0415

    demo_load(step=lambda: None)
    days: dict[tuple[str, str, date], Day] = {}
    with tenancy.scope(tenancy.SYSTEM):
        rows = Appointment.objects.filter(
            clinic__slug__in=[spec.slug for spec in CLINICS],
            type="IN_PERSON",
            starts_at__lt=datetime.now(UTC),
        ).exclude(status=AppointmentStatus.CANCELLED)
        for row in rows.order_by("starts_at"):
            doctor, place = str(row.doctor_id), str(row.location_id)
            key = place, doctor, row.starts_at.date()
            day = days.setdefault(key, Day(place + doctor, {doctor: row.starts_at}))
            visit = Visit(
                doctor,
                str(row.service_id),
                (row.ends_at - row.starts_at).total_seconds() / 60,
                row.starts_at,
                row.checked_in_at if row.completed_at else None,
            )
            if row.completed_at:
                visit.started, visit.done, visit.served_by = (
                    row.started_at,
                    row.completed_at,
                    doctor,
                )
            day.visits.append(visit)
    return list(days.values())


def session_days(folder: Path, *, places: int) -> list[Day]:
    """Real loads, no-shows and same-day arrivals with the lengths of Synthea's encounters."""
    lengths = _lengths(folder / "synthea" / "Encounter.ndjson.gz")
    loads: dict[str, dict[date, list[dict[str, str]]]] = defaultdict(lambda: defaultdict(list))
    with gzip.open(folder / "noshow.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            on = datetime.fromisoformat(row["AppointmentDay"]).date()
            loads[row["Neighbourhood"]][on].append(row)
    usual = {name: median(len(rows) for rows in on.values()) for name, on in loads.items()}
    able = sorted(name for name, load in usual.items() if 10 <= load <= 80)
    rng = random.Random("sessions")
    chosen = rng.sample(able, min(places, len(able)))
    days = []
    for name in chosen:
        manner = Manner(late_start=5, pause=2, early=rng.choice((0.1, 0.5, 0.9)))
        # As many doctors as have four fifths of their hours full on the median day.
        minutes = sum(took for _, _, took in lengths) / len(lengths) + manner.pause
        count = max(1, round(usual[name] * 0.8 * minutes / (480 * 0.8)))
        for on, rows in sorted(loads[name].items()):
            if len(rows) <= 1.5 * usual[name]:
                days.append(_session(name, on, rows, count, lengths, rng))
                _play(days[-1], manner, rng)
    return days


def hard_days(*, days: int) -> list[Day]:
    """Three doctors, walk-ins for anyone, lengths of two kinds, late starts, interruptions."""
    rng = random.Random("hard")
    manner = Manner(late_start=25, pause=3, early=0.5, pace=0.2, interrupted=0.08)
    made = []
    for number in range(days):
        on = date(2026, 1, 5) + timedelta(days=number)
        doctors = ["A", "B", "C"]
        day = Day("hard", dict.fromkeys(doctors, _at(on, _OPENS)))
        for doctor in doctors:
            for due in _grid(on, 20):
                if rng.random() < 0.72:
                    day.visits.append(
                        _booked(doctor, ("mixed", 20, _two_kinds(rng)), due, 0.1, rng)
                    )
        for _ in range(14):
            arrived = _at(on, _OPENS) + timedelta(minutes=rng.uniform(-10, 470))
            anyone = rng.random() < 0.7
            visit = Visit("" if anyone else rng.choice(doctors), "mixed", 20, None, arrived)
            visit.lasts, visit.is_urgent = _two_kinds(rng), rng.random() < 0.15
            day.visits.append(visit)
        _play(day, manner, rng)
        made.append(day)
    return made


def _two_kinds(rng: random.Random) -> float:
    return max(2.0, rng.gauss(8, 2) if rng.random() < 0.7 else rng.gauss(35, 7))


def _lengths(path: Path) -> list[tuple[str, float, float]]:
    """Kind, booked minutes (the kind's median, in fives) and length of ambulatory encounters."""
    kinds: dict[str, list[float]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            start, end = (datetime.fromisoformat(row["period"][key]) for key in ("start", "end"))
            took = (end - start).total_seconds() / 60
            if row["class"]["code"] == "AMB" and took <= 75:
                kinds[row["type"][0]["text"]].append(took)
    return [
        (kind, 5.0 * max(1, round(median(all_took) / 5)), took)
        for kind, all_took in sorted(kinds.items())
        for took in all_took
    ]


def _session(
    name: str,
    on: date,
    rows: list[dict[str, str]],
    count: int,
    lengths: list[tuple[str, float, float]],
    rng: random.Random,
) -> Day:
    doctors = [f"{name} {number}" for number in range(count)]
    day = Day(name, dict.fromkeys(doctors, _at(on, _OPENS)))
    ahead = []
    for row in sorted(rows, key=lambda row: int(row["AppointmentID"])):
        asked = datetime.fromisoformat(row["ScheduledDay"]).replace(tzinfo=UTC)
        if asked.date() < on:
            ahead.append(row["No-show"] == "Yes")
        elif row["No-show"] == "No" and time(7) <= asked.time() <= time(16):
            kind, minutes, took = rng.choice(lengths)
            day.visits.append(Visit("", kind, minutes, None, asked, took))
    each = max(1, -(-len(ahead) // count))
    for nth, stays_away in enumerate(ahead):
        dues = list(_grid(on, 480 / each))
        due = dues[min(nth // count, len(dues) - 1)]
        visit = _booked(doctors[nth % count], rng.choice(lengths), due, 0.0, rng)
        if stays_away:
            visit.arrived = None
        day.visits.append(visit)
    return day


def _booked(
    doctor: str,
    length: tuple[str, float, float],
    due: datetime,
    stays_away: float,
    rng: random.Random,
) -> Visit:
    kind, minutes, took = length
    arrived = due + timedelta(minutes=rng.gauss(-12, 11))
    came = rng.random() >= stays_away
    return Visit(doctor, kind, minutes, due, arrived if came else None, took)


def _grid(on: date, minutes: float) -> Iterator[datetime]:
    for opens, closes in ((_OPENS, _NOON), (_BACK, _CLOSES)):
        at = _at(on, opens)
        while at < _at(on, closes):
            yield at
            at += timedelta(minutes=minutes)


def _at(on: date, wall: time) -> datetime:
    return datetime.combine(on, wall, UTC)


def _play(day: Day, manner: Manner, rng: random.Random) -> None:
    """Let the doctors see everybody who came, in the order of the queue."""
    waiting = sorted(
        (visit for visit in day.visits if visit.arrived), key=lambda visit: visit.order
    )
    for visit in waiting:
        visit.is_seen_early = rng.random() < manner.early
    pace = {doctor: rng.lognormvariate(0, manner.pace) for doctor in day.opens}
    ready = {
        doctor: opens + timedelta(minutes=rng.expovariate(1 / manner.late_start))
        for doctor, opens in day.opens.items()
    }
    now = min([*ready.values(), *(visit.arrived for visit in waiting if visit.arrived)])
    end = now + timedelta(hours=16)
    while waiting and now < end:
        for doctor, moment in ready.items():
            if moment > now:
                continue
            first = next(
                (v for v in waiting if v.arrived and v.arrived <= now and v.doctor in {"", doctor}),
                None,
            )
            if first is None or not _is_begun(first, now):
                continue
            waiting.remove(first)
            first.started, first.served_by = now, doctor
            first.done = now + timedelta(minutes=first.lasts * pace[doctor])
            gap = rng.lognormvariate(0, 0.6) * manner.pause
            if rng.random() < manner.interrupted:
                gap += rng.uniform(8, 20)
            ready[doctor] = first.done + timedelta(minutes=gap)
        now += _STEP


def _is_begun(visit: Visit, now: datetime) -> bool:
    return visit.due is None or visit.due <= now or visit.is_urgent or visit.is_seen_early
