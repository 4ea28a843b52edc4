"""The desk's page of figures: who sees what, and what it says."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from checkin.models import CheckInMethod
from clinics.services.memberships import membership_add
from core import clock, tenancy
from tests.appointments.scene import House, Person, Scene
from tests.backoffice.world import at_the_desk
from tests.checkin.figures import arrived, entry, past, refusal
from tests.checkin.talking import statements


def page(house: House, by: Person, query: str = "", status: int = 200) -> str:
    answer = at_the_desk(by.user).get(f"/desk/{house.clinic.slug}/analytics{query}")
    assert answer.status_code == status, answer.content[:400]
    return str(answer.content.decode())


def days_ago(days: int, hour: int = 9) -> Any:
    return clock.now().replace(hour=hour) - timedelta(days=days)


def some_days(house: House, count: int = 6, **fields: Any) -> None:
    for number in range(count):
        at = days_ago(2 + number % 5, 7 + number % 4)
        entry(house, at, waited=20, **fields)
        arrived(house, at, 10, method=CheckInMethod.QR_SELF, **fields)
        past(house, at, "NO_SHOW", **fields)
    refusal(house, days_ago(2), "TOO_EARLY")


def test_an_empty_clinic_is_told_what_to_do(cast: Scene) -> None:
    shown = page(cast.own, cast.own.admin)
    assert "Choose more days" in shown
    assert "Usual wait" in shown


def test_what_the_admin_reads(cast: Scene) -> None:
    some_days(cast.own)
    shown = page(cast.own, cast.own.admin)
    assert re.search(r"Usual wait</dt><dd class=\"tile-value\">20 min<", shown)
    assert re.search(r"Did not come</dt><dd class=\"tile-value\">50%<", shown)
    assert re.search(r"Checked in</dt><dd class=\"tile-value\">6<", shown)
    assert "Too early to check in" in shown
    assert "Dr First" in shown
    assert 'style="' not in shown
    link = re.search(r'href="(/api/v1/analytics/wait-times\?group=hour&amp;[^"]+)"', shown)
    assert link is not None
    file = at_the_desk(cast.own.admin.user).get(link[1].replace("&amp;", "&"))
    assert file.headers["Content-Type"].startswith("text/csv")
    assert file.content.decode().count("\n") > 2


def test_each_right_opens_its_part(cast: Scene) -> None:
    own, away = cast.own, cast.own.add_doctor()
    some_days(own)
    some_days(own, doctor=away)
    nurse = page(own, own.nurse)
    assert "Arrival and waiting" in nurse
    assert "Working time" not in nurse
    mine = page(own, own.doctor_user)
    assert "Your figures" in mine
    assert "Working time" in mine
    assert re.search(r"Checked in</dt><dd class=\"tile-value\">6<", mine)
    assert "Dr More" not in mine
    refused = at_the_desk(own.doctor_user.user).get(
        f"/desk/{own.clinic.slug}/analytics?doctor={away.id}"
    )
    assert "Dr More" not in refused.content.decode()  # whose figures are asked for is not read
    assert f"<bdi>{away.display_name}</bdi> · " in page(own, own.admin, f"?doctor={away.id}")


def test_a_right_reaches_no_further_for_standing_beside_a_wider_one(cast: Scene) -> None:
    """Whoever is nurse and doctor reads everybody's waits, and their own working time."""
    own, other = cast.own, cast.own.add_doctor()
    some_days(own)
    some_days(own, doctor=other)
    with tenancy.scope(tenancy.SYSTEM):
        membership_add(clinic=own.clinic, user=own.doctor_user.user, role="NURSE")
    shown = page(own, own.doctor_user)
    waits, business = shown.split("Working time</h2>")
    assert "Dr More" in waits
    assert "Dr First" in business
    assert "Dr More" not in business
    asked = page(own, own.doctor_user, f"?doctor={other.id}")
    assert "Arrival and waiting" in asked
    assert "Working time</h2>" not in asked


def test_strangers_find_nothing(cast: Scene) -> None:
    slug = cast.own.clinic.slug
    assert at_the_desk(cast.other.admin.user).get(f"/desk/{slug}/analytics").status_code == 404
    some_days(cast.own)
    other = page(cast.other, cast.other.admin)
    assert re.search(r"Checked in</dt><dd class=\"tile-value\">0<", other)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?from=2035-05-02&to=2035-05-01", "The last day is before the first."),
        ("?from=2030-05-02&to=2035-05-01", "Ask for 366 days at the most."),
        ("?from=soon", "Enter a valid date."),
        ("?doctor=someone", "Select a valid choice"),
    ],
)
def test_bad_questions_are_said_at_the_field(cast: Scene, query: str, said: str) -> None:
    shown = page(cast.own, cast.own.admin, query, status=400)
    assert said in shown
    assert "field-wrong" in shown
    assert "Usual wait" in shown


def test_long_ranges_are_drawn_by_week(cast: Scene) -> None:
    some_days(cast.own)
    assert "Check-ins by week" in page(cast.own, cast.own.admin, "?from=2034-12-01&to=2035-06-03")
    assert "Check-ins by day" in page(cast.own, cast.own.admin)


def test_right_to_left_begins_at_the_right(cast: Scene) -> None:
    some_days(cast.own)
    client = at_the_desk(cast.own.admin.user)
    own = cast.own.admin.user
    own.locale = "ar"
    own.save(update_fields=["locale"])
    shown = client.get(f"/desk/{cast.own.clinic.slug}/analytics").content.decode()
    assert 'dir="rtl"' in shown
    bars = re.findall(r'class="bar-part" x="([\d.]+)%" y="0" width="([\d.]+)%"', shown)
    assert bars
    assert all(abs(float(x) + float(width) - 100) < 0.02 for x, width in bars)


def test_statements_do_not_grow(cast: Scene) -> None:
    own = cast.own

    def counted() -> int:
        with CaptureQueriesContext(connection) as seen:
            page(own, own.admin)
        return statements(seen)

    some_days(own, 2)
    before = counted()
    for _ in range(8):
        some_days(own, 3, doctor=own.add_doctor())
    assert counted() == before
