"""Statements a page: the same however many times, doctors or visits it shows."""

from collections.abc import Callable
from datetime import time, timedelta
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.appointments.moments import berlin
from tests.appointments.scene import Scene
from tests.portal.visitor import Visitor


def statements(act: Callable[[], Any]) -> int:
    """How many it takes; the session's own are the same each time."""
    with CaptureQueriesContext(connection) as caught:
        answer = act()
    assert answer.status_code in {200, 302}, answer.status_code
    return len(caught)


def test_a_week_of_times(guest: Visitor, cast: Scene) -> None:
    counted = {}
    for doctors in (1, 3, 10):
        while _doctors(cast) < doctors:
            cast.own.add_hours(cast.own.add_doctor())
        page = guest.times()
        counted[doctors] = statements(guest.times)
        assert page.content.count(b'name="slot"') > 50
    assert len(set(counted.values())) == 1, counted
    assert counted[1] <= 15, counted


def _doctors(cast: Scene) -> int:
    from appointments.selectors.offers import doctors_offering  # noqa: PLC0415
    from core import tenancy  # noqa: PLC0415

    with tenancy.scope([cast.own.clinic.id]):
        return len(doctors_offering(cast.own.clinic))


def test_one_or_many_times_of_a_doctor(guest: Visitor, cast: Scene) -> None:
    counted = {}
    for number, hours in ((1, 8.5), (3, 9.5), (30, 23)):
        doctor = cast.own.add_doctor()
        end = time(int(hours), 30 if hours % 1 else 0)
        cast.own.add_hours(doctor, time(8), end, weekdays=[2])
        page = guest.times(doctor=doctor.id)
        assert page.content.count(b'name="slot"') == number
        counted[number] = statements(lambda doctor=doctor: guest.times(doctor=doctor.id))
    assert len(set(counted.values())) == 1, counted


def test_ones_own_visits(patient: Visitor, cast: Scene) -> None:
    counted = {}
    start = berlin(1, 8)
    made = 0
    for wanted in (1, 3, 30):
        while made < wanted:
            cast.own.book(start + timedelta(days=made // 16, minutes=30 * (made % 16)))
            made += 1
        page = patient.open("/my")
        assert page.content.count(b'class="tile"') == wanted
        counted[wanted] = statements(lambda: patient.open("/my"))
    assert len(set(counted.values())) == 1, counted
    assert counted[1] <= 12, counted  # the follow-ups to be booked are counted too


def test_the_way_to_a_visit(guest: Visitor, cast: Scene) -> None:
    """A budget, so that nobody adds a statement without noticing."""
    times = statements(lambda: guest.pick(berlin(1, 9)))
    held = guest.pick(berlin(1, 9))["Location"]
    details = statements(lambda: guest.open(held))
    booked = statements(lambda: guest.book(held))
    assert times <= 36, times
    assert details <= 20, details
    assert booked <= 40, booked
