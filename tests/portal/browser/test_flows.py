"""Booking in a real browser: on a phone, by keyboard, without JavaScript, and with the hold."""

from typing import Any

import pytest
from django.urls import reverse

from appointments.models import BusyTime, Claim
from core import tenancy
from tests.appointments.scene import House
from tests.portal.browser.conftest import EXPECTED, morning
from tests.portal.visitor import count, latest
from tests.support.browser import expect
from tests.support.browser_watch import LAPTOP, PHONE, WALL, shot, tab_to, watched_page
from tests.support.polling import eventually

pytestmark = pytest.mark.chromium


def holds(clinic: House) -> int:
    with tenancy.scope([clinic.clinic.id]):
        return BusyTime.objects.filter(clinic=clinic.clinic, kind=Claim.HELD).count()


def fill(page: Any) -> None:
    """What a guest types."""
    for label, value in (
        ("Given name", "Amal"),
        ("Family name", "Haddad"),
        ("Day", "7"),
        ("Month", "3"),
        ("Year", "1991"),
        ("Phone", "+49 30 901820001"),
    ):
        page.get_by_label(label, exact=True).fill(value)


def book(page: Any, server: str, clinic: House) -> None:
    """From the clinic's page to the visit."""
    page.goto(server + reverse("portal-clinic", args=[clinic.clinic.slug]))
    page.get_by_role("link", name="First visit").click()
    page.get_by_role("link", name="Later").click()
    page.locator("button.start").nth(2).click()
    expect(page.get_by_role("heading", name="Almost done")).to_be_visible()
    fill(page)
    page.get_by_role("button", name="Book this visit").click()
    expect(page.get_by_role("heading", name="Booked. See you then!")).to_be_visible()


@pytest.mark.parametrize("size", [PHONE, LAPTOP, WALL], ids=["phone", "laptop", "wall"])
def test_a_guest_books_moves_and_cancels(
    page: Any, server: str, clinic: House, size: tuple[int, int]
) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    book(page, server, clinic)
    link = page.get_by_role("textbox", name="Your personal link").input_value()
    page.goto(link)
    page.get_by_role("button", name="Yes, I will come").click()
    expect(page.get_by_text("Thank you. The clinic knows")).to_be_visible()
    shot(page, "portal", "flow-confirmed")
    before = latest(clinic).starts_at
    page.get_by_role("link", name="Move it").click()
    page.locator("button.start").first.click()
    expect(page.get_by_text("Your visit has its new time.")).to_be_visible()
    assert latest(clinic).starts_at != before
    page.get_by_role("link", name="Cancel it").click()
    page.get_by_label("I cannot come at this time").check()
    page.get_by_role("button", name="Cancel the visit").click()
    expect(page.get_by_text("Your visit is cancelled.")).to_be_visible()
    shot(page, "portal", "flow-cancelled")
    assert latest(clinic).status == "CANCELLED"


def test_it_works_without_javascript(browser: Any, server: str, clinic: House) -> None:
    with watched_page(
        browser,
        server,
        expected=EXPECTED,
        java_script_enabled=False,
        viewport={"width": PHONE[0], "height": PHONE[1]},
    ) as page:
        page.goto(server + reverse("portal-clinic", args=[clinic.clinic.slug]))
        page.get_by_role("link", name="Vaccination").click()
        page.get_by_text("Anyone who is free").first.click()
        page.get_by_role("link", name="Dr More").click()
        page.locator("button.start").last.click()
        expect(page.get_by_text("Kept for you until")).to_be_visible()
        shot(page, "portal", "flow-plain-details")
        fill(page)
        page.get_by_role("button", name="Book this visit").click()
        expect(page.get_by_role("heading", name="Booked. See you then!")).to_be_visible()
        page.get_by_role("link", name="Cancel it").click()
        page.get_by_label("I booked it by mistake").check()
        page.get_by_role("button", name="Cancel the visit").click()
        expect(page.get_by_text("Your visit is cancelled.")).to_be_visible()
    assert latest(clinic).status == "CANCELLED"


def test_it_works_by_keyboard_alone(page: Any, server: str, clinic: House) -> None:
    page.goto(server + reverse("portal-clinic", args=[clinic.clinic.slug]))
    tab_to(page, "a.tile")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{clinic.service.id}")
    tab_to(page, ".choice-list summary")
    page.keyboard.press("Enter")
    tab_to(page, ".choice-list li:nth-child(2) a")
    page.keyboard.press("Enter")
    page.wait_for_url("**doctor=**")
    tab_to(page, "button.start")
    page.keyboard.press("Enter")
    page.wait_for_url("**/book?**")
    for name, value in (
        ("given_name", "Amal"),
        ("birth_day", "7"),
        ("birth_month", "3"),
        ("birth_year", "1991"),
        ("email", "amal@example.org"),
    ):
        tab_to(page, f"[name={name}]")
        page.keyboard.type(value)
    tab_to(page, "#details button.button")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Booked. See you then!")).to_be_visible()
    page.goto(page.url.partition("?")[0])
    tab_to(page, "main form button.button")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Thank you. The clinic knows")).to_be_visible()
    assert latest(clinic).status == "CONFIRMED"


def test_the_hold_runs_down_and_goes_back_when_one_leaves(
    page: Any, server: str, clinic: House
) -> None:
    times = reverse("portal-times", args=[clinic.clinic.slug, clinic.service.id])
    page.goto(f"{server}{times}?from={morning().date()}")
    page.locator("button.start").first.click()
    timer = page.get_by_role("timer")
    expect(timer).to_contain_text("Kept for you for 4:5")
    assert holds(clinic) == 1
    page.get_by_role("link", name="Other times").click()
    expect(page.locator("button.start").first).to_be_visible()
    eventually(lambda: holds(clinic) == 0)
    # Who goes to sign in keeps it.
    page.locator("button.start").first.click()
    page.get_by_role("main").get_by_role("link", name="Sign in").click()
    expect(page.get_by_label("Password")).to_be_visible()
    assert holds(clinic) == 1
    page.goto(f"{server}{times}?from={morning().date()}")
    # By the button, too.
    page.locator("button.start").first.click()
    page.get_by_role("button", name="Give this time back").click()
    expect(page.locator("button.start").first).to_be_visible()
    assert holds(clinic) == 1  # the one that was kept over the sign-in, of another day


def test_a_hold_that_runs_out_says_so_and_loses_nothing(
    page: Any, server: str, clinic: House
) -> None:
    times = reverse("portal-times", args=[clinic.clinic.slug, clinic.service.id])
    page.clock.install()
    page.goto(f"{server}{times}?from={morning().date()}")
    page.locator("button.start").first.click()
    timer, said = page.get_by_role("timer"), page.locator("[data-hold-said]")
    expect(timer).to_contain_text("Kept for you for")
    fill(page)
    page.clock.run_for(3 * 60_000 + 2_000)
    expect(said).to_have_text("Two minutes left")
    page.clock.run_for(60_000)
    expect(said).to_have_text("One minute left")
    page.clock.run_for(30_000)
    expect(said).to_have_text("Thirty seconds left")
    page.clock.run_for(40_000)
    expect(timer).to_contain_text("not kept for you any more")
    shot(page, "portal", "flow-hold-gone")
    expect(page.get_by_label("Given name")).to_have_value("Amal")
    page.get_by_role("button", name="Book this visit").click()
    expect(page.get_by_role("heading", name="Booked. See you then!")).to_be_visible()


def test_two_clicks_on_book_are_one_visit(page: Any, server: str, clinic: House) -> None:
    times = reverse("portal-times", args=[clinic.clinic.slug, clinic.service.id])
    page.goto(f"{server}{times}?from={morning().date()}")
    page.locator("button.start").first.dblclick()
    page.wait_for_url("**/book?**")
    fill(page)
    page.get_by_role("button", name="Book this visit").dblclick()
    expect(page.get_by_role("heading", name="Booked. See you then!")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Booked. See you then!")).to_be_visible()
    assert count(clinic) == 1
