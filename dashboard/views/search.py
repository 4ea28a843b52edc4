"""Search from anywhere."""

from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.urls import path

from dashboard.access import DeskRequest, desk_page
from dashboard.finding import asked, found


@desk_page(limit="search")
def search(request: DeskRequest) -> HttpResponse:
    """A page with a form; for the palette of an open page, the results alone."""
    text = asked(request)
    shown = {"desk": request.desk, "text": text, "groups": found(request.desk, text)}
    template = "dashboard/search_options.html" if request.htmx else "dashboard/search.html"
    return TemplateResponse(request, template, shown)


urlpatterns = [path("search", search, name="desk-search")]
