"""Search and shortcuts in a browser: by keyboard alone, and nothing that axe has to complain of."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.backoffice.browser.scene import Scene
from tests.casts import build_cast, build_patient
from tests.dashboard.browser.conftest import Desk
from tests.support.browser import expect
from tests.support.browser_watch import LAPTOP, PHONE, WALL, is_too_wide
from tests.support.polling import eventually

pytestmark = pytest.mark.chromium

Sit = Callable[..., Desk]
NAME = "Okonkwo-Lindqvist"


def chosen(desk: Desk) -> Any:
    """The option that Enter would open."""
    return desk.page.locator("#palette [role=option][aria-selected=true]")


def size(of: tuple[int, int], **more: Any) -> dict[str, Any]:
    return {"viewport": {"width": of[0], "height": of[1]}, **more}


def test_from_anywhere_to_a_patients_card_by_keyboard_alone(reception: Desk, scene: Scene) -> None:
    scene.book(scene.patients[0], scene.today_at(14))
    reception.open("desk-leave")
    page = reception.page
    page.keyboard.press("/")
    expect(page.locator("#palette-q")).to_be_focused()
    expect(chosen(reception)).to_contain_text("Today")
    page.keyboard.type("okonkwo lindqist")  # with a typing error
    expect(chosen(reception)).to_contain_text(NAME)
    expect(page.locator("#palette-q")).to_have_attribute(
        "aria-activedescendant", "palette-patients-1"
    )
    page.keyboard.press("ArrowDown")
    expect(chosen(reception)).to_contain_text("Scheduled")  # the visit
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(chosen(reception)).to_contain_text("14 Feb 1987")
    page.keyboard.press("Enter")
    expect(page.locator("#panel h2")).to_contain_text(NAME)
    expect(page.locator("#panel h2")).to_be_focused()
    expect(page.locator("#palette")).not_to_be_visible()


def test_escape_closes_it_and_gives_the_focus_back(reception: Desk) -> None:
    reception.open("desk-patients", "?q=zzz")
    page = reception.page
    reception.tab_to("[data-palette]")
    page.keyboard.press("Enter")
    expect(page.locator("#palette")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).not_to_be_visible()
    assert page.evaluate("document.activeElement.matches('[data-palette]')")


def test_an_answer_that_comes_late_is_thrown_away(reception: Desk, scene: Scene) -> None:
    reception.open("desk-leave")
    page = reception.page
    page.evaluate(
        """() => { const real = window.fetch; window.fetch = async (...args) => {
            const slow = String(args[0]).endsWith("q=okon");
            const answer = await real(args[0], {...args[1], signal: undefined});
            if (slow) { window.wasSlow = true;
                        await new Promise((go) => { window.letGo = go; }); }
            return answer; }; }"""
    )
    page.keyboard.press("/")
    page.locator("#palette-q").fill("okon")
    assert eventually(lambda: page.evaluate("Boolean(window.letGo)"))
    page.locator("#palette-q").fill("adeyemi")
    expect(chosen(reception)).to_contain_text("Adeyemi")
    page.evaluate("window.letGo()")
    page.evaluate("() => new Promise((go) => requestAnimationFrame(() => setTimeout(go)))")
    expect(chosen(reception)).to_contain_text("Adeyemi")


def test_keys_do_their_act_but_not_while_somebody_types(reception: Desk) -> None:
    reception.open("desk-patients", "?q=adeyemi")
    page = reception.page
    page.locator("#search-q").focus()
    page.keyboard.press("End")
    page.keyboard.type("t/?")
    assert page.locator("#search-q").input_value() == "adeyemit/?"
    assert page.url.endswith("/patients?q=adeyemi")
    page.locator("h1").click()
    page.keyboard.press("Alt+t")
    assert page.url.endswith("/patients?q=adeyemi")
    with page.expect_navigation():
        page.keyboard.press("t")
    assert page.url.endswith("/day")


def test_the_shortcuts_are_shown_and_can_be_turned_off(reception: Desk) -> None:
    reception.open("desk-today")
    page = reception.page
    page.keyboard.press("?")
    shown = page.locator("#shortcuts")
    expect(shown).to_be_visible()
    for words in ("Search", "Undo the last act", "The day after", "Requests"):
        expect(shown).to_contain_text(words)
    assert reception.faults("shortcuts", ("#shortcuts",)) == []
    page.locator("#shortcuts-on").uncheck()
    page.keyboard.press("Escape")
    reception.open("desk-patients")
    page.locator("h1").click()
    page.keyboard.press("/")
    page.keyboard.press("t")
    expect(page.locator("#palette")).not_to_be_visible()
    # Not single keys: so they still work, and lead back to the switch.
    page.keyboard.press("Control+k")
    expect(page.locator("#palette")).to_be_visible()
    page.locator("#palette-q").fill("")
    page.locator("#palette-start-keys").click()
    expect(page.locator("#shortcuts-on")).not_to_be_checked()
    page.locator("#shortcuts-on").check()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.locator("#palette")).to_be_visible()


def test_signing_out_from_the_palette(reception: Desk) -> None:
    reception.open("desk-leave")
    page = reception.page
    page.keyboard.press("/")
    page.keyboard.type("sign out")
    expect(chosen(reception)).to_contain_text("Sign out")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    reception.open("desk-patients")
    assert "/sign-in" in page.url


def test_a_lost_connection_is_said(reception: Desk) -> None:
    reception.open("desk-leave")
    page = reception.page
    page.keyboard.press("/")
    expect(page.locator("#palette-q")).to_be_focused()
    page.evaluate("() => { window.fetch = () => Promise.reject(new TypeError('lost')); }")
    page.keyboard.type("okonkwo")
    expect(page.locator("#palette-said")).to_have_text("The search did not answer. Try again.")


def test_the_outsider_types_the_same_and_finds_nothing(sit_down: Sit, scene: Scene) -> None:
    away = build_cast("station")
    build_patient(away.clinic, "Ottilie", "Somebody")
    desk = sit_down(away.receptionist)
    desk.page.goto(f"{desk.base}/desk/{away.clinic.slug}/leave")
    desk.page.keyboard.press("/")
    desk.page.keyboard.type(NAME)
    expect(desk.page.locator("#palette-said")).to_have_text("Nothing was found")


@pytest.mark.parametrize(
    ("of", "scheme"),
    [(PHONE, "dark"), (LAPTOP, "light"), (WALL, "light")],
    ids=["phone-dark", "laptop", "wall"],
)
def test_pages_of_patients_and_search_are_sound(
    sit_down: Sit, scene: Scene, of: tuple[int, int], scheme: str
) -> None:
    visit = scene.book(scene.patients[0], scene.today_at(14))
    assert visit.id
    desk = sit_down(scene.cast.receptionist, **size(of, color_scheme=scheme))
    page, faults = desk.page, []
    patient = {"patient_id": scene.patients[0].id}
    for name, query, parts in (
        ("desk-patients", "", {}),
        ("desk-patients", "?q=okonkwo", {}),
        ("desk-patient", "", patient),
        ("desk-patient-edit", "", patient),
        ("desk-search", "?q=okonkwo", {}),
        ("desk-search", "", {}),
    ):
        desk.open(name, query, **parts)
        faults += desk.faults(f"{name}{'-found' if query else ''}-{scheme}")
        assert not is_too_wide(page), name
    desk.open("desk-patients", "?q=okonkwo")
    page.locator("tbody th a").first.click()
    expect(page.locator("#panel h2")).to_contain_text(NAME)
    faults += desk.faults(f"patient-panel-{scheme}")
    page.locator("[data-palette]").click()
    page.locator("#palette-q").fill("okonkwo")
    expect(chosen(desk)).to_contain_text(NAME)
    faults += desk.faults(f"palette-{scheme}", ("#palette",))
    assert faults == []


def test_right_to_left(sit_down: Sit, scene: Scene) -> None:
    scene.book(scene.patients[0], scene.today_at(14))
    scene.cast.receptionist.locale = "ar"
    scene.cast.receptionist.save(update_fields=["locale"])
    desk = sit_down(scene.cast.receptionist, **size(PHONE, locale="ar"))
    page = desk.page
    page.context.add_cookies([{"name": "django_language", "value": "ar", "url": desk.base}])
    desk.open("desk-patient", patient_id=scene.patients[0].id)
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    faults = desk.faults("patient-rtl")
    assert not is_too_wide(page)
    desk.open("desk-patients", "?q=okonkwo")
    faults += desk.faults("patients-rtl")
    page.locator("[data-palette]").click()
    page.locator("#palette-q").fill("okonkwo")
    expect(chosen(desk)).to_contain_text(NAME)
    assert faults + desk.faults("palette-rtl", ("#palette",)) == []
