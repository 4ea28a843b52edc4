"""The end of a visit, and what follows it in the same act."""

import pytest

from appointments.models import Appointment
from clinics.models import Doctor
from clinics.services.changes import create_row
from core import ids, tenancy
from core.models import AuditEvent, OutboxEvent
from followups.models import FollowUpPlan
from followups.services import placing
from tests.appointments.moments import berlin
from tests.appointments.scene import House, Scene
from tests.appointments.traces import nothing_left_behind, refused, without_request
from tests.followups.care_acts import (
    DAY,
    SECRETS,
    at,
    colleague,
    complete,
    fill,
    in_progress,
    row,
    told,
)

ASKED = {"follow_up_required": True, "follow_up_date": DAY}


def plans() -> int:
    with tenancy.scope(tenancy.SYSTEM):
        return FollowUpPlan.objects.count()


def test_a_visit_that_nothing_follows_is_completed_as_ever(own: House):
    visit = in_progress(own, notes="before")
    answer = complete(own, visit, notes="after")
    body = answer.json()
    assert (body["status"], body["notes"]) == ("COMPLETED", "before\nafter")
    assert body["follow_up_plan"] is None
    assert answer.headers["ETag"] == f'"{body["version"]}"'
    assert plans() == 0
    assert "follow_up" not in told("appointment.completed")[-1]


def test_the_follow_up_is_booked_at_the_same_time_of_day(own: House):
    visit = in_progress(own, berlin(0, 10, 30))
    body = complete(own, visit, **ASKED, follow_up_type="therapy").json()
    plan, booked = body["follow_up_plan"], body["follow_up_plan"]["booked_appointment"]
    assert body["status"] == "COMPLETED"
    assert (plan["status"], plan["code"], plan["alternatives"]) == ("completed", None, [])
    assert plan["follow_up_type"] == "therapy"
    assert (plan["appointment"], plan["follow_up_appointment"]) == (visit["id"], booked["id"])
    assert booked["starts_at"].startswith("2035-07-02T08:30")
    for name in ("doctor", "patient", "location", "service", "type"):
        assert booked[name] == visit[name]
    assert (booked["parent_appointment"], booked["original_appointment"]) == (visit["id"],) * 2
    assert (booked["is_follow_up"], booked["source"]) == (True, "FOLLOW_UP")
    assert booked["booked_by"] == str(own.doctor_user.id)


def test_the_nearest_time_of_the_day_where_the_same_is_taken(own: House):
    visit = in_progress(own, berlin(0, 10))
    own.book(at(hour=10), patient=own.add_chart().id)
    own.book(at(hour=9, minute=30), patient=own.add_chart().id)
    plan = complete(own, visit, **ASKED).json()["follow_up_plan"]
    assert plan["booked_appointment"]["starts_at"].startswith("2035-07-02T08:30")


def test_the_patients_own_other_visits_are_in_the_way_too(own: House):
    second = own.add_doctor()
    own.add_hours(second)
    visit = in_progress(own, berlin(0, 10))
    own.book(at(hour=10), doctor=second.id)  # the same patient, elsewhere in the house
    plan = complete(own, visit, **ASKED).json()["follow_up_plan"]
    assert plan["status"] == "completed"
    assert plan["booked_appointment"]["starts_at"].startswith("2035-07-02T07:30")


def test_where_nobody_is_free_the_visit_is_completed_and_the_plan_waits(own: House):
    visit = in_progress(own, berlin(0, 10))
    fill(own)
    body = complete(own, visit, **ASKED, notes="All well").json()
    plan = body["follow_up_plan"]
    assert (body["status"], body["notes"]) == ("COMPLETED", "All well")
    assert (plan["status"], plan["booked_appointment"]) == ("scheduled", None)
    assert plan["code"] == plan["waiting_code"] == "SCHEDULING_CONFLICT"
    assert len(plan["alternatives"]) == 5
    assert plan["alternatives"][0]["starts_at"].startswith("2035-07-03T06:00")
    assert row(plan).waiting_code == "SCHEDULING_CONFLICT"


@pytest.mark.parametrize(
    ("why", "code"),
    [
        ("leave", "DOCTOR_ON_LEAVE"),
        ("closed", "OUTSIDE_WORKING_HOURS"),
        ("far", "BEYOND_HORIZON"),
        ("cap", "DAILY_CAP_REACHED"),
    ],
)
def test_a_plan_says_why_it_waits(own: House, why: str, code: str):
    visit = in_progress(own)
    asked = ASKED | ({"follow_up_date": "2039-01-03"} if why == "far" else {})
    if why in {"leave", "closed"}:
        kind = {"leave": "LEAVE", "closed": "CLOSED"}[why]
        body = {"clinic": own.clinic.id, "doctor": own.doctor.id, "kind": kind}
        days = {"start_date": DAY, "end_date": DAY}
        if kind == "CLOSED":
            body["location"] = own.location.id
        assert own.admin.api.post("schedule-exceptions", body | days).status_code == 201
    if why == "cap":
        own.doctor.max_daily_appointments = 1
        with tenancy.scope(tenancy.SYSTEM):
            own.doctor.save(update_fields=["max_daily_appointments"])
        own.book(at(hour=15), patient=own.add_chart().id)
    plan = complete(own, visit, **asked).json()["follow_up_plan"]
    assert (plan["status"], plan["code"]) == ("scheduled", code)
    assert bool(plan["alternatives"]) == (why != "far")


def test_a_number_of_days_counts_from_the_visit(own: House):
    plan = complete(own, in_progress(own), follow_up_required=True, follow_up_days_after=28).json()[
        "follow_up_plan"
    ]
    assert (plan["scheduled_for"], plan["days_after"]) == (DAY.isoformat(), 28)
    assert plan["status"] == "completed"


def test_without_a_day_the_plan_waits_from_tomorrow_on(own: House):
    body = complete(own, in_progress(own), follow_up_required=True).json()
    plan = body["follow_up_plan"]
    assert (plan["scheduled_for"], plan["status"], plan["code"]) == (
        "2035-06-05",
        "scheduled",
        None,
    )


def test_a_follow_up_may_be_only_planned(own: House):
    plan = complete(own, in_progress(own), **ASKED, follow_up_book=False).json()["follow_up_plan"]
    assert (plan["status"], plan["booked_appointment"], plan["code"]) == ("scheduled", None, None)


def test_what_is_to_be_done_until_then_is_kept_and_told_to_nobody(own: House):
    asked = {f"follow_up_{name}": value for name, value in SECRETS.items()}
    plan = complete(own, in_progress(own), **ASKED, **asked).json()["follow_up_plan"]
    for name, value in SECRETS.items():
        assert plan[name] == value
    with tenancy.scope(tenancy.SYSTEM):
        written = [str(event.changes) for event in AuditEvent.objects.all()]
        written += [str(event.payload) for event in OutboxEvent.objects.all()]
    words = ("knee", "buprofen", "stairs", "antoprazol")
    assert not [text for text in written if any(word in text for word in words)]
    assert told("followup.planned")[-1]["plan"] == plan["id"]
    assert told("followup.booked")[-1]["follow_up_appointment"] == plan["follow_up_appointment"]


def test_the_last_moment_of_a_race_is_the_constraints(own: House, monkeypatch):
    """What the search offered is gone when it is booked: the next nearest is tried."""
    visit = in_progress(own, berlin(0, 10))
    found = placing.slots_find

    def taken_meanwhile(**asked):
        slots = found(**asked)
        monkeypatch.setattr(placing, "slots_find", found)
        own.book(at(hour=10), patient=own.add_chart().id)
        return slots

    monkeypatch.setattr(placing, "slots_find", taken_meanwhile)
    # The booking in between narrows the scope to the receptionist's; the doctor's is the same.
    plan = complete(own, visit, **ASKED).json()["follow_up_plan"]
    assert plan["status"] == "completed"
    assert plan["booked_appointment"]["starts_at"].startswith("2035-07-02T07:30")


# --- Refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "code", "field"),
    [
        ({"follow_up_date": "2035-06-04"}, "INVALID_FOLLOWUP_DATE", "follow_up_date"),
        ({"follow_up_date": "2020-01-01"}, "INVALID_FOLLOWUP_DATE", "follow_up_date"),
        ({"follow_up_date": "2099-01-01"}, "INVALID_FOLLOWUP_DATE", "follow_up_date"),
        ({"follow_up_date": "2035-02-29"}, "VALIDATION_ERROR", "follow_up_date"),
        ({"follow_up_days_after": 0}, "INVALID_FOLLOWUP_DATE", "follow_up_days_after"),
        ({"follow_up_days_after": 10**9}, "INVALID_FOLLOWUP_DATE", "follow_up_days_after"),
        (ASKED | {"follow_up_days_after": 3}, "VALIDATION_ERROR", "follow_up_days_after"),
        (ASKED | {"follow_up_type": "sometime"}, "VALIDATION_ERROR", "follow_up_type"),
        (ASKED | {"follow_up_priority": "MAX"}, "VALIDATION_ERROR", "follow_up_priority"),
        (ASKED | {"follow_up_medications": ["x"] * 10_000}, "VALIDATION_ERROR", "follow_up_med"),
        (ASKED | {"follow_up_medications": ["x" * 201]}, "VALIDATION_ERROR", "follow_up_med"),
        (ASKED | {"follow_up_tests": [" "]}, "VALIDATION_ERROR", "follow_up_tests"),
        (ASKED | {"follow_up_tests": ["a\x00b"]}, "VALIDATION_ERROR", "follow_up_tests"),
        (ASKED | {"follow_up_instructions": "a\x00"}, "VALIDATION_ERROR", "follow_up_inst"),
        (ASKED | {"follow_up_duration_minutes": 1}, "VALIDATION_ERROR", "follow_up_duration"),
        (ASKED | {"follow_up_mode": "VIDEO_CALL"}, "INVALID_APPOINTMENT_TYPE", "follow_up_mode"),
        (ASKED | {"follow_up_service": str(ids.uuid7())}, "NOT_FOUND", "follow_up_service"),
        (ASKED | {"follow_up_location": str(ids.uuid7())}, "NOT_FOUND", "follow_up_location"),
        ({"follow_up_sort": "x"}, "VALIDATION_ERROR", "follow_up_sort"),
    ],
)
def test_a_wish_that_cannot_be_refuses_the_completion(own: House, asked, code: str, field: str):
    visit = in_progress(own)
    with nothing_left_behind():
        answer = complete(own, visit, **({"follow_up_required": True} | asked))
    body = answer.json()
    assert body["code"] == code
    assert any(name.startswith(field) for name in body["errors"]), body["errors"]
    status = own.doctor_user.api.get(f"appointments/{visit['id']}").json()["status"]
    assert status == "IN_PROGRESS"
    assert plans() == 0


def test_a_wish_without_saying_so_is_refused(own: House):
    visit = in_progress(own)
    with nothing_left_behind():
        answer = complete(own, visit, follow_up_type="routine")
    refused(answer, 400, "VALIDATION_ERROR", follow_up_required="")


def test_a_visit_that_is_not_under_way_is_not_completed(own: House):
    visit = own.book(berlin())
    with nothing_left_behind():
        refused(complete(own, visit, **ASKED), 409, "INVALID_TRANSITION")
    assert plans() == 0


def test_the_version_is_that_of_the_visit(own: House):
    visit = in_progress(own)
    path = f"appointments/{visit['id']}/complete"
    with nothing_left_behind():
        answer = own.doctor_user.api.post(path, ASKED, **{"If-Match": '"1"'})
    refused(answer, 412, "PRECONDITION_FAILED")
    tag = f'"{visit["version"]}"'
    assert own.doctor_user.api.post(path, ASKED, **{"If-Match": tag}).status_code == 200


def test_a_repeated_request_makes_one_plan(own: House):
    visit = in_progress(own)
    path, key = f"appointments/{visit['id']}/complete", {"Idempotency-Key": "once-and-for-all"}
    first = own.doctor_user.api.post(path, ASKED, **key)
    second = own.doctor_user.api.post(path, ASKED, **key)
    assert first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert plans() == 1


def test_who_treats_completes_and_nobody_else(cast: Scene):
    own = cast.own
    visit = in_progress(own)
    for who in (own.reception, own.nurse, own.patient):
        with nothing_left_behind():
            refused(complete(own, visit, who, **ASKED), 403, "PERMISSION_DENIED")
    unknown = without_request(
        refused(complete(own, {"id": ids.uuid7()}, cast.other.admin), 404, "APPOINTMENT_NOT_FOUND")
    )
    answer = complete(own, visit, cast.other.admin, **ASKED)
    assert without_request(refused(answer, 404, "APPOINTMENT_NOT_FOUND")) == unknown


def test_who_completes_plans_with_themselves_but_not_for_others(own: House):
    """A counselor may not write others' plans; the one that comes with the completion is theirs."""
    counselor = colleague(own, "COUNSELOR")
    with tenancy.scope(tenancy.SYSTEM):
        theirs = create_row(
            Doctor, {"user": counselor.user, "display_name": "C"}, action="doctor.created"
        )
    own.add_hours(theirs)
    visit = in_progress(own, doctor=theirs.id)
    other = ASKED | {"follow_up_doctor": own.doctor.id}
    with nothing_left_behind():
        refused(complete(own, visit, counselor, **other), 403, "PERMISSION_DENIED")
    plan = complete(own, visit, counselor, **ASKED).json()["follow_up_plan"]
    assert (plan["status"], plan["doctor"]) == ("completed", str(theirs.id))


def test_the_admin_may_plan_it_with_another_doctor(own: House):
    second = own.add_doctor()
    own.add_hours(second)
    asked = ASKED | {"follow_up_doctor": second.id}
    plan = complete(own, in_progress(own), own.admin, **asked).json()["follow_up_plan"]
    assert plan["doctor"] == plan["booked_appointment"]["doctor"] == str(second.id)


def test_taking_the_completion_back_leaves_the_follow_up(own: House):
    visit = in_progress(own)
    plan = complete(own, visit, **ASKED).json()["follow_up_plan"]
    path = f"appointments/{visit['id']}/undo"
    assert own.admin.api.post(path, {"reason": "Too early"}).json()["status"] == "IN_PROGRESS"
    assert row(plan).status == "completed"
    with tenancy.scope(tenancy.SYSTEM):
        assert Appointment.objects.get(pk=plan["follow_up_appointment"]).status == "SCHEDULED"
