"""What arrival does when a visit moves: the queue follows, in the same transaction."""

from collections.abc import Sequence
from uuid import UUID

from appointments.following import follow_charts, follow_visits
from appointments.models import Appointment, AppointmentStatus, Verb
from checkin.rules import ARRIVED
from checkin.services.entries import entries_rechartered, entry_arrive, entry_follow
from checkin.services.records import arrival_is_known, arrival_undo, arrival_write


@follow_visits
def visit_stepped(appointment: Appointment, verb: Verb, from_status: str) -> None:
    """Whoever checks a visit in, and however: there is an arrival, and a place in the queue.

    Nobody arrives for a visit at home: it has no location.
    """
    if appointment.location_id is None or ARRIVED.isdisjoint({from_status, appointment.status}):
        return
    if verb == Verb.CHECK_IN:
        if not arrival_is_known(appointment):
            arrival_write(appointment)
        entry_arrive(appointment)
        return
    if verb == Verb.UNDO and from_status == AppointmentStatus.CHECKED_IN:
        arrival_undo(appointment)
    entry_follow(appointment, verb)


@follow_charts
def charts_merged(source: UUID, target: UUID, visits: Sequence[UUID]) -> None:
    """Arrivals and places in the queue go over with the visits."""
    entries_rechartered(source, target, visits)
