"""From what was read to the columns of a board."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from appointments.lifecycle import MOVABLE
from appointments.models import AppointmentStatus, Claim, Priority
from appointments.selectors.day import Busy, DayVisit, Hours, Span, local_day
from appointments.selectors.slots import Slot
from clinics.branding import service_class
from clinics.models import Doctor, VisitMode
from clinics.selectors.directory import doctors_besides
from dashboard.access import Desk
from dashboard.board import Board, Calendar, Card, Choice, Column, Free, Shade, calendar_read
from dashboard.listing import NOBODY
from dashboard.scale import Scale, lanes, scale_of

#: Shown as hints only; longer lists of free times say nothing more.
_MAX_FREE = 200


@dataclass(frozen=True, slots=True)
class Frame:
    """What all columns of a board share."""

    desk: Desk
    scale: Scale
    zone: tzinfo
    choice: Choice
    places: Mapping[UUID, str]


def day_board(
    desk: Desk,
    choice: Choice,
    day: date,
    zone: str,
    *,
    places: Mapping[UUID, str],
) -> Board:
    """One local day: a column for each doctor."""
    start, end = local_day(day, zone)
    found = calendar_read(desk, choice, start, end)
    frame = Frame(desk, scale_of(start, end, found.spans()), ZoneInfo(zone), choice, places)
    columns = [
        _column(frame, found, doctor, key=f"d{doctor.id}", title=doctor.display_name)
        for doctor in (*choice.doctors, *doctors_besides(choice.doctors, found.visits))
    ]
    columns.sort(key=lambda column: column.is_absent)  # who is not in stands at the end
    return Board(tuple(columns), frame.scale)


def week_board(
    desk: Desk, choice: Choice, monday: date, zone: str, *, places: Mapping[UUID, str]
) -> Board:
    """Seven local days of one doctor: a column for each day, all over the same hours."""
    start, end = local_day(monday, zone, days=7)
    found = calendar_read(desk, choice, start, end)
    (doctor,) = choice.doctors
    days = [
        (monday + timedelta(days=n), *local_day(monday + timedelta(days=n), zone)) for n in range(7)
    ]
    scales = [scale_of(opens, closes, found.spans()) for _day, opens, closes in days]
    first, last = min(one.first for one in scales), max(one.last for one in scales)
    columns = []
    for (day, opens, closes), scale in zip(days, scales, strict=True):
        frame = Frame(desk, replace(scale, first=first, last=last), ZoneInfo(zone), choice, places)
        columns.append(
            _column(
                frame,
                _within(found, doctor.id, opens, closes),
                doctor,
                key=f"w{day}",
                title=date_format(day, "D j M"),
                address=reverse("desk-day", kwargs={"slug": desk.clinic.slug, "day": day}),
            )
        )
    start_scale = replace(scales[0], first=first, last=last)
    return Board(tuple(columns), start_scale)


def _within(found: Calendar, doctor: UUID, start: datetime, end: datetime) -> Calendar:
    def cut(rows: Mapping[UUID, list[Any]], begin: str, stop: str) -> dict[UUID, list[Any]]:
        return {
            doctor: [
                row
                for row in rows.get(doctor, ())
                if getattr(row, begin) < end and getattr(row, stop) > start
            ]
        }

    return Calendar(
        hours=cut(found.hours, "opens", "closes"),
        busy=cut(found.busy, "busy_from", "busy_to"),
        visits=cut(found.visits, "starts_at", "ends_at"),
        free={
            doctor: [slot for slot in found.free.get(doctor, ()) if start <= slot.starts_at < end]
        },
        tokens=found.tokens,
    )


def _column(
    frame: Frame, found: Calendar, doctor: Doctor, *, key: str, title: str, address: str = ""
) -> Column:
    hours = found.hours.get(doctor.id, [])
    visits = [
        visit
        for visit in found.visits.get(doctor.id, ())
        if visit.status != AppointmentStatus.CANCELLED
    ]
    cards = _cards(frame, visits, found.tokens)
    free = _free(frame, doctor, found.free.get(doctor.id, []), visits)
    items: list[Card | Free] = sorted([*cards, *free], key=lambda item: item.minute)
    slug = frame.desk.clinic.slug
    week = reverse("desk-week", kwargs={"slug": slug, "day": _monday(frame)})
    column = Column(
        key=key,
        doctor=doctor.id,
        title=title,
        note=_note(frame, hours),
        address=address or f"{week}?doctor={doctor.id}",
        start=int(frame.scale.start.timestamp()),
        step=min((one.step for one in hours), default=15),
        shades=tuple(_shades(frame, hours, found.busy.get(doctor.id, []), visits)),
        items=tuple(items),
        visits=len(cards),
        is_absent=not hours and not cards,
    )
    return replace(column, stamp=_stamp(column))


def _stamp(column: Column) -> str:
    text = f"{get_language()}{column!r}"
    return hashlib.blake2s(text.encode(), digest_size=6).hexdigest()


def _monday(frame: Frame) -> date:
    day = frame.scale.start.astimezone(frame.zone).date()
    return day - timedelta(days=day.weekday())


def _note(frame: Frame, hours: list[Hours]) -> str:
    """Where the doctor works that day, or that they do not."""
    if not hours:
        return _("not in")
    if len(frame.places) < 2:
        return ""
    names = dict.fromkeys(frame.places.get(one.location, "") for one in hours)
    return ", ".join(name for name in names if name)


def _cards(frame: Frame, visits: list[DayVisit], tokens: Mapping[UUID, str]) -> list[Card]:
    scale, zone = frame.scale, frame.zone
    slug = frame.desk.clinic.slug
    states = {status.value: str(status.label) for status in AppointmentStatus}
    modes = {mode.value: str(mode.label) for mode in VisitMode}
    head, tail = reverse("desk-visit", kwargs={"slug": slug, "visit_id": NOBODY}).split(str(NOBODY))
    spread = lanes([(visit.starts_at, visit.ends_at) for visit in visits])
    cards = []
    for visit, (lane, of) in zip(visits, spread, strict=True):
        share = f" lane-{lane} of-{of}" if of > 1 else ""
        cards.append(
            Card(
                id=visit.id,
                place=f"{scale.place(visit.starts_at, visit.ends_at)}{share}",
                minute=scale.minutes(visit.starts_at),
                time=f"{visit.starts_at.astimezone(zone):%H:%M}",
                name=visit.patient_name,
                service=visit.service_name or "",
                service_class=service_class(visit.service) if visit.service else "",
                status=visit.status,
                state=states[visit.status],
                mode="" if visit.type == VisitMode.IN_PERSON else visit.type,
                mode_label="" if visit.type == VisitMode.IN_PERSON else modes[visit.type],
                urgent=visit.priority in {Priority.HIGH, Priority.URGENT},
                token=tokens.get(visit.id, ""),
                version=visit.version,
                movable=visit.status in MOVABLE,
                address=f"{head}{visit.id}{tail}",
            )
        )
    return cards


def _free(frame: Frame, doctor: Doctor, slots: list[Slot], visits: list[DayVisit]) -> list[Free]:
    """Free starts that do not lie upon one another: of a long service one of the overlapping."""
    scale, zone = frame.scale, frame.zone
    base = reverse("desk-book", kwargs={"slug": frame.desk.clinic.slug})
    taken = {visit.starts_at for visit in visits}
    found: list[Free] = []
    for slot in slots[:_MAX_FREE]:
        if slot.starts_at in taken:  # room for one more of a group: its card leads there
            continue
        wanted = {"doctor": doctor.id, "starts_at": slot.starts_at.astimezone(zone).isoformat()}
        if slot.location:
            wanted["location"] = slot.location
        if slot.service:
            wanted["service"] = slot.service
        found.append(
            Free(
                place=scale.place(slot.starts_at, slot.ends_at),
                minute=scale.minutes(slot.starts_at),
                time=f"{slot.starts_at.astimezone(zone):%H:%M}",
                address=f"{base}?{urlencode(wanted)}",
                remaining=slot.remaining,
            )
        )
    return found


def _shades(
    frame: Frame, hours: list[Hours], busy: list[Busy], visits: list[DayVisit]
) -> list[Shade]:
    """From the back to the front."""
    scale, zone = frame.scale, frame.zone
    found = []
    several = len({one.location for one in hours}) > 1
    for one in hours:
        place = frame.places.get(one.location, "") if several else ""
        found.append(Shade("open", scale.place(one.opens, one.closes), place))
    for one in hours:
        bounds = (one.opens, one.closes)
        found += [
            Shade("closed", scale.place(*cut), _("Closed")) for cut in _cut(one.closed, bounds)
        ]
    for claim in busy:
        span = (claim.starts, claim.ends)
        match claim.kind:
            case Claim.HELD:
                until = claim.expires_at.astimezone(zone) if claim.expires_at else None
                text = _("Held until %(time)s") % {"time": f"{until:%H:%M}"} if until else _("Held")
                found.append(Shade("held", scale.place(*span), text))
            case Claim.BLOCKED:
                found.append(Shade("leave", scale.place(*span), _("Leave")))
            case "BUSY":
                found.append(Shade("elsewhere", scale.place(*span), _("Busy elsewhere")))
    for visit in visits:
        if visit.status in {AppointmentStatus.NO_SHOW, AppointmentStatus.COMPLETED}:
            continue
        before = timedelta(minutes=visit.buffer_before or 0)
        after = timedelta(minutes=visit.buffer_after or 0)
        if before:
            found.append(Shade("buffer", scale.place(visit.starts_at - before, visit.starts_at)))
        if after:
            found.append(Shade("buffer", scale.place(visit.ends_at, visit.ends_at + after)))
    return found


def _cut(spans: tuple[Span, ...], bounds: Span) -> list[Span]:
    start, end = bounds
    return [(max(from_, start), min(to, end)) for from_, to in spans if from_ < end and to > start]
