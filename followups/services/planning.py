"""Making a plan: from the visit that it follows or for a chart, with its visit if that can be."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from appointments.models import Appointment
from appointments.selectors.slots import Slot
from clinics.models import Clinic, VisitMode
from clinics.principal import Principal
from core import clock, journal
from core.errors import ErrorCode, invalid
from followups.matching import RANK
from followups.models import FollowUpPlan, PlanStatus
from followups.services import wishes
from followups.services.placing import Placed, Wanted, booker, place_on_day
from followups.services.plan_row import plan_act
from followups.services.wishes import FollowUpWish


@dataclass(frozen=True, slots=True)
class PlanMade:
    """A plan and the visit booked for it; or why it waits (`code`), and other times."""

    plan: FollowUpPlan
    appointment: Appointment | None = None
    code: ErrorCode | None = None
    alternatives: Sequence[Slot] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a plan starts from: the visit it follows, or a chart. `minutes` None: the service's."""

    clinic: UUID
    patient: UUID
    doctor: UUID
    zone: str
    service: UUID | None = None
    location: UUID | None = None
    mode: str = VisitMode.IN_PERSON
    minutes: int | None = None
    visit: Appointment | None = None


def basis_of(visit: Appointment) -> Basis:
    """A plan that follows a visit is like it, unless something else is asked for."""
    minutes = round((visit.ends_at - visit.starts_at).total_seconds() / 60)
    return Basis(
        clinic=visit.clinic_id,
        patient=visit.patient_id,
        doctor=visit.doctor_id,
        zone=visit.timezone,
        service=visit.service_id,
        location=visit.location_id,
        mode=visit.type,
        minutes=minutes if visit.service_id is None else None,
        visit=visit,
    )


def plan_make(*, by: Principal, basis: Basis, wish: FollowUpWish) -> PlanMade:
    """Make the plan, and book it at once if it can be; the rights were proven, the chart is kept.

    Raises NOT_FOUND, VALIDATION_ERROR, INVALID_FOLLOWUP_DATE, INVALID_APPOINTMENT_TYPE.
    """
    plan, zone = _plan_of(by, basis, wish)
    placed = Placed(None, None)
    if wish.book and wish.has_date:
        plan.appointment = basis.visit
        placed = place_on_day(
            wanted_by(plan, zone=zone, by=booker(by, clinic=plan.clinic_id, doctor=plan.doctor_id))
        )
    if placed.appointment is not None:
        plan.status = PlanStatus.COMPLETED
        plan.follow_up_appointment = placed.appointment
    elif placed.code is not None:
        plan.waiting_code = placed.code.value
    plan.save(force_insert=True)
    acts = [plan_act(plan, "followup.planned", _said(plan))]
    if placed.appointment is not None:
        acts.append(booked_act(plan, placed.appointment, before=None))
    journal.record_many(acts)
    return PlanMade(plan, placed.appointment, placed.code, placed.alternatives)


def wanted_by(
    plan: FollowUpPlan,
    *,
    zone: str,
    by: Principal | None,
    as_patient: bool = False,
    doctor: UUID | None = None,
    location: UUID | None = None,
    service: UUID | None = None,
) -> Wanted:
    """The visit that a plan wants, from its day on: at the time of day of the visit it follows."""
    parent = plan.appointment
    # Of two charts that were parted again, each kept its own visits.
    follows = parent if parent is not None and parent.patient_id == plan.patient_id else None
    today = clock.now().astimezone(ZoneInfo(zone)).date()
    return Wanted(
        clinic=plan.clinic_id,
        patient=plan.patient_id,
        doctor=doctor or plan.doctor_id,
        location=location or plan.location_id,
        service=service or plan.service_id,
        mode=plan.mode,
        minutes=plan.duration_minutes if service in {None, plan.service_id} else None,
        zone=zone,
        day=max(plan.scheduled_for, today),
        by=by,
        as_patient=as_patient,
        at=parent.starts_at.astimezone(ZoneInfo(parent.timezone)).time() if parent else None,
        follows=follows.id if follows is not None else None,
        reason=plan.instructions[:500],
        priority=plan.priority,
    )


def zone_of(plan: FollowUpPlan, location: UUID | None) -> str:
    """Of where the visit would be. Raises NOT_FOUND for a location that is not the clinic's."""
    where = location or plan.location_id
    parent = plan.appointment
    if parent is not None and where == parent.location_id:
        return parent.timezone
    if where is not None:
        return wishes.location_known(plan.clinic_id, where)
    return Clinic.objects.values_list("timezone", flat=True).get(pk=plan.clinic_id)


def booked_act(
    plan: FollowUpPlan, appointment: Appointment, *, before: str | None, early: str = ""
) -> journal.Act:
    """The plan has its visit. `early` is why it may be before the plan's day."""
    changes: dict[str, Any] = {
        "status": [before, plan.status],
        "follow_up_appointment": [None, appointment.id],
    }
    if early:
        changes["early_reason"] = [None, early]
    return plan_act(plan, "followup.booked", changes)


def _plan_of(by: Principal, basis: Basis, wish: FollowUpWish) -> tuple[FollowUpPlan, str]:
    """The checked, unsaved plan, and the time zone of where it would be."""
    mode = wish.mode or basis.mode
    wishes.kinds_checked(follow_up_type=wish.follow_up_type, priority=wish.priority, mode=mode)
    texts = {name: wishes.items_checked(name, getattr(wish, name)) for name in wishes.LISTS}
    instructions = wishes.text_checked("instructions", wish.instructions.strip())
    service, minutes = _length(basis, wish)
    zone = basis.zone
    if wish.doctor not in {None, basis.doctor} or basis.visit is None:
        wishes.doctor_known(basis.clinic, wish.doctor or basis.doctor)
    if service is not None and (service, mode) != (basis.service, basis.mode):
        wishes.service_known(basis.clinic, service, mode=mode)
    if wish.location not in {None, basis.location}:
        zone = wishes.location_known(basis.clinic, wish.location)
    after = _local_day(basis.visit) if basis.visit is not None else None
    plan = FollowUpPlan(
        clinic_id=basis.clinic,
        patient_id=basis.patient,
        doctor_id=wish.doctor or basis.doctor,
        appointment_id=basis.visit.id if basis.visit is not None else None,
        follow_up_type=wish.follow_up_type,
        service_id=service,
        location_id=wish.location or basis.location,
        mode=mode,
        duration_minutes=minutes,
        scheduled_for=wishes.day_checked(
            wish.scheduled_for, wish.days_after, zone=zone, after=after
        ),
        days_after=wish.days_after,
        priority=wish.priority,
        rank=RANK[wish.priority],
        instructions=instructions,
        created_by_id=by.account,
        **texts,
    )
    return plan, zone


def _length(basis: Basis, wish: FollowUpWish) -> tuple[UUID | None, int | None]:
    """The service, and the minutes where they are not the service's own."""
    service = wish.service or basis.service
    minutes = wishes.minutes_checked(wish.duration_minutes)
    if minutes is None and service is None:
        minutes = basis.minutes
    if minutes is None and service is None:
        raise invalid("service", "give a service or a length")
    return service, minutes


def _local_day(visit: Appointment) -> date:
    return visit.starts_at.astimezone(ZoneInfo(visit.timezone)).date()


def _said(plan: FollowUpPlan) -> dict[str, Any]:
    """What the trail keeps of a new plan: no clinical text."""
    said: dict[str, Any] = {
        "status": plan.status,
        "scheduled_for": plan.scheduled_for,
        "follow_up_type": plan.follow_up_type,
        "priority": plan.priority,
        "doctor": plan.doctor_id,
        "service": plan.service_id,
        "location": plan.location_id,
        "appointment": plan.appointment_id,
        "waiting_code": plan.waiting_code or None,
    }
    return {name: [None, value] for name, value in said.items() if value is not None}
