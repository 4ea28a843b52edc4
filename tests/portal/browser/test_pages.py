"""Every page of a patient at three sizes: axe has nothing to say, and none is too wide."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.urls import reverse

from appointments.models import Appointment
from appointments.services.links import visit_link
from tests.appointments.scene import House
from tests.portal.browser.conftest import EXPECTED, morning
from tests.portal.visitor import Visitor
from tests.support.axe import violations
from tests.support.browser_watch import (
    LAPTOP,
    PHONE,
    WALL,
    is_too_wide,
    shot,
    sign_in,
    watched_page,
)

pytestmark = pytest.mark.chromium


def tour(page: Any, base: str, clinic: House) -> Iterator[str]:
    """Every page a guest and a patient come to, by a name for its picture."""
    slug, service = clinic.clinic.slug, clinic.service.id

    def go(name: str, *args: Any, query: str = "") -> None:
        page.goto(base + reverse(f"portal-{name}", args=args) + query)

    go("clinic", slug)
    yield "clinic"
    go("times", slug, service)
    page.locator(".choice-list summary").first.click()
    yield "times"
    go("times", slug, service, query=f"?from={morning().date()}")
    page.locator("button.start").first.click()
    page.wait_for_url("**/book?**")
    yield "details"
    page.locator("form#details button.button").click()
    page.locator(".field-error").first.wait_for()
    yield "details-wrong"
    visit = _booked(clinic, 9)
    go("visit", visit_link(visit), query="?booked=1")
    yield "booked"
    go("cancel", visit_link(visit))
    yield "cancel"
    go("move", visit_link(visit))
    yield "move"
    go("visit", "forged")
    yield "forged"
    sign_in(page, base, clinic.patient.user)
    go("my")
    yield "my-empty"
    clinic.book(morning(8, 9), service=clinic.service.id)
    go("my")
    yield "my"
    page.locator("a.tile").first.click()
    page.wait_for_url("**/my/*")
    yield "my-visit"


def _booked(clinic: House, hour: int) -> Appointment:
    """A guest's visit."""
    from tests.portal.visitor import latest  # noqa: PLC0415

    guest = Visitor(clinic)
    held = guest.pick(morning(9, hour))
    answer = guest.book(held["Location"])
    assert answer.status_code == 302
    return latest(clinic)


def _faults(page: Any, name: str, *, look: str = "") -> list[str]:
    shot(page, "portal", f"{look}{name}")
    found = [f"{name}: {one}" for one in violations(page)]
    if is_too_wide(page):
        found.append(f"{name}: wider than the window")
    return found


@pytest.mark.parametrize("size", [PHONE, LAPTOP, WALL], ids=["phone", "laptop", "wall"])
def test_pages_are_accessible_and_fit(
    page: Any, server: str, clinic: House, size: tuple[int, int]
) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    faults = [fault for name in tour(page, server, clinic) for fault in _faults(page, name)]
    assert faults == [], "\n".join(faults)


def test_pages_are_accessible_in_the_dark(browser: Any, server: str, clinic: House) -> None:
    with watched_page(
        browser,
        server,
        expected=EXPECTED,
        color_scheme="dark",
        viewport={"width": PHONE[0], "height": PHONE[1]},
    ) as page:
        faults = [
            fault
            for name in tour(page, server, clinic)
            for fault in _faults(page, name, look="dark-")
        ]
    assert faults == [], "\n".join(faults)


def test_pages_are_accessible_from_right_to_left(browser: Any, server: str, clinic: House) -> None:
    with watched_page(
        browser, server, expected=EXPECTED, viewport={"width": PHONE[0], "height": PHONE[1]}
    ) as page:
        page.context.add_cookies(
            [{"name": settings.LANGUAGE_COOKIE_NAME, "value": "ar", "url": server}]
        )
        faults = []
        for name in tour(page, server, clinic):
            if name != "my-visit" and not name.startswith("my"):
                assert page.locator("html").get_attribute("dir") == "rtl", name
            faults += _faults(page, name, look="rtl-")
    assert faults == [], "\n".join(faults)
