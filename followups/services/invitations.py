"""Invitations: the patient of a plan picks one of the times offered, by a link of their own.

One invitation of a plan is open at a time (a constraint). Its times are offered, not held: whoever
comes first has them, and who comes late is offered others. It ends by being accepted or declined,
by time (`invitation_days`), or because the plan was booked otherwise or cancelled
(`followups.services.contact.invitations_withdraw`). The plan is locked before its invitation,
always.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import F

from appointments.models import Appointment
from appointments.selectors.slots import Slot
from appointments.services.calendar import slot_data
from appointments.services.writing import rows_insert
from clinics.principal import Principal, guest
from core import clock, ids, journal, tenancy, versions
from core.errors import ErrorCode, KairosError, invalid
from followups.links import invitation_ids, invitation_link
from followups.models import (
    ContactAttempt,
    ContactChannel,
    ContactOutcome,
    FollowUpInvitation,
    FollowUpPlan,
    InvitationStatus,
    PlanStatus,
)
from followups.selectors.invitations import free_at, other_times, times_for, times_to_choose
from followups.selectors.plans import plans_visible_to
from followups.services.contact import (
    attempt_write,
    invitations_end,
    not_waiting,
    require_may_chase,
)
from followups.services.invitation_messages import BY_SMS, INVITED, goes_by_sms
from followups.services.plan_row import plan_lock, plan_lock_alone
from followups.services.plans import plan_schedule
from followups.services.policy import policies_of, policy_of

#: Plans invited at once.
MOST: Final = 200
#: For how long after its end a link still says what became of it.
TELLS_FOR: Final = timedelta(days=30)
#: Refusals of a booking that mean, to a patient with a list of times: choose another.
_GONE: Final = frozenset(
    {
        ErrorCode.SCHEDULING_CONFLICT,
        ErrorCode.OUTSIDE_WORKING_HOURS,
        ErrorCode.DOCTOR_ON_LEAVE,
        ErrorCode.TOO_SOON,
        ErrorCode.BEYOND_HORIZON,
        ErrorCode.DAILY_CAP_REACHED,
        ErrorCode.WEEKLY_CAP_REACHED,
        ErrorCode.ROOM_CONFLICT,
        ErrorCode.INVALID_FOLLOWUP_DATE,
    }
)


@dataclass(frozen=True, slots=True)
class InvitationOutcome:
    """What became of inviting one plan's patient.

    `code` is None for who was invited now; CONFLICT for who has an open invitation already (which
    is then `invitation`). `by_sms`: the link goes out as a text message; otherwise the desk hands
    it out or prints it.
    """

    plan: UUID
    invitation: FollowUpInvitation | None = None
    code: ErrorCode | None = None
    by_sms: bool = False

    @property
    def link(self) -> str:
        """What `/follow-up/` is followed by; empty without an invitation."""
        return invitation_link(self.invitation) if self.invitation is not None else ""


@dataclass(frozen=True, slots=True)
class OpenedInvitation:
    """An invitation as whoever holds its link sees it.

    `times_free` is what can be chosen now; empty once it was answered. `principal` is the holder:
    they may see the visit that they chose, and nothing else.
    """

    principal: Principal
    invitation: FollowUpInvitation
    plan: FollowUpPlan
    times_free: list[Slot] = field(default_factory=list)


def invitations_send(*, by: Principal, plans: Sequence[UUID]) -> list[InvitationOutcome]:
    """Invite the patients of several plans (at most 200); what became of each, in the given order.

    A plan that cannot be invited is told by its code and keeps nobody else from being invited:
    FOLLOWUP_PLAN_NOT_FOUND, FOLLOWUP_PLAN_ALREADY_CONVERTED, INVALID_TRANSITION (cancelled),
    CONFLICT (invited already), SCHEDULING_CONFLICT (no time is free). The same plan twice is asked
    once. Text messages leave after the commit. Eight statements to twelve, however many plans.

    Raises PERMISSION_DENIED when one of the plans may be read but not chased, VALIDATION_ERROR.
    """
    wanted = list(dict.fromkeys(plans))
    if not 1 <= len(wanted) <= MOST:
        raise invalid("plans", f"1 to {MOST} plans")
    found = {
        plan.id: plan
        for plan in plans_visible_to(by)
        .select_related("clinic", "patient")
        .select_for_update(of=("self",), no_key=True)
        .filter(pk__in=wanted)
        .order_by("pk")
    }
    for plan in found.values():
        require_may_chase(by, plan)
    outcomes = {
        plan_id: InvitationOutcome(plan_id, code=ErrorCode.FOLLOWUP_PLAN_NOT_FOUND)
        for plan_id in wanted
        if plan_id not in found
    }
    open_ones = _open_or_expired_now(list(found))
    asked: list[FollowUpPlan] = []
    for plan in (found[plan_id] for plan_id in wanted if plan_id in found):
        code = not_waiting(plan)
        if code is not None:
            outcomes[plan.id] = InvitationOutcome(plan.id, code=code)
        elif plan.id in open_ones:
            there = open_ones[plan.id]
            outcomes[plan.id] = InvitationOutcome(
                plan.id, there, ErrorCode.CONFLICT, there.sent_by == BY_SMS
            )
        else:
            asked.append(plan)
    if asked:
        outcomes |= _invite(by, asked)
    return [outcomes[plan_id] for plan_id in wanted]


def invitation_by_token(token: str) -> OpenedInvitation:
    """Open an invitation; leaves its clinic alone in scope.

    Raises NOT_FOUND for a link that is forged, foreign or long over, OFFER_EXPIRED for one whose
    time has passed or that was taken back, FOLLOWUP_PLAN_ALREADY_CONVERTED when the plan was booked
    otherwise.
    """
    clinic_id, invitation_id = invitation_ids(token)
    tenancy.narrow([clinic_id])
    invitation = (
        FollowUpInvitation.objects.select_related(
            "clinic",
            "plan__clinic",
            "plan__patient",
            "plan__doctor",
            "plan__service",
            "plan__location",
            "plan__follow_up_appointment__location",
        )
        .filter(
            pk=invitation_id,
            clinic_id=clinic_id,
            clinic__is_active=True,
            expires_at__gt=clock.now() - TELLS_FOR,
        )
        .first()
    )
    if invitation is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    plan = invitation.plan
    if invitation.status in {InvitationStatus.ACCEPTED, InvitationStatus.DECLINED}:
        chosen = plan.follow_up_appointment_id if plan.status == PlanStatus.COMPLETED else None
        if invitation.status == InvitationStatus.DECLINED:
            chosen = None
        return OpenedInvitation(guest(ids.uuid7(), visit=chosen), invitation, plan)
    _require_open(plan, invitation)
    most = policy_of(clinic_id).invitation_times
    return OpenedInvitation(
        guest(ids.uuid7()), invitation, plan, times_to_choose(plan, invitation, most=most)
    )


def invitation_accept(
    *, token: str, starts_at: datetime, doctor: UUID | None = None, location: UUID | None = None
) -> Appointment:
    """Book the time that the patient chose: one that was offered, or one offered instead of it.

    Asked again for the same time: the same visit. Raises SCHEDULING_CONFLICT with `alternatives`
    when the time is gone (the invitation stays open), PATIENT_CONFLICT likewise,
    FOLLOWUP_PLAN_ALREADY_CONVERTED, OFFER_EXPIRED and NOT_FOUND as `invitation_by_token`.
    """
    plan, invitation = _locked(token, keep_chart=True)
    if plan.status == PlanStatus.COMPLETED:
        visit = plan.follow_up_appointment
        if (
            invitation.status == InvitationStatus.ACCEPTED
            and visit is not None
            and visit.starts_at == starts_at
            and doctor in {None, visit.doctor_id}
        ):
            return visit
    _require_open(plan, invitation)
    slot = free_at(plan, starts_at, location) if doctor in {None, plan.doctor_id} else None
    if slot is None:
        raise _choose_another(plan, ErrorCode.SCHEDULING_CONFLICT)
    try:
        with transaction.atomic():
            # Before the booking, which takes back whatever invitation is still open.
            _answered(invitation, InvitationStatus.ACCEPTED)
            made = plan_schedule(
                by=None,
                plan_id=plan.id,
                starts_at=slot.starts_at,
                ends_at=slot.ends_at,
                doctor=slot.doctor,
                location=slot.location,
            )
            if made.appointment is None:
                raise KairosError(ErrorCode(made.code or ErrorCode.SCHEDULING_CONFLICT))
    except KairosError as refusal:
        if refusal.code in _GONE:
            raise _choose_another(plan, ErrorCode.SCHEDULING_CONFLICT) from refusal
        if refusal.code == ErrorCode.PATIENT_CONFLICT:
            raise _choose_another(plan, refusal.code) from refusal
        raise
    journal.record(_act(invitation, plan, "followup.invitation_accepted"))
    return made.appointment


def invitation_decline(*, token: str) -> FollowUpInvitation:
    """The patient does not want to come: as if they had said so to somebody (see `contact`).

    Declining again changes nothing. Raises as `invitation_accept`.
    """
    plan, invitation = _locked(token)
    if invitation.status == InvitationStatus.DECLINED:
        return invitation
    _require_open(plan, invitation)
    _answered(invitation, InvitationStatus.DECLINED)
    attempt_write(
        plan,
        channel=_channel(by_sms=invitation.sent_by == BY_SMS),
        outcome=ContactOutcome.DECLINED,
        by=None,
        policy=policy_of(plan.clinic_id),
    )
    journal.record(_act(invitation, plan, "followup.invitation_declined"))
    return invitation


def _invite(by: Principal, plans: Sequence[FollowUpPlan]) -> dict[UUID, InvitationOutcome]:
    """Find times for the plans, which are under their locks, and write the invitations."""
    now = clock.now()
    rules = policies_of({plan.clinic_id for plan in plans})
    times = times_for(plans, lambda plan: rules[plan.clinic_id].invitation_times)
    outcomes = {
        plan.id: InvitationOutcome(plan.id, code=ErrorCode.SCHEDULING_CONFLICT)
        for plan in plans
        if not times[plan.id]
    }
    made: list[tuple[FollowUpPlan, FollowUpInvitation, bool]] = []
    for plan in plans:
        if not times[plan.id]:
            continue
        invitation = FollowUpInvitation(
            clinic_id=plan.clinic_id,
            plan=plan,
            times=[_offered(slot) for slot in times[plan.id]],
            expires_at=now + timedelta(days=rules[plan.clinic_id].invitation_days),
            created_by_id=by.account,
            created_at=now,
            updated_at=now,
        )
        by_sms = goes_by_sms(plan.patient)
        made.append((plan, invitation, by_sms))
        outcomes[plan.id] = InvitationOutcome(plan.id, invitation, None, by_sms)
    if made:
        _write(by, made, now)
    return outcomes


def _write(
    by: Principal, made: Sequence[tuple[FollowUpPlan, FollowUpInvitation, bool]], now: datetime
) -> None:
    """Four statements, however many invitations."""
    rows_insert(FollowUpInvitation, [invitation for _, invitation, _ in made])
    rows_insert(
        ContactAttempt,
        [
            ContactAttempt(
                clinic_id=plan.clinic_id,
                plan=plan,
                at=now,
                by_id=by.account,
                channel=_channel(by_sms=by_sms),
                outcome=ContactOutcome.INVITED,
            )
            for plan, _, by_sms in made
        ],
    )
    FollowUpPlan.objects.filter(pk__in=[plan.id for plan, _, _ in made]).update(
        contacted_at=now,
        contact_on=None,
        declined_at=None,
        version=F("version") + 1,
        updated_at=now,
    )
    journal.record_many(
        _act(
            invitation,
            plan,
            INVITED,
            topic=INVITED,
            payload={
                "invitation": invitation.id,
                "plan": plan.id,
                "patient": plan.patient_id,
                "by_sms": by_sms,
            },
        )
        for plan, invitation, by_sms in made
    )


def _open_or_expired_now(plans: Sequence[UUID]) -> dict[UUID, FollowUpInvitation]:
    """The open invitations of these plans; those whose time has passed are closed first."""
    now = clock.now()
    found = list(
        FollowUpInvitation.objects.select_related("plan")
        .filter(plan_id__in=plans, status=InvitationStatus.OPEN)
        .order_by("pk")
        .select_for_update(of=("self",), no_key=True)
    )
    over = [one for one in found if one.expires_at <= now]
    if over:
        invitations_end(over)
    return {one.plan_id: one for one in found if one.expires_at > now}


def _locked(token: str, *, keep_chart: bool = False) -> tuple[FollowUpPlan, FollowUpInvitation]:
    """The plan and the invitation of a link, locked in this order; for a booking the chart first
    (`followups.services.plan_row`). Raises NOT_FOUND."""
    clinic_id, invitation_id = invitation_ids(token)
    tenancy.narrow([clinic_id])
    seen = FollowUpInvitation.objects.filter(
        pk=invitation_id,
        clinic_id=clinic_id,
        clinic__is_active=True,
        expires_at__gt=clock.now() - TELLS_FOR,
    )
    plan_id = seen.values_list("plan_id", flat=True).first()
    if plan_id is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    plan = (plan_lock if keep_chart else plan_lock_alone)(plan_id, by=None)
    invitation = (
        FollowUpInvitation.objects.select_for_update(no_key=True).filter(pk=invitation_id).first()
    )
    if invitation is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    return plan, invitation


def _require_open(plan: FollowUpPlan, invitation: FollowUpInvitation) -> None:
    """Raises FOLLOWUP_PLAN_ALREADY_CONVERTED, OFFER_EXPIRED."""
    if plan.status == PlanStatus.COMPLETED:
        raise KairosError(ErrorCode.FOLLOWUP_PLAN_ALREADY_CONVERTED)
    if (
        invitation.status != InvitationStatus.OPEN
        or invitation.expires_at <= clock.now()
        or not plan.is_waiting
    ):
        raise KairosError(ErrorCode.OFFER_EXPIRED)


def _answered(invitation: FollowUpInvitation, status: InvitationStatus) -> None:
    invitation.status, invitation.answered_at = status, clock.now()
    versions.save(invitation, ["status", "answered_at"])


def _choose_another(plan: FollowUpPlan, code: ErrorCode) -> KairosError:
    others = other_times(plan, most=policy_of(plan.clinic_id).invitation_times)
    return KairosError(code, extra={"alternatives": [slot_data(slot) for slot in others]})


def _channel(*, by_sms: bool) -> ContactChannel:
    return ContactChannel.SMS if by_sms else ContactChannel.LETTER


def _offered(slot: Slot) -> dict[str, Any]:
    return {
        "doctor": str(slot.doctor),
        "location": str(slot.location) if slot.location else None,
        "starts_at": slot.starts_at.isoformat(),
        "ends_at": slot.ends_at.isoformat(),
        "timezone": slot.timezone,
    }


def _act(
    invitation: FollowUpInvitation, plan: FollowUpPlan, action: str, **more: Any
) -> journal.Act:
    return journal.Act(
        action,
        "followups.followupinvitation",
        invitation.id,
        invitation.clinic_id,
        (plan.patient_id,),
        {"status": [None if action == INVITED else InvitationStatus.OPEN, invitation.status]},
        **more,
    )
