"""The board: what was read for it, and what stands in each column."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from accounts.roles import Permission
from appointments.models import AppointmentStatus
from appointments.selectors.day import (
    Busy,
    DayVisit,
    Hours,
    Span,
    busy_between,
    free_between,
    hours_between,
    visits_between,
)
from appointments.selectors.slots import Slot
from checkin.selectors.tokens import tokens_of
from clinics.models import Doctor, Location
from dashboard.access import Desk
from dashboard.scale import Scale

T = TypeVar("T", Hours, Busy, DayVisit, Slot)


@dataclass(frozen=True, slots=True)
class Shade:
    """A stretch of a column: open hours, leave, closed, time elsewhere, a hold, a buffer."""

    kind: str
    place: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """A visit on the board. `minute` counts from the day's start."""

    id: UUID
    place: str
    minute: int
    time: str
    name: str
    service: str
    service_class: str
    status: str
    state: str
    mode: str
    mode_label: str
    urgent: bool
    token: str
    version: int
    movable: bool
    address: str


@dataclass(frozen=True, slots=True)
class Free:
    """A start that can be booked, as a link."""

    place: str
    minute: int
    time: str
    address: str
    remaining: int


@dataclass(frozen=True, slots=True)
class Column:
    """One doctor's day. `items` are cards and free times in order; `stamp` is new when any part
    is."""

    key: str
    doctor: UUID
    title: str
    note: str
    address: str
    start: int
    step: int
    shades: tuple[Shade, ...]
    items: tuple[Card | Free, ...]
    visits: int
    is_absent: bool
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class Board:
    """Columns over one scale."""

    columns: tuple[Column, ...]
    scale: Scale

    @property
    def keys(self) -> str:
        return " ".join(column.key for column in self.columns)


@dataclass(frozen=True, slots=True)
class Choice:
    """What the person asked to see.

    `everyone`: no doctor was chosen, so visits count too whose doctor can be booked no more.
    """

    doctors: tuple[Doctor, ...]
    location: Location | None = None
    service: UUID | None = None
    everyone: bool = False


@dataclass(frozen=True, slots=True)
class Calendar:
    """What was read, by doctor; `tokens` by visit, of those who are checked in."""

    hours: Mapping[UUID, list[Hours]]
    busy: Mapping[UUID, list[Busy]]
    visits: Mapping[UUID, list[DayVisit]]
    free: Mapping[UUID, list[Slot]]
    tokens: Mapping[UUID, str] = field(default_factory=dict)

    def spans(self) -> Iterable[Span]:
        """Everything that has to be in sight."""
        for hours in self.hours.values():
            yield from ((one.opens, one.closes) for one in hours)
        for visits in self.visits.values():
            yield from ((one.starts_at, one.ends_at) for one in visits if _stands(one))


def _stands(visit: DayVisit) -> bool:
    return visit.status != AppointmentStatus.CANCELLED


def calendar_read(desk: Desk, choice: Choice, start: datetime, end: datetime) -> Calendar:
    """Hours, claims, visits and free times of the chosen doctors: four statements, and one more
    where somebody is checked in."""
    ids = [doctor.id for doctor in choice.doctors]
    if not (ids or choice.everyone):
        return Calendar({}, {}, {}, {})
    place = choice.location.id if choice.location else None
    clinic = desk.clinic.id
    bookable = [doctor for doctor in ids if desk.may_for(Permission.APPOINTMENT_BOOK, doctor)]
    visits = visits_between(
        by=desk.principal,
        clinic=clinic,
        doctors=None if choice.everyone else ids,
        start=start,
        end=end,
        location=place,
    )
    arrived = [one.id for one in visits if one.status == AppointmentStatus.CHECKED_IN]
    return Calendar(
        hours=_by_doctor(
            hours_between(clinic=clinic, doctors=ids, start=start, end=end, location=place)
        ),
        busy=_by_doctor(busy_between(clinic=clinic, doctors=ids, start=start, end=end)),
        visits=_by_doctor(visits),
        free=_by_doctor(
            free_between(
                clinic=clinic,
                doctors=bookable,
                start=start,
                end=end,
                location=place,
                service=choice.service,
            )
        ),
        tokens=tokens_of(arrived),
    )


def _by_doctor(rows: list[T]) -> dict[UUID, list[T]]:
    found: dict[UUID, list[T]] = defaultdict(list)
    for row in rows:
        found[row.doctor].append(row)
    return found
