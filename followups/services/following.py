"""What plans do when a visit moves, or when charts are merged or parted."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from django.db import connection

from appointments.models import Appointment, AppointmentStatus, Source
from clinics.models import Patient
from core import clock, journal
from followups.models import FollowUpPlan, PlanStatus
from followups.services.contact import invitations_withdraw
from followups.services.plan_row import plan_act

#: A booked follow-up of this status will not take place.
LOST: Final = frozenset({AppointmentStatus.CANCELLED, AppointmentStatus.NO_SHOW})

# The plan has the visit still named, so that taking the step back completes it again.
_REOPEN = """
UPDATE followups_followupplan p
SET status = CASE WHEN p.scheduled_for < (%(now)s AT TIME ZONE c.timezone)::date
                  THEN 'overdue' ELSE 'scheduled' END,
    waiting_code = '', declined_at = NULL, version = p.version + 1, updated_at = %(now)s
FROM clinics_clinic c
WHERE c.id = p.clinic_id AND p.follow_up_appointment_id = %(visit)s AND p.status = 'completed'
RETURNING p.id
"""
_COMPLETE = """
UPDATE followups_followupplan p
SET status = 'completed', version = p.version + 1, updated_at = %(now)s
WHERE p.follow_up_appointment_id = %(visit)s AND p.status IN ('scheduled', 'overdue')
RETURNING p.id
"""


def plans_follow(appointment: Appointment, from_status: str) -> None:
    """A follow-up that was cancelled or missed leaves its plan waiting again; taken back, booked.

    The visit's own lock comes first, always. Visits that no plan booked cost nothing.
    """
    if appointment.source != Source.FOLLOW_UP:
        return
    was_lost, is_lost = from_status in LOST, appointment.status in LOST
    if was_lost == is_lost:
        return
    values: dict[str, Any] = {"visit": appointment.id, "now": clock.now()}
    with connection.cursor() as cursor:
        cursor.execute(_REOPEN if is_lost else _COMPLETE, values)
        row = cursor.fetchone()
    if row is None:  # it was never one's, or another visit was booked meanwhile
        return
    plan = FollowUpPlan.objects.get(pk=row[0])
    if is_lost:
        before: str = PlanStatus.COMPLETED
        action = "followup.reopened"
    else:
        before, action = PlanStatus.SCHEDULED, "followup.booked"
        invitations_withdraw(plan_id=plan.id)
    changes = {"status": [before, plan.status], "visit": [from_status, appointment.status]}
    journal.record(plan_act(plan, action, changes))


# --- Charts -------------------------------------------------------------------------------------
# `merged_from` is the chart on which a row was made, if it is not the one that it is on now; the
# first merge writes it, later ones let it stand. When charts are parted, back goes what was made on
# that chart, or on one that had been merged into it before.

_CHARTS_OF = """
WITH RECURSIVE theirs AS (
    SELECT %(target)s::uuid AS id
    UNION
    SELECT p.id FROM clinics_patient p JOIN theirs t ON p.merged_into_id = t.id
)
SELECT id FROM theirs
"""
_PLANS_OVER = """
UPDATE followups_followupplan
SET patient_id = %(target)s, merged_from = COALESCE(merged_from, %(source)s),
    version = version + 1, updated_at = %(now)s
WHERE patient_id = %(source)s
"""
# A plan whose visit stays with the other chart stays there too; one that was made since, for a
# visit that goes back, goes with it.
_PLANS_BACK = """
UPDATE followups_followupplan
SET patient_id = %(target)s, merged_from = NULLIF(merged_from, %(target)s),
    version = version + 1, updated_at = %(now)s
WHERE patient_id = %(source)s
  AND (merged_from = ANY (%(charts)s) OR appointment_id = ANY (%(visits)s))
  AND (follow_up_appointment_id IS NULL OR follow_up_appointment_id = ANY (%(visits)s))
"""


def plans_follow_chart(source: UUID, target: UUID, visits: Sequence[UUID]) -> None:
    """Plans go over with the visits of their chart, or come back with them."""
    values: dict[str, Any] = {
        "source": source,
        "target": target,
        "visits": list(visits),
        "now": clock.now(),
    }
    parted = Patient.objects.filter(pk=target, merged_into_id=source).exists()
    with connection.cursor() as cursor:
        if not parted:
            cursor.execute(_PLANS_OVER, values)
            return
        cursor.execute(_CHARTS_OF, values)
        cursor.execute(_PLANS_BACK, {**values, "charts": [row[0] for row in cursor.fetchall()]})
