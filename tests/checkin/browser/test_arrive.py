"""A patient's own phone in a real browser: from the poster to the call."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings

from checkin.push import vapid
from checkin.services import queue
from core import tenancy
from tests.appointments.scene import House, house
from tests.checkin.arrivals import device, pass_of, point, poster_of, scan, visit
from tests.checkin.patients import PHONE as NUMBER
from tests.checkin.patients import Phone, sent_to, with_phone
from tests.support.axe import violations
from tests.support.browser import expect
from tests.support.browser_watch import (
    LAPTOP,
    PHONE,
    WALL,
    is_too_wide,
    shot,
    sign_in,
    watched_page,
)
from tests.support.polling import eventually

pytestmark = pytest.mark.chromium
EXPECTED = tuple(f"a status of {status}" for status in (400, 401, 403, 404, 409, 410))
AT_THE_GATE = {"latitude": 52.5163, "longitude": 13.3777, "accuracy": 12}


@pytest.fixture
def _messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text messages and pushes are set up; what would be sent is read from the outbox."""
    monkeypatch.setenv("SMS_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("SMS_TOKEN", "sesame")
    monkeypatch.setenv("VAPID_SUBJECT", "mailto:clinic@example.org")
    monkeypatch.setenv("VAPID_PRIVATE_KEY", vapid.new_private_key())
    monkeypatch.setenv("RATE_LIMIT_SCALE", "100")


@pytest.fixture
def base(_messages: None, live_asgi: str) -> str:
    return live_asgi


@pytest.fixture
def clinic(base: str) -> House:
    """A clinic where it is about noon, whenever this runs."""
    made = house("quay", zone=f"Etc/GMT{datetime.now(tz=UTC).hour - 12:+d}")
    made.policy(name="Harbour Street Clinic", phone="+4930901820000", colour="#7a2d8f")
    return made


def phone_of(browser: Any, base: str, size: tuple[int, int] = PHONE, **options: Any) -> Any:
    return watched_page(
        browser,
        base,
        expected=EXPECTED,
        viewport={"width": size[0], "height": size[1]},
        **options,
    )


@pytest.fixture
def page(browser: Any, base: str, clinic: House) -> Iterator[Any]:
    with phone_of(browser, base) as found:
        yield found


def test_from_the_poster_over_a_code_to_the_number(page: Any, base: str, clinic: House) -> None:
    came = visit(clinic, 10, chart=with_phone(clinic.chart))
    page.goto(f"{base}/Q/{poster_of(point(clinic))}")
    page.get_by_label("Your phone number", exact=True).fill("+49 30 901820111")
    page.get_by_role("button", name="Send me a code").click()
    expect(page.get_by_text("is on its way to it")).to_be_visible()
    ((to, code),) = sent_to(clinic)
    assert to == NUMBER
    page.get_by_label("The 6 digits").fill(code)
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="I am here: check in").click()
    expect(page.get_by_text("A001")).to_be_visible()
    expect(page.get_by_text("You are next", exact=True)).to_be_visible()
    assert page.url == f"{base}/place"
    with tenancy.scope([clinic.clinic.id]):
        came.refresh_from_db()
    assert came.status == "CHECKED_IN"


def test_the_call_reaches_the_phone(page: Any, base: str, clinic: House) -> None:
    """By the personal link, and live: nobody touches the page."""
    arrived(clinic, 0)
    came = visit(clinic, 10)
    page.goto(base + Phone(clinic).link(came))
    expect(page.get_by_role("img", name="QR code to check in")).to_be_visible()
    page.goto(f"{base}/q/{poster_of(point(clinic))}")
    page.get_by_role("button", name="I am here: check in").click()
    expect(page.get_by_text("1 with an earlier appointment")).to_be_visible()
    call(clinic)
    expect(page.get_by_text("You are next", exact=True)).to_be_visible()
    assert page.get_by_role("button", name="Tell me when it is my turn").is_visible()
    call(clinic)
    expect(page.get_by_text("Please come in", exact=True)).to_be_visible()
    expect(page.get_by_text("Room 1", exact=True)).to_be_visible()
    assert page.title().startswith("● Please come in")
    said = page.locator("#place-said")
    assert "please come in" in said.inner_text()


def test_where_the_clinic_asks_for_it_the_phone_says_where_it_is(
    browser: Any, base: str, clinic: House
) -> None:
    visit(clinic, 0, chart=clinic.chart)
    gate = point(clinic, latitude="52.516275", longitude="13.377704", geofence_metres=100)
    with phone_of(browser, base, geolocation=AT_THE_GATE, permissions=["geolocation"]) as near:
        sign_in(near, base, clinic.patient.user)
        near.goto(f"{base}/q/{poster_of(gate)}")
        shot(near, "arrive", "where")
        near.get_by_role("button", name="I am here: check in").click()
        expect(near.get_by_text("A001")).to_be_visible()
    visit(clinic, 5, chart=clinic.chart)
    with phone_of(browser, base) as silent:  # nobody lets it say anything
        sign_in(silent, base, clinic.patient.user)
        silent.goto(f"{base}/q/{poster_of(gate)}")
        silent.get_by_role("button", name="I am here: check in").click()
        expect(silent.get_by_text("Your phone does not say that you are here")).to_be_visible()
        shot(silent, "arrive", "outside")


def test_it_works_without_javascript(browser: Any, base: str, clinic: House) -> None:
    visit(clinic, 10, chart=with_phone(clinic.chart))
    with phone_of(browser, base, java_script_enabled=False) as page:
        page.goto(f"{base}/q/{poster_of(point(clinic))}")
        page.get_by_label("Your phone number", exact=True).fill(NUMBER)
        page.get_by_role("button", name="Send me a code").click()
        page.get_by_label("The 6 digits").fill(sent_to(clinic)[-1][1])
        page.get_by_role("button", name="Go on").click()
        page.get_by_role("button", name="I am here: check in").click()
        expect(page.get_by_text("A001")).to_be_visible()


def arrived(clinic: House, minutes: float, **fields: Any) -> None:
    assert scan(device(clinic), pass_of(visit(clinic, minutes, **fields)))["code"] is None


def call(clinic: House) -> None:
    """The next one, into the room."""
    with tenancy.scope(tenancy.SYSTEM):
        called = queue.call_next(
            by=clinic.admin.principal(), location=clinic.location.id, room=clinic.room.id
        )
    assert called is not None


def tour(page: Any, base: str, clinic: House) -> Iterator[str]:
    """Every page of the way, by a name for its picture."""
    poster = poster_of(point(clinic))
    page.goto(f"{base}/q/nothing")
    yield "no-code"
    page.goto(f"{base}/q/{poster}")
    yield "who"
    page.locator("input[name=phone]").fill("+49 30 901820111")
    page.locator("main form[action$=phone] button").click()
    page.wait_for_url("**/code")
    page.locator("input[name=digits]").fill("12")
    page.locator("main form[action$=code] button").click()
    page.locator(".field-error").first.wait_for()
    yield "code-wrong"
    early = visit(clinic, 100, chart=clinic.chart)
    page.goto(base + Phone(clinic).link(early))
    yield "visit-with-pass"
    page.goto(f"{base}/q/{poster}")
    yield "too-early"
    page.goto(base + Phone(clinic).link(early, "place"))
    yield "place-before"
    for minutes in (0, 20):
        page.goto(base + Phone(clinic).link(visit(clinic, minutes)))
    for minutes in range(-20, 0, 5):
        arrived(clinic, minutes, priority="URGENT" if minutes == -5 else "NORMAL")
    page.goto(f"{base}/q/{poster}")
    yield "several"
    page.locator("button.arrive-go").click()
    page.wait_for_url("**/place")
    yield "place-waiting"
    for _one in range(5):
        call(clinic)
    page.reload()
    yield "place-called"


def faults(page: Any, name: str, look: str = "") -> list[str]:
    shot(page, "arrive", f"{look}{name}")
    found = [f"{name}: {one}" for one in violations(page)]
    return [*found, f"{name}: wider than the window"] if is_too_wide(page) else found


@pytest.mark.parametrize(
    ("look", "size", "options", "language"),
    [
        ("", PHONE, {}, "en"),
        ("", LAPTOP, {}, "en"),
        ("", WALL, {}, "en"),
        ("dark-", PHONE, {"color_scheme": "dark"}, "en"),
        ("rtl-", PHONE, {}, "ar"),
    ],
    ids=["phone", "laptop", "wall", "dark", "rtl"],
)
def test_pages_are_accessible_and_fit(
    browser: Any,
    base: str,
    clinic: House,
    look: str,
    size: tuple[int, int],
    options: dict[str, Any],
    language: str,
) -> None:
    with phone_of(browser, base, size, **options) as page:
        page.context.add_cookies(
            [{"name": settings.LANGUAGE_COOKIE_NAME, "value": language, "url": base}]
        )
        found = [fault for name in tour(page, base, clinic) for fault in faults(page, name, look)]
    assert found == [], "\n".join(found)


def test_the_phone_is_asked_before_it_is_told(browser: Any, base: str, clinic: House) -> None:
    """Where the browser may not show messages, the page says what to do instead."""
    arrived(clinic, 0, chart=clinic.chart)
    with phone_of(browser, base) as page:
        sign_in(page, base, clinic.patient.user)
        page.goto(f"{base}/place")
        page.get_by_role("button", name="Tell me when it is my turn").click()
        said = page.locator("#push-said")
        assert eventually(said.is_visible)
        assert said.inner_text() != ""
        shot(page, "arrive", "push")
