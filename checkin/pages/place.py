"""A patient's own place in the queue: who is before them, how long it may take, and the call.

`/place` shows every visit that this browser has to do with today: those of the account, of personal
links, of a proven phone number, and what was checked in here. The portal shows a single visit in
the same way, by its link or from one's own list.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.contrib.staticfiles.storage import staticfiles_storage
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from appointments.models import Appointment, AppointmentStatus
from appointments.services.links import visit_link
from checkin.board import board_json
from checkin.models import QueueEntry, QueueState
from checkin.pages import proven
from checkin.rules import is_on_day_of
from checkin.selectors.queue import Place, queue_of
from checkin.services.push import push_public_key, subscription_add, subscription_remove
from clinics.models import VisitMode
from clinics.pages import PageRequest, page
from core import clock, tenancy
from core.errors import ErrorCode, KairosError

#: Who waits longer than this at the least may go away meanwhile, and is back this much earlier.
MAY_LEAVE_MINUTES: Final = 20
BACK_BEFORE: Final = timedelta(minutes=10)
_MOST: Final = 12


@dataclass(frozen=True, slots=True)
class Spot:
    """One visit and where it stands. `state` is a `QueueState`, or "" for who is not checked in."""

    visit: Appointment
    state: str
    token: str
    place: Place | None
    link: str = ""  # the personal link, for its socket, where it was opened in this browser

    @property
    def room(self) -> str:
        return (self.place.room if self.place else None) or ""

    @property
    def ahead(self) -> list[str]:
        """Who goes before, and why."""
        ahead = self.place.ahead if self.place else None
        if ahead is None:
            return []
        counted = (
            (
                ahead.urgent,
                ngettext("%(count)d urgent", "%(count)d urgent", ahead.urgent),
            ),
            (
                ahead.earlier,
                ngettext(
                    "%(count)d with an earlier appointment",
                    "%(count)d with earlier appointments",
                    ahead.earlier,
                ),
            ),
            (
                ahead.waited,
                ngettext(
                    "%(count)d who came before you", "%(count)d who came before you", ahead.waited
                ),
            ),
        )
        return [text % {"count": count} for count, text in counted if count]

    @property
    def wait(self) -> str:
        """How long it may take, in words."""
        wait = self.place.wait if self.place else None
        if wait is None:
            return ""
        if wait.low <= 0:
            return ngettext("Up to %(high)d minute", "Up to %(high)d minutes", wait.high) % {
                "high": wait.high
            }
        return _("About %(low)d to %(high)d minutes") % {"low": wait.low, "high": wait.high}

    @property
    def back_by(self) -> datetime | None:
        """Until when one may be elsewhere; None: stay."""
        wait = self.place.wait if self.place else None
        if wait is None or wait.low <= MAY_LEAVE_MINUTES:
            return None
        return clock.now() + timedelta(minutes=wait.low) - BACK_BEFORE

    @property
    def is_live(self) -> bool:
        """Whether there is still something to wait for."""
        return self.state in {QueueState.WAITING, QueueState.CALLED, QueueState.SKIPPED}


def place_is_shown(visit: Appointment) -> bool:
    """Whether there is a place in a queue to look at."""
    return visit.type == VisitMode.IN_PERSON and visit.status == AppointmentStatus.CHECKED_IN


def spots_of(visits: Sequence[Appointment], links: Collection[UUID] = ()) -> list[Spot]:
    """Where these visits stand, in their order; the scope is the caller's.

    `links` are those whose personal link the reader has.
    """
    entries = {
        entry.appointment_id: entry
        for entry in QueueEntry.objects.filter(appointment_id__in=[one.id for one in visits])
    }
    locations = {entry.location_id for entry in entries.values()}
    places = {place.appointment_id: place for location in locations for place in queue_of(location)}
    return [
        _spot(
            visit,
            entries.get(visit.id),
            places.get(visit.id),
            visit_link(visit) if visit.id in links else "",
        )
        for visit in visits
    ]


def places_page(
    request: PageRequest,
    visits: Sequence[Appointment],
    *,
    links: Collection[UUID] = (),
    back_url: str = "",
) -> HttpResponse:
    """The page of these visits; with `?part=1` only what changes on it.

    `links` are the visits whose personal link was opened here: their sockets show it at the door.
    """
    spots = spots_of(visits, links)
    clinics = {visit.clinic_id: visit.clinic for visit in visits}
    found = {
        "clinic": next(iter(clinics.values())) if len(clinics) == 1 else None,
        "spots": spots,
        "names_people": len({visit.patient_id for visit in visits}) > 1,
        "part_url": f"{request.path}?part=1",
        "is_live": any(spot.is_live for spot in spots),
        "is_over": bool(spots) and not any(spot.is_live for spot in spots),
        "back_url": back_url,
        "push_key": push_public_key() if any(spot.is_live for spot in spots) else "",
        "push_url": reverse("place-push"),
        "push_worker": reverse("place-worker"),
    }
    part = request.GET.get("part") == "1"
    name = "checkin/place_part.html" if part else "checkin/place.html"
    return TemplateResponse(request, name, found)


@require_safe
@page(public=True)
def place(request: PageRequest) -> HttpResponse:
    """Today's visits of whoever this browser has shown to be."""
    links = {one.visit for one in proven.links_known(request)}
    return places_page(request, _visits(request), links=links)


@require_safe
@page(public=True)
def board(request: PageRequest, location: UUID) -> HttpResponse:
    """The board of a location where a visit of theirs is, when no socket is to be had."""
    visit = next((one for one in _visits(request) if one.location_id == location), None)
    if visit is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    return HttpResponse(
        board_json(location, clinic=visit.clinic_id), content_type="application/json"
    )


@require_POST
@page(public=True)
def push(request: PageRequest) -> HttpResponse:
    """Tell this device when the turn comes, or no more (`off=1`); of each visit in the queue."""
    visits = [spot.visit for spot in spots_of(_visits(request)) if spot.is_live]
    if not visits:
        raise KairosError(ErrorCode.NOT_FOUND)
    endpoint = request.POST.get("endpoint", "")
    for visit in visits:
        if request.POST.get("off") == "1":
            subscription_remove(appointment=visit, endpoint=endpoint)
            continue
        subscription_add(
            appointment=visit,
            endpoint=endpoint,
            p256dh=request.POST.get("p256dh", ""),
            auth=request.POST.get("auth", ""),
            language=translation.get_language() or "",
        )
    return HttpResponse(status=204)


@require_safe
def worker(request: HttpRequest) -> HttpResponse:
    """The service worker that shows what is pushed. It caches nothing and answers no request."""
    script = staticfiles_storage.url("checkin/notification_worker.js")
    return HttpResponse(
        f"importScripts({json.dumps(script)});\n",
        content_type="text/javascript",
        headers={"Cache-Control": "no-cache"},
    )


# --- Whose visits -------------------------------------------------------------------------------


def _visits(request: PageRequest) -> list[Appointment]:
    """The visits in person of today that are this browser's; their clinics alone in scope."""
    principal = request.principal
    charts = principal.charts if principal is not None else {}
    known = [*proven.places_known(request), *proven.links_known(request)]
    by = proven.phone_known(request)
    phone = by.charts if by is not None else {}
    clinics = {*charts, *phone, *(one.clinic for one in known)}
    if not clinics:
        return []
    tenancy.narrow(clinics)
    now = clock.now()
    found = (
        Appointment.objects.select_related(
            "clinic", "location", "doctor", "service", "patient", "room"
        )
        .filter(
            Q(patient_id__in=_all(charts.values()))
            | Q(patient_id__in=_all(phone.values()))
            | Q(pk__in=[one.visit for one in known]),
            type=VisitMode.IN_PERSON,
            clinic__is_active=True,
            starts_at__gte=now - timedelta(days=1),
            starts_at__lt=now + timedelta(days=1),
        )
        # Who left the queue without being seen is told so, though their visit is cancelled with it.
        .exclude(status=AppointmentStatus.CANCELLED, checked_in_at=None)
        .order_by("starts_at", "id")[: _MOST * 2]
    )
    return [visit for visit in found if is_on_day_of(visit, now)][:_MOST]


def _all(charts: Iterable[frozenset[UUID]]) -> list[UUID]:
    return [chart for group in charts for chart in group]


def _spot(visit: Appointment, entry: QueueEntry | None, found: Place | None, link: str) -> Spot:
    if found is not None:
        return Spot(visit, found.state, found.token, found, link)
    if entry is not None and entry.state in {QueueState.DONE, QueueState.LEFT}:
        return Spot(visit, entry.state, entry.token, None, link)
    return Spot(visit, "", "", None, link)
