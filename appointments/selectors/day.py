"""One clinic's calendar between two instants: everything that a board of columns shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection

from appointments.selectors.appointments import appointments_visible_to
from appointments.selectors.slots import Slot, slots_find
from clinics.principal import Principal
from core import clock
from core.rows import load_instants_fast

Span = tuple[datetime, datetime]
LONGEST_VISIT = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours in which a doctor works at a location; `step` is the length of a slot in minutes.

    `closed` and `leave` are the parts of that day that are shut.
    """

    doctor: UUID
    location: UUID
    opens: datetime
    closes: datetime
    step: int
    closed: tuple[Span, ...]
    leave: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Busy:
    """What takes a doctor's time besides this clinic's visits, from `starts` to `ends`.

    `kind` is HELD or BLOCKED in this clinic, and BUSY for whatever it is in another one.
    """

    doctor: UUID
    kind: str
    busy_from: datetime
    busy_to: datetime
    starts: datetime
    ends: datetime
    claim: UUID | None
    holder: UUID | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class DayVisit:
    """A visit as a card shows it. `version` is what the next change has to name.

    Buffers are minutes, and a service's: None without one.
    """

    id: UUID
    doctor: UUID
    location: UUID | None
    patient: UUID
    given_name: str
    family_name: str
    service: UUID | None
    service_name: str | None
    buffer_before: int | None
    buffer_after: int | None
    type: str
    status: str
    starts_at: datetime
    ends_at: datetime
    priority: str
    version: int

    @property
    def patient_name(self) -> str:
        return f"{self.given_name} {self.family_name}".strip()


_VISIT = (
    "id",
    "doctor_id",
    "location_id",
    "patient_id",
    "patient__given_name",
    "patient__family_name",
    "service_id",
    "service__name",
    "service__buffer_before_minutes",
    "service__buffer_after_minutes",
    "type",
    "status",
    "starts_at",
    "ends_at",
    "priority",
    "version",
)


def local_day(day: date, zone: str, *, days: int = 1) -> Span:
    """The instants at which `day` begins and, `days` local days later, ends; 23 to 25 hours each.

    Where midnight does not exist the day begins when the clocks go on.
    """
    tz = ZoneInfo(zone)

    def begins(on: date) -> datetime:
        wall = datetime.combine(on, time(), tzinfo=tz)
        return datetime.fromtimestamp(wall.timestamp(), tz)

    return begins(day), begins(day + timedelta(days=days))


def hours_between(
    *,
    clinic: UUID,
    doctors: Sequence[UUID],
    start: datetime,
    end: datetime,
    location: UUID | None = None,
) -> list[Hours]:
    """The working hours of these doctors at the clinic that overlap [start, end), in order."""
    with connection.cursor() as cursor:
        load_instants_fast(cursor)
        cursor.execute(
            "SELECT doctor_id, location_id, opens, closes, step, closed, leave FROM ("
            " SELECT h.doctor_id, h.location_id, h.step, off.closed, off.leave,"
            " core_instant(h.day + h.start_time, h.zone) AS opens,"
            " core_instant(CASE WHEN h.end_time = '00:00' THEN h.day + interval '1 day'"
            " ELSE h.day + h.end_time END, h.zone) AS closes"
            " FROM appointments_hours(%(clinics)s::uuid[], %(doctors)s::uuid[], %(location)s::uuid,"
            " NULL, NULL, %(start)s, %(end)s) AS h"
            " CROSS JOIN LATERAL appointments_off("
            " h.clinic_id, h.doctor_id, h.location_id, h.day, h.zone) AS off) AS of_days"
            " WHERE opens < %(end)s AND closes > %(start)s ORDER BY doctor_id, opens",
            {
                "clinics": [clinic],
                "doctors": list(doctors),
                "location": location,
                "start": start,
                "end": end,
            },
        )
        return [
            Hours(row[0], row[1], row[2], row[3], row[4], _spans(row[5]), _spans(row[6]))
            for row in cursor.fetchall()
        ]


def _spans(ranges: Any) -> tuple[Span, ...]:
    return tuple((span.lower, span.upper) for span in ranges or ())


def busy_between(
    *, clinic: UUID, doctors: Sequence[UUID], start: datetime, end: datetime
) -> list[Busy]:
    """Holds and leave of these doctors in [start, end); of other clinics, that they are busy.

    `doctors` must work at the clinic, which must be in the caller's scope.
    """
    with connection.cursor() as cursor:
        load_instants_fast(cursor)
        cursor.execute(
            "SELECT doctor_id, kind, busy_from, busy_to, visit_from, visit_to, claim, holder,"
            " expires_at"
            " FROM appointments_busy(%s::uuid[], %s::uuid[], %s, %s, %s)",
            [[clinic], list(doctors), start, end, clock.now()],
        )
        return [Busy(*row) for row in cursor.fetchall()]


def visits_between(
    *,
    by: Principal,
    clinic: UUID,
    doctors: Sequence[UUID] | None,
    start: datetime,
    end: datetime,
    location: UUID | None = None,
) -> list[DayVisit]:
    """The visits that overlap [start, end) and that the principal may see, earliest first.

    Of these doctors; None: of any, also of those who work here no more.

    Cancelled ones too. A visit lasts 12 hours at most, which bounds the search to an index range.
    """
    found = appointments_visible_to(by).filter(
        clinic_id=clinic,
        starts_at__gte=start - LONGEST_VISIT,
        starts_at__lt=end,
        ends_at__gt=start,
    )
    if doctors is not None:
        found = found.filter(doctor_id__in=list(doctors))
    if location is not None:
        found = found.filter(location_id=location)
    rows = found.order_by("starts_at", "id").values_list(*_VISIT)
    return [DayVisit(*row) for row in rows]


def free_between(
    *,
    clinic: UUID,
    doctors: Sequence[UUID],
    start: datetime,
    end: datetime,
    location: UUID | None = None,
    service: UUID | None = None,
) -> list[Slot]:
    """Free starts for staff, by the slots function: of the service's length, else of one slot."""
    if not doctors or end <= clock.now():
        return []
    return slots_find(
        clinics=[clinic],
        doctors=doctors,
        start=max(start, clock.now()),
        end=end,
        location=location,
        service=service,
        patient_rules=False,
        limit=20_000,
    )
