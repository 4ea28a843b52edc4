"""Light or dark: a choice of the device, kept in a cookie and drawn by the server.

The cookie holds nothing but one of the words below. Without one the page follows the device.
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

COOKIE = "theme"
SYSTEM = "system"
#: What may be chosen, with what people read.
THEMES = {"light": _("Light"), "dark": _("Dark"), SYSTEM: _("As the device")}
_KEPT_SECONDS = 365 * 24 * 3600


def theme_of(request: HttpRequest) -> str:
    """The theme that this device chose; `system` where it chose none, or something unknown."""
    chosen = request.COOKIES.get(COOKIE, "")
    return chosen if chosen in THEMES else SYSTEM


def theme_keep(response: HttpResponse, theme: str) -> None:
    """Let the device remember `theme`, one of `THEMES`, for a year from now."""
    response.set_cookie(
        COOKIE,
        theme,
        max_age=_KEPT_SECONDS,
        secure=bool(settings.SESSION_COOKIE_SECURE),
        httponly=True,
        samesite="Lax",
    )
