"""Chasing a follow-up: each attempt to reach the patient is written down, and has its effect.

| outcome                               | what becomes of the plan                                 |
|---------------------------------------|----------------------------------------------------------|
| NO_ANSWER, LEFT_MESSAGE, WRONG_NUMBER | `attempts` goes up; at `escalate_after_attempts` the     |
|                                       | doctor is told                                           |
| CALL_LATER                            | off the recall list until `again_on`                     |
| DECLINED                              | off the list until somebody acts; the doctor is told     |
| BOOKED                                | a note: booking the visit is what completes the plan     |
| INVITED                               | written by the invitation itself, never by hand          |

Whoever has been spoken with begins anew: `attempts` counts those without an answer since then. The
doctor is told once a plan (`escalated_at`, topic `followup.escalated`). "Somebody acts" is any
further attempt, an invitation, or a change of the plan.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import F
from django.utils.translation import gettext as _

from accounts.roles import Permission
from clinics.principal import Principal
from core import clock, ids, journal, versions
from core.errors import ErrorCode, KairosError, invalid
from followups.models import (
    UNANSWERED,
    CarePolicy,
    ContactAttempt,
    ContactChannel,
    ContactOutcome,
    FollowUpInvitation,
    FollowUpPlan,
    InvitationStatus,
    PlanStatus,
)
from followups.selectors.recall import local_day
from followups.services.plan_row import LABEL, plan_lock_alone
from followups.services.policy import policy_of

ESCALATED: Final = "followup.escalated"
#: How far ahead somebody may ask to be called.
_FURTHEST: Final = timedelta(days=366)
#: Outcomes after which the plan may be put off to a day.
_PUT_OFF: Final = frozenset({ContactOutcome.CALL_LATER, *UNANSWERED})
_CHANGED: Final = ["attempts", "contacted_at", "contact_on", "escalated_at", "declined_at"]


def contact_record(
    *,
    by: Principal,
    plan_id: UUID,
    channel: str,
    outcome: str,
    note: str = "",
    again_on: date | None = None,
    expected_version: int | None = None,
) -> ContactAttempt:
    """Write down that the patient of a plan was asked, and how it went (see above).

    `again_on` is the clinic's local day from which the plan is on the list again: CALL_LATER needs
    one, an attempt without an answer may have one. The attempt's `plan` is the plan as it stands
    now. Raises FOLLOWUP_PLAN_NOT_FOUND, PERMISSION_DENIED, PRECONDITION_FAILED, VALIDATION_ERROR,
    FOLLOWUP_PLAN_ALREADY_CONVERTED for a plan that is booked (unless the note is that it was), and
    INVALID_TRANSITION for one that is cancelled.
    """
    plan = plan_to_chase(by=by, plan_id=plan_id, expected_version=expected_version)
    said = _outcome(outcome)
    if channel not in ContactChannel.values:
        raise invalid("channel", f"any of {', '.join(ContactChannel.values)}")
    if len(note) > 500:
        raise invalid("note", "at most 500 letters")
    if not (plan.status == PlanStatus.COMPLETED and said == ContactOutcome.BOOKED):
        require_waiting(plan)
    _check_again_on(said, again_on, today=local_day(plan.clinic.timezone))
    return attempt_write(
        plan,
        channel=channel,
        outcome=said,
        by=by.account,
        note=note.strip(),
        again_on=again_on,
        policy=policy_of(plan.clinic_id),
    )


def attempt_write(
    plan: FollowUpPlan,
    *,
    channel: str,
    outcome: ContactOutcome,
    by: UUID | None,
    policy: CarePolicy,
    note: str = "",
    again_on: date | None = None,
) -> ContactAttempt:
    """The attempt and its effect on the plan, which is under its lock. `by` None: the patient."""
    now = clock.now()
    before = {name: getattr(plan, name) for name in _CHANGED}
    plan.attempts = plan.attempts + 1 if outcome in UNANSWERED else 0
    plan.contacted_at = now
    plan.contact_on = again_on
    plan.declined_at = now if outcome == ContactOutcome.DECLINED else None
    if is_to_be_escalated(plan, policy):
        plan.escalated_at = now
    attempt = ContactAttempt(
        id=ids.uuid7(),
        clinic_id=plan.clinic_id,
        plan=plan,
        at=now,
        by_id=by,
        channel=channel,
        outcome=outcome,
        note=note,
        again_on=again_on,
    )
    attempt.save(force_insert=True)
    versions.save(plan, _CHANGED)
    changes: dict[str, list[Any]] = {
        name: [before[name], getattr(plan, name)]
        for name in _CHANGED
        if before[name] != getattr(plan, name)
    }
    acts = [
        journal.Act(
            "followup.contacted",
            LABEL,
            plan.id,
            plan.clinic_id,
            (plan.patient_id,),
            {**changes, "outcome": [None, outcome.value], "channel": [None, channel]},
        )
    ]
    if before["escalated_at"] is None and plan.escalated_at is not None:
        acts.append(escalation(plan))
    journal.record(*acts)
    return attempt


def is_to_be_escalated(plan: FollowUpPlan, policy: CarePolicy) -> bool:
    """Whether the doctor has to be told now because of how the patient was reached, or was not."""
    return plan.escalated_at is None and (
        plan.declined_at is not None or plan.attempts >= policy.escalate_after_attempts
    )


def escalation(plan: FollowUpPlan) -> journal.Act:
    """The doctor is told: in the trail, and to whoever listens."""
    return journal.Act(
        ESCALATED,
        LABEL,
        plan.id,
        plan.clinic_id,
        (plan.patient_id,),
        {"escalated_at": [None, plan.escalated_at]},
        topic=ESCALATED,
        payload={
            "plan": plan.id,
            "doctor": plan.doctor_id,
            "patient": plan.patient_id,
            "attempts": plan.attempts,
            "declined": plan.declined_at is not None,
            "scheduled_for": plan.scheduled_for,
        },
    )


def plan_to_chase(
    *, by: Principal, plan_id: UUID, expected_version: int | None = None
) -> FollowUpPlan:
    """The plan under its lock, for staff who may chase it.

    Raises FOLLOWUP_PLAN_NOT_FOUND, PERMISSION_DENIED (for its patient too: what staff note about
    reaching them is the staff's), PRECONDITION_FAILED.
    """
    plan = plan_lock_alone(plan_id, by=by)
    require_may_chase(by, plan)
    versions.require(plan, expected_version)
    return plan


def require_may_chase(by: Principal, plan: FollowUpPlan) -> None:
    """Raises PERMISSION_DENIED, for the plan's patient too."""
    by.require(Permission.FOLLOWUP_SCHEDULE, plan.clinic_id, doctor_id=plan.doctor_id)


def require_waiting(plan: FollowUpPlan) -> None:
    """Raises FOLLOWUP_PLAN_ALREADY_CONVERTED or INVALID_TRANSITION."""
    code = not_waiting(plan)
    if code is not None:
        raise KairosError(code)


def not_waiting(plan: FollowUpPlan) -> ErrorCode | None:
    """Why a plan needs nobody to ask its patient; None for one that waits for a visit."""
    if plan.status == PlanStatus.COMPLETED:
        return ErrorCode.FOLLOWUP_PLAN_ALREADY_CONVERTED
    if plan.status == PlanStatus.CANCELLED:
        return ErrorCode.INVALID_TRANSITION
    return None


def invitations_withdraw(*, plan_id: UUID) -> int:
    """Take back the plan's open invitation, if it has one: for whoever books or cancels it.

    In the caller's transaction, with the plan under its lock. Returns how many there were.
    """
    return FollowUpInvitation.objects.filter(plan_id=plan_id, status=InvitationStatus.OPEN).update(
        status=InvitationStatus.WITHDRAWN, version=F("version") + 1, updated_at=clock.now()
    )


def invitations_end(over: Sequence[FollowUpInvitation]) -> None:
    """Close open invitations whose time has passed; they are under their locks, with their plans.

    Two statements, however many.
    """
    FollowUpInvitation.objects.filter(pk__in=[one.id for one in over]).update(
        status=InvitationStatus.EXPIRED, version=F("version") + 1, updated_at=clock.now()
    )
    journal.record_many(
        journal.Act(
            "followup.invitation_expired",
            "followups.followupinvitation",
            one.id,
            one.clinic_id,
            (one.plan.patient_id,),
            {"status": [InvitationStatus.OPEN, InvitationStatus.EXPIRED]},
        )
        for one in over
    )


def _outcome(text: str) -> ContactOutcome:
    if text not in ContactOutcome.values or text == ContactOutcome.INVITED:
        known = [value for value in ContactOutcome.values if value != ContactOutcome.INVITED]
        raise invalid("outcome", f"any of {', '.join(known)}")
    return ContactOutcome(text)


def _check_again_on(outcome: ContactOutcome, again_on: date | None, *, today: date) -> None:
    if again_on is None:
        if outcome == ContactOutcome.CALL_LATER:
            raise invalid("again_on", _("Say on which day to ask again."))
        return
    if outcome not in _PUT_OFF:
        raise invalid("again_on", _("There is nothing to ask again after this outcome."))
    if not today <= again_on <= today + _FURTHEST:
        raise invalid("again_on", _("A day from today on, at most a year ahead."))
