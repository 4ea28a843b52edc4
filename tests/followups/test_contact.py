"""Attempts to reach a patient: what each outcome does to the plan, and what is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core import ids, tenancy
from followups.models import FollowUpPlan
from tests import budgets
from tests.appointments.moments import berlin
from tests.appointments.scene import Api, House, Scene
from tests.appointments.traces import refused, without_request
from tests.followups.recall_scene import (
    Statements,
    attempts,
    fresh,
    member,
    plan,
    rules,
    today,
    told,
    trail,
)


def path(of: Any) -> str:
    return f"follow-up-plans/{getattr(of, 'id', of)}/contact-attempts"


def called(house: House, of: FollowUpPlan, outcome: str = "NO_ANSWER", **more: Any) -> Any:
    """An attempt by phone, written down over the API; the answer, which has to be a 201."""
    body = {"channel": "PHONE", "outcome": outcome} | more
    answer = house.reception.api.post(path(of), body)
    assert answer.status_code == 201, answer.content
    return answer.json()


def on_the_list(house: House, of: FollowUpPlan) -> bool:
    answer = house.reception.api.get("follow-up-plans", limit=100)
    return str(of.id) in [row["id"] for row in answer.json()["results"]]


def test_an_attempt_is_written_down(cast: Scene):
    own = cast.own
    due = plan(own, -3)
    said = called(own, due, "LEFT_MESSAGE", note=" with her son ")
    assert said["outcome"] == "LEFT_MESSAGE"
    assert (said["by"], said["note"]) == (str(own.reception.id), "with her son")
    (attempt,) = attempts(due)
    assert str(attempt.id) == said["id"]
    now = fresh(due)
    assert (now.attempts, now.contacted_at, now.version) == (1, attempt.at, 2)
    (event,) = trail("followup.contacted", due.id)
    assert event.changes["attempts"] == [0, 1]
    assert "with her son" not in str(event.changes)


@pytest.mark.parametrize(
    ("outcome", "left"),
    [("NO_ANSWER", 3), ("LEFT_MESSAGE", 3), ("WRONG_NUMBER", 3), ("BOOKED", 0), ("DECLINED", 0)],
)
def test_attempts_count_up_until_somebody_answers(cast: Scene, outcome: str, left: int):
    due = plan(cast.own, -3, attempts=2)
    called(cast.own, due, outcome)
    assert fresh(due).attempts == left
    assert fresh(due).status == "scheduled"


def test_who_asks_to_be_called_later_is_off_the_list_until_then(cast: Scene):
    own = cast.own
    due = plan(own, -3, attempts=2)
    day = today(own) + timedelta(days=4)
    said = called(own, due, "CALL_LATER", again_on=day)
    assert said["again_on"] == str(day)
    assert (fresh(due).contact_on, fresh(due).attempts) == (day, 0)
    assert not on_the_list(own, due)
    called(own, due, "NO_ANSWER")
    assert fresh(due).contact_on is None
    assert on_the_list(own, due)


def test_who_declines_is_off_the_list_until_somebody_acts_and_the_doctor_is_told(cast: Scene):
    own = cast.own
    due = plan(own, -3)
    called(own, due, "DECLINED")
    now = fresh(due)
    assert now.status == "scheduled"
    assert now.declined_at == now.escalated_at == now.contacted_at
    assert not on_the_list(own, due)
    (event,) = told("followup.escalated", own)
    assert event["plan"] == str(due.id)
    assert event["declined"] is True
    called(own, due, "LEFT_MESSAGE")
    assert fresh(due).declined_at is None
    assert on_the_list(own, due)


def test_the_doctor_is_told_once_at_the_clinics_number_of_attempts(cast: Scene):
    own = cast.own
    rules(own, escalate_after_attempts=2)
    due = plan(own, -3)
    called(own, due)
    assert (fresh(due).escalated_at, told("followup.escalated", own)) == (None, [])
    called(own, due)
    first = fresh(due).escalated_at
    assert first is not None
    called(own, due)
    assert fresh(due).escalated_at == first
    (event,) = told("followup.escalated", own)
    assert (event["doctor"], event["attempts"]) == (str(own.doctor.id), 2)
    assert len(trail("followup.escalated", due.id)) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"channel": "PHONE"}, "outcome"),
        ({"outcome": "NO_ANSWER"}, "channel"),
        ({"channel": "PIGEON", "outcome": "NO_ANSWER"}, "channel"),
        ({"channel": "PHONE", "outcome": "INVITED"}, "outcome"),
        ({"channel": "PHONE", "outcome": "CALL_LATER"}, "again_on"),
        ({"channel": "PHONE", "outcome": "CALL_LATER", "again_on": "2035-06-03"}, "again_on"),
        ({"channel": "PHONE", "outcome": "CALL_LATER", "again_on": "2036-06-30"}, "again_on"),
        ({"channel": "PHONE", "outcome": "CALL_LATER", "again_on": "2035-02-30"}, "again_on"),
        ({"channel": "PHONE", "outcome": "DECLINED", "again_on": "2035-06-20"}, "again_on"),
        ({"channel": "PHONE", "outcome": "NO_ANSWER", "note": "x" * 501}, "note"),
        ({"channel": "PHONE", "outcome": "NO_ANSWER", "mood": "bad"}, "mood"),
    ],
)
def test_bad_input_is_told_by_field(cast: Scene, body: dict[str, str], field: str):
    due = plan(cast.own, -3)
    answer = cast.own.reception.api.post(path(due), body)
    assert set(refused(answer, 400, "VALIDATION_ERROR")["errors"]) == {field}
    assert attempts(due) == []


def test_a_plan_that_does_not_wait(cast: Scene):
    own = cast.own
    api = own.reception.api
    visit = own.book(berlin())
    done = plan(own, -3, status="completed", follow_up_appointment_id=visit["id"])
    gone = plan(own, -3, status="cancelled")
    body = {"channel": "PHONE", "outcome": "NO_ANSWER"}
    refused(api.post(path(done), body), 409, "FOLLOWUP_PLAN_ALREADY_CONVERTED")
    refused(api.post(path(gone), body), 409, "INVALID_TRANSITION")
    called(own, done, "BOOKED", note="by phone")
    assert fresh(done).status == "completed"


def test_if_match_is_the_plans(cast: Scene):
    due = plan(cast.own, -3)
    body = {"channel": "PHONE", "outcome": "NO_ANSWER"}
    api = cast.own.reception.api
    assert api.post(path(due), body, **{"If-Match": '"1"'}).status_code == 201
    refused(api.post(path(due), body, **{"If-Match": '"1"'}), 412, "PRECONDITION_FAILED")
    assert len(attempts(due)) == 1


def test_the_same_key_is_the_same_attempt(cast: Scene):
    due = plan(cast.own, -3)
    body = {"channel": "PHONE", "outcome": "NO_ANSWER"}
    api = cast.own.reception.api
    answers = [api.post(path(due), body, **{"Idempotency-Key": "one"}).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert fresh(due).attempts == len(attempts(due)) == 1


def test_who_may_chase(cast: Scene):
    own = cast.own
    due = plan(own, -3, patient=own.chart)
    body = {"channel": "PHONE", "outcome": "NO_ANSWER"}
    for chaser in (own.admin, own.doctor_user):
        assert chaser.api.post(path(due), body).status_code == 201
        assert len(chaser.api.get(path(due)).json()["results"]) > 0
    for other in (own.nurse, member(own, "SUPPORT_STAFF"), own.patient):
        refused(other.api.post(path(due), body), 403, "PERMISSION_DENIED")
        refused(other.api.get(path(due)), 403, "PERMISSION_DENIED")
    refused(Api(None).post(path(due), body), 401, "NOT_AUTHENTICATED")
    unknown = refused(own.admin.api.post(path(ids.uuid7()), body), 404, "FOLLOWUP_PLAN_NOT_FOUND")
    for outsider in (cast.other.admin, cast.other.reception, cast.other.patient):
        answer = refused(outsider.api.post(path(due), body), 404, "FOLLOWUP_PLAN_NOT_FOUND")
        assert without_request(answer) == without_request(unknown)
        refused(outsider.api.get(path(due)), 404, "FOLLOWUP_PLAN_NOT_FOUND")
    assert len(attempts(due)) == 2


def test_attempts_are_read_latest_first_in_pages(cast: Scene):
    own = cast.own
    due = plan(own, -3)
    made = [called(own, due)["id"] for _ in range(5)]
    api = own.reception.api
    first = api.get(path(due), limit=3).json()
    rest = api.get(path(due), limit=3, cursor=first["next_cursor"]).json()
    assert [row["id"] for row in first["results"] + rest["results"]] == made[::-1]
    assert rest["has_more"] is False
    refused(api.get(path(due), mood="bad"), 400, "VALIDATION_ERROR")


def test_statements_do_not_grow_with_attempts(cast: Scene):
    own = cast.own
    due = plan(own, -3, escalated_at=datetime(2035, 6, 1, tzinfo=UTC))
    taken = []
    for more in (1, 2, 27):
        for _ in range(more - 1):
            called(own, due)
        with Statements() as writing:
            called(own, due)
        with Statements() as reading:
            assert own.reception.api.get(path(due), limit=100).status_code == 200
        taken.append((len(writing.all), len(reading.all)))
    assert taken == [(budgets.CONTACT_WRITE, budgets.CONTACT_LIST)] * 3


def test_attempts_cannot_be_changed(cast: Scene):
    due = plan(cast.own, -3)
    called(cast.own, due)
    (attempt,) = attempts(due)
    attempt.note = "something else"
    with pytest.raises(Exception, match="permission denied"), tenancy.scope(tenancy.SYSTEM):
        attempt.save()
