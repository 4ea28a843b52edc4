"""One entry of the queue: what is known of it, and each act with it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from accounts.resume import unsent
from accounts.roles import Permission
from checkin.models import QueueEntry, QueueState
from checkin.selectors.queue import Place
from checkin.selectors.tokens import arrival_of
from clinics.selectors.directory import doctors_working_at
from core import journal
from core.errors import ErrorCode, KairosError
from core.forms import attempted, refusal_show
from dashboard.access import DeskRequest, desk_page, done, panel
from dashboard.arriving import arrival_said
from dashboard.forms.queue import LeftForm, PriorityForm, TransferForm
from dashboard.forms.visits import StepForm
from dashboard.queue import (
    ACTS,
    Here,
    before_said,
    calls_said,
    clock_said,
    may_run,
    place_at,
    row_drawer,
    wait_said,
)
from dashboard.queue_acts import (
    entry_act,
    entry_open,
    made_before,
    name_of,
    now_said,
    said_of,
    undo_of,
)
from dashboard.views.booking.patient_part import uuid_in
from dashboard.views.queue import (
    Asked,
    Trouble,
    address,
    answer,
    asked_of,
    kept,
    refused,
    rooms_at,
)

#: Acts that are asked about in a form.
ASKED = ("transfer", "priority", "left")
_MOVABLE = frozenset({QueueState.WAITING, QueueState.CALLED, QueueState.SKIPPED})


@dataclass(frozen=True, slots=True)
class Ask:
    """An act with its form. `open` shows its fields at once."""

    name: str
    label: str
    key: str
    form: forms.Form
    breaks: bool = False
    open: bool = False


@desk_page(Permission.QUEUE_READ)
def opened(request: DeskRequest, entry_id: UUID) -> HttpResponse:
    """What is known of one entry, and all that can be done with it."""
    entry = entry_open(request.desk, entry_id)
    return _panel(request, asked_of(request), entry)


@desk_page(Permission.QUEUE_RUN)
def act(request: DeskRequest, entry_id: UUID) -> HttpResponse:
    """Do what the button says; asked for by address, the entry with the form as it was sent."""
    asked = asked_of(request)
    entry = entry_open(request.desk, entry_id)
    if request.method != "POST":
        data = unsent(request)
        name = data.get("act", "") if data is not None else ""
        shown = {name: _form(request, entry, name, data)} if name in ASKED else {}
        return _panel(request, asked, entry, shown=shown)
    name = request.POST.get("act", "")
    if name not in (*ACTS, *ASKED):
        raise KairosError(ErrorCode.NOT_FOUND)
    form = _form(request, entry, name, request.POST)
    if not form.is_valid():
        return _panel(request, asked, entry, shown={name: form}, status=400)
    given = form.cleaned_data | _room(request, entry, name)
    made, refusal = attempted(lambda: entry_act(request.desk, entry_id, name, given))
    entry = entry_open(request.desk, entry_id) if made is None or name != "transfer" else made
    opened_at = form.cleaned_data["version"]
    if refusal is not None and not made_before(request.desk, entry, name, opened_at):
        return _not_done(request, asked, entry, form, refusal)
    return _done(request, asked, entry, name)


def _room(request: DeskRequest, entry: QueueEntry, name: str) -> dict[str, UUID | None]:
    """The room of a first call: the one chosen beside the list, else the one that was used last."""
    if name != "call":
        return {}
    room = uuid_in(request.POST.get("room", kept(request).get("room")))
    fits = any(one.id == room for one in rooms_at([entry.location_id]))
    return {"room": room if fits else None}


def _done(request: DeskRequest, asked: Asked, entry: QueueEntry, name: str) -> HttpResponse:
    said = said_of(name, entry)
    undo = undo_of(request.desk, name, entry)
    if request.htmx and request.htmx.target == "panel":
        alone = request.headers.get("X-Page-Alone")
        return done(request, said, to=address(request, asked) if alone else "", undo=undo)
    return answer(request, asked, said, entry=entry.id, undo=undo)


def _not_done(
    request: DeskRequest,
    asked: Asked,
    entry: QueueEntry,
    form: forms.Form,
    refusal: KairosError,
) -> HttpResponse:
    """Why not, and how it is now. What was typed stays, beside the state of now."""
    name = request.POST.get("act", "")
    if refusal.code == ErrorCode.PRECONDITION_FAILED:
        said = _("This has changed since you saw it, so nothing was done.")
    else:
        said = refusal.detail
    trouble = Trouble(said, now_said(entry))
    if name not in ASKED and not (request.htmx and request.htmx.target == "panel"):
        return refused(request, asked, trouble, refusal.status)
    if name in ASKED:
        form.data = {**form.data.dict(), "version": str(entry.version)}  # type: ignore[attr-defined]  # a QueryDict
        if refusal.code != ErrorCode.PRECONDITION_FAILED:
            refusal_show(form, refusal)
    shown = {name: form} if name in ASKED else {}
    return _panel(request, asked, entry, shown=shown, trouble=trouble, status=refusal.status)


def _form(
    request: DeskRequest, entry: QueueEntry, name: str, data: Mapping[str, Any] | None = None
) -> forms.Form:
    given: dict[str, Any] = {"auto_id": f"id_{name}_%s"}
    if data is not None:
        given["data"] = data
    now: dict[str, Any] = {"version": entry.version}
    match name:
        case "left":
            return LeftForm(**given, initial=now)
        case "priority":
            return PriorityForm(**given, initial=now | {"priority": entry.priority})
        case "transfer":
            locations = asked_of(request).locations
            now |= {
                "doctor": entry.doctor_id or "",
                "room": entry.room_id or "",
                "location": entry.location_id,
            }
            return TransferForm(
                **given,
                initial=now,
                doctors=doctors_working_at(request.desk.clinic.id),
                rooms=rooms_at([one.id for one in locations]),
                locations=locations,
                here=entry.location_id,
            )
    return StepForm(**given, initial=now)


def _panel(
    request: DeskRequest,
    asked: Asked,
    entry: QueueEntry,
    *,
    shown: Mapping[str, forms.Form] | None = None,
    trouble: Trouble | None = None,
    status: int = 200,
) -> HttpResponse:
    desk = request.desk
    if entry.patient_id is not None:
        journal.record(
            journal.Act(
                "queue.read",
                "checkin.queueentry",
                entry.id,
                desk.clinic.id,
                (entry.patient_id,),
            )
        )
    place = place_at(entry)
    row = row_drawer(Here(desk, entry.location, asked.query, in_full=True))(place)
    found = {
        "title": name_of(entry),
        "section": "queue",
        "entry": entry,
        "row": row,
        "back": address(request, asked),
        "facts": list(_facts(entry, place)),
        "asks": list(_asks(request, entry, shown or {})),
        "trouble": trouble,
        "may_open_visit": desk.may(Permission.APPOINTMENT_READ),
        "may_open_patient": desk.may(Permission.PATIENT_READ),
    }
    return panel(request, "dashboard/queue/entry.html", found, status=status)


def _asks(
    request: DeskRequest, entry: QueueEntry, shown: Mapping[str, forms.Form]
) -> Iterable[Ask]:
    if entry.state not in _MOVABLE or not may_run(request.desk, entry.doctor_id):
        return
    for name, label, key, breaks in (
        ("transfer", _("Transfer"), "f", False),
        ("priority", _("Priority"), "p", False),
        ("left", _("Left without being seen"), "Delete", True),
    ):
        form = shown.get(name) or _form(request, entry, name)
        yield Ask(name, label, key, form, breaks, name in shown)


def _facts(entry: QueueEntry, place: Place) -> Iterable[tuple[str, Any]]:
    zone = ZoneInfo(entry.location.timezone)
    if place.position is not None:
        yield _("Place"), place.position
    if before := list(before_said(place.ahead)) if place.ahead else []:
        yield _("Before them"), " · ".join(before)
    if wait := wait_said(place):
        yield _("Wait"), wait
    if place.starts_at is not None:
        yield _("Visit"), clock_said(place.starts_at, zone)
    yield _("Doctor"), place.doctor or _("Whoever is free")
    if place.service:
        yield _("Service"), place.service
    yield _("Location"), entry.location.name
    if place.room:
        yield _("Room"), place.room
    yield _("Arrived"), clock_said(entry.arrived_at, zone)
    if entry.called_at is not None:
        yield (
            _("Called"),
            _("%(time)s · %(times)s · %(who)s")
            % {
                "time": clock_said(entry.called_at, zone),
                "times": calls_said(entry.calls),
                "who": entry.called_by or _("Kairos"),
            },
        )
    if entry.started_at is not None:
        yield _("Started"), clock_said(entry.started_at, zone)
    if entry.done_at is not None:
        yield _("Ended"), clock_said(entry.done_at, zone)
    if entry.left_reason:
        yield _("Why left"), entry.left_reason
    if entry.appointment_id is not None:
        arrival = arrival_of(entry.appointment_id)
        if arrival is not None:
            yield from arrival_said(arrival, zone)


urlpatterns: list[URLPattern] = [
    path("queue/<uuid:entry_id>", opened, name="desk-queue-entry"),
    path("queue/<uuid:entry_id>/act", act, name="desk-queue-act"),
]
