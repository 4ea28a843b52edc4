"""Free times by day and doctor, as many as can be looked at."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Final
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django.urls import reverse

from appointments.selectors.booking import Offer
from appointments.selectors.slots import Slot, slots_find
from core import clock
from dashboard.access import Desk
from dashboard.forms.free import MORNING, Question

_DAYS: Final = 4
_DOCTORS_A_DAY: Final = 8
_TIMES: Final = 5
#: Where one doctor was asked for, the whole day is shown.
_TIMES_OF_ONE: Final = 60
#: Days looked at; the next stretch when a stretch has nothing, each twice as long as the last.
_STRETCH: Final = 4
_MOST_SLOTS: Final = 10_000
_WITHOUT_SERVICE: Final = 30
_NOON: Final = time(12)
#: A doctor at a place.
_Where = tuple[UUID, UUID | None]


@dataclass(frozen=True, slots=True)
class FreeTime:
    """One start, on the clock of its place, and the address of its sheet; `value` in a form."""

    local: datetime
    href: str
    value: str


@dataclass(frozen=True, slots=True)
class FreeDoctor:
    """A doctor's first free times of a day at one place; `more` are not shown."""

    id: UUID
    name: str
    location: str
    times: list[FreeTime]
    more: int


@dataclass(frozen=True, slots=True)
class FreeDay:
    """Doctors with free times, the earliest first; `more` doctors are not shown."""

    day: date
    doctors: list[FreeDoctor]
    more: int


@dataclass(frozen=True, slots=True)
class FreeDays:
    """`later` is the day to look on from; None past the clinic's horizon."""

    days: list[FreeDay] = field(default_factory=list)
    later: date | None = None


def free_days(desk: Desk, offer: Offer, asked: Question) -> FreeDays:
    """The first days with free times that fit, in one statement where the next days have any."""
    doctors = [one.id for one in offer.doctors if asked.doctor in {None, one.id}]
    if not doctors:
        return FreeDays()
    zone = ZoneInfo(desk.clinic.timezone)
    last = clock.now().astimezone(zone).date() + timedelta(days=desk.clinic.horizon_days)
    first, stretch = asked.first, _STRETCH
    while first <= last:
        end = first + timedelta(days=stretch)
        found = slots_find(
            clinics=[desk.clinic.id],
            doctors=doctors,
            start=max(_midnight(first, zone), clock.now()),
            end=_midnight(end, zone),
            location=asked.location,
            service=asked.service.id if asked.service is not None else None,
            minutes=asked.minutes or (None if asked.service is not None else _WITHOUT_SERVICE),
            mode=asked.mode,
            patient_rules=False,
            limit=_MOST_SLOTS,
        )
        days = _by_day(desk, offer, asked, found)
        if days:
            shown = days[:_DAYS]
            later = shown[-1].day + timedelta(days=1) if len(days) > _DAYS else end
            return FreeDays(shown, later if later <= last else None)
        first, stretch = end, stretch * 2
    return FreeDays()


def _by_day(desk: Desk, offer: Offer, asked: Question, slots: Iterable[Slot]) -> list[FreeDay]:
    by_day: dict[date, dict[_Where, list[tuple[datetime, Slot]]]] = {}
    zones: dict[str, ZoneInfo] = {}
    for slot in slots:
        zone = zones.get(slot.timezone) or zones.setdefault(slot.timezone, ZoneInfo(slot.timezone))
        local = slot.starts_at.astimezone(zone)
        if _fits(local, asked):
            of_day = by_day.setdefault(local.date(), {})
            of_day.setdefault((slot.doctor, slot.location), []).append((local, slot))
    return [
        FreeDay(
            day,
            [
                _doctor(desk, offer, asked, where, times)
                for where, times in list(of_day.items())[:_DOCTORS_A_DAY]
            ],
            max(0, len(of_day) - _DOCTORS_A_DAY),
        )
        for day, of_day in sorted(by_day.items())
    ]


def _fits(local: datetime, asked: Question) -> bool:
    if asked.weekdays and local.isoweekday() not in asked.weekdays:
        return False
    return not asked.part or (local.time() < _NOON) == (asked.part == MORNING)


def _doctor(
    desk: Desk,
    offer: Offer,
    asked: Question,
    where: _Where,
    times: list[tuple[datetime, Slot]],
) -> FreeDoctor:
    doctor, place = offer.doctor(where[0]), offer.location(where[1])
    base = reverse("desk-book", args=[desk.clinic.slug])
    shown = []
    most = _TIMES if asked.doctor is None else _TIMES_OF_ONE
    for local, slot in times[:most]:
        wanted = {
            "doctor": where[0],
            "starts_at": local.isoformat(),
            "location": slot.location,
            "service": slot.service,
            "mode": asked.mode,
            "patient": asked.patient,
        }
        given = {name: value for name, value in wanted.items() if value}
        value = f"{slot.doctor}|{slot.location or ''}|{slot.starts_at.isoformat()}"
        shown.append(FreeTime(local.replace(tzinfo=None), f"{base}?{urlencode(given)}", value))
    return FreeDoctor(
        where[0],
        doctor.display_name if doctor is not None else "",
        place.name if place is not None and len(offer.locations) > 1 else "",
        shown,
        max(0, len(times) - most),
    )


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)
