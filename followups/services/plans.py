"""Follow-up plans: made with their visit or without, and booked; `plan_changes` is the rest."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from accounts.roles import Permission
from appointments.models import Appointment, Priority
from appointments.selectors.slots import Slot
from appointments.services.calendar import slot_data
from clinics.principal import Principal
from clinics.selectors.patients import patients_visible_to
from core import journal, versions
from core.errors import ErrorCode, KairosError, invalid
from followups.models import FollowUpPlan, FollowUpType, PlanStatus
from followups.selectors.plans import visit_of
from followups.services import wishes
from followups.services.contact import invitations_withdraw, require_waiting
from followups.services.placing import (
    OF_TIME,
    Wanted,
    book_at,
    booker,
    place_from_day,
    times_from,
)
from followups.services.plan_changes import plan_cancel, plan_update, plans_mark_overdue
from followups.services.plan_row import chart_keep, chart_of_visit, plan_lock
from followups.services.planning import (
    Basis,
    PlanMade,
    basis_of,
    booked_act,
    plan_make,
    wanted_by,
    zone_of,
)
from followups.services.wishes import FollowUpWish

__all__ = [
    "PlanMade",
    "plan_cancel",
    "plan_create",
    "plan_schedule",
    "plan_update",
    "plans_mark_overdue",
]

_MAX_REASON: Final = 500


def plan_create(
    *,
    by: Principal,
    appointment_id: UUID | None = None,
    patient: UUID | None = None,
    doctor: UUID | None = None,
    scheduled_for: date | None = None,
    days_after: int | None = None,
    follow_up_type: str = FollowUpType.ROUTINE,
    service: UUID | None = None,
    location: UUID | None = None,
    mode: str | None = None,
    duration_minutes: int | None = None,
    priority: str = Priority.NORMAL,
    instructions: str = "",
    medications: Sequence[str] = (),
    tests: Sequence[str] = (),
    restrictions: Sequence[str] = (),
    book: bool = True,
) -> PlanMade:
    """Plan what is to come after a visit (`appointment_id`), or for a patient without one.

    What is left out is that of the visit; without a visit, a doctor may leave `doctor` out. With a
    day the visit is booked at once, if the doctor is free then: at the same time of day as the
    visit that it follows, else at the nearest. If not, the plan waits and says why.

    Raises APPOINTMENT_NOT_FOUND, NOT_FOUND, PERMISSION_DENIED, VALIDATION_ERROR,
    INVALID_FOLLOWUP_DATE, INVALID_APPOINTMENT_TYPE.
    """
    wish = FollowUpWish(
        scheduled_for=scheduled_for,
        days_after=days_after,
        follow_up_type=follow_up_type,
        doctor=doctor,
        service=service,
        location=location,
        mode=mode,
        duration_minutes=duration_minutes,
        priority=priority,
        instructions=instructions,
        medications=medications,
        tests=tests,
        restrictions=restrictions,
        book=book,
    )
    if appointment_id is not None:
        chart_keep(lambda: chart_of_visit(appointment_id))
        basis = basis_of(visit_of(by, appointment_id))
        if patient not in {None, basis.patient}:
            raise invalid("patient", _("Not the patient of the visit."))
    else:
        basis = _basis_of_chart(by, patient, wish)
    by.require(Permission.FOLLOWUP_WRITE, basis.clinic, doctor_id=wish.doctor or basis.doctor)
    return plan_make(by=by, basis=basis, wish=wish)


def _basis_of_chart(by: Principal, patient: UUID | None, wish: FollowUpWish) -> Basis:
    if patient is None:
        raise invalid("patient", _("Say for whom."))
    chart_keep(lambda: patient)
    chart = (
        patients_visible_to(by)
        .filter(pk=patient, is_active=True, merged_into=None)
        .values_list("clinic_id", "clinic__timezone")
        .first()
    )
    if chart is None:
        raise KairosError(ErrorCode.NOT_FOUND, errors={"patient": ["not found"]})
    doctor = wish.doctor or by.doctor_id
    if doctor is None:
        raise invalid("doctor", _("Say with whom."))
    return Basis(clinic=chart[0], patient=patient, doctor=doctor, zone=chart[1])


# --- Booking ------------------------------------------------------------------------------------


def plan_schedule(
    *,
    by: Principal | None,
    plan_id: UUID,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    doctor: UUID | None = None,
    location: UUID | None = None,
    service: UUID | None = None,
    early_reason: str | None = None,
    hold: UUID | None = None,
    expected_version: int | None = None,
) -> PlanMade:
    """Book the visit of a plan that waits; without `starts_at` the first time that is free.

    `by` None is the clinic itself, which has offered this very time; whoever calls has proven the
    right. Patients book by the clinic's rules for patients, and never before the plan's day; nor
    does anybody else, unless who may write the plan gives an `early_reason`.

    Raises FOLLOWUP_PLAN_NOT_FOUND, PERMISSION_DENIED, FOLLOWUP_PLAN_ALREADY_CONVERTED,
    INVALID_TRANSITION for a cancelled plan, INVALID_FOLLOWUP_DATE, PRECONDITION_FAILED, and as
    booking does; a refused time comes with `alternatives` on or after the plan's day.
    """
    plan = plan_lock(plan_id, by=by)
    as_patient = by is not None and _as_patient(by, plan, doctor, service)
    require_waiting(plan)  # before the version: of two who book at once, one learns that it is done
    versions.require(plan, expected_version)
    zone = zone_of(plan, location)
    in_whose_name = by
    if by is not None and not as_patient:
        in_whose_name = booker(by, clinic=plan.clinic_id, doctor=doctor or plan.doctor_id)
    wanted = wanted_by(
        plan,
        zone=zone,
        by=in_whose_name,
        as_patient=as_patient,
        doctor=doctor,
        location=location,
        service=service,
    )
    early = ""
    if starts_at is None:
        placed = place_from_day(wanted)
        if placed.appointment is None:
            code = placed.code or ErrorCode.SCHEDULING_CONFLICT
            raise _refused(KairosError(code), placed.alternatives)
        appointment = placed.appointment
    else:
        early = _early(None if as_patient else by, plan, starts_at, zone, early_reason)
        appointment = _book_at(wanted, starts_at, ends_at, hold)
    before = plan.status
    plan.status = PlanStatus.COMPLETED
    plan.follow_up_appointment = appointment
    plan.waiting_code = ""
    versions.save(plan, ["status", "follow_up_appointment", "waiting_code"])
    invitations_withdraw(plan_id=plan.id)
    journal.record(booked_act(plan, appointment, before=before, early=early))
    return PlanMade(plan, appointment)


def _as_patient(
    by: Principal, plan: FollowUpPlan, doctor: UUID | None, service: UUID | None
) -> bool:
    """Whether `by` books as the patient. Raises PERMISSION_DENIED."""
    needed, clinic = Permission.FOLLOWUP_SCHEDULE, plan.clinic_id
    if by.may_for(needed, clinic, doctor_id=plan.doctor_id):
        if doctor is not None:
            by.require(needed, clinic, doctor_id=doctor)
        return False
    by.require(needed, clinic, patient_id=plan.patient_id)
    if service is not None:
        raise KairosError(ErrorCode.PERMISSION_DENIED)
    return True


def _early(
    by: Principal | None,
    plan: FollowUpPlan,
    starts_at: datetime,
    zone: str,
    reason: str | None,
) -> str:
    """Why the visit may be before the plan's day; empty when it is not.

    `by` None may not have it so. Raises INVALID_FOLLOWUP_DATE, PERMISSION_DENIED.
    """
    if starts_at.astimezone(ZoneInfo(zone)).date() >= plan.scheduled_for:
        return ""
    said = wishes.text_checked("early_reason", (reason or "").strip(), most=_MAX_REASON)
    parent = plan.appointment
    if said and by is not None and (parent is None or starts_at >= parent.ends_at):
        by.require(Permission.FOLLOWUP_WRITE, plan.clinic_id, doctor_id=plan.doctor_id)
        return said
    raise KairosError(
        ErrorCode.INVALID_FOLLOWUP_DATE,
        errors={"starts_at": [_("Not before %(day)s.") % {"day": plan.scheduled_for.isoformat()}]},
    )


def _book_at(
    wanted: Wanted, starts_at: datetime, ends_at: datetime | None, hold: UUID | None
) -> Appointment:
    if ends_at is None and wanted.minutes is not None:
        ends_at = starts_at + timedelta(minutes=wanted.minutes)
    try:
        return book_at(
            wanted, starts_at=starts_at, ends_at=ends_at, location=wanted.location, hold=hold
        )
    except KairosError as refusal:
        if refusal.code in OF_TIME:
            raise _refused(refusal, times_from(wanted)) from refusal
        raise


def _refused(refusal: KairosError, other: Sequence[Slot]) -> KairosError:
    return KairosError(
        refusal.code,
        refusal.detail,
        errors=refusal.errors,
        extra={**refusal.extra, "alternatives": [slot_data(slot) for slot in other]},
    )
