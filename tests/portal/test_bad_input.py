"""Addresses and forms that nobody of ours wrote, other clinics' ids, and too much of everything."""

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest

from appointments.services.holds import GUEST_HOLDS_AN_ADDRESS
from portal.slots import Picked
from tests.appointments.moments import berlin
from tests.appointments.scene import House, Scene
from tests.portal.test_booking import holds
from tests.portal.visitor import Visitor, count, text


@pytest.mark.parametrize("slug", ["nobody", "own", "x" * 300, "..%2f", "%00"])
def test_an_unknown_clinic(guest: Visitor, slug: str) -> None:
    assert guest.open(f"/c/{slug}").status_code == 404
    assert guest.open(f"/c/{slug}/brand.css").status_code == 404


def test_a_clinic_that_is_not_active(guest: Visitor, cast: Scene) -> None:
    cast.own.policy(is_active=False)
    assert guest.open(guest.url("clinic", guest.slug)).status_code == 404
    assert guest.times().status_code == 404
    assert guest.pick(berlin(1, 9)).status_code == 404


def test_a_clinic_with_nothing(guest: Visitor, cast: Scene) -> None:
    from tests.appointments.scene import house  # noqa: PLC0415

    bare = house("bare", hours=False)
    page = guest.open(guest.url("clinic", bare.clinic.slug))
    assert "Nothing can be booked" in text(page)
    times = guest.times(bare)
    assert times.status_code == 200
    assert "No free times" in text(times)


def test_another_clinics_ids(guest: Visitor, cast: Scene) -> None:
    """404 wherever they stand, as for what does not exist."""
    own, other = cast.own, cast.other
    slug, service = own.clinic.slug, own.service.id
    assert guest.open(guest.url("times", slug, other.service.id)).status_code == 404
    for name, value in (("doctor", other.doctor.id), ("location", other.location.id)):
        assert guest.times(**{name: value}).status_code == 404
        assert guest.times(**{name: uuid4()}).status_code == 404
    start = berlin(1, 9)
    where = guest.url("hold", slug, service)
    for slot in (
        Picked(start, other.location.id, own.doctor.id),
        Picked(start, own.location.id, other.doctor.id),
        Picked(start, uuid4(), None),
    ):
        assert guest.client.post(where, {"slot": str(slot)}).status_code == 404
    assert holds(own) == holds(other) == 0
    held = guest.pick(start)["Location"]
    foreign = guest.slot(start, doctor=other.doctor.id)
    assert guest.book(held, slot=foreign).status_code == 404
    assert count(own) == 0


def test_a_service_that_patients_may_not_book(guest: Visitor, cast: Scene) -> None:
    hidden = cast.own.add_service(is_public=False, name="Surgery")
    assert "Surgery" not in text(guest.open(guest.url("clinic", guest.slug)))
    assert guest.open(guest.url("times", guest.slug, hidden.id)).status_code == 404


@pytest.mark.parametrize("first", ["2019-01-01", "0001-01-01", "9999-12-31", "soon", "2035-02-30"])
def test_odd_dates_show_a_week_that_can_be_booked(guest: Visitor, first: str) -> None:
    answer = guest.times(**{"from": first})
    assert answer.status_code == 200
    assert "00:00:00" not in text(answer)


@pytest.mark.parametrize(
    "slot",
    ["", "x", "~~", "20350605T0700Z~x~", "99999999T9999Z~~", "20350605T0700Z", "a\x00~b~c"],
)
def test_slots_that_are_none(guest: Visitor, cast: Scene, slot: str) -> None:
    where = guest.url("hold", guest.slug, cast.own.service.id)
    assert guest.client.post(where, {"slot": slot}).status_code == 404
    details = guest.url("details", guest.slug, cast.own.service.id)
    assert guest.open(details, slot=slot, hold=uuid4()).status_code == 404
    whole = guest.slot(berlin(1, 9))
    assert guest.open(details, slot=whole, hold="x").status_code == 404
    assert guest.open(details, slot=whole, hold=uuid4(), mode="TELEPATHY").status_code == 404


@pytest.mark.parametrize(
    ("start", "why"),
    [
        (berlin(1, 6), "outside the hours"),
        (berlin(-3, 9), "in the past"),
        (berlin(2000, 9), "beyond the horizon"),
        (berlin(1, 9, 10), "off the grid"),
    ],
)
def test_a_time_that_is_not_offered(guest: Visitor, cast: Scene, start: Any, why: str) -> None:
    answer = guest.pick(start)
    assert 400 <= answer.status_code < 410, why
    assert "Please choose another one" in text(answer)
    details = guest.url("details", guest.slug, cast.own.service.id)
    direct = f"{details}?slot={guest.slot(start)}&hold={uuid4()}"
    assert guest.book(direct).status_code == 409
    assert count(cast.own) == 0


def test_a_release_of_nothing(guest: Visitor) -> None:
    where = guest.url("release", guest.slug)
    assert guest.client.post(where, {"hold": "x"}).status_code == 404
    assert guest.client.post(where, {"hold": str(uuid4())}).status_code == 204
    wrong = {"hold": str(uuid4()), "service": "//elsewhere.example"}
    assert guest.client.post(where, wrong).status_code == 404


def test_methods_that_are_not_meant(guest: Visitor, cast: Scene) -> None:
    service = cast.own.service.id
    assert guest.open(guest.url("hold", guest.slug, service)).status_code == 405
    assert guest.open(guest.url("release", guest.slug)).status_code == 405
    assert guest.client.post(guest.url("times", guest.slug, service)).status_code == 405
    assert guest.client.delete(guest.url("details", guest.slug, service)).status_code == 405


def test_forms_without_a_token_are_refused(cast: Scene) -> None:
    careful = Visitor(cast.own, enforce_csrf_checks=True)
    assert careful.pick(berlin(1, 9)).status_code == 403
    assert holds(cast.own) == 0


def test_an_address_holds_only_so_much(cast: Scene) -> None:
    """A new session each time does not help. Who comes after can still book, without a hold."""
    starts = [
        berlin(1 + number // 16, 8) + timedelta(minutes=30 * (number % 16))
        for number in range(GUEST_HOLDS_AN_ADDRESS + 2)
    ]
    answers = [Visitor(cast.own).pick(start) for start in starts]
    assert {answer.status_code for answer in answers} == {302}
    assert holds(cast.own) == GUEST_HOLDS_AN_ADDRESS
    late = Visitor(cast.own)
    page = late.open(answers[-1]["Location"])
    assert "not kept for you" in text(page)
    assert late.book(answers[-1]["Location"]).status_code == 302
    elsewhere = Visitor(cast.own, REMOTE_ADDR="192.0.2.7")
    assert "Kept for you" in text(elsewhere.open(elsewhere.pick(berlin(5, 9))["Location"]))


def test_guests_of_an_address_are_counted(cast: Scene, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"guest": 3}
    eager = {"REMOTE_ADDR": "192.0.2.99"}
    answers = [Visitor(cast.own, **eager).pick(berlin(1, 8 + number)) for number in range(5)]
    assert [answer.status_code for answer in answers] == [302, 302, 302, 429, 429]
    assert "Retry-After" in answers[-1].headers
    assert Visitor(cast.own, **eager).times().status_code == 200
    signed_in = Visitor(cast.own, cast.own.patient.user, **eager)
    assert signed_in.pick(berlin(2, 9)).status_code == 302


@pytest.mark.parametrize(("day", "starts"), [(date(2036, 3, 30), 46), (date(2036, 10, 26), 50)])
def test_days_of_23_and_25_hours(guest: Visitor, cast: Scene, day: date, starts: int) -> None:
    """Open around the clock on the days on which clocks change: each half hour once."""
    from datetime import time  # noqa: PLC0415

    night = House(**{**vars(cast.own), "doctor": cast.own.add_doctor()})
    night.add_hours(night.doctor, time(0), time(0))
    page = guest.times(doctor=night.doctor.id, **{"from": day.isoformat()})
    html = page.content.decode()
    section = html.split(f'id="day-{day}"', 1)[1].split("</section>", 1)[0]
    values = [part.split('"')[0] for part in section.split('name="slot" value="')[1:]]
    assert len(values) == len(set(values)) == starts
    assert ("CEST" in section) == (starts == 50)
