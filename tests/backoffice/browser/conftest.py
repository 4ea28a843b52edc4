"""A signed-in page over real servers, watched: what the browser complains of fails the test."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User
from tests.backoffice.browser.scene import Scene, build_scene

SCREENSHOTS = Path(__file__).resolve().parents[3] / ".artefacts" / "screenshots" / "backoffice"
PHONE, LAPTOP, WALL = (360, 740), (1366, 768), (3840, 2160)
#: A refused form is answered with a 400, which the browser's console tells as well.
_EXPECTED = "the server responded with a status of 400"


@dataclass
class Watched:
    """What the browser said while the page was used."""

    host: str
    complaints: list[str] = field(default_factory=list)

    def watch(self, page: Any) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", self._request)

    def _console(self, message: Any) -> None:
        if message.type in {"error", "warning"} and _EXPECTED not in message.text:
            self.complaints.append(f"{message.type}: {message.text}")

    def _request(self, request: Any) -> None:
        address = urlsplit(request.url)
        if address.scheme not in {"data", "blob"} and address.netloc != self.host:
            self.complaints.append(f"request to another host: {request.url}")


class Desk:
    """The administrator's browser."""

    def __init__(self, page: Any, base: str, scene: Scene) -> None:
        self.page, self.base, self.scene = page, base, scene

    def open(self, path: str) -> Any:
        """Go there; the answer."""
        return self.page.goto(self.base + path)

    def sign_in(self, user: User) -> None:
        """A page session, made without the sign-in page."""
        client = Client()
        client.force_login(user, settings.AUTHENTICATION_BACKENDS[0])
        cookie = client.cookies[settings.SESSION_COOKIE_NAME]
        self.page.context.add_cookies(
            [{"name": cookie.key, "value": cookie.value, "url": self.base}]
        )

    def tab_to(self, selector: str, limit: int = 90) -> None:
        """Press Tab until an element that fits has the focus, as somebody without a mouse does."""
        for _ in range(limit):
            if self.page.evaluate("(s) => document.activeElement.matches(s)", selector):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{limit} times Tab did not reach {selector}")

    def shot(self, name: str) -> Path:
        """Keep what the page looks like."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        width = self.page.viewport_size["width"]
        path = SCREENSHOTS / f"{name}-{width}.png"
        self.page.screenshot(path=str(path), full_page=True)
        return path


@pytest.fixture
def scene(live_wsgi: str) -> Scene:
    """The clinic."""
    return build_scene()


@pytest.fixture
def visitor(browser: Any, live_wsgi: str, scene: Scene) -> Iterator[Desk]:
    """A browser in which nobody is signed in yet. At the end it must have had no complaint."""
    context = browser.new_context(
        viewport={"width": LAPTOP[0], "height": LAPTOP[1]}, locale="en-US", reduced_motion="reduce"
    )
    context.set_default_timeout(10_000)
    page = context.new_page()
    watched = Watched(urlsplit(live_wsgi).netloc)
    watched.watch(page)
    try:
        yield Desk(page, live_wsgi, scene)
    finally:
        context.close()
    assert watched.complaints == []


@pytest.fixture
def desk(visitor: Desk) -> Desk:
    """The clinic's administrator, signed in."""
    visitor.sign_in(visitor.scene.admin)
    return visitor
