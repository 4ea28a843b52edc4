"""A signed-in patient's visits, of everyone they are or act for, in all clinics."""

from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from appointments.selectors.own import own_visits_before, own_visits_to_come
from checkin.pages.place import place_is_shown
from clinics.pages import PageRequest, page, who
from clinics.selectors.directory import clinics_public
from core import tenancy
from followups.models import WAITING
from portal.follow_ups import own_plans


@require_safe
@page()
def mine(request: PageRequest) -> HttpResponse:
    """What is to come, what was, and where to book."""
    by = who(request).as_patient()
    tenancy.narrow(by.charts)
    coming, before = own_visits_to_come(by), own_visits_before(by)
    people = {visit.patient_id for visit in [*coming, *before]}
    return TemplateResponse(
        request,
        "portal/my.html",
        {
            "coming": coming,
            "before": before,
            "unbooked": own_plans(by).filter(status__in=WAITING).count(),
            "waits": any(map(place_is_shown, coming)),
            "names_people": len(people) > 1 or len(by.own_patients()) > 1,
            "clinics": list(clinics_public().filter(id__in=by.charts).order_by("name")),
        },
    )
