"""The next free times, across doctors, services and places."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from accounts.roles import Permission
from appointments.selectors.booking import service_usual
from dashboard.access import DeskRequest, desk_page, panel
from dashboard.forms.free import FreeForm
from dashboard.free_times import free_days
from dashboard.people import chosen
from dashboard.views.booking.patient_part import today_at
from dashboard.views.booking.sheet import offer_at


@desk_page(Permission.APPOINTMENT_BOOK)
def next_free(request: DeskRequest) -> HttpResponse:
    """Free times by day, the doctor who is free first first; each opens the sheet of a visit."""
    desk = request.desk
    offer = offer_at(desk)
    today = today_at(desk)
    form = FreeForm(request.GET, offer=offer, today=today)
    if not form.asked_service and offer.services:
        usual = service_usual(desk.clinic.id, None)
        form.default_service(offer.service(usual) or offer.services[0])
    result = free_days(desk, offer, form.question()) if form.is_valid() else None
    patient = form.asked_patient
    asked = [(name, one) for name, many in form.typed.lists() for one in many if one]
    later = result.later if result is not None else None
    context: dict[str, Any] = {
        "title": _("Next free times"),
        "section": "next",
        "form": form,
        "offer": offer,
        "result": result,
        "later": _but(asked, day=later) if later is not None else "",
        "narrower": _but(asked, day=None, doctor=None),
        "chosen": chosen(desk, patient) if patient is not None else None,
    }
    if request.htmx.target == "next-times":
        return TemplateResponse(request, "dashboard/next_times.html", {"desk": desk, **context})
    return panel(request, "dashboard/next.html", context)


def _but(asked: list[tuple[str, str]], **other: Any) -> str:
    """The same question with other values; without those that are None."""
    kept = [(name, one) for name, one in asked if name not in other]
    return urlencode(kept + [(name, one) for name, one in other.items() if one is not None])
