"""Follow-ups: an invitation opened by its link, and one's own plans, signed in."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from appointments.models import Appointment
from appointments.services.links import visit_link
from clinics.models import Clinic
from clinics.pages import PageRequest, page, who
from clinics.principal import Principal
from core import tenancy
from core.errors import ErrorCode, KairosError
from core.forms import attempted
from followups.links import invitation_ids
from followups.models import FollowUpPlan, InvitationStatus
from followups.services.invitations import (
    OpenedInvitation,
    invitation_accept,
    invitation_by_token,
    invitation_decline,
)
from followups.services.plans import plan_schedule
from portal.calendar_file import calendar_file
from portal.door import kept_private
from portal.follow_ups import (
    PlanPicker,
    may_choose,
    own_plans,
    own_plans_settled,
    own_plans_waiting,
    times_by_day,
    visit_with_names,
)
from portal.slots import picked

Shown = Callable[[PageRequest, str], HttpResponse]

#: Refusals of an invitation after which no other time helps.
_OVER = frozenset({ErrorCode.OFFER_EXPIRED, ErrorCode.FOLLOWUP_PLAN_ALREADY_CONVERTED})
#: Refusals of a plan after which its own list says how it stands.
_SETTLED = frozenset({ErrorCode.FOLLOWUP_PLAN_ALREADY_CONVERTED, ErrorCode.INVALID_TRANSITION})


# --- By the link of an invitation ---------------------------------------------------------------


def invited(view: Shown) -> Callable[..., HttpResponse]:
    """The page for whoever holds the invitation's link; the log does not write the link down."""

    @wraps(view)
    @page(public=True)
    def inner(request: PageRequest, token: str) -> HttpResponse:
        return view(request, token)

    @wraps(view)
    def private(request: PageRequest, token: str) -> HttpResponse:
        request.path_shown = "/follow-up/…"  # type: ignore[attr-defined]  # read by the log
        return kept_private(inner(request, token))

    return private


@require_safe
def show(request: PageRequest, token: str) -> HttpResponse:
    """The times to choose from; or what became of the invitation."""
    return _invitation_page(request, token)


@require_http_methods(["GET", "HEAD", "POST"])
def accept(request: PageRequest, token: str) -> HttpResponse:
    """Book the time chosen. Who books is given the visit's personal link."""
    if request.method != "POST":  # a page that is loaded again
        return redirect("portal-follow-up", token=token)
    slot = picked(request.POST.get("slot", ""))
    visit, refused = attempted(
        lambda: invitation_accept(
            token=token, starts_at=slot.starts_at, doctor=slot.doctor, location=slot.location
        )
    )
    if visit is None:
        return _invitation_page(request, token, refused=refused)
    return redirect(f"{reverse('portal-visit', args=[visit_link(visit)])}?booked=1")


@require_http_methods(["GET", "HEAD", "POST"])
def decline(request: PageRequest, token: str) -> HttpResponse:
    """They do not want to come; the clinic is told."""
    if request.method != "POST":
        return redirect("portal-follow-up", token=token)
    _done, refused = attempted(lambda: invitation_decline(token=token))
    if refused is not None:
        return _invitation_page(request, token, refused=refused)
    return redirect("portal-follow-up", token=token)


@require_safe
def file(request: PageRequest, token: str) -> HttpResponse:
    """The visit that was chosen, for the patient's own calendar."""
    visit = _chosen(invitation_by_token(token))
    if visit is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    return HttpResponse(
        calendar_file(visit),
        content_type="text/calendar; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="visit.ics"'},
    )


def _invitation_page(
    request: PageRequest, token: str, *, refused: KairosError | None = None
) -> HttpResponse:
    status = refused.status if refused is not None else 200
    try:
        opened = invitation_by_token(token)
    except KairosError as over:
        if over.code not in _OVER:
            raise
        clinic = Clinic.objects.get(pk=invitation_ids(token)[0])
        shown = {"clinic": clinic, "state": over.code.value, "token": token}
        return TemplateResponse(request, "portal/follow_up.html", shown, status=status)
    return TemplateResponse(
        request,
        "portal/follow_up.html",
        {
            "clinic": opened.plan.clinic,
            "plan": opened.plan,
            "invitation": opened.invitation,
            "state": opened.invitation.status,
            "days": times_by_day(opened.times_free),
            "visit": _chosen(opened),
            "refused": refused,
            "token": token,
        },
        status=status,
    )


def _chosen(opened: OpenedInvitation) -> Appointment | None:
    """The visit that was booked by this invitation, while the plan has it."""
    visit = opened.principal.visit_id
    if opened.invitation.status != InvitationStatus.ACCEPTED or visit is None:
        return None
    return visit_with_names(visit)


# --- One's own, signed in -----------------------------------------------------------------------


@require_safe
@page()
def mine(request: PageRequest) -> HttpResponse:
    """What is planned for everyone one is or acts for: with what to do until then."""
    by = who(request).as_patient()
    tenancy.narrow(by.charts)
    before = _id(request.GET.get("before", ""))
    waiting = [] if before else own_plans_waiting(by)
    settled, older = own_plans_settled(by, before=before)
    people = {plan.patient_id for plan in [*waiting, *settled]}
    return TemplateResponse(
        request,
        "portal/follow_ups.html",
        {
            "waiting": [(plan, may_choose(plan)) for plan in waiting],
            "settled": settled,
            "older": older,
            "is_first": before is None,
            "names_people": len(people) > 1 or len(by.own_patients()) > 1,
        },
    )


@require_http_methods(["GET", "HEAD", "POST"])
@page()
def choose(request: PageRequest, plan: UUID) -> HttpResponse:
    """The free times of a plan; one click books."""
    by = who(request).as_patient()
    found = own_plans(by).filter(pk=plan).first()
    if found is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    tenancy.narrow([found.clinic_id])
    if not may_choose(found):
        return redirect("portal-my-follow-ups")
    picker = PlanPicker(request, found)
    if request.method != "POST":
        return _choose_page(request, found, picker)
    return _chosen_time(request, by, found, picker)


def _chosen_time(
    request: PageRequest, by: Principal, plan: FollowUpPlan, picker: PlanPicker
) -> HttpResponse:
    slot = picked(request.POST.get("slot", ""))
    if slot.doctor != plan.doctor_id:  # the clinic has given the plan to somebody else
        messages.warning(request, _("This was changed meanwhile. This is how it stands now."))
        return redirect("portal-my-follow-up-time", plan=plan.id)
    picker.at(slot)
    made, refused = attempted(
        lambda: plan_schedule(
            by=by,
            plan_id=plan.id,
            starts_at=slot.starts_at,
            location=slot.location,
        )
    )
    if made is not None and made.appointment is not None:
        visit = reverse("portal-my-visit", args=[made.appointment.id])
        return redirect(f"{visit}?booked=1")
    if refused is not None and refused.code in _SETTLED:
        messages.warning(request, _("This was changed meanwhile. This is how it stands now."))
        return redirect("portal-my-follow-ups")
    return _choose_page(request, plan, picker, refused=refused)


def _choose_page(
    request: PageRequest,
    plan: FollowUpPlan,
    picker: PlanPicker,
    *,
    refused: KairosError | None = None,
) -> HttpResponse:
    opens_on = picker.opens_on
    shown: dict[str, Any] = {"clinic": plan.clinic, "service": plan.service}
    if opens_on is None:
        shown = picker.context()
        query = f"?{shown['query']}" if shown["query"] else ""
        here = reverse("portal-my-follow-up-time", args=[plan.id])
        shown["action"] = f"{here}{query}"
    shown |= {
        "plan": plan,
        "may_book": True,
        "opens_on": opens_on,
        "refused": refused,
    }
    status = refused.status if refused is not None else 200
    return TemplateResponse(request, "portal/follow_up_time.html", shown, status=status)


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
