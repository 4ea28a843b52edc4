"""Free places for several kinds of visits at once: one statement, however many kinds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any, cast
from uuid import UUID

from django.db import connection

from core import clock
from core.rows import load_instants_fast

_FROM = """
FROM unnest(%s::int[], %s::uuid[], %s::uuid[], %s::int[], %s::text[], %s::text[])
     AS k(number, location, service, minutes, mode, doctors)
CROSS JOIN LATERAL appointments_slots(
    %s::uuid[], k.doctors::uuid[], k.location, k.service, k.minutes, k.mode, %s, %s, %s, %s,
    NULL, NULL, NULL, false, NULL, %s) AS s
"""
_PLACES = f"""
SELECT k.number, s.starts_at, s.doctor_id, s.location_id, s.ends_at, s.timezone, s.remaining
{_FROM}
"""
_STARTS = f"""
SELECT k.number, s.starts_at, s.ends_at, s.timezone, (array_agg(s.doctor_id))[1:%s],
       (array_agg(s.location_id))[1:%s], count(*)
{_FROM}
GROUP BY k.number, s.starts_at, s.ends_at, s.timezone
ORDER BY k.number, s.starts_at, s.timezone
"""

#: A free place as it is read: start, doctor, location, end, time zone, how many fit.
Row = tuple[datetime, UUID, UUID | None, datetime, str, int]
START = itemgetter(0)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a visit asks of a calendar. `location` None: anywhere; `minutes` None: the service's."""

    doctors: Sequence[UUID]
    location: UUID | None
    service: UUID | None
    minutes: int | None
    mode: str


def free_of_kinds(
    *,
    clinic: UUID,
    kinds: Sequence[Kind],
    start: datetime,
    end: datetime,
    patient_rules: bool,
    most: int,
) -> list[list[Row]]:
    """The free places of each kind in [start, end), earliest first, at most `most` of a kind.

    The clinic comes from the caller's own scope. `patient_rules` applies patients' notice.
    """
    found: list[list[Row]] = [[] for _ in kinds]
    values = _values(clinic, kinds, start, end, patient_rules=patient_rules, most=most)
    for number, *row in _read(_PLACES, values):
        found[number].append(cast(Row, tuple(row)))
    for rows in found:
        rows.sort(key=START)
    return found


@dataclass(frozen=True, slots=True)
class FreeStart:
    """A start at which some doctors are free: who, and where each of them is then.

    `count` is how many they are; only the first of them are named.
    """

    starts_at: datetime
    ends_at: datetime
    timezone: str
    doctors: Sequence[UUID]
    locations: Sequence[UUID | None]
    count: int


def starts_of_kinds(
    *,
    clinic: UUID,
    kinds: Sequence[Kind],
    start: datetime,
    end: datetime,
    patient_rules: bool,
    doctors: int,
    most: int,
) -> list[list[FreeStart]]:
    """As `free_of_kinds`, but a row for each start, which names at most so many `doctors`."""
    found: list[list[FreeStart]] = [[] for _ in kinds]
    values = _values(clinic, kinds, start, end, patient_rules=patient_rules, most=most)
    for number, *row in _read(_STARTS, values and [doctors, doctors, *values]):
        found[number].append(FreeStart(*row))
    return found


def _values(
    clinic: UUID,
    kinds: Sequence[Kind],
    start: datetime,
    end: datetime,
    *,
    patient_rules: bool,
    most: int,
) -> list[Any]:
    """The parameters of the question; none when there is nothing to ask."""
    asked = [(number, kind) for number, kind in enumerate(kinds) if kind.doctors]
    if not asked or end <= start:
        return []
    return [
        [number for number, _ in asked],
        [kind.location for _, kind in asked],
        [kind.service for _, kind in asked],
        [kind.minutes for _, kind in asked],
        [kind.mode for _, kind in asked],
        [_array(kind.doctors) for _, kind in asked],
        [clinic],
        start,
        end,
        clock.now(),
        patient_rules,
        most,
    ]


def _read(sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
    if not values:
        return []
    with connection.cursor() as cursor:
        load_instants_fast(cursor)
        cursor.execute(sql, values)
        return cursor.fetchall()


def _array(ids: Sequence[UUID]) -> str:
    """As a uuid[] is written: arrays of unequal length cannot be unnested side by side."""
    return f"{{{','.join(map(str, ids))}}}"
