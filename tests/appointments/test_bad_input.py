"""What is not a request: refused with a code, never with a fault, and nothing is written."""

import json
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.appointments.moments import berlin
from tests.appointments.scene import Scene
from tests.appointments.traces import nothing_left_behind, refused


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("starts_at", "2035-06-05T09:00:00"),
        ("starts_at", "2035-06-05"),
        ("starts_at", "tomorrow"),
        ("starts_at", ""),
        ("starts_at", None),
        ("starts_at", 1_750_000_000),
        ("starts_at", "9999-12-31T23:59:59-14:00"),
        ("starts_at", "0001-01-01T00:00:00+14:00"),
        ("starts_at", "2035-06-05T09:00:30+02:00"),
        ("starts_at", "2035-02-30T09:00:00+02:00"),
        ("starts_at", ["2035-06-05T09:00:00+02:00"]),
        ("ends_at", "2035-06-05T08:00:00+02:00"),
        ("ends_at", "2035-06-05T09:04:00+02:00"),
        ("ends_at", "2035-06-06T09:00:00+02:00"),
        ("doctor", "not-an-id"),
        ("doctor", None),
        ("doctor", {"id": 1}),
        ("patient", "' OR 1=1 --"),
        ("type", "TELEPATHY"),
        ("type", None),
        ("priority", "MAYBE"),
        ("reason", "x" * 501),
        ("reason", "with a \x00 in it"),
        ("notes", "x" * 4001),
        ("notes", {"a": 1}),
        ("override", "because"),
        ("override", {"reason": ""}),
        ("override", {"reason": "x" * 501}),
        ("hold", "soon"),
        ("stauts", "CONFIRMED"),
        ("status", "CONFIRMED"),
        ("clinic", "0195b0c0-0000-7000-8000-000000000000"),
    ],
)
def test_a_wrong_field_is_named(cast: Scene, field: str, value):
    body = cast.own.request(berlin()) | {field: value}
    with nothing_left_behind():
        answer = cast.own.reception.api.post("appointments", body)
    problem = refused(answer, 400, "VALIDATION_ERROR")
    assert [name for name in problem["errors"] if name.split(".")[0] in {field, "ends_at"}]


@pytest.mark.parametrize("field", ["doctor", "starts_at"])
def test_a_missing_field_is_named(cast: Scene, field: str):
    with nothing_left_behind():
        answer = cast.own.reception.api.post(
            "appointments", cast.own.request(berlin(), **{field: ...})
        )
    assert field in refused(answer, 400, "VALIDATION_ERROR")["errors"]


def test_a_visit_without_service_or_end_has_no_length(cast: Scene):
    with nothing_left_behind():
        answer = cast.own.reception.api.post(
            "appointments", cast.own.request(berlin(), service=...)
        )
    refused(answer, 400, "VALIDATION_ERROR", ends_at="service")


def test_a_time_in_the_gap_of_a_clock_change_is_no_working_hour(cast: Scene):
    """02:30 on 2036-03-30 does not exist in Berlin. An instant is given with an offset, so it names
    another wall-clock time (01:30 or 03:30), and that is outside the hours."""
    for offset in ("+01:00", "+02:00"):
        with nothing_left_behind():
            answer = cast.own.reception.api.post(
                "appointments",
                cast.own.request(berlin()) | {"starts_at": f"2036-03-30T02:30:00{offset}"},
            )
        refused(answer, 409, "OUTSIDE_WORKING_HOURS")


def test_a_day_in_the_gap_is_still_a_day(cast: Scene):
    """The change of clocks moves no working hours: 09:00 is 09:00, a different instant."""
    before = cast.own.book(datetime(2036, 3, 29, 9, tzinfo=ZoneInfo("Europe/Berlin")))
    after = cast.own.book(datetime(2036, 3, 30, 9, tzinfo=ZoneInfo("Europe/Berlin")))
    assert before["starts_at"] == "2036-03-29T08:00:00Z"
    assert after["starts_at"] == "2036-03-30T07:00:00Z"


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "!!!",
        "e30",
        "W10",
        "WzEsMl0",
        "WyIyMDM1LTA2LTA1VDA5OjAwOjAwIiwieCJd",
        "A" * 5000,
        "%00",
    ],
)
def test_a_malformed_cursor(cast: Scene, cursor: str):
    answer = cast.own.reception.api.get("appointments", cursor=cursor)
    assert "cursor" in refused(answer, 400, "VALIDATION_ERROR")["errors"]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "-1"},
        {"limit": "ten"},
        {"limit": "٣"},
        {"stauts": "PENDING"},
        {"status": "SLEEPING"},
        {"date": "2035-13-01"},
        {"date_from": "yesterday"},
        {"doctor": "1"},
        {"expand": "password"},
        {"q": "x" * 101},
        {"q": "a\x00b"},
        {"is_follow_up": "maybe"},
        {"type": "FAX"},
    ],
)
def test_an_unknown_or_unreadable_filter_shows_nothing(cast: Scene, query: dict):
    cast.own.book(berlin())
    answer = cast.own.reception.api.get("appointments", **query)
    if query.get("is_follow_up") == "maybe":
        assert answer.status_code in {200, 400}
        return
    refused(answer, 400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("text/plain", "{}", 415),
        ("application/x-www-form-urlencoded", "a=b", 415),
        ("multipart/form-data; boundary=x", "--x--", 415),
        ("application/xml", "<a/>", 415),
        ("", "{}", 415),
        ("application/json", "{", 400),
        ("application/json", "[]", 400),
        ("application/json", '"text"', 400),
        ("application/json", "null", 400),
        ("application/json", "{}garbage", 400),
        ("application/json", b"\xff\xfe", 400),
        ("application/json", "[" * 20_000, 400),
        ("application/json", '{"a": NaN}', 400),
    ],
)
def test_a_body_that_is_not_a_json_object(cast: Scene, content_type: str, body, status: int):
    with nothing_left_behind():
        answer = cast.own.reception.api.send(
            "post", "appointments", body, content_type=content_type
        )
    refused(answer, status, "VALIDATION_ERROR")


def test_a_body_of_ten_megabytes_is_not_read(cast: Scene):
    body = json.dumps(cast.own.request(berlin(), reason="x" * 10_000_000), default=str)
    with nothing_left_behind():
        answer = cast.own.reception.api.send("post", "appointments", body)
    refused(answer, 413, "VALIDATION_ERROR")


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "\x7f"])
def test_an_idempotency_key_is_short_and_printable(cast: Scene, key: str):
    with nothing_left_behind():
        answer = cast.own.reception.api.post(
            "appointments", cast.own.request(berlin()), **{"Idempotency-Key": key}
        )
    refused(answer, 400, "VALIDATION_ERROR")


@pytest.mark.parametrize("tag", ['"2"', '"x"', "1", '""', 'W/"9"', '"99999999999999999999"'])
def test_a_version_that_is_not_the_present_one(cast: Scene, tag: str):
    made = cast.own.book(berlin())
    with nothing_left_behind():
        answer = cast.own.reception.api.patch(
            f"appointments/{made['id']}", {"reason": "x"}, **{"If-Match": tag}
        )
    refused(answer, 412, "PRECONDITION_FAILED")


@pytest.mark.parametrize("pk", ["1", "x", "0195b0c0-0000-7000-8000-00000000000g", "%00"])
def test_a_path_that_cannot_be_an_id(cast: Scene, pk: str):
    refused(cast.own.reception.api.get(f"appointments/{pk}"), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    "query",
    [
        {"date": "tomorrow"},
        {"from": "2035-06-05T09:00:00"},
        {"from": "2035-06-06", "to": "2035-06-05"},
        {"from": "2035-06-01", "to": "2036-06-01"},
        {"date": "9999-12-31"},
        {"date": "0001-01-01"},
        {"minutes": "4"},
        {"minutes": "721"},
        {"limit": "0"},
        {"limit": "2001"},
        {"type": "FAX"},
        {"service": "x"},
        {"when": "now"},
    ],
)
def test_a_question_about_slots_that_cannot_be_answered(cast: Scene, query: dict):
    answer = cast.own.reception.api.get(
        f"appointments/doctor/{cast.own.doctor.id}/availability", **query
    )
    if answer.status_code == 200:  # far days are a question, with nothing to offer
        assert query["date"].startswith(("9999", "0001"))
        assert answer.json()["results"] == []
        return
    refused(answer, 400, "VALIDATION_ERROR")


@pytest.mark.parametrize("path", ["cancel", "no-show", "undo"])
@pytest.mark.parametrize("reason", [None, "", "   ", "x" * 501, "\x00"])
def test_what_needs_a_reason_needs_a_good_one(cast: Scene, path: str, reason):
    made = cast.own.book(berlin())
    if path == "undo":
        cast.own.reception.api.post(f"appointments/{made['id']}/confirm")
    with nothing_left_behind():
        answer = cast.own.reception.api.post(
            f"appointments/{made['id']}/{path}", {} if reason is None else {"reason": reason}
        )
    refused(answer, 400, "VALIDATION_ERROR", reason="")
