"""The times of a service: a week at a time, and holding one of them."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from appointments.selectors.offers import free_with, services_offered
from appointments.services.holds import hold_release
from appointments.services.self_service import hold_pick
from clinics.models import Clinic, Service
from clinics.pages import PageRequest, page
from clinics.principal import Principal
from core import ids
from core.errors import ErrorCode, KairosError
from core.forms import attempted
from portal.door import clinic_open, count_try, may_book, remember_guest, seed, sees_times, visitor
from portal.picker import Picker
from portal.slots import Picked, picked


@require_safe
@page(public=True, limit="search")
def times(request: PageRequest, slug: str, service: UUID) -> HttpResponse:
    """A week of free times. Who may not see them is told how they may."""
    clinic = clinic_open(slug)
    return _times_page(request, clinic, service_open(clinic, service))


@require_POST
@page(public=True)
def hold(request: PageRequest, slug: str, service: UUID) -> HttpResponse:
    """Keep the time for a few minutes, and go on to the details."""
    clinic = clinic_open(slug)
    offered = service_open(clinic, service)
    count_try(request)
    if not may_book(visitor(request, clinic), clinic):
        return redirect(sign_in_url(reverse("portal-times", args=[slug, service])))
    remember_guest(request)
    by = visitor(request, clinic)
    picker = Picker(request, clinic, offered)
    wanted = picked(request.POST.get("slot", ""))
    wish = picker.at(wanted)
    held, refused = attempted(lambda: hold_pick(by=by, wish=wish, starts_at=wanted.starts_at))
    if held is not None:
        chosen = Picked(wanted.starts_at, wanted.location, held.doctor)
        return redirect(details_url(slug, service, chosen, wish.mode, held.id))
    if refused is not None and refused.code == ErrorCode.CONFLICT:
        # As many are held as may be: one can still book, without the time being kept meanwhile.
        free = free_with(wish, wanted.starts_at)
        if free:
            chosen = Picked(wanted.starts_at, wanted.location, free[0])
            return redirect(details_url(slug, service, chosen, wish.mode, ids.uuid7()))
    return _times_page(request, clinic, offered, picker=picker, refused=refused, wanted=wanted)


@require_POST
@page(public=True)
def release(request: PageRequest, slug: str) -> HttpResponse:
    """Give a held time back; one that is gone already is no fault."""
    clinic = clinic_open(slug)
    by = visitor(request, clinic)
    try:
        held = UUID(request.POST.get("hold", ""))
    except ValueError:
        raise KairosError(ErrorCode.NOT_FOUND) from None
    _done, refused = attempted(lambda: hold_release(by=by, hold_id=held))
    if refused is not None and refused.code != ErrorCode.NOT_FOUND:
        raise refused
    back = request.POST.get("service", "")
    if not back:
        return HttpResponse(status=204)
    try:
        return redirect("portal-times", slug=slug, service=UUID(back))
    except ValueError:
        raise KairosError(ErrorCode.NOT_FOUND) from None


def service_open(clinic: Clinic, service: UUID) -> Service:
    """A service that patients may book there. Raises NOT_FOUND."""
    found = services_offered(clinic).filter(pk=service).first()
    if found is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    return found


def details_url(slug: str, service: UUID, slot: Picked, mode: str, once: UUID) -> str:
    """The page on which the booking is finished. Everything is in it, so nothing is lost with the
    hold."""
    query = urlencode({"slot": str(slot), "mode": mode, "hold": str(once)})
    return f"{reverse('portal-details', args=[slug, service])}?{query}"


def sign_in_url(back: str) -> str:
    """Sign in, and come back."""
    return f"{reverse('sign-in')}?{urlencode({'next': back})}"


def _times_page(
    request: PageRequest,
    clinic: Clinic,
    service: Service,
    *,
    picker: Picker | None = None,
    refused: KairosError | None = None,
    wanted: Picked | None = None,
) -> HttpResponse:
    by = visitor(request, clinic)
    here = reverse("portal-times", args=[clinic.slug, service.id])
    if not sees_times(by, clinic):
        return TemplateResponse(
            request,
            "portal/closed.html",
            {"clinic": clinic, "service": service, "sign_in_url": sign_in_url(here)},
        )
    picker = picker or Picker(request, clinic, service)
    picker.path = here
    shown: dict[str, Any] = picker.context()
    query = f"?{shown['query']}" if shown["query"] else ""
    shown |= {
        "may_book": may_book(by, clinic),
        "sign_in_url": sign_in_url(f"{here}{query}"),
        "seed": seed(request),
        "action": f"{reverse('portal-hold', args=[clinic.slug, service.id])}{query}",
        "refused": refused,
        "wanted": wanted,
        "wish_url": _wish_url(by, clinic, service),
    }
    return TemplateResponse(
        request, "portal/times.html", shown, status=refused.status if refused else 200
    )


def _wish_url(by: Principal, clinic: Clinic, service: Service) -> str:
    """Where a patient asks to be told of a freed time; guests and strangers cannot be told."""
    if not by.charts.get(clinic.id):
        return ""
    return f"{reverse('portal-my-wish', args=[clinic.slug])}?{urlencode({'service': service.id})}"
