"""The base of every page that a paired device shows: scanner, kiosk, wall screen.

As `clinics.pages.page`, but who asks is the device: its clinic is in scope, and its location's
time zone is the page's. Somebody who happens to be signed in in that browser does not count.
"""

from collections.abc import Callable, Collection
from functools import wraps
from typing import Concatenate, Final, ParamSpec, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import SimpleTemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache

from checkin.device_auth import HEADER, device_principal, token_in
from checkin.models import CheckInDevice, DeviceKind
from checkin.services.devices import device_by_token
from clinics.pages import SAFE, PageRequest
from core import context, limits, tenancy
from core.api.problems import as_kairos_error
from core.errors import ErrorCode, KairosError
from core.views import error_page

P = ParamSpec("P")
#: The page at which each kind of device stays.
HOMES: Final[dict[str, str]] = {
    DeviceKind.SCANNER: "/scan/",
    DeviceKind.KIOSK: "/kiosk/",
    DeviceKind.WALL: "/wall/",
}


class DeviceRequest(PageRequest):
    """A request of a paired device: `device`, and `principal` the guest that it is."""

    device: CheckInDevice


DeviceView = Callable[Concatenate[DeviceRequest, P], HttpResponse]


def device_page(
    *, kinds: Collection[str] = tuple(DeviceKind), limit: str | None = None
) -> Callable[[DeviceView[P]], Callable[..., HttpResponse]]:
    """Make a view a page of devices of these kinds.

    A browser that is no live device is sent to `/pair`, a device of another kind to its own page.
    `limit` names the rate limit that counts the device; by default `read` or `write`.
    """

    def decorate(view: DeviceView[P]) -> Callable[..., HttpResponse]:
        @never_cache
        @wraps(view)
        def inner(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            here = cast(DeviceRequest, request)
            try:
                with tenancy.scope(()):
                    here.device = _device(request)
                    here.principal = device_principal(here.device)
                    context.current().actor_id = here.device.id
                    _count(here, limit)
                    if here.device.kind not in kinds:
                        return _go(request, HOMES[here.device.kind])
                    with timezone.override(here.device.location.timezone):
                        response = view(here, *args, **kwargs)
                        if isinstance(response, SimpleTemplateResponse):
                            response.render()
                return response
            except Exception as exc:
                error = as_kairos_error(exc)
                if error is None:
                    raise
                if error.code == ErrorCode.DEVICE_REVOKED:
                    return to_pairing(request, error)
                return error_page(request, error)

        return inner

    return decorate


def to_pairing(request: HttpRequest, error: KairosError) -> HttpResponse:
    """To the page where a device is paired; a script that asks is told 401 DEVICE_REVOKED."""
    if request.META.get(HEADER) == "1":
        return error_page(request, error)
    return _go(request, reverse("pair"))


def _go(request: HttpRequest, target: str) -> HttpResponse:
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": target})
    return redirect(target)


def _device(request: HttpRequest) -> CheckInDevice:
    try:
        return device_by_token(token_in(request))
    except KairosError:
        address = context.current().address or "unknown"
        limits.consume([limits.Limit(f"device:ip:{address}", settings.RATE_LIMITS["public"])])
        raise


def _count(request: DeviceRequest, limit: str | None) -> None:
    """As the API counts it: the device, and its address. Raises RATE_LIMIT_EXCEEDED."""
    name = limit or ("read" if request.method in SAFE else "write")
    address = context.current().address or "unknown"
    limits.consume(
        [
            limits.Limit(f"{name}:user:{request.device.id}", settings.RATE_LIMITS[name]),
            limits.Limit(f"address:{address}", settings.RATE_LIMITS["address"]),
        ]
    )
