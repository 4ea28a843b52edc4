"""Somebody who came without a visit: into the queue, as a patient or by a name alone."""

from typing import Any
from uuid import UUID, uuid4

from django.http import HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from accounts.resume import forget_unsent, unsent
from accounts.roles import Permission
from checkin.services.queue import entry_add
from clinics.models import Service
from core.errors import ErrorCode, KairosError
from core.forms import attempted, refusal_show
from dashboard.access import DeskRequest, desk_page, done, panel
from dashboard.forms.booking import refusal_placed
from dashboard.forms.queue import WalkInForm
from dashboard.once import done_once
from dashboard.people import alike_in, chart_open
from dashboard.queue_acts import entry_open, said_of
from dashboard.views.booking.patient_part import FIND, PatientPart, uuid_in
from dashboard.views.queue import Asked, address, asked_of, may_run_here


@desk_page(Permission.QUEUE_RUN)
def add(request: DeskRequest) -> HttpResponse:
    """The form, with the patient's part of a booking; sent twice, it adds one entry."""
    asked = asked_of(request)
    if not may_run_here(request.desk, asked):
        raise KairosError(ErrorCode.PERMISSION_DENIED)
    data = request.POST if request.method == "POST" else unsent(request)
    part = PatientPart(desk=request.desk)
    form = _form(request, asked, data)
    if data is None:
        patient = uuid_in(request.GET.get("patient"))
        if patient is not None:
            part.choose(patient)
        return _shown(request, asked, part, form)
    part.tell(data)
    if request.method != "POST":
        return _shown(request, asked, part, form)
    step, _colon, argument = data.get("step", "").partition(":")
    by_name = part.who == FIND and bool(data.get("guest_name", "").strip())
    if not (by_name and not step) and part.step(step, argument):
        return _shown(request, asked, part, form)
    return _added(request, asked, part, form)


def _form(request: DeskRequest, asked: Asked, data: Any) -> WalkInForm:
    chosen = asked.doctor.id if asked.doctor is not None else ""
    return WalkInForm(
        data,
        doctors=asked.doctors,
        services=Service.objects.filter(clinic_id=request.desk.clinic.id, is_active=True).order_by(
            "name", "id"
        ),
        anybody=request.desk.may_whole(Permission.QUEUE_RUN),
        initial={"once": uuid4(), "doctor": chosen},
    )


def _added(request: DeskRequest, asked: Asked, part: PatientPart, form: WalkInForm) -> HttpResponse:
    """Add them; or the form again, with all that was typed, and why not."""
    desk, new, location = request.desk, part.new, asked.place
    fits = form.is_valid() and (new is None or new.is_valid())
    name = form.cleaned_data.get("guest_name", "").strip()
    if part.who == FIND and not name and not part.patient_said:
        part.patient_said = _("Choose the patient, or write a name.")
    if not fits or part.patient_said:
        return _shown(request, asked, part, form, status=400)
    values = form.cleaned_data
    patient = part.chosen.patient.id if part.chosen is not None else None
    chart = new.values() if new is not None else None
    seen = part.seen if request.POST.get("step") == "sure" else ()

    def act() -> UUID:
        who = chart_open(desk, chart, seen=seen).id if chart is not None else patient
        return entry_add(
            by=desk.principal,
            location=location.id,
            patient=who,
            guest_name="" if who else name,
            doctor=values["doctor"],
            service=values["service"],
            priority=values["priority"],
        ).id

    asks = (location.id, patient, chart, name, values["doctor"], values["service"])
    made, refusal = attempted(lambda: done_once(desk, "desk-queue-add", values["once"], asks, act))
    if refusal is not None or made is None:
        return _not_added(request, asked, part, form, refusal or KairosError(ErrorCode.CONFLICT))
    forget_unsent(request)
    entry = entry_open(desk, made)
    back = address(request, asked)
    to = "" if request.htmx and not request.headers.get("X-Page-Alone") else back
    return done(request, said_of("added", entry), to=to)


def _not_added(
    request: DeskRequest,
    asked: Asked,
    part: PatientPart,
    form: WalkInForm,
    refusal: KairosError,
) -> HttpResponse:
    if refusal.code == ErrorCode.IDEMPOTENCY_MISMATCH:
        form.data = {**form.data.dict(), "once": str(uuid4())}  # type: ignore[attr-defined]  # a QueryDict
        form.add_error(None, _("This form has added somebody already. Send it again to add this."))
    elif "alike" in refusal.extra:
        part.warn(alike_in(refusal))
    elif not refusal_placed(refusal, part.new, form):
        refusal_show(form, refusal)
    return _shown(request, asked, part, form, status=refusal.status)


def _shown(
    request: DeskRequest,
    asked: Asked,
    part: PatientPart,
    form: WalkInForm,
    *,
    status: int = 200,
) -> HttpResponse:
    desk = request.desk
    action = reverse("desk-queue-add", kwargs={"slug": desk.clinic.slug})
    found = {
        "title": _("Walk-in"),
        "section": "queue",
        "sheet": part,
        "form": form,
        "action": f"{action}?{asked.query}" if asked.query else action,
        "back": address(request, asked),
        "may_write_patients": desk.may_whole(Permission.PATIENT_WRITE),
    }
    return panel(request, "dashboard/queue/add.html", found, status=status)


urlpatterns: list[URLPattern] = [path("queue/add", add, name="desk-queue-add")]
