"""The scanner's page: what it says, to whom, with what hands, and when its device is revoked."""

from datetime import timedelta
from typing import Any

import pytest

from checkin.services.devices import device_revoke
from tests.casts import build_patient
from tests.checkin.browser.scanning import (
    Entrance,
    build_entrance,
    need_decoder,
    scan,
    scanner_page,
)
from tests.support.axe import violations
from tests.support.browser import expect
from tests.support.browser_watch import LAPTOP, PHONE, WALL, shot

pytestmark = pytest.mark.chromium
LYING = (740, 360)
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def faults(page: Any, name: str) -> list[str]:
    """What is wrong with the page as it stands; its picture is kept."""
    shot(page, "checkin", name)
    found = [str(one) for one in violations(page)]
    over = page.evaluate(TOO_WIDE)
    return [f"{name}: {one}" for one in [*found, *([f"{over} px too wide"] if over > 0 else [])]]


def twice(entrance: Entrance) -> str:
    """The code of somebody who has two visits today."""
    scene = entrance.scene
    patient = build_patient(scene.cast.clinic, "Chioma", "Okonkwo-Lindqvist")
    at = scene.today_at(18)
    first = scene.book(patient, at)
    scene.book(patient, at + timedelta(minutes=60))
    return entrance.code(first)


def test_each_answer_is_told_at_every_size(browser: Any, live_wsgi: str):
    entrance = build_entrance(1)
    double = twice(entrance)
    found = []
    with scanner_page(browser, live_wsgi, entrance) as page:
        scan(page, "4006381333931")  # a box of pens
        expect(page.locator("#result")).to_contain_text("Not a valid code")
        scan(page, entrance.code(entrance.visits[0]))
        expect(page.locator("#result")).to_contain_text("Given0 Family0")
        expect(page.locator("#result")).to_contain_text("Checked in")
        scan(page, double)
        expect(page.locator("#result")).to_contain_text("Which appointment?")
        for size, name in ((PHONE, "phone"), (LYING, "lying"), (LAPTOP, "laptop"), (WALL, "wall")):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            found += faults(page, f"scanner-{name}")
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        page.emulate_media(color_scheme="dark")
        found += faults(page, "scanner-dark")
        page.get_by_role("button", name="Check in all").click()
        expect(page.locator("#result .scan-visit")).to_have_count(2)
        expect(page.locator("#result")).to_be_focused()
        found += faults(page, "scanner-dark-answer")
    with scanner_page(
        browser,
        live_wsgi,
        entrance,
        locale="ar",
        viewport={"width": PHONE[0], "height": PHONE[1]},
    ) as page:
        scan(page, entrance.code(entrance.visits[0]))
        expect(page.locator("#result")).to_have_attribute("data-tone", "info")
        found += faults(page, "scanner-arabic")
    assert found == [], "\n".join(found)


def test_a_hand_scanner_and_a_keyboard(browser: Any, live_wsgi: str):
    entrance = build_entrance(2)
    first, second = (entrance.code(visit) for visit in entrance.visits)
    with scanner_page(browser, live_wsgi, entrance) as page:
        page.get_by_role("button", name="Sound").focus()
        page.keyboard.type(first)
        page.keyboard.press("Enter")  # ends the burst, and presses nothing
        expect(page.locator("#result")).to_contain_text("Given0")
        expect(page.locator("#sound")).to_have_attribute("aria-pressed", "true")
        scan(page, first)  # the trigger bounced
        page.get_by_label("Code, typed or pasted").fill(second.lower())
        page.get_by_role("button", name="Check in").click()
        expect(page.locator("#result")).to_contain_text("Given1")
        expect(page.locator("#today")).to_have_text("2")
        assert entrance.arrived() == entrance.visits


def test_it_says_why_there_is_no_picture(browser: Any, live_wsgi: str):
    need_decoder()
    entrance = build_entrance(0)
    with scanner_page(browser, live_wsgi, entrance) as page:
        for reason, said in (
            ("NotAllowedError", "The browser does not let this page use the camera."),
            ("NotReadableError", "The camera is in use by another program."),
            ("NotFoundError", "There is no camera."),
        ):
            page.evaluate(
                """name => { navigator.mediaDevices.getUserMedia =
                    () => Promise.reject(new DOMException("", name)); }""",
                reason,
            )
            page.get_by_role("button", name="Start the camera").click()
            expect(page.locator("#trouble")).to_contain_text(said)


def test_a_revoked_device_says_so_and_loses_nothing(browser: Any, live_wsgi: str):
    entrance = build_entrance(1)
    with scanner_page(browser, live_wsgi, entrance) as page:
        with entrance.scene.acting() as by:
            device_revoke(by=by, device_id=entrance.device.id)
        scan(page, entrance.code(entrance.visits[0]))
        expect(page.get_by_role("alert")).to_contain_text("not paired any more")
        expect(page.locator("#waiting-count")).to_have_text("1")
        assert [str(one) for one in violations(page)] == []
        shot(page, "checkin", "scanner-revoked")
        page.get_by_role("alert").get_by_role("link").click()
        page.wait_for_url("**/pair")
        assert entrance.arrived() == []
