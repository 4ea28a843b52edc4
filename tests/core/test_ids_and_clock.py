"""Ids that are a time, and wall clocks that jump."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from core import clock, ids
from core.api.fields import parse_instant

pytestmark = pytest.mark.django_db


def test_ids_rise_within_a_process():
    made = [ids.uuid7() for _ in range(5000)]
    assert made == sorted(made)
    assert len(set(made)) == 5000
    assert all(one.version == 7 for one in made)


def test_an_id_tells_when_it_was_made():
    before = clock.now()
    made = ids.instant(ids.uuid7())
    assert before - timedelta(milliseconds=2) <= made <= clock.now()


@given(st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis wants naive bounds
def test_the_floor_of_an_instant_is_the_smallest_id_of_it(moment: datetime):
    low = ids.floor(moment)
    assert low.version == 7
    to_millisecond = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert abs(ids.instant(low) - to_millisecond) <= timedelta(milliseconds=1)
    assert ids.floor(moment - timedelta(milliseconds=2)) < low
    assert low < ids.floor(moment + timedelta(milliseconds=2))


def test_python_and_the_database_agree_on_the_floor():
    for moment in (
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2035, 6, 4, 12, 30, 15, 123_000, tzinfo=UTC),
        datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
    ):
        with connection.cursor() as cursor:
            cursor.execute("SELECT core_uuid7_floor(%s)", [moment])
            assert cursor.fetchone()[0] == ids.floor(moment)


def test_the_clock_can_be_moved_and_is_utc():
    with time_machine.travel(datetime(2035, 1, 1, tzinfo=UTC), tick=False):
        assert clock.now() == datetime(2035, 1, 1, tzinfo=UTC)
    assert clock.now().tzinfo is UTC


def instant(wall: str, zone: str) -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT core_instant(%s::timestamp, %s)", [wall, zone])
        return cursor.fetchone()[0].astimezone(UTC)


@pytest.mark.parametrize(
    ("wall", "zone", "expected", "why"),
    [
        ("2035-06-05 09:00", "Europe/Berlin", "2035-06-05T07:00+00:00", "summer"),
        ("2035-12-05 09:00", "Europe/Berlin", "2035-12-05T08:00+00:00", "winter"),
        ("2036-03-30 02:30", "Europe/Berlin", "2036-03-30T01:30+00:00", "does not exist: moves on"),
        ("2035-10-28 02:30", "Europe/Berlin", "2035-10-28T00:30+00:00", "twice: the first"),
        ("2035-11-04 01:30", "America/New_York", "2035-11-04T05:30+00:00", "twice: the first"),
        ("2036-03-09 02:30", "America/New_York", "2036-03-09T07:30+00:00", "does not exist"),
        ("2035-06-05 09:00", "Asia/Kolkata", "2035-06-05T03:30+00:00", "half an hour"),
        ("2036-04-06 01:45", "Australia/Lord_Howe", "2036-04-05T14:45+00:00", "half-hour, twice"),
        ("2035-10-07 02:15", "Australia/Lord_Howe", "2035-10-06T15:45+00:00", "half-hour gap"),
        ("2035-06-05 09:00", "Pacific/Kiritimati", "2035-06-04T19:00+00:00", "UTC+14"),
        ("2035-06-05 09:00", "Etc/GMT+12", "2035-06-05T21:00+00:00", "UTC-12"),
    ],
)
def test_wall_clock_times(wall: str, zone: str, expected: str, why: str):
    assert instant(wall, zone) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    "zone",
    [
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "America/St_Johns",
        "Africa/Cairo",
    ],
)
def test_every_quarter_of_a_year_as_python_has_it(zone: str):
    """PostgreSQL's rule against zoneinfo's (fold 0 is the first, a gap moves on by its length)."""
    start = datetime(2036, 1, 1)  # noqa: DTZ001 - wall-clock times
    walls = [start + timedelta(minutes=45 * number) for number in range(366 * 32)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT core_instant(w, %s) FROM unnest(%s::timestamp[]) WITH ORDINALITY AS t(w, n)"
            " ORDER BY n",
            [zone, walls],
        )
        found = [row[0] for row in cursor.fetchall()]
    local = ZoneInfo(zone)
    expected = [wall.replace(tzinfo=local, fold=0).astimezone(UTC) for wall in walls]
    assert [
        (wall, one, other)
        for wall, one, other in zip(walls, found, expected, strict=True)
        if one != other
    ] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2035-06-05T09:00:00+02:00", "2035-06-05T07:00:00+00:00"),
        ("2035-06-05T09:00:00Z", "2035-06-05T09:00:00+00:00"),
        ("2035-06-05t09:00:00.000z", "2035-06-05T09:00:00+00:00"),
        ("2035-06-05 09:00+14:00", "2035-06-04T19:00:00+00:00"),
    ],
)
def test_instants_with_any_offset(text: str, expected: str):
    assert parse_instant(text.upper() if "t" in text else text) == datetime.fromisoformat(expected)


@pytest.mark.parametrize("text", ["2035-06-05T09:00:00", "2035-06-05", "", "now", "20350605T0900Z"])
def test_what_is_no_instant(text: str):
    with pytest.raises(ValueError, match=r".*"):
        parse_instant(text)
