"""What one waits for: a time when none is free, or an earlier one than one has."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.resume import unsent
from appointments.selectors.offers import doctors_offering, locations_offered, services_offered
from appointments.selectors.own import openings
from clinics.models import Clinic, Patient
from clinics.pages import PageRequest, page, who
from clinics.principal import Principal
from clinics.selectors.directory import clinics_public
from core import tenancy
from core.errors import ErrorCode, KairosError
from core.forms import attempted, refusal_show
from followups.services.waitlist import entry_create, entry_withdraw
from portal.door import clinic_open
from portal.follow_ups import own_wish, own_wishes
from portal.views.visits import Opened
from portal.wishes import EarlierForm, WishForm


@require_safe
@page()
def mine(request: PageRequest) -> HttpResponse:
    """What one waits for, with what is offered just now, and where to enter more."""
    by = who(request).as_patient()
    tenancy.narrow(by.charts)
    found = own_wishes(by)
    people = {wish.entry.patient_id for wish in found}
    return TemplateResponse(
        request,
        "portal/wishes.html",
        {
            "waiting": [wish for wish in found if wish.is_waiting],
            "over": [wish for wish in found if not wish.is_waiting],
            "names_people": len(people) > 1 or len(by.own_patients()) > 1,
            "clinics": list(clinics_public().filter(id__in=by.charts).order_by("name")),
        },
    )


@require_http_methods(["GET", "HEAD", "POST"])
@page()
def new(request: PageRequest, slug: str) -> HttpResponse:
    """Enter a wish at a clinic one is a patient of."""
    by = who(request).as_patient()
    clinic = clinic_open(slug)
    patients = _charts(by, clinic)
    form = WishForm(
        request.POST if request.method == "POST" else unsent(request),
        patients=patients,
        services=list(services_offered(clinic)),
        locations=list(locations_offered(clinic)),
        doctors=doctors_offering(clinic),
        initial={"service": request.GET.get("service", "")},
    )
    if request.method == "POST" and form.is_valid():
        named = form.cleaned_data.get("patient")
        wishes = form.wishes() | {"patient": UUID(named) if named else patients[0].id}
        if _entered(request, by, form, wishes):
            return redirect("portal-my-waitlist")
    return _form_page(request, clinic, form, {"visit": None})


@require_http_methods(["GET", "HEAD", "POST"])
def earlier(request: PageRequest, opened: Opened) -> HttpResponse:
    """Be told of an earlier time than that of a visit one has. It is kept until then."""
    visit = opened.visit
    if opened.by.account is None or visit.service is None or not openings(visit).move:
        return redirect(opened.url())
    form = EarlierForm(
        request.POST if request.method == "POST" else unsent(request),
        doctors=doctors_offering(visit.clinic, visit.service),
        initial={"doctors": [str(visit.doctor_id)]},
    )
    if request.method == "POST" and form.is_valid():
        wishes = form.wishes() | {"appointment": visit.id, "patient": visit.patient_id}
        if _entered(request, opened.by, form, wishes):
            return redirect("portal-my-waitlist")
    return _form_page(request, visit.clinic, form, {"visit": visit, "visit_url": opened.url()})


@require_http_methods(["GET", "HEAD", "POST"])
@page()
def withdraw(request: PageRequest, entry: UUID) -> HttpResponse:
    """Not to wait any more. What was offered is withdrawn too."""
    if request.method != "POST":  # back from the sign-in
        return redirect("portal-my-waitlist")
    by = who(request).as_patient()
    found = own_wish(by, entry)
    tenancy.narrow([found.clinic_id])
    _done, refused = attempted(lambda: entry_withdraw(by=by, entry_id=found.id))
    if refused is None:
        messages.success(request, _("You do not wait for this any more."))
    elif refused.code == ErrorCode.INVALID_TRANSITION:
        messages.warning(request, _("This was changed meanwhile. This is how it stands now."))
    else:
        raise refused
    return redirect("portal-my-waitlist")


def _entered(request: PageRequest, by: Principal, form: forms.Form, wishes: dict[str, Any]) -> bool:
    """Put it on the list, or say in the form why not."""
    made, refused = attempted(lambda: entry_create(by=by, **wishes))
    if made is not None:
        messages.success(request, _("We will tell you when a time becomes free."))
        return True
    if refused is not None and refused.code == ErrorCode.CONFLICT:
        form.add_error(None, _("You wait for this already. Withdraw that wish to enter another."))
    elif refused is not None:
        refusal_show(form, refused)
    return False


def _charts(by: Principal, clinic: Clinic) -> list[Patient]:
    """One's own charts in the clinic, one's own first. Raises NOT_FOUND without any."""
    own = by.charts.get(clinic.id, frozenset())
    found = list(Patient.objects.filter(id__in=own, is_active=True))
    if not found:
        raise KairosError(ErrorCode.NOT_FOUND)
    return sorted(found, key=lambda chart: (chart.user_id != by.account, chart.full_name))


def _form_page(
    request: PageRequest, clinic: Clinic, form: forms.Form, more: dict[str, Any]
) -> HttpResponse:
    shown = {"clinic": clinic, "form": form, **more}
    status = 400 if form.is_bound and form.errors else 200
    return TemplateResponse(request, "portal/wish.html", shown, status=status)
