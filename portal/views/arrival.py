"""Arriving for one's visit: the pass to show, and the place in the queue."""

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from checkin.drawing import qr
from checkin.pages.place import places_page
from checkin.selectors.passes import pass_code
from clinics.pages import PageRequest
from portal.views.visits import Opened


@require_safe
def place(request: PageRequest, opened: Opened) -> HttpResponse:
    """The visit's place in the queue, as it is now."""
    links = [opened.visit.id] if opened.token is not None else []
    return places_page(request, [opened.visit], links=links, back_url=opened.url())


@require_safe
def pass_svg(request: PageRequest, opened: Opened) -> HttpResponse:
    """The visit's pass as a QR code."""
    return HttpResponse(qr.svg(pass_code(opened.visit)), content_type=qr.content_type("svg"))


@require_safe
def pass_png(request: PageRequest, opened: Opened) -> HttpResponse:
    """The same as a picture of dots, to be kept or sent to oneself."""
    return HttpResponse(qr.png(pass_code(opened.visit)), content_type=qr.content_type("png"))
