"""The one transition table: which move leads where, who may make it, what it needs.

The database holds the same pairs (`appointments_transition`) behind a trigger, so that no
`.update()` gets around them; a test compares the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from accounts.roles import Permission
from appointments.models import AppointmentEvent, Verb
from appointments.models import AppointmentStatus as S
from clinics.models import VisitMode

REMOTE: Final = frozenset({VisitMode.VIDEO_CALL.value, VisitMode.PHONE.value})


@dataclass(frozen=True, slots=True)
class Move:
    """One allowed step.

    `stamp` is the field that keeps its moment; `remote_sources` are further sources for calls,
    which nobody checks in for; `by_patient`: patients may do it for themselves.
    """

    verb: Verb
    sources: frozenset[str]
    target: S
    permission: Permission
    topic: str
    stamp: str | None = None
    needs_reason: bool = False
    by_patient: bool = False
    remote_sources: frozenset[str] = frozenset()

    def allowed_from(self, visit_mode: str) -> frozenset[str]:
        """The statuses from which a visit of this mode may make the move."""
        return self.sources | self.remote_sources if visit_mode in REMOTE else self.sources


def _from(*statuses: S) -> frozenset[str]:
    return frozenset(status.value for status in statuses)


MOVES: Final[dict[Verb, Move]] = {
    move.verb: move
    for move in (
        Move(
            Verb.APPROVE,
            _from(S.PENDING),
            S.SCHEDULED,
            Permission.APPOINTMENT_MANAGE,
            "appointment.approved",
        ),
        Move(
            Verb.CONFIRM,
            _from(S.SCHEDULED),
            S.CONFIRMED,
            Permission.APPOINTMENT_MANAGE,
            "appointment.confirmed",
            stamp="confirmed_at",
            by_patient=True,
        ),
        Move(
            Verb.CHECK_IN,
            _from(S.SCHEDULED, S.CONFIRMED, S.NO_SHOW),
            S.CHECKED_IN,
            Permission.CHECKIN_RUN,
            "appointment.checked_in",
            stamp="checked_in_at",
        ),
        Move(
            Verb.START,
            _from(S.CHECKED_IN),
            S.IN_PROGRESS,
            Permission.APPOINTMENT_TREAT,
            "appointment.started",
            stamp="started_at",
            remote_sources=_from(S.SCHEDULED, S.CONFIRMED),
        ),
        Move(
            Verb.COMPLETE,
            _from(S.IN_PROGRESS),
            S.COMPLETED,
            Permission.APPOINTMENT_TREAT,
            "appointment.completed",
            stamp="completed_at",
        ),
        Move(
            Verb.NO_SHOW,
            _from(S.SCHEDULED, S.CONFIRMED),
            S.NO_SHOW,
            Permission.APPOINTMENT_MANAGE,
            "appointment.no_show",
            needs_reason=True,
        ),
        Move(
            Verb.CANCEL,
            _from(S.PENDING, S.SCHEDULED, S.CONFIRMED, S.CHECKED_IN),
            S.CANCELLED,
            Permission.APPOINTMENT_BOOK,
            "appointment.cancelled",
            stamp="cancelled_at",
            needs_reason=True,
            by_patient=True,
        ),
    )
}

#: Visits that may be moved to another time, doctor or room.
MOVABLE: Final = _from(S.PENDING, S.SCHEDULED, S.CONFIRMED)

#: Moves that an undo can take back; a booking is cancelled instead, an edit is edited.
UNDOABLE: Final = frozenset(MOVES) | {Verb.RESCHEDULE}


def moves_from(status: str, visit_mode: str) -> list[Move]:
    """The moves that a visit of this status and mode may make. Nobody is checked in for a call."""
    return [
        move
        for move in MOVES.values()
        if status in move.allowed_from(visit_mode)
        and not (move.verb == Verb.CHECK_IN and visit_mode in REMOTE)
    ]


def step_to_undo(events: Sequence[AppointmentEvent]) -> AppointmentEvent | None:
    """The last step that still stands, in a visit's whole history (oldest first)."""
    undone = {event.undoes for event in events if event.undoes is not None}
    for event in reversed(events):
        if Verb(event.verb) in UNDOABLE and event.id not in undone:
            return event
    return None


def pairs() -> frozenset[tuple[str, str]]:
    """Every (from, to) that some visit may go."""
    return frozenset(
        (source, move.target.value)
        for move in MOVES.values()
        for source in move.sources | move.remote_sources
    )
