"""Two series of the demo clinics: ten weeks with dates left out, and one until further notice."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from appointments.models import Appointment, ClashPolicy
from appointments.services.series import CreatedSeries, series_create
from clinics.models import ScheduleTemplate
from core.errors import ErrorCode, KairosError
from core.forms import attempted
from followups.demo.cast import DemoClinic, acting

_WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
#: Left out on purpose: everybody is away.
_AWAY: Final = 4
_TRIED: Final = 8


@dataclass(frozen=True, slots=True)
class _Habit:
    """A weekday and a time of day at which a patient was seen by a doctor."""

    visit: Appointment
    first: date
    local_time: time


def series_load(stage: DemoClinic) -> None:
    """One series each with the two doctors who have most visits, at times that are mostly free."""
    habits = list(_habits(stage))
    doctors = list(dict.fromkeys(habit.visit.doctor_id for habit in habits))
    for number, doctor in enumerate(doctors[:2]):
        theirs = [habit for habit in habits if habit.visit.doctor_id == doctor]
        for habit in theirs[:_TRIED]:
            if _made(stage, habit, open_ended=bool(number)) is not None:
                break


def _habits(stage: DemoClinic) -> Iterator[_Habit]:
    """From the visits that took place: the same weekday and time, from next week on."""
    seen = set()
    for visit in stage.done:
        at = visit.starts_at.astimezone(ZoneInfo(visit.timezone))
        slot = (visit.doctor_id, at.isoweekday(), at.time())
        if slot not in seen and _works(visit, at):
            seen.add(slot)
            ahead = (at.isoweekday() - stage.today.isoweekday()) % 7 + 7
            yield _Habit(visit, stage.today + timedelta(days=ahead), at.time())


def _works(visit: Appointment, at: datetime) -> bool:
    """Whether these are hours of every week, not of one day."""
    return ScheduleTemplate.objects.filter(
        doctor=visit.doctor_id, weekday=at.isoweekday(), start_time__lte=at.time(), capacity=1
    ).exists()


def _made(stage: DemoClinic, habit: _Habit, *, open_ended: bool) -> CreatedSeries | None:
    visit, day = habit.visit, _WEEKDAYS[habit.first.isoweekday() - 1]
    ends = "" if open_ended else ";COUNT=10"
    every = ";INTERVAL=2" if open_ended else ""

    def create() -> CreatedSeries:
        made = series_create(
            by=by,
            policy=ClashPolicy.SKIP_CONFLICTS,
            skip=() if open_ended else (_AWAY,),
            patient=visit.patient_id,
            doctor=visit.doctor_id,
            location=visit.location_id,
            service=visit.service_id,
            mode=visit.type,
            rrule=f"FREQ=WEEKLY{every};BYDAY={day}{ends}",
            start_date=habit.first,
            local_time=habit.local_time,
            open_ended=open_ended,
            reason="Course of treatment",
        )
        if len(made.skips) > len(made.visits):
            raise KairosError(ErrorCode.SERIES_CONFLICT)
        return made

    with acting(stage.books(visit.doctor)) as by:
        made, _refusal = attempted(create)
    return made
