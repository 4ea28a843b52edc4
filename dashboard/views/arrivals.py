"""Where patients arrive: check-in locations and their posters, devices, what looked odd."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _

from accounts.roles import Permission
from checkin.device_auth import device_keep
from checkin.models import AlertKind, CheckInAlert, CheckInDevice, CheckInLocation, PointMode
from checkin.pages.door import HOMES
from checkin.selectors.devices import (
    alerts_open,
    alerts_visible_to,
    device_state,
    devices_present,
    devices_visible_to,
)
from checkin.selectors.points import points_visible_to
from checkin.services.alerts import alert_see
from checkin.services.devices import (
    LENT_FOR,
    PAIRING_LASTS,
    SEEN_EVERY,
    code_shown,
    device_code_renew,
    device_lend,
    device_make,
    device_revoke,
)
from checkin.services.points import point_delete, point_make, point_rotate, point_update
from clinics.models import Location
from core import clock
from core.errors import ErrorCode, KairosError
from core.forms import attempt
from core.ids import uuid7
from dashboard.access import DeskRequest, desk_page, done
from dashboard.forms.arrivals import DeviceForm, LendForm, PlaceForm
from dashboard.once import done_once

_LISTED: Final = 200
#: A screen or kiosk that was not heard of for so long may be switched off.
_SILENT_AFTER: Final = timedelta(minutes=15)


@desk_page(Permission.CHECKIN_PLACES_READ)
def arrivals(request: DeskRequest) -> HttpResponse:
    """Everything about arrival on one page."""
    desk, now = request.desk, clock.now()
    points = points_visible_to(desk.principal).filter(clinic=desk.clinic)
    devices = devices_present(desk.principal, desk.clinic.id, now)[:_LISTED]
    shown = {
        "desk": desk,
        "section": "arrivals",
        "points": points.order_by("location__name", "name", "id")[:_LISTED],
        "devices": [_device_row(device, now) for device in devices],
        "alerts": [_alert_row(one) for one in alerts_open(desk.principal, desk.clinic.id)[:50]],
        "may_write": _may_write(request),
        "may_scan": desk.may_whole(Permission.CHECKIN_RUN),
    }
    return TemplateResponse(request, "dashboard/arrivals/arrivals.html", shown)


@desk_page(Permission.CHECKIN_PLACES_WRITE)
def place_new(request: DeskRequest) -> HttpResponse:
    """A new check-in location; its poster can be printed at once."""
    desk = request.desk
    form = PlaceForm(_sent(request), locations=_locations(request))
    if request.method == "POST" and form.is_valid():
        made = attempt(
            form,
            lambda: point_make(
                by=desk.principal,
                clinic=desk.clinic,
                location=form.chosen_location(),
                **form.details(),
            ),
        )
        if made is not None:
            return done(request, _("The check-in location is there."), to=_place(request, made))
    return _place_page(request, form, None)


@desk_page(Permission.CHECKIN_PLACES_READ)
def place(request: DeskRequest, point_id: UUID) -> HttpResponse:
    """One check-in location: its code, its posters, and changing it."""
    desk = request.desk
    point = _point(request, point_id)
    form = PlaceForm(_sent(request), locations=(), point=point)
    if request.method == "POST" and form.is_valid():
        changed = attempt(
            form,
            lambda: point_update(
                by=desk.principal,
                point_id=point.id,
                fields=form.details(),
                expected_version=form.cleaned_data["version"],
            ),
        )
        if changed is not None:
            return done(request, _("It is changed."), to=_home(request))
    return _place_page(request, form, point)


@desk_page(Permission.CHECKIN_PLACES_WRITE)
def place_turn(request: DeskRequest, point_id: UUID) -> HttpResponse:
    """Turn the code over: posters printed before are of no use any more."""
    point = _point(request, point_id)
    if request.method != "POST":
        return redirect(_place(request, point))
    point_rotate(by=request.desk.principal, point_id=point.id, expected_version=_version(request))
    said = _("The code is new. Print the poster again; the old one no longer works.")
    return done(request, said, to=_place(request, point))


@desk_page(Permission.CHECKIN_PLACES_WRITE)
def place_delete(request: DeskRequest, point_id: UUID) -> HttpResponse:
    """Take a check-in location away. A form that is sent twice finds it gone, and says so."""
    if request.method != "POST":
        return redirect(_home(request))
    found = points_visible_to(request.desk.principal).filter(clinic=request.desk.clinic)
    if not found.filter(pk=point_id).exists():
        return done(request, _("It was removed already."), to=_home(request))
    point_delete(by=request.desk.principal, point_id=point_id, expected_version=_version(request))
    return done(request, _("It is removed; its posters no longer work."), to=_home(request))


@desk_page(Permission.CHECKIN_PLACES_WRITE)
def device_new(request: DeskRequest) -> HttpResponse:
    """Make a device, and show its pairing code this once."""
    desk = request.desk
    rotating = points_visible_to(desk.principal).filter(clinic=desk.clinic, mode=PointMode.ROTATING)
    form = DeviceForm(
        _sent(request),
        locations=_locations(request),
        points=list(rotating.order_by("location__name", "name")),
        once=uuid7(),
    )
    if request.method == "POST" and form.is_valid():
        codes: list[str] = []

        def act() -> UUID:
            device, code = device_make(by=desk.principal, clinic=desk.clinic, **form.asked())
            codes.append(code)
            return device.id

        once = form.cleaned_data["once"]
        device_id = attempt(
            form, lambda: done_once(desk, "desk.device", once, sorted(_said(form)), act)
        )
        if device_id is not None:
            return _code_page(request, device_id, codes)
    return TemplateResponse(
        request,
        "dashboard/arrivals/device_new.html",
        {"desk": desk, "section": "arrivals", "form": form},
        status=400 if form.errors else 200,
    )


@desk_page(Permission.CHECKIN_PLACES_WRITE)
def device_code(request: DeskRequest, device_id: UUID) -> HttpResponse:
    """A new pairing code for a device, shown this once."""
    device = _device(request, device_id)
    if request.method != "POST":
        return redirect(_home(request))
    renewed, code = device_code_renew(
        by=request.desk.principal, device_id=device.id, expected_version=_version(request)
    )
    return _code_page(request, renewed.id, [code])


@desk_page(Permission.CHECKIN_PLACES_WRITE)
def device_end(request: DeskRequest, device_id: UUID) -> HttpResponse:
    """Revoke a device: it is let in no more, from its next request on."""
    device = _device(request, device_id)
    if request.method == "POST":
        device_revoke(by=request.desk.principal, device_id=device.id)
        messages.success(request, _("The device is revoked. It checks nobody in any more."))
    return redirect(_home(request))


@desk_page(Permission.CHECKIN_PLACES_WRITE)
def alert_seen(request: DeskRequest, alert_id: UUID) -> HttpResponse:
    """Somebody looked at an alert."""
    found = alerts_visible_to(request.desk.principal).filter(clinic=request.desk.clinic)
    if not found.filter(pk=alert_id).exists():
        raise KairosError(ErrorCode.NOT_FOUND)
    if request.method == "POST":
        alert_see(by=request.desk.principal, alert_id=alert_id)
    return redirect(_home(request))


@desk_page(Permission.CHECKIN_RUN)
def scanner(request: DeskRequest) -> HttpResponse:
    """Make the phone that shows this page a scanner, for a shift."""
    desk = request.desk
    form = LendForm(_sent(request), locations=_locations(request))
    if request.method == "POST" and form.is_valid():
        name = _("Phone of %(name)s") % {"name": request.user}
        lent = attempt(
            form,
            lambda: device_lend(
                by=desk.principal,
                clinic=desk.clinic,
                location=form.chosen_location(),
                name=name,
            ),
        )
        if lent is not None:
            device, token = lent
            response = redirect(HOMES[device.kind])
            device_keep(response, token)
            return response
    shown = {
        "desk": desk,
        "section": "arrivals",
        "form": form,
        "hours": int(LENT_FOR.total_seconds() // 3600),
        "may_read": desk.may_whole(Permission.CHECKIN_PLACES_READ),
        "has_locations": bool(_locations(request)),
    }
    status = 400 if form.errors else 200
    return TemplateResponse(request, "dashboard/arrivals/scanner.html", shown, status=status)


def _place_page(
    request: DeskRequest, form: PlaceForm, point: CheckInLocation | None
) -> HttpResponse:
    shown = {
        "desk": request.desk,
        "section": "arrivals",
        "form": form,
        "point": point,
        "may_write": _may_write(request),
        "has_locations": point is not None or bool(_locations(request)),
    }
    status = 400 if form.errors else 200
    return TemplateResponse(request, "dashboard/arrivals/place.html", shown, status=status)


def _code_page(request: DeskRequest, device_id: UUID, codes: list[str]) -> HttpResponse:
    """The code big, with its end; a form that was sent before shows none again."""
    if not codes:
        messages.info(request, _("The device was made before. Make a new code to pair it."))
        return redirect(_home(request))
    shown = {
        "desk": request.desk,
        "section": "arrivals",
        "device": _device(request, device_id),
        "code": code_shown(codes[0]),
        "minutes": int(PAIRING_LASTS.total_seconds() // 60),
        "pair_address": request.build_absolute_uri(reverse("pair")),
    }
    return TemplateResponse(request, "dashboard/arrivals/device_code.html", shown, status=201)


def _device_row(device: CheckInDevice, now: Any) -> dict[str, Any]:
    state = device_state(device, now)
    seen = device.last_seen_at
    return {
        "device": device,
        "state": state,
        "is_slowed": device.slowed_until is not None and device.slowed_until > now,
        "is_here": seen is not None and seen > now - 2 * SEEN_EVERY,
        "is_silent": state == "live"
        and device.expires_at is None
        and (seen is None or seen < now - _SILENT_AFTER),
        "may_pair": state in {"waiting", "late", "live"} and device.expires_at is None,
        "may_revoke": state in {"waiting", "late", "live"},
    }


def _alert_row(alert: CheckInAlert) -> dict[str, Any]:
    codes = alert.details.get("codes") or {}
    often = sorted(codes.items(), key=lambda item: -int(item[1]))[:3]
    known = {code.value: code.label for code in ErrorCode}
    return {
        "alert": alert,
        "is_distance": alert.kind == AlertKind.IMPOSSIBLE_DISTANCE,
        "codes": [(known.get(code, code), count) for code, count in often],
        "kilometres": int(alert.details.get("metres") or 0) // 1000,
        "minutes": alert.details.get("minutes"),
        "source": alert.details.get("source", ""),
    }


def _sent(request: DeskRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _locations(request: DeskRequest) -> list[Location]:
    here = Location.objects.filter(clinic=request.desk.clinic, is_active=True)
    return list(here.order_by("name")[:_LISTED])


def _point(request: DeskRequest, point_id: UUID) -> CheckInLocation:
    found = points_visible_to(request.desk.principal).filter(clinic=request.desk.clinic)
    point = found.filter(pk=point_id).first()
    if point is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    return point


def _device(request: DeskRequest, device_id: UUID) -> CheckInDevice:
    found = devices_visible_to(request.desk.principal).filter(clinic=request.desk.clinic)
    device = found.filter(pk=device_id).first()
    if device is None:
        raise KairosError(ErrorCode.NOT_FOUND)
    return device


def _may_write(request: DeskRequest) -> bool:
    return request.desk.may_whole(Permission.CHECKIN_PLACES_WRITE)


def _version(request: DeskRequest) -> int:
    version = request.POST.get("version", "")
    if not version.isdecimal() or len(version) > 9:
        raise KairosError(ErrorCode.VALIDATION_ERROR)
    return int(version)


def _said(form: DeviceForm) -> list[str]:
    return [f"{name}={value}" for name, value in form.cleaned_data.items() if name != "once"]


def _home(request: DeskRequest) -> str:
    return reverse("desk-arrivals", kwargs={"slug": request.desk.clinic.slug})


def _place(request: DeskRequest, point: CheckInLocation) -> str:
    here = {"slug": request.desk.clinic.slug, "point_id": point.id}
    return reverse("desk-arrivals-place", kwargs=here)


urlpatterns = [
    path("arrivals", arrivals, name="desk-arrivals"),
    path("arrivals/scanner", scanner, name="desk-scanner"),
    path("arrivals/places/new", place_new, name="desk-arrivals-place-new"),
    path("arrivals/places/<uuid:point_id>", place, name="desk-arrivals-place"),
    path("arrivals/places/<uuid:point_id>/turn", place_turn, name="desk-arrivals-place-turn"),
    path("arrivals/places/<uuid:point_id>/delete", place_delete, name="desk-arrivals-place-delete"),
    path("arrivals/devices/new", device_new, name="desk-arrivals-device-new"),
    path("arrivals/devices/<uuid:device_id>/code", device_code, name="desk-arrivals-device-code"),
    path("arrivals/devices/<uuid:device_id>/end", device_end, name="desk-arrivals-device-end"),
    path("arrivals/alerts/<uuid:alert_id>/seen", alert_seen, name="desk-arrivals-alert-seen"),
]
