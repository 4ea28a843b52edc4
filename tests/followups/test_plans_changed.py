"""Plans changed, given up, overdue; and what they do when their visit or their chart moves."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine

from core import tenancy
from followups.models import FollowUpPlan, WaitlistEntry
from followups.services import plan_changes
from followups.services.plans import plans_mark_overdue
from tests.appointments.merging_acts import double, merged, undone
from tests.appointments.moments import BERLIN, NOW, berlin
from tests.appointments.scene import House, Scene, house
from tests.appointments.traces import nothing_left_behind, refused
from tests.followups.care_acts import (
    DAY,
    SECRETS,
    act,
    at,
    booked,
    follow,
    row,
    schedule,
    shift,
    told,
    trail,
    waiting,
)

STALE = {"If-Match": '"9"'}


def change(house: House, plan: dict, /, by=None, **body):
    return (by or house.doctor_user).api.patch(f"follow-up-plans/{plan['id']}", body)


def give_up(house: House, plan: dict, by=None, **body):
    api = (by or house.doctor_user).api
    return api.delete(f"follow-up-plans/{plan['id']}", {"reason": "Not needed"} | body)


# --- Changed --------------------------------------------------------------------------------------


def test_what_is_planned_is_changed(own: House):
    second = own.add_doctor()
    plan = waiting(own)
    shift(plan, waiting_code="DOCTOR_ON_LEAVE", attempts=2, contact_on=DAY)
    answer = change(
        own, plan, scheduled_for="2035-08-01", priority="URGENT", doctor=second.id, **SECRETS
    )
    body = answer.json()
    assert (body["version"], answer.headers["ETag"]) == (2, '"2"')
    assert (body["scheduled_for"], body["doctor"]) == ("2035-08-01", str(second.id))
    assert (body["waiting_code"], body["attempts"], body["contact_on"]) == (None, 0, None)
    assert (row(plan).rank, row(plan).medications) == (0, SECRETS["medications"])
    said = trail(plan["id"])[-1]
    assert (said.action, said.changes["priority"]) == ("followup.changed", ["NORMAL", "URGENT"])
    assert "knee" not in str(said.changes)
    assert set(SECRETS) < set(said.changes)
    assert told("followup.changed")[-1]["priority"] == "URGENT"


def test_put_changes_as_patch_does_and_nothing_new_changes_nothing(own: House):
    plan = waiting(own)
    path = f"follow-up-plans/{plan['id']}"
    assert own.doctor_user.api.put(path, {"follow_up_type": "urgent"}).json()["version"] == 2
    same = own.doctor_user.api.put(path, {"follow_up_type": "urgent"}).json()
    assert (same["version"], same["scheduled_for"]) == (2, DAY.isoformat())


def test_an_overdue_plan_with_a_new_day_is_to_be_booked_again(own: House):
    plan = waiting(own)
    shift(plan, scheduled_for=(NOW - timedelta(days=9)).date(), status="overdue", escalated_at=NOW)
    assert change(own, plan, priority="HIGH").json()["status"] == "overdue"
    body = change(own, plan, scheduled_for="2035-06-20").json()
    assert (body["status"], body["escalated_at"]) == ("scheduled", None)


def test_once_booked_only_the_texts_change(own: House):
    plan = booked(own)
    body = change(own, plan, instructions="Bring the pictures", priority="HIGH").json()
    assert (body["instructions"], body["status"]) == ("Bring the pictures", "completed")
    for field in ({"scheduled_for": "2035-08-01"}, {"duration_minutes": 60}, {"location": None}):
        with nothing_left_behind():
            refused(change(own, plan, **field), 409, "FOLLOWUP_PLAN_ALREADY_CONVERTED")


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"scheduled_for": "2035-06-04"}, "INVALID_FOLLOWUP_DATE", "scheduled_for"),
        ({"scheduled_for": "2035-06-31"}, "VALIDATION_ERROR", "scheduled_for"),
        ({"scheduled_for": None}, "VALIDATION_ERROR", "scheduled_for"),
        ({"medications": ["x"] * 10_000}, "VALIDATION_ERROR", "medications"),
        ({"tests": ["\x00"]}, "VALIDATION_ERROR", "tests"),
        ({"type": "PHONE"}, "INVALID_APPOINTMENT_TYPE", "type"),
        ({"service": None}, "VALIDATION_ERROR", "service"),
        ({"status": "completed"}, "VALIDATION_ERROR", "status"),
        ({"patient": "x"}, "VALIDATION_ERROR", "patient"),
    ],
)
def test_a_change_that_cannot_be_is_refused(own: House, body: dict, code: str, field: str):
    plan = waiting(own)
    with nothing_left_behind():
        found = change(own, plan, **body)
    assert (found.status_code, found.json()["code"]) == (400, code)
    assert any(name.startswith(field) for name in found.json()["errors"])


@pytest.mark.parametrize("field", ["doctor", "location", "service"])
def test_a_plan_is_not_changed_to_something_foreign(cast: Scene, field: str):
    plan = waiting(cast.own)
    foreign = getattr(cast.other, field).id
    with nothing_left_behind():
        refused(change(cast.own, plan, **{field: foreign}), 404, "NOT_FOUND", **{field: ""})


def test_a_stale_change_is_refused(own: House):
    plan = waiting(own)
    path = f"follow-up-plans/{plan['id']}"
    api = own.doctor_user.api
    with nothing_left_behind():
        refused(api.patch(path, {"priority": "HIGH"}, **STALE), 412, "PRECONDITION_FAILED")
        refused(api.delete(path, {"reason": "x"}, **STALE), 412, "PRECONDITION_FAILED")


# --- Given up -------------------------------------------------------------------------------------


def test_a_plan_is_given_up_with_a_reason(own: House):
    plan = waiting(own)
    with nothing_left_behind():
        refused(give_up(own, plan, reason=" "), 400, "VALIDATION_ERROR", reason="required")
        refused(give_up(own, plan, own.reception), 403, "PERMISSION_DENIED")
    body = give_up(own, plan).json()
    assert (body["status"], body["cancel_reason"]) == ("cancelled", "Not needed")
    assert told("followup.cancelled")[-1]["status"] == "cancelled"
    with nothing_left_behind():
        refused(give_up(own, plan), 409, "INVALID_TRANSITION")
        refused(schedule(own, plan), 409, "INVALID_TRANSITION")
        refused(change(own, plan, priority="HIGH"), 409, "INVALID_TRANSITION")


def test_a_booked_plan_is_not_given_up(own: House):
    plan = booked(own)
    with nothing_left_behind():
        refused(give_up(own, plan), 409, "FOLLOWUP_PLAN_ALREADY_CONVERTED")


# --- The visit moves ------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["cancel", "no-show"])
def test_a_lost_visit_reopens_its_plan_and_taking_that_back_completes_it(own: House, verb: str):
    plan = booked(own)
    visit = plan["follow_up_appointment"]
    act(own, visit, verb)
    found = row(plan)
    assert (found.status, str(found.follow_up_appointment_id)) == ("scheduled", visit)
    assert told("followup.reopened")[-1]["plan"] == plan["id"]
    act(own, visit, "undo")
    assert (row(plan).status, row(plan).version) == ("completed", 3)
    assert [event.action for event in trail(plan["id"])] == [
        "followup.planned",
        "followup.booked",
        "followup.reopened",
        "followup.booked",
    ]


def test_who_comes_late_after_all_completes_the_plan_again(own: House):
    plan = booked(own, scheduled_for="2035-06-05")
    visit = plan["follow_up_appointment"]
    with time_machine.travel(berlin(1, 8, 20), tick=False):
        act(own, visit, "no-show")
        assert row(plan).status == "scheduled"
        act(own, visit, "check-in")
    assert row(plan).status == "completed"


def test_a_plan_whose_day_has_passed_comes_back_overdue(own: House):
    plan = booked(own)
    shift(plan, scheduled_for=(NOW - timedelta(days=1)).date())
    act(own, plan["follow_up_appointment"], "cancel")
    assert row(plan).status == "overdue"
    act(own, plan["follow_up_appointment"], "undo")
    assert row(plan).status == "completed"


def test_another_visit_booked_meanwhile_stands(own: House):
    plan = booked(own)
    first = plan["follow_up_appointment"]
    act(own, first, "cancel")
    second = schedule(own, plan, starts_at=at(hour=15)).json()["follow_up_appointment"]
    act(own, first, "undo")
    assert str(row(plan).follow_up_appointment_id) == second
    assert row(plan).status == "completed"
    act(own, first, "cancel")
    assert row(plan).status == "completed"
    act(own, second, "cancel")
    assert row(plan).status == "scheduled"


def test_a_plan_that_was_given_up_is_not_taken_up_again(own: House):
    plan = booked(own)
    act(own, plan["follow_up_appointment"], "cancel")
    assert give_up(own, plan).status_code == 200
    act(own, plan["follow_up_appointment"], "undo")
    assert row(plan).status == "cancelled"


def test_moving_the_visit_leaves_the_plan_completed(own: House):
    plan = booked(own)
    path = f"appointments/{plan['follow_up_appointment']}/reschedule"
    assert own.reception.api.post(path, {"starts_at": at(hour=16)}).status_code == 200
    assert (row(plan).status, row(plan).version) == ("completed", 1)


def test_patients_who_cancel_are_on_the_list_again(own: House):
    plan = booked(own)
    path = f"appointments/{plan['follow_up_appointment']}/cancel"
    assert own.patient.api.post(path, {"reason": "ill"}).status_code == 200
    assert row(plan).status == "scheduled"


# --- Charts ---------------------------------------------------------------------------------------


def test_plans_go_over_with_a_chart_and_come_back(own: House):
    gone = double(own)
    visit = own.book(berlin(), patient=gone.id)
    theirs = follow(own, visit, scheduled_for="2035-06-20").json()
    own_plan = waiting(own)
    alone_plan = waiting(own, patient=gone.id)
    merge = merged(own, gone)
    for plan in (theirs, alone_plan):
        assert row(plan).patient_id == own.chart.id
        assert row(plan).merged_from == gone.id
    # On the kept chart they are booked and reopened as ever.
    act(own, theirs["follow_up_appointment"], "cancel")
    assert row(theirs).status == "scheduled"
    later = waiting(own)
    undone(own, merge)
    assert row(theirs).patient_id == row(alone_plan).patient_id == gone.id
    assert row(theirs).merged_from is None
    assert row(own_plan).patient_id == row(later).patient_id == own.chart.id
    assert schedule(own, theirs, starts_at=at(hour=11)).status_code == 200


def test_a_plan_whose_visit_stays_stays_with_it(own: House):
    gone = double(own)
    plan = waiting(own, patient=gone.id)
    merge = merged(own, gone)
    assert schedule(own, plan).json()["booked_appointment"]["patient"] == str(own.chart.id)
    undone(own, merge)
    assert row(plan).patient_id == own.chart.id


def test_a_merge_of_a_merge_is_undone_step_by_step(own: House):
    first, second = double(own), double(own)
    plan = waiting(own, patient=first.id)
    one = merged(own, first, second)
    middle = waiting(own, patient=second.id)
    two = merged(own, second)
    assert {row(plan).patient_id, row(middle).patient_id} == {own.chart.id}
    undone(own, two)
    assert {row(plan).patient_id, row(middle).patient_id} == {second.id}
    undone(own, one)
    assert (row(plan).patient_id, row(middle).patient_id) == (first.id, second.id)
    assert row(plan).merged_from is None


def test_the_waitlist_goes_over_too_and_who_waited_twice_waits_once(own: House):
    gone = double(own)

    def entry(chart) -> WaitlistEntry:
        with tenancy.scope(tenancy.SYSTEM):
            return WaitlistEntry.objects.create(
                clinic=own.clinic,
                patient=chart,
                service=own.service,
                earliest=DAY,
                latest=DAY,
            )

    def now(of: WaitlistEntry) -> tuple:
        with tenancy.scope(tenancy.SYSTEM):
            found = WaitlistEntry.objects.get(pk=of.pk)
        return found.patient_id, found.status

    mine, theirs = entry(own.chart), entry(gone)
    merge = merged(own, gone)
    assert now(mine) == (own.chart.id, "WAITING")
    assert now(theirs) == (own.chart.id, "WITHDRAWN")
    undone(own, merge)
    assert now(mine) == (own.chart.id, "WAITING")
    assert now(theirs)[0] == gone.id


# --- Overdue --------------------------------------------------------------------------------------


def test_plans_are_overdue_when_their_day_has_passed_where_the_clinic_is(own: House):
    """At midnight in Kiritimati it is still the day before in Berlin."""
    far = house("far", zone="Pacific/Kiritimati")
    near, ahead = waiting(own, scheduled_for="2035-06-05"), waiting(far, scheduled_for="2035-06-06")
    done = booked(own, scheduled_for="2035-06-05")
    gone = waiting(own, scheduled_for="2035-06-05")
    give_up(own, gone)
    kiritimati = ZoneInfo("Pacific/Kiritimati")
    with time_machine.travel(datetime(2035, 6, 7, 0, 30, tzinfo=kiritimati), tick=False):
        assert plans_mark_overdue() == 2
    assert (row(near).status, row(ahead).status) == ("overdue", "overdue")
    assert (row(done).status, row(gone).status) == ("completed", "cancelled")
    assert [payload["plan"] for payload in told("followup.overdue")] != []
    assert trail(near["id"])[-1].changes == {"status": ["scheduled", "overdue"]}


def test_on_its_day_a_plan_is_not_overdue_yet(own: House):
    plan = waiting(own, scheduled_for="2035-06-05")
    with time_machine.travel(datetime(2035, 6, 5, 23, 59, tzinfo=BERLIN), tick=False):
        assert plans_mark_overdue() == 0
    with time_machine.travel(datetime(2035, 6, 6, 0, 0, tzinfo=BERLIN), tick=False):
        assert plans_mark_overdue() == 1
        assert plans_mark_overdue() == 0
    assert row(plan).version == 2
    assert len(told("followup.overdue")) == 1


def test_overdue_in_batches(own: House, monkeypatch):
    for _ in range(5):
        waiting(own, scheduled_for="2035-06-05", patient=own.add_chart().id)
    monkeypatch.setattr(plan_changes, "_BATCH", 2)
    with time_machine.travel(berlin(3), tick=False):
        assert plans_mark_overdue() == 5
    with tenancy.scope(tenancy.SYSTEM):
        assert FollowUpPlan.objects.filter(status="overdue").count() == 5
