"""What became of each visit by the moment of loading, and how it came to that."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from appointments.demo.diary import Planned
from appointments.demo.shapes import IN_PERSON, PHONE, VIDEO
from appointments.models import Appointment, Source, Verb
from appointments.models import AppointmentStatus as S
from appointments.services.bulk import NewVisit, Step
from clinics.models import Location

_REASONS = (
    "Follow-up",
    "New complaint",
    "Repeat prescription",
    "Test results",
    "Routine check",
    "Cough and fever",
    "Back pain",
    "Headache",
    "Blood pressure",
    "Vaccination advice",
    "",
)
_CANCELLED = ("Feeling better", "Clash at work", "Booked elsewhere", "No transport", "Doctor ill")
_UNDER_WAY = (S.CHECKED_IN, S.IN_PROGRESS, S.COMPLETED)
_CONFIRMED = (S.CONFIRMED, *_UNDER_WAY)


@dataclass(slots=True)
class _Story:
    """A history in the making: no entry is earlier than the one before, or later than now."""

    now: datetime
    steps: list[Step] = field(default_factory=list)

    def tell(
        self, verb: Verb, status: S, at: datetime, actor: UUID | None, reason: str = ""
    ) -> datetime:
        at = min(at, self.now)
        if self.steps:
            at = max(at, self.steps[-1].at)
        self.steps.append(
            Step(verb=verb.value, to_status=status.value, at=at, actor_id=actor, reason=reason)
        )
        return at


def statuses_settled(plans: list[Planned], *, now: datetime) -> None:
    """Decide what became of each visit; the first doctor's day shows every status."""
    first = plans[0].clinic
    for plan in plans:
        if plan.doctor.spec.email == "doctor@demo.kairos":
            first = plan.clinic
            break
    today = now.astimezone(first.zone).date()
    shown = [
        plan
        for plan in plans
        if plan.doctor.spec.email == "doctor@demo.kairos" and plan.day == today and not plan.status
    ]
    past = [plan for plan in shown if plan.ends_at <= now]
    for plan, status in zip(reversed(past), (S.COMPLETED, S.NO_SHOW, S.CANCELLED), strict=False):
        plan.status = status
    coming = [plan for plan in shown if plan.starts_at > now]
    for plan, status in zip(
        coming, (S.CHECKED_IN, S.CONFIRMED, S.PENDING, S.CANCELLED, S.SCHEDULED), strict=False
    ):
        plan.status = status
    rng = random.Random("statuses")  # noqa: S311 - not a secret
    for plan in plans:
        drawn = rng.random()
        if not plan.status:
            plan.status = _drawn(plan, now, drawn)


def _drawn(plan: Planned, now: datetime, drawn: float) -> S:
    if plan.ends_at <= now:
        return S.NO_SHOW if drawn < 0.09 else S.CANCELLED if drawn < 0.18 else S.COMPLETED
    if plan.starts_at <= now:
        return S.IN_PROGRESS
    if plan.starts_at - now <= timedelta(minutes=30) and plan.mode == IN_PERSON and drawn < 0.6:
        return S.CHECKED_IN
    if drawn < 0.08 and plan.clinic.spec.requires_approval:
        return S.PENDING
    return S.CANCELLED if drawn < 0.16 else S.CONFIRMED if drawn < 0.58 else S.SCHEDULED


def visit_told(plan: Planned, *, now: datetime, reception: UUID | None) -> NewVisit:
    """The visit with a history that leads to its status. Needs the plan's patient."""
    assert plan.patient is not None  # noqa: S101 - every plan has one by now
    rng = random.Random(f"{plan.starts_at}:{plan.doctor.spec.email}")  # noqa: S311 - not a secret
    status = S(plan.status)
    clinic, doctor = plan.clinic.row, plan.doctor.row
    by_patient = plan.is_own or status == S.PENDING or rng.random() < 0.35
    booker = plan.patient.user_id if by_patient else reception
    visit = Appointment(
        clinic=clinic,
        doctor=doctor,
        patient=plan.patient,
        service=plan.service,
        location=None if plan.mode in {VIDEO, PHONE} else _location(plan),
        room=plan.clinic.rooms.get((plan.hours.location, plan.hours.room or ""))
        if plan.mode == IN_PERSON
        else None,
        type=plan.mode,
        status=status,
        starts_at=plan.starts_at,
        ends_at=plan.ends_at,
        timezone=plan.clinic.spec.timezone,
        reason=rng.choice(_REASONS),
        source=Source.PATIENT if by_patient else Source.STAFF,
        booked_by_id=booker,
    )
    story = _Story(now)
    latest = min(plan.starts_at, now) - timedelta(minutes=20)
    booked = latest - timedelta(minutes=rng.randrange(30, 20 * 24 * 60))
    if by_patient and clinic.requires_approval:
        story.tell(Verb.BOOK, S.PENDING, booked, booker)
        if status not in {S.PENDING, S.CANCELLED}:
            story.tell(Verb.APPROVE, S.SCHEDULED, booked + timedelta(minutes=9), reception)
    else:
        story.tell(Verb.BOOK, S.SCHEDULED, booked, booker)
    visit.created_at = booked
    if status in _CONFIRMED and (status == S.CONFIRMED or rng.random() < 0.7):
        between = booked + (latest - booked) * rng.random()
        visit.confirmed_at = story.tell(Verb.CONFIRM, S.CONFIRMED, between, booker)
    if status in _UNDER_WAY:
        _attended(plan, visit, story, rng, reception)
    elif status == S.NO_SHOW:
        missed = plan.starts_at + timedelta(minutes=rng.randrange(15, 40))
        story.tell(Verb.NO_SHOW, status, missed, reception, "Did not come")
    elif status == S.CANCELLED:
        visit.cancel_reason = rng.choice(_CANCELLED)
        visit.cancelled_by_id = booker
        visit.cancelled_at = story.tell(
            Verb.CANCEL,
            status,
            booked + (latest - booked) * rng.random(),
            booker,
            visit.cancel_reason,
        )
        notice = timedelta(minutes=clinic.cancel_cutoff_minutes)
        visit.late_cancellation = plan.starts_at - visit.cancelled_at < notice
    visit.version = len(story.steps)
    visit.updated_at = story.steps[-1].at
    return NewVisit(
        appointment=visit,
        history=story.steps,
        capacity=plan.hours.capacity,
        buffer_before=timedelta(minutes=plan.service.buffer_before_minutes),
        buffer_after=timedelta(minutes=plan.service.buffer_after_minutes),
    )


def _location(plan: Planned) -> Location:
    return plan.clinic.locations[plan.hours.location]


def _attended(
    plan: Planned, visit: Appointment, story: _Story, rng: random.Random, reception: UUID | None
) -> None:
    treating = plan.doctor.row.user_id
    if plan.mode not in {VIDEO, PHONE}:
        early = plan.starts_at - timedelta(minutes=rng.randrange(3, 20))
        visit.checked_in_at = story.tell(Verb.CHECK_IN, S.CHECKED_IN, early, reception)
    if visit.status == S.CHECKED_IN:
        return
    begun = plan.starts_at + timedelta(minutes=rng.randrange(0, 9))
    visit.started_at = story.tell(Verb.START, S.IN_PROGRESS, begun, treating)
    if visit.status == S.COMPLETED:
        done = plan.ends_at + timedelta(minutes=rng.randrange(-4, 8))
        visit.completed_at = story.tell(Verb.COMPLETE, S.COMPLETED, done, treating)
        visit.notes = "Advice given; no further visit needed." if rng.random() < 0.3 else ""
