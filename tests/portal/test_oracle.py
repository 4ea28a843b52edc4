"""Booking tells nobody whether a person is known to the clinic."""

import re
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinics.models import Patient
from tests.appointments.moments import berlin
from tests.appointments.scene import Scene
from tests.casts import build_patient
from tests.portal.visitor import PERSON, Visitor, latest

_VARIES = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r'|(?:/|%2F)visit(?:/|%2F)[\w-]+\.[\w-]+|csrfmiddlewaretoken" value="\w+"'
)
STRANGER = PERSON | {"given_name": "Zoe", "family_name": "Unknown", "phone": "+4930901820777"}


@pytest.fixture
def known(cast: Scene) -> Patient:
    """A chart of exactly the person that is typed, with a visit at the hour that is asked for."""
    chart = build_patient(
        cast.own.clinic,
        PERSON["given_name"],
        PERSON["family_name"],
        birth_date=date(1991, 3, 7),
        phone=PERSON["phone"],
        email="amal@example.org",
    )
    second = cast.own.add_doctor()
    cast.own.add_hours(second)
    cast.own.book(berlin(1, 9), patient=chart.id, doctor=second.id)
    return chart


def said(answer: Any) -> tuple[int, str, str]:
    """Status, target and body, without ids and tokens."""
    target = _VARIES.sub("·", answer.headers.get("Location", ""))
    return answer.status_code, target, _VARIES.sub("·", answer.content.decode())


def walk(guest: Visitor, person: dict[str, str], hour: int) -> list[tuple[int, str, str]]:
    """Everything a guest is answered on the way to a visit, and after it."""
    held = guest.pick(berlin(1, hour))
    sent = guest.client.post(held["Location"], person)
    pages = [held, sent, guest.open(sent["Location"]), guest.client.post(held["Location"], person)]
    return [said(page) for page in pages]


@pytest.mark.parametrize("email", ["", "amal@example.org"])
def test_a_known_and_an_unknown_person_are_answered_alike(
    cast: Scene, known: Patient, email: str
) -> None:
    answers = [
        walk(Visitor(cast.own), person | {"email": email}, 9) and _again(cast, person, email)
        for person in (PERSON, STRANGER)
    ]
    assert answers[0] == answers[1]


def _again(cast: Scene, person: dict[str, str], email: str) -> list[tuple[int, str, str]]:
    """The same hour each time: what the first walk booked is cancelled by its link."""
    visit = latest(cast.own)
    guest = Visitor(cast.own)
    assert guest.client.post(guest.link(visit, "cancel"), {"why": "time"}).status_code == 302
    answers = walk(guest, person | {"email": email}, 9)
    gone = latest(cast.own)
    assert guest.client.post(guest.link(gone, "cancel"), {"why": "time"}).status_code == 302
    return answers


def test_the_database_is_asked_the_same(cast: Scene, known: Patient) -> None:
    """Not even the time it takes may differ: the same statements run for either."""

    def statements(person: dict[str, str], hour: int) -> list[str]:
        guest = Visitor(cast.own)
        held = guest.pick(berlin(1, hour))
        with CaptureQueriesContext(connection) as caught:
            guest.client.post(held["Location"], person)
        return [re.sub(r"'[^']*'|\d+", "·", query["sql"])[:60] for query in caught]

    assert statements(PERSON, 10) == statements(STRANGER, 11)


def test_every_guest_gets_a_new_chart(cast: Scene, known: Patient) -> None:
    charts: set[UUID] = {known.id}
    for hour in (9, 10):
        charts.add(Visitor(cast.own).booked(berlin(1, hour)).patient_id)
    assert len(charts) == 3
