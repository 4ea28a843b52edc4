"""Free times: one SQL function, one round trip."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from core import clock
from core.rows import load_instants_fast

MAX_DAYS = 62
#: Whose times are looked for at once.
MAX_DOCTORS = 50
_STEP = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Slot:
    """A start that could be booked, or (with a reason: an error code) why it could not.

    `remaining` patients fit; the visit lasts from `starts_at` to `ends_at`, buffers left out.
    """

    doctor: UUID
    clinic: UUID
    location: UUID | None
    service: UUID | None
    starts_at: datetime
    ends_at: datetime
    timezone: str
    remaining: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Workplace:
    """A clinic at which one of some doctors can be booked."""

    clinic: UUID
    timezone: str
    public_slots: bool


def workplaces(doctors: Sequence[UUID], clinic: UUID | None) -> list[Workplace]:
    """The active clinics (or just `clinic`) at which any of the doctors can be booked.

    Directory data, outside any scope.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT clinic_id, timezone, public_slots FROM clinics_of_doctors(%s::uuid[])"
            " WHERE clinic_id = COALESCE(%s::uuid, clinic_id) ORDER BY clinic_id",
            [list(doctors), clinic],
        )
        return [Workplace(*row) for row in cursor.fetchall()]


def place_and_service(
    location: UUID | None, service: UUID | None
) -> tuple[tuple[UUID, str] | None, tuple[UUID, bool] | None]:
    """In scope: the location's clinic and zone, the service's clinic and whether it is public."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT l.clinic_id, l.timezone, s.clinic_id, s.is_public FROM (SELECT) AS one"
            " LEFT JOIN clinics_location l ON l.id = %s AND l.is_active"
            " LEFT JOIN clinics_service s ON s.id = %s AND s.is_active",
            [location, service],
        )
        row = cursor.fetchone()
    return (
        (row[0], row[1]) if row[0] is not None else None,
        (row[2], row[3]) if row[2] is not None else None,
    )


def slots_find(
    *,
    clinics: Sequence[UUID],
    doctors: Sequence[UUID],
    start: datetime,
    end: datetime,
    location: UUID | None = None,
    service: UUID | None = None,
    minutes: int | None = None,
    mode: str | None = None,
    patient_rules: bool,
    explain: bool = False,
    moving: UUID | None = None,
    limit: int = 1000,
) -> list[Slot]:
    """Starts in [start, end), earliest first, at most `limit`.

    `clinics` must come from the caller's own scope. Give a `service`, or the `minutes` of a visit
    without one. `patient_rules` applies the notice that patients must keep. With `explain` the
    times that are not free come too, each with its reason.
    """
    with connection.cursor() as cursor:
        load_instants_fast(cursor)
        cursor.execute(
            "SELECT doctor_id, clinic_id, location_id, starts_at, ends_at, timezone, remaining,"
            " reason FROM appointments_slots(%s::uuid[], %s::uuid[], %s::uuid, %s::uuid,"
            " %s::integer, %s, %s, %s, %s, %s, NULL, %s::uuid[], NULL, %s, NULL, %s)",
            [
                list(clinics),
                list(doctors),
                location,
                service,
                minutes,
                mode,
                start,
                end,
                clock.now(),
                patient_rules,
                [moving] if moving else None,
                explain,
                limit,
            ],
        )
        return [Slot(row[0], row[1], row[2], service, *row[3:8]) for row in cursor.fetchall()]


def slots_next(
    *,
    clinics: Sequence[UUID],
    doctors: Sequence[UUID],
    start: datetime,
    horizon: timedelta,
    location: UUID | None = None,
    service: UUID | None = None,
    minutes: int | None = None,
    mode: str | None = None,
    patient_rules: bool,
    limit: int = 1,
) -> list[Slot]:
    """The earliest free starts at or after `start`, looking two weeks at a time up to `horizon`."""
    found: list[Slot] = []
    last = start + horizon
    while start < last and len(found) < limit:
        end = min(start + _STEP, last)
        found += slots_find(
            clinics=clinics,
            doctors=doctors,
            start=start,
            end=end,
            location=location,
            service=service,
            minutes=minutes,
            mode=mode,
            patient_rules=patient_rules,
            limit=limit - len(found),
        )
        start = end
    return found


def alternatives(
    *,
    clinic: UUID,
    doctor: UUID,
    around: datetime,
    location: UUID | None,
    service: UUID | None,
    minutes: int,
    mode: str,
    patient_rules: bool,
    moving: UUID | None = None,
    count: int = 5,
) -> list[Slot]:
    """The free starts of the same doctor nearest to `around`, nearest first."""
    now = clock.now()
    near = slots_find(
        clinics=[clinic],
        doctors=[doctor],
        start=max(now, around - timedelta(days=2)),
        end=max(now, around) + timedelta(days=8),
        location=location,
        service=service,
        minutes=minutes,
        mode=mode,
        patient_rules=patient_rules,
        moving=moving,
        limit=500,
    )
    near.sort(key=lambda slot: (abs(slot.starts_at - around), slot.starts_at))
    return near[:count]
