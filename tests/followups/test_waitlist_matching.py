"""The pure part: what a wish is for, and when people may be asked."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from followups.matching import GOOD_FOR, Start, Wish, fits, good_until, sending_moment

BERLIN = ZoneInfo("Europe/Berlin")
DOCTOR, PLACE = uuid4(), uuid4()


def start(
    begins: str = "2035-06-06T10:00", minutes: int = 30, zone: str = "Europe/Berlin"
) -> Start:
    at = datetime.fromisoformat(begins).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return Start(DOCTOR, PLACE, at, at + timedelta(minutes=minutes), zone)


def wish(**fields) -> Wish:
    return Wish(**({"earliest": date(2035, 6, 1), "latest": date(2035, 6, 30)} | fields))


@pytest.mark.parametrize(
    ("fields", "yes"),
    [
        ({}, True),
        ({"doctors": {DOCTOR, uuid4()}}, True),
        ({"doctors": {uuid4()}}, False),
        ({"location": PLACE}, True),
        ({"location": uuid4()}, False),
        ({"weekdays": {3}}, True),  # a Wednesday
        ({"weekdays": {1, 2, 4, 5, 6, 7}}, False),
        ({"time_from": time(10)}, True),
        ({"time_from": time(10, 1)}, False),
        ({"time_to": time(10, 30)}, True),
        ({"time_to": time(10, 29)}, False),
        ({"earliest": date(2035, 6, 6), "latest": date(2035, 6, 6)}, True),
        ({"earliest": date(2035, 6, 7)}, False),
        ({"latest": date(2035, 6, 5)}, False),
    ],
)
def test_a_wish_is_for_a_time_or_not(fields, yes):
    assert fits(wish(**fields), start()) is yes


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kolkata"])
def test_days_and_times_are_those_of_the_place(zone):
    late = start("2035-06-06T23:00", zone=zone)
    only = {"earliest": date(2035, 6, 6), "latest": date(2035, 6, 6), "weekdays": {3}}
    assert fits(wish(**only, time_from=time(23)), late)
    assert not fits(wish(**only, time_to=time(23)), late)


def test_a_visit_past_midnight_is_not_over_by_any_time_of_its_day():
    assert not fits(wish(time_to=time(23, 59)), start("2035-06-06T23:30", 60))
    assert fits(wish(), start("2035-06-06T23:30", 60))


def test_when_clocks_change_the_wall_clock_counts():
    """Forward: 01:30 to 03:00 on the wall is half an hour. Back: 02:30 comes twice."""
    spring = wish(earliest=date(2035, 3, 1), latest=date(2035, 3, 31))
    before = start("2035-03-25T01:30", 30)
    assert before.ends_at.astimezone(ZoneInfo("Europe/Berlin")).time() == time(3)
    assert not fits(Wish(spring.earliest, spring.latest, time_to=time(2, 30)), before)
    autumn = datetime(2035, 10, 28, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1)
    again = Start(DOCTOR, PLACE, autumn, autumn + timedelta(minutes=30), "Europe/Berlin")
    assert fits(Wish(date(2035, 10, 28), date(2035, 10, 28), time_from=time(2, 30)), again)


@pytest.mark.parametrize(
    ("now", "then"),
    [
        (datetime(2035, 6, 4, 7, 59, tzinfo=BERLIN), datetime(2035, 6, 4, 8, tzinfo=BERLIN)),
        (datetime(2035, 6, 4, 8, tzinfo=BERLIN), datetime(2035, 6, 4, 8, tzinfo=BERLIN)),
        (datetime(2035, 6, 4, 19, 59, tzinfo=BERLIN), datetime(2035, 6, 4, 19, 59, tzinfo=BERLIN)),
        (datetime(2035, 6, 4, 20, tzinfo=BERLIN), datetime(2035, 6, 5, 8, tzinfo=BERLIN)),
        (datetime(2035, 6, 30, 23, tzinfo=BERLIN), datetime(2035, 7, 1, 8, tzinfo=BERLIN)),
    ],
)
def test_outside_the_hours_it_waits_for_them(now, then):
    assert sending_moment(now, zone="Europe/Berlin", begin=time(8), end=time(20)) == then


@pytest.mark.parametrize(
    ("zone", "then"),
    [
        ("Pacific/Kiritimati", "2035-06-04T18:00:00+00:00"),  # UTC+14: 02:00 on the 5th
        ("Pacific/Pago_Pago", "2035-06-04T19:00:00+00:00"),  # UTC-11: 01:00 on the 4th
    ],
)
def test_the_hours_are_those_of_the_clinic(zone, then):
    now = datetime(2035, 6, 4, 12, tzinfo=UTC)
    moment = sending_moment(now, zone=zone, begin=time(8), end=time(20))
    assert moment == datetime.fromisoformat(then)


def test_hours_that_begin_in_the_gap_begin_after_it():
    """02:30 does not exist on 25 March 2035 in Berlin: an hour is skipped."""
    now = datetime(2035, 3, 25, 0, 30, tzinfo=BERLIN)
    moment = sending_moment(now, zone="Europe/Berlin", begin=time(2, 30), end=time(20))
    assert moment == datetime(2035, 3, 25, 3, 30, tzinfo=BERLIN)


def test_hours_that_begin_twice_begin_once():
    now = datetime(2035, 10, 28, 2, 10, tzinfo=BERLIN, fold=1).astimezone(UTC)
    moment = sending_moment(now, zone="Europe/Berlin", begin=time(2, 30), end=time(20))
    assert moment == now, "the first 02:30 has been"


def test_an_offer_is_good_for_a_day_or_until_the_stop():
    now = datetime(2035, 6, 4, 12, tzinfo=UTC)
    assert good_until(now, now + timedelta(days=9), stop_minutes=120) == now + GOOD_FOR
    soon = now + timedelta(hours=5)
    assert good_until(now, soon, stop_minutes=120) == soon - timedelta(hours=2)
    assert good_until(now, soon, stop_minutes=600) == soon, "by hand, inside the stop"
