"""Changes of a series that are refused, hidden from strangers, or cost the same at any length."""

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from appointments.models import AppointmentSeries
from core import tenancy
from tests.appointments.moments import BERLIN
from tests.appointments.scene import Scene
from tests.appointments.series_acts import change, changed, days, now, path
from tests.appointments.test_series import create
from tests.appointments.traces import nothing_left_behind, refused

BAD = {
    "no scope": ({"local_time": "10:00"}, "scope", ""),
    "an unknown scope": ({"scope": "some", "local_time": "10:00"}, "scope", ""),
    "which visit": ({"scope": "this", "local_time": "10:00"}, "appointment", "which visit"),
    "nothing": ({"scope": "all"}, "non_field", "what is to be changed"),
    "too far": ({"scope": "all", "shift_days": 9}, "shift_days", "6"),
    "a rule for one": ({"scope": "this", "rrule": "FREQ=DAILY;COUNT=2"}, "rrule", "no rule"),
    "a million": ({"scope": "all", "rrule": "FREQ=DAILY;COUNT=1000000"}, "rrule", "530"),
    "twice": ({"scope": "all", "rrule": "FREQ=DAILY;COUNT=2", "shift_days": 1}, "shift_days", ""),
    "an end before": ({"scope": "all", "end_date": "2035-01-01"}, "end_date", "after"),
    "no end": ({"scope": "all", "end_date": None}, "end_date", "last day"),
    "an unknown field": ({"scope": "all", "colour": "red"}, "colour", "unknown"),
    "seconds": ({"scope": "all", "local_time": "10:00:30"}, "local_time", "whole minutes"),
    "a minute": ({"scope": "all", "duration_minutes": 1}, "duration_minutes", "5"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_changes_are_told_on_their_field(cast: Scene, case: str):
    made = create(cast.own, rrule="FREQ=WEEKLY;COUNT=3")
    body, field, text = BAD[case]
    if body.get("scope") == "this" and field != "appointment":
        body = body | {"appointment": made["visits"][0]["id"]}
    with nothing_left_behind():
        for send, to in (
            (cast.own.reception.api.patch, path(made)),
            (cast.own.reception.api.post, f"{path(made)}/preview"),
        ):
            refused(send(to, body), 400, "VALIDATION_ERROR", **{field: text})


def test_cancelling_takes_a_reason(cast: Scene):
    made = create(cast.own, rrule="FREQ=WEEKLY;COUNT=2")
    for reason in ("", "   "):
        answer = cast.own.reception.api.delete(path(made), {"scope": "all", "reason": reason})
        refused(answer, 400, "VALIDATION_ERROR", reason="")


def test_a_visit_of_another_series_or_clinic_is_not_there(cast: Scene):
    made = create(cast.own, rrule="FREQ=WEEKLY;COUNT=2")
    other = create(cast.own, rrule="FREQ=WEEKLY;COUNT=2", local_time="11:00")
    foreign = create(cast.other, start_date="2035-06-05", local_time="11:00")
    for visit in (other["visits"][0]["id"], foreign["visits"][0]["id"]):
        body = {"scope": "this", "appointment": visit, "local_time": "12:00"}
        answer = cast.own.reception.api.patch(path(made), body)
        refused(answer, 404, "NOT_FOUND", appointment="not found")
    for field, theirs in (("doctor", cast.other.doctor), ("location", cast.other.location)):
        body = {"scope": "all", field: theirs.id}
        refused(cast.own.reception.api.patch(path(made), body), 404, "NOT_FOUND")


def test_a_doctor_does_not_give_a_series_away(cast: Scene):
    made = create(cast.own, rrule="FREQ=WEEKLY;COUNT=2")
    second = cast.own.add_doctor()
    cast.own.add_hours(second)
    mine = cast.own.doctor_user.api
    refused(mine.patch(path(made), {"scope": "all", "doctor": second.id}), 403, "PERMISSION_DENIED")
    assert mine.patch(path(made), {"scope": "all", "local_time": "10:00"}).status_code == 200


def test_a_series_that_ended_is_not_drawn_anew(cast: Scene):
    made = create(cast.own, rrule="FREQ=WEEKLY;COUNT=3")
    body = {"scope": "following", "appointment": made["visits"][1]["id"], "reason": "x"}
    cast.own.reception.api.delete(path(made), body)
    answer = change(cast.own, made, "all", end_date="2035-08-01")
    refused(answer, 409, "INVALID_TRANSITION")
    changed(cast.own, made, "all", local_time="10:00")
    assert now(cast.own, made) == days((6, 5), hour=10)


def test_moved_into_the_hour_that_is_skipped(cast: Scene):
    place, doctor = cast.own.add_location("Europe/Berlin"), cast.own.add_doctor()
    midnight = datetime.min.time()
    cast.own.add_hours(doctor, start=midnight, end=midnight, location=place)
    made = create(
        cast.own,
        doctor=doctor.id,
        location=place.id,
        start_date="2036-03-29",
        rrule="FREQ=DAILY;COUNT=3",
    )
    changed(cast.own, made, "all", local_time="02:30")
    assert now(cast.own, made) == ["2036-03-29 02:30", "2036-03-30 03:30", "2036-03-31 02:30"]
    assert datetime(2036, 3, 30, 3, 30, tzinfo=BERLIN).utcoffset() == timedelta(hours=2)
    changed(cast.own, made, "all", shift_days=-1)
    assert now(cast.own, made) == ["2036-03-28 02:30", "2036-03-29 02:30", "2036-03-30 03:30"]


def test_changing_and_cancelling_take_the_same_statements_at_any_length(cast: Scene, settings):
    settings.OUTBOX_KICK = False
    counts: dict[str, set[int]] = {"change": set(), "preview": set(), "cancel": set()}
    for number, wall, later in ((2, "09:00", "09:30"), (20, "10:00", "10:30")):
        made = create(cast.own, rrule=f"FREQ=WEEKLY;COUNT={number}", local_time=wall)
        api, body = cast.own.reception.api, {"scope": "all", "local_time": later, "reason": "x"}
        for name, act in (
            ("preview", lambda a=api, m=made, b=body: a.post(f"{path(m)}/preview", b)),
            ("change", lambda a=api, m=made, b=body: a.patch(path(m), b)),
            (
                "cancel",
                lambda a=api, m=made: a.delete(path(m), {"scope": "all", "reason": "x"}),
            ),
        ):
            with CaptureQueriesContext(connection) as captured:
                assert act().status_code == 200
            # What the floor above does with each visit that is cancelled is its own account.
            own = [one for one in captured.captured_queries if "followups_" not in one["sql"]]
            counts[name].add(len(own))
    assert {name: len(seen) for name, seen in counts.items()} == dict.fromkeys(counts, 1), counts
    assert max(max(seen) for seen in counts.values()) < 20, counts


def test_the_series_of_another_clinic_are_hidden_by_the_database_itself(cast: Scene):
    create(cast.own, rrule="FREQ=WEEKLY;COUNT=2")
    with tenancy.scope([cast.other.clinic.id]):
        assert not AppointmentSeries.objects.exists()
