"""The steps of a visit at the desk: which buttons there are, and the words on them."""

from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils.translation import gettext_lazy as _

from accounts.roles import Permission
from appointments.lifecycle import MOVABLE, moves_from
from appointments.models import Appointment, AppointmentStatus, Verb
from appointments.selectors.appointments import shows_clinical_text
from appointments.services import booking
from core import clock
from dashboard.access import Desk

LABELS: Final = {
    Verb.APPROVE: _("Approve"),
    Verb.CONFIRM: _("Confirm"),
    Verb.CHECK_IN: _("Check in"),
    Verb.START: _("Start"),
    Verb.COMPLETE: _("Complete"),
    Verb.NO_SHOW: _("No-show"),
    Verb.CANCEL: _("Cancel the visit"),
}
#: What is said once a step was made.
SAID: Final = {
    Verb.APPROVE: _("Approved. The visit is booked."),
    Verb.CONFIRM: _("Confirmed."),
    Verb.CHECK_IN: _("Checked in."),
    Verb.START: _("Started."),
    Verb.COMPLETE: _("Completed."),
    Verb.NO_SHOW: _("Marked as a no-show."),
    Verb.CANCEL: _("Cancelled."),
    Verb.RESCHEDULE: _("Moved."),
}
#: What taking a step back is called, and what is said once it was taken back.
UNDO_LABELS: Final = {
    Verb.APPROVE: _("Take back the approval"),
    Verb.CONFIRM: _("Take back the confirmation"),
    Verb.CHECK_IN: _("Take back the check-in"),
    Verb.START: _("Take back the start"),
    Verb.COMPLETE: _("Take back the completion"),
    Verb.NO_SHOW: _("Take back the no-show"),
    Verb.CANCEL: _("Take back the cancellation"),
    Verb.RESCHEDULE: _("Take back the move"),
}
UNDONE: Final = {
    Verb.APPROVE: _("The approval is taken back."),
    Verb.CONFIRM: _("The confirmation is taken back."),
    Verb.CHECK_IN: _("The check-in is taken back."),
    Verb.START: _("The start is taken back."),
    Verb.COMPLETE: _("The completion is taken back."),
    Verb.NO_SHOW: _("The no-show is taken back."),
    Verb.CANCEL: _("The cancellation is taken back: the visit has its time again."),
    Verb.RESCHEDULE: _("The move is taken back: the visit is where it was."),
}
#: The reason of an undo that was asked for at once, without a form.
AT_ONCE_REASON: Final = _("Taken back at once")
#: Single keys, which static/dashboard/palette.js presses.
KEYS: Final = {
    Verb.APPROVE: "a",
    Verb.CONFIRM: "c",
    Verb.CHECK_IN: "i",
    Verb.START: "s",
    Verb.COMPLETE: "e",
    Verb.NO_SHOW: "n",
    Verb.CANCEL: "Delete",
}
#: Steps that end a visit's way before its end.
_BREAKS: Final = frozenset({Verb.NO_SHOW, Verb.CANCEL})


@dataclass(frozen=True, slots=True)
class Step:
    """A step that this person may make with this visit now. `main` is the likely next one."""

    verb: Verb
    label: str
    key: str
    asks: bool
    breaks: bool
    main: bool = False


def steps_open(desk: Desk, visit: Appointment) -> list[Step]:
    """The steps that the transition table and the person's rights allow, the likely one first."""
    open_to = [
        move
        for move in moves_from(visit.status, visit.type)
        if desk.may_for(move.permission, visit.doctor_id)
    ]
    onward = [move.verb for move in open_to if move.verb not in _BREAKS]
    main = onward[0] if onward else None
    if Verb.CHECK_IN in onward and visit.local_day <= _today(visit):
        main = Verb.CHECK_IN
    steps = [
        Step(
            verb=move.verb,
            label=str(_label(move.verb, visit)),
            key=KEYS[move.verb],
            asks=move.needs_reason,
            breaks=move.verb in _BREAKS,
            main=move.verb == main,
        )
        for move in open_to
    ]
    return sorted(steps, key=lambda step: (not step.main, step.breaks))


def _label(verb: Verb, visit: Appointment) -> object:
    declines = verb == Verb.CANCEL and visit.status == AppointmentStatus.PENDING
    return _("Decline") if declines else LABELS[verb]


def _today(visit: Appointment) -> date:
    return clock.now().astimezone(ZoneInfo(visit.timezone)).date()


def may_move(desk: Desk, visit: Appointment) -> bool:
    """Whether the visit can be moved, by this person."""
    return visit.status in MOVABLE and desk.may_for(Permission.APPOINTMENT_BOOK, visit.doctor_id)


def may_edit(desk: Desk, visit: Appointment) -> bool:
    """Whether this person may change what is written about the visit: only who may read it."""
    return desk.may_for(Permission.APPOINTMENT_BOOK, visit.doctor_id) and shows_clinical_text(
        desk.principal, visit
    )


def may_undo(desk: Desk, visit: Appointment) -> bool:
    """Whether this person may take steps of the visit back."""
    return desk.may_for(Permission.APPOINTMENT_MANAGE, visit.doctor_id)


def may_override(desk: Desk, doctor_id: UUID) -> bool:
    """Whether to offer this person what lies past hours and capacity; the service decides."""
    return booking.may_override(
        desk.principal,
        desk.clinic.id,
        doctor_id,
        reception_may=desk.clinic.reception_may_override,
    )
