"""A page that is watched: what the browser complains of fails the test. Sizes and pictures too."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.test import Client

from accounts.models import User

SCREENSHOTS = Path(__file__).resolve().parents[2] / ".artefacts" / "screenshots"
PHONE, LAPTOP, WALL = (360, 740), (1366, 768), (3840, 2160)
#: A refused form is answered with a 400, which the browser's console tells as well.
EXPECTED = "the server responded with a status of 400"
_TELL_VIOLATIONS = """document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`against the policy: ${event.effectiveDirective} ${event.blockedURI}`));"""


@dataclass
class Watched:
    """What the browser said while the page was used. `expected` are parts of what it may say."""

    host: str
    expected: tuple[str, ...] = (EXPECTED,)
    complaints: list[str] = field(default_factory=list)

    def watch(self, page: Any) -> None:
        page.add_init_script(_TELL_VIOLATIONS)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", self._request)

    def _console(self, message: Any) -> None:
        if message.type not in {"error", "warning"}:
            return
        if not any(part in message.text for part in self.expected):
            self.complaints.append(f"{message.type}: {message.text}")

    def _request(self, request: Any) -> None:
        address = urlsplit(request.url)
        if address.scheme not in {"data", "blob"} and address.netloc != self.host:
            self.complaints.append(f"request to another host: {request.url}")


@contextmanager
def watched_page(
    browser: Any, base: str, *, expected: tuple[str, ...] = (EXPECTED,), **context_options: Any
) -> Iterator[Any]:
    """A page in a context of its own, a laptop unless told. In the end it has had no complaint."""
    options = {
        "viewport": {"width": LAPTOP[0], "height": LAPTOP[1]},
        "locale": "en-US",
        "reduced_motion": "reduce",
    }
    context = browser.new_context(**(options | context_options))
    context.set_default_timeout(10_000)
    page = context.new_page()
    watched = Watched(urlsplit(base).netloc, expected)
    watched.watch(page)
    try:
        yield page
    finally:
        context.close()
    assert watched.complaints == []


def sign_in(page: Any, base: str, user: User) -> None:
    """A page session of the user, made without the sign-in page."""
    client = Client()
    client.force_login(user, settings.AUTHENTICATION_BACKENDS[0])
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": base}])


def tab_to(page: Any, selector: str, limit: int = 90) -> None:
    """Press Tab until an element that fits has the focus, as somebody without a mouse does."""
    for _ in range(limit):
        if page.evaluate("(s) => document.activeElement.matches(s)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{limit} times Tab did not reach {selector}")


def is_too_wide(page: Any) -> bool:
    """Whether the page has to be scrolled sideways."""
    return bool(
        page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    )


def shot(page: Any, folder: str, name: str) -> Path:
    """Keep what the page looks like, under the folder's name in the artefacts."""
    place = SCREENSHOTS / folder
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{name}-{page.viewport_size['width']}.png"
    page.screenshot(path=str(path), full_page=True)
    return path
