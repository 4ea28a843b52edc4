"""A freed time that was offered to somebody on the waitlist, opened by its link: yes or no.

Opening the page changes nothing, so that no mail program accepts by looking at it.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from appointments.models import Appointment
from appointments.services.links import visit_link
from clinics.pages import PageRequest, page
from core import clock
from core.errors import ErrorCode, KairosError
from core.forms import attempted
from followups.models import OfferStatus, OpeningStatus
from followups.services.offers import OpenedOffer, offer_by_token, offer_decline, offer_take
from portal.calendar_file import calendar_file
from portal.door import kept_private
from portal.follow_ups import visit_with_names

Shown = Callable[[PageRequest, str], HttpResponse]

#: What has become of an offer, as its page tells it.
OPEN, ACCEPTED, DECLINED, LOST, OVER = "open", "accepted", "declined", "lost", "over"


def offered(view: Shown) -> Callable[..., HttpResponse]:
    """The page for whoever holds the offer's link; the log does not write the link down."""

    @wraps(view)
    @page(public=True)
    def inner(request: PageRequest, token: str) -> HttpResponse:
        return view(request, token)

    @wraps(view)
    def private(request: PageRequest, token: str) -> HttpResponse:
        request.path_shown = "/offer/…"  # type: ignore[attr-defined]  # read by the request's log
        return kept_private(inner(request, token))

    return private


@require_safe
def show(request: PageRequest, token: str) -> HttpResponse:
    """What is offered and until when; or what became of it."""
    return _page(request, token)


@require_http_methods(["GET", "HEAD", "POST"])
def accept(request: PageRequest, token: str) -> HttpResponse:
    """Yes. Who accepts is given the personal link of the visit, as who books is."""
    if request.method != "POST":  # a page that is loaded again
        return redirect("portal-offer", token=token)
    moves = _moves(offer_by_token(token))
    taken, refused = attempted(lambda: offer_take(token))
    if taken is not None and taken.appointment is not None:
        visit = reverse("portal-visit", args=[visit_link(taken.appointment)])
        if moves:
            messages.success(request, _("Your visit has its new time."))
            return redirect(visit)
        return redirect(f"{visit}?booked=1")
    refused = refused or (taken.refusal if taken is not None else None)
    return _page(request, token, refused=refused)


@require_http_methods(["GET", "HEAD", "POST"])
def decline(request: PageRequest, token: str) -> HttpResponse:
    """No, thanks. They wait on for another time."""
    if request.method != "POST":
        return redirect("portal-offer", token=token)
    _done, refused = attempted(lambda: offer_decline(token))
    if refused is not None:
        return _page(request, token, refused=refused)
    return redirect("portal-offer", token=token)


@require_safe
def file(request: PageRequest, token: str) -> HttpResponse:
    """The visit that was won, for the patient's own calendar."""
    visit = _won(offer_by_token(token))
    if visit is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    return HttpResponse(
        calendar_file(visit),
        content_type="text/calendar; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="visit.ics"'},
    )


def _page(request: PageRequest, token: str, *, refused: KairosError | None = None) -> HttpResponse:
    opened = offer_by_token(token)
    offer, entry = opened.offer, opened.entry
    state = _state(opened)
    if refused is not None and state == OPEN and refused.code == ErrorCode.OFFER_EXPIRED:
        state = OVER
    shown: dict[str, Any] = {
        "clinic": offer.clinic,
        "offer": offer,
        "opening": offer.opening,
        "entry": entry,
        "state": state,
        "gives_up": entry.appointment if state == OPEN and _moves(opened) else None,
        "waits_on": entry.status == "WAITING",
        "visit": _won(opened) if state == ACCEPTED else None,
        "refused": refused if state == OPEN else None,
        "token": token,
    }
    status = refused.status if refused is not None else 200
    return TemplateResponse(request, "portal/offer.html", shown, status=status)


def _state(opened: OpenedOffer) -> str:
    offer = opened.offer
    match offer.status:
        case OfferStatus.ACCEPTED:
            return ACCEPTED
        case OfferStatus.DECLINED:
            return DECLINED
        case OfferStatus.LOST:
            return LOST
        case OfferStatus.OPEN if offer.opening.status in {OpeningStatus.TAKEN, OpeningStatus.GONE}:
            return LOST
        case OfferStatus.OPEN if offer.expires_at > clock.now():
            return OPEN
        case _:
            return OVER


def _moves(opened: OpenedOffer) -> bool:
    """Whether accepting moves a visit that the patient has."""
    present = opened.entry.appointment
    return present is not None and present.is_open


def _won(opened: OpenedOffer) -> Appointment | None:
    if opened.offer.status != OfferStatus.ACCEPTED or opened.entry.booked_id is None:
        return None
    return visit_with_names(opened.entry.booked_id)
