"""Signing in and one's own account: light and dark, both directions, phone and laptop."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

from accounts.models import User
from tests.casts import build_user
from tests.support.axe import violations
from tests.support.browser import expect
from tests.support.browser_watch import LAPTOP, PHONE, is_too_wide, shot, sign_in, watched_page

pytestmark = pytest.mark.chromium
PASSWORD = "a-long-enough-passphrase"
#: An unknown address is answered with a 404, a refused sign-in with a 401.
EXPECTED = ("status of 400", "status of 401", "status of 404")


@pytest.fixture
def user(live_wsgi: str) -> User:
    """Somebody with a long name and a password."""
    found = build_user("amelia", phone="+493012345678", family_name="Okonkwo-Lindqvist")
    found.set_password(PASSWORD)
    found.save(update_fields=["password"])
    return found


@pytest.fixture
def page(browser: Any, live_wsgi: str) -> Iterator[Any]:
    """A watched page where nobody is signed in."""
    with watched_page(browser, live_wsgi, expected=EXPECTED) as watched:
        yield watched


def prefer(page: Any, base: str, language: str, theme: str) -> None:
    """As the choices at the foot of a page do."""
    cookies = {settings.LANGUAGE_COOKIE_NAME: language, "theme": theme}
    page.context.add_cookies(
        [{"name": name, "value": value, "url": base} for name, value in cookies.items()]
    )


def tour(page: Any, base: str, user: User) -> Iterator[str]:
    """Every page, by a name for its picture."""
    page.goto(f"{base}/sign-in")
    yield "sign-in"
    page.get_by_role("textbox").first.fill("nobody@example.test")
    page.locator("#id_password").fill("wrong")
    page.locator("#id_password").press("Enter")
    page.locator(".notice-error").wait_for()
    yield "sign-in-refused"
    page.goto(f"{base}/")
    yield "home"
    page.goto(f"{base}/no-such-page")
    yield "error"
    sign_in(page, base, user)
    page.goto(f"{base}/account")
    yield "account"
    page.goto(f"{base}/account/password")
    yield "password"
    page.locator("#id_old").fill("wrong")
    page.locator("#id_new").fill("short")
    page.locator("#id_again").fill("shorter")
    page.locator("#id_again").press("Enter")
    page.locator(".field-error").first.wait_for()
    yield "password-refused"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "ar"])
def test_every_page_at_two_sizes(
    page: Any, live_wsgi: str, user: User, language: str, theme: str
) -> None:
    User.objects.filter(pk=user.pk).update(locale=language)
    prefer(page, live_wsgi, language, theme)
    wrong: list[str] = []
    for name in tour(page, live_wsgi, user):
        html = page.locator("html")
        expect(html).to_have_attribute("dir", "rtl" if language == "ar" else "ltr")
        expect(html).to_have_attribute("data-theme", theme)
        for width, height in (PHONE, LAPTOP):
            page.set_viewport_size({"width": width, "height": height})
            shot(page, "account", f"{name}-{language}-{theme}")
            wrong += [f"{name} {width}: {one}" for one in violations(page)]
            if is_too_wide(page):
                wrong.append(f"{name} is wider than {width} pixels")
    assert not wrong, "\n".join(wrong)


def ground(page: Any) -> str:
    """The colour behind everything."""
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_colours_follow_the_device_until_one_chooses(page: Any, live_wsgi: str) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(f"{live_wsgi}/sign-in")
    light = ground(page)
    page.emulate_media(color_scheme="dark")
    dark = ground(page)
    assert light != dark
    page.get_by_role("button", name="Light").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert ground(page) == light
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.emulate_media(color_scheme="light")
    assert ground(page) == dark
    page.emulate_media(media="print")
    assert ground(page) == light, "paper is white"


def test_what_one_types_can_be_seen_and_is_sent_as_a_password(
    page: Any, live_wsgi: str, user: User
) -> None:
    page.goto(f"{live_wsgi}/sign-in?next=/account")
    page.get_by_label("Email or phone").fill("+49 30 12345678")
    field = page.locator("#id_password")
    field.fill(PASSWORD)
    page.get_by_role("button", name="Show").click()
    expect(field).to_have_attribute("type", "text")
    page.get_by_role("button", name="Hide").click()
    expect(field).to_have_attribute("type", "password")
    field.press("Enter")
    expect(page.get_by_role("heading", name="My account")).to_be_visible()


def test_a_visitor_reads_arabic_and_then_english_again(page: Any, live_wsgi: str) -> None:
    page.goto(f"{live_wsgi}/sign-in")
    page.get_by_role("button", name="العربية").click()
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("dir", "ltr")
    assert page.url == f"{live_wsgi}/sign-in"
