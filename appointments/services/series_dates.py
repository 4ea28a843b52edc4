"""The dates of a series: drawn from its rule, judged by the kernel as one, and written as one."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from django.db import OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected

from appointments.models import (
    MAX_SERIES_VISITS,
    Appointment,
    AppointmentSeries,
    SeriesSkip,
    Source,
)
from appointments.recurrence import LONGEST, Rule, instant
from appointments.selectors.series import alternatives_all
from appointments.selectors.slots import Slot
from appointments.services import calendar
from appointments.services.booking import appointment_new, appointments_book_all
from appointments.services.context import Plan
from appointments.services.writing import rows_insert
from core import ids, journal
from core.errors import ErrorCode, KairosError

T = TypeVar("T")


class Act(StrEnum):
    """What would become of a date."""

    BOOK = "book"
    MOVE = "move"
    EDIT = "edit"
    CANCEL = "cancel"
    KEEP = "keep"


#: The code of a date that somebody took out of the preview by hand; all others are error codes.
LEFT_OUT = "LEFT_OUT"
_ATTEMPTS = 3
_TAKEN = frozenset(
    {ErrorCode.SCHEDULING_CONFLICT, ErrorCode.ROOM_CONFLICT, ErrorCode.PATIENT_CONFLICT}
)


@dataclass(frozen=True, slots=True)
class SeriesDate:
    """One date of a preview. `code` says why it cannot be had (an error code), `alternatives` what
    is free near it.

    In the preview of a change `appointment` is the visit it is about, `was` its start before, and
    `act` what would become of it: EDIT is other texts at the same time; with KEEP it stays as it
    is, and a `code` then says that it cannot be changed.
    """

    sequence: int
    starts_at: datetime
    ends_at: datetime
    code: ErrorCode | None = None
    alternatives: Sequence[Slot] = ()
    appointment: UUID | None = None
    was: datetime | None = None
    act: Act = Act.BOOK


@dataclass(frozen=True, slots=True)
class SeriesPreview:
    """What would be booked. `left_out` are dates that the calendar does not have ("2035-02-30")."""

    dates: list[SeriesDate]
    timezone: str
    left_out: list[str]

    @property
    def clashes(self) -> list[SeriesDate]:
        """The dates that cannot be had; visits that stay as they are, are none."""
        return [one for one in self.dates if one.code is not None and one.act != Act.KEEP]


@dataclass(frozen=True, slots=True)
class Drawn:
    """Dates that were drawn from a rule, as visits. `booked_until` is the last day looked at."""

    plan: Plan
    rule: Rule
    visits: list[calendar.Visit]
    booked_until: date
    first: int = 1

    @property
    def numbers(self) -> range:
        return range(self.first, self.first + len(self.visits))


def up_to(rule: Rule, *, after: date | None, until: date) -> tuple[list[date], date]:
    """The next dates of a rule until further notice, and the last day that they account for.

    Of a new series the first date is there even if it is later than `until`.
    """
    dates = rule.dates(after=after, until=until)
    if not dates and after is None:
        dates = rule.dates()[:1]
        return dates, dates[-1]
    if len(dates) > MAX_SERIES_VISITS:
        return dates[:MAX_SERIES_VISITS], dates[MAX_SERIES_VISITS - 1]
    return dates, min(until, (after or rule.start) + LONGEST)


def draw(
    wanted: Plan,
    rule: Rule,
    dates: Iterable[date],
    wall: time,
    *,
    booked_until: date,
    first: int = 1,
) -> Drawn:
    """The dates as visits of the plan, numbered from `first`."""
    length = wanted.visit.ends_at - wanted.visit.starts_at
    starts = [instant(day, wall, wanted.timezone) for day in dates]
    visits = [replace(wanted.visit, starts_at=at, ends_at=at + length) for at in starts]
    return Drawn(wanted, rule, visits, booked_until, first)


def judged(drawn: Drawn, *, admit: bool) -> list[calendar.Judgement]:
    """The kernel's word on each date; with `admit` under the locks of all."""
    if not drawn.visits:
        return []
    return calendar.judge_all(
        drawn.visits,
        patient_rules=False,
        admit=admit,
        until=max(visit.ends_at for visit in drawn.visits) + timedelta(days=1),
        also_lock=[patient_key(drawn.plan.visit.patient)] if admit else (),
    )


def patient_key(patient: UUID | None) -> str:
    """Series of one patient with several doctors stand in one queue; the doctors' are others."""
    return f"series:{patient}"


def dates_judged(drawn: Drawn, verdicts: Sequence[calendar.Judgement]) -> list[SeriesDate]:
    """The dates with their clashes and what is free near them."""
    clashing = [
        visit
        for visit, verdict in zip(drawn.visits, verdicts, strict=True)
        if verdict.code is not None
    ]
    near = iter(alternatives_near(drawn.plan.visit, clashing, drawn.visits))
    return [
        SeriesDate(
            number,
            visit.starts_at,
            visit.ends_at,
            verdict.code,
            next(near) if verdict.code is not None else (),
        )
        for number, visit, verdict in zip(drawn.numbers, drawn.visits, verdicts, strict=True)
    ]


def alternatives_near(
    like: calendar.Visit,
    clashing: Sequence[calendar.Visit],
    wanted: Sequence[calendar.Visit],
    moving: Sequence[UUID] = (),
) -> list[list[Slot]]:
    """Free starts near each clashing visit, none of them in the time of another one wanted."""
    return alternatives_all(
        clinic=like.clinic,
        doctor=like.doctor,
        around=[visit.starts_at for visit in clashing],
        location=like.location,
        service=like.service,
        minutes=like.minutes,
        mode=like.mode,
        moving=moving,
        taken=[(visit.starts_at, visit.ends_at) for visit in wanted],
    )


def series_conflict(dates: Iterable[SeriesDate], *, but: Collection[int] = ()) -> KairosError:
    """SERIES_CONFLICT that lists every clash, but for those left out on purpose."""
    return KairosError(
        ErrorCode.SERIES_CONFLICT,
        extra={
            "clashes": [
                {
                    "sequence": one.sequence,
                    "appointment": one.appointment,
                    "starts_at": one.starts_at,
                    "code": one.code,
                    "alternatives": [calendar.slot_data(slot) for slot in one.alternatives],
                }
                for one in dates
                if one.code is not None and one.sequence not in but
            ]
        },
    )


def dates_write(
    series: AppointmentSeries,
    drawn: Drawn,
    verdicts: Sequence[calendar.Judgement],
    *,
    skip: Collection[int] = (),
) -> tuple[list[Appointment], list[SeriesSkip]]:
    """Book what was let in, and write down what was not. Raises as `calendar.claims_insert`."""
    rows, skips = [], []
    for number, visit, verdict in zip(drawn.numbers, drawn.visits, verdicts, strict=True):
        if number in skip or verdict.lane is None:
            code = verdict.code.value if verdict.code is not None else LEFT_OUT
            skips.append(
                SeriesSkip(
                    id=ids.uuid7(),
                    clinic_id=series.clinic_id,
                    series_id=series.id,
                    sequence=number,
                    starts_at=visit.starts_at,
                    code=code,
                )
            )
            continue
        appointment = appointment_new(
            visit,
            timezone=drawn.plan.timezone,
            reason=series.reason,
            notes=series.notes,
            priority=series.priority,
            source=Source.SERIES,
            booked_by_id=series.created_by_id,
            series_id=series.id,
            series_sequence=number,
        )
        rows.append((appointment, visit, verdict.lane))
    if rows:
        appointments_book_all(rows)
    rows_insert(SeriesSkip, skips)
    return [appointment for appointment, _visit, _lane in rows], skips


def series_record(action: str, series: AppointmentSeries, changes: dict[str, Any]) -> None:
    """The series' own line in the trail, and its announcement; its visits have their own."""
    journal.record(
        journal.Act(
            action,
            "appointments.appointmentseries",
            series.id,
            series.clinic_id,
            (series.patient_id,),
            changes,
            topic=action,
            payload={"series": series.id, "patient": series.patient_id},
        )
    )


def horizon_days(clinic: UUID, service: UUID | None) -> int:
    """How far ahead the clinic books: the service's own word, or the clinic's."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COALESCE((SELECT s.horizon_days FROM clinics_service s WHERE s.id = %s),"
            " c.horizon_days) FROM clinics_clinic c WHERE c.id = %s",
            [service, clinic],
        )
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def again_if_taken(act: Callable[[], T]) -> T:
    """Do it in a savepoint; once more where somebody won a date between judgement and claim.

    The doctor's queue rules that out; a patient and a room have none, only their constraints.
    """
    for left in reversed(range(_ATTEMPTS)):
        try:
            with transaction.atomic():
                return act()
        except KairosError as refusal:
            if refusal.code not in _TAKEN or not left:
                raise
        except OperationalError as error:
            if not isinstance(error.__cause__, DeadlockDetected) or not left:
                raise
    raise AssertionError("the last attempt returns or raises")
