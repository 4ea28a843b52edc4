"""Taking back an invitation that nobody has answered yet."""

from uuid import UUID

from clinics.principal import Principal
from core import clock, journal, versions
from core.errors import ErrorCode, KairosError
from followups.models import FollowUpInvitation, InvitationStatus
from followups.selectors.plans import plans_visible_to
from followups.services.contact import plan_to_chase


def invitation_withdraw(
    *, by: Principal, invitation_id: UUID, expected_version: int | None = None
) -> FollowUpInvitation:
    """The link no longer lets anybody choose; the plan waits as before, and can be invited anew.

    One that is withdrawn already stays so. Raises NOT_FOUND, PERMISSION_DENIED, PRECONDITION_FAILED
    and INVALID_TRANSITION for one that was answered or has expired.
    """
    seen = FollowUpInvitation.objects.filter(pk=invitation_id, plan__in=plans_visible_to(by))
    plan_id = seen.values_list("plan_id", flat=True).first()
    if plan_id is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    plan = plan_to_chase(by=by, plan_id=plan_id)
    # The plan is locked before its invitation, always.
    invitation = FollowUpInvitation.objects.select_for_update(no_key=True).get(pk=invitation_id)
    versions.require(invitation, expected_version)
    if invitation.status == InvitationStatus.WITHDRAWN:
        return invitation
    is_over = invitation.expires_at <= clock.now()
    if invitation.status != InvitationStatus.OPEN or is_over:
        raise KairosError(ErrorCode.INVALID_TRANSITION, extra={"current_status": invitation.status})
    invitation.status = InvitationStatus.WITHDRAWN
    versions.save(invitation, ["status"])
    journal.record(
        journal.Act(
            "followup.invitation_withdrawn",
            "followups.followupinvitation",
            invitation.id,
            invitation.clinic_id,
            (plan.patient_id,),
            {"status": [InvitationStatus.OPEN, InvitationStatus.WITHDRAWN]},
        )
    )
    return invitation
