"""What time does to a recall: the doctor is told, invitations end.

Each job works in small transactions over rows that nobody else holds (SKIP LOCKED), and looks at
them again once it has them: two at once share the work, one that is killed leaves the rest to the
next run, and nothing is done twice.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from django.db.models import F

from core import clock, journal, tenancy
from followups.models import CarePolicy, FollowUpInvitation, FollowUpPlan, InvitationStatus
from followups.services.contact import escalation, invitations_end

#: Rows of one transaction.
ROUND: Final = 200
_NOBODY: Final = UUID(int=0)

# The rules are the clinic's, or the defaults; the day is the clinic's own.
_TO_ESCALATE: Final = """
SELECT p.* FROM followups_followupplan p
JOIN clinics_clinic c ON c.id = p.clinic_id AND c.is_active
LEFT JOIN followups_carepolicy r ON r.clinic_id = p.clinic_id
WHERE p.status IN ('scheduled', 'overdue') AND p.escalated_at IS NULL AND p.id > %(after)s
  AND (p.attempts >= COALESCE(r.escalate_after_attempts, %(attempts)s)
       OR p.scheduled_for < (%(now)s AT TIME ZONE c.timezone)::date
                            - COALESCE(r.escalate_after_days, %(days)s)::integer)
ORDER BY p.id LIMIT %(most)s
FOR NO KEY UPDATE OF p SKIP LOCKED
"""


def escalate_due() -> int:
    """Tell the doctors of plans that are overdue for too long, or asked about too often in vain.

    Once a plan: `escalated_at` is set and topic `followup.escalated` goes out in one transaction.
    Returns how many. Opens the system's scope.
    """
    told, last = 0, _NOBODY
    while True:
        with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000):
            found = _to_escalate(last)
            if found:
                _escalate(found)
        told += len(found)
        if len(found) < ROUND:
            return told
        last = found[-1].id


def invitations_expire() -> int:
    """Close invitations whose time has passed; returns how many. Opens the system's scope."""
    closed = 0
    while True:
        with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000):
            over = list(
                FollowUpInvitation.objects.select_related("plan")
                .filter(status=InvitationStatus.OPEN, expires_at__lte=clock.now())
                .order_by("expires_at")
                .select_for_update(of=("self",), no_key=True, skip_locked=True)[:ROUND]
            )
            if over:
                invitations_end(over)
        closed += len(over)
        if len(over) < ROUND:
            return closed


def _to_escalate(after: UUID) -> list[FollowUpPlan]:
    rules = CarePolicy()
    values: dict[str, Any] = {
        "after": after,
        "now": clock.now(),
        "attempts": rules.escalate_after_attempts,
        "days": rules.escalate_after_days,
        "most": ROUND,
    }
    return list(FollowUpPlan.objects.raw(_TO_ESCALATE, values))


def _escalate(plans: Sequence[FollowUpPlan]) -> None:
    """Two statements; the rows are locked, and as they stand now."""
    now = clock.now()
    FollowUpPlan.objects.filter(pk__in=[plan.id for plan in plans]).update(
        escalated_at=now, version=F("version") + 1, updated_at=now
    )
    for plan in plans:
        plan.escalated_at = now
    journal.record_many(escalation(plan) for plan in plans)
