"""Plans changed, given up, overdue."""

from datetime import date
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection
from django.utils.translation import gettext as _

from accounts.roles import Permission
from clinics.principal import Principal
from core import clock, journal, tenancy, versions
from core.errors import ErrorCode, KairosError, invalid
from followups.matching import RANK
from followups.models import FollowUpPlan, PlanStatus
from followups.services import wishes
from followups.services.contact import invitations_withdraw, require_waiting
from followups.services.plan_row import LABEL, plan_act, plan_lock_alone
from followups.services.planning import zone_of

#: What `plan_update` takes.
FIELDS: Final = (
    "scheduled_for",
    "follow_up_type",
    "doctor",
    "service",
    "location",
    "mode",
    "duration_minutes",
    "priority",
    "instructions",
    *wishes.LISTS,
)
#: Of those, what the visit that is booked is made of.
_OF_BOOKING: Final = frozenset(
    {"scheduled_for", "doctor", "service", "location", "mode", "duration_minutes"}
)
_CLINICAL: Final = frozenset({"instructions", *wishes.LISTS})
_REFERENCES: Final = frozenset({"doctor", "service", "location"})
_MAX_REASON: Final = 500
_BATCH: Final = 500


def plan_update(
    *, by: Principal, plan_id: UUID, expected_version: int | None = None, **fields: Any
) -> FollowUpPlan:
    """Change what is planned (`FIELDS`); what is not named stays as it is.

    Once the visit is booked, only the texts, the kind and the priority change. With another day the
    plan is chased anew. Raises FOLLOWUP_PLAN_NOT_FOUND, PERMISSION_DENIED, PRECONDITION_FAILED,
    FOLLOWUP_PLAN_ALREADY_CONVERTED, INVALID_TRANSITION for a cancelled plan, and as `plan_create`.
    """
    if unknown := sorted(set(fields).difference(FIELDS)):
        raise KairosError(
            ErrorCode.VALIDATION_ERROR, errors={name: [_("unknown")] for name in unknown}
        )
    plan = plan_lock_alone(plan_id, by=by)
    by.require(Permission.FOLLOWUP_WRITE, plan.clinic_id, doctor_id=plan.doctor_id)
    versions.require(plan, expected_version)
    if plan.status == PlanStatus.CANCELLED:
        raise KairosError(ErrorCode.INVALID_TRANSITION, extra={"current_status": plan.status})
    wanted = _cleaned(fields)
    changed = {
        name: [getattr(plan, _attname(name)), value]
        for name, value in wanted.items()
        if getattr(plan, _attname(name)) != value
    }
    if not changed:
        return plan
    rebooked = _OF_BOOKING.intersection(changed)
    if rebooked:
        require_waiting(plan)
    for name, (_before, value) in changed.items():
        setattr(plan, _attname(name), value)
    _check_changed(by, plan, changed)
    saved = [*changed, *_consequences(plan, changed)]
    versions.save(plan, saved)
    if rebooked:
        invitations_withdraw(plan_id=plan.id)
    said = {name: ["…", "…"] if name in _CLINICAL else pair for name, pair in changed.items()}
    journal.record(plan_act(plan, "followup.changed", said))
    return plan


def _attname(name: str) -> str:
    return f"{name}_id" if name in _REFERENCES else name


def _cleaned(fields: dict[str, Any]) -> dict[str, Any]:
    """The texts without the blanks around them. Raises VALIDATION_ERROR."""
    cleaned = dict(fields)
    for name in wishes.LISTS:
        if name in cleaned:
            cleaned[name] = wishes.items_checked(name, cleaned[name])
    if "instructions" in cleaned:
        text = cleaned["instructions"].strip()
        cleaned["instructions"] = wishes.text_checked("instructions", text)
    for name in ("scheduled_for", "doctor"):
        if name in cleaned and cleaned[name] is None:
            raise invalid(name, _("This cannot be empty."))
    return cleaned


def _check_changed(by: Principal, plan: FollowUpPlan, changed: dict[str, Any]) -> None:
    """Raises as `plan_create` for what the plan has become."""
    wishes.kinds_checked(follow_up_type=plan.follow_up_type, priority=plan.priority, mode=plan.mode)
    wishes.minutes_checked(plan.duration_minutes)
    if plan.service_id is None and plan.duration_minutes is None:
        raise invalid("service", _("Give a service or a length."))
    if "doctor" in changed:
        by.require(Permission.FOLLOWUP_WRITE, plan.clinic_id, doctor_id=plan.doctor_id)
        wishes.doctor_known(plan.clinic_id, plan.doctor_id)
    if plan.service_id is not None and not {"service", "mode"}.isdisjoint(changed):
        wishes.service_known(plan.clinic_id, plan.service_id, mode=plan.mode)
    if "location" in changed and plan.location_id is not None:
        wishes.location_known(plan.clinic_id, plan.location_id)
    if "scheduled_for" in changed:
        parent = plan.appointment
        after = parent.starts_at.astimezone(ZoneInfo(parent.timezone)).date() if parent else None
        wishes.day_checked(plan.scheduled_for, None, zone=zone_of(plan, None), after=after)


def _consequences(plan: FollowUpPlan, changed: dict[str, Any]) -> list[str]:
    """Set what follows from the changes; the names of those fields."""
    also: list[str] = []
    if "priority" in changed:
        plan.rank = RANK[plan.priority]
        also.append("rank")
    if not {"priority", *_OF_BOOKING}.isdisjoint(changed):
        plan.declined_at = None
        plan.waiting_code = ""
        also += ["declined_at", "waiting_code"]
    if "scheduled_for" in changed:
        plan.status = PlanStatus.SCHEDULED
        plan.days_after = plan.contact_on = plan.escalated_at = None
        plan.attempts = 0
        also += ["status", "days_after", "contact_on", "escalated_at", "attempts"]
    return also


def plan_cancel(
    *, by: Principal, plan_id: UUID, reason: str, expected_version: int | None = None
) -> FollowUpPlan:
    """Give up a plan that waits. One that has its visit: cancel that first.

    Raises FOLLOWUP_PLAN_NOT_FOUND, PERMISSION_DENIED, PRECONDITION_FAILED, VALIDATION_ERROR without
    a reason, FOLLOWUP_PLAN_ALREADY_CONVERTED, INVALID_TRANSITION for a cancelled plan.
    """
    plan = plan_lock_alone(plan_id, by=by)
    by.require(Permission.FOLLOWUP_WRITE, plan.clinic_id, doctor_id=plan.doctor_id)
    versions.require(plan, expected_version)
    require_waiting(plan)
    reason = wishes.text_checked("reason", reason.strip(), most=_MAX_REASON)
    if not reason:
        raise invalid("reason", "required")
    before = plan.status
    plan.status, plan.cancel_reason = PlanStatus.CANCELLED, reason
    versions.save(plan, ["status", "cancel_reason"])
    invitations_withdraw(plan_id=plan.id)
    journal.record(plan_act(plan, "followup.cancelled", {"status": [before, plan.status]}))
    return plan


# --- Overdue ------------------------------------------------------------------------------------

# A plan that somebody is changing is left to the next run.
_OVERDUE = """
WITH due AS (
    SELECT p.id FROM clinics_clinic c
    JOIN followups_followupplan p ON p.clinic_id = c.id AND p.status = 'scheduled'
        AND p.scheduled_for < (%(now)s AT TIME ZONE c.timezone)::date
    LIMIT %(batch)s FOR NO KEY UPDATE OF p SKIP LOCKED
)
UPDATE followups_followupplan p
SET status = 'overdue', version = p.version + 1, updated_at = %(now)s
FROM due WHERE p.id = due.id
RETURNING p.id, p.clinic_id, p.patient_id, p.doctor_id, p.scheduled_for, p.priority
"""


def plans_mark_overdue() -> int:
    """Mark plans whose day has passed without a visit, by each clinic's local day; how many.

    Small transactions in the system scope; safe to run twice at once and to be killed in between.
    """
    marked = 0
    while True:
        with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000):
            with connection.cursor() as cursor:
                cursor.execute(_OVERDUE, {"now": clock.now(), "batch": _BATCH})
                rows = cursor.fetchall()
            journal.record_many(_overdue_act(*row) for row in rows)
        marked += len(rows)
        if len(rows) < _BATCH:
            return marked


def _overdue_act(
    plan: UUID, clinic: UUID, patient: UUID, doctor: UUID, day: date, priority: str
) -> journal.Act:
    return journal.Act(
        "followup.overdue",
        LABEL,
        plan,
        clinic,
        (patient,),
        {"status": [PlanStatus.SCHEDULED, PlanStatus.OVERDUE]},
        topic="followup.overdue",
        payload={
            "plan": plan,
            "patient": patient,
            "doctor": doctor,
            "scheduled_for": day,
            "status": PlanStatus.OVERDUE,
            "priority": priority,
        },
    )
