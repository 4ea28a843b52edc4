"""A session that ended while somebody typed at the desk: their words are there again, for them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.models import Session

from accounts.models import User
from tests.backoffice.browser.scene import PASSWORD, Scene
from tests.dashboard.browser.conftest import Desk
from tests.support.browser import expect

pytestmark = pytest.mark.chromium

Sit = Callable[..., Desk]
TYPED = "née Müller, عرج خفيف 🙂"


@pytest.fixture
def receptionist(scene: Scene) -> User:
    return _with_password(scene.cast.receptionist)


def _with_password(user: User) -> User:
    user.set_password(PASSWORD)
    user.save(update_fields=["password"])
    return user


def sign_in_by_hand(page: Any, user: User) -> None:
    """On the sign-in page on which the person now is."""
    expect(page.locator("#id_password")).to_be_visible()
    page.locator("#id_login").fill(user.email)
    page.locator("#id_password").fill(PASSWORD)
    page.locator("#id_password").press("Enter")
    page.wait_for_url(lambda url: "/sign-in" not in url)


def at_the_sign_in(desk: Desk, user: User) -> None:
    """Signed in by the page, so that the device knows who it was."""
    desk.page.goto(f"{desk.base}/sign-in?next={desk.address('desk-today')}")
    sign_in_by_hand(desk.page, user)


@pytest.mark.parametrize("scripted", [True, False], ids=["htmx", "no-script"])
def test_what_was_typed_is_there_after_signing_in_again(
    sit_down: Sit, scene: Scene, receptionist: User, scripted: bool
) -> None:
    visit = scene.book(scene.patients[0], scene.today_at(14))
    desk = sit_down(None, java_script_enabled=scripted)
    page = desk.page
    at_the_sign_in(desk, receptionist)
    if scripted:
        page.locator(f"#v{visit.id}").click()
        page.locator("#panel").get_by_role("link", name="Edit", exact=True).click()
    else:
        desk.open("desk-visit-edit", visit_id=visit.id)
    text = page.locator("textarea[name=notes]")
    text.fill(TYPED)
    Session.objects.all().delete()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".page")).to_contain_text("what you had typed is still there")
    desk.shot(f"resume-{'htmx' if scripted else 'plain'}")
    sign_in_by_hand(page, receptionist)
    expect(text).to_have_value(TYPED)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("definition").filter(has_text=TYPED)).to_be_visible()


def test_another_person_sees_nothing_of_it(sit_down: Sit, scene: Scene, receptionist: User) -> None:
    visit = scene.book(scene.patients[0], scene.today_at(14))
    admin = _with_password(scene.admin)
    desk = sit_down(None)
    page = desk.page
    at_the_sign_in(desk, receptionist)
    desk.open("desk-visit-edit", visit_id=visit.id)
    text = page.locator("textarea[name=notes]")
    text.fill(TYPED)
    Session.objects.all().delete()
    page.get_by_role("button", name="Save", exact=True).click()
    sign_in_by_hand(page, admin)
    expect(text).to_have_value("")
    assert TYPED not in page.content()


def test_a_board_whose_session_ended_does_not_throw_away_a_form(
    sit_down: Sit, scene: Scene, receptionist: User
) -> None:
    """The board asks again and learns that it is signed out: it waits for the form to be sent."""
    visit = scene.book(scene.patients[0], scene.today_at(14))
    desk = sit_down(None)
    page = desk.page
    at_the_sign_in(desk, receptionist)
    page.locator(f"#v{visit.id}").click()
    page.locator("#panel").get_by_role("link", name="Edit", exact=True).click()
    text = page.locator("textarea[name=notes]")
    text.fill(TYPED)
    Session.objects.all().delete()
    with page.expect_response("**/columns?**") as asked:
        scene.book(scene.patients[1], scene.today_at(15))
    assert asked.value.status == 302
    expect(text).to_have_value(TYPED)
    page.get_by_role("button", name="Save", exact=True).click()
    sign_in_by_hand(page, receptionist)
    expect(text).to_have_value(TYPED)


def test_a_board_without_a_form_goes_to_the_sign_in_and_back(
    sit_down: Sit, scene: Scene, receptionist: User
) -> None:
    visit = scene.book(scene.patients[0], scene.today_at(14))
    desk = sit_down(None)
    page = desk.page
    at_the_sign_in(desk, receptionist)
    expect(page.locator("#live")).to_have_attribute("data-state", "open")
    Session.objects.all().delete()
    scene.book(scene.patients[1], scene.today_at(15))
    page.wait_for_url("**/sign-in?**")
    sign_in_by_hand(page, receptionist)
    expect(page.locator(f"#v{visit.id}")).to_be_visible()
