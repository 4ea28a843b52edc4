"""A signed-in page over real servers, watched: what the browser complains of fails the test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from tests.backoffice.browser.scene import Scene, build_scene
from tests.support.browser_watch import LAPTOP, PHONE, WALL, shot, sign_in, tab_to, watched_page

__all__ = ["LAPTOP", "PHONE", "WALL", "Desk"]


class Desk:
    """The administrator's browser."""

    def __init__(self, page: Any, base: str, scene: Scene) -> None:
        self.page, self.base, self.scene = page, base, scene

    def open(self, path: str) -> Any:
        """Go there; the answer."""
        return self.page.goto(self.base + path)

    def sign_in(self, user: User) -> None:
        """A page session, made without the sign-in page."""
        sign_in(self.page, self.base, user)

    def tab_to(self, selector: str, limit: int = 90) -> None:
        """Press Tab until an element that fits has the focus, as somebody without a mouse does."""
        tab_to(self.page, selector, limit)

    def shot(self, name: str) -> Path:
        """Keep what the page looks like."""
        return shot(self.page, "backoffice", name)


@pytest.fixture
def scene(live_wsgi: str) -> Scene:
    """The clinic."""
    return build_scene()


@pytest.fixture
def visitor(browser: Any, live_wsgi: str, scene: Scene) -> Iterator[Desk]:
    """A browser in which nobody is signed in yet. At the end it must have had no complaint."""
    with watched_page(browser, live_wsgi) as page:
        yield Desk(page, live_wsgi, scene)


@pytest.fixture
def desk(visitor: Desk) -> Desk:
    """The clinic's administrator, signed in."""
    visitor.sign_in(visitor.scene.admin)
    return visitor
