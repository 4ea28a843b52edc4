"""The desk in a browser, over one server for pages and sockets: watched, and signed in as staff."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from accounts.models import User
from tests.backoffice.browser.scene import Scene, build_scene
from tests.support.axe import violations
from tests.support.browser_watch import EXPECTED, shot, sign_in, tab_to, watched_page

#: A refused form is answered with its status, which the browser's console tells as well. A request
#: that a newer one replaces is aborted, which htmx tells.
REFUSED = (
    EXPECTED,
    "a status of 409",
    "a status of 412",
    "htmx:afterRequest",
    "htmx:sendAbort",
)


class Desk:
    """Somebody's browser at the clinic's desk."""

    def __init__(self, page: Any, base: str, scene: Scene) -> None:
        self.page, self.base, self.scene = page, base, scene

    def address(self, name: str, **parts: Any) -> str:
        return reverse(name, kwargs={"slug": self.scene.cast.clinic.slug, **parts})

    def open(self, name: str, query: str = "", **parts: Any) -> Any:
        """Go to a page of the desk; the answer."""
        return self.page.goto(f"{self.base}{self.address(name, **parts)}{query}")

    def tab_to(self, selector: str, limit: int = 90) -> None:
        tab_to(self.page, selector, limit)

    def shot(self, name: str) -> Path:
        return shot(self.page, "desk", name)

    def faults(self, name: str, within: tuple[str, ...] = ()) -> list[str]:
        """What axe finds in the page as it stands, from its top: what has been scrolled under the
        bar counts as hidden. Its picture is kept."""
        self.page.evaluate("() => window.scrollTo(0, 0)")
        self.shot(name)
        return [f"{name}: {one}" for one in violations(self.page, within)]


@pytest.fixture
def scene(live_asgi: str) -> Scene:
    """The clinic, where it is late in the morning."""
    return build_scene()


@pytest.fixture
def sit_down(browser: Any, live_asgi: str, scene: Scene) -> Iterator[Callable[..., Desk]]:
    """`sit_down(user, …)` opens a browser for that person, or for nobody yet (None); more words go
    to its context. In the end none of them has had a complaint."""
    with ExitStack() as stack:

        def sit(user: User | None, **options: Any) -> Desk:
            page = stack.enter_context(
                watched_page(browser, live_asgi, **({"expected": REFUSED} | options))
            )
            if user is not None:
                sign_in(page, live_asgi, user)
            return Desk(page, live_asgi, scene)

        yield sit


@pytest.fixture
def reception(sit_down: Callable[..., Desk], scene: Scene) -> Desk:
    """The receptionist's browser, of a laptop's size."""
    return sit_down(scene.cast.receptionist)
