"""The queue: who is called and who waits; calling the next; each step of an entry."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID, uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django_htmx.http import trigger_client_event

from accounts.roles import Permission
from appointments.models import Appointment
from checkin.selectors.queue import queue_of
from checkin.services import queue as service
from clinics.models import Doctor, Location, Room
from clinics.selectors.directory import doctors_working_at
from core import journal
from core.errors import ErrorCode, KairosError
from core.forms import attempted
from dashboard.access import Desk, DeskRequest, desk_page
from dashboard.once import told_once
from dashboard.queue import Here, Shown, shown
from dashboard.queue_acts import entry_open, said_of
from dashboard.views.booking.patient_part import uuid_in

PAGE: Final = "dashboard/queue/page.html"
_KEPT: Final = "desk-queue"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an act was not done, and how things are now."""

    said: str
    now: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for, checked against the clinic.

    `doctors` may be chosen; `only_own`: the person sees their own queue, and who waits for whoever
    is free. `room` is the one that calls went to last. Without a location there is no queue.
    """

    location: Location | None
    locations: tuple[Location, ...]
    doctor: Doctor | None
    doctors: tuple[Doctor, ...]
    rooms: tuple[Room, ...]
    room: UUID | None
    only_own: bool

    @property
    def query(self) -> str:
        """The filters as a query."""
        found: dict[str, object] = {}
        if self.location is not None and len(self.locations) > 1:
            found["location"] = self.location.id
        if self.doctor is not None and not self.only_own:
            found["doctor"] = self.doctor.id
        return urlencode(found)

    @property
    def place(self) -> Location:
        """The location. Raises NOT_FOUND without one."""
        if self.location is None:
            raise KairosError(ErrorCode.NOT_FOUND)
        return self.location


def asked_of(request: DeskRequest) -> Asked:
    """Read the filters. Raises NOT_FOUND for ids that are not the clinic's."""
    desk, last_used = request.desk, kept(request)
    locations = tuple(
        Location.objects.filter(clinic_id=desk.clinic.id, is_active=True).order_by("name", "id")
    )
    wanted = request.GET.get("location")
    location = one_of(locations, wanted)
    if location is None:  # the one that was looked at last, else the first
        last = next((one for one in locations if str(one.id) == last_used.get("location")), None)
        location = last or next(iter(locations), None)
    doctors = tuple(doctors_working_at(desk.clinic.id))
    only_own = not desk.may_whole(Permission.QUEUE_READ)
    if only_own:
        doctors = tuple(one for one in doctors if one.id == desk.principal.doctor_id)
        doctor = next(iter(doctors), None)
    else:
        doctor = one_of(doctors, request.GET.get("doctor"))
    rooms = rooms_at([location.id]) if location is not None else ()
    room = next((one.id for one in rooms if str(one.id) == last_used.get("room")), None)
    return Asked(location, locations, doctor, doctors, rooms, room, only_own)


def one_of(rows: tuple[Any, ...], raw: str | None) -> Any:
    """The row of that id; None when none is asked for. Raises NOT_FOUND."""
    if not raw:
        return None
    found = next((row for row in rows if str(row.id) == raw), None)
    if found is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    return found


def rooms_at(locations: list[UUID]) -> tuple[Room, ...]:
    """The rooms of these locations that are in use, by name."""
    found = Room.objects.filter(location_id__in=locations, is_active=True)
    return tuple(found.order_by("name", "id"))


def kept(request: HttpRequest) -> dict[str, str]:
    """The place and the room that this person used last at this desk."""
    found = request.session.get(_KEPT)
    return found if isinstance(found, dict) else {}


def _keep(request: DeskRequest, **values: UUID | None) -> None:
    fresh = kept(request) | {name: str(value or "") for name, value in values.items()}
    if fresh != kept(request):
        request.session[_KEPT] = fresh


@desk_page(Permission.QUEUE_READ)
def queue(request: DeskRequest) -> HttpResponse:
    """Everybody who is here, by where they stand."""
    asked = asked_of(request)
    if asked.location is not None and request.GET.get("location"):
        _keep(request, location=asked.location.id)
    return page(request, asked)


@desk_page(Permission.QUEUE_READ)
def listed(request: DeskRequest) -> HttpResponse:
    """The list alone, unless it is as `have` says; 204 then."""
    asked = asked_of(request)
    found = _shown(request.desk, asked)
    if found.stamp == request.GET.get("have"):
        return HttpResponse(status=204)
    response = TemplateResponse(
        request, "dashboard/queue/list.html", {"desk": request.desk, "shown": found}
    )
    response.headers["X-Queue-Stamp"] = found.stamp
    return response


@desk_page(Permission.QUEUE_RUN)
def call_next(request: DeskRequest) -> HttpResponse:
    """Call whoever is next: of a doctor, or of all; the same form sent twice calls one."""
    desk, asked = request.desk, asked_of(request)
    if request.method != "POST":
        return redirect(address(request, asked))
    location = asked.place
    doctor = asked.doctor or one_of(asked.doctors, request.POST.get("doctor"))
    room = one_of(asked.rooms, request.POST.get("room"))
    if not may_run_here(desk, asked):
        raise KairosError(ErrorCode.PERMISSION_DENIED)
    _keep(request, room=room.id if room else None)

    def act() -> str:
        entry = service.call_next(
            by=desk.principal,
            location=location.id,
            doctor=doctor.id if doctor else None,
            room=room.id if room else None,
        )
        return str(entry.id) if entry is not None else ""

    asks = (location.id, doctor and doctor.id, room and room.id)
    once = uuid_in(request.POST.get("once")) or uuid4()
    told, refusal = attempted(lambda: told_once(desk, "desk-queue-next", once, asks, act))
    if refusal is not None:
        return refused(request, asked, Trouble(str(refusal.detail)), refusal.status)
    if not told:
        return answer(request, asked, _("Nobody waits."), once=uuid4())
    entry = entry_open(request.desk, UUID(told))
    return answer(request, asked, said_of("call", entry), entry=entry.id, once=uuid4())


def answer(
    request: DeskRequest,
    asked: Asked,
    said: str,
    *,
    entry: UUID | None = None,
    once: UUID | None = None,
    undo: Appointment | None = None,
) -> HttpResponse:
    """After an act from the list: say so, and let the page read its list again.

    Without JavaScript the next page says it. `once` is for the next call of the same page.
    """
    if not request.htmx:
        messages.success(request, said)
        return redirect(address(request, asked))
    detail: dict[str, Any] = {"said": said}
    if entry is not None:
        detail["entry"] = str(entry)
    if once is not None:
        detail["once"] = str(once)
    if undo is not None:
        detail["undo"] = {"id": str(undo.id), "version": undo.version, "label": _("Undo")}
    return trigger_client_event(HttpResponse(status=204), "queue:done", detail)


def refused(request: DeskRequest, asked: Asked, trouble: Trouble, status: int) -> TemplateResponse:
    """Say why not above the list; without JavaScript on the whole page, read anew."""
    if request.htmx:
        found = {"desk": request.desk, "trouble": trouble}
        return TemplateResponse(request, "dashboard/queue/refused.html", found, status=status)
    return page(request, asked, trouble=trouble, status=status)


def may_run_here(desk: Desk, asked: Asked) -> bool:
    """Whether this person may call and add: for the whole clinic, or for themselves."""
    if desk.may_whole(Permission.QUEUE_RUN):
        return True
    return asked.only_own and asked.doctor is not None and desk.may(Permission.QUEUE_RUN)


def page(
    request: DeskRequest, asked: Asked, *, trouble: Trouble | None = None, status: int = 200
) -> TemplateResponse:
    """The whole page. That the names on it were shown is written down; not its refreshing."""
    desk = request.desk
    context: dict[str, Any] = {
        "desk": desk,
        "section": "queue",
        "asked": asked,
        "trouble": trouble,
        "may_run": may_run_here(desk, asked),
        "once": uuid4(),
    }
    if asked.location is not None:
        found = _shown(desk, asked)
        context |= {"shown": found, "socket": f"/ws/queue/{asked.location.id}"}
        journal.record(
            journal.Act(
                "queue.read",
                "checkin.queueentry",
                clinic_id=desk.clinic.id,
                subjects=list(found.patients),
            )
        )
    return TemplateResponse(request, PAGE, context, status=status)


def _shown(desk: Desk, asked: Asked) -> Shown:
    location = asked.place
    doctor = asked.doctor.id if asked.doctor is not None else None
    places = queue_of(location.id, doctor=doctor)
    if asked.only_own:
        places = [one for one in places if one.doctor_id in {doctor, None}]
    here = Here(desk, location, asked.query, of_one=doctor is not None)
    return shown(here, places)


def address(request: DeskRequest, asked: Asked) -> str:
    """Of the queue as it was looked at."""
    found = reverse("desk-queue", kwargs={"slug": request.desk.clinic.slug})
    return f"{found}?{asked.query}" if asked.query else found


urlpatterns: list[URLPattern] = [
    path("queue", queue, name="desk-queue"),
    path("queue/list", listed, name="desk-queue-list"),
    path("queue/next", call_next, name="desk-queue-next"),
]
