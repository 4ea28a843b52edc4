"""The inbox: what patients have asked for, to approve or to decline."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.roles import Permission
from appointments.models import Verb
from appointments.selectors.appointments import last_events
from appointments.selectors.visits import Requests, requests_page
from appointments.services.batch import Outcome, appointments_move_each
from core import journal
from core.errors import invalid
from core.forms import attempted
from dashboard.access import DeskRequest, desk_page
from dashboard.card import form_for, reopen, the_visit
from dashboard.inbox import described

PER_PAGE = 20


@desk_page(Permission.APPOINTMENT_MANAGE)
def inbox(request: DeskRequest) -> HttpResponse:
    """Requests, the oldest first; several may be approved at once."""
    if request.method == "POST":
        return _approve(request)
    return _page(request)


def _approve(request: DeskRequest) -> HttpResponse:
    """Approve each that was ticked. What was refused stays on the page, with its reason."""
    outcomes = appointments_move_each(
        visits=[_ticked(text) for text in request.POST.getlist("visit")[:PER_PAGE]],
        verb=Verb.APPROVE,
        by=request.desk.principal,
    )
    if not outcomes:
        messages.info(request, _("Tick the requests that you want to approve."))
        return redirect(_address(request))
    made = sum(1 for one in outcomes if one.made is not None)
    if made:
        messages.success(
            request,
            ngettext("%(n)d visit is booked.", "%(n)d visits are booked.", made) % {"n": made},
        )
    refused = _refused(request, outcomes, Verb.APPROVE)
    if not refused:
        return redirect(_address(request))
    return _page(request, refused=refused, status=409)


def _refused(request: DeskRequest, outcomes: Iterable[Outcome], verb: Verb) -> dict[UUID, Outcome]:
    """Those that were refused, without what the same person has done already: a second click."""
    refused = {one.visit: one for one in outcomes if one.refusal is not None}
    last = last_events(refused) if refused else {}
    for visit, event in last.items():
        if event.verb == verb and event.actor_id == request.desk.principal.user_id:
            del refused[visit]
    return refused


def _ticked(text: str) -> tuple[UUID, int | None]:
    """A box's value: the visit's id and the version at which it was shown."""
    visit, _colon, version = text.partition(":")
    try:
        return UUID(visit), int(version)
    except ValueError:
        raise invalid("visit", _("This form is damaged: open the page again.")) from None


@desk_page(Permission.APPOINTMENT_MANAGE)
def decline(request: DeskRequest, visit_id: UUID) -> HttpResponse:
    """Decline one, with a reason that the patient can be told."""
    if request.method != "POST":
        return redirect(_address(request))
    visit = the_visit(request, visit_id)
    form = form_for(Verb.CANCEL, visit, request.POST)
    if not form.is_valid():
        return _page(request, forms={visit.id: form}, status=400)
    given = form.cleaned_data
    outcomes, refusal = attempted(
        lambda: appointments_move_each(
            visits=[(visit.id, given["version"])],
            verb=Verb.CANCEL,
            by=request.desk.principal,
            reason=given["why"],
        )
    )
    refused = _refused(request, outcomes or (), Verb.CANCEL)
    if refused or refusal is not None:
        reopen(form, the_visit(request, visit_id).version)
        return _page(request, refused=refused, forms={visit.id: form}, status=409)
    messages.success(request, _("Declined."))
    return redirect(_address(request))


def _page(
    request: DeskRequest,
    *,
    refused: Mapping[UUID, Outcome] | None = None,
    forms: Mapping[UUID, Any] | None = None,
    status: int = 200,
) -> HttpResponse:
    desk, after = request.desk, request.GET.get("after") or None
    found = requests_page(
        desk.principal,
        clinic=desk.clinic.id,
        limit=PER_PAGE,
        after=after,
    )
    rows = described(desk, found.visits)
    _record(request, found)
    refused, forms = refused or {}, forms or {}
    shown = {visit.id for visit in found.visits}
    context = {
        "desk": desk,
        "section": "inbox",
        "title": _("Requests"),
        "rows": [
            {
                "request": row,
                "refusal": refused[row.visit.id].refusal if row.visit.id in refused else None,
                "form": forms.get(row.visit.id) or _decline_form(row.visit),
                "open": row.visit.id in forms,
            }
            for row in rows
        ],
        "gone": _gone(request, refused, shown),
        "after": found.after,
        "is_first": after is None,
    }
    return TemplateResponse(request, "dashboard/inbox.html", context, status=status)


def _decline_form(visit: Any) -> Any:
    form = form_for(Verb.CANCEL, visit)
    form.auto_id = f"id_{visit.id}_%s"
    return form


def _gone(request: DeskRequest, refused: Mapping[UUID, Outcome], shown: set[UUID]) -> Sequence[Any]:
    """Requests that are not on the page any more, or never were, as they are now."""
    found = []
    for visit in refused:
        if visit not in shown:
            now, _missing = attempted(lambda visit=visit: the_visit(request, visit))  # type: ignore[misc]
            if now is not None:
                found.append({"visit": now, "refusal": refused[visit].refusal})
    return found


def _record(request: DeskRequest, found: Requests) -> None:
    if found.visits:
        journal.record(
            journal.Act(
                "appointment.listed",
                "appointments.appointment",
                clinic_id=request.desk.clinic.id,
                subjects=sorted({visit.patient_id for visit in found.visits}),
            )
        )


def _address(request: DeskRequest) -> str:
    return reverse("desk-inbox", kwargs={"slug": request.desk.clinic.slug})


urlpatterns: list[URLPattern] = [
    path("requests", inbox, name="desk-inbox"),
    path("requests/<uuid:visit_id>/decline", decline, name="desk-inbox-decline"),
]
