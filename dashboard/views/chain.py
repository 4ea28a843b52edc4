"""The chain of a visit: its root and everything that followed, as a timeline."""

from uuid import UUID

from django.http import HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from core import journal
from dashboard.access import DeskRequest, desk_page, panel
from dashboard.card import the_visit
from dashboard.chain import timeline


@desk_page()
def chain(request: DeskRequest, visit_id: UUID) -> HttpResponse:
    """The timeline, a page at a time."""
    visit = the_visit(request, visit_id)
    found = timeline(request.desk, visit.id, after=request.GET.get("after") or None)
    journal.record(
        journal.Act(
            "appointment.chain_read",
            "appointments.appointment",
            visit.id,
            visit.clinic_id,
            (visit.patient_id,),
        )
    )
    shown = {
        "title": _("What followed"),
        "section": "patients",
        "visit": visit,
        "timeline": found,
        "is_first": not request.GET.get("after"),
    }
    return panel(request, "dashboard/chain.html", shown)


urlpatterns: list[URLPattern] = [path("visits/<uuid:visit_id>/chain", chain, name="desk-chain")]
