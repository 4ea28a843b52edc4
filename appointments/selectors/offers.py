"""What a clinic offers to patients: who does what, and a week of free times."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Exists, OuterRef, Q, QuerySet

from appointments.selectors.slots import MAX_DOCTORS, Slot, slots_find, slots_next
from clinics.models import (
    Clinic,
    Doctor,
    ExceptionKind,
    Location,
    ScheduleException,
    ScheduleTemplate,
    Service,
)
from clinics.selectors.directory import doctors_of_clinic
from core import clock

WEEK = timedelta(days=7)
#: Free starts read for a week. With more than these the week ends earlier.
_MOST = 5000


@dataclass(slots=True)
class Offer:
    """A start at a place, and with whom. `zone_name` (CEST) tells apart a local time that comes
    twice that day; empty otherwise."""

    starts_at: datetime
    timezone: str
    location: UUID
    doctors: list[UUID]
    zone_name: str = ""


@dataclass(slots=True)
class Day:
    """A local day with its free starts, earliest first."""

    date: date
    offers: list[Offer] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Week:
    """Seven days from `first`. `earlier` and `later` are the first days of the weeks around it."""

    first: date
    days: list[Day]
    earlier: date | None
    later: date | None

    @property
    def is_empty(self) -> bool:
        return not any(day.offers for day in self.days)

    @property
    def last(self) -> date:
        return self.days[-1].date


@dataclass(frozen=True, slots=True)
class Wish:
    """Which times are looked for. `doctors` at most `MAX_DOCTORS`; without `location`: anywhere."""

    clinic: Clinic
    service: Service
    doctors: Sequence[UUID]
    location: UUID | None
    mode: str
    moving: UUID | None = None


def services_offered(clinic: Clinic) -> QuerySet[Service]:
    """What patients may book there themselves."""
    return Service.objects.filter(clinic=clinic, is_active=True, is_public=True).order_by("name")


def locations_offered(clinic: Clinic) -> QuerySet[Location]:
    """The places that are open."""
    return Location.objects.filter(clinic=clinic, is_active=True).order_by("name")


def doctors_offering(clinic: Clinic, service: Service | None = None) -> list[Doctor]:
    """Who has hours in the clinic (for the service), by name; at most `MAX_DOCTORS`."""
    today = clock.now().date() - timedelta(days=1)
    hours = ScheduleTemplate.objects.filter(
        Q(valid_to=None) | Q(valid_to__gte=today), clinic=clinic, doctor=OuterRef("pk")
    )
    if service is not None:
        hours = hours.filter(Q(services=None) | Q(services=service))
    further = ScheduleException.objects.filter(
        clinic=clinic, doctor=OuterRef("pk"), kind=ExceptionKind.HOURS, end_date__gte=today
    )
    found = doctors_of_clinic(clinic.id).filter(Exists(hours) | Exists(further))
    return list(found.order_by("display_name", "id")[:MAX_DOCTORS])


def week_find(wish: Wish, *, first: date, zone: ZoneInfo) -> Week:
    """The free starts of seven days. Before today there are none, nor past the horizon."""
    today = clock.now().astimezone(zone).date()
    horizon = today + timedelta(days=_horizon(wish))
    first = min(max(first, today), horizon)
    start, end = _midnight(first, zone), _midnight(first + WEEK, zone)
    found = slots_find(
        clinics=[wish.clinic.id],
        doctors=wish.doctors,
        start=start,
        end=end,
        location=wish.location,
        service=wish.service.id,
        mode=wish.mode,
        patient_rules=True,
        moving=wish.moving,
        limit=_MOST,
    )
    days = {
        first + timedelta(days=number): Day(first + timedelta(days=number)) for number in range(7)
    }
    later: date | None = first + WEEK
    if len(found) == _MOST:  # the last day may be cut in two: the next page begins with it
        later = _local_day(found[-1])
        found = [slot for slot in found if _local_day(slot) < later] or found
        days = {day: row for day, row in days.items() if day < later} or days
    for slot in found:
        day = days.setdefault(_local_day(slot), Day(_local_day(slot)))
        last = day.offers[-1] if day.offers else None
        if last and (last.starts_at, last.location) == (slot.starts_at, slot.location):
            last.doctors.append(slot.doctor)
        elif slot.location is not None:
            day.offers.append(Offer(slot.starts_at, slot.timezone, slot.location, [slot.doctor]))
    for day in days.values():
        _name_what_comes_twice(day)
    return Week(
        first=first,
        days=[days[day] for day in sorted(days)],
        earlier=max(first - WEEK, today) if first > today else None,
        later=later if later is not None and later <= horizon else None,
    )


def next_free(wish: Wish, *, after: datetime) -> Slot | None:
    """The earliest free start at or after an instant, as far ahead as is booked."""
    found = slots_next(
        clinics=[wish.clinic.id],
        doctors=wish.doctors,
        start=max(after, clock.now()),
        horizon=timedelta(days=_horizon(wish) + 1),
        location=wish.location,
        service=wish.service.id,
        mode=wish.mode,
        patient_rules=True,
    )
    return found[0] if found else None


def free_with(wish: Wish, starts_at: datetime) -> list[UUID]:
    """The doctors of the wish who are free at exactly that start."""
    found = slots_find(
        clinics=[wish.clinic.id],
        doctors=wish.doctors,
        start=starts_at,
        end=starts_at + timedelta(minutes=1),
        location=wish.location,
        service=wish.service.id,
        mode=wish.mode,
        patient_rules=True,
        moving=wish.moving,
    )
    return [slot.doctor for slot in found if slot.starts_at == starts_at]


def _horizon(wish: Wish) -> int:
    of_service = wish.service.horizon_days
    return wish.clinic.horizon_days if of_service is None else of_service


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(0), tzinfo=zone)


def _local_day(slot: Slot) -> date:
    return slot.starts_at.astimezone(ZoneInfo(slot.timezone)).date()


def _name_what_comes_twice(day: Day) -> None:
    """When clocks go back an hour comes twice; those times need more than their name."""

    def local(offer: Offer) -> datetime:
        return offer.starts_at.astimezone(ZoneInfo(offer.timezone))

    often = Counter((local(offer).time(), offer.location) for offer in day.offers)
    for offer in day.offers:
        if often[local(offer).time(), offer.location] > 1:
            offer.zone_name = local(offer).tzname() or ""
