"""The clinic's front door."""

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from appointments.selectors.offers import doctors_offering, locations_offered, services_offered
from clinics.branding import stylesheet
from clinics.pages import PageRequest, page
from clinics.selectors.directory import clinics_public
from core.errors import ErrorCode, KairosError
from core.views import error_page
from portal.door import clinic_open, may_book, sees_times, visitor


@require_safe
@page(public=True)
def clinic(request: PageRequest, slug: str) -> HttpResponse:
    """What one can book there, with whom, and how to reach the clinic."""
    found = clinic_open(slug)
    by = visitor(request, found)
    return TemplateResponse(
        request,
        "portal/clinic.html",
        {
            "clinic": found,
            "services": list(services_offered(found)),
            "locations": list(locations_offered(found)),
            "doctors": doctors_offering(found),
            "sees_times": sees_times(by, found),
            "may_book": may_book(by, found),
        },
    )


@require_safe
def brand(request: HttpRequest, slug: str, shade: str = "light") -> HttpResponse:
    """The clinic's colour as a style sheet over our tokens. Kept for a day by its version."""
    found = clinics_public().filter(slug=slug).first()
    if found is None:
        return error_page(request, KairosError(ErrorCode.NOT_FOUND))
    sheet = stylesheet(found.colour, dark=shade == "dark")
    return HttpResponse(
        sheet, content_type="text/css", headers={"Cache-Control": "public, max-age=86400"}
    )
