"""Where visits could go that lie in a closed time: one place after it, one with somebody else.

However many visits and doctors there are, it takes the same number of statements. A suggestion is
a hint, read without locks: the service that moves the visit decides.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from appointments.lifecycle import MOVABLE
from appointments.models import OPEN, Appointment
from appointments.selectors.free import START, Kind, Row, free_of_kinds
from clinics.models import Doctor, VisitMode
from core import clock

#: How far is looked: for the same doctor after the closed time, for others around the visit.
AFTER = timedelta(days=28)
AROUND = timedelta(days=2)
_MOST = 20_000
#: What is read for the stand-ins: doctors times days times kinds of visits. The more days and
#: kinds, the fewer of them are asked, so that nobody waits in a large clinic.
_DOCTOR_DAYS = 600
_FEWEST = 8


@dataclass(frozen=True, slots=True)
class Place:
    """Where a visit could go."""

    doctor: Doctor
    location: UUID | None
    starts_at: datetime
    ends_at: datetime
    timezone: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """For one visit: the same doctor after the closed time, and somebody else near its time.

    None where there is nothing, or where the visit cannot be moved any more (`is_movable`).
    """

    visit: Appointment
    same: Place | None = None
    other: Place | None = None

    @property
    def is_movable(self) -> bool:
        return self.visit.status in MOVABLE


def suggestions(
    *,
    clinic: UUID,
    visits: Sequence[Appointment],
    doctors: Sequence[Doctor],
    closed: Sequence[tuple[datetime, datetime]],
    with_others: bool = True,
) -> list[Suggestion]:
    """A suggestion for each visit, in the order given, which is the order of choice.

    No two visits are offered the same last place, nor a patient two at one time. `visits` come with
    doctor and service; `doctors` are those who can be booked at the clinic, of whom somebody of the
    same profession stands in; `closed` is the time to be out of.
    """
    movable = [visit for visit in visits if visit.status in MOVABLE]
    if not movable or not closed:
        return [Suggestion(visit) for visit in visits]
    now = clock.now()
    first = max(now, min(visit.starts_at for visit in movable))
    last = max(visit.ends_at for visit in movable)
    over = max(end for _, end in closed)
    again = first if len(closed) > 1 or over <= last else over
    kinds = _Kinds(movable)
    by_id = {doctor.id: doctor for doctor in doctors}
    absent = {visit.doctor_id for visit in movable} & set(by_id)
    same = _free(clinic, kinds, absent, max(now, again), max(now, over) + AFTER)
    other: list[list[Row]] = [[] for _ in range(len(kinds))]
    if with_others:
        until = max(last, first) + AROUND
        count = max(_FEWEST, _DOCTOR_DAYS // (len(kinds) * ((until - first).days + 1)))
        other = _free(clinic, kinds, _stand_ins(movable, doctors, count), first, until)
    ledger = _Ledger(by_id)
    ledger.keep_patients(clinic, movable, first, max(last + AROUND, over + AFTER))
    found = []
    for visit in visits:
        if visit.status not in MOVABLE:
            found.append(Suggestion(visit))
            continue
        number = kinds.number(visit)
        rows = same[number]
        begin = bisect_left(rows, visit.starts_at, key=START)
        mine = (row for row in rows[begin:] if row[1] == visit.doctor_id)
        theirs = (
            row
            for row in _nearest(other[number], visit.starts_at)
            if row[1] != visit.doctor_id and by_id[row[1]].profession == visit.doctor.profession
        )
        found.append(Suggestion(visit, ledger.take(visit, mine), ledger.take(visit, theirs)))
    return found


class _Kinds:
    """Visits that ask the same of a calendar: place, service, length, way to meet."""

    def __init__(self, visits: Sequence[Appointment]) -> None:
        self._numbers: dict[tuple[UUID | None, UUID | None, int, str], int] = {}
        for visit in visits:
            self._numbers.setdefault(_kind(visit), len(self._numbers))

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, visit: Appointment) -> int:
        return self._numbers[_kind(visit)]

    def asked(self, doctors: set[UUID]) -> list[Kind]:
        """What is asked of those doctors' calendars, in the order of the numbers."""
        return [Kind(sorted(doctors), *kind) for kind in self._numbers]


def _kind(visit: Appointment) -> tuple[UUID | None, UUID | None, int, str]:
    place = visit.location_id if visit.type == VisitMode.IN_PERSON else None
    minutes = round((visit.ends_at - visit.starts_at).total_seconds() / 60)
    return place, visit.service_id, minutes, visit.type


def _stand_ins(visits: Sequence[Appointment], doctors: Sequence[Doctor], count: int) -> set[UUID]:
    """Whom to ask, of the professions that are missing; those with a specialty in common first."""
    professions = {visit.doctor.profession for visit in visits}
    specialties = {word for visit in visits for word in visit.doctor.specialties}
    absent = {visit.doctor_id for visit in visits}
    alone = absent if len(absent) == 1 else set()
    found = [one for one in doctors if one.profession in professions and one.id not in alone]
    found.sort(key=lambda one: -len(specialties & set(one.specialties)))
    return {one.id for one in found[:count]}


def _free(
    clinic: UUID, kinds: _Kinds, doctors: set[UUID], start: datetime, end: datetime
) -> list[list[Row]]:
    """Free places of each kind, earliest first: one statement."""
    return free_of_kinds(
        clinic=clinic,
        kinds=kinds.asked(doctors),
        start=start,
        end=end,
        patient_rules=False,
        most=_MOST,
    )


def _nearest(places: list[Row], at: datetime) -> Iterator[Row]:
    """The rows from the nearest to the farthest; of two as near, the earlier."""
    after = bisect_left(places, at, key=START)
    before = after - 1
    while before >= 0 or after < len(places):
        if after == len(places) or (
            before >= 0 and at - places[before][0] <= places[after][0] - at
        ):
            yield places[before]
            before -= 1
        else:
            yield places[after]
            after += 1


@dataclass(slots=True)
class _Ledger:
    """What has been offered: by doctor with the buffers, by patient the visits themselves."""

    by_id: dict[UUID, Doctor]
    doctors: dict[UUID, list[tuple[datetime, datetime]]] = field(default_factory=dict)
    patients: dict[UUID, list[tuple[datetime, datetime]]] = field(default_factory=dict)

    def keep_patients(
        self, clinic: UUID, visits: Sequence[Appointment], start: datetime, end: datetime
    ) -> None:
        """The patients' other visits: one statement."""
        rows = (
            Appointment.objects.filter(
                clinic_id=clinic,
                patient_id__in={visit.patient_id for visit in visits},
                status__in=OPEN,
                starts_at__lt=end,
                ends_at__gt=start,
            )
            .exclude(pk__in=[visit.pk for visit in visits])
            .values_list("patient_id", "starts_at", "ends_at")
        )
        for patient, begin, over in rows:
            self.patients.setdefault(patient, []).append((begin, over))

    def take(self, visit: Appointment, rows: Iterator[Row]) -> Place | None:
        """The first place that nobody was offered; offered to this visit from now on."""
        before = timedelta(minutes=visit.service.buffer_before_minutes if visit.service else 0)
        after = timedelta(minutes=visit.service.buffer_after_minutes if visit.service else 0)
        own = self.patients.setdefault(visit.patient_id, [])
        for starts_at, doctor, location, ends_at, zone, remaining in rows:
            taken = self.doctors.setdefault(doctor, [])
            if _overlaps(taken, starts_at - before, ends_at + after) >= remaining:
                continue
            if _overlaps(own, starts_at, ends_at):
                continue
            taken.append((starts_at - before, ends_at + after))
            own.append((starts_at, ends_at))
            return Place(self.by_id[doctor], location, starts_at, ends_at, zone)
        return None


def _overlaps(spans: list[tuple[datetime, datetime]], start: datetime, end: datetime) -> int:
    return sum(1 for begin, over in spans if begin < end and over > start)
