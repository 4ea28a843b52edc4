"""Finding a time for a follow-up, and booking it: on its day if it can be, else the nearest."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
from django.db import OperationalError, transaction

from accounts.roles import Permission
from appointments.models import Appointment, BusyTime, Source
from appointments.selectors.slots import Slot, slots_find, slots_next
from appointments.services.booking import appointment_book
from clinics.principal import Principal
from core import clock
from core.errors import ErrorCode, KairosError

#: How many other times are named, and how far ahead they are looked for.
ALTERNATIVES: Final = 5
AHEAD: Final = timedelta(days=56)
#: Times of one day that are tried, when others book at the same moment.
_TRIES: Final = 3
_DAY: Final = timedelta(days=1)
#: Refusals of a time, as against those of what was asked for.
OF_TIME: Final = frozenset(
    {
        ErrorCode.SCHEDULING_CONFLICT,
        ErrorCode.OUTSIDE_WORKING_HOURS,
        ErrorCode.DOCTOR_ON_LEAVE,
        ErrorCode.TOO_SOON,
        ErrorCode.DAILY_CAP_REACHED,
        ErrorCode.WEEKLY_CAP_REACHED,
        ErrorCode.PATIENT_CONFLICT,
        ErrorCode.ROOM_CONFLICT,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A follow-up that needs a time. `at` is the local time of day that is asked for, if any.

    `by` is who books in their own name; None: the clinic does, whose right was proven.
    """

    clinic: UUID
    patient: UUID
    doctor: UUID
    location: UUID | None
    service: UUID | None
    mode: str
    minutes: int | None
    zone: str
    day: date
    by: Principal | None
    as_patient: bool = False
    at: time | None = None
    follows: UUID | None = None
    reason: str = ""
    priority: str


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of it: the visit; or why there is none, and other times."""

    appointment: Appointment | None
    code: ErrorCode | None
    alternatives: Sequence[Slot] = ()


def booker(by: Principal, *, clinic: UUID, doctor: UUID) -> Principal | None:
    """Who is written down as having booked: staff who may book for that doctor, else the clinic."""
    return by if by.may_for(Permission.APPOINTMENT_BOOK, clinic, doctor_id=doctor) else None


def place_on_day(wanted: Wanted) -> Placed:
    """Book the time of day asked for, or the nearest free start of that day; else say why not.

    A refusal leaves nothing behind, and the transaction usable.
    """
    free, code = _free_on_day(wanted)
    for slot in free[:_TRIES]:
        try:
            return Placed(book(wanted, slot), None)
        except KairosError as refusal:
            code = refusal.code
            if code not in OF_TIME:
                break
    return Placed(None, code, () if code == ErrorCode.BEYOND_HORIZON else times_from(wanted))


def place_from_day(wanted: Wanted) -> Placed:
    """As `place_on_day`, but on a later day if that one is full."""
    placed = place_on_day(wanted)
    if placed.appointment is not None:
        return placed
    for slot in placed.alternatives[:_TRIES]:
        try:
            return Placed(book(wanted, slot), None)
        except KairosError as refusal:
            if refusal.code not in OF_TIME:
                raise
    return placed


def book(wanted: Wanted, slot: Slot) -> Appointment:
    """Book one free start. Raises as `book_at`."""
    return book_at(wanted, starts_at=slot.starts_at, ends_at=slot.ends_at, location=slot.location)


def book_at(
    wanted: Wanted,
    *,
    starts_at: datetime,
    ends_at: datetime | None,
    location: UUID | None,
    hold: UUID | None = None,
) -> Appointment:
    """Book that time. Raises as booking does; what was begun is then taken back."""
    try:
        with transaction.atomic():
            return appointment_book(
                by=wanted.by,
                doctor=wanted.doctor,
                patient=wanted.patient,
                location=location,
                service=wanted.service,
                mode=wanted.mode,
                starts_at=starts_at,
                ends_at=ends_at,
                hold=hold,
                priority=wanted.priority,
                source=Source.FOLLOW_UP,
                follows=wanted.follows,
                follow_up_reason=wanted.reason,
            )
    except OperationalError as error:
        if isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
            raise KairosError(ErrorCode.LOCK_TIMEOUT, headers={"Retry-After": "1"}) from error
        raise


def times_from(wanted: Wanted, *, count: int = ALTERNATIVES) -> list[Slot]:
    """The nearest free starts on or after the day, at none of which the patient is elsewhere."""
    start = max(clock.now(), _midnight(wanted.day, wanted.zone))
    taken = _visits_of(wanted.patient, start, start + AHEAD)
    found = slots_next(
        clinics=[wanted.clinic],
        doctors=[wanted.doctor],
        start=start,
        horizon=AHEAD,
        location=wanted.location,
        service=wanted.service,
        minutes=wanted.minutes,
        mode=wanted.mode,
        patient_rules=wanted.as_patient,
        # Enough that those are left over at which the patient is not elsewhere.
        limit=count + sum(_starts_within(visit) for visit in taken),
    )
    return [slot for slot in found if not _overlaps(slot, taken)][:count]


def _free_on_day(wanted: Wanted) -> tuple[list[Slot], ErrorCode]:
    """The free starts of the day, nearest to the time asked for first; and why there is none."""
    start = _midnight(wanted.day, wanted.zone)
    end = _midnight(wanted.day + _DAY, wanted.zone)
    found = slots_find(
        clinics=[wanted.clinic],
        doctors=[wanted.doctor],
        start=start,
        end=end,
        location=wanted.location,
        service=wanted.service,
        minutes=wanted.minutes,
        mode=wanted.mode,
        patient_rules=wanted.as_patient,
        explain=True,
    )
    free = [slot for slot in found if slot.reason is None]
    if not free:
        return [], _why_none(found, wanted)
    taken = _visits_of(wanted.patient, start, end)
    kept = [slot for slot in free if not _overlaps(slot, taken)]
    if wanted.at is not None:
        at = datetime.combine(wanted.day, wanted.at, tzinfo=ZoneInfo(wanted.zone))
        kept.sort(key=lambda slot: (abs(slot.starts_at - at), slot.starts_at))
    return kept, ErrorCode.PATIENT_CONFLICT


def _why_none(found: Sequence[Slot], wanted: Wanted) -> ErrorCode:
    """The reason at the time of day asked for, else the one that is given most often."""
    reasons = {slot.starts_at: slot.reason for slot in found if slot.reason is not None}
    if wanted.at is not None:
        at = datetime.combine(wanted.day, wanted.at, tzinfo=ZoneInfo(wanted.zone))
        if (reason := reasons.get(at)) is not None:
            return ErrorCode(reason)
    counted = Counter(reasons.values()).most_common(1)
    return ErrorCode(counted[0][0] or "") if counted else ErrorCode.OUTSIDE_WORKING_HOURS


def _visits_of(patient: UUID, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    visits = BusyTime.objects.filter(patient_id=patient, visit__overlap=(start, end))
    return [(span.lower, span.upper) for span in visits.values_list("visit", flat=True)]


def _overlaps(slot: Slot, taken: Iterable[tuple[datetime, datetime]]) -> bool:
    return any(start < slot.ends_at and slot.starts_at < end for start, end in taken)


def _starts_within(visit: tuple[datetime, datetime]) -> int:
    """At most so many starts of the finest grid (5 minutes) are lost to a visit."""
    return int((visit[1] - visit[0]) / timedelta(minutes=5)) + 12


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(0), tzinfo=ZoneInfo(zone))
