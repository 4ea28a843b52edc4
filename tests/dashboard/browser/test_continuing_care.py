"""Continuing care in a browser: by keyboard, in every size, light and dark, both directions."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from accounts.models import User
from appointments.models import AppointmentSeries
from appointments.services.booking import appointment_book
from appointments.services.series import series_create
from core import clock, tenancy
from followups.models import ContactAttempt, FollowUpPlan, OpeningCause
from followups.services.contact import contact_record
from followups.services.offers import offer_by_hand
from followups.services.openings import opening_make
from followups.services.plan_changes import plans_mark_overdue
from followups.services.plans import plan_create
from followups.services.waitlist import entry_create
from tests.backoffice.browser.scene import Scene
from tests.casts import build_patient
from tests.dashboard.browser.conftest import Desk
from tests.support.browser import expect
from tests.support.browser_watch import LAPTOP, PHONE, WALL, is_too_wide

pytestmark = pytest.mark.chromium

Sit = Callable[..., Desk]


def due(scene: Scene, number: int, days: int, **wish: Any) -> FollowUpPlan:
    """A plan that waits; its date lies `days` before today."""
    cast, today = scene.cast, scene.today_at(0).date()
    with scene.acting() as by:
        made = plan_create(
            by=by,
            patient=scene.patients[number].id,
            doctor=cast.doctor.id,
            service=cast.service.id,
            location=cast.location.id,
            scheduled_for=today + timedelta(days=1),
            book=False,
            **wish,
        ).plan
        FollowUpPlan.objects.filter(pk=made.pk).update(scheduled_for=today - timedelta(days=days))
    return made


def recalled(scene: Scene) -> None:
    """An urgent plan that is late, one asked about in vain, one that is due."""
    due(scene, 0, 16, priority="URGENT", follow_up_type="surgery", instructions="Fasting")
    vain = due(scene, 1, 4)
    due(scene, 2, 0, follow_up_type="therapy")
    with scene.acting() as by:
        contact_record(by=by, plan_id=vain.id, channel="PHONE", outcome="NO_ANSWER", note="Noon")
    with tenancy.scope(tenancy.SYSTEM):
        plans_mark_overdue()


def waiting(scene: Scene) -> None:
    """Two who wait, a freed time, and an offer of another."""
    cast, at = scene.cast, scene.today_at(15, days=2)
    with scene.acting() as by:
        entries = [
            entry_create(
                by=by,
                patient=patient.id,
                service=cast.service.id,
                urgency=urgency,
                weekdays=weekdays,
                note="Can be here in half an hour",
            )
            for patient, urgency, weekdays in (
                (scene.patients[0], "URGENT", []),
                (scene.patients[1], "NORMAL", [1, 2, 3, 4, 5, 6, 7]),
            )
        ]
        opening_make(
            clinic=cast.clinic.id,
            doctor=cast.doctor.id,
            location=cast.location.id,
            starts_at=at,
            ends_at=at + timedelta(minutes=60),
            cause=OpeningCause.CANCELLED,
        )
        offer_by_hand(
            by=by,
            entry_id=entries[1].id,
            doctor=cast.doctor.id,
            location=cast.location.id,
            starts_at=at + timedelta(days=1),
        )


def chained(scene: Scene) -> Any:
    """A visit with two that follow it, one of which goes on; the first of them."""
    first = scene.book(scene.patients[0], scene.today_at(14, days=1))
    one = follows(scene, first, 8)
    follows(scene, first, 9)
    follows(scene, one, 15)
    return first


def follows(scene: Scene, visit: Any, days: int) -> Any:
    cast = scene.cast
    with scene.acting() as by:
        return appointment_book(
            by=by,
            doctor=cast.doctor.id,
            patient=visit.patient_id,
            location=cast.location.id,
            service=cast.service.id,
            starts_at=scene.today_at(14, days=days),
            follows=visit.id,
            follow_up_reason="Look at the scar",
        )


def series_of(scene: Scene) -> AppointmentSeries:
    cast = scene.cast
    with scene.acting() as by:
        return series_create(
            by=by,
            policy="skip_conflicts",
            patient=scene.patients[0].id,
            doctor=cast.doctor.id,
            location=cast.location.id,
            service=cast.service.id,
            rrule="FREQ=WEEKLY;COUNT=6",
            start_date=scene.today_at(0).date() + timedelta(days=1),
            local_time=clock.now().replace(hour=14, minute=0, second=0, microsecond=0).time(),
        ).series


def the_attempts() -> list[str]:
    with tenancy.scope(tenancy.SYSTEM):
        return [one.outcome for one in ContactAttempt.objects.order_by("id")]


# --- By keyboard ----------------------------------------------------------------------------------


def test_a_call_is_noted_by_keyboard_alone(sit_down: Sit, scene: Scene) -> None:
    due(scene, 0, 3)
    later = due(scene, 1, 1)
    desk = sit_down(scene.cast.receptionist)
    desk.open("desk-recall")
    keys, page = desk.page.keyboard, desk.page
    keys.press("ArrowDown")
    expect(page.locator(".care-row.current .care-name a")).to_be_focused()
    keys.press("n")
    expect(page.locator(".care-row.current select[name=channel]")).to_be_focused()
    keys.press("Tab")
    keys.type("Asked to be called")
    keys.press("Tab")
    keys.press("Enter")
    expect(page.locator(".care-row .field-error, .care-row [role=alert]").first).to_be_visible()
    assert the_attempts() == []
    desk.page.locator(".care-row.current select[name=outcome]").focus()
    keys.type("No answer")
    desk.tab_to(".care-row.current .care-form button")
    keys.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("Noted: ")
    expect(page.locator(".care-row.current")).to_contain_text("1 attempt without an answer")
    expect(page.locator(".care-row.current .care-name a")).to_be_focused()
    keys.press("ArrowDown")
    keys.press("o")
    expect(page.locator("#panel h2")).to_have_text("Book the follow-up")
    desk.tab_to("#panel .free-time")
    keys.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("Booked: ")
    expect(page.locator(f"#plan-{later.id}")).to_have_count(0)


def test_a_series_is_looked_at_and_booked_by_keyboard_alone(sit_down: Sit, scene: Scene) -> None:
    visit = scene.book(scene.patients[0], scene.today_at(15))
    scene.book(scene.patients[1], scene.today_at(15, days=14))
    desk = sit_down(scene.cast.receptionist)
    desk.open("desk-visit", visit_id=visit.id)
    desk.tab_to("#visit-repeat")
    desk.page.keyboard.press("Enter")
    expect(desk.page.locator("#series-look")).to_be_visible()
    expect(desk.page.locator(".series-monthly")).to_be_hidden()
    desk.tab_to("#series-count")
    desk.page.keyboard.press("Control+a")
    desk.page.keyboard.type("4")
    desk.page.keyboard.press("Tab")  # the dates come by themselves
    expect(desk.page.locator("#series-preview")).to_contain_text("1 of 4 dates cannot be had.")
    expect(desk.page.locator(".series-taken")).to_contain_text("Free nearby:")
    desk.tab_to("#series-preview [name=policy]")
    desk.page.keyboard.press("ArrowDown")
    desk.tab_to("#series-create")
    desk.page.keyboard.press("Enter")
    expect(desk.page.locator(".messages")).to_contain_text(
        "3 visits are booked. 1 date is left out."
    )


def test_a_time_is_offered_and_accepted_by_phone(sit_down: Sit, scene: Scene) -> None:
    waiting(scene)
    desk = sit_down(scene.cast.receptionist)
    desk.open("desk-waitlist")
    page = desk.page
    page.locator(".care-opening a").first.click()
    expect(page.locator("#opening-next")).to_be_visible()
    page.locator("#panel").get_by_role("button", name="Offer").first.click()
    expect(page.locator("#toasts")).to_contain_text("Offered to ")
    expect(page.locator("#entry-offers")).to_be_visible()
    page.locator("#panel").get_by_role("button", name="Accepted by phone").first.click()
    expect(page.locator("#toasts")).to_contain_text("Booked: ")
    expect(page.locator("#care-list")).not_to_contain_text("Amelia")


# --- Sizes, light and dark, both directions -------------------------------------------------------


def looked_at(desk: Desk, scene: Scene, name: str, visit: Any, series: Any) -> Iterator[str]:
    """What axe finds on each page."""
    desk.open("desk-recall")
    desk.page.locator(".care-ask summary").first.click()
    assert not is_too_wide(desk.page), name
    yield from desk.faults(f"recall{name}")
    desk.page.locator(".care-name a").first.click()
    expect(desk.page.locator("#panel h2")).to_be_focused()
    yield from desk.faults(f"recall-plan{name}")
    desk.open("desk-waitlist")
    assert not is_too_wide(desk.page), name
    yield from desk.faults(f"waitlist{name}")
    desk.page.locator(".care-opening a").first.click()
    expect(desk.page.locator("#panel h2")).to_be_focused()
    yield from desk.faults(f"waitlist-opening{name}")
    desk.open("desk-waitlist-new", f"?patient={scene.patients[2].id}")
    yield from desk.faults(f"waitlist-new{name}")
    desk.open("desk-series-new", f"?visit={visit.id}")
    desk.page.locator("#series-look").click()
    expect(desk.page.locator("#series-create")).to_be_visible()
    desk.page.wait_for_load_state()
    assert not is_too_wide(desk.page), name
    yield from desk.faults(f"series-new{name}")
    desk.open("desk-series", series_id=series.id)
    assert not is_too_wide(desk.page), name
    yield from desk.faults(f"series{name}")
    desk.open("desk-series-change", series_id=series.id)
    yield from desk.faults(f"series-change{name}")
    desk.open("desk-chain", visit_id=visit.id)
    assert not is_too_wide(desk.page), name
    yield from desk.faults(f"chain{name}")
    desk.open("desk-patient", patient_id=scene.patients[0].id)
    assert not is_too_wide(desk.page), name
    yield from desk.faults(f"patient-care{name}")


@pytest.mark.parametrize(
    ("size", "theme", "locale"),
    [
        (LAPTOP, "light", "en"),
        (WALL, "light", "en"),
        (PHONE, "dark", "ar"),
    ],
    ids=["laptop", "wall", "phone-rtl-dark"],
)
def test_every_page_is_accessible(
    sit_down: Sit, scene: Scene, size: tuple[int, int], theme: str, locale: str
) -> None:
    recalled(scene)
    visit = chained(scene)
    series = series_of(scene)
    waiting(scene)
    User.objects.filter(pk=scene.admin.pk).update(locale=locale)
    view = {"viewport": {"width": size[0], "height": size[1]}, "color_scheme": theme}
    desk = sit_down(scene.admin, **view)
    name = f"-{theme}-{locale}"
    assert list(looked_at(desk, scene, name, visit, series)) == []


def test_without_javascript_it_is_forms_and_links(sit_down: Sit, scene: Scene) -> None:
    build_patient(scene.cast.clinic, "Zoe", "Last")
    due(scene, 0, 3)
    desk = sit_down(scene.cast.receptionist, java_script_enabled=False)
    page = desk.page
    desk.open("desk-recall")
    page.locator(".care-ask summary").first.click()
    page.locator("select[name=outcome]").first.select_option("LEFT_MESSAGE")
    page.get_by_role("button", name="Note it").first.click()
    expect(page.locator(".messages")).to_contain_text("Left a message")
    page.locator(".care-box input").first.check()
    page.get_by_role("button", name="Invite all that are ticked").click()
    expect(page.locator(".care-invited input")).to_have_count(1)
    page.get_by_role("link", name="Back to the recall list").click()
    page.locator(".care-acts a").first.click()
    page.locator(".free-time").first.click()
    expect(page.locator(".messages")).to_contain_text("Booked: ")
