"""A visit's steps in a browser: by keyboard alone, without JavaScript, and after somebody else."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from accounts.models import User
from appointments.models import Appointment, Verb
from appointments.services.booking import appointment_book
from appointments.services.status import appointment_move
from clinics.principal import principal_open
from clinics.services.clinics import clinic_update
from core import tenancy
from tests.backoffice.browser.scene import Scene
from tests.dashboard.browser.conftest import Desk
from tests.support.browser import expect
from tests.support.browser_watch import LAPTOP, PHONE, WALL, is_too_wide

pytestmark = pytest.mark.chromium

Sit = Callable[..., Desk]


def status_of(scene: Scene, visit: Appointment) -> str:
    with tenancy.scope([scene.cast.clinic.id]):
        visit.refresh_from_db()
    return visit.status


def booked(scene: Scene, hour: int = 14, patient: int = 0) -> Appointment:
    return scene.book(scene.patients[patient], scene.today_at(hour))


def press(desk: Desk, name: str) -> None:
    """Reach a button of the card by Tab, and press it by Enter."""
    button = desk.page.locator("#panel, .panel-alone").get_by_role("button", name=name, exact=True)
    expect(button).to_be_visible()
    button.evaluate("(one) => one.setAttribute('data-wanted', '')")
    desk.tab_to("[data-wanted]", limit=200)
    desk.page.keyboard.press("Enter")


def shows(desk: Desk, status: str) -> None:
    expect(desk.page.locator("#panel .status, .panel-alone .status").first).to_contain_text(status)


def open_card(desk: Desk, visit: Appointment) -> None:
    """From the board, by keyboard: Tab to the visit, Enter."""
    desk.open("desk-today")
    desk.page.evaluate("() => document.activeElement.blur()")
    desk.page.locator(f"#v{visit.id}").focus()
    desk.page.keyboard.press("Enter")
    expect(desk.page.locator("#panel h2")).to_be_focused()


def small(size: tuple[int, int]) -> dict[str, Any]:
    return {"viewport": {"width": size[0], "height": size[1]}}


@pytest.mark.parametrize("size", [PHONE, LAPTOP, WALL], ids=["phone", "laptop", "wall"])
def test_from_check_in_to_the_end_by_keyboard_alone(
    sit_down: Sit, scene: Scene, size: tuple[int, int]
) -> None:
    visit = booked(scene)
    reception = sit_down(scene.cast.receptionist, **small(size))
    open_card(reception, visit)
    press(reception, "Check in")
    shows(reception, "Checked in")
    reception.tab_to("[data-undo]", limit=200)
    reception.page.keyboard.press("Enter")
    shows(reception, "Scheduled")
    expect(reception.page.locator("#toasts")).to_contain_text("The check-in is taken back.")
    press(reception, "Check in")
    shows(reception, "Checked in")
    doctor = sit_down(scene.cast.doctor_user, **small(size))
    open_card(doctor, visit)
    press(doctor, "Start")
    shows(doctor, "In progress")
    press(doctor, "Complete")
    shows(doctor, "Completed")
    assert status_of(scene, visit) == "COMPLETED"
    doctor.shot("visit-completed")


def test_the_administrator_goes_all_the_way_by_single_keys(sit_down: Sit, scene: Scene) -> None:
    visit = booked(scene)
    desk = sit_down(scene.admin)
    open_card(desk, visit)
    for key, status in (
        ("c", "Confirmed"),
        ("i", "Checked in"),
        ("s", "In progress"),
        ("e", "Completed"),
    ):
        desk.page.keyboard.press(key)
        shows(desk, status)
        expect(desk.page.locator("#panel h2")).to_be_focused()
    desk.page.keyboard.press("z")
    shows(desk, "In progress")
    desk.page.keyboard.press("u")
    expect(desk.page.locator("#id_undo_usual")).to_be_focused()
    desk.page.keyboard.press("ArrowDown")
    desk.page.keyboard.press("Tab")
    desk.page.keyboard.press("Enter")
    shows(desk, "Checked in")
    assert status_of(scene, visit) == "CHECKED_IN"


def test_a_cancellation_asks_in_place_and_is_undone_from_the_toast(
    reception: Desk, scene: Scene
) -> None:
    visit, page = booked(scene), reception.page
    open_card(reception, visit)
    page.keyboard.press("Delete")
    expect(page.locator("#id_cancel_usual")).to_be_focused()
    press(reception, "Cancel the visit")
    expect(page.locator(".field-error")).to_contain_text("Choose a reason, or write one.")
    reception.shot("visit-cancel-asks")
    page.locator("#id_cancel_reason").fill("Feels better 🙂")
    page.keyboard.press("Enter")
    shows(reception, "Cancelled")
    page.get_by_role("button", name="Undo", exact=True).click()
    shows(reception, "Scheduled")
    assert status_of(scene, visit) == "SCHEDULED"


def test_who_acts_on_an_old_state_is_told_what_happened(reception: Desk, scene: Scene) -> None:
    visit, page = booked(scene), reception.page
    open_card(reception, visit)
    page.locator("details", has_text="Cancel the visit").locator("summary").click()
    page.locator("#id_cancel_reason").fill("Missed the bus")
    with scene.acting() as by:
        appointment_move(appointment_id=visit.id, verb=Verb.CONFIRM, by=by)
    page.locator("#id_cancel_reason").press("Enter")
    expect(page.locator("#trouble")).to_contain_text("has changed since you opened it")
    expect(page.locator("#trouble")).to_contain_text("Clinic Admin")
    expect(page.locator("#trouble")).to_be_focused()
    expect(page.locator("#trouble")).to_be_in_viewport()
    expect(page.locator("#id_cancel_reason")).to_have_value("Missed the bus")
    shows(reception, "Confirmed")
    reception.shot("visit-stale")


def test_a_visit_is_moved_from_its_form(reception: Desk, scene: Scene) -> None:
    visit, page = booked(scene), reception.page
    taken = booked(scene, 16, patient=1)
    reception.open("desk-visit", visit_id=visit.id)
    page.get_by_role("link", name="Move", exact=True).click()
    expect(page.get_by_role("heading", name="Move the visit")).to_be_visible()
    with page.expect_response("**/move"):
        page.get_by_label("Day", exact=True).fill(
            f"{(taken.local_day + timedelta(days=1)):%Y-%m-%d}"
        )
    expect(page.locator("#move-times legend")).not_to_contain_text(f"{taken.starts_at:%A}")
    with page.expect_response("**/move"):
        page.get_by_label("Day", exact=True).fill(f"{taken.local_day:%Y-%m-%d}")
    page.get_by_label("Another time").last.fill("16:00")
    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.locator("#trouble")).to_contain_text("This time is taken")
    reception.shot("visit-move-refused")
    page.locator(".visit-near button").first.click()
    expect(page.locator("#notices")).to_contain_text("Moved to")
    before = visit.starts_at
    status_of(scene, visit)
    assert visit.starts_at not in {before, taken.starts_at}


def test_every_step_works_without_javascript(sit_down: Sit, scene: Scene) -> None:
    visit = booked(scene)
    desk = sit_down(scene.admin, java_script_enabled=False)
    page = desk.page
    desk.open("desk-visit", visit_id=visit.id)
    for name, status in (
        ("Confirm", "Confirmed"),
        ("Check in", "Checked in"),
        ("Start", "In progress"),
    ):
        page.get_by_role("button", name=name, exact=True).click()
        shows(desk, status)
    page.get_by_text("Take back the start").first.click()
    page.get_by_label("Why", exact=True).last.select_option("Pressed by mistake")
    page.get_by_role("button", name="Take back the start").click()
    shows(desk, "Checked in")
    expect(page.locator(".messages")).to_contain_text("The start is taken back.")
    page.get_by_text("Cancel the visit").first.click()
    page.locator("#id_cancel_reason").fill("Had to leave")
    page.get_by_role("button", name="Cancel the visit").click()
    shows(desk, "Cancelled")
    other = booked(scene, 15, patient=1)
    desk.open("desk-visit", visit_id=other.id)
    page.get_by_role("link", name="Move", exact=True).click()
    tomorrow = other.local_day + timedelta(days=1)
    page.get_by_label("Day", exact=True).fill(f"{tomorrow:%Y-%m-%d}")
    page.get_by_role("button", name="Show the free times of this day").click()
    page.locator(f"input[value^='{tomorrow:%Y-%m-%d}T10:00']").check()
    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.locator(".messages")).to_contain_text("Moved to")


def asked_for(scene: Scene, hour: int) -> Appointment:
    """A request that a patient made, for tomorrow."""
    cast = scene.cast
    with tenancy.scope(tenancy.SYSTEM):
        clinic_update(clinic=cast.clinic, expected_version=None, requires_approval=True)
    with tenancy.scope(()):
        by = principal_open(cast.patient_user.id, None, write=True)
        assert by is not None
        return appointment_book(
            by=by,
            doctor=cast.doctor.id,
            location=cast.location.id,
            service=cast.service.id,
            starts_at=scene.today_at(hour, days=1),
            reason="My knee hurts again",
        )


def test_requests_are_approved_together_and_declined_with_a_reason(
    reception: Desk, scene: Scene
) -> None:
    first, second, third = (asked_for(scene, hour) for hour in (9, 11, 13))
    page = reception.page
    reception.open("desk-inbox")
    boxes = page.get_by_role("checkbox")
    expect(boxes).to_have_count(3)
    boxes.nth(0).check()
    boxes.nth(1).check()
    reception.shot("requests")
    page.get_by_role("button", name="Approve all that are ticked").click()
    expect(page.locator(".messages")).to_contain_text("2 visits are booked.")
    assert [status_of(scene, one) for one in (first, second)] == ["SCHEDULED", "SCHEDULED"]
    page.locator("summary", has_text="Decline").click()
    page.get_by_label("Why", exact=True).select_option("Please phone us first")
    page.get_by_role("button", name="Decline", exact=True).click()
    expect(page.get_by_text("Nobody is waiting for an answer.")).to_be_visible()
    assert status_of(scene, third) == "CANCELLED"


def test_each_page_is_accessible_at_every_size_light_and_dark(sit_down: Sit, scene: Scene) -> None:
    visit = booked(scene)
    asked_for(scene, 9)
    with scene.acting() as by:
        appointment_move(appointment_id=visit.id, verb=Verb.CONFIRM, by=by)
    pages = ("desk-visit", "desk-visit-move", "desk-visit-edit", "desk-visit-link")
    faults: list[str] = []
    for size, dark in ((PHONE, False), (LAPTOP, True), (WALL, False)):
        desk = sit_down(
            scene.cast.receptionist, color_scheme="dark" if dark else "light", **small(size)
        )
        tone = "dark-" if dark else ""
        for name in pages:
            assert desk.open(name, visit_id=visit.id).status == 200
            for summary in desk.page.locator(
                ".visit-ask > summary, .visit-history > summary"
            ).all():
                summary.click()
            faults += desk.faults(f"{tone}{name.removeprefix('desk-')}")
            if is_too_wide(desk.page):
                faults.append(f"{name} is too wide at {size[0]}")
        for name, parts in (("desk-inbox", {}), ("desk-print", {"day": visit.local_day})):
            assert desk.open(name, **parts).status == 200
            faults += desk.faults(f"{tone}{name.removeprefix('desk-')}")
            if is_too_wide(desk.page):
                faults.append(f"{name} is too wide at {size[0]}")
    assert faults == [], "\n".join(faults)


def test_reading_direction_turns_round(sit_down: Sit, scene: Scene) -> None:
    visit = booked(scene)
    desk = sit_down(scene.cast.receptionist, extra_http_headers={"Accept-Language": "ar"})
    User.objects.filter(pk=scene.cast.receptionist.pk).update(locale="ar")
    faults = []
    for name in ("desk-visit", "desk-visit-move"):
        desk.open(name, visit_id=visit.id)
        faults += desk.faults(f"rtl-{name.removeprefix('desk-')}")
    assert desk.page.locator("html").get_attribute("dir") == "rtl"
    assert faults == [], "\n".join(faults)
