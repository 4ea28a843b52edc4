"""What a change of a series would do: which visits go where, which dates are new, which go."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any, TypedDict
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from appointments.models import Appointment, AppointmentSeries
from appointments.recurrence import Rule, instant, parse
from appointments.services import calendar
from appointments.services.context import Plan, plan
from appointments.services.series_dates import (
    Drawn,
    draw,
    horizon_days,
    up_to,
)
from appointments.services.series_scope import (
    InScope,
    Scope,
    next_number,
    require_active,
    require_right,
    visit_day,
)
from clinics.principal import Principal
from core import clock
from core.errors import invalid

#: A visit goes to the nearest day of a new rule when it is at most so far away.
_NEAR = timedelta(days=6)
_RULE = frozenset({"rrule", "end_date", "open_ended"})
_TEXTS = frozenset({"reason", "notes", "priority"})


class SeriesChanges(TypedDict, total=False):
    """What is to be changed; what is left out stays.

    `shift_days` moves each visit by so many days (its weekday). `rrule`, with `end_date` or
    `open_ended`, draws the days anew from the first visit in scope on, which a COUNT counts from;
    those two alone shorten or prolong the series. Rules are not for one visit alone. A new
    `location` without a `room` gives the room up.
    """

    local_time: time
    doctor: UUID
    location: UUID
    room: UUID | None
    duration_minutes: int
    shift_days: int
    reason: str
    notes: str
    priority: str
    rrule: str
    end_date: date | None
    open_ended: bool


@dataclass(frozen=True, slots=True)
class Move:
    """A visit and where it is to go."""

    visit: Appointment
    target: calendar.Visit
    timezone: str


@dataclass(frozen=True, slots=True)
class ChangePlan:
    """The whole of a change. `untouched` are movable visits that stay where they are (and get
    other texts, if `texts`); `series_fields` is how the series itself goes on."""

    in_scope: InScope
    timezone: str
    moves: list[Move] = field(default_factory=list)
    cancels: list[Appointment] = field(default_factory=list)
    untouched: list[Appointment] = field(default_factory=list)
    drawn: Drawn | None = None
    left_out: list[str] = field(default_factory=list)
    series_fields: dict[str, Any] = field(default_factory=dict)
    texts: bool = False


def change_plan(by: Principal, found: InScope, changes: SeriesChanges) -> ChangePlan:
    """Check the change and who makes it, and lay it out. Raises as `series_change`."""
    _check(found, changes)
    others = [changes["doctor"]] if "doctor" in changes else []
    require_right(by, found, *others)
    if not changes.keys() - _TEXTS:
        return ChangePlan(
            found,
            found.series.timezone,
            untouched=found.movable,
            series_fields=_fields(found, changes, None, None),
            texts=True,
        )
    wanted = _plan(found, changes)
    if _RULE & changes.keys():
        return _redrawn(found, changes, wanted)
    moves, untouched = _moves(found.series, found.movable, changes, wanted)
    rule = None
    if changes.get("shift_days") and found.scope != Scope.THIS:
        rule = current_rule(found.series).shifted(changes["shift_days"])
    return ChangePlan(
        found,
        wanted.timezone,
        moves=moves,
        untouched=untouched,
        series_fields=_fields(found, changes, wanted, rule),
        texts=not _TEXTS.isdisjoint(changes),
    )


def current_rule(series: AppointmentSeries) -> Rule:
    """The rule by which the series goes on."""
    return parse(
        series.rrule,
        start=series.start_date,
        end=series.end_date,
        open_ended=series.open_ended,
    )


def _check(found: InScope, changes: SeriesChanges) -> None:
    if not changes:
        raise invalid("non_field", _("Say what is to be changed."))
    if _RULE & changes.keys():
        if found.scope == Scope.THIS:
            raise invalid("rrule", _("One visit has no rule: choose this and following, or all."))
        if "shift_days" in changes:
            raise invalid("shift_days", _("Either shift the visits or give a new rule."))
        require_active(found.series)
    wall = changes.get("local_time")
    if wall is not None and (wall.second or wall.microsecond or wall.tzinfo is not None):
        raise invalid("local_time", _("whole minutes, please"))
    minutes = changes.get("duration_minutes")
    if minutes is not None and not 5 <= minutes <= 720:
        raise invalid("duration_minutes", _("a visit lasts 5 to 720 minutes"))
    if abs(changes.get("shift_days", 0)) > 6:
        raise invalid("shift_days", _("Six days at most, earlier or later."))


def _plan(found: InScope, changes: SeriesChanges) -> Plan:
    """What the visits are to refer to: the series' own, or the one visit's, unless changed."""
    series = found.series
    like: Any = found.anchor if found.scope == Scope.THIS else series
    minutes = changes.get("duration_minutes") or (
        round((like.ends_at - like.starts_at).total_seconds() / 60)
        if found.scope == Scope.THIS
        else series.duration_minutes
    )
    starts_at = clock.now().replace(second=0, microsecond=0)
    newest = found.movable[-1] if found.movable else series
    return plan(
        doctor=changes.get("doctor", like.doctor_id),
        patient=newest.patient_id,
        location=changes.get("location", like.location_id),
        service=series.service_id,
        mode=series.type,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=minutes),
        room=_room(changes, like.room_id),
        clinic=series.clinic_id,
        keep_chart=bool(_RULE & changes.keys()),
    )


def _room(changes: SeriesChanges, present: UUID | None) -> UUID | None:
    if "room" in changes:
        return changes["room"]
    return None if "location" in changes else present


def _moves(
    series: AppointmentSeries,
    visits: Sequence[Appointment],
    changes: SeriesChanges,
    wanted: Plan,
) -> tuple[list[Move], list[Appointment]]:
    """Where each visit goes: what is not changed stays, on whichever day it is."""
    moves, untouched = [], []
    for visit in visits:
        local = visit.starts_at.astimezone(ZoneInfo(visit.timezone))
        zone = wanted.timezone if "location" in changes else visit.timezone
        day = local.date() + timedelta(days=changes.get("shift_days", 0))
        wall = changes["local_time"] if "local_time" in changes else _wall(visit, series)
        same = (day, wall, zone) == (local.date(), local.time(), visit.timezone)
        starts_at = visit.starts_at if same else instant(day, wall, zone)
        move = _move(visit, starts_at, zone, changes, wanted)
        if _goes(move):
            moves.append(move)
        else:
            untouched.append(visit)
    return moves, untouched


def _wall(visit: Appointment, series: AppointmentSeries) -> time:
    """What the clock shows at a visit; the series' own time also where the clocks skip it."""
    local = visit.starts_at.astimezone(ZoneInfo(visit.timezone))
    if instant(local.date(), series.local_time, visit.timezone) == visit.starts_at:
        return series.local_time
    return local.time()


def _move(
    visit: Appointment, starts_at: datetime, zone: str, changes: SeriesChanges, wanted: Plan
) -> Move:
    minutes = changes.get("duration_minutes")
    length = visit.ends_at - visit.starts_at if minutes is None else timedelta(minutes=minutes)
    target = replace(
        wanted.visit,
        starts_at=starts_at,
        ends_at=starts_at + length,
        doctor=changes.get("doctor", visit.doctor_id),
        location=changes.get("location", visit.location_id),
        room=_room(changes, visit.room_id),
        patient=visit.patient_id,
    )
    return Move(visit, target, zone)


def _goes(move: Move) -> bool:
    visit, target = move.visit, move.target
    return (visit.starts_at, visit.ends_at, visit.doctor_id, visit.location_id, visit.room_id) != (
        target.starts_at,
        target.ends_at,
        target.doctor,
        target.location,
        target.room,
    )


def _redrawn(found: InScope, changes: SeriesChanges, wanted: Plan) -> ChangePlan:
    """The days by another rule or another end."""
    series = found.series
    first = _first_day(found)
    open_ended = changes.get("open_ended", changes.get("end_date") is None and series.open_ended)
    end = changes.get("end_date")
    wall = changes.get("local_time", series.local_time)
    horizon = first + timedelta(days=horizon_days(series.clinic_id, series.service_id))
    if "rrule" in changes:
        rule = _new_rule(series, changes["rrule"], first, end, open_ended)
        dates, until = _dates(rule, after=None, horizon=horizon)
        kept, fresh, gone = _matched(found.movable, dates)
    else:
        rule = _other_end(series, first, end, open_ended)
        dates, until = _dates(rule, after=series.booked_until, horizon=horizon)
        last = rule.last
        gone = [one for one in found.movable if last is not None and visit_day(one) > last]
        kept = [(one, None) for one in found.movable if one not in gone]
        fresh = [day for day in dates if day >= first]
        until = max(until, series.booked_until) if last is None else last
    moves, untouched = [], []
    for visit, day in kept:
        if day is None or day == visit_day(visit):
            some, none = _moves(series, [visit], changes, wanted)
        else:
            zone = wanted.timezone if "location" in changes else visit.timezone
            some, none = [_move(visit, instant(day, wall, zone), zone, changes, wanted)], []
        moves += some
        untouched += none
    drawn = draw(
        wanted, rule, fresh, wall, booked_until=until, first=next_number(series) if fresh else 1
    )
    return ChangePlan(
        found,
        wanted.timezone,
        moves=moves,
        cancels=gone,
        untouched=untouched,
        drawn=drawn,
        left_out=rule.left_out,
        series_fields=_fields(found, changes, wanted, rule) | {"booked_until": until},
        texts=not _TEXTS.isdisjoint(changes),
    )


def _first_day(found: InScope) -> date:
    """From which day on the new rule holds: the first visit's that may still be moved."""
    if found.movable:
        return visit_day(found.movable[0])
    return clock.now().astimezone(ZoneInfo(found.series.timezone)).date()


def _new_rule(
    series: AppointmentSeries, text: str, first: date, end: date | None, open_ended: bool
) -> Rule:
    """Without an end of its own the new rule ends when the old one did."""
    ends_itself = "COUNT=" in text.upper() or "UNTIL=" in text.upper()
    if ends_itself:
        open_ended = False
    elif end is None and not open_ended:
        end = series.end_date
    return parse(text, start=first, end=end, open_ended=open_ended)


def _other_end(series: AppointmentSeries, first: date, end: date | None, open_ended: bool) -> Rule:
    """The present rule with another end, from its first date in scope on."""
    if end is None and not open_ended:
        raise invalid("end_date", _("Give the last day."))
    endless = current_rule(series).ending(None)
    start = next(iter(endless.dates(after=first - timedelta(days=1))), first)
    return parse(
        endless.text,
        start=min(start, end) if end is not None and end >= first else start,
        end=end,
        open_ended=open_ended,
    )


def _dates(rule: Rule, *, after: date | None, horizon: date) -> tuple[list[date], date]:
    if rule.open_ended:
        return up_to(rule, after=after, until=horizon)
    dates = rule.dates(after=after)
    return dates, rule.dates()[-1]


def _matched(
    visits: Sequence[Appointment], dates: Sequence[date]
) -> tuple[list[tuple[Appointment, date | None]], list[date], list[Appointment]]:
    """Which visit takes which of the new days; the days without a visit, and visits without a day.

    A visit on one of the days stays there; each other one takes the next free day within `_NEAR`.
    """
    free = set(dates)
    kept: list[tuple[Appointment, date | None]] = []
    left = []
    for visit in visits:
        if visit_day(visit) in free:
            free.discard(visit_day(visit))
            kept.append((visit, visit_day(visit)))
        else:
            left.append(visit)
    days = sorted(free)
    fresh, gone, place = [], [], 0
    for visit in sorted(left, key=visit_day):
        while place < len(days) and days[place] < visit_day(visit) - _NEAR:
            fresh.append(days[place])
            place += 1
        if place < len(days) and days[place] <= visit_day(visit) + _NEAR:
            kept.append((visit, days[place]))
            place += 1
        else:
            gone.append(visit)
    return kept, fresh + days[place:], gone


def _fields(
    found: InScope, changes: SeriesChanges, wanted: Plan | None, rule: Rule | None
) -> dict[str, Any]:
    """How the series itself goes on; nothing of it changes with one visit."""
    if found.scope == Scope.THIS:
        return {}
    series = found.series
    fields: dict[str, Any] = {
        name: changes[name]
        for name in ("local_time", "duration_minutes", "reason", "notes", "priority")
        if name in changes
    }
    if wanted is not None:
        if "doctor" in changes:
            fields["doctor_id"] = wanted.visit.doctor
        if {"location", "room"} & changes.keys():
            fields["location_id"] = wanted.visit.location
            fields["room_id"] = wanted.visit.room
            fields["timezone"] = wanted.timezone
    if rule is not None:
        shifted = rule.start - series.start_date if "shift_days" in changes else timedelta()
        fields |= {
            "rrule": rule.text,
            "start_date": rule.start,
            "end_date": None if rule.open_ended else rule.dates()[-1],
            "open_ended": rule.open_ended,
            "booked_until": series.booked_until + shifted,
        }
    return fields
