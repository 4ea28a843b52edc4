"""The pair search as one would write it first: load with the ORM, put it together in Python.

Honest: a query for each table, only of the clinicians that fit, and it stops when the page is full.
It knows what the measurement's data has: hours, claims, leave and caps; no other exceptions.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from appointments.models import Appointment, BusyTime
from clinics.models import Doctor, ScheduleTemplate
from core import clock

SESSION, WINDOW = timedelta(minutes=90), timedelta(days=30)

#: The clinician and the place, and the first pairs there.
Row = tuple[UUID, UUID, list[tuple[datetime, datetime]]]


def naive_page(clinic: UUID, region: str, insurance: str, *, limit: int) -> list[Row]:
    """The first clinicians that have pairs, in scope."""
    now = clock.now()
    doctors = [
        doctor
        for doctor in Doctor.objects.filter(is_active=True).order_by("id")
        if doctor.profession == "PSYCHOLOGIST"
        and region in doctor.licensed_regions
        and insurance in doctor.accepted_insurances
    ]
    hours = defaultdict(list)
    for template in ScheduleTemplate.objects.filter(
        clinic=clinic, doctor__in=doctors
    ).select_related("location"):
        hours[template.doctor_id].append(template)
    busy = defaultdict(list)
    for claim in BusyTime.objects.filter(
        doctor__in=doctors, period__overlap=(now, now + WINDOW + timedelta(days=1))
    ):
        busy[claim.doctor_id].append((claim.period.lower, claim.period.upper))
    visits = defaultdict(list)
    for doctor_id, at in Appointment.objects.filter(
        doctor__in=doctors, starts_at__gt=now - timedelta(days=8), starts_at__lt=now + 2 * WINDOW
    ).values_list("doctor_id", "starts_at"):
        visits[doctor_id].append(at)
    page: list[Row] = []
    for doctor in doctors:
        places = _free(doctor, hours[doctor.id], sorted(busy[doctor.id]), visits[doctor.id], now)
        found = [
            (pairs[0], place, pairs[:3])
            for place, days in places.items()
            if (pairs := list(_paired(doctor, days, visits[doctor.id])))
        ]
        if found:
            _, (place, _zone), pairs = min(found)
            page.append((doctor.id, place, pairs))
        if len(page) == limit:
            break
    return page


def _free(
    doctor: Doctor,
    hours: list[ScheduleTemplate],
    busy: list[tuple[datetime, datetime]],
    visits: list[datetime],
    now: datetime,
) -> dict[tuple[UUID, str], dict[date, datetime]]:
    """The first free start of each day, by place."""
    places: dict[tuple[UUID, str], dict[date, datetime]] = defaultdict(dict)
    for template in hours:
        zone = ZoneInfo(template.location.timezone)
        days, weeks = _counts(visits, zone)
        today = now.astimezone(zone).date()
        for number in range(32):
            day = today + timedelta(days=number)
            if day.isoweekday() != template.weekday:
                continue
            if _full(doctor.max_daily_appointments, days[day]):
                continue
            if _full(doctor.max_weekly_appointments, weeks[day.isocalendar()[:2]]):
                continue
            start = datetime.combine(day, template.start_time, tzinfo=zone)
            end = datetime.combine(day, template.end_time, tzinfo=zone)
            while start + SESSION <= end:
                if now <= start < now + WINDOW and not any(
                    since < start + SESSION and until > start for since, until in busy
                ):
                    of_place = places[template.location_id, template.location.timezone]
                    of_place[day] = min(start, of_place.get(day, start))
                    break
                start += timedelta(minutes=template.slot_minutes)
    return places


def _paired(
    doctor: Doctor, days: dict[date, datetime], visits: list[datetime]
) -> Iterator[tuple[datetime, datetime]]:
    for day in sorted(days):
        _, weeks = _counts(visits, days[day].tzinfo)
        for apart in range(1, 8):
            other = day + timedelta(days=apart)
            week = day.isocalendar()[:2]
            if other in days and not (
                week == other.isocalendar()[:2]
                and _full(doctor.max_weekly_appointments, weeks[week] + 1)
            ):
                yield days[day], days[other]
                break


def _counts(visits: list[datetime], zone: Any) -> tuple[Counter[date], Counter[tuple[int, int]]]:
    days = Counter(at.astimezone(zone).date() for at in visits)
    weeks: Counter[tuple[int, int]] = Counter()
    for day, count in days.items():
        weeks[day.isocalendar()[:2]] += count
    return days, weeks


def _full(cap: int | None, count: int) -> bool:
    return cap is not None and count >= cap
