"""The demo clinics' follow-up plans: to be booked, overdue, booked, cancelled; and how they were
chased."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from appointments.models import Appointment, Priority, Verb
from appointments.services.status import appointment_move
from followups.demo.cast import DemoClinic, acting
from followups.models import ContactChannel as By
from followups.models import ContactOutcome as Said
from followups.models import FollowUpPlan, PlanStatus
from followups.models import FollowUpType as Kind
from followups.services.contact import contact_record
from followups.services.invitations import invitations_send
from followups.services.plan_changes import plan_cancel
from followups.services.plans import plan_create


@dataclass(frozen=True, slots=True)
class _Text:
    """What the doctor says: instructions, and what to take, to have tested, to avoid."""

    instructions: str
    medications: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    restrictions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Plan:
    """A plan whose date is `days` from today (negative: past), and how its patient was asked.

    `asked` is channel, outcome, note; `again` the day from today on which to ask again.
    """

    days: int
    kind: str
    priority: str
    text: _Text
    asked: tuple[tuple[str, str, str], ...] = ()
    again: int | None = None


_PRESSURE: Final = _Text(
    "Look at the blood pressure again. Please bring the readings from home.",
    ("Blood pressure tablet, one each morning",),
    ("Kidney values", "Electrolytes"),
)
_SUGAR: Final = _Text(
    "Talk about the long-term blood sugar.",
    (),
    ("Long-term blood sugar, three days before the visit",),
    ("Come with an empty stomach",),
)
_STITCHES: Final = _Text(
    "Take out the stitches and look at the scar.",
    ("Wound dressing, change every second day",),
    (),
    ("No swimming until then", "No heavy lifting"),
)
_BACK: Final = _Text("See whether the exercises help.", (), (), ("No heavy lifting",))
_SPECIALIST: Final = _Text(
    "Talk about what the specialist has found.", (), ("Specialist's report",)
)
_THERAPY: Final = _Text("Go on with the sessions; say how sleep has been.")
_CHECK: Final = _Text("Routine check.", (), ("Blood count",))

#: They wait for a visit: some are due, some are far ahead.
_WAITING: Final = (
    _Plan(2, Kind.URGENT, Priority.URGENT, _STITCHES),
    _Plan(4, Kind.ROUTINE, Priority.NORMAL, _PRESSURE),
    _Plan(7, Kind.SPECIALIST, Priority.HIGH, _SPECIALIST, ((By.PHONE, Said.NO_ANSWER, ""),)),
    _Plan(9, Kind.ROUTINE, Priority.NORMAL, _SUGAR),
    _Plan(13, Kind.THERAPY, Priority.LOW, _THERAPY),
    _Plan(45, Kind.ROUTINE, Priority.LOW, _CHECK),
    _Plan(80, Kind.SURGERY, Priority.HIGH, _STITCHES),
)
#: Their date has passed.
_OVERDUE: Final = (
    _Plan(-2, Kind.ROUTINE, Priority.HIGH, _PRESSURE),
    _Plan(
        -4,
        Kind.THERAPY,
        Priority.NORMAL,
        _BACK,
        ((By.PHONE, Said.LEFT_MESSAGE, "On the answering machine"),),
    ),
    _Plan(
        -5,
        Kind.ROUTINE,
        Priority.LOW,
        _CHECK,
        ((By.PHONE, Said.CALL_LATER, "At work until the evening"),),
        again=2,
    ),
    _Plan(
        -6,
        Kind.URGENT,
        Priority.URGENT,
        _SUGAR,
        (
            (By.PHONE, Said.NO_ANSWER, ""),
            (By.PHONE, Said.LEFT_MESSAGE, "Asked to call back"),
            (By.LETTER, Said.NO_ANSWER, "Letter sent to the address on file"),
        ),
    ),
    _Plan(
        -7,
        Kind.SPECIALIST,
        Priority.NORMAL,
        _SPECIALIST,
        ((By.PHONE, Said.DECLINED, "Goes to another practice now"),),
    ),
)
#: Booked at once, so many days after the visit: on the weekday on which the doctor was there, and
#: once on another, which may be one on which they are not.
_BOOKED: Final = (
    (7, Kind.ROUTINE, _PRESSURE),
    (14, Kind.ROUTINE, _SUGAR),
    (21, Kind.THERAPY, _BACK),
    (11, Kind.ROUTINE, _CHECK),
)
#: Visits tried, where the doctor may not be free on the day.
_TRIED: Final = 6
#: Visits older than this are followed by plans that are overdue.
_OLD: Final = timedelta(days=8)


def plans_load(stage: DemoClinic) -> None:
    """Plans that follow the clinic's visits of the last weeks, one a patient.

    A date that has passed cannot be asked for: such a plan is made for a day to come and then put
    back, and the daily job finds it overdue.
    """
    # Not today's: the first doctor works today whatever day it is, and not so in two weeks.
    past = [visit for visit in stage.done if visit.local_day < stage.today]
    recent = _one_a_patient(visit for visit in past if visit.starts_at > stage.now - _OLD)
    old = _one_a_patient(visit for visit in past if visit.starts_at <= stage.now - _OLD)
    waiting = [_made(stage, next(recent), plan) for plan in _WAITING]
    overdue = [_put_back(stage, _made(stage, next(old), plan), plan) for plan in _OVERDUE]
    booked = [
        _booked(next(recent), days=days, kind=kind, text=text) for days, kind, text in _BOOKED
    ]
    for _ in range(_TRIED):
        if sum(plan.status == PlanStatus.COMPLETED for plan in booked) >= 2:
            break
        booked.append(_booked(next(recent), days=14, kind=Kind.ROUTINE, text=_CHECK))
    _reopened(stage, recent)
    _cancelled(stage, next(recent))
    for made, plan in zip((*waiting, *overdue), (*_WAITING, *_OVERDUE), strict=True):
        _chased(stage, made, plan)
    _invited(stage, [waiting[1], waiting[3], overdue[0]])


def _one_a_patient(visits: Iterator[Appointment]) -> Iterator[Appointment]:
    seen = set()
    for visit in visits:
        if visit.patient_id not in seen:
            seen.add(visit.patient_id)
            yield visit


def _made(stage: DemoClinic, visit: Appointment, plan: _Plan) -> FollowUpPlan:
    with acting(visit.doctor.user_id) as by:
        return plan_create(
            by=by,
            appointment_id=visit.id,
            scheduled_for=stage.today + timedelta(days=abs(plan.days)),
            follow_up_type=plan.kind,
            priority=plan.priority,
            instructions=plan.text.instructions,
            medications=plan.text.medications,
            tests=plan.text.tests,
            restrictions=plan.text.restrictions,
            book=False,
        ).plan


def _put_back(stage: DemoClinic, made: FollowUpPlan, plan: _Plan) -> FollowUpPlan:
    made.scheduled_for = stage.today + timedelta(days=plan.days)
    made.save(update_fields=["scheduled_for"])
    return made


def _booked(visit: Appointment, *, days: int, kind: str, text: _Text) -> FollowUpPlan:
    """Booked where the doctor is free then; else it waits and says why, as it would."""
    with acting(visit.doctor.user_id) as by:
        return plan_create(
            by=by,
            appointment_id=visit.id,
            days_after=days,
            follow_up_type=kind,
            instructions=text.instructions,
            medications=text.medications,
            tests=text.tests,
            restrictions=text.restrictions,
        ).plan


def _reopened(stage: DemoClinic, visits: Iterator[Appointment]) -> None:
    """A plan whose visit was cancelled: it waits again."""
    plan = next(
        (
            plan
            for visit in itertools.islice(visits, _TRIED)
            if (plan := _booked(visit, days=14, kind=Kind.ROUTINE, text=_CHECK)).status
            == PlanStatus.COMPLETED
        ),
        None,
    )
    if plan is None or plan.follow_up_appointment_id is None:
        return
    with acting(stage.books(plan.doctor)) as by:
        appointment_move(
            appointment_id=plan.follow_up_appointment_id,
            verb=Verb.CANCEL,
            by=by,
            reason="Has to travel that week",
        )


def _cancelled(stage: DemoClinic, visit: Appointment) -> None:
    made = _made(stage, visit, _Plan(12, Kind.SPECIALIST, Priority.NORMAL, _SPECIALIST))
    with acting(visit.doctor.user_id) as by:
        plan_cancel(
            by=by,
            plan_id=made.id,
            reason="Was seen by the specialist already",
            expected_version=made.version,
        )


def _chased(stage: DemoClinic, made: FollowUpPlan, plan: _Plan) -> None:
    for channel, outcome, note in plan.asked:
        with acting(stage.books(made.doctor)) as by:
            again = plan.again if outcome == Said.CALL_LATER else None
            contact_record(
                by=by,
                plan_id=made.id,
                channel=channel,
                outcome=outcome,
                note=note,
                again_on=stage.today + timedelta(days=again) if again is not None else None,
            )


def _invited(stage: DemoClinic, plans: Sequence[FollowUpPlan]) -> None:
    for plan in plans:
        with acting(stage.books(plan.doctor)) as by:
            invitations_send(by=by, plans=[plan.id])
