"""A visit's card: what it shows to this person, and the forms of the steps that are open."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.http import QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.roles import Permission
from appointments.lifecycle import step_to_undo
from appointments.models import Appointment, AppointmentEvent, AppointmentStatus, Verb
from appointments.selectors.appointments import history, shows_clinical_text
from appointments.selectors.visits import neighbours, visit_open
from checkin.models import QueueState
from checkin.pages.by_hand import USUAL as WHY_PAST
from checkin.selectors.queue import place_of
from checkin.selectors.tokens import arrival_of, entry_of
from core import clock, journal
from dashboard.access import Desk, DeskRequest, panel
from dashboard.ages import age_said
from dashboard.arriving import arrival_said
from dashboard.following import is_in_chain, plans_after
from dashboard.forms.visits import (
    DECLINE,
    USUAL,
    CompleteForm,
    ReasonForm,
    StepForm,
)
from dashboard.history import Entry, since, told
from dashboard.queue import before_said, wait_said
from dashboard.steps import UNDO_LABELS, Step, may_edit, may_move, may_undo, steps_open

TEMPLATE: Final = "dashboard/visit.html"
#: Fields whose text a person typed, and would miss.
_TYPED = (
    "usual",
    "reason",
    "notes",
    *(f"follow_up_{name}" for name in ("instructions", "medications", "tests", "restrictions")),
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the step that was asked for was not made.

    `since` is what others did meanwhile; `kept` the words typed for a step that is no longer open.
    """

    said: str
    since: Sequence[Entry] = ()
    kept: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Offered:
    """A step with its form. `open` shows the form's fields at once."""

    step: Step
    form: forms.Form
    open: bool = False


def the_visit(request: DeskRequest, visit_id: UUID) -> Appointment:
    """The visit, as far as this person sees it. Raises APPOINTMENT_NOT_FOUND."""
    desk = request.desk
    return visit_open(desk.principal, clinic=desk.clinic.id, visit=visit_id)


def card_address(request: DeskRequest, visit: Appointment) -> str:
    """Where the visit's card is."""
    here = {"slug": request.desk.clinic.slug, "visit_id": visit.id}
    return reverse("desk-visit", kwargs=here)


def form_for(
    verb: Verb, visit: Appointment, data: QueryDict | None = None, *, filled: bool = False
) -> forms.Form:
    """The form of a step (of an undo: `Verb.UNDO`); bound to `data`, or `filled` with it."""
    given: dict[str, Any] = {"auto_id": f"id_{verb.value}_%s", "initial": {}}
    if data is not None and filled:
        given["initial"] = {name: value for name, value in data.items() if name != "version"}
    elif data is not None:
        given["data"] = data
    given["initial"]["version"] = visit.version
    if verb == Verb.CHECK_IN and data is not None and "reason" in data:
        return ReasonForm(**given, usual=WHY_PAST)
    if verb in USUAL:
        declines = verb == Verb.CANCEL and visit.status == AppointmentStatus.PENDING
        return ReasonForm(**given, usual=DECLINE if declines else USUAL[verb])
    return CompleteForm(**given) if verb == Verb.COMPLETE else StepForm(**given)


def force_form(visit: Appointment) -> ReasonForm:
    """The form that checks a visit in outside the window."""
    auto_id = f"id_{Verb.CHECK_IN.value}_%s"
    return ReasonForm(auto_id=auto_id, initial={"version": visit.version}, usual=WHY_PAST)


def reopen(form: forms.Form, version: int) -> None:
    """Let a refused form be sent again: it is shown beside the state of `version`."""
    form.data = {**form.data.dict(), "version": str(version)}  # type: ignore[attr-defined]  # a QueryDict


def card(
    request: DeskRequest,
    visit: Appointment,
    *,
    status: int = 200,
    trouble: Trouble | None = None,
    asked: Mapping[Verb, forms.Form] | None = None,
    events: Sequence[AppointmentEvent] | None = None,
) -> TemplateResponse:
    """The card, read anew and written down as read. `asked` are forms to show as they stand."""
    desk = request.desk
    events = list(history(visit.id)) if events is None else events
    asked = asked or {}
    journal.record(
        journal.Act(
            "appointment.read",
            "appointments.appointment",
            visit.id,
            visit.clinic_id,
            (visit.patient_id,),
        )
    )
    found = {
        "title": visit.patient.full_name,
        "visit": visit,
        "clinical": shows_clinical_text(desk.principal, visit),
        "trouble": trouble,
        "entries": told(desk.principal, visit, events),
        **_facts(desk, visit),
        **_acts(desk, visit, events, asked),
    }
    return panel(request, TEMPLATE, found, status=status)


def what_happened(
    desk: Desk, visit: Appointment, events: Sequence[AppointmentEvent], opened: int
) -> list[Entry]:
    """Who did what since the version that somebody has open."""
    return told(desk.principal, visit, since(events, opened=opened, now=visit.version))


def stale_words(meanwhile: Sequence[Entry]) -> str:
    """Why a form that was opened before others acted was not taken."""
    if meanwhile:
        return _("The visit has changed since you opened it. Nothing of yours was saved yet.")
    return _("The visit is not as you saw it. Nothing of yours was saved yet.")


def still_typed(form: forms.Form) -> list[str]:
    """What was typed into a form whose step is no longer open."""
    values = (str(form.data.get(name, "")).strip() for name in _TYPED if name in form.fields)
    return [value for value in values if value]


def _facts(desk: Desk, visit: Appointment) -> dict[str, Any]:
    earlier, later = neighbours(desk.principal, visit)
    born = visit.patient.birth_date
    return {
        **_arrived(desk, visit),
        "follow_ups": plans_after(desk, visit),
        "in_chain": is_in_chain(desk, visit),
        "age": age_said(born, clock.now().date()) if born else "",
        "minutes": round((visit.ends_at - visit.starts_at).total_seconds() / 60),
        "elsewhere": visit.timezone != desk.clinic.timezone,
        "earlier": earlier,
        "later": later,
    }


def _arrived(desk: Desk, visit: Appointment) -> dict[str, Any]:
    """The token, the place in the queue and how the patient was checked in; nothing before that."""
    if visit.checked_in_at is None:
        return {}
    arrival, entry = arrival_of(visit.id), entry_of(visit.id)
    found: dict[str, Any] = {
        "arrived": arrival_said(arrival, ZoneInfo(visit.timezone)) if arrival is not None else ()
    }
    if entry is None or not desk.may(Permission.QUEUE_READ):
        return found
    found["entry"] = entry
    place = place_of(entry.id, location=entry.location_id)
    if place is not None and place.state == QueueState.WAITING:
        found["place"] = place
        found["place_before"] = list(before_said(place.ahead)) if place.ahead else []
        found["place_wait"] = wait_said(place)
    return found


def _acts(
    desk: Desk,
    visit: Appointment,
    events: Sequence[AppointmentEvent],
    asked: Mapping[Verb, forms.Form],
) -> dict[str, Any]:
    last = step_to_undo(events) if may_undo(desk, visit) else None
    return {
        "steps": [
            Offered(step, asked.get(step.verb) or form_for(step.verb, visit), step.verb in asked)
            for step in steps_open(desk, visit)
        ],
        "may_move": may_move(desk, visit),
        "may_edit": may_edit(desk, visit),
        "may_repeat": desk.may_for(Permission.APPOINTMENT_BOOK, visit.doctor_id),
        "may_wait": may_move(desk, visit)
        and visit.service_id is not None
        and visit.starts_at > clock.now(),
        "may_link": visit.is_open and desk.may_for(Permission.APPOINTMENT_BOOK, visit.doctor_id),
        "undo_label": UNDO_LABELS[Verb(last.verb)] if last else "",
        "undo": Offered(
            Step(Verb.UNDO, "", "u", asks=True, breaks=False),
            asked.get(Verb.UNDO) or form_for(Verb.UNDO, visit),
            Verb.UNDO in asked,
        )
        if last
        else None,
    }
