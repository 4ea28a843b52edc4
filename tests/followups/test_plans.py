"""Plans: made for a visit or without one, and booked when their time has come."""

from datetime import timedelta

import pytest

from core import ids, tenancy
from followups.models import FollowUpPlan
from followups.services.plans import plan_schedule
from tests.appointments.moments import NOW, berlin
from tests.appointments.scene import House, Scene
from tests.appointments.traces import nothing_left_behind, refused, without_request
from tests.followups.care_acts import (
    DAY,
    SECRETS,
    alone,
    at,
    fill,
    follow,
    row,
    schedule,
    shift,
    told,
    trail,
    waiting,
)

# --- Made -----------------------------------------------------------------------------------------


def test_a_plan_without_a_visit_is_booked_at_the_first_time_of_its_day(own: House):
    answer = alone(own, **SECRETS, priority="HIGH", follow_up_type="specialist")
    plan = answer.json()
    assert answer.status_code == 201
    assert (plan["status"], plan["appointment"]) == ("completed", None)
    assert plan["booked_appointment"]["starts_at"].startswith("2035-07-02T06:00")
    assert plan["booked_appointment"]["priority"] == "HIGH"
    assert plan["booked_appointment"]["is_follow_up"] is True
    assert {name: plan[name] for name in SECRETS} == SECRETS
    assert row(plan).rank == 1
    assert told("followup.planned")[-1]["scheduled_for"] == DAY.isoformat()
    assert [event.action for event in trail(plan["id"])] == ["followup.planned", "followup.booked"]


def test_a_doctor_plans_with_themselves_unless_they_say_otherwise(own: House):
    assert alone(own, doctor=...).json()["doctor"] == str(own.doctor.id)
    refused(alone(own, own.admin, doctor=...), 400, "VALIDATION_ERROR", doctor="")


def test_a_plan_of_a_length_needs_no_service(own: House):
    plan = alone(own, service=..., duration_minutes=45).json()
    start, end = (plan["booked_appointment"][name] for name in ("starts_at", "ends_at"))
    assert (start[11:16], end[11:16]) == ("06:00", "06:45")
    refused(alone(own, service=...), 400, "VALIDATION_ERROR", service="")


def test_a_plan_waits_with_other_times_on_or_after_its_day(own: House):
    fill(own, but=[10 * 60])
    own.book(at(hour=10))  # the patient is there already
    plan = alone(own).json()
    assert (plan["status"], plan["code"]) == ("scheduled", "SCHEDULING_CONFLICT")
    assert all(slot["starts_at"] > "2035-07-02" for slot in plan["alternatives"])
    assert [slot["starts_at"][:16] for slot in plan["alternatives"]][:2] == [
        "2035-07-03T06:00",
        "2035-07-03T06:30",
    ]


def test_only_a_time_at_which_the_patient_is_elsewhere_is_no_time(own: House):
    second = own.add_doctor()
    own.add_hours(second)
    fill(own, but=[10 * 60])
    own.book(at(hour=10), doctor=second.id)
    plan = alone(own).json()
    assert (plan["status"], plan["code"]) == ("scheduled", "PATIENT_CONFLICT")


@pytest.mark.parametrize("field", ["patient", "doctor", "location", "service"])
def test_a_plan_refers_to_nothing_foreign(cast: Scene, field: str):
    foreign = {
        "patient": cast.other.chart,
        "doctor": cast.other.doctor,
        "location": cast.other.location,
        "service": cast.other.service,
    }[field]
    found = []
    for value in (foreign.id, ids.uuid7()):
        with nothing_left_behind():
            answer = alone(cast.own, cast.own.admin, **{field: value})
        found.append(without_request(refused(answer, 404, "NOT_FOUND", **{field: "not found"})))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"scheduled_for": "2035-02-29"}, "VALIDATION_ERROR", "scheduled_for"),
        ({"scheduled_for": "2035-06-04"}, "INVALID_FOLLOWUP_DATE", "scheduled_for"),
        ({"scheduled_for": "9999-12-31"}, "INVALID_FOLLOWUP_DATE", "scheduled_for"),
        ({"days_after": 3}, "VALIDATION_ERROR", "days_after"),
        ({"scheduled_for": ..., "days_after": -1}, "INVALID_FOLLOWUP_DATE", "days_after"),
        ({"medications": ["x"] * 51}, "VALIDATION_ERROR", "medications"),
        ({"medications": "aspirin"}, "VALIDATION_ERROR", "medications"),
        ({"restrictions": [""]}, "VALIDATION_ERROR", "restrictions"),
        ({"instructions": "x" * 4001}, "VALIDATION_ERROR", "instructions"),
        ({"type": "FAX"}, "VALIDATION_ERROR", "type"),
        ({"type": "PHONE"}, "INVALID_APPOINTMENT_TYPE", "type"),
        ({"duration_minutes": 721}, "VALIDATION_ERROR", "duration_minutes"),
        ({"status": "completed"}, "VALIDATION_ERROR", "status"),
        ({"patient": ...}, "VALIDATION_ERROR", "patient"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(own: House, body: dict, code: str, field: str):
    with nothing_left_behind():
        answer = alone(own, **body)
    found = answer.json()
    assert (answer.status_code, found["code"]) == (400, code)
    assert any(name.startswith(field) for name in found["errors"])


def test_a_plan_follows_a_visit_that_is_still_to_come(own: House):
    visit = own.book(berlin(3, 14))
    refused(
        follow(own, visit, scheduled_for="2035-06-07"),
        400,
        "INVALID_FOLLOWUP_DATE",
        scheduled_for="after the visit",
    )
    plan = follow(own, visit, scheduled_for="2035-06-08").json()
    assert plan["booked_appointment"]["starts_at"].startswith("2035-06-08T12:00")
    assert plan["booked_appointment"]["parent_appointment"] == visit["id"]


def test_a_follow_up_of_a_follow_up_has_the_same_root(own: House):
    first = own.book(berlin())
    second = follow(own, first, scheduled_for="2035-06-11").json()["booked_appointment"]
    third = follow(own, second, scheduled_for="2035-06-18").json()["booked_appointment"]
    assert third["parent_appointment"] == second["id"]
    assert third["original_appointment"] == first["id"]


def test_a_foreign_visit_is_an_unknown_one(cast: Scene):
    visit = cast.own.book(berlin())
    found = []
    for one in (visit, {"id": ids.uuid7()}):
        with nothing_left_behind():
            answer = follow(cast.own, one, cast.other.admin)
        found.append(without_request(refused(answer, 404, "APPOINTMENT_NOT_FOUND")))
    assert found[0] == found[1]


def test_a_repeated_request_makes_one_plan(own: House):
    visit = own.book(berlin())
    key = {"Idempotency-Key": "the-same-again"}
    path, body = f"appointments/{visit['id']}/follow-up", {"scheduled_for": DAY}
    answers = [own.doctor_user.api.post(path, body, **key) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    with tenancy.scope(tenancy.SYSTEM):
        assert FollowUpPlan.objects.count() == 1


# --- Booked ---------------------------------------------------------------------------------------


def test_a_plan_that_waits_is_booked_for_a_time(own: House):
    plan = waiting(own)
    answer = schedule(own, plan, starts_at=at(hour=11))
    body = answer.json()
    assert (answer.status_code, body["status"], body["version"]) == (200, "completed", 2)
    assert answer.headers["ETag"] == '"2"'
    visit = body["booked_appointment"]
    assert (visit["id"], visit["source"]) == (body["follow_up_appointment"], "FOLLOW_UP")
    assert visit["booked_by"] == str(own.reception.id)
    assert [event.action for event in trail(plan["id"])] == ["followup.planned", "followup.booked"]


def test_without_a_time_the_first_free_one_from_its_day_on(own: House):
    fill(own)
    plan = waiting(own)
    found = schedule(own, plan).json()["booked_appointment"]
    assert found["starts_at"].startswith("2035-07-03T06:00")


def test_a_plan_that_is_overdue_is_booked_from_today_on(own: House):
    plan = waiting(own)
    shift(plan, scheduled_for=(NOW - timedelta(days=10)).date(), status="overdue")
    found = schedule(own, plan).json()["booked_appointment"]
    assert found["starts_at"].startswith("2035-06-04T06:00")


def test_a_plan_is_booked_once(own: House):
    plan = waiting(own)
    assert schedule(own, plan, starts_at=at(hour=11)).status_code == 200
    with nothing_left_behind():
        answer = schedule(own, plan, starts_at=at(hour=12))
    refused(answer, 409, "FOLLOWUP_PLAN_ALREADY_CONVERTED")


def test_a_refused_time_comes_with_others_on_or_after_the_day(own: House):
    own.book(at(hour=11), patient=own.add_chart().id)
    own.book(at(hour=8))
    plan = waiting(own)
    with nothing_left_behind():
        answer = schedule(own, plan, starts_at=at(hour=11))
    body = refused(answer, 409, "SCHEDULING_CONFLICT")
    starts = [slot["starts_at"][:16] for slot in body["alternatives"]]
    assert starts[0] == "2035-07-02T06:30"  # at 08:00 the patient is there already
    assert "2035-07-02T09:00" not in starts


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"starts_at": "2035-07-02T03:00:00Z"}, 409, "OUTSIDE_WORKING_HOURS"),
        ({"starts_at": "2039-07-02T08:00:00Z"}, 409, "BEYOND_HORIZON"),
        ({"starts_at": "2035-07-02T08:00:00"}, 400, "VALIDATION_ERROR"),
        ({"starts_at": "2035-07-02T08:00:01Z"}, 400, "VALIDATION_ERROR"),
        ({"starts_at": "2035-07-02T08:00:00Z", "ends_at": "2035-07-02T07:00:00Z"}, 400, None),
        ({"starts_at": "2035-07-02T08:00:00Z", "location": str(ids.uuid7())}, 404, "NOT_FOUND"),
        ({"starts_at": "2035-07-02T08:00:00Z", "doctor": str(ids.uuid7())}, 404, "NOT_FOUND"),
        ({"starts_at": "2035-07-02T08:00:00Z", "hold": str(ids.uuid7())}, 410, "HOLD_EXPIRED"),
        ({"when": "soon"}, 400, "VALIDATION_ERROR"),
    ],
)
def test_a_time_that_cannot_be_is_refused(own: House, body: dict, status: int, code: str | None):
    plan = waiting(own)
    with nothing_left_behind():
        answer = schedule(own, plan, **body)
    refused(answer, status, code or "VALIDATION_ERROR")
    assert row(plan).status == "scheduled"


def test_never_before_its_day_unless_the_doctor_says_so(own: House):
    plan = waiting(own)
    early = {"starts_at": berlin(1)}
    with nothing_left_behind():
        refused(
            schedule(own, plan, own.doctor_user, **early),
            400,
            "INVALID_FOLLOWUP_DATE",
            starts_at="2035-07-02",
        )
        said = early | {"early_reason": "They asked"}
        refused(schedule(own, plan, own.reception, **said), 403, "PERMISSION_DENIED")
        said = early | {"early_reason": "  "}
        refused(schedule(own, plan, own.doctor_user, **said), 400, "INVALID_FOLLOWUP_DATE")
    said = early | {"early_reason": "The wound does not heal"}
    assert schedule(own, plan, own.doctor_user, **said).json()["status"] == "completed"
    assert trail(plan["id"])[-1].changes["early_reason"] == [None, "The wound does not heal"]


def test_the_day_is_that_of_the_place(own: House):
    """A plan's day has begun where the visit would be, whatever day it is in the clinic."""
    place = own.add_location("Pacific/Auckland")
    there = own.add_doctor()
    own.add_hours(there, location=place)
    plan = waiting(own, location=place.id, doctor=there.id)
    # 08:00 in Auckland on the day itself is 22:00 of the day before in Berlin.
    found = schedule(own, plan, starts_at="2035-07-01T20:00:00Z")
    assert found.json()["status"] == "completed", found.content
    other = waiting(own, location=place.id, doctor=there.id)
    answer = schedule(own, other, starts_at="2035-07-01T04:00:00Z")
    refused(answer, 400, "INVALID_FOLLOWUP_DATE")


def test_nobody_comes_before_the_visit_that_is_followed(own: House):
    visit = own.book(berlin(5))
    plan = follow(own, visit, book=False).json()
    said = {"starts_at": berlin(4), "early_reason": "Sooner is better"}
    with nothing_left_behind():
        refused(schedule(own, plan, own.doctor_user, **said), 400, "INVALID_FOLLOWUP_DATE")


def test_the_desk_may_book_it_with_another_doctor(own: House):
    second = own.add_doctor()
    own.add_hours(second)
    plan = waiting(own)
    body = schedule(own, plan, starts_at=at(hour=11), doctor=second.id).json()
    assert body["booked_appointment"]["doctor"] == str(second.id)
    assert body["doctor"] == str(own.doctor.id)


def test_a_hold_is_used(own: House):
    plan = waiting(own)
    asked = own.request(at(hour=11))
    hold = own.reception.api.post("slots/holds", asked).json()
    body = schedule(own, plan, starts_at=at(hour=11), hold=hold["id"]).json()
    assert body["status"] == "completed"


def test_the_clinic_itself_books_what_it_has_offered(own: House):
    plan = waiting(own)
    with tenancy.scope([own.clinic.id]):
        made = plan_schedule(by=None, plan_id=plan["id"], starts_at=at(hour=11))
    assert made.appointment is not None
    assert (made.plan.status, made.appointment.source) == ("completed", "FOLLOW_UP")
    assert made.appointment.booked_by_id is None


def test_a_stale_version_is_refused(own: House):
    plan = waiting(own)
    path = f"follow-up-plans/{plan['id']}/schedule"
    with nothing_left_behind():
        answer = own.reception.api.post(path, {}, **{"If-Match": '"7"'})
    refused(answer, 412, "PRECONDITION_FAILED")
    assert own.reception.api.post(path, {}, **{"If-Match": '"1"'}).status_code == 200


def test_a_repeated_booking_is_told_what_it_was_told(own: House):
    plan = waiting(own)
    path, key = f"follow-up-plans/{plan['id']}/schedule", {"Idempotency-Key": "lost-answer"}
    answers = [own.reception.api.post(path, {}, **key) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[1].status_code == 200
