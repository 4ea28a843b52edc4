"""What is done with an entry of the queue: the service behind each act, and the words after it."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from appointments.models import Appointment
from appointments.selectors.appointments import appointments_visible_to
from checkin.models import QueueEntry, QueueState
from checkin.selectors.queue import entries_visible_to
from checkin.services import queue as service
from core.errors import ErrorCode, KairosError
from dashboard.access import Desk
from dashboard.queue import clock_said
from dashboard.steps import may_undo

#: What is said after an act.
SAID: Final = {
    "start": gettext_lazy("%(token)s, %(name)s: started."),
    "done": gettext_lazy("%(token)s, %(name)s: done."),
    "skip": gettext_lazy("%(token)s, %(name)s: skipped. They can be called again or put back."),
    "requeue": gettext_lazy("%(token)s, %(name)s: waits again."),
    "left": gettext_lazy("%(token)s, %(name)s: has left."),
    "transfer": gettext_lazy("%(token)s, %(name)s: transferred."),
    "priority": gettext_lazy("%(token)s, %(name)s: the priority is changed."),
    "added": gettext_lazy("%(token)s, %(name)s: waits now."),
}
#: Where somebody is after an act that moves them along.
_LEADS: Final = {
    "call": QueueState.CALLED,
    "recall": QueueState.CALLED,
    "start": QueueState.IN_SERVICE,
    "done": QueueState.DONE,
    "skip": QueueState.SKIPPED,
    "requeue": QueueState.WAITING,
    "transfer": QueueState.WAITING,
    "left": QueueState.LEFT,
}
_CALLS: Final = frozenset({"call", "recall"})
#: Acts that go through a visit, and are taken back with its last step.
_OF_VISIT: Final = frozenset({"start", "done", "left"})


def entry_open(desk: Desk, entry_id: UUID) -> QueueEntry:
    """The entry, as far as this person sees it. Raises NOT_FOUND."""
    found = (
        entries_visible_to(desk.principal)
        .filter(pk=entry_id, clinic_id=desk.clinic.id)
        .select_related(
            "appointment", "patient", "doctor", "room", "service", "location", "called_by"
        )
        .first()
    )
    if found is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    return found


def entry_act(desk: Desk, entry_id: UUID, name: str, given: Mapping[str, Any]) -> QueueEntry:
    """Do one act with what its form gave. Raises as the service does, NOT_FOUND for no act."""
    common: dict[str, Any] = {
        "by": desk.principal,
        "entry_id": entry_id,
        "expected_version": given["version"],
    }
    match name:
        case "call" | "recall":
            return service.entry_call(**common, room=given.get("room"))
        case "start":
            return service.entry_start(**common)
        case "done":
            return service.entry_done(**common)
        case "skip":
            return service.entry_skip(**common)
        case "requeue":
            return service.entry_requeue(**common)
        case "left":
            return service.entry_left(**common, reason=given["why"])
        case "priority":
            return service.entry_prioritise(**common, priority=given["priority"])
        case "transfer":
            return service.entry_transfer(
                **common,
                doctor=given["doctor"],
                room=given["room"],
                location=given.get("location"),
            )
    raise KairosError(ErrorCode.NOT_FOUND)


def made_before(desk: Desk, entry: QueueEntry, name: str, opened: int) -> bool:
    """Whether what was asked for is what has happened since: a second click, a form sent again."""
    if name in _CALLS and entry.called_by_id != desk.principal.user_id:
        return False
    return entry.version == opened + 1 and entry.state == _LEADS.get(name)


def undo_of(desk: Desk, name: str, entry: QueueEntry) -> Appointment | None:
    """The visit whose last step takes the act back, where this person may take it back."""
    if entry.appointment_id is None or name not in _OF_VISIT:
        return None
    visits = appointments_visible_to(desk.principal).filter(clinic_id=desk.clinic.id)
    visit = visits.filter(pk=entry.appointment_id).first()
    return visit if visit is not None and may_undo(desk, visit) else None


def said_of(name: str, entry: QueueEntry) -> str:
    """What is said after an act."""
    found = {"token": entry.token, "name": name_of(entry), "room": entry.room}
    if name not in _CALLS:
        return str(SAID[name]) % found
    if entry.room is not None:
        return _("%(token)s, %(name)s: called. Room: %(room)s.") % found
    return _("%(token)s, %(name)s: called.") % found


def now_said(entry: QueueEntry) -> str:
    """How an entry is now, for who acted on an older state of it."""
    found = {"token": entry.token, "state": entry.get_state_display()}
    if entry.state == QueueState.CALLED and entry.called_at is not None:
        found["time"] = clock_said(entry.called_at, ZoneInfo(entry.location.timezone))
        if entry.called_by is not None:
            found["who"] = str(entry.called_by)
            return _("%(token)s was called at %(time)s by %(who)s.") % found
        return _("%(token)s was called at %(time)s.") % found
    return _("%(token)s is now: %(state)s.") % found


def name_of(entry: QueueEntry) -> str:
    """The patient's full name, or the walk-in's."""
    return entry.patient.full_name if entry.patient is not None else entry.guest_name
