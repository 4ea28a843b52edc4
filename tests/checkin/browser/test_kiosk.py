"""The kiosk in a browser: a code is shown, a token is given, and everything is forgotten."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from checkin.device_auth import COOKIE
from checkin.models import CheckInDevice, DeviceKind
from checkin.services.devices import device_make, device_pair, device_revoke
from core import context, tenancy
from tests.casts import build_patient
from tests.checkin.browser.scanning import (
    EXPECTED,
    Entrance,
    build_entrance,
    film,
    filming,
    held_up,
    need_decoder,
    scan,
)
from tests.support.axe import violations
from tests.support.browser import expect
from tests.support.browser_watch import PHONE, is_too_wide, shot, watched_page

pytestmark = pytest.mark.chromium
UPRIGHT = (1080, 1920)


def kiosk_of(entrance: Entrance) -> tuple[CheckInDevice, str]:
    cast = entrance.scene.cast
    with entrance.scene.acting() as by:
        code = device_make(
            by=by,
            clinic=cast.clinic,
            location=cast.location,
            kind=DeviceKind.KIOSK,
            name="Tablet",
        )[1]
    context.begin("a-scene", "192.0.2.1")
    return device_pair(pairing_code=code)


@pytest.fixture
def entrance(live_asgi: str) -> Entrance:
    return build_entrance(2)


@pytest.fixture
def stand(browser: Any, live_asgi: str, entrance: Entrance) -> Iterator[Callable[..., Any]]:
    """`stand(size)` opens the kiosk at its first screen."""
    _, token = kiosk_of(entrance)
    with ExitStack() as stack:

        def open_at(size: tuple[int, int] = UPRIGHT, **options: Any) -> Any:
            viewport = {"width": size[0], "height": size[1]}
            page = stack.enter_context(
                watched_page(browser, live_asgi, expected=EXPECTED, viewport=viewport, **options)
            )
            page.context.add_cookies([{"name": COOKIE, "value": token, "url": live_asgi}])
            page.clock.install()
            page.goto(f"{live_asgi}/kiosk/")
            return page

        yield open_at


def faults(page: Any, name: str) -> list[str]:
    shot(page, "checkin", f"kiosk-{name}")
    wide = ["too wide"] if is_too_wide(page) else []
    return [f"{name}: {one}" for one in [*violations(page), *wide]]


@pytest.mark.parametrize(("size", "scheme"), [(UPRIGHT, "light"), (PHONE, "dark")])
def test_from_the_first_touch_to_the_token_and_back(
    stand: Callable[..., Any], entrance: Entrance, size: tuple[int, int], scheme: str
) -> None:
    page = stand(size, color_scheme=scheme)
    found = faults(page, "start")

    page.get_by_role("link", name="العربية").click()
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    found += faults(page, "show-ar")
    page.locator(".kiosk-again").click()
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", name="Show your code")).to_be_focused()
    found += faults(page, "show")

    scan(page, entrance.code(entrance.visits[0]))
    expect(page.get_by_role("heading", name="You are checked in")).to_be_visible()
    expect(page.locator(".kiosk-token")).to_have_text("A001")
    said = page.locator("#kiosk").inner_text()
    assert "Given0" not in said  # one visit needs no name
    assert "Family0" not in said
    found += faults(page, "done")
    assert entrance.arrived() == [entrance.visits[0]]

    # It leaves by itself, and neither the back button nor the address tells of anybody.
    page.clock.fast_forward(26_000)
    expect(page.get_by_role("heading", name="Welcome")).to_be_visible()
    assert page.url.endswith("/kiosk/")
    assert page.evaluate("history.length") <= 2
    assert page.evaluate("[...Object.keys(localStorage), ...Object.keys(sessionStorage)]") == []
    assert "A001" not in page.content()

    scan(page, "4006381333931")
    expect(page.get_by_role("heading", name="This is not a check-in code")).to_be_visible()
    found += faults(page, "refused")
    assert found == []


def test_a_family_chooses_and_nobody_there_is_asked(
    stand: Callable[..., Any], entrance: Entrance
) -> None:
    page = stand()
    scene = entrance.scene
    patient = build_patient(scene.cast.clinic, "Chioma", "Okonkwo-Lindqvist")
    first = scene.book(patient, scene.today_at(18))
    scene.book(patient, scene.today_at(18) + timedelta(minutes=60))

    scan(page, entrance.code(first))
    expect(page.get_by_role("heading", name="Which visit?")).to_be_visible()
    found = faults(page, "choose")
    page.clock.fast_forward(31_000)
    expect(page.get_by_role("heading", name="Are you still there?")).to_be_visible()
    found += faults(page, "still")
    page.get_by_role("button", name="Yes, go on").click()
    expect(page.get_by_role("heading", name="Which visit?")).to_be_visible()

    page.get_by_role("button", name="Check in all").click()
    expect(page.locator(".kiosk-token")).to_have_count(2)
    found += faults(page, "done-two")
    assert "Okonkwo" not in page.content()
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_role("heading", name="Welcome")).to_be_visible()
    page.go_back()
    assert "Chioma" not in page.content()
    assert found == []


def test_asked_and_not_answered_it_starts_again_and_a_revoked_one_is_paired(
    stand: Callable[..., Any], entrance: Entrance
) -> None:
    page = stand()
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", name="Show your code")).to_be_visible()
    page.clock.fast_forward(31_000)
    expect(page.get_by_role("heading", name="Are you still there?")).to_be_visible()
    page.clock.fast_forward(11_000)
    expect(page.get_by_role("heading", name="Welcome")).to_be_visible()

    page.context.set_offline(True)
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", name="No connection")).to_be_visible()
    page.context.set_offline(False)
    page.clock.fast_forward(31_000)
    expect(page.get_by_role("heading", name="Welcome")).to_be_visible()

    with entrance.scene.acting() as by, tenancy.scope(tenancy.SYSTEM):
        kiosk = CheckInDevice.objects.get(kind=DeviceKind.KIOSK)
        device_revoke(by=by, device_id=kiosk.id)
    page.get_by_role("link", name="English").click()
    page.wait_for_url("**/pair")
    expect(page.get_by_role("heading", name="Pair this device")).to_be_visible()
    assert faults(page, "pair") == []


def test_its_camera_reads_a_code(
    browser: Any, live_asgi: str, entrance: Entrance, tmp_path: Path
) -> None:
    need_decoder()
    _, token = kiosk_of(entrance)
    picture = held_up(entrance.code(entrance.visits[1]), size=300)
    with (
        filming(browser, film(tmp_path / "kiosk.y4m", [picture])) as chromium,
        watched_page(chromium, live_asgi, expected=EXPECTED) as page,
    ):
        page.context.add_cookies([{"name": COOKIE, "value": token, "url": live_asgi}])
        page.goto(f"{live_asgi}/kiosk/")
        page.get_by_role("link", name="English").click()
        expect(page.locator(".kiosk-token")).to_have_text("A001")
        assert entrance.arrived() == [entrance.visits[1]]
        assert page.evaluate("document.querySelector('video')") is None
