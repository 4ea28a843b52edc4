"""Offers, invitations, follow-ups and the waitlist in a real browser: axe, sizes, the keyboard."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.urls import reverse

from core import tenancy
from followups.models import PlanStatus, WaitlistEntry, WaitlistStatus
from tests.appointments.scene import House
from tests.portal.browser.conftest import EXPECTED, morning
from tests.portal.care import fresh, invited, offered, planned, waiting
from tests.portal.visitor import latest
from tests.support.axe import violations
from tests.support.browser import expect
from tests.support.browser_watch import (
    LAPTOP,
    PHONE,
    is_too_wide,
    shot,
    sign_in,
    tab_to,
    watched_page,
)

pytestmark = pytest.mark.chromium
GONE = (*EXPECTED, "the server responded with a status of 410")


def a_plan(clinic: House, days: int = 5, **fields: Any) -> Any:
    texts = {
        "instructions": "Come without breakfast.\nDrink water.",
        "medications": ["Metformin 500 mg, in the evening"],
        "tests": ["Blood count"],
        "restrictions": ["No alcohol the day before"],
    }
    chosen = {"scheduled_for": morning(days).date(), **texts, **fields}
    return planned(clinic, by=clinic.doctor_user, **chosen).plan


def tour(page: Any, base: str, clinic: House) -> Iterator[str]:
    """Every page of continuing care, by a name for its picture."""

    def go(name: str, *args: Any) -> None:
        page.goto(base + reverse(f"portal-{name}", args=args))

    held = clinic.book(morning(20, 11))
    entry = waiting(clinic, appointment=held["id"])
    token, _ = offered(clinic, entry, morning(2, 9))
    go("offer", token)
    yield "offer"
    alone = waiting(clinic, chart=clinic.add_chart())
    lost, _ = offered(clinic, alone, morning(3, 9))
    clinic.book(morning(3, 9), patient=clinic.add_chart().id)
    go("offer", lost)
    page.locator("main form button.button").first.click()
    yield "offer-lost"
    link = invited(clinic, a_plan(clinic))
    go("follow-up", link)
    yield "follow-up"
    sign_in(page, base, clinic.patient.user)
    go("my")
    yield "my-care"
    a_plan(clinic, 9, duration_minutes=60)
    go("my-follow-ups")
    yield "follow-ups"
    page.locator("main .plan a.button").first.click()
    page.wait_for_url("**/my/follow-ups/*")
    yield "follow-up-time"
    go("my-waitlist")
    yield "waitlist"
    go("my-wish", clinic.clinic.slug)
    page.locator("main form.stack button.button").click()
    page.locator(".field-error").first.wait_for()
    yield "wish-wrong"
    go("my-earlier", held["id"])
    yield "earlier"
    go("follow-up", link)
    page.locator("button.start").first.click()
    page.wait_for_url("**/visit/**")
    go("follow-up", link)
    yield "follow-up-done"


def faults(page: Any, name: str, look: str) -> list[str]:
    shot(page, "portal", f"care-{look}{name}")
    found = [f"{name}: {one}" for one in violations(page)]
    if is_too_wide(page):
        found.append(f"{name}: wider than the window")
    return found


@pytest.mark.parametrize(
    ("look", "size", "language"),
    [("", LAPTOP, "en"), ("dark-", (390, 844), "en"), ("rtl-", PHONE, "ar")],
    ids=["laptop", "dark", "rtl"],
)
def test_pages_are_accessible_and_fit(
    browser: Any, server: str, clinic: House, look: str, size: tuple[int, int], language: str
) -> None:
    with watched_page(
        browser,
        server,
        expected=GONE,
        color_scheme="dark" if look == "dark-" else "light",
        viewport={"width": size[0], "height": size[1]},
    ) as page:
        cookie = {"name": settings.LANGUAGE_COOKIE_NAME, "value": language, "url": server}
        page.context.add_cookies([cookie])
        with_language(clinic, language)
        wrong = []
        for name in tour(page, server, clinic):
            expected = "rtl" if language == "ar" else "ltr"
            assert page.locator("html").get_attribute("dir") == expected, name
            wrong += faults(page, name, look)
    assert wrong == [], "\n".join(wrong)


def with_language(clinic: House, language: str) -> None:
    """What the patient's account says wins over the cookie once they are signed in."""
    clinic.patient.user.locale = language
    clinic.patient.user.save(update_fields=["locale"])


def test_an_offer_is_accepted_and_a_time_chosen_by_keyboard(
    page: Any, server: str, clinic: House
) -> None:
    token, offer = offered(clinic, waiting(clinic), morning(2, 9))
    page.goto(server + reverse("portal-offer", args=[token]))
    tab_to(page, "main form button.button")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Booked. See you then!")).to_be_visible()
    assert latest(clinic).starts_at == offer.starts_at
    plan = a_plan(clinic)
    page.goto(server + reverse("portal-follow-up", args=[invited(clinic, plan)]))
    tab_to(page, "button.start")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Booked. See you then!")).to_be_visible()
    assert fresh(plan).status == PlanStatus.COMPLETED


def test_a_wish_is_entered_and_withdrawn_without_javascript(
    browser: Any, server: str, clinic: House
) -> None:
    with watched_page(
        browser,
        server,
        expected=EXPECTED,
        java_script_enabled=False,
        viewport={"width": PHONE[0], "height": PHONE[1]},
    ) as page:
        sign_in(page, server, clinic.patient.user)
        page.goto(server + reverse("portal-my"))
        page.get_by_role("link", name="My waitlist").click()
        page.get_by_role("link", name="Harbour Street Clinic").last.click()
        page.get_by_label("First visit").check()
        page.get_by_label("Tuesday").check()
        page.get_by_label("Not before").fill("08:00")
        page.get_by_label("Last day").fill((morning() + timedelta(days=20)).date().isoformat())
        page.get_by_role("button", name="Put me on the waitlist").click()
        expect(page.get_by_text("We will tell you when a time becomes free.")).to_be_visible()
        page.get_by_role("button", name="Do not wait any more").click()
        expect(page.get_by_text("You do not wait for this any more.").first).to_be_visible()
    with tenancy.scope([clinic.clinic.id]):
        assert WaitlistEntry.objects.get().status == WaitlistStatus.WITHDRAWN
