"""Leave in a browser: entered, its visits moved, with and without JavaScript."""

from collections.abc import Callable
from datetime import time
from typing import Any

import pytest

from appointments.models import Appointment
from core import tenancy
from tests.backoffice.browser.scene import Scene
from tests.dashboard.browser.conftest import Desk
from tests.dashboard.care import another_doctor, more_hours
from tests.support.browser import expect
from tests.support.browser_watch import LAPTOP, PHONE, WALL, is_too_wide

pytestmark = pytest.mark.chromium

Sit = Callable[..., Desk]


def a_day_with_visits(scene: Scene) -> list[Appointment]:
    """Tomorrow three visits with the cast's doctor; somebody else could take them."""
    stand_in = another_doctor(scene.cast, "Dr Stand-In")
    more_hours(scene.cast, stand_in, range(1, 8), time(6), time(22))
    return [
        scene.book(patient, scene.today_at(10 + number, days=1))
        for number, patient in enumerate(scene.patients)
    ]


def enter_leave(desk: Desk, scene: Scene) -> None:
    """Both steps, as the form asks for them."""
    page, day = desk.page, scene.today_at(0, days=1).date().isoformat()
    desk.open("desk-leave-new")
    page.get_by_label("Doctor").select_option(str(scene.cast.doctor.id))
    page.get_by_label("First day").fill(day)
    page.get_by_label("Last day").fill(day)
    page.get_by_label("Reason").fill("Training")
    page.get_by_role("button", name="Show whom it affects").click()
    expect(page.get_by_role("heading", name="Visits booked in this time")).to_be_visible()


def now(scene: Scene, visit: Appointment) -> Appointment:
    with tenancy.scope([scene.cast.clinic.id]):
        visit.refresh_from_db()
    return visit


@pytest.mark.parametrize("javascript", [True, False], ids=["js", "plain"])
def test_leave_is_entered_and_its_visits_are_moved(
    sit_down: Sit, scene: Scene, javascript: bool
) -> None:
    moved, there, dropped = a_day_with_visits(scene)
    admin = sit_down(scene.cast.clinic_admin, java_script_enabled=javascript)
    enter_leave(admin, scene)
    admin.page.get_by_role("button", name="Enter the leave").click()
    expect(admin.page.get_by_role("heading", level=1)).to_contain_text("is away")
    # Reception may not enter leave, but moves the visits.
    reception = sit_down(scene.cast.receptionist, java_script_enabled=javascript)
    page = reception.page
    reception.open("desk-leave")
    page.get_by_role("link", name="3 visits to move").click()
    page.locator(f"#visit-{there.id}").get_by_text("Dr Stand-In").click()
    page.locator(f"#visit-{dropped.id}").get_by_text("Cancel the visit").click()
    page.get_by_label("Reason, for those that are cancelled").fill("Wants another doctor")
    page.get_by_role("button", name="Re-book all as chosen").click()
    expect(page.locator(".notices")).to_contain_text("2 visits were moved.")
    expect(page.locator(".notices")).to_contain_text("1 visit was cancelled.")
    expect(page.locator("main")).to_contain_text("No visit is left in this time")
    expect(page.locator("main")).to_contain_text(scene.patients[0].phone)
    assert now(scene, moved).doctor_id == scene.cast.doctor.id
    assert moved.starts_at.astimezone(scene.zone).date() > scene.today_at(0, days=1).date()
    assert now(scene, there).starts_at == scene.today_at(11, days=1)
    assert there.doctor_id != scene.cast.doctor.id
    assert now(scene, dropped).cancel_reason == "Wants another doctor"


def test_choosing_by_keyboard_alone(sit_down: Sit, scene: Scene) -> None:
    visits = a_day_with_visits(scene)
    admin = sit_down(scene.cast.clinic_admin)
    enter_leave(admin, scene)
    admin.tab_to("button[value=enter]")
    admin.page.keyboard.press("Enter")
    expect(admin.page.get_by_role("heading", level=1)).to_contain_text("is away")
    admin.tab_to(f"input[name='to-{visits[0].id}']")
    admin.page.keyboard.press("ArrowDown")  # from the doctor later to the other doctor
    admin.tab_to("#rebook-form button[type=submit]")
    admin.page.keyboard.press("Enter")
    expect(admin.page.locator(".notices")).to_contain_text("3 visits were moved.")
    assert now(scene, visits[0]).doctor_id != scene.cast.doctor.id


@pytest.mark.parametrize(
    ("size", "scheme"),
    [(PHONE, "dark"), (LAPTOP, "light"), (WALL, "light")],
    ids=["phone-dark", "laptop", "wall"],
)
def test_pages_of_leave_are_sound(
    sit_down: Sit, scene: Scene, size: tuple[int, int], scheme: str
) -> None:
    a_day_with_visits(scene)
    options: dict[str, Any] = {"viewport": {"width": size[0], "height": size[1]}}
    admin = sit_down(scene.cast.clinic_admin, color_scheme=scheme, **options)
    faults = []

    def look(name: str) -> None:
        faults.extend(admin.faults(f"{name}-{scheme}"))
        assert not is_too_wide(admin.page), name

    admin.open("desk-leave")
    look("leave-none")
    enter_leave(admin, scene)
    look("leave-preview")
    admin.page.get_by_role("button", name="Enter the leave").click()
    expect(admin.page.get_by_role("heading", level=1)).to_contain_text("is away")
    look("leave-affected")
    admin.page.get_by_role("button", name="Re-book all as chosen").click()
    expect(admin.page.locator(".notices")).to_contain_text("3 visits were moved.")
    look("leave-done")
    admin.open("desk-leave")
    look("leave-list")
    assert faults == []
