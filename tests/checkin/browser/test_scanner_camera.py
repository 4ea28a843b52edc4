"""Codes held before a camera: on a screen, on poor paper, small, askew, light on dark."""

from pathlib import Path
from typing import Any

import pytest

from tests.checkin.browser.scanning import (
    build_entrance,
    film,
    filming,
    held_up,
    need_decoder,
    scanner_page,
)
from tests.support.browser import expect
from tests.support.browser_watch import PHONE, shot
from tests.support.polling import eventually

pytestmark = pytest.mark.chromium
#: How each visit's code is held up.
WAYS = (
    {"size": 300},
    {"size": 300, "noise": 110, "blur": 1.2},
    {"size": 120},
    {"size": 240, "angle": 37},
    {"size": 240, "dark": True},
)


def test_a_code_before_the_camera_is_read_and_checked_in(
    browser: Any, live_wsgi: str, tmp_path: Path
):
    need_decoder()
    entrance = build_entrance(len(WAYS))
    pictures = [
        held_up(entrance.code(visit), **way)
        for visit, way in zip(entrance.visits, WAYS, strict=True)
    ]
    with (
        filming(browser, film(tmp_path / "entrance.y4m", pictures)) as chromium,
        scanner_page(
            chromium, live_wsgi, entrance, viewport={"width": PHONE[0], "height": PHONE[1]}
        ) as page,
    ):
        expect(page.locator("#view")).to_have_attribute("data-state", "on")
        eventually(lambda: len(entrance.arrived()) == len(WAYS), timeout=30)
        expect(page.locator("#result [data-tone]")).to_be_visible()
        shot(page, "checkin", "scanner-camera")
        page.get_by_role("button", name="Stop the camera").click()
        expect(page.get_by_role("button", name="Start the camera")).to_be_focused()
