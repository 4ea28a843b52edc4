"""The sheet of a new visit: opened by a GET, which claims nothing; its time kept; booked."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.resume import forget_unsent, unsent
from accounts.roles import Permission
from core.errors import ErrorCode, KairosError
from core.forms import attempted
from dashboard.access import DeskRequest, desk_page, done, panel
from dashboard.bookings import hold_drop, visit_book
from dashboard.people import alike_in
from dashboard.views.booking.patient_part import FIND, uuid_in
from dashboard.views.booking.sheet import Sheet, sheet_opened, sheet_sent

_HOLD = "book-hold"


@desk_page(Permission.APPOINTMENT_BOOK)
def book(request: DeskRequest) -> HttpResponse:
    """The form of a visit at a free time; without a doctor, first the search for one."""
    if request.method == "POST":
        return _sent(request)
    kept = unsent(request)
    if kept is not None:
        return _shown(request, sheet_sent(request.desk, kept))
    if not request.GET.get("doctor"):
        asked = {name: value for name, value in request.GET.items() if value}
        return redirect(
            f"{reverse('desk-next', args=[request.desk.clinic.slug])}?{urlencode(asked)}"
        )
    return _shown(request, sheet_opened(request.desk, request.GET))


@desk_page(Permission.APPOINTMENT_BOOK)
def hold(request: DeskRequest) -> HttpResponse:
    """Keep the time that the form asks for, or the one that was picked, and show the form again.

    Inside an open form only the part about the time is shown again.
    """
    if request.method != "POST":
        return redirect("desk-next", slug=request.desk.clinic.slug)
    sheet = sheet_sent(request.desk, request.POST, mend=True)
    sheet.keep(uuid_in(request.POST.get("hold")))
    if not request.htmx:
        return _shown(request, sheet)
    part = "book_hold" if request.htmx.target == _HOLD else "book_when"
    return TemplateResponse(request, f"dashboard/{part}.html", sheet.context())


@desk_page(Permission.APPOINTMENT_BOOK)
def release(request: DeskRequest, hold_id: UUID) -> HttpResponse:
    """The form was left: the time is free again. What is gone already is no error."""
    if request.method == "POST":
        hold_drop(request.desk, hold_id)
        if request.htmx or request.POST.get("beacon"):
            return HttpResponse(status=204)
    return redirect("desk-today", slug=request.desk.clinic.slug)


def _sent(request: DeskRequest) -> HttpResponse:
    desk, data = request.desk, request.POST
    sheet = sheet_sent(desk, data)
    step, _colon, argument = data.get("step", "").partition(":")
    if sheet.step(step, argument):
        return _shown(request, sheet)
    return _booked(request, sheet)


def _booked(request: DeskRequest, sheet: Sheet) -> HttpResponse:
    """Book it; or show the form again, with all that was typed, and why not."""
    desk, form, new = request.desk, sheet.form, sheet.new
    override = _override(request, sheet)
    fits = form.is_valid() and (new is None or new.is_valid())
    if sheet.who == FIND and not sheet.patient_said:
        sheet.patient_said = _("Choose the patient, or open a new chart.")
    if not fits or sheet.who == FIND:
        return _refused(request, sheet, 400)
    values = form.cleaned_data
    patient = sheet.chosen.patient.id if sheet.chosen is not None else None
    visit, error = attempted(
        lambda: visit_book(
            desk=desk,
            once=values["once"],
            wanted=form.wanted(),
            patient=patient,
            new_patient=new.values() if new is not None else None,
            seen=sheet.seen if request.POST.get("step") == "sure" else (),
            held=values["hold"],
            override_reason=override,
            room=values["room"],
            reason=values.get("reason", ""),
            notes=values.get("notes", ""),
            priority=values["priority"] or "NORMAL",
        )
    )
    if error is not None or visit is None:
        return _not_booked(request, sheet, error or KairosError(ErrorCode.CONFLICT), patient)
    forget_unsent(request)
    said = _("Booked: %(patient)s with %(doctor)s.") % {
        "patient": visit.patient.full_name,
        "doctor": visit.doctor,
    }
    return done(request, said, to=reverse("desk-visit", args=[desk.clinic.slug, visit.id]))


def _not_booked(
    request: DeskRequest, sheet: Sheet, error: KairosError, patient: UUID | None
) -> HttpResponse:
    if error.code == ErrorCode.IDEMPOTENCY_MISMATCH:
        sheet.renew()
        error = KairosError(
            ErrorCode.CONFLICT,
            _("This form has booked a visit already. Book again if you want another one."),
        )
    if "alike" in error.extra:
        sheet.warn(alike_in(error))
    else:
        sheet.refuse(error, patient=patient)
    return _refused(request, sheet, error.status)


def _override(request: DeskRequest, sheet: Sheet) -> str | None:
    """Why the rules are to be passed, where that was asked for. The reason has to be given."""
    if request.POST.get("step") != "override":
        return None
    reason = request.POST.get("override_reason", "").strip()
    if not reason and sheet.form.is_placed:
        sheet.form.add_error("override_reason", _("Say why."))
    return reason


def _refused(request: DeskRequest, sheet: Sheet, status: int) -> HttpResponse:
    """A refusal gives up nothing that the form kept; a time that was refused still says why."""
    held = uuid_in(request.POST.get("hold"))
    asked = held is not None or "override_reason" in sheet.form.errors
    if sheet.refusal is None and asked and sheet.form.is_placed:
        sheet.keep(held)
    return _shown(request, sheet, status=status)


def _shown(request: DeskRequest, sheet: Sheet, *, status: int = 200) -> HttpResponse:
    found: dict[str, Any] = {"title": _("New visit"), "section": "next", **sheet.context()}
    if request.htmx.target == "book":
        return TemplateResponse(request, "dashboard/book_form.html", found, status=status)
    return panel(request, "dashboard/book.html", found, status=status)
