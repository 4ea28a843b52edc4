"""Gives visits of which only the day is known a doctor and a time.

The rule, for one row at a time, in the order of the file:

1. The row's key (by default its patient) names a few doctors of the roster by a hash; the row goes
   to the one of them with the fewest visits on that day, the first named winning a tie. So a
   patient stays with the same few doctors, and the days are balanced.
2. The day's slots are filled in the order of a bisection: the first, the middle, the quarters, the
   eighths. So ten visits are spread over the whole day as evenly as thirty. The row takes the
   first slot of that order that neither the doctor nor the patient has a visit in, of those after
   the moment of booking if there is one, else of all. A local time that does not exist that day
   is no slot.
3. With no slot at the first doctor the next is tried; with none at all the row is refused
   (DAY_FULL).

What is taken is read from the database for each chunk, not kept: whatever was committed before,
by this import, by one that was killed, or by people at the desk, is seen the same way. That makes
the result independent of where an import was interrupted, and memory independent of the file.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection

from appointments.importing.mapping import SpreadPart
from appointments.importing.refusals import Refusal, Refused

# Moments are whole seconds since the epoch in here: a chunk compares tens of thousands of them.
Interval = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A visit to be placed. `doctors` in order of preference; `after`: not before this moment.

    A patient who `is_new` has no visits yet that would have to be looked up.
    """

    doctors: Sequence[UUID]
    patient: UUID
    day: date
    minutes: int
    after: datetime | None = None
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    doctor: UUID
    starts_at: datetime


def doctors_for(key: str, roster: Sequence[UUID], choices: int) -> tuple[UUID, ...]:
    """The `choices` doctors that a key belongs to, by a hash that is the same everywhere."""
    found: list[UUID] = []
    number = 0
    while len(found) < min(choices, len(roster)):
        digest = hashlib.blake2b(f"{number}:{key}".encode(), digest_size=8).digest()
        doctor = roster[int.from_bytes(digest) % len(roster)]
        if doctor not in found:
            found.append(doctor)
        number += 1
    return tuple(found)


class SlotGrid:
    """The slots of a local day, in the order in which they are given out."""

    def __init__(self, spread: SpreadPart, zone: ZoneInfo) -> None:
        self.zone = zone
        self._times = _in_bisection_order(list(_local_times(spread)))
        # Bounded, because a file may have its days in any order.
        self._of_day = lru_cache(maxsize=512)(self._starts)
        self.bounds = lru_cache(maxsize=512)(self._bounds)
        self._step = spread.slot_minutes * 60

    def starts(self, day: date) -> tuple[int, ...]:
        """When they start; those that the day does not have are left out."""
        return self._of_day(day)

    def touched(self, day: date, start: int, end: int) -> list[int]:
        """The slots of the day that a visit from `start` to `end` leaves no room in."""
        slots = self.starts(day)
        if start in slots and end - start <= self._step:
            return [start]
        return [at for at in slots if at < end and at + self._step > start]

    def _bounds(self, day: date) -> tuple[datetime, datetime]:
        """The local day, midnight to midnight, in UTC."""
        return (
            datetime.combine(day, time(0), self.zone).astimezone(UTC),
            datetime.combine(day + timedelta(days=1), time(0), self.zone).astimezone(UTC),
        )

    def _starts(self, day: date) -> tuple[int, ...]:
        found = []
        for at in self._times:
            local = datetime.combine(day, at, self.zone)
            instant = local.astimezone(UTC)
            if instant.astimezone(self.zone).time() == at:
                found.append(int(instant.timestamp()))
        return tuple(found)


def _local_times(spread: SpreadPart) -> Iterable[time]:
    anchor = date(2000, 1, 1)
    at = datetime.combine(anchor, spread.opens)
    closes = datetime.combine(anchor, spread.closes)
    step = timedelta(minutes=spread.slot_minutes)
    while at + step <= closes:
        if not any(at.time() < end and (at + step).time() > start for start, end in spread.breaks):
            yield at.time()
        at += step


def _in_bisection_order(times: list[time]) -> list[time]:
    """By the bits of their number read backwards (van der Corput): 0, 1/2, 1/4, 3/4, 1/8, …"""
    bits = max(1, (len(times) - 1).bit_length())
    return [
        times[number]
        for number in sorted(range(len(times)), key=lambda n: int(f"{n:0{bits}b}"[::-1], 2))
    ]


@dataclass(slots=True)
class _DoctorsDay:
    """How many visits a doctor has on a day, and which slots they take."""

    visits: int = 0
    taken: set[int] = field(default_factory=set)


class Occupied:
    """What doctors and patients have on the days of one chunk; grows as rows are placed."""

    def __init__(self, grid: SlotGrid) -> None:
        self.grid = grid
        self._doctors: dict[tuple[UUID, date], _DoctorsDay] = defaultdict(_DoctorsDay)
        self._patients: dict[tuple[UUID, date], list[Interval]] = defaultdict(list)

    def add_doctors(self, doctor: UUID, day: date, start: int, end: int) -> None:
        """The doctor is occupied then: every slot that it touches is taken."""
        theirs = self._doctors[doctor, day]
        theirs.visits += 1
        theirs.taken.update(self.grid.touched(day, start, end))

    def add_patients(self, patient: UUID, day: date, start: int, end: int) -> None:
        """The patient has a visit then."""
        self._patients[patient, day].append((start, end))

    def place(self, wanted: Wanted) -> Place:
        """Find the place by the rule above, and take it. Raises Refused (DAY_FULL)."""
        length = wanted.minutes * 60
        own = self._patients[wanted.patient, wanted.day]
        slots = self.grid.starts(wanted.day)
        if wanted.after is not None and wanted.after > self.grid.bounds(wanted.day)[0]:
            after = wanted.after.timestamp()
            slots = (*(at for at in slots if at >= after), *(at for at in slots if at < after))
        days = [(doctor, self._doctors[doctor, wanted.day]) for doctor in wanted.doctors]
        # `sort` keeps the order of preference among equals.
        days.sort(key=lambda pair: pair[1].visits)
        for doctor, theirs in days:
            for at in slots:
                if at not in theirs.taken and _is_free(own, at, at + length):
                    theirs.visits += 1
                    theirs.taken.add(at)
                    own.append((at, at + length))
                    return Place(doctor, datetime.fromtimestamp(at, UTC))
        raise Refused(Refusal.DAY_FULL, f"no free slot left on {wanted.day}")


def _is_free(taken: list[Interval], start: int, end: int) -> bool:
    return all(until <= start or since >= end for since, until in taken)


# A visit may begin before midnight and last into the day: `early` is that much before it. It comes
# as a value: with arithmetic in it the comparison could not use the index under row security.
_LONGEST = timedelta(hours=12)
_OF_DOCTORS = """
    SELECT w.place, floor(extract(epoch FROM a.starts_at))::bigint,
           ceil(extract(epoch FROM a.ends_at))::bigint
    FROM unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[])
        WITH ORDINALITY AS w(doctor_id, early, since, until, place)
    JOIN appointments_appointment a
      ON a.doctor_id = w.doctor_id AND a.clinic_id = %s
     AND a.starts_at >= w.early AND a.starts_at < w.until
     AND a.ends_at > w.since
    UNION ALL
    -- A claim without an appointment: a hold, or a leave, which may have no end.
    SELECT w.place, floor(extract(epoch FROM greatest(lower(b.period), w.since)))::bigint,
           ceil(extract(epoch FROM least(upper(b.period), w.until)))::bigint
    FROM unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[])
        WITH ORDINALITY AS w(doctor_id, early, since, until, place)
    JOIN appointments_busytime b
      ON b.doctor_id = w.doctor_id AND b.period && tstzrange(w.since, w.until)
    WHERE w.until > %s AND b.appointment_id IS NULL
"""
_OF_PATIENTS = """
    SELECT w.place, floor(extract(epoch FROM a.starts_at))::bigint,
           ceil(extract(epoch FROM a.ends_at))::bigint
    FROM unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[])
        WITH ORDINALITY AS w(patient_id, early, since, until, place)
    JOIN appointments_appointment a
      ON a.patient_id = w.patient_id
     AND a.starts_at >= w.early AND a.starts_at < w.until
     AND a.ends_at > w.since
"""


def occupied_read(
    wanted: Sequence[Wanted], *, grid: SlotGrid, clinic_id: UUID, now: datetime
) -> Occupied:
    """What is taken of the doctors' and patients' days in question, in two queries."""
    occupied = Occupied(grid)
    doctors = sorted({(doctor, one.day) for one in wanted for doctor in one.doctors})
    patients = sorted({(one.patient, one.day) for one in wanted if not one.is_new})
    with connection.cursor() as cursor:
        asked = _asked(doctors, grid)
        cursor.execute(_OF_DOCTORS, [*asked, clinic_id, *asked, now])
        for place, start, end in cursor.fetchall():
            doctor, day = doctors[place - 1]
            occupied.add_doctors(doctor, day, start, end)
        cursor.execute(_OF_PATIENTS, _asked(patients, grid))
        for place, start, end in cursor.fetchall():
            patient, day = patients[place - 1]
            occupied.add_patients(patient, day, start, end)
    return occupied


def _asked(
    pairs: Sequence[tuple[UUID, date]], grid: SlotGrid
) -> tuple[list[UUID], list[datetime], list[datetime], list[datetime]]:
    bounds = {day: grid.bounds(day) for day in {day for _, day in pairs}}
    return (
        [who for who, _ in pairs],
        [bounds[day][0] - _LONGEST for _, day in pairs],
        [bounds[day][0] for _, day in pairs],
        [bounds[day][1] for _, day in pairs],
    )
