"""Fills the doctors' diaries: which visits there are, when, and of whom."""

import math
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from appointments.demo.places import Employed, OpenClinic, Stage
from appointments.demo.shapes import IN_PERSON, HoursSpec
from clinics.models import Patient, ScheduleException, Service

WEEKS = 3
_MIDNIGHT = time(0)
# How full the days are: the past, and the first, second and third week to come.
_FILL_PAST, _FILL_AHEAD = 0.68, (0.66, 0.62, 0.55)
# The first doctor's hours around the moment of loading are booked through, so that somebody is
# being treated, waiting and on the way.
_BUSY_BEFORE, _BUSY_AFTER = timedelta(minutes=150), timedelta(minutes=180)


@dataclass(slots=True)
class Planned:
    """One visit in a diary. `status` is set where the demonstration needs a certain one."""

    clinic: OpenClinic
    doctor: Employed
    hours: HoursSpec
    service: Service
    mode: str
    starts_at: datetime
    day: date
    status: str = ""
    patient: Patient | None = None
    is_own: bool = False

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.service.duration_minutes)


@dataclass(frozen=True, slots=True)
class _Window:
    hours: HoursSpec
    day: date
    opens: datetime
    closes: datetime


def diary_filled(stage: Stage, *, now: datetime) -> list[Planned]:
    """Every visit of three weeks back and three ahead, in order, without patients."""
    plans: list[Planned] = []
    for number, employed in enumerate(stage.doctors):
        plans += _diary_of(stage, employed, now, is_first=number == 0)
    return sorted(plans, key=lambda plan: (plan.starts_at, plan.doctor.spec.email))


def _diary_of(
    stage: Stage, employed: Employed, now: datetime, *, is_first: bool
) -> Iterator[Planned]:
    spec = employed.spec
    today = now.astimezone(stage.clinics[spec.clinics[0][0]].zone).date()
    weekly: dict[tuple[int, int], int] = defaultdict(int)
    for offset in range(-7 * WEEKS, 7 * WEEKS + 1):
        day = today + timedelta(days=offset)
        # A generator for each day: the hour of loading changes today's diary and no other.
        rng = random.Random(f"{today}:{spec.email}:{day}")  # noqa: S311 - not a secret
        fill = _FILL_PAST if offset <= 0 else _FILL_AHEAD[(offset - 1) // 7]
        in_day = 0
        week = day.isocalendar()[:2]
        for window in _windows(stage, employed, day):
            rush = (now - _BUSY_BEFORE, now + _BUSY_AFTER) if is_first and not offset else None
            for plan in _placed(stage, employed, window=window, rng=rng, fill=fill, rush=rush):
                if spec.daily_cap is not None and in_day >= spec.daily_cap:
                    break
                if spec.weekly_cap is not None and weekly[week] >= spec.weekly_cap:
                    break
                in_day += 1
                weekly[week] += 1
                yield plan


def _windows(stage: Stage, employed: Employed, day: date) -> Iterator[_Window]:
    """The doctor's open hours of a local day, as instants."""
    special = [
        (hours, [(exception.start_time or _MIDNIGHT, exception.end_time or _MIDNIGHT)])
        for hours, exception in employed.special
        if exception.start_date == day
    ]
    replaced = {(hours.clinic, hours.location) for hours, _ in special}
    weekly = [
        (hours, list(hours.shifts))
        for hours in employed.spec.hours
        if day.isoweekday() in hours.weekdays and (hours.clinic, hours.location) not in replaced
    ]
    for hours, shifts in special + weekly:
        clinic = stage.clinics[hours.clinic]
        for start, end in shifts:
            opens = datetime.combine(day, start, clinic.zone).astimezone(UTC)
            last = day + timedelta(days=1) if end == _MIDNIGHT else day
            closes = datetime.combine(last, end, clinic.zone).astimezone(UTC)
            if not any(
                _covers(exception, day, start) for exception in [*clinic.closed, *employed.away]
            ):
                yield _Window(hours, day, opens, closes)


def _covers(exception: ScheduleException, day: date, start: time) -> bool:
    return exception.start_date <= day <= exception.end_date and (
        exception.start_time is None or start >= exception.start_time
    )


def _placed(
    stage: Stage,
    employed: Employed,
    *,
    window: _Window,
    rng: random.Random,
    fill: float,
    rush: tuple[datetime, datetime] | None,
) -> Iterator[Planned]:
    """Visits on the grid of the hours, with their buffers free around them."""
    clinic = stage.clinics[window.hours.clinic]
    offered = [clinic.services[name] for name in window.hours.services]
    step = timedelta(minutes=window.hours.slot_minutes)
    at, free_from = window.opens, window.opens
    while at < window.closes:
        rushing = rush is not None and rush[0] <= at < rush[1]
        fitting = [
            service
            for service in offered
            if at + timedelta(minutes=service.duration_minutes) <= window.closes
            and at - timedelta(minutes=service.buffer_before_minutes) >= free_from
            and set(service.modes) & set(window.hours.modes)
            and not (rushing and (service.buffer_after_minutes or IN_PERSON not in service.modes))
        ]
        if not fitting:
            at += step
            continue
        service = rng.choice(fitting)
        taken = timedelta(minutes=service.duration_minutes + service.buffer_after_minutes)
        steps = math.ceil(taken / step)
        # Chosen with this probability, visits of so many steps fill that part of the day.
        wanted = rng.random() < fill / (steps * (1 - fill) + fill)
        if not (wanted or rushing):
            at += step
            continue
        modes = [mode for mode in service.modes if mode in window.hours.modes]
        mode = modes[0] if rushing or rng.random() < 0.75 else rng.choice(modes)
        for place in range(min(window.hours.capacity, service.capacity or window.hours.capacity)):
            if place == 0 or rng.random() < 0.6:
                yield Planned(clinic, employed, window.hours, service, mode, at, window.day)
        free_from = at + taken
        at += steps * step


def patients_assigned(plans: list[Planned], charts: dict[str, list[Patient]]) -> None:
    """Give every visit a patient who has no other at that time, drawn evenly."""
    busy: dict[object, list[tuple[datetime, datetime]]] = defaultdict(list)
    for plan in plans:
        if plan.patient is not None:
            busy[plan.patient.id].append((plan.starts_at, plan.ends_at))
    rng = random.Random("assigned")  # noqa: S311 - not a secret
    for plan in plans:
        if plan.patient is not None:
            continue
        people = charts[plan.clinic.spec.slug]
        while plan.patient is None:
            # The first two charts are the account's family: they have their own visits.
            patient = people[rng.randrange(2, len(people))]
            times = busy[patient.id]
            if all(end <= plan.starts_at or start >= plan.ends_at for start, end in times):
                plan.patient = patient
                times.append((plan.starts_at, plan.ends_at))
