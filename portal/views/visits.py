"""One visit, opened by its personal link or from one's own list: look, confirm, move, cancel."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from appointments.models import Appointment, Verb
from appointments.selectors.offers import free_with
from appointments.selectors.own import openings, own_visits
from appointments.services.links import visit_by_link, visit_link
from appointments.services.reschedule import appointment_reschedule
from appointments.services.status import appointment_move
from checkin.pages.place import place_is_shown
from checkin.pages.proven import Known, link_remember
from checkin.rules import is_on_day_of, window_of
from checkin.selectors.passes import pass_is_given
from clinics.models import VisitMode
from clinics.pages import PageRequest, page, who
from clinics.principal import Principal
from core import clock, tenancy
from core.errors import ErrorCode, KairosError
from portal.calendar_file import calendar_file
from portal.door import kept_private
from portal.forms import CancelForm
from portal.picker import Picker
from portal.slots import picked


@dataclass(frozen=True, slots=True)
class Opened:
    """A visit with who opened it. `token` is the personal link; None from one's own list."""

    by: Principal
    visit: Appointment
    token: str | None

    def url(self, name: str = "visit") -> str:
        """The address of one of its pages, by its name in `portal.urls`, such as `cancel`."""
        if self.token is not None:
            return reverse(f"portal-{name}", args=[self.token])
        return reverse(f"portal-my-{name}", args=[self.visit.id])


Shown = Callable[[PageRequest, Opened], HttpResponse]


def linked(view: Shown) -> Callable[..., HttpResponse]:
    """The page for whoever holds the visit's link: no search engine keeps it, no other host is told
    of it, and the log does not write the link down. The browser may check in with it later."""

    @wraps(view)
    @page(public=True)
    def inner(request: PageRequest, token: str) -> HttpResponse:
        by, visit = visit_by_link(token)
        response = view(request, Opened(by, visit, token))
        if visit.is_open and visit.type == VisitMode.IN_PERSON:
            link_remember(request, response, Known(visit.clinic_id, visit.id))
        return response

    @wraps(view)
    def private(request: PageRequest, token: str) -> HttpResponse:
        request.path_shown = "/visit/…"  # type: ignore[attr-defined]  # read by the request's log
        return kept_private(inner(request, token))

    return private


def owned(view: Shown) -> Callable[..., HttpResponse]:
    """The page for the patient, or who acts for them, signed in."""

    @wraps(view)
    @page()
    def inner(request: PageRequest, visit: UUID) -> HttpResponse:
        by = who(request).as_patient()
        found = own_visits(by).filter(pk=visit, clinic__is_active=True).first()
        if found is None:
            raise KairosError(ErrorCode.NOT_FOUND)
        tenancy.narrow([found.clinic_id])
        return view(request, Opened(by, found, None))

    @wraps(view)
    def private(request: PageRequest, visit: UUID) -> HttpResponse:
        return kept_private(inner(request, visit))

    return private


@require_safe
def show(request: PageRequest, opened: Opened) -> HttpResponse:
    """When, where, with whom, how it stands, and what may be done."""
    token = opened.token or visit_link(opened.visit)
    link = request.build_absolute_uri(reverse("portal-visit", args=[token]))
    return _page(
        request,
        "portal/visit.html",
        opened,
        {
            "link": link,
            "is_new": request.GET.get("booked") == "1",
            "pass_url": opened.url("pass") if pass_is_given(opened.visit) else "",
            "pass_opens": window_of(opened.visit).opens_at,
            "is_today": is_on_day_of(opened.visit, clock.now()),
            "earlier_url": _earlier_url(opened),
            "place_url": opened.url("place") if place_is_shown(opened.visit) else "",
        },
    )


@require_POST
def confirm(request: PageRequest, opened: Opened) -> HttpResponse:
    """The patient says that they will come."""
    return _done(
        request,
        opened,
        lambda: _moved(opened, Verb.CONFIRM),
        _("Thank you. The clinic knows that you will come."),
    )


@require_http_methods(["GET", "HEAD", "POST"])
def cancel(request: PageRequest, opened: Opened) -> HttpResponse:
    """Cancel it, saying why."""
    if request.method != "POST" and not openings(opened.visit).cancel:
        return redirect(opened.url())
    form = CancelForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        reason = form.reason()
        return _done(
            request,
            opened,
            lambda: _moved(opened, Verb.CANCEL, reason=reason),
            _("Your visit is cancelled."),
        )
    status = 400 if form.is_bound else 200
    return _page(request, "portal/cancel.html", opened, {"form": form}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def move(request: PageRequest, opened: Opened) -> HttpResponse:
    """Another time, with the same doctor or another one."""
    visit = opened.visit
    if visit.service is None or (request.method != "POST" and not openings(visit).move):
        return redirect(opened.url())
    picker = _picker(request, opened)
    if request.method != "POST":
        return _page(request, "portal/move.html", opened, _week(picker, opened))
    slot = picked(request.POST.get("slot", ""))
    wish = picker.at(slot)
    free = [slot.doctor] if slot.doctor else free_with(wish, slot.starts_at)
    doctor = visit.doctor_id if visit.doctor_id in free else (free or [visit.doctor_id])[0]
    try:
        with transaction.atomic():
            appointment_reschedule(
                appointment_id=visit.id,
                by=opened.by,
                starts_at=slot.starts_at,
                doctor=doctor,
                location=slot.location,
                expected_version=_version(request),
            )
    except KairosError as refused:
        if refused.code in _FINAL:
            return _refused(request, opened, refused)
        shown = _week(picker, opened) | {"refused": refused}
        return _page(request, "portal/move.html", opened, shown, status=refused.status)
    messages.success(request, _("Your visit has its new time."))
    return redirect(opened.url())


@require_safe
def file(request: PageRequest, opened: Opened) -> HttpResponse:
    """The visit for the patient's own calendar."""
    return HttpResponse(
        calendar_file(opened.visit),
        content_type="text/calendar; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="visit.ics"'},
    )


#: Refusals after which no other time helps: the visit's own page says what is left.
_FINAL = frozenset(
    {
        ErrorCode.CANCEL_CUTOFF_PASSED,
        ErrorCode.INVALID_TRANSITION,
        ErrorCode.PRECONDITION_FAILED,
        ErrorCode.PERMISSION_DENIED,
    }
)


def _moved(opened: Opened, verb: Verb, *, reason: str = "") -> Appointment:
    return appointment_move(appointment_id=opened.visit.id, verb=verb, by=opened.by, reason=reason)


def _done(
    request: PageRequest, opened: Opened, act: Callable[[], object], said: str
) -> HttpResponse:
    """Do it and go back to the visit. A second click finds it done, and is told the same."""
    try:
        with transaction.atomic():
            act()
    except KairosError as refused:
        if refused.code not in _FINAL:
            raise
        return _refused(request, opened, refused)
    messages.success(request, said)
    return redirect(opened.url())


def _refused(request: PageRequest, opened: Opened, refused: KairosError) -> HttpResponse:
    """Back to the visit, which shows how it stands now, with the reason."""
    if refused.code == ErrorCode.PRECONDITION_FAILED:
        said = _("The visit was changed meanwhile. This is how it stands now.")
    elif refused.code == ErrorCode.INVALID_TRANSITION:
        said = _("This is how the visit stands now.")
    elif refused.code == ErrorCode.PERMISSION_DENIED:
        said = _("This visit can only be changed by the clinic.")
    else:
        said = _("It is too late to change this visit here. Please call the clinic.")
    messages.warning(request, said)
    return redirect(opened.url())


def _earlier_url(opened: Opened) -> str:
    """Where the patient, signed in, asks to be told of an earlier time."""
    if opened.by.account is None or not openings(opened.visit).move:
        return ""
    return reverse("portal-my-earlier", args=[opened.visit.id])


def _picker(request: PageRequest, opened: Opened) -> Picker:
    service = opened.visit.service
    if service is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    return Picker(request, opened.visit.clinic, service, moving=opened.visit)


def _week(picker: Picker, opened: Opened) -> dict[str, Any]:
    shown = picker.context()
    query = f"?{shown['query']}" if shown["query"] else ""
    return shown | {"action": f"{opened.url('move')}{query}", "may_book": True}


def _version(request: PageRequest) -> int | None:
    text = request.POST.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _page(
    request: PageRequest,
    template: str,
    opened: Opened,
    more: dict[str, Any],
    *,
    status: int = 200,
) -> HttpResponse:
    visit = opened.visit
    return TemplateResponse(
        request,
        template,
        {
            "visit": visit,
            "clinic": visit.clinic,
            "openings": openings(visit),
            "by_link": opened.token is not None,
            "visit_url": opened.url(),
            "confirm_url": opened.url("confirm"),
            "cancel_url": opened.url("cancel"),
            "move_url": opened.url("move"),
            "file_url": opened.url("file"),
            **more,
        },
        status=status,
    )
