"""Booking both sessions of an assessment: every refusal has its code, and leaves nothing behind."""

from datetime import datetime, time, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from appointments.models import Appointment, AppointmentEvent, BusyTime
from clinics.models import Doctor
from core import ids, tenancy
from core.models import OutboxEvent
from tests.appointments.moments import NOW, berlin
from tests.appointments.scene import Person, Scene, person
from tests.appointments.traces import nothing_left_behind, refused

PATH = "assessments"


@pytest.fixture
def psychologist(cast: Scene) -> Doctor:
    """In region R1, taking Plan A, every day from 8 to 17 in Berlin."""
    doctor = cast.own.add_doctor(
        profession="PSYCHOLOGIST", licensed_regions=["R1"], accepted_insurances=["Plan A"]
    )
    cast.own.add_hours(doctor)
    return doctor


@pytest.fixture
def sessions(cast: Scene):
    """What patients may book: 90 minutes."""
    return cast.own.add_service(duration_minutes=90)


def body(
    cast: Scene, doctor: Doctor, first: datetime, second: datetime, /, **fields: Any
) -> dict[str, Any]:
    wanted = {
        "patient": cast.own.chart.id,
        "doctor": doctor.id,
        "location": cast.own.location.id,
        "type": "IN_PERSON",
        "first": {"starts_at": first.isoformat()},
        "second": {"starts_at": second.isoformat()},
    } | fields
    return {name: value for name, value in wanted.items() if value is not ...}


def book(cast: Scene, *args: Any, by: Person | None = None, **fields: Any) -> dict[str, Any]:
    answer = (by or cast.own.reception).api.post(PATH, body(cast, *args, **fields))
    assert answer.status_code == 201, answer.content
    return answer.json()


def ask(cast: Scene, *args: Any, by: Person | None = None, **fields: Any) -> Any:
    """A request that has to be refused."""
    with nothing_left_behind():
        return (by or cast.own.reception).api.post(PATH, body(cast, *args, **fields))


def chart_says(cast: Scene, **fields: str) -> None:
    for name, value in fields.items():
        setattr(cast.own.chart, name, value)
    with tenancy.scope(tenancy.SYSTEM):
        cast.own.chart.save(update_fields=list(fields))


def test_both_are_booked_and_the_second_follows_from_the_first(cast: Scene, psychologist: Doctor):
    made = book(cast, psychologist, berlin(1), berlin(3), reason="Assessment")
    first, second = made["first"], made["second"]
    assert (first["starts_at"], first["ends_at"]) == (
        "2035-06-05T07:00:00Z",
        "2035-06-05T08:30:00Z",
    )
    assert second["starts_at"] == "2035-06-07T07:00:00Z"
    assert [one["status"] for one in (first, second)] == ["SCHEDULED"] * 2
    assert [one["source"] for one in (first, second)] == ["STAFF"] * 2
    assert (first["parent_appointment"], first["original_appointment"]) == (None, None)
    assert (second["parent_appointment"], second["original_appointment"]) == (first["id"],) * 2
    assert [one["is_follow_up"] for one in (first, second)] == [False, False]
    assert [one["reason"] for one in (first, second)] == ["Assessment"] * 2
    wanted = [first["id"], second["id"]]
    with tenancy.scope(tenancy.SYSTEM):
        assert BusyTime.objects.filter(appointment_id__in=wanted, kind="BOOKED").count() == 2
        assert AppointmentEvent.objects.filter(appointment_id__in=wanted, verb="book").count() == 2
        topics = OutboxEvent.objects.filter(topic="appointment.booked").count()
        assert topics == Appointment.objects.count() == 2


def test_a_patient_books_what_is_offered(cast: Scene, psychologist: Doctor, sessions):
    fields = {"by": cast.own.patient, "service": sessions.id}
    found = cast.own.patient.api.get(
        "assessments/slot-pairs", region="R1", service=sessions.id, patient=cast.own.chart.id
    ).json()["results"][0]
    pair = found["pairs"][1]
    times = [datetime.fromisoformat(pair[name]["starts_at"]) for name in ("first", "second")]
    made = book(cast, psychologist, *times, **fields)
    assert [one["source"] for one in made.values()] == ["PATIENT"] * 2
    cast.own.policy(requires_approval=True)
    made = book(cast, psychologist, berlin(8), berlin(15), **fields)
    assert [one["status"] for one in made.values()] == ["PENDING"] * 2


def test_what_binds_patients_and_not_staff(cast: Scene, psychologist: Doctor, sessions):
    by = {"by": cast.own.patient}
    days = (berlin(1), berlin(2))
    refused(ask(cast, psychologist, *days, **by), 400, "VALIDATION_ERROR", service="required")
    answer = ask(cast, psychologist, *days, **by, service=sessions.id, duration=60)
    refused(answer, 403, "PERMISSION_DENIED")
    hidden = cast.own.add_service(duration_minutes=90, is_public=False)
    answer = ask(cast, psychologist, *days, **by, service=hidden.id)
    refused(answer, 403, "PERMISSION_DENIED")
    late = berlin(2, 9, 10)
    answer = ask(cast, psychologist, berlin(1), late, **by, service=sessions.id)
    refused(answer, 400, "VALIDATION_ERROR", second="offered")
    cast.own.policy(min_notice_minutes=27 * 60)
    answer = ask(cast, psychologist, *days, **by, service=sessions.id)
    refused(answer, 409, "TOO_SOON", first="soon")
    book(cast, psychologist, berlin(1), late)


def test_only_for_whom_one_may_book(cast: Scene, psychologist: Doctor, sessions):
    days = (berlin(1), berlin(2))
    fields = {"service": sessions.id}
    for by in (cast.other.reception, cast.other.patient, person("stranger")):
        answer = ask(cast, psychologist, *days, by=by, **fields)
        assert (answer.status_code, answer.json()["code"]) in {
            (404, "NOT_FOUND"),
            (403, "PERMISSION_DENIED"),
        }
    neighbour = cast.own.add_chart()
    answer = ask(cast, psychologist, *days, by=cast.own.patient, **fields, patient=neighbour.id)
    refused(answer, 404, "NOT_FOUND", patient="not found")
    # A doctor books in their own calendar, not in a colleague's.
    answer = ask(cast, psychologist, *days, by=cast.own.doctor_user)
    refused(answer, 403, "PERMISSION_DENIED")
    book(cast, cast.own.doctor, *days, by=cast.own.doctor_user)


@pytest.mark.parametrize("name", ["patient", "location", "service", "doctor"])
def test_nothing_foreign_comes_in(cast: Scene, psychologist: Doctor, sessions, name: str):
    foreign = {
        "patient": cast.other.chart,
        "location": cast.other.location,
        "service": cast.other.service,
        "doctor": cast.other.doctor,
    }[name]
    days = (berlin(1), berlin(2))
    answer = ask(cast, psychologist, *days, **{name: foreign.id})
    never = ask(cast, psychologist, *days, **{name: uuid4()})
    refused(answer, 404, "NOT_FOUND")
    assert answer.json()["errors"] == never.json()["errors"]


# --- The rules of a pair ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        (berlin(1), berlin(1, 13), "later day"),
        (berlin(1), berlin(1), "later day"),
        (berlin(3), berlin(1), "later day"),
        (berlin(1), berlin(9), "at most 7 days"),
        (berlin(1, 16), berlin(9, 8), "at most 7 days"),
        (berlin(26), berlin(31), "30 days"),
    ],
)
def test_two_local_days_at_most_a_week_apart(
    cast: Scene, psychologist: Doctor, first: datetime, second: datetime, says: str
):
    answer = ask(cast, psychologist, first, second)
    refused(answer, 400, "VALIDATION_ERROR", second=says)


def test_seven_days_apart_is_near_enough(cast: Scene, psychologist: Doctor):
    """By the days of the place, whatever the hours: 7 days and 6 hours."""
    book(cast, psychologist, berlin(1, 8), berlin(8, 14))


def test_the_window_ends_to_the_minute(cast: Scene, psychologist: Doctor):
    cast.own.add_hours(psychologist, time(6), time(8))
    last = berlin(30, 6, 30)
    book(cast, psychologist, berlin(25), last)
    answer = ask(cast, psychologist, berlin(26), NOW + timedelta(days=30))
    refused(answer, 400, "VALIDATION_ERROR", second="30 days")


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])
def test_days_are_those_of_the_place(cast: Scene, zone: str):
    """Two starts of one day in UTC are two days there, and the other way round."""
    place, doctor = cast.own.add_location(zone), cast.own.add_doctor()
    cast.own.add_hours(doctor, time(0), time(0), location=place)
    midnight = datetime.combine(
        (NOW + timedelta(days=3)).date(), time(0), tzinfo=ZoneInfo(zone)
    ).astimezone(NOW.tzinfo)
    fields = {"location": place.id}
    answer = ask(cast, doctor, midnight, midnight + timedelta(hours=20), **fields)
    refused(answer, 400, "VALIDATION_ERROR", second="later day")
    book(cast, doctor, midnight - timedelta(minutes=90), midnight, **fields)


def test_a_night_between_needs_the_time_between_visits(cast: Scene):
    doctor = cast.own.add_doctor()
    cast.own.add_hours(doctor, time(0), time(0))
    buffered = cast.own.add_service(duration_minutes=90, buffer_after_minutes=15)
    answer = ask(cast, doctor, berlin(1, 22, 30), berlin(2, 0), service=buffered.id)
    refused(answer, 400, "VALIDATION_ERROR", second="too soon after")
    book(cast, doctor, berlin(1, 22, 30), berlin(2, 0, 15), service=buffered.id)


def test_the_clinician_has_to_suit_the_patient_as_far_as_the_chart_says(
    cast: Scene, psychologist: Doctor
):
    days = (berlin(1), berlin(2))
    chart_says(cast, region="R2")
    answer = ask(cast, psychologist, *days)
    refused(answer, 400, "VALIDATION_ERROR", doctor="region")
    chart_says(cast, insurance="Plan B")
    answer = ask(cast, psychologist, *days)
    assert len(answer.json()["errors"]["doctor"]) == 2
    chart_says(cast, region="R1", insurance="Plan A")
    book(cast, psychologist, *days)
    chart_says(cast, region="", insurance="")
    book(cast, psychologist, berlin(3), berlin(4))


# --- The codes of the calendar --------------------------------------------------------------------


def exception(cast: Scene, doctor: Doctor, kind: str, day: int) -> None:
    on = berlin(day).date()
    answer = cast.own.admin.api.post(
        "schedule-exceptions",
        {
            "clinic": cast.own.clinic.id,
            "doctor": doctor.id,
            "kind": kind,
            "start_date": on,
            "end_date": on,
        },
    )
    assert answer.status_code == 201, answer.content


@pytest.mark.parametrize("which", ["first", "second"])
def test_a_taken_time_says_which_and_what_else(cast: Scene, psychologist: Doctor, which: str):
    taken = {"first": berlin(1), "second": berlin(3)}[which]
    cast.own.book(taken, doctor=psychologist.id, patient=cast.own.add_chart().id)
    answer = ask(cast, psychologist, berlin(1), berlin(3))
    told = refused(answer, 409, "SCHEDULING_CONFLICT", **{which: "taken"})
    assert set(told["errors"]) == {which}
    assert 1 <= len(told["alternatives"]) <= 5
    assert 1 <= len(told["pairs"]) <= 3
    # Each alternative is one: put in the place of what was taken, it can be booked.
    for slot in told["alternatives"]:
        times = {"first": berlin(1), "second": berlin(3)}
        times[which] = datetime.fromisoformat(slot["starts_at"])
        made = book(cast, psychologist, times["first"], times["second"])
        for one in made.values():
            path = f"appointments/{one['id']}/cancel"
            assert cast.own.reception.api.post(path, {"reason": "x"}).status_code == 200
    pair = told["pairs"][0]
    times = [datetime.fromisoformat(pair[name]["starts_at"]) for name in ("first", "second")]
    book(cast, psychologist, *times)


def test_both_taken_names_both(cast: Scene, psychologist: Doctor):
    for day in (1, 3):
        cast.own.book(berlin(day), doctor=psychologist.id, patient=cast.own.add_chart().id)
    told = refused(ask(cast, psychologist, berlin(1), berlin(3)), 409, "SCHEDULING_CONFLICT")
    assert set(told["errors"]) == {"first", "second"}
    assert len(told["alternatives"]) == 2 * len(told["pairs"]) == 6


def test_every_code_of_the_calendar(cast: Scene, psychologist: Doctor):
    def tell(first: datetime, second: datetime, code: str, which: str, **fields: Any) -> None:
        told = refused(ask(cast, psychologist, first, second, **fields), 409, code)
        assert set(told["errors"]) == {which}
        assert "alternatives" in told

    tell(NOW - timedelta(days=1), berlin(1), "TOO_SOON", "first")
    tell(berlin(1), berlin(2, 20), "OUTSIDE_WORKING_HOURS", "second")
    exception(cast, psychologist, "LEAVE", 5)
    tell(berlin(4), berlin(5), "DOCTOR_ON_LEAVE", "second")
    exception(cast, psychologist, "CLOSED", 6)
    tell(berlin(6), berlin(7), "OUTSIDE_WORKING_HOURS", "first")
    cast.own.book(berlin(2))  # the patient, with another doctor
    tell(berlin(1), berlin(2), "PATIENT_CONFLICT", "second")
    cast.own.policy(horizon_days=10)
    tell(berlin(8), berlin(12), "BEYOND_HORIZON", "second")


def test_caps_count_both_together(cast: Scene):
    doctor = cast.own.add_doctor(max_daily_appointments=2, max_weekly_appointments=3)
    cast.own.add_hours(doctor)
    others = [cast.own.add_chart().id for _ in range(2)]
    cast.own.book(berlin(1, 14), doctor=doctor.id, patient=others[0])
    cast.own.book(berlin(1, 15), doctor=doctor.id, patient=others[1])
    told = refused(ask(cast, doctor, berlin(1), berlin(8)), 409, "DAILY_CAP_REACHED")
    assert set(told["errors"]) == {"first"}
    # The week has room for one more: two of them are one too many, across weeks they are not.
    told = refused(ask(cast, doctor, berlin(2), berlin(4)), 409, "WEEKLY_CAP_REACHED")
    assert set(told["errors"]) == {"second"}
    for slot in told["alternatives"]:
        assert datetime.fromisoformat(slot["starts_at"]) >= berlin(7, 0)
    book(cast, doctor, berlin(4), berlin(7))
    told = refused(ask(cast, doctor, berlin(5), berlin(8)), 409, "WEEKLY_CAP_REACHED")
    assert set(told["errors"]) == {"first"}


# --- Bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"patient": ...}, "patient"),
        ({"doctor": "somebody"}, "doctor"),
        ({"first": ...}, "first"),
        ({"first": "2035-06-05T09:00:00+02:00"}, "first.non_field"),
        ({"second": {}}, "second.starts_at"),
        ({"second": {"starts_at": "2035-06-06T09:00:00"}}, "second.starts_at"),
        ({"second": {"starts_at": "2035-02-30T09:00:00Z"}}, "second.starts_at"),
        ({"first": {"starts_at": "2035-06-05T09:00:30+02:00"}}, "first"),
        ({"second": {"starts_at": "2035-06-06T09:00:30+02:00"}}, "second"),
        ({"duration": 4}, "duration"),
        ({"duration": 100000}, "duration"),
        ({"reason": "x" * 501}, "reason"),
        ({"type": "LETTER"}, "type"),
        ({"override": {"reason": "please"}}, "override"),
    ],
)
def test_bad_bodies_say_what_is_wrong(
    cast: Scene, psychologist: Doctor, fields: dict[str, Any], field: str
):
    told = refused(ask(cast, psychologist, berlin(1), berlin(2), **fields), 400, "VALIDATION_ERROR")
    assert set(told["errors"]) == {field}


def test_place_and_way_are_those_of_the_service(cast: Scene, psychologist: Doctor, sessions):
    days = (berlin(1), berlin(2))
    refused(ask(cast, psychologist, *days, location=...), 400, "LOCATION_REQUIRED")
    answer = ask(cast, psychologist, *days, service=sessions.id, type="PHONE")
    refused(answer, 400, "INVALID_APPOINTMENT_TYPE", type="not offered")


def test_the_same_key_gives_the_same_two(cast: Scene, psychologist: Doctor):
    api, key = cast.own.reception.api, {"Idempotency-Key": ids.uuid7().hex}
    wanted = body(cast, psychologist, berlin(1), berlin(2))
    once, again = (api.post(PATH, wanted, **key) for _ in range(2))
    assert (once.status_code, again.status_code) == (201, 201)
    assert once.json() == again.json()
    with tenancy.scope(tenancy.SYSTEM):
        assert Appointment.objects.count() == 2
