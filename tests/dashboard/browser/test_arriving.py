"""Checking in at the desk in a browser: too early, and all the same with a reason."""

from collections.abc import Callable
from typing import Any

import pytest

from clinics.services.clinics import clinic_update
from core import tenancy
from tests.backoffice.browser.scene import Scene
from tests.dashboard.browser.boards import become_as_served, card, open_board
from tests.dashboard.browser.conftest import Desk
from tests.support.browser import expect
from tests.support.browser_watch import LAPTOP, PHONE

pytestmark = pytest.mark.chromium


@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
def test_too_early_asks_for_a_reason_in_place(
    sit_down: Callable[..., Desk], scene: Scene, size: Any
) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        clinic_update(clinic=scene.cast.clinic, expected_version=None, checkin_opens_minutes=30)
    visit = scene.book(scene.patients[0], scene.today_at(14))
    desk = sit_down(scene.cast.receptionist, viewport={"width": size[0], "height": size[1]})
    page = desk.page
    open_board(desk)
    card(desk, visit).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#panel h2")).to_be_focused()
    page.keyboard.press("i")
    expect(page.locator("#trouble")).to_be_focused()
    expect(page.locator("#trouble")).to_contain_text("Too early to check in. It is open on")
    faults = desk.faults("visit-too-early")
    page.select_option("#id_check_in_usual", label="Arrived early")
    page.get_by_role("button", name="Check in anyway").click()
    expect(page.locator("#toasts")).to_contain_text("Checked in. Token A001.")
    expect(page.locator("#panel .facts")).to_contain_text("Arrived early")
    expect(page.locator("#panel .facts")).to_contain_text("A001")
    become_as_served(desk)
    expect(card(desk, visit).locator(".token")).to_have_text("A001")
    faults += desk.faults("visit-forced")
    assert faults == []
