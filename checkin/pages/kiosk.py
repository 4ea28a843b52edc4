"""The kiosk: a paired tablet at which patients check themselves in, one after the other.

Nothing of a person is kept between them: no session, no address that names anybody, no cookie. What
one step has to hand to the next stands signed in its form, for some minutes. Each answer comes to a
POST and may not be stored; the page's script replaces what is shown and leaves no history at all.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec
from uuid import UUID

from django.core import signing
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from accounts.language import is_known
from appointments.models import Appointment
from checkin.codes import Kind, code_of
from checkin.forms import CodeForm, PhoneForm
from checkin.models import CheckInMethod, DeviceKind, Outcome
from checkin.pages.door import DeviceRequest, device_page
from checkin.pages.said import About, Said, said_of
from checkin.pages.scan import allow_decoding, decoder_addresses
from checkin.rules import refusal, window_of
from checkin.selectors.expected import visits_expected
from checkin.selectors.visits import visits_locked
from checkin.services.arrival import Asked, check_in
from checkin.services.one_time import (
    one_time_is_offered,
    one_time_prove,
    one_time_send,
    prove_attempt,
)
from checkin.sources import device_source
from core import clock, context
from core.errors import ErrorCode, KairosError
from core.forms import refusal_show

P = ParamSpec("P")
#: How long a step's form may be sent on.
STEP_SECONDS: Final = 300
_SALT: Final = "checkin.kiosk"
_MOST_CHOSEN: Final = 20
_LONGEST_TOLD: Final = 120
#: Refusals that are no fault, and are told as one of the kiosk's own screens.
_SAID_HERE: Final = frozenset({ErrorCode.RATE_LIMIT_EXCEEDED, ErrorCode.IDEMPOTENCY_MISMATCH})
_THERE: Final = frozenset({Outcome.CHECKED_IN.value})


@dataclass(frozen=True, slots=True)
class Choice:
    """A visit that can be checked in, as the kiosk offers it: the first name alone."""

    id: str
    starts_at: datetime
    timezone: str
    doctor: str
    service: str
    given_name: str


KioskView = Callable[Concatenate[DeviceRequest, P], HttpResponse]


def _spoken(view: KioskView[P]) -> Callable[..., HttpResponse]:
    """A page of the kiosk in the language of its address, which lasts for one person."""

    @device_page(kinds=[DeviceKind.KIOSK])
    @wraps(view)
    def inner(
        request: DeviceRequest, language: str, *args: P.args, **kwargs: P.kwargs
    ) -> HttpResponse:
        if not is_known(language):
            return redirect("kiosk")
        with translation.override(language):
            try:
                response = view(request, *args, **kwargs)
            except KairosError as refused:
                if refused.code not in _SAID_HERE:
                    raise
                response = _refused(request, refused)
            if isinstance(response, TemplateResponse):
                response.render()
        return response

    return inner


@device_page(kinds=[DeviceKind.KIOSK])
def start(request: DeviceRequest) -> HttpResponse:
    """The screen that waits for the next person: which language?"""
    return _screen(request, "start", {})


@_spoken
def ways(request: DeviceRequest) -> HttpResponse:
    """How to check in; where text messages cannot be sent there is one way only."""
    if one_time_is_offered():
        return _screen(request, "ways", {})
    return _show_screen(request)


@_spoken
def show(request: DeviceRequest) -> HttpResponse:
    """The visit's code, before the camera or the hand scanner; and what became of it."""
    code = request.POST.get("code", "").strip()
    if request.method != "POST" or not code:
        return _show_screen(request)
    asked = Asked(
        code=code,
        nonce=request.POST.get("nonce", ""),
        appointment_ids=_chosen(request),
        everyone=request.POST.get("everyone") == "1",
    )
    answer = check_in(source=device_source(request.device), asked=asked, method=CheckInMethod.KIOSK)
    if answer["outcome"] == Outcome.CHOOSE:
        ids = [UUID(visit["appointment"]) for visit in answer["visits"]]
        return _choose_screen(request, _choices(_visits(ids)), code=code)
    return _answered(request, answer["visits"], answer["code"])


@sensitive_post_parameters("phone")
@_spoken
def phone(request: DeviceRequest) -> HttpResponse:
    """A phone number, to which a code is sent. The answer is the same whoever has the number."""
    if not one_time_is_offered():
        return redirect("kiosk")
    form = PhoneForm(request.POST if request.method == "POST" else None)
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            number = form.cleaned_data["phone"]
            try:
                address = context.current().address
                one_time_send(clinic=request.device.clinic, phone=number, address=address)
            except KairosError as refused:
                if refused.status >= 500:
                    raise
                refusal_show(form, refused)
                status = refused.status
            else:
                state = _sealed(request, {"phone": number})
                return _screen(request, "digits", {"form": CodeForm(), "state": state})
    return _screen(request, "phone", {"form": form}, status=status)


@sensitive_post_parameters("digits", "state")
@_spoken
def digits(request: DeviceRequest) -> HttpResponse:
    """The digits that were sent. A wrong try is counted, so nothing is raised for it."""
    held = _opened(request)
    if held is None or not one_time_is_offered():
        return redirect("kiosk")
    form = CodeForm(request.POST)
    clinic = request.device.clinic
    by = None
    if form.is_valid():
        prove_attempt(address=context.current().address)
        by = one_time_prove(
            clinic=clinic, phone=str(held.get("phone", "")), code=form.cleaned_data["digits"]
        )
        if by is None:
            form.add_error("digits", _("This code is not right, or it is over. Look again."))
    if by is None:
        shown = {"form": form, "state": request.POST["state"]}
        return _screen(request, "digits", shown, status=401)
    charts = by.charts.get(clinic.id, frozenset())
    found = visits_expected(clinic=clinic.id, patients=charts) if charts else []
    ready = [visit for visit in found if _code(request, visit) is None]
    if len(ready) > 1:
        state = _sealed(request, {"visits": [str(visit.id) for visit in ready]})
        return _choose_screen(request, _choices(ready), state=state)
    if not found:
        return _answered(request, [], ErrorCode.NO_APPOINTMENT_FOUND)
    return _check_in(request, [(ready or found)[0].id], secrets.token_urlsafe(12))


@_spoken
def chosen(request: DeviceRequest) -> HttpResponse:
    """Which of the visits of a proven phone number are to be checked in."""
    held = _opened(request)
    if held is None:
        return redirect("kiosk")
    offered = [UUID(text) for text in held.get("visits", ())]
    wanted = set(offered if request.POST.get("everyone") == "1" else _chosen(request))
    ids = [one for one in offered if one in wanted]
    if not ids:
        return _choose_screen(request, _choices(_visits(offered)), state=request.POST["state"])
    return _check_in(request, ids, request.POST.get("nonce", ""))


def _check_in(request: DeviceRequest, ids: Sequence[UUID], nonce: str) -> HttpResponse:
    """Check in these visits of somebody who proved that they are theirs, each by its own pass."""
    clinic = request.device.clinic_id
    if len(ids) > 1:
        visits_locked(ids, clinics=[clinic])  # all locks before the first token
    answers = [
        check_in(
            source=device_source(request.device),
            asked=Asked(
                code=code_of(Kind.PASS, clinic=clinic, subject=one),
                nonce=f"{nonce[:40]}-{one.hex[-12:]}",
                appointment_ids=(one,),
            ),
            method=CheckInMethod.KIOSK,
        )
        for one in ids
    ]
    visits = [visit for answer in answers for visit in answer["visits"]]
    first = next((answer["code"] for answer in answers if answer["code"]), None)
    return _answered(request, visits, first)


def _answered(
    request: DeviceRequest, visits: list[dict[str, Any]], code: str | None
) -> HttpResponse:
    """The tokens of who is there now; else why not, and whom to ask."""
    there = [
        visit
        for visit in visits
        if visit["outcome"] in _THERE or visit["code"] == ErrorCode.ALREADY_CHECKED_IN
    ]
    if not there:
        refused = ErrorCode(code) if code else ErrorCode.NO_APPOINTMENT_FOUND
        return _refused(request, KairosError(refused), visits[0] if visits else None)
    names = _given_names([visit["appointment"] for visit in visits])
    rows = [
        {
            **visit,
            "given_name": names.get(visit["appointment"], ""),
            "starts_at": datetime.fromisoformat(visit["starts_at"]),
            "wait": _worth_telling(visit["wait"]),
        }
        for visit in there
    ]
    left = [visit for visit in visits if visit not in there]
    shown = {"rows": rows, "names_people": len(set(names.values())) > 1, "has_left": bool(left)}
    return _screen(request, "done", shown)


def _refused(
    request: DeviceRequest, error: KairosError, visit: dict[str, Any] | None = None
) -> HttpResponse:
    said = _said(error.code, visit)
    response = _screen(request, "refused", {"said": said}, status=error.status)
    if "Retry-After" in error.headers:
        response.headers["Retry-After"] = error.headers["Retry-After"]
    return response


def _said(code: ErrorCode, visit: dict[str, Any] | None) -> Said:
    """The words of the patients' pages, but for what is another thing at a kiosk."""
    if code == ErrorCode.RATE_LIMIT_EXCEEDED:
        return Said(_("Just a moment, please"), _("Try again in a minute, or go to the reception."))
    if code in {ErrorCode.INVALID_QR_CODE, ErrorCode.QR_CODE_EXPIRED}:
        return Said(
            said_of(ErrorCode.INVALID_QR_CODE).title,
            _("Show the code in the confirmation of your visit, or go to the reception."),
        )
    about = None
    if visit is not None:
        opens = visit.get("opens_at")
        place = Appointment.objects.filter(pk=visit["appointment"])
        about = About(
            datetime.fromisoformat(visit["starts_at"]),
            datetime.fromisoformat(opens) if opens else None,
            visit["timezone"],
            place.values_list("location__name", flat=True).first() or "",
        )
    return said_of(code, about)


def _code(request: DeviceRequest, visit: Appointment) -> ErrorCode | None:
    """What the rules say of a visit here and now; None: it can be checked in."""
    return refusal(
        visit,
        at=clock.now(),
        window=window_of(visit, request.device.point),
        here=request.device.location_id,
        by_staff=True,
        arrival=getattr(visit, "arrival", None),
    )


def _visits(ids: Sequence[UUID]) -> list[Appointment]:
    found = Appointment.objects.select_related("doctor", "service", "patient").filter(pk__in=ids)
    return list(found.order_by("starts_at", "id"))


def _choices(visits: Sequence[Appointment]) -> list[Choice]:
    return [
        Choice(
            str(visit.id),
            visit.starts_at,
            visit.timezone,
            visit.doctor.display_name,
            visit.service.name if visit.service else "",
            visit.patient.given_name,
        )
        for visit in visits
    ]


def _worth_telling(wait: dict[str, int] | None) -> dict[str, int] | None:
    """Who has hours to wait is told the time of the visit instead."""
    return wait if wait is not None and wait["to"] <= _LONGEST_TOLD else None


def _given_names(ids: Sequence[str]) -> dict[str, str]:
    found = Appointment.objects.filter(pk__in=ids).values_list("pk", "patient__given_name")
    return {str(pk): name for pk, name in found}


def _chosen(request: DeviceRequest) -> tuple[UUID, ...]:
    """Raises NOT_FOUND for what we did not write."""
    try:
        return tuple(UUID(text) for text in request.POST.getlist("visit")[:_MOST_CHOSEN])
    except ValueError:
        raise KairosError(ErrorCode.NOT_FOUND) from None


def _sealed(request: DeviceRequest, held: dict[str, Any]) -> str:
    return signing.dumps({"device": str(request.device.id), **held}, salt=_SALT)


def _opened(request: DeviceRequest) -> dict[str, Any] | None:
    """What the step before handed on; None when that is long ago, or was not handed on here."""
    try:
        held = signing.loads(request.POST.get("state", ""), salt=_SALT, max_age=STEP_SECONDS)
    except signing.BadSignature:
        return None
    return held if held.get("device") == str(request.device.id) else None


def _show_screen(request: DeviceRequest) -> HttpResponse:
    return _screen(request, "show", {"has_ways": one_time_is_offered()})


def _choose_screen(
    request: DeviceRequest, choices: Sequence[Choice], *, code: str = "", state: str = ""
) -> HttpResponse:
    shown = {
        "choices": choices,
        "names_people": len({choice.given_name for choice in choices}) > 1,
        "code": code,
        "state": state,
    }
    return _screen(request, "choose", shown)


def _screen(
    request: DeviceRequest, name: str, shown: dict[str, Any], *, status: int = 200
) -> TemplateResponse:
    """One screen. Without the script a screen of a person goes back to the start by itself."""
    context = {
        "device": request.device,
        "clinic": request.device.clinic,
        "screen": name,
        "decoder": decoder_addresses(),
        "language": translation.get_language(),
        # The same screen sent twice is one question; a screen that asks another has another.
        "nonce": secrets.token_urlsafe(12),
        **shown,
    }
    template = f"checkin/kiosk_{name}.html"
    response = TemplateResponse(request, template, context, status=status)
    if name != "start":
        response.headers["Refresh"] = "90; url=/kiosk/"
    allow_decoding(response)
    return response
