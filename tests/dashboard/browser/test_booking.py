"""Booking in a browser: three moves by mouse and by keyboard, the hold, and without JavaScript."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from appointments.models import Appointment, BusyTime
from core import clock, tenancy
from tests.backoffice.browser.scene import Scene
from tests.casts import build_cast
from tests.dashboard.browser.conftest import Desk
from tests.dashboard.care import another_doctor, more_hours
from tests.support.browser import expect
from tests.support.browser_watch import LAPTOP, PHONE, WALL, is_too_wide
from tests.support.polling import eventually

pytestmark = pytest.mark.chromium

Sit = Callable[..., Desk]

#: A form that is a page of its own leads on to the visit, whose page says what was done.
SAID = "#notices .notice"


def visits(scene: Scene) -> list[Appointment]:
    with tenancy.scope([scene.cast.clinic.id]):
        return list(Appointment.objects.select_related("patient").order_by("id"))


def holds(scene: Scene) -> list[datetime]:
    """The starts that are kept."""
    with tenancy.scope([scene.cast.clinic.id]):
        kept = BusyTime.objects.filter(kind="HELD", expires_at__gt=clock.now()).order_by("visit")
        return [one.visit.lower for one in kept]


def asked(scene: Scene, at: datetime) -> str:
    return "?" + urlencode({"doctor": scene.cast.doctor.id, "starts_at": at.isoformat()})


def held(desk: Desk) -> None:
    expect(desk.page.locator("#book [data-hold]")).to_be_visible()


def find(desk: Desk, typed: str, name: str) -> None:
    """Type into the search until the first option is this patient."""
    page = desk.page
    page.locator("#book-q").fill("")
    page.locator("#book-q").press_sequentially(typed)
    fresh(desk, name)


def fresh(desk: Desk, name: str) -> None:
    """The list is the one for what was typed, and this patient is first."""
    expect(desk.page.locator("#book-found:not([aria-busy=true])")).to_be_visible()
    expect(desk.page.locator("[role=option][aria-selected=true]")).to_contain_text(name)


def test_three_moves_by_keyboard_alone(reception: Desk, scene: Scene) -> None:
    page = reception.page
    reception.open("desk-today")
    page.keyboard.press("m")  # "New visit"
    expect(page.locator("#next")).to_be_visible()
    reception.tab_to(".free-time", limit=120)
    page.keyboard.press("Enter")
    held(reception)
    expect(page.locator("#book-q")).to_be_focused()
    expect(page.locator("#book [data-left]")).to_have_text(re.compile(r"[45]:\d\d"))
    page.keyboard.type("adeyemy")  # with a typing error
    fresh(reception, "Chioma Adeyemi")
    expect(page.locator("#book-q")).to_have_attribute("aria-expanded", "true")
    assert reception.faults("book-found", ("#panel",)) == []
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator(".book-go")).to_be_focused()
    assert reception.faults("book-chosen", ("#panel",)) == []
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("Booked: Chioma Adeyemi with Dr Harbour.")
    expect(page.locator("#panel h2")).to_contain_text("Chioma Adeyemi")
    (visit,) = visits(scene)
    assert visit.patient_id == scene.patients[2].id
    assert holds(scene) == []


def test_a_click_on_the_board_holds_and_leaving_gives_back(reception: Desk, scene: Scene) -> None:
    page = reception.page
    reception.open("desk-day", day=scene.today_at(9, days=1).date())
    free = page.locator('a[href*="/book?"]').first
    free.click()
    held(reception)
    assert len(holds(scene)) == 1
    page.locator("#book-time").fill("15:00")
    eventually(lambda: holds(scene) == [scene.today_at(15, days=1)])
    page.keyboard.press("Escape")
    expect(page.locator("#book")).to_have_count(0)
    eventually(lambda: holds(scene) == [])
    page.locator('a[href*="/book?"]').first.click()
    held(reception)
    page.locator(".topbar-nav").get_by_role("link", name="New visit").click()  # another fragment
    expect(page.locator("#next")).to_be_visible()
    eventually(lambda: holds(scene) == [])
    page.locator(".free-time").first.click()
    held(reception)
    reception.open("desk-patients")  # another page
    eventually(lambda: holds(scene) == [])


def test_escape_closes_the_list_first(reception: Desk, scene: Scene) -> None:
    page = reception.page
    reception.open("desk-today")
    page.keyboard.press("m")
    page.locator(".free-time").first.click()
    held(reception)
    find(reception, "chioma", "Chioma")
    page.keyboard.press("Escape")
    expect(page.locator("[role=option]")).to_have_count(0)
    expect(page.locator("#book")).to_be_visible()
    page.keyboard.press("Enter")  # nobody is chosen: nothing is sent
    expect(page.locator("#book-q")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#book")).to_have_count(0)
    eventually(lambda: holds(scene) == [])


def test_a_time_that_has_gone_offers_others_one_click_away(reception: Desk, scene: Scene) -> None:
    other = another_doctor(scene.cast, "Dr Other")
    at = scene.today_at(14, days=1)
    more_hours(
        scene.cast, other, [at.isoweekday()], scene.today_at(8).time(), scene.today_at(18).time()
    )
    page = reception.page
    reception.open("desk-book", asked(scene, at))
    held(reception)
    find(reception, "chioma", "Chioma")
    page.keyboard.press("Enter")
    expect(page.locator(".chosen")).to_be_visible()
    page.locator("#book-reason").fill("Cough")
    with tenancy.scope([scene.cast.clinic.id]):
        BusyTime.objects.filter(kind="HELD").delete()  # as if it had run out
    scene.book(scene.patients[0], at)
    page.locator(".book-go").click()
    refusal = page.locator("[data-refusal]")
    expect(refusal).to_contain_text("This time is taken")
    expect(refusal).to_be_focused()
    assert reception.faults("book-refused") == []
    expect(page.locator("#book-reason")).to_have_value("Cough")
    page.get_by_role("button", name="Dr Other").click()
    held(reception)
    expect(page.locator("#book-doctor")).to_have_value(str(other.id))
    page.locator(".book-go").click()
    expect(page.locator(SAID)).to_contain_text("with Dr Other.")
    assert visits(scene)[-1].reason == "Cough"


def test_past_the_rules_by_a_reason(reception: Desk, scene: Scene) -> None:
    page = reception.page
    at = scene.today_at(23, days=1)
    reception.open("desk-book", asked(scene, at) + f"&patient={scene.patients[0].id}")
    expect(page.locator("[data-refusal]")).to_contain_text("Outside working hours")
    page.get_by_text("Book it anyway").click()
    page.get_by_role("button", name="Book past the rules").click()
    expect(page.locator("#book-override_reason")).to_have_attribute("aria-invalid", "true")
    page.locator("#book-override_reason").fill("Emergency")
    page.get_by_role("button", name="Book past the rules").click()
    expect(page.locator(SAID)).to_contain_text("Booked")
    assert visits(scene)[0].override_reason == "Emergency"


def test_a_hold_that_runs_out_says_so_and_comes_back(reception: Desk, scene: Scene) -> None:
    page = reception.page
    page.clock.install()
    reception.open("desk-book", asked(scene, scene.today_at(14, days=1)))
    held(reception)
    page.clock.run_for(4 * 60_000 + 10_000)
    expect(page.locator("#book [data-hold]")).to_have_class(re.compile("hold-soon"))
    expect(page.locator("#announcer")).to_contain_text("one more minute")
    page.clock.run_for(60_000)
    expect(page.locator("[data-over]")).to_be_visible()
    with tenancy.scope([scene.cast.clinic.id]):
        BusyTime.objects.filter(kind="HELD").delete()  # the server's clock has gone on as well
    page.locator("#book-q").press_sequentially("ch")
    page.clock.run_for(2_000)
    held(reception)
    eventually(lambda: len(holds(scene)) == 1)
    expect(page.locator("#book-q")).to_have_value("ch")


def test_a_new_patient_in_place_and_a_warning_of_twins(reception: Desk, scene: Scene) -> None:
    page = reception.page
    reception.open("desk-book", asked(scene, scene.today_at(14, days=1)))
    held(reception)
    page.locator("#book-q").press_sequentially("Chioma Adeyemi")
    expect(page.locator("#book-hit-new")).to_be_visible()
    page.locator("#book-hit-new").click()
    expect(page.locator("#book-new-given_name")).to_have_value("Chioma")
    expect(page.locator("#book-new-given_name")).to_be_focused()
    assert reception.faults("book-new") == []
    page.locator(".book-go").click()
    expect(page.locator("[data-refusal]")).to_contain_text("somebody you know already")
    assert reception.faults("book-alike") == []
    assert len(holds(scene)) == 1
    page.get_by_role("button", name="Use this chart").click()
    expect(page.locator(".chosen")).to_contain_text("Chioma Adeyemi")
    page.locator(".book-go").click()
    expect(page.locator(SAID)).to_contain_text("Booked")
    assert visits(scene)[0].patient_id == scene.patients[2].id


def test_two_receptionists_and_one_time(sit_down: Sit, scene: Scene) -> None:
    at = scene.today_at(14, days=1)
    first, second = sit_down(scene.cast.receptionist), sit_down(scene.cast.clinic_admin)
    first.open("desk-book", asked(scene, at))
    held(first)
    second.open("desk-book", asked(scene, at))
    expect(second.page.locator("[data-refusal]")).to_contain_text("This time is taken")
    second.page.locator(".pick").first.click()
    held(second)
    assert len(holds(scene)) == 2


def test_a_double_click_books_once(reception: Desk, scene: Scene) -> None:
    page = reception.page
    at = scene.today_at(14, days=1)
    reception.open("desk-book", asked(scene, at) + f"&patient={scene.patients[0].id}")
    held(reception)
    page.locator(".book-go").dblclick()
    expect(page.locator(SAID)).to_contain_text("Booked")
    assert len(visits(scene)) == 1


def test_without_javascript(sit_down: Sit, scene: Scene) -> None:
    desk = sit_down(scene.cast.receptionist, java_script_enabled=False)
    page = desk.page
    desk.open("desk-next")
    page.locator(".free-time").first.click()
    page.get_by_role("button", name="Keep this time for me").click()
    expect(page.get_by_text("Kept for you until")).to_be_visible()
    assert len(holds(scene)) == 1
    page.locator("#book-q").fill("adeyemi")
    page.keyboard.press("Enter")
    page.get_by_label("Chioma Adeyemi").check()
    page.locator(".book-go").click()
    expect(page.get_by_text("Booked: Chioma Adeyemi")).to_be_visible()
    assert len(visits(scene)) == 1
    assert holds(scene) == []


def test_the_outsider_types_the_same_and_finds_nobody(sit_down: Sit, scene: Scene) -> None:
    away = build_cast("station", timezone="UTC")
    desk = sit_down(away.receptionist)
    at = scene.today_at(14, days=1)
    query = urlencode({"doctor": away.doctor.id, "starts_at": at.isoformat()})
    desk.page.goto(f"{desk.base}/desk/{away.clinic.slug}/book?{query}")
    desk.page.locator("#book-q").press_sequentially("Chioma")
    expect(desk.page.locator("#book-found")).to_contain_text("Nobody fits")


@pytest.mark.parametrize(
    ("size", "scheme"),
    [(PHONE, "dark"), (LAPTOP, "light"), (WALL, "light")],
    ids=["phone-dark", "laptop", "wall"],
)
def test_the_pages_are_sound(
    sit_down: Sit, scene: Scene, size: tuple[int, int], scheme: str
) -> None:
    viewport = {"width": size[0], "height": size[1]}
    desk = sit_down(scene.cast.receptionist, viewport=viewport, color_scheme=scheme)
    _sound(desk, scene, scheme)


def test_right_to_left(sit_down: Sit, scene: Scene) -> None:
    scene.cast.receptionist.locale = "ar"
    scene.cast.receptionist.save(update_fields=["locale"])
    viewport = {"width": PHONE[0], "height": PHONE[1]}
    desk = sit_down(scene.cast.receptionist, viewport=viewport, locale="ar")
    desk.page.context.add_cookies([{"name": "django_language", "value": "ar", "url": desk.base}])
    _sound(desk, scene, "rtl")
    expect(desk.page.locator("html")).to_have_attribute("dir", "rtl")


def _sound(desk: Desk, scene: Scene, name: str) -> None:
    """Each state of the sheet, and the search for free times."""
    page, faults = desk.page, []
    at = scene.today_at(14, days=1)

    def look(what: str) -> None:
        faults.extend(desk.faults(f"{what}-{name}"))
        if is_too_wide(page):
            faults.append(f"{what} is too wide")

    desk.open("desk-next", f"?patient={scene.patients[1].id}")
    look("next")
    desk.open("desk-book", asked(scene, at))
    held(desk)
    look("book")
    page.locator("#book-q").press_sequentially("chioma")
    fresh(desk, "Chioma")
    look("book-options")
    page.keyboard.press("Enter")
    expect(page.locator(".chosen")).to_be_visible()
    look("book-who")
    page.locator(".chosen button").click()
    page.locator('button[value="new"]').click()
    expect(page.locator("#book-new-given_name")).to_be_visible()
    look("book-chart")
    scene.book(scene.patients[0], at + timedelta(minutes=30))
    page.locator("#book-time").fill("14:30")
    expect(page.locator("[data-refusal]")).to_be_visible()
    look("book-taken")
    desk.open("desk-patient-new")
    look("patient-new")
    desk.open("desk-patient-find", "?q=chioma")
    look("find")
    assert faults == [], "\n".join(faults)


def test_a_page_that_is_slow_does_not_mix_up_what_was_found(reception: Desk, scene: Scene) -> None:
    page = reception.page
    reception.open("desk-book", asked(scene, scene.today_at(14, days=1)))
    held(reception)
    slow = re.compile(r"/find\?q=chi$")
    page.route(slow, _never)
    with page.expect_request(slow):
        page.locator("#book-q").fill("chi")
    page.locator("#book-q").fill("amelia")
    expect(page.locator("[role=option][aria-selected=true]")).to_contain_text("Amelia")
    expect(page.locator("#book-found")).not_to_contain_text("Chioma")


def _never(route: Any) -> None:
    """An answer that does not come."""
