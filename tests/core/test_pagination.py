"""Pages by key: each row once, whatever is written meanwhile."""

import base64
from datetime import timedelta

import orjson
import pytest

from appointments.models import Appointment
from core import tenancy
from tests.appointments.conftest import _stage, cast  # noqa: F401 - the cast of the calendar
from tests.appointments.moments import berlin
from tests.appointments.scene import Scene


def book_many(cast: Scene, count: int) -> list[str]:  # noqa: F811
    return [
        cast.own.book(
            berlin(days=1 + number // 18, hour=8) + timedelta(minutes=30 * (number % 18))
        )["id"]
        for number in range(count)
    ]


def pages(cast: Scene, limit: int, between=lambda: None, **query) -> list[list[str]]:  # noqa: F811
    found, cursor = [], {}
    while True:
        answer = cast.own.reception.api.get("appointments", limit=limit, **cursor, **query).json()
        found.append([row["id"] for row in answer["results"]])
        assert answer["has_more"] == (answer["next_cursor"] is not None)
        if not answer["has_more"]:
            return found
        cursor = {"cursor": answer["next_cursor"]}
        between()


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_every_row_once_and_in_order(cast: Scene, limit: int):  # noqa: F811
    expected = book_many(cast, 7)
    found = pages(cast, limit)
    assert [row for page in found for row in page] == expected
    assert all(len(page) == limit for page in found[:-1])


def test_rows_written_between_pages_move_nothing(cast: Scene):  # noqa: F811
    expected = book_many(cast, 9)
    early = iter(range(100))

    def write() -> None:
        """One before what was read, one after it."""
        number = next(early)
        cast.own.book(berlin(days=0, hour=8) + timedelta(minutes=30 * number))
        cast.own.book(berlin(days=9, hour=8) + timedelta(minutes=30 * number))

    found = [row for page in pages(cast, 3, write) for row in page]
    assert len(found) == len(set(found))
    assert [row for row in found if row in expected] == expected


def test_rows_of_one_moment_are_told_apart_by_their_id(cast: Scene):  # noqa: F811
    group = cast.own.add_doctor()
    cast.own.add_hours(group, capacity=5)
    made = {
        cast.own.book(berlin(), doctor=group.id, patient=cast.own.add_chart().id)["id"]
        for _ in range(5)
    }
    found = pages(cast, 2)
    assert {row for page in found for row in page} == made
    assert [len(page) for page in found] == [2, 2, 1]


def test_a_forged_cursor_shows_no_more_than_the_scope(cast: Scene):  # noqa: F811
    """The cursor is no secret: one made by hand starts elsewhere, in the same rows."""
    theirs = cast.other.book(berlin(hour=10))
    forged = base64.urlsafe_b64encode(
        orjson.dumps(["2000-01-01T00:00:00+00:00", theirs["id"]])
    ).decode()
    own = book_many(cast, 2)
    found = cast.own.reception.api.get("appointments", cursor=forged.rstrip("=")).json()
    assert [row["id"] for row in found["results"]] == own


def test_a_cursor_of_another_list(cast: Scene):  # noqa: F811
    book_many(cast, 2)
    cursor = cast.own.reception.api.get("appointments", limit=1).json()["next_cursor"]
    answer = cast.own.admin.api.get("schedule-exceptions", cursor=cursor)
    assert answer.status_code in {200, 400}
    assert answer.status_code == 400 or answer.json()["results"] == []


def test_no_count_and_no_offset(cast: Scene, django_assert_max_num_queries, monkeypatch):  # noqa: F811
    book_many(cast, 4)
    seen = []
    with django_assert_max_num_queries(20) as captured:
        pages(cast, 2)
    seen = [query["sql"].upper() for query in captured.captured_queries]
    assert not [sql for sql in seen if " OFFSET " in sql or "COUNT(*)" in sql]


def test_filters_and_pages_together(cast: Scene):  # noqa: F811
    made = book_many(cast, 6)
    for appointment in made[::2]:
        cast.own.reception.api.post(f"appointments/{appointment}/confirm")
    found = pages(cast, 2, status="CONFIRMED")
    assert [row for page in found for row in page] == made[::2]
    with tenancy.scope(tenancy.SYSTEM):
        assert Appointment.objects.count() == 6
