"""Proof that a request comes from a paired device: for the API, for sockets and for pages.

A browser sends its token as a cookie that no script can read; other clients send
`Authorization: Device <token>`.
"""

from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponse
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from checkin.models import CheckInDevice
from checkin.services.devices import device_by_token
from clinics.principal import Principal, guest

COOKIE: Final = "kairos_device"
#: A foreign site can make a browser send the cookie, but not this header.
HEADER: Final = "HTTP_X_KAIROS_DEVICE"
_COOKIE_SECONDS: Final = 400 * 24 * 3600
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def device_principal(device: CheckInDevice) -> Principal:
    """Who asks when a device does: nobody with an account, and with no rights but a guest's.

    Its `user_id` is the device's id, by which requests are counted and the trail names it.
    """
    return guest(device.id)


def token_in(request: HttpRequest) -> str:
    """The token that a page's request carries as its cookie; empty without."""
    return request.COOKIES.get(COOKIE, "")


def device_keep(response: HttpResponse, token: str) -> None:
    """Let the browser be the device from now on."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=_COOKIE_SECONDS,
        path="/",
        secure=bool(settings.SESSION_COOKIE_SECURE),
        httponly=True,
        samesite="Strict",
    )


def device_forget(response: HttpResponse) -> None:
    """Let the browser be no device any more."""
    response.delete_cookie(COOKIE, path="/", samesite="Strict")


class DeviceAuthentication(BaseAuthentication):
    """A paired device, as `request.device`; the principal is a guest of its id.

    Stands first in an endpoint's `authentication_classes`. The header of the token, or the cookie
    together with `X-Kairos-Device: 1`, says that a device asks: with a dead token it is refused
    with 401 DEVICE_REVOKED, whoever else is signed in. The cookie alone counts for reading, where
    nobody is signed in. The scope is the device's clinic.
    """

    def authenticate(self, request: Request) -> tuple[Principal, Principal] | None:
        token = _asked_with(request._request)
        if token is None:
            return None
        device = device_by_token(token)
        request._request.device = device  # the view finds it as `request.device`
        principal = device_principal(device)
        return principal, principal

    def authenticate_header(self, request: Request) -> str:
        return "Device"


def _asked_with(request: HttpRequest) -> str | None:
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() == "device":
        return token.strip()
    if scheme:
        return None
    kept = token_in(request)
    if request.META.get(HEADER) == "1":
        return kept
    session: Mapping[str, Any] = getattr(request, "session", {})
    if kept and request.method in _SAFE and SESSION_KEY not in session:
        return kept
    return None


class _DeviceScheme(OpenApiAuthenticationExtension):
    target_class = DeviceAuthentication
    name = "device"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Device <token>`, the token that pairing gave.",
        }
