"""The page that a poster's or screen's code opens on a patient's own phone: `/q/<code>`.

Who asks is, in this order: somebody who has just proven a phone number; signed in, for themselves
and whom they act for; somebody who opened a visit's personal link in this browser. Opening the page
checks nobody in: pressing its button does, and pressing it twice is the same as once.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from appointments.models import Appointment
from checkin.forms import CodeForm, PhoneForm
from checkin.geo import Coordinates
from checkin.models import CheckInMethod, Outcome
from checkin.pages import proven
from checkin.pages.entrance import Comer, Door, arrive_page, comer_at, scanned
from checkin.pages.said import About, Said, said_of
from checkin.rules import refusal, window_of
from checkin.selectors.visits import visits_locked
from checkin.services.arrival import Asked, check_in
from checkin.services.one_time import (
    one_time_is_offered,
    one_time_prove,
    one_time_send,
    prove_attempt,
)
from checkin.sources import Source
from clinics.pages import PageRequest
from clinics.principal import Principal
from core import clock, context
from core.errors import ErrorCode, KairosError
from core.forms import refusal_show

_ASKED_FOR: Final = "checkin_phone_asked"


@dataclass(frozen=True, slots=True)
class Row:
    """A visit as the page offers it: `said` is why it cannot be checked in, None when it can."""

    visit: Appointment
    code: ErrorCode | None
    said: Said | None


@require_http_methods(["GET", "HEAD", "POST"])
@scanned
def arrive(request: PageRequest, door: Door) -> HttpResponse:
    """Who is to be checked in, and the button that does it."""
    comer = comer_at(request, door)
    if comer is None:
        return _who_page(request, door)
    if request.method == "POST":
        return _check_in(request, door, comer)
    return _ready_page(request, door, comer)


@sensitive_post_parameters("phone")
@require_http_methods(["GET", "HEAD", "POST"])
@scanned
def phone(request: PageRequest, door: Door) -> HttpResponse:
    """A phone number, to which a code is sent. The answer is the same whoever has the number."""
    if request.method != "POST" or not one_time_is_offered():
        proven.phone_forget(request)
        return redirect(f"{door.url()}?as=phone")
    form = PhoneForm(request.POST)
    if form.is_valid():
        number = form.cleaned_data["phone"]
        try:
            one_time_send(clinic=door.clinic, phone=number, address=context.current().address)
        except KairosError as refused:
            if refused.status >= 500:
                raise
            refusal_show(form, refused)
            return _who_page(request, door, form=form, status=refused.status)
        request.session[_ASKED_FOR] = number
        return redirect(door.url("arrive-code"))
    return _who_page(request, door, form=form, status=400)


@sensitive_post_parameters("digits")
@require_http_methods(["GET", "HEAD", "POST"])
@scanned
def code(request: PageRequest, door: Door) -> HttpResponse:
    """The digits that were sent. A wrong try is counted, so nothing is raised here."""
    number = request.session.get(_ASKED_FOR)
    if not number:
        return redirect(door.url())
    form = CodeForm(request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        return _code_page(request, door, form, number, 400 if form.is_bound else 200)
    prove_attempt(address=context.current().address)
    by = one_time_prove(clinic=door.clinic, phone=number, code=form.cleaned_data["digits"])
    if by is None:
        form.add_error(
            "digits",
            _("This code is not right, or it is over. Look again, or ask for a new one."),
        )
        return _code_page(request, door, form, number, 401)
    del request.session[_ASKED_FOR]
    proven.phone_remember(request, clinic=door.clinic.id, by=by)
    return redirect(door.url())


# --- Checking in --------------------------------------------------------------------------------


def _check_in(request: PageRequest, door: Door, comer: Comer) -> HttpResponse:
    """Ask the service, for each source, and show what it says."""
    chosen = _chosen(request)
    sources = [
        source
        for source in comer.sources
        if not chosen or comer.way != "link" or _visit_of(source.principal) in chosen
    ]
    if len(sources) > 1:  # all locks before the first token
        visits_locked([visit.id for visit in comer.visits], clinics=[door.clinic.id])
    answers = [_ask(request, door, source, chosen) for source in sources]
    visits = [visit for answer in answers for visit in answer["visits"]]
    if any(answer["outcome"] == Outcome.CHOOSE for answer in answers):
        return _ready_page(request, door, comer, choice=visits)
    there = [
        visit
        for visit in visits
        if visit["outcome"] == Outcome.CHECKED_IN or visit["code"] == ErrorCode.ALREADY_CHECKED_IN
    ]
    if there:
        return _arrived(request, door, there, visits)
    first = next(iter(answers), None)
    refused = ErrorCode(first["code"]) if first else ErrorCode.NO_APPOINTMENT_FOUND
    said = said_of(refused, _about(visits[0]) if visits else None)
    return _ready_page(request, door, comer, said=said, status=KairosError(refused).status)


def _ask(
    request: PageRequest, door: Door, source: Source, chosen: tuple[UUID, ...]
) -> dict[str, Any]:
    asked = Asked(
        code=door.code,
        nonce=request.POST.get("nonce", ""),
        appointment_ids=() if _visit_of(source.principal) else chosen,
        everyone=request.POST.get("everyone") == "1",
        coordinates=_coordinates(request),
    )
    try:
        return check_in(source=source, asked=asked, method=CheckInMethod.QR_SELF)
    except KairosError as refused:
        if refused.code != ErrorCode.IDEMPOTENCY_MISMATCH:
            raise
        return {"outcome": Outcome.REFUSED.value, "code": refused.code.value, "visits": []}


def _arrived(
    request: PageRequest, door: Door, there: list[dict[str, Any]], visits: list[dict[str, Any]]
) -> HttpResponse:
    """On to the place in the queue; who could not be checked in along is said there."""
    for visit in visits:
        if visit in there:
            continue
        said = said_of(ErrorCode(visit["code"]), _about(visit))
        messages.warning(
            request,
            _("Not checked in: %(who)s. %(why)s. %(advice)s")
            % {"who": visit["patient"], "why": said.title, "advice": said.advice},
        )
    proven.places_remember(
        request, [proven.Known(door.clinic.id, UUID(visit["appointment"])) for visit in there]
    )
    return redirect("place")


def _visit_of(by: Principal | None) -> UUID | None:
    """The one visit that a link's source is about."""
    return by.visit_id if by is not None else None


def _about(visit: dict[str, Any]) -> About:
    """A visit of an answer; where it is, its own patient knows."""
    places = Appointment.objects.filter(pk=visit["appointment"]).values_list("location__name")
    opens = visit.get("opens_at")
    return About(
        datetime.fromisoformat(visit["starts_at"]),
        datetime.fromisoformat(opens) if opens else None,
        visit["timezone"],
        next((name or "" for (name,) in places), ""),
    )


def _rows(door: Door, visits: Sequence[Appointment]) -> list[Row]:
    """The visits with what the rules say of them now; those that can be checked in come first."""
    rows = []
    for visit in visits:
        window = window_of(visit, door.point)
        code = refusal(
            visit,
            at=clock.now(),
            window=window,
            here=door.point.location_id,
            by_staff=False,
            arrival=getattr(visit, "arrival", None),
        )
        where = visit.location.name if visit.location else ""
        about = About(visit.starts_at, window.opens_at, visit.timezone, where)
        rows.append(Row(visit, code, said_of(code, about) if code else None))
    return sorted(rows, key=lambda row: row.code is not None)


def _chosen(request: PageRequest) -> tuple[UUID, ...]:
    """Raises NOT_FOUND for what we did not write."""
    try:
        return tuple(UUID(text) for text in request.POST.getlist("visit")[:50])
    except ValueError:
        raise KairosError(ErrorCode.NOT_FOUND) from None


def _coordinates(request: PageRequest) -> Coordinates | None:
    """Where the phone said that it is; None when it said nothing, or nothing sensible."""
    try:
        latitude, longitude, accuracy = (
            float(request.POST.get(name, "")) for name in ("latitude", "longitude", "accuracy")
        )
    except ValueError:
        return None
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180 and 0 <= accuracy < float("inf")):
        return None
    return Coordinates(latitude, longitude, accuracy)


# --- Pages --------------------------------------------------------------------------------------


def _ready_page(
    request: PageRequest,
    door: Door,
    comer: Comer,
    *,
    choice: list[dict[str, Any]] | None = None,
    said: Said | None = None,
    status: int = 200,
) -> HttpResponse:
    rows = _rows(door, comer.visits)
    if not rows:
        said = said or said_of(ErrorCode.NO_APPOINTMENT_FOUND)
    found = {
        "way": comer.way,
        "rows": rows,
        "ready": [row for row in rows if row.code is None],
        "arrived": [row for row in rows if row.code == ErrorCode.ALREADY_CHECKED_IN],
        "names_people": len({visit.patient_id for visit in comer.visits}) > 1,
        "chooses": choice is not None,
        "said": said,
        # The same page sent twice is one question; a page that asks another has another.
        "nonce": secrets.token_urlsafe(12),
        "another_url": door.url("arrive-phone"),
    }
    return arrive_page(request, "ready", door, found, status)


def _who_page(
    request: PageRequest, door: Door, *, form: PhoneForm | None = None, status: int = 200
) -> HttpResponse:
    return arrive_page(
        request,
        "who",
        door,
        {
            "form": (form or PhoneForm()) if one_time_is_offered() else None,
            "phone_url": door.url("arrive-phone"),
            "is_signed_in": request.principal is not None,
        },
        status,
    )


def _code_page(
    request: PageRequest, door: Door, form: CodeForm, number: str, status: int
) -> HttpResponse:
    found = {
        "form": form,
        "number": number,
        "code_url": door.url("arrive-code"),
        "phone_url": door.url("arrive-phone"),
        "who_url": f"{door.url()}?as=phone",
    }
    return arrive_page(request, "code", door, found, status)
