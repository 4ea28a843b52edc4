"""The board in a browser: every size, light and dark, both directions; by keyboard, by drag, and
without JavaScript."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from accounts.models import User
from appointments.models import Appointment, Verb
from appointments.services.holds import hold_create
from appointments.services.status import appointment_move
from clinics.models import Doctor
from core import clock
from tests.backoffice.browser.scene import Scene
from tests.dashboard.browser.boards import (
    become_as_served,
    card,
    free,
    fresh,
    hears,
    open_board,
    second_doctor,
)
from tests.dashboard.browser.conftest import Desk
from tests.dashboard.care import booked
from tests.support.browser import expect
from tests.support.browser_watch import LAPTOP, PHONE, WALL, is_too_wide

pytestmark = pytest.mark.chromium

Sit = Callable[..., Desk]


def sized(size: tuple[int, int]) -> dict[str, Any]:
    return {"viewport": {"width": size[0], "height": size[1]}}


@pytest.fixture
def colleague(scene: Scene) -> Doctor:
    """The second column."""
    return second_doctor(scene)


@pytest.fixture
def visit(scene: Scene, colleague: Doctor) -> Appointment:
    """At one o'clock, with the cast's doctor."""
    return scene.book(scene.patients[0], scene.today_at(13))


def busy_day(scene: Scene, colleague: Doctor) -> None:
    """A visit in every status, two at once, one held time, an urgent one."""
    steps = {
        12: (),
        13: (Verb.CONFIRM,),
        14: (Verb.CHECK_IN,),
        15: (Verb.CHECK_IN, Verb.START),
        16: (Verb.CHECK_IN, Verb.START, Verb.COMPLETE),
        17: (Verb.NO_SHOW,),
        18: (Verb.CANCEL,),
    }
    for number, (hour, verbs) in enumerate(steps.items()):
        made = scene.book(
            scene.patients[number % 3],
            scene.today_at(hour),
            priority="URGENT" if hour == 12 else "NORMAL",
        )
        with scene.acting() as by:
            for verb in verbs:
                appointment_move(appointment_id=made.id, verb=verb, by=by, reason="as it is")
    scene.book(scene.cast.patient, scene.today_at(12), override_reason="a second one")
    with scene.acting() as by:
        hold_create(
            by=by,
            doctor=colleague.id,
            starts_at=scene.today_at(14),
            location=scene.cast.location.id,
            service=scene.cast.service.id,
        )


# --- As it looks ----------------------------------------------------------------------------------


def tour(desk: Desk) -> Iterator[tuple[str, str, dict[str, Any]]]:
    day = desk.scene.today_at(0).date()
    yield "day", "", {}
    yield "list", "?view=list", {}
    yield "week", "", {"day": day}


def looked_at(desk: Desk, name: str) -> list[str]:
    """Board, list and week, as axe and a ruler see them."""
    faults = []
    for view, query, parts in tour(desk):
        address = "desk-week" if view == "week" else "desk-today"
        assert desk.open(address, query, **parts).status == 200
        hears(desk)
        faults += desk.faults(f"{view}{name}")
        if is_too_wide(desk.page):
            faults.append(f"{view}{name} is too wide at {desk.page.viewport_size['width']}")
    return faults


@pytest.mark.parametrize("size", [PHONE, LAPTOP, WALL], ids=["phone", "laptop", "wall"])
def test_it_is_accessible_light_and_dark(
    sit_down: Sit, scene: Scene, colleague: Doctor, size: tuple[int, int]
) -> None:
    busy_day(scene, colleague)
    faults = looked_at(sit_down(scene.cast.receptionist, **sized(size)), "")
    dark = sit_down(scene.cast.receptionist, color_scheme="dark", **sized(size))
    faults += looked_at(dark, "-dark")
    assert faults == [], "\n".join(faults)


def test_dark_is_also_a_choice_and_light_one_against_a_dark_device(
    sit_down: Sit, scene: Scene, colleague: Doctor
) -> None:
    busy_day(scene, colleague)
    grounds = []
    faults = []
    for theme, device in (("dark", "light"), ("light", "dark")):
        desk = sit_down(scene.cast.receptionist, color_scheme=device)
        desk.page.context.add_cookies([{"name": "theme", "value": theme, "url": desk.base}])
        faults += looked_at(desk, f"-{theme}-chosen")
        grounds.append(desk.page.evaluate("() => getComputedStyle(document.body).backgroundColor"))
    assert faults == [], "\n".join(faults)
    assert grounds[0] != grounds[1]


@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
def test_it_runs_from_right_to_left(
    sit_down: Sit, scene: Scene, colleague: Doctor, size: tuple[int, int]
) -> None:
    busy_day(scene, colleague)
    User.objects.filter(pk=scene.cast.receptionist.pk).update(locale="ar")
    desk = sit_down(
        scene.cast.receptionist,
        extra_http_headers={"Accept-Language": "ar"},
        color_scheme="dark" if size == PHONE else "light",
        **sized(size),
    )
    faults = looked_at(desk, "-rtl")
    assert desk.page.locator("html").get_attribute("dir") == "rtl"
    assert faults == [], "\n".join(faults)
    open_board(desk)
    axis, column = (desk.page.locator(one).bounding_box() for one in (".axis", ".column >> nth=0"))
    assert axis["x"] > column["x"], "the hours stand on the right"


# --- By keyboard ----------------------------------------------------------------------------------


def focused(desk: Desk) -> str:
    found: str = desk.page.evaluate("document.activeElement.id")
    return found


def test_arrow_keys_walk_the_board(
    reception: Desk, scene: Scene, colleague: Doctor, visit: Appointment
) -> None:
    open_board(reception)
    keyboard, own = reception.page.keyboard, scene.cast.doctor
    card(reception, visit).focus()
    walk = [
        ("ArrowDown", f"d{own.id}-{13 * 60 + 30}"),
        ("ArrowUp", f"v{visit.id}"),
        ("ArrowRight", f"d{colleague.id}-{13 * 60}"),
        ("ArrowDown", f"d{colleague.id}-{13 * 60 + 30}"),
        ("ArrowLeft", f"d{own.id}-{13 * 60 + 30}"),
        ("ArrowLeft", f"d{own.id}-{13 * 60 + 30}"),  # there is no column further on
        ("End", f"d{own.id}-{21 * 60 + 30}"),
        ("ArrowDown", f"d{own.id}-{21 * 60 + 30}"),
    ]
    for key, there in walk:
        keyboard.press(key)
        assert focused(reception) == there, key
        box = reception.page.locator(f"#{there}").bounding_box()
        shown = reception.page.locator("#board").bounding_box()
        assert shown["y"] <= box["y"] < shown["y"] + shown["height"], f"{key}: not in sight"
    keyboard.press("Home")
    assert focused(reception).startswith(f"d{own.id}-")


def test_arrows_follow_the_direction_of_reading(
    sit_down: Sit, scene: Scene, colleague: Doctor, visit: Appointment
) -> None:
    User.objects.filter(pk=scene.cast.receptionist.pk).update(locale="ar")
    desk = sit_down(scene.cast.receptionist, extra_http_headers={"Accept-Language": "ar"})
    open_board(desk)
    card(desk, visit).focus()
    desk.page.keyboard.press("ArrowLeft")
    assert focused(desk) == f"d{colleague.id}-{13 * 60}"


def test_cut_and_paste_move_a_visit_and_undo_brings_it_back(
    reception: Desk, scene: Scene, colleague: Doctor, visit: Appointment
) -> None:
    open_board(reception)
    page = reception.page
    card(reception, visit).focus()
    page.keyboard.press("x")
    expect(card(reception, visit)).to_have_class(re.compile(r"\bcut\b"))
    expect(page.locator("#announcer")).to_contain_text("press V")
    assert reception.faults("board-cutting") == []
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("v")
    expect(page.locator(".toast")).to_contain_text("Moved to")
    expect(card(reception, visit, colleague)).to_have_attribute("data-t", str(13 * 60 + 30))
    moved = fresh(scene, visit)
    assert (moved.doctor_id, moved.starts_at) == (colleague.id, scene.today_at(13, 30))
    reception.shot("board-moved")
    page.keyboard.press("z")
    expect(card(reception, visit, scene.cast.doctor)).to_have_attribute("data-t", str(13 * 60))
    back = fresh(scene, visit)
    assert (back.doctor_id, back.starts_at) == (visit.doctor_id, visit.starts_at)
    become_as_served(reception)


def test_escape_lets_a_cut_visit_be_and_closes_the_panel(
    reception: Desk, scene: Scene, colleague: Doctor, visit: Appointment
) -> None:
    open_board(reception)
    page = reception.page
    card(reception, visit).focus()
    page.keyboard.press("x")
    page.keyboard.press("Escape")
    expect(page.locator(".cut")).to_have_count(0)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("v")
    expect(page.locator(".toast")).to_have_count(0)
    card(reception, visit).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#panel h2")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#panel > *")).to_have_count(0)
    assert focused(reception) == f"v{visit.id}", "the focus goes back to where it came from"
    assert fresh(scene, visit).version == visit.version


def test_days_are_reached_by_single_keys(reception: Desk, scene: Scene) -> None:
    open_board(reception)
    page = reception.page
    today = scene.today_at(0).date()
    for key, part in (("j", f"{scene.today_at(0, days=1):%Y-%m-%d}"), ("k", f"{today}")):
        page.keyboard.press(key)
        page.wait_for_url(f"**/day/{part}*")
    page.keyboard.press("l")
    page.wait_for_url("**view=list*")
    page.keyboard.press("w")
    page.wait_for_url("**/week/**")


# --- By drag --------------------------------------------------------------------------------------


def drag(desk: Desk, visit: Appointment, target: Any, *, drop: bool = True) -> None:
    """Take the card near its top, as a hand does, and carry it onto a free time or a card."""
    page = desk.page
    box, there = card(desk, visit).bounding_box(), target.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 30, box["y"] + 15)
    page.mouse.move(there["x"] + 30, there["y"] + 5, steps=8)
    if drop:
        page.mouse.up()


def test_a_visit_is_dragged_to_another_doctor_and_time(
    reception: Desk, scene: Scene, colleague: Doctor, visit: Appointment
) -> None:
    open_board(reception)
    page = reception.page
    drag(reception, visit, free(reception, colleague, scene.today_at(14, 30)), drop=False)
    expect(page.locator(".drag-ghost")).to_have_text("Move to 14:30")
    reception.shot("board-dragging")
    page.mouse.up()
    expect(page.locator(".toast")).to_contain_text("Moved to")
    expect(card(reception, visit, colleague)).to_have_attribute("data-t", str(14 * 60 + 30))
    moved = fresh(scene, visit)
    assert (moved.doctor_id, moved.starts_at) == (colleague.id, scene.today_at(14, 30))
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(card(reception, visit, scene.cast.doctor)).to_have_attribute("data-t", str(13 * 60))


def test_a_refused_drop_says_why_and_what_else_there_is(
    reception: Desk, scene: Scene, colleague: Doctor, visit: Appointment
) -> None:
    at = scene.today_at(14)
    taken = booked(scene.cast, at, scene.patients[1], doctor=colleague.id)
    open_board(reception)
    page = reception.page
    drag(reception, visit, card(reception, taken))
    expect(page.locator("#trouble")).to_contain_text("This time is taken")
    reception.shot("board-drop-refused")
    assert reception.faults("board-drop-refused", ("#panel",)) == []
    assert fresh(scene, visit).version == visit.version
    page.locator(".visit-near button").first.click()
    expect(page.locator(".toast")).to_contain_text("Moved to")
    assert fresh(scene, visit).starts_at != visit.starts_at
    become_as_served(reception)


def test_a_drag_that_is_broken_off_or_goes_nowhere_changes_nothing(
    reception: Desk, scene: Scene, colleague: Doctor, visit: Appointment
) -> None:
    open_board(reception)
    page = reception.page
    posts: list[str] = []
    page.on("request", lambda one: posts.append(one.url) if one.method == "POST" else None)
    drag(reception, visit, free(reception, colleague, scene.today_at(14)), drop=False)
    page.keyboard.press("Escape")
    page.mouse.up()
    expect(page.locator(".drag-ghost")).to_have_count(0)
    drag(reception, visit, page.locator(".desk-topbar"))
    expect(page.locator(".dragged")).to_have_count(0)
    expect(page.locator("#panel > *")).to_have_count(0)
    assert posts == []
    assert fresh(scene, visit).version == visit.version


def test_two_who_drag_the_same_visit(
    sit_down: Sit, scene: Scene, colleague: Doctor, visit: Appointment
) -> None:
    """The second drop is of a card that is no longer as it was: it is told, and moves nothing."""
    second = sit_down(scene.admin)
    open_board(second)
    drag(second, visit, free(second, colleague, scene.today_at(15)), drop=False)
    first = sit_down(scene.cast.receptionist)
    open_board(first)
    drag(first, visit, free(first, colleague, scene.today_at(14)))
    expect(first.page.locator(".toast")).to_contain_text("Moved to")
    second.page.mouse.up()
    expect(second.page.locator("#trouble")).to_contain_text("has changed")
    assert fresh(scene, visit).starts_at == scene.today_at(14)
    for desk in (first, second):
        become_as_served(desk)


# --- Refreshed under one's hands ------------------------------------------------------------------


def test_the_heads_of_columns_stay_in_sight(
    reception: Desk, scene: Scene, colleague: Doctor
) -> None:
    open_board(reception)
    page = reception.page
    page.evaluate("() => { document.getElementById('board').scrollTop = 10_000; }")
    board, head = (
        page.locator(one).bounding_box() for one in ("#board", f"#d{colleague.id} .column-head")
    )
    assert abs(head["y"] - board["y"]) < 2
    reception.shot("board-evening")


def test_focus_and_a_form_survive_a_refresh_of_their_column(
    reception: Desk, scene: Scene, colleague: Doctor, visit: Appointment
) -> None:
    open_board(reception)
    page = reception.page
    mark = "(one) => { one.closest('.column').dataset.old = '1'; }"
    column = page.locator(f"#d{scene.cast.doctor.id}")

    card(reception, visit).focus()
    card(reception, visit).evaluate(mark)
    other = scene.book(scene.patients[1], scene.today_at(15))
    expect(card(reception, other)).to_have_count(1)
    expect(column).not_to_have_attribute("data-old", "1")
    assert focused(reception) == f"v{visit.id}"

    page.keyboard.press("Enter")
    page.get_by_role("link", name="Edit", exact=True).click()
    text = page.locator("#panel textarea").first
    text.fill("typed, not yet sent")
    card(reception, visit).evaluate(mark)
    third = scene.book(scene.patients[2], scene.today_at(16))
    expect(card(reception, third)).to_have_count(1)
    expect(column).not_to_have_attribute("data-old", "1")
    expect(text).to_have_value("typed, not yet sent")
    expect(text).to_be_focused()


def test_the_focus_of_what_is_gone_goes_to_its_columns_head(
    reception: Desk, scene: Scene, visit: Appointment
) -> None:
    open_board(reception)
    free(reception, scene.cast.doctor, scene.today_at(15)).focus()
    other = scene.book(scene.patients[1], scene.today_at(15))
    expect(card(reception, other)).to_have_count(1)
    head = reception.page.locator(f"#d{scene.cast.doctor.id} .column-head a")
    expect(head).to_be_focused()


def test_the_list_is_refreshed_too(reception: Desk, scene: Scene, visit: Appointment) -> None:
    reception.open("desk-today", "?view=list")
    hears(reception)
    expect(reception.page.locator("#day-list tbody tr")).to_have_count(1)
    other = scene.book(scene.patients[1], scene.today_at(15))
    expect(reception.page.locator(f"#day-list #v{other.id}")).to_have_count(1)


_ON_TOP = """() => {
  const label = document.querySelector(".now-time");
  label.style.setProperty("pointer-events", "auto");
  const box = label.getBoundingClientRect();
  return document.elementsFromPoint(box.x + box.width / 2, box.y + box.height / 2)[0].className;
}"""


def test_the_line_of_now_stands_at_the_time_of_the_clinic(reception: Desk, scene: Scene) -> None:
    open_board(reception)
    line = reception.page.locator("#now")
    expect(line).to_be_visible()
    said = line.text_content().strip()
    now = clock.now().astimezone(scene.zone)
    assert said in {f"{now - timedelta(minutes=back):%H:%M}" for back in (0, 1)}
    on_top = reception.page.evaluate(_ON_TOP)
    assert on_top == "now-time", "the hours do not hide the time"
    assert not reception.page.evaluate(
        "() => document.documentElement.scrollHeight > document.documentElement.clientHeight"
    ), "the board scrolls, the page does not"
    reception.open("desk-day", day=scene.today_at(0, days=1).date())
    hears(reception)
    expect(line).to_be_hidden()


# --- Without JavaScript ---------------------------------------------------------------------------


def test_board_list_week_and_a_step_without_javascript(
    sit_down: Sit, scene: Scene, colleague: Doctor, visit: Appointment
) -> None:
    desk = sit_down(scene.cast.receptionist, java_script_enabled=False)
    page = desk.page
    desk.open("desk-today")
    desk.shot("board-no-script")
    expect(page.locator("#live")).to_be_hidden()
    expect(page.locator("#now")).to_be_hidden()
    card(desk, visit).click()
    expect(page.locator(".panel-alone")).to_contain_text("Amelia Okonkwo-Lindqvist")
    page.get_by_role("button", name="Confirm", exact=True).click()
    expect(page.locator(".messages")).to_be_visible()
    assert fresh(scene, visit).status == "CONFIRMED"
    page.get_by_role("link", name="Back to the day").click()
    expect(page.locator(f"#v{visit.id}.CONFIRMED")).to_be_visible()
    page.get_by_label("Doctor").select_option(str(colleague.id))
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator(".column")).to_have_count(1)
    desk.open("desk-today")
    page.locator(".toolbar-views").get_by_role("link", name="List").click()
    page.locator("#day-list").get_by_role("link", name="Patient").click()
    expect(page.locator("#day-list th[aria-sort]")).to_contain_text("Patient")
    page.locator(".toolbar-views").get_by_role("link", name="Week").click()
    expect(page.locator(".column")).to_have_count(7)
    desk.open("desk-today")
    free(desk, colleague, scene.today_at(15)).click()
    expect(page.locator("#book")).to_be_visible()
