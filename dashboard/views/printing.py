"""The day on paper: a page for each doctor."""

from datetime import date
from itertools import groupby
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from appointments.models import Appointment
from appointments.selectors.appointments import shows_clinical_text
from appointments.selectors.visits import visits_of_day
from core import clock, journal
from core.errors import invalid
from dashboard.access import DeskRequest, desk_page

#: More than any clinic sees in a day; a page that asks for more would not be printed anyway.
_MOST = 3000


@desk_page()
def print_day(request: DeskRequest, day: date) -> HttpResponse:
    """Who comes on a day, by doctor, made for paper.

    What visits are about is on it only when it is asked for (`reasons=1`), and only of those that
    this person may read: paper lies about.
    """
    desk = request.desk
    visits = list(
        visits_of_day(
            desk.principal,
            clinic=desk.clinic.id,
            day=day,
            doctors=_ids(request, "doctor"),
            locations=_ids(request, "location"),
        )[:_MOST]
    )
    readable = {visit.id for visit in visits if shows_clinical_text(desk.principal, visit)}
    wants_reasons = request.GET.get("reasons") == "1" and bool(readable)
    _record(request, day, visits, reasons=wants_reasons)
    context = {
        "desk": desk,
        "title": _("Printed day"),
        "day": day,
        "sheets": [_sheet(list(rows)) for _doctor, rows in groupby(visits, _whose)],
        "readable": readable if wants_reasons else frozenset(),
        "may_read": bool(readable),
        "wants_reasons": wants_reasons,
        "asked": _query(request),
        "now": clock.now(),
    }
    return TemplateResponse(request, "dashboard/print.html", context)


def _whose(visit: Appointment) -> UUID:
    return visit.doctor_id


def _sheet(visits: list[Appointment]) -> dict[str, Any]:
    places = sorted({str(visit.location) for visit in visits if visit.location is not None})
    return {"doctor": visits[0].doctor, "visits": visits, "places": places}


def _ids(request: DeskRequest, name: str) -> list[UUID]:
    try:
        return [UUID(text) for text in request.GET.getlist(name) if text]
    except ValueError:
        raise invalid(name, _("not found")) from None


def _query(request: DeskRequest) -> str:
    query = request.GET.copy()
    query.pop("reasons", None)
    return query.urlencode()


def _record(request: DeskRequest, day: date, visits: list[Appointment], *, reasons: bool) -> None:
    if visits:
        journal.record(
            journal.Act(
                "appointment.printed",
                "appointments.appointment",
                clinic_id=request.desk.clinic.id,
                subjects=sorted({visit.patient_id for visit in visits}),
                changes={"day": [None, str(day)], "reasons": [None, reasons]},
            )
        )


urlpatterns: list[URLPattern] = [path("print/<day:day>", print_day, name="desk-print")]
