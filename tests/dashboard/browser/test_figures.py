"""The figures in a browser: every size, light and dark, both directions, without JavaScript."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from accounts.models import User
from core import clock
from tests.backoffice.browser.scene import Scene
from tests.checkin.figures import arrived, entry, past, refusal
from tests.dashboard.browser.conftest import Desk
from tests.support.browser import expect
from tests.support.browser_watch import LAPTOP, PHONE, WALL, is_too_wide

pytestmark = pytest.mark.chromium

Sit = Callable[..., Desk]


def small(size: tuple[int, int]) -> dict[str, Any]:
    return {"viewport": {"width": size[0], "height": size[1]}}


@pytest.fixture
def lived(scene: Scene) -> Scene:
    """The clinic after some days on which people came and waited."""
    for number in range(24):
        came = clock.now() - timedelta(days=1 + number % 9, hours=number % 5)
        entry(scene.cast, came, waited=5 + number)
        chart = scene.patients[number % len(scene.patients)]
        arrived(scene.cast, came, 10 + number, chart=chart)
        past(scene.cast, came, "NO_SHOW" if number % 4 == 0 else "COMPLETED", chart=chart)
        refusal(scene.cast, came, "TOO_EARLY")
    return scene


def faults(desk: Desk, name: str) -> list[str]:
    answer = desk.open("desk-analytics")
    assert answer.status == 200
    closed = desk.page.locator(".figure-table:not([open]) summary")
    found = desk.faults(f"figures-{name}")
    while closed.count():
        closed.first.click()
    found += desk.faults(f"figures-{name}-tables")
    return found + ([f"{name}: too wide"] if is_too_wide(desk.page) else [])


@pytest.mark.parametrize(
    ("size", "language"),
    [(PHONE, "ar"), (LAPTOP, "en"), (WALL, "en")],
    ids=["phone-rtl", "laptop", "wall"],
)
def test_every_size_light_and_dark_and_both_directions(
    sit_down: Sit, lived: Scene, size: tuple[int, int], language: str
) -> None:
    admin = lived.cast.clinic_admin
    User.objects.filter(pk=admin.pk).update(locale=language)
    found = []
    for scheme in ("light", "dark"):
        desk = sit_down(admin, color_scheme=scheme, **small(size))
        found += faults(desk, f"{scheme}-{language}-{size[0]}")
    expect(desk.page.locator("html")).to_have_attribute("dir", "rtl" if language == "ar" else "ltr")
    assert found == []


def test_without_javascript_days_are_chosen_and_tables_opened(sit_down: Sit, lived: Scene) -> None:
    desk = sit_down(lived.cast.clinic_admin, java_script_enabled=False)
    desk.open("desk-analytics")
    page = desk.page
    before = page.locator(".tile-value").first.inner_text()
    page.get_by_role("link", name="Last 7 days").click()
    expect(page.locator(".figures-range[aria-current]")).to_have_text("Last 7 days")
    assert page.locator(".tile-value").first.inner_text() != before
    first = (clock.now() - timedelta(days=20)).date().isoformat()
    page.get_by_label("From").fill(first)
    page.get_by_role("button", name="Show").click()
    assert f"from={first}" in page.url
    page.locator(".figure-table summary").first.click()
    expect(page.locator(".figure-table table").first).to_be_visible()
    assert desk.page.locator("[data-print]").is_hidden()


def test_a_file_is_brought(sit_down: Sit, lived: Scene) -> None:
    desk = sit_down(lived.cast.clinic_admin)
    desk.open("desk-analytics")
    with desk.page.expect_download() as brought:
        desk.page.get_by_role("link", name="CSV Waits by doctor").click()
    assert brought.value.suggested_filename.startswith("wait-times-")
    assert brought.value.path().read_text("utf-8-sig").startswith("key,label,arrived")
