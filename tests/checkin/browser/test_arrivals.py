"""The desk's page of arrivals in a browser: by keyboard, small and large, in every direction."""

from typing import Any

import pytest

from accounts.models import User
from checkin.models import AlertKind, CheckInAlert
from core import tenancy
from core.ids import uuid7
from tests.checkin.browser.scanning import EXPECTED, build_entrance
from tests.support.axe import violations
from tests.support.browser import expect
from tests.support.browser_watch import LAPTOP, PHONE, is_too_wide, shot, sign_in, watched_page

pytestmark = pytest.mark.chromium
_VIEWS = (
    ("laptop", LAPTOP, "light", "en-US"),
    ("phone-dark", PHONE, "dark", "en-US"),
    ("phone-arabic", PHONE, "light", "ar"),
)


def test_places_and_devices_are_made_and_look_right(browser: Any, live_asgi: str) -> None:
    entrance = build_entrance(0)
    scene = entrance.scene
    base = f"{live_asgi}/desk/{scene.cast.clinic.slug}/arrivals"
    faults: list[str] = []

    def look(page: Any, name: str) -> None:
        shot(page, "checkin", f"arrivals-{name}")
        wide = ["too wide"] if is_too_wide(page) else []
        faults.extend(f"{name}: {one}" for one in [*violations(page), *wide])

    with watched_page(browser, live_asgi, expected=EXPECTED) as page:
        sign_in(page, live_asgi, scene.admin)
        page.goto(f"{base}/places/new")
        look(page, "place-new")
        page.get_by_label("Name", exact=True).fill("Main entrance")
        page.get_by_role("button", name="Add it").click()
        expect(page.get_by_role("heading", name="Its poster")).to_be_visible()
        page.get_by_text("Turn the code over").click()
        look(page, "place")
        page.get_by_role("link", name="Back to arrivals").click()
        page.get_by_role("link", name="Add a device").click()
        page.get_by_label("Name", exact=True).fill("Tablet at the door")
        page.get_by_label("Kind").select_option("KIOSK")
        look(page, "device-new")
        page.get_by_role("button", name="Add it and show the code").click()
        expect(page.locator(".pair-code")).to_be_visible()
        look(page, "device-code")

    with tenancy.scope(tenancy.SYSTEM):
        CheckInAlert.objects.create(
            clinic=scene.cast.clinic,
            kind=AlertKind.UNKNOWN_CODES,
            device=entrance.device,
            source_id=uuid7(),
            count=14,
            details={"source": "DEVICE", "codes": {"INVALID_QR_CODE": 12, "TOO_EARLY": 2}},
        )
    for name, (width, height), scheme, locale in _VIEWS:
        viewport = {"width": width, "height": height}
        with watched_page(
            browser,
            live_asgi,
            expected=EXPECTED,
            viewport=viewport,
            color_scheme=scheme,
            locale=locale,
        ) as page:
            sign_in(page, live_asgi, scene.admin)
            User.objects.filter(pk=scene.admin.pk).update(locale=locale[:2])
            page.goto(base)
            look(page, name)
            page.goto(f"{base}/scanner")
            look(page, f"scanner-{name}")
    assert faults == []
