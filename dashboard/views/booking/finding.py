"""The patient of a new visit: found as one types, or a new chart."""

from typing import Any
from uuid import UUID, uuid4

from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.resume import forget_unsent, unsent
from accounts.roles import Permission
from core.forms import attempted, refusal_show
from dashboard.access import DeskRequest, desk_page, done, panel
from dashboard.finding import asked
from dashboard.forms.booking import NewPatientForm, refusal_placed
from dashboard.once import done_once
from dashboard.people import SHORTEST, alike_in, chart_open, chosen, found
from dashboard.views.booking.patient_part import (
    CHOSEN,
    FIND,
    NEW,
    ids_in,
    new_chart_form,
    today_at,
    uuid_in,
)

_WHO = "book-who"


@desk_page(Permission.PATIENT_READ, limit="search")
def find(request: DeskRequest) -> HttpResponse:
    """Patients who fit what was typed; `patient` is the one that was chosen.

    Parts of the open sheet; opened by its address it is a page of its own.
    """
    desk, q = request.desk, asked(request)
    context = {"desk": desk, "q": q, "may_write_patients": desk.may_whole(Permission.PATIENT_WRITE)}
    patient = uuid_in(request.GET.get("patient"))
    if patient is not None:
        part = {"who": CHOSEN, "chosen": chosen(desk, patient)}
        return TemplateResponse(request, "dashboard/book_who.html", {**context, "sheet": part})
    if request.htmx.target == _WHO:
        part = {"who": FIND, "q": q, "found": None}
        return TemplateResponse(request, "dashboard/book_who.html", {**context, "sheet": part})
    hits = {**context, "found": found(desk, q), "shortest": SHORTEST, "title": _("Find a patient")}
    if request.htmx:
        return TemplateResponse(request, "dashboard/find_options.html", hits)
    return panel(request, "dashboard/find.html", hits)


@desk_page(Permission.PATIENT_WRITE)
def new(request: DeskRequest) -> HttpResponse:
    """A new chart: its fields within the sheet of a visit, or a form of its own."""
    desk = request.desk
    desk.require(Permission.PATIENT_WRITE)
    if request.method == "POST":
        return _created(request)
    if request.htmx.target == _WHO:
        part = {"who": NEW, "new": new_chart_form(desk, asked(request))}
        return TemplateResponse(request, "dashboard/book_who.html", {"desk": desk, "sheet": part})
    kept = unsent(request)
    form = (
        NewPatientForm(kept, today=today_at(desk))
        if kept is not None
        else new_chart_form(desk, asked(request))
    )
    return _form(request, form)


def _created(request: DeskRequest) -> HttpResponse:
    desk, data = request.desk, request.POST
    form = NewPatientForm(data, today=today_at(desk))
    if not form.is_valid():
        return _form(request, form, status=400)
    values = form.values()
    seen = ids_in(data.get("seen", "")) if data.get("step") == "sure" else []

    def act() -> UUID:
        return chart_open(desk, values, seen=seen).id

    once = uuid_in(data.get("once")) or uuid4()
    made, error = attempted(lambda: done_once(desk, "desk-patient-new", once, values, act))
    if error is not None:
        like = alike_in(error)
        if not like and not refusal_placed(error, form):
            refusal_show(form, error)
        return _form(request, form, status=error.status, like=like)
    forget_unsent(request)
    to = reverse("desk-patient", args=[desk.clinic.slug, made])
    return done(request, _("The chart is open."), to=to)


def _form(
    request: DeskRequest, form: NewPatientForm, *, status: int = 200, **more: Any
) -> HttpResponse:
    context = {
        "desk": request.desk,
        "title": _("New patient"),
        "section": "patients",
        "form": form,
        "once": form.data.get("once") or uuid4(),
        **more,
    }
    if request.htmx.target == "patient-new":
        return TemplateResponse(request, "dashboard/patient_new_form.html", context, status=status)
    return panel(request, "dashboard/patient_new.html", context, status=status)
