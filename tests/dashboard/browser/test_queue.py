"""The queue in a browser: by keyboard alone, beside a colleague, without JavaScript, in every
size."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from checkin.models import QueueEntry, QueueState
from checkin.services.arrival import check_in_by_hand
from checkin.services.queue import entry_add, entry_call, entry_skip, entry_start
from core import tenancy
from tests.backoffice.browser.scene import Scene
from tests.dashboard.browser.boards import hears
from tests.dashboard.browser.conftest import REFUSED, Desk
from tests.support.browser import expect
from tests.support.browser_watch import LAPTOP, PHONE, WALL, is_too_wide

pytestmark = pytest.mark.chromium

Sit = Callable[..., Desk]


def small(size: tuple[int, int]) -> dict[str, Any]:
    return {"viewport": {"width": size[0], "height": size[1]}}


def walk_in(scene: Scene, name: str, **more: Any) -> QueueEntry:
    with scene.acting() as by:
        return entry_add(by=by, location=scene.cast.location.id, guest_name=name, **more)


def arrived(scene: Scene, patient: int, hour: int) -> QueueEntry:
    """A patient who is checked in, for a visit of this afternoon."""
    visit = scene.book(scene.patients[patient], scene.today_at(hour))
    with scene.acting() as by:
        check_in_by_hand(appointment_id=visit.id, by=by)
        return QueueEntry.objects.get(appointment=visit)


def state(scene: Scene, entry: QueueEntry) -> str:
    with tenancy.scope([scene.cast.clinic.id]):
        entry.refresh_from_db()
    return entry.state


def row(desk: Desk, entry: QueueEntry, part: str = "") -> Any:
    within = f".queue-{part} " if part else ""
    return desk.page.locator(f"{within}#e{entry.id}")


def open_queue(desk: Desk) -> None:
    desk.open("desk-queue")
    hears(desk)


def a_full_room(scene: Scene) -> None:
    """Somebody in each state, and some who wait."""
    doctor = scene.cast.doctor.id
    arrived(scene, 0, 13)
    arrived(scene, 1, 14)
    seen, called, skipped = (
        walk_in(scene, name, doctor=doctor) for name in ("Sina Seen", "Carl Called", "Sam Skipped")
    )
    walk_in(scene, "Ute Urgent", doctor=doctor, priority="URGENT")
    walk_in(scene, "Anneliese von und zu Hohenstein-Breitenbach-Wallerstein")
    with scene.acting() as by:
        entry_start(by=by, entry_id=seen.id)
        entry_skip(by=by, entry_id=skipped.id)
        entry_call(by=by, entry_id=called.id, room=scene.cast.room.id)


# --- Running it -----------------------------------------------------------------------------------


def test_from_the_call_to_the_end_by_single_keys(sit_down: Sit, scene: Scene) -> None:
    entry = walk_in(scene, "Wanda Walk", doctor=scene.cast.doctor.id)
    desk = sit_down(scene.cast.receptionist)
    open_queue(desk)
    keys, toast = desk.page.keyboard, desk.page.locator("#toasts")
    keys.press("n")
    expect(row(desk, entry, "called")).to_be_visible()
    expect(toast).to_contain_text(f"{entry.token}, Wanda Walk: called.")
    keys.press("c")
    expect(row(desk, entry)).to_contain_text("called 2 times")
    keys.press("k")
    expect(row(desk, entry, "skipped")).to_be_visible()
    keys.press("g")
    expect(row(desk, entry, "waiting")).to_be_visible()
    keys.press("c")
    expect(row(desk, entry, "called")).to_be_visible()
    keys.press("s")
    expect(row(desk, entry, "in_service")).to_be_visible()
    keys.press("e")
    expect(row(desk, entry)).to_have_count(0)
    assert state(scene, entry) == QueueState.DONE
    keys.press("n")
    expect(toast).to_contain_text("Nobody waits.")


def test_the_list_of_shortcuts_names_what_the_keys_do_now(sit_down: Sit, scene: Scene) -> None:
    entry = walk_in(scene, "Wanda Walk")
    desk = sit_down(scene.cast.receptionist)
    open_queue(desk)
    desk.page.keyboard.press("ArrowDown")
    expect(row(desk, entry).get_by_role("link")).to_be_focused()
    desk.page.keyboard.press("?")
    known = desk.page.locator("#shortcuts-keys")
    for words in ("Call next", "Add a walk-in"):
        expect(known).to_contain_text(words)
    expect(known.locator("[data-found]", has_text="Call").first).to_be_visible()


def test_by_tab_and_enter_alone(sit_down: Sit, scene: Scene) -> None:
    entry = walk_in(scene, "Wanda Walk")
    desk = sit_down(scene.cast.receptionist)
    open_queue(desk)
    for act, part in (("call", "called"), ("start", "in_service")):
        desk.tab_to(f"#e{entry.id}-{act}", limit=200)
        desk.page.keyboard.press("Enter")
        expect(row(desk, entry, part)).to_be_visible()
        expect(row(desk, entry).locator("button").first).to_be_focused()
    desk.page.keyboard.press("Enter")
    expect(row(desk, entry)).to_have_count(0)
    expect(desk.page.locator("#queue-next")).to_be_focused()


def test_the_doctor_starts_and_completes_the_visit_and_takes_it_back(
    sit_down: Sit, scene: Scene
) -> None:
    entry = arrived(scene, 0, 13)
    doctor = sit_down(scene.cast.doctor_user)
    open_queue(doctor)
    keys = doctor.page.keyboard
    keys.press("n")
    expect(row(doctor, entry, "called")).to_be_visible()
    keys.press("s")
    expect(row(doctor, entry, "in_service")).to_be_visible()
    keys.press("z")
    expect(row(doctor, entry, "called")).to_be_visible()
    expect(doctor.page.locator("#toasts")).to_contain_text("The start is taken back.")
    assert state(scene, entry) == QueueState.CALLED


def test_a_double_click_calls_one(sit_down: Sit, scene: Scene) -> None:
    first, other = walk_in(scene, "Wanda Walk"), walk_in(scene, "Olga Other")
    desk = sit_down(scene.cast.receptionist)
    open_queue(desk)
    desk.page.locator("#queue-next").dblclick()
    expect(row(desk, first, "called")).to_be_visible()
    expect(row(desk, other, "waiting")).to_be_visible()
    assert state(scene, other) == QueueState.WAITING


# --- Beside others --------------------------------------------------------------------------------


def test_a_colleague_sees_and_hears_a_call_at_once(sit_down: Sit, scene: Scene) -> None:
    entry = walk_in(scene, "Wanda Walk")
    here, there = sit_down(scene.cast.receptionist), sit_down(scene.cast.nurse)
    open_queue(here)
    open_queue(there)
    there.page.locator("#queue-add").click()
    there.page.locator("#book-q").fill("half a na")
    here.page.select_option("#call-room", label=scene.cast.room.name)
    here.page.keyboard.press("Escape")
    here.page.locator("#queue-next").click()
    expect(row(there, entry, "called")).to_be_visible(timeout=2_000)
    expect(there.page.locator("#announcer")).to_contain_text(f"{entry.token}, Wanda Walk: called.")
    expect(there.page.locator("#book-q")).to_have_value("half a na")
    with tenancy.scope([scene.cast.clinic.id]):
        entry.refresh_from_db()
    assert entry.room_id == scene.cast.room.id


def test_who_acts_on_an_old_state_is_told_and_sees_the_new_one(sit_down: Sit, scene: Scene) -> None:
    entry = walk_in(scene, "Wanda Walk")
    desk = sit_down(scene.cast.receptionist, expected=(*REFUSED, "503"))
    open_queue(desk)
    desk.page.wait_for_load_state("networkidle")
    # The news is still on its way: the row stands as it was when it is acted on.
    desk.page.route("**/queue/list*", lambda route: route.fulfill(status=503))
    with scene.acting() as by:
        entry_call(by=by, entry_id=entry.id, room=scene.cast.room.id)
    row(desk, entry, "waiting").get_by_role("button", name="Call").click()
    desk.page.unroute("**/queue/list*")
    expect(desk.page.locator("#queue-trouble")).to_contain_text("was called at")
    expect(row(desk, entry, "called")).to_be_visible()


# --- Walk-ins -------------------------------------------------------------------------------------


def test_a_patient_is_found_by_typing_and_added(sit_down: Sit, scene: Scene) -> None:
    desk = sit_down(scene.cast.receptionist)
    open_queue(desk)
    desk.page.keyboard.press("a")
    expect(desk.page.locator("#book-q")).to_be_focused()
    desk.page.keyboard.type("okonkwo")
    expect(desk.page.locator("#book-found [role=option]").first).to_contain_text("Okonkwo")
    desk.page.keyboard.press("Enter")
    expect(desk.page.locator("#walk-in .chosen-name")).to_contain_text("Okonkwo")
    expect(desk.page.locator(".book-go")).to_be_focused()
    desk.page.keyboard.press("Enter")
    expect(desk.page.locator(".queue-waiting .entry")).to_contain_text("Okonkwo")
    expect(desk.page.locator("#panel")).to_be_hidden()


def test_a_form_of_the_panel_says_what_is_missing_and_then_acts(
    sit_down: Sit, scene: Scene
) -> None:
    entry = walk_in(scene, "Wanda Walk")
    desk = sit_down(scene.cast.receptionist)
    open_queue(desk)
    row(desk, entry).get_by_role("link").click()
    expect(desk.page.locator("#panel h2")).to_be_focused()
    desk.page.keyboard.press("Delete")
    expect(desk.page.locator("#id_left_usual")).to_be_focused()
    leave = desk.page.locator("#panel").get_by_role("button", name="Left without being seen")
    leave.click()
    expect(desk.page.locator("#panel .field-error")).to_contain_text("Choose a reason")
    desk.page.select_option("#id_left_usual", label="Could not wait any longer")
    leave.click()
    expect(row(desk, entry)).to_have_count(0)
    expect(desk.page.locator("#toasts")).to_contain_text("has left")


def test_without_javascript_it_is_forms_and_links(sit_down: Sit, scene: Scene) -> None:
    desk = sit_down(scene.cast.receptionist, java_script_enabled=False)
    page = desk.page
    desk.open("desk-queue-add")
    page.locator("summary", has_text="Only a name").click()
    page.fill("#book-guest_name", "Nora Name")
    page.get_by_role("button", name="Add to the queue").last.click()
    expect(page.locator(".messages")).to_contain_text("Nora Name: waits now.")
    page.get_by_role("button", name="Call next").click()
    expect(page.locator(".messages")).to_contain_text("Nora Name: called.")
    page.get_by_role("button", name="Start").click()
    page.get_by_role("link", name="Nora Name").click()
    expect(page.locator(".panel-alone h2")).to_have_text("Nora Name")
    page.get_by_role("button", name="Done").click()
    expect(page.locator(".messages")).to_contain_text("Nora Name: done.")


# --- Sizes, light and dark, both directions -------------------------------------------------------


def looked_at(desk: Desk, name: str) -> list[str]:
    """What axe finds on the page, in the form of a walk-in and beside an entry."""
    open_queue(desk)
    assert not is_too_wide(desk.page), name
    faults = desk.faults(f"queue{name}")
    desk.page.locator("#queue-add").click()
    expect(desk.page.locator("#book-q")).to_be_focused()
    faults += desk.faults(f"queue-add{name}")
    desk.page.keyboard.press("Escape")
    desk.page.locator(".queue-called .entry-name a").first.click()
    expect(desk.page.locator("#panel h2")).to_have_text("Carl Called")
    desk.page.locator("#panel summary").first.click()
    return faults + desk.faults(f"queue-entry{name}")


def test_it_is_accessible_at_every_size_light_and_dark(sit_down: Sit, scene: Scene) -> None:
    a_full_room(scene)
    faults = []
    for size, theme in ((PHONE, "light"), (LAPTOP, "dark"), (LAPTOP, "light"), (WALL, "light")):
        desk = sit_down(scene.admin, color_scheme=theme, **small(size))
        faults += looked_at(desk, f"-{theme}")
    assert faults == []


@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
def test_it_reads_from_right_to_left(sit_down: Sit, scene: Scene, size: tuple[int, int]) -> None:
    a_full_room(scene)
    User.objects.filter(pk=scene.admin.pk).update(locale="ar")
    desk = sit_down(scene.admin, color_scheme="dark" if size == PHONE else "light", **small(size))
    assert looked_at(desk, "-rtl") == []
    assert desk.page.locator("html").get_attribute("dir") == "rtl"
    assert not is_too_wide(desk.page)
