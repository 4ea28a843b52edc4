"""What floors above do in the same transaction when a visit moves: they follow it.

An outbox event tells of a visit soon after its commit; a follower is for what must never be seen
out of step with it, such as its place in the queue. A follower that raises undoes the move.
"""

from collections.abc import Callable, Sequence
from uuid import UUID

from appointments.models import Appointment, Verb

#: Gets the visit as it stands now, and the status that it had.
VisitFollower = Callable[[Appointment, Verb, str], None]
#: Gets the chart that gave its visits away, the one that took them, and the visits.
ChartFollower = Callable[[UUID, UUID, Sequence[UUID]], None]

_of_visits: dict[str, VisitFollower] = {}
_of_charts: dict[str, ChartFollower] = {}


def follow_visits(follower: VisitFollower) -> VisitFollower:
    """Register for every step of every visit; when an app is made ready."""
    _of_visits[f"{follower.__module__}.{follower.__qualname__}"] = follower
    return follower


def follow_charts(follower: ChartFollower) -> ChartFollower:
    """Register for visits that go over to another chart."""
    _of_charts[f"{follower.__module__}.{follower.__qualname__}"] = follower
    return follower


def visit_moved(appointment: Appointment, verb: Verb, from_status: str) -> None:
    """Let everyone follow one step that was just written down."""
    for follower in _of_visits.values():
        follower(appointment, verb, from_status)


def visits_rechartered(source: UUID, target: UUID, visits: Sequence[UUID]) -> None:
    """Let everyone follow visits that went over to another chart."""
    for follower in _of_charts.values():
        follower(source, target, visits)
