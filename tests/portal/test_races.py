"""Guests at the same moment: one wins, the other is shown what is left, and nothing is doubled."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core import signing
from django.db import connections

from core import clock, ids
from tests.appointments.scene import House, house
from tests.portal.test_booking import holds
from tests.portal.visitor import PERSON, Visitor, count, text

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clinic() -> House:
    return house("race", phone="+4930901820000", country="DE")


def soon(hour: int = 9) -> datetime:
    day = clock.now().astimezone(ZoneInfo("Europe/Berlin")) + timedelta(days=3)
    return datetime(day.year, day.month, day.day, hour, tzinfo=ZoneInfo("Europe/Berlin"))


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Run them in threads of their own that start together."""
    gate = Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        try:
            gate.wait(timeout=20)
            return act()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [job.result() for job in [pool.submit(run, act) for act in acts]]


def test_two_guests_one_time(clinic: House) -> None:
    start = soon()
    guests = [Visitor(clinic) for _ in range(6)]
    answers = at_once(*(lambda guest=guest: guest.pick(start) for guest in guests))
    assert sorted(answer.status_code for answer in answers) == [302, *[409] * 5]
    assert all("This time has just gone" in text(one) for one in answers if one.status_code == 409)
    assert holds(clinic) == 1


def test_two_guests_send_the_details_of_one_time(clinic: House) -> None:
    """Neither holds it: both were shown it free a moment ago."""
    start = soon()
    service = clinic.service.id
    guests = [Visitor(clinic) for _ in range(4)]

    def act(guest: Visitor) -> Any:
        details = guest.url("details", guest.slug, service)
        query = f"?slot={guest.slot(start)}&hold={ids.uuid7()}"
        return guest.client.post(f"{details}{query}", PERSON)

    answers = at_once(*(lambda guest=guest: act(guest) for guest in guests))
    assert sorted(answer.status_code for answer in answers) == [302, 409, 409, 409]
    loser = next(answer for answer in answers if answer.status_code == 409)
    assert "One click books it" in text(loser)
    assert count(clinic) == 1


def test_one_guest_clicks_book_many_times(clinic: House) -> None:
    guest = Visitor(clinic)
    held = guest.pick(soon())["Location"]
    cookies = guest.client.cookies

    def click() -> Any:
        window = Visitor(clinic)
        window.client.cookies = cookies
        return window.book(held)

    answers = at_once(*[click] * 5)
    assert {answer.status_code for answer in answers} == {302}
    assert len({answer["Location"] for answer in answers}) == 1
    assert count(clinic) == 1


def test_a_double_click_on_a_time(clinic: House) -> None:
    seed = signing.dumps(str(ids.uuid7()), salt="portal.guest")
    start = soon()
    guests = [Visitor(clinic) for _ in range(4)]
    answers = at_once(
        *(lambda guest=guest: guest.pick(start, doctor=None, seed=seed) for guest in guests)
    )
    assert {answer.status_code for answer in answers} == {302}
    assert len({answer["Location"] for answer in answers}) == 1
    assert holds(clinic) == 1
