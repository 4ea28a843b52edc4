"""The plan under its lock, and what is written down of it: where every change begins and ends.

Locks are taken in one order: the chart, then visits, then plans, then calendars. A merge of charts
takes them in that order too; whoever books keeps the chart from being merged meanwhile.
"""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.db import connection

from appointments.models import Appointment
from clinics.principal import Principal
from core import journal
from core.errors import ErrorCode, KairosError
from followups.models import FollowUpPlan
from followups.selectors.plans import plans_visible_to

LABEL = "followups.followupplan"


def plan_lock(plan_id: UUID, *, by: Principal | None) -> FollowUpPlan:
    """The plan under its row lock, its chart kept from being merged, with the visit it follows.

    `by` None is the clinic itself, in the scope it has opened. Raises FOLLOWUP_PLAN_NOT_FOUND, the
    same for a plan that does not exist and one that `by` may not read.
    """
    plan = FollowUpPlan.objects.filter(pk=plan_id)
    chart_keep(lambda: plan.values_list("patient_id", flat=True).first())
    visit = plan.values_list("follow_up_appointment_id", flat=True).first()
    if visit is not None:
        # Taking its cancellation back completes the plan too: one after the other.
        Appointment.objects.filter(pk=visit).select_for_update(of=("self",), no_key=True).first()
    return plan_lock_alone(plan_id, by=by)


def plan_lock_alone(plan_id: UUID, *, by: Principal | None) -> FollowUpPlan:
    """As `plan_lock`, for who books nothing."""
    seen = FollowUpPlan.objects.all() if by is None else plans_visible_to(by)
    plan = (
        seen.filter(pk=plan_id)
        .select_related("appointment")
        .select_for_update(of=("self",), no_key=True)
        .first()
    )
    if plan is None:
        raise KairosError(ErrorCode.FOLLOWUP_PLAN_NOT_FOUND)
    return plan


def chart_keep(whose: Callable[[], UUID | None]) -> UUID | None:
    """Keep the chart that `whose` names from being merged, until the transaction ends.

    What refers to the chart may go over to another while this waits for a merge: then it is asked
    anew. Raises LOCK_TIMEOUT when that does not end.
    """
    chart = whose()
    for _attempt in range(3):
        if chart is None:
            return None
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM clinics_patient WHERE id = %s FOR SHARE", [chart])
        now = whose()
        if now == chart:
            return chart
        chart = now
    raise KairosError(ErrorCode.LOCK_TIMEOUT, headers={"Retry-After": "1"})


def chart_of_visit(appointment_id: UUID) -> UUID | None:
    """Whose visit it is; None for one that is not in scope."""
    found = Appointment.objects.filter(pk=appointment_id)
    return found.values_list("patient_id", flat=True).first()


def plan_act(
    plan: FollowUpPlan, action: str, changes: Mapping[str, Any] | None = None
) -> journal.Act:
    """One act on a plan, announced under the same name. `changes` holds no clinical text."""
    return journal.Act(
        action,
        LABEL,
        plan.id,
        plan.clinic_id,
        (plan.patient_id,),
        dict(changes or {}),
        topic=action,
        payload={
            "plan": plan.id,
            "patient": plan.patient_id,
            "doctor": plan.doctor_id,
            "appointment": plan.appointment_id,
            "follow_up_appointment": plan.follow_up_appointment_id,
            "status": plan.status,
            "priority": plan.priority,
            "scheduled_for": plan.scheduled_for,
            "version": plan.version,
        },
    )
