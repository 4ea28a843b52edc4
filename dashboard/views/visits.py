"""A visit's card, and each step of its life; moving it is in `moving.py`."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from accounts.resume import unsent
from accounts.roles import Permission
from appointments.lifecycle import MOVES, step_to_undo
from appointments.models import Appointment, AppointmentEvent, Verb
from appointments.selectors.appointments import history
from appointments.services.links import visit_link
from appointments.services.reschedule import appointment_edit
from appointments.services.status import appointment_move, appointment_undo
from checkin.pages.by_hand import attempted_by_hand, may_force, window_said
from core import journal
from core.errors import ErrorCode, KairosError
from core.forms import attempted, refusal_show
from dashboard.access import DeskRequest, desk_page, done, panel
from dashboard.arriving import checked_in_said
from dashboard.card import (
    Trouble,
    card,
    card_address,
    force_form,
    form_for,
    reopen,
    stale_words,
    still_typed,
    the_visit,
    what_happened,
)
from dashboard.following import completed_said
from dashboard.forms.visits import CompleteForm, EditForm
from dashboard.steps import AT_ONCE_REASON, SAID, UNDONE, may_edit, may_undo, steps_open
from dashboard.views.moving import move
from followups.services.completion import Completed, appointment_complete

#: What became of an act, or why nothing did.
Attempt = tuple[Appointment | None, KairosError | None]


@desk_page()
def visit_card(request: DeskRequest, visit_id: UUID) -> HttpResponse:
    """Everything about one visit, and the steps that this person may make."""
    return card(request, the_visit(request, visit_id))


@desk_page(Permission.APPOINTMENT_BOOK)
def link(request: DeskRequest, visit_id: UUID) -> HttpResponse:
    """The patient's own link to the visit, for whoever may book for them; written down as given."""
    visit = the_visit(request, visit_id)
    request.desk.require(Permission.APPOINTMENT_BOOK, visit.doctor_id)
    journal.record(
        journal.Act(
            "appointment.link_given",
            "appointments.appointment",
            visit.id,
            visit.clinic_id,
            (visit.patient_id,),
        )
    )
    address = reverse("portal-visit", kwargs={"token": visit_link(visit)})
    found = {
        "title": _("The patient's link"),
        "visit": visit,
        "link": request.build_absolute_uri(address),
    }
    return panel(request, "dashboard/visit_patient_link.html", found)


@desk_page()
def step(request: DeskRequest, visit_id: UUID, verb: str) -> HttpResponse:
    """Make one step; asked for by address, the card with the form of that step open."""
    if verb not in MOVES:
        raise KairosError(ErrorCode.NOT_FOUND)
    asked = Verb(verb)
    visit = the_visit(request, visit_id)
    if request.method != "POST":
        form = form_for(asked, visit, unsent(request), filled=True)
        return card(request, visit, asked={asked: form})
    request.desk.require(MOVES[asked].permission, visit.doctor_id)
    form = form_for(asked, visit, request.POST)
    if asked == Verb.CHECK_IN:
        return _make(request, visit, asked, form, lambda: _checked_in(request, visit, form))
    if isinstance(form, CompleteForm):
        return _complete(request, visit, form)

    def act() -> Appointment:
        given = form.cleaned_data
        return appointment_move(
            appointment_id=visit.id,
            verb=asked,
            by=request.desk.principal,
            expected_version=given["version"],
            reason=given.get("why", ""),
        )

    return _make(request, visit, asked, form, lambda: attempted(act))


def _complete(request: DeskRequest, visit: Appointment, form: CompleteForm) -> HttpResponse:
    """The end of the visit, and what follows it: booked at once where it can be."""
    made: list[Completed] = []

    def act() -> Appointment:
        given = form.cleaned_data
        made.append(
            appointment_complete(
                by=request.desk.principal,
                appointment_id=visit.id,
                notes=given["notes"] or None,
                follow_up=form.follow_up(),
                expected_version=given["version"],
            )
        )
        return made[-1].appointment

    def finish(completed: Appointment) -> HttpResponse:
        said, plan = completed_said(made[-1])
        offer = completed if may_undo(request.desk, completed) else None
        to = card_address(request, completed)
        if plan is not None and request.desk.may_for(Permission.FOLLOWUP_SCHEDULE, plan.doctor_id):
            here = {"slug": request.desk.clinic.slug, "plan_id": plan.id}
            to = reverse("desk-recall-book", kwargs=here)
        return done(request, said, to=to, undo=offer)

    return _make(request, visit, Verb.COMPLETE, form, lambda: attempted(act), finish=finish)


def _checked_in(request: DeskRequest, visit: Appointment, form: forms.Form) -> Attempt:
    given = form.cleaned_data
    return attempted_by_hand(
        visit=visit.id,
        by=request.desk.principal,
        expected_version=given["version"],
        reason=given.get("why", ""),
    )


@desk_page()
def undo(request: DeskRequest, visit_id: UUID) -> HttpResponse:
    """Take the last step back: with a reason, or `at_once` from where it was offered."""
    visit = the_visit(request, visit_id)
    if request.method != "POST":
        form = form_for(Verb.UNDO, visit, unsent(request), filled=True)
        return card(request, visit, asked={Verb.UNDO: form})
    data = request.POST.copy()
    if data.get("at_once"):
        data["reason"] = str(AT_ONCE_REASON)
    form = form_for(Verb.UNDO, visit, data)

    def act() -> Appointment:
        return appointment_undo(
            appointment_id=visit.id,
            by=request.desk.principal,
            reason=form.cleaned_data["why"],
            expected_version=form.cleaned_data["version"],
        )

    return _make(request, visit, Verb.UNDO, form, lambda: attempted(act))


def _make(
    request: DeskRequest,
    visit: Appointment,
    verb: Verb,
    form: forms.Form,
    act: Callable[[], Attempt],
    *,
    finish: Callable[[Appointment], HttpResponse] | None = None,
) -> HttpResponse:
    """Do it and say so, or let `finish` say it; or the card as it is now, with why not and what was
    typed."""
    events = list(history(visit.id))
    if not form.is_valid():
        return card(request, visit, status=400, asked={verb: form}, events=events)
    made, refusal = act()
    opened = form.cleaned_data["version"]
    if refusal is not None:
        visit = the_visit(request, visit.id)
        events = list(history(visit.id))
        if not made_before(request, visit, verb, events, opened):
            return _refused(request, visit, verb, form, refusal, events, opened)
        made = visit
    assert made is not None  # noqa: S101 - without a refusal there is a visit
    if finish is not None and refusal is None:
        return finish(made)
    return _done(request, made, verb, list(history(made.id)))


def _done(
    request: DeskRequest, visit: Appointment, verb: Verb, events: Sequence[AppointmentEvent]
) -> HttpResponse:
    here = card_address(request, visit)
    if verb != Verb.UNDO:
        offer = visit if may_undo(request.desk, visit) else None
        said = checked_in_said(visit) if verb == Verb.CHECK_IN else str(SAID[verb])
        return done(request, said, to=here, undo=offer)
    undone = next((one for one in events if one.id == events[-1].undoes), None)
    taken_back = UNDONE[Verb(undone.verb)] if undone else _("Taken back.")
    return done(request, str(taken_back), to=here)


def _refused(
    request: DeskRequest,
    visit: Appointment,
    verb: Verb,
    form: forms.Form,
    refusal: KairosError,
    events: Sequence[AppointmentEvent],
    opened: int,
) -> HttpResponse:
    reopen(form, visit.version)
    meanwhile = what_happened(request.desk, visit, events, opened)
    if _is_open(request, visit, verb, events):
        if refusal.code == ErrorCode.PRECONDITION_FAILED:
            trouble = Trouble(stale_words(meanwhile), meanwhile)
        else:
            trouble = Trouble(_words(refusal, visit), meanwhile)
            refusal_show(form, refusal)
        asked = {verb: form}
        if verb == Verb.CHECK_IN:
            offered = may_force(request.desk.principal, refusal, clinic=visit.clinic_id)
            asked = {verb: force_form(visit)} if offered else {}
    else:
        trouble = Trouble(_words(refusal, visit), meanwhile, still_typed(form))
        asked = {}
    return card(request, visit, status=refusal.status, trouble=trouble, asked=asked, events=events)


def _is_open(
    request: DeskRequest, visit: Appointment, verb: Verb, events: Sequence[AppointmentEvent]
) -> bool:
    if verb == Verb.UNDO:
        return may_undo(request.desk, visit) and step_to_undo(events) is not None
    return any(one.verb == verb for one in steps_open(request.desk, visit))


def _words(refusal: KairosError, visit: Appointment) -> str:
    if refusal.code == ErrorCode.PRECONDITION_FAILED:
        return _("The visit has changed since you opened it. What you asked for is not possible.")
    return window_said(refusal, ZoneInfo(visit.timezone))


def made_before(
    request: DeskRequest,
    visit: Appointment,
    verb: Verb,
    events: Sequence[AppointmentEvent],
    opened: int,
) -> bool:
    """Whether the only thing since the form was opened is this very act, by the same person: a
    second click, a form sent again."""
    if visit.version != opened + 1 or not events:
        return False
    last = events[-1]
    return last.verb == verb and last.actor_id == request.desk.principal.user_id


@desk_page()
def edit(request: DeskRequest, visit_id: UUID) -> HttpResponse:
    """What is written about the visit, and its priority."""
    visit = the_visit(request, visit_id)
    if not may_edit(request.desk, visit):
        raise KairosError(ErrorCode.PERMISSION_DENIED)
    if request.method != "POST":
        kept = unsent(request)
        initial = {
            name: getattr(visit, name) for name in ("version", "reason", "notes", "priority")
        }
        if kept is not None:
            initial |= {name: value for name, value in kept.items() if name in initial}
        return _edit_form(request, visit, EditForm(initial=initial))
    form = EditForm(request.POST)
    if not form.is_valid():
        return _edit_form(request, visit, form, status=400)
    given = dict(form.cleaned_data)
    opened = given.pop("version")
    saved, refusal = attempted(
        lambda: appointment_edit(
            appointment_id=visit.id,
            by=request.desk.principal,
            expected_version=opened,
            **given,
        )
    )
    if saved is None:
        visit = the_visit(request, visit_id)
        same = all(getattr(visit, name) == value for name, value in given.items())
        if not same:
            return _edit_refused(request, visit, form, refusal, opened)
    return done(request, _("Saved."), to=card_address(request, visit))


def _edit_refused(
    request: DeskRequest,
    visit: Appointment,
    form: EditForm,
    refusal: KairosError | None,
    opened: int,
) -> HttpResponse:
    reopen(form, visit.version)
    status = refusal.status if refusal else 409
    if refusal is not None and refusal.code == ErrorCode.PRECONDITION_FAILED:
        meanwhile = what_happened(request.desk, visit, list(history(visit.id)), opened)
        trouble = Trouble(stale_words(meanwhile), meanwhile)
        theirs = [
            (form.fields[name].label, _shown(visit, name))
            for name in ("reason", "notes", "priority")
            if form.cleaned_data.get(name) != getattr(visit, name)
        ]
        return _edit_form(request, visit, form, status=status, trouble=trouble, theirs=theirs)
    if refusal is not None:
        refusal_show(form, refusal)
    return _edit_form(request, visit, form, status=status)


def _shown(visit: Appointment, name: str) -> str:
    if name == "priority":
        return str(visit.get_priority_display())
    return str(getattr(visit, name))


def _edit_form(
    request: DeskRequest,
    visit: Appointment,
    form: EditForm,
    *,
    status: int = 200,
    trouble: Trouble | None = None,
    theirs: Sequence[tuple[Any, str]] = (),
) -> HttpResponse:
    found = {
        "title": _("Edit the visit"),
        "visit": visit,
        "form": form,
        "trouble": trouble,
        "theirs": theirs,
    }
    return panel(request, "dashboard/visit_edit.html", found, status=status)


urlpatterns: list[URLPattern] = [
    path("visits/<uuid:visit_id>", visit_card, name="desk-visit"),
    path("visits/<uuid:visit_id>/undo", undo, name="desk-visit-undo"),
    path("visits/<uuid:visit_id>/move", move, name="desk-visit-move"),
    path("visits/<uuid:visit_id>/link", link, name="desk-visit-link"),
    path("visits/<uuid:visit_id>/edit", edit, name="desk-visit-edit"),
    path("visits/<uuid:visit_id>/<slug:verb>", step, name="desk-visit-step"),
]
