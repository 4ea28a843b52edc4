"""What continuing care does when a visit or a chart moves, in the same transaction."""

from collections.abc import Sequence
from uuid import UUID

from appointments.following import follow_charts, follow_visits
from appointments.models import Appointment, Verb
from followups.services.following import plans_follow, plans_follow_chart


@follow_visits
def visit_stepped(appointment: Appointment, verb: Verb, from_status: str) -> None:
    """The plan of a follow-up that is cancelled or missed waits again."""
    plans_follow(appointment, from_status)


@follow_charts
def charts_merged(source: UUID, target: UUID, visits: Sequence[UUID]) -> None:
    """Plans belong to whom their visits belong to; entries of the waitlist follow in `freed`."""
    plans_follow_chart(source, target, visits)
