"""Answering an invitation by its link: choosing, choosing too late, declining, forging."""

import logging
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import signing

from appointments.models import Appointment
from core import clock, ids, tenancy
from core.signed import sign
from followups.links import invitation_link
from followups.models import FollowUpInvitation, FollowUpPlan
from followups.services.invitations import invitation_by_token
from followups.services.plan_changes import plan_cancel
from followups.services.plans import plan_schedule
from tests.appointments.moments import berlin
from tests.appointments.scene import Api, House, Scene
from tests.appointments.traces import nothing_left_behind, refused, without_request
from tests.followups.recall_scene import (
    Statements,
    attempts,
    fresh,
    invitations,
    plan,
    told,
    trail,
)

NOBODY = Api(None)


@pytest.fixture
def due(cast: Scene) -> FollowUpPlan:
    return plan(cast.own, -3)


@pytest.fixture
def token(cast: Scene, due: FollowUpPlan) -> str:
    return link_of(cast.own, due)


def link_of(house: House, of: FollowUpPlan) -> str:
    """Invite the plan's patient; the token of the link."""
    body = {"plans": [str(of.id)]}
    (said,) = house.reception.api.post("follow-up-plans/invitations", body).json()["results"]
    assert said["code"] is None, said
    return said["link"]


def path(token: str, step: str = "") -> str:
    return f"follow-up-invitations/{token}{step}"


def opened(token: str) -> dict[str, Any]:
    answer = NOBODY.get(path(token))
    assert answer.status_code == 200, answer.content
    return answer.json()


def choice(token: str, number: int = 0) -> dict[str, Any]:
    """What is sent for one of the times shown."""
    shown = opened(token)["times"][number]
    return {name: shown[name] for name in ("starts_at", "doctor", "location")}


def accept(token: str, wanted: dict[str, Any]) -> Any:
    return NOBODY.post(path(token, "/accept"), wanted)


def invitation_of(of: FollowUpPlan) -> FollowUpInvitation:
    (found,) = invitations(of)
    return found


def test_the_link_shows_times_and_nothing_of_the_patient(
    cast: Scene, due: FollowUpPlan, token: str
):
    shown = opened(token)
    assert shown["status"] == "OPEN"
    assert [one["starts_at"] for one in shown["times"]] == [
        one["starts_at"].replace("+00:00", "Z") for one in invitation_of(due).times
    ]
    assert (shown["clinic"]["name"], shown["doctor"]["name"]) == ("Own", "Dr First")
    chart = due.patient
    assert chart.given_name not in str(shown)
    assert str(chart.id) not in str(shown)
    assert "private" in NOBODY.get(path(token)).headers["Cache-Control"]


def test_a_time_is_chosen(cast: Scene, due: FollowUpPlan, token: str):
    wanted = choice(token, 2)
    answer = accept(token, wanted)
    assert answer.status_code == 200, answer.content
    visit = answer.json()["appointment"]
    assert visit["starts_at"] == wanted["starts_at"]
    assert (visit["status"], visit["source"]) == ("SCHEDULED", "FOLLOW_UP")
    now = fresh(due)
    assert (now.status, str(now.follow_up_appointment_id)) == ("completed", visit["id"])
    assert invitation_of(due).status == "ACCEPTED"
    assert invitation_of(due).answered_at == clock.now()
    assert trail("followup.invitation_accepted", invitation_of(due).id)
    assert opened(token)["times"] == []
    with tenancy.scope(tenancy.SYSTEM):
        by_link = invitation_by_token(token).principal
    assert str(by_link.visit_id) == visit["id"]
    assert by_link.clinics == frozenset()
    from_link = NOBODY.client.get(f"/visit/{answer.json()['visit_link']}")
    assert from_link.status_code == 200


def test_the_same_time_twice_is_the_same_visit_another_is_refused(due: FollowUpPlan, token: str):
    first, second = choice(token, 0), choice(token, 1)
    visit = accept(token, first).json()["appointment"]["id"]
    again = accept(token, first)
    assert (again.status_code, again.json()["appointment"]["id"]) == (200, visit)
    with nothing_left_behind():
        refused(accept(token, second), 409, "FOLLOWUP_PLAN_ALREADY_CONVERTED")
        refused(NOBODY.post(path(token, "/decline")), 409, "FOLLOWUP_PLAN_ALREADY_CONVERTED")


def test_a_time_that_is_gone_brings_others(cast: Scene, due: FollowUpPlan, token: str):
    own = cast.own
    wanted = choice(token)
    own.book(berlin(0, 8), patient=own.add_chart().id)
    with nothing_left_behind():
        body = refused(accept(token, wanted), 409, "SCHEDULING_CONFLICT")
    assert invitation_of(due).status == "OPEN"
    others = body["alternatives"]
    assert len(others) == 6
    assert wanted["starts_at"] not in [one["starts_at"] for one in others]
    assert wanted["starts_at"] not in [one["starts_at"] for one in opened(token)["times"]]
    another = {name: others[0][name] for name in ("starts_at", "doctor", "location")}
    assert accept(token, another).status_code == 200


def test_few_times_left_are_filled_up(cast: Scene, due: FollowUpPlan, token: str):
    own = cast.own
    for one in opened(token)["times"][:4]:
        own.book(clock.now().fromisoformat(one["starts_at"]), patient=own.add_chart().id)
    shown = opened(token)["times"]
    assert len(shown) == 6
    assert [one["starts_at"] for one in shown] == sorted(one["starts_at"] for one in shown)


def test_a_leave_that_came_in_between(cast: Scene, due: FollowUpPlan, token: str):
    own = cast.own
    wanted = choice(token)
    leave = {
        "clinic": str(own.clinic.id),
        "doctor": str(own.doctor.id),
        "kind": "LEAVE",
        "start_date": str(berlin(0).date()),
        "end_date": str(berlin(6).date()),
    }
    assert own.admin.api.post("schedule-exceptions", leave).status_code == 201
    body = refused(accept(token, wanted), 409, "SCHEDULING_CONFLICT")
    assert min(one["starts_at"] for one in body["alternatives"]) > berlin(6).isoformat()


def test_the_patient_has_another_visit_then(cast: Scene, due: FollowUpPlan, token: str):
    own = cast.own
    wanted = choice(token)
    other = own.add_doctor()
    own.add_hours(other)
    own.book(berlin(0, 8), doctor=other.id, patient=due.patient_id)
    body = refused(accept(token, wanted), 409, "PATIENT_CONFLICT")
    assert body["alternatives"]
    assert invitation_of(due).status == "OPEN"


@pytest.mark.parametrize(
    "wanted",
    [
        {"starts_at": "2035-06-04T08:07:00+02:00"},
        {"starts_at": "2035-06-04T03:00:00+02:00"},
        {"starts_at": "2035-06-03T08:00:00+02:00"},
        {"starts_at": "9999-12-31T23:59:00+00:00"},
        {"starts_at": "2035-06-05T08:00:00+02:00", "doctor": str(ids.uuid7())},
        {"starts_at": "2035-06-05T08:00:00+02:00", "location": str(ids.uuid7())},
    ],
)
def test_what_is_not_free_is_not_booked(due: FollowUpPlan, token: str, wanted: dict[str, str]):
    with nothing_left_behind():
        assert refused(accept(token, wanted), 409, "SCHEDULING_CONFLICT")["alternatives"]
    assert invitation_of(due).status == "OPEN"


def test_not_before_the_plans_day(cast: Scene):
    later = plan(cast.own, 5)
    token = link_of(cast.own, later)
    refused(accept(token, {"starts_at": berlin(4, 9)}), 409, "SCHEDULING_CONFLICT")
    assert accept(token, {"starts_at": berlin(5, 9)}).status_code == 200


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({}, "starts_at"),
        ({"starts_at": "2035-06-05T08:00:00"}, "starts_at"),
        ({"starts_at": "2035-02-30T08:00:00Z"}, "starts_at"),
        ({"starts_at": "2035-06-05T08:00:00Z", "doctor": "x"}, "doctor"),
        ({"starts_at": "2035-06-05T08:00:00Z", "plan": "x"}, "plan"),
    ],
)
def test_bad_input(token: str, wanted: dict[str, str], field: str):
    assert set(refused(accept(token, wanted), 400, "VALIDATION_ERROR")["errors"]) == {field}


@pytest.mark.parametrize("step", ["", "/accept", "/decline"])
def test_too_late(due: FollowUpPlan, token: str, step: str):
    wanted = choice(token)

    def knock() -> Any:
        body = wanted if step == "/accept" else {}
        return NOBODY.post(path(token, step), body) if step else NOBODY.get(path(token))

    with time_machine.travel(clock.now() + timedelta(days=14), tick=False):
        refused(knock(), 410, "OFFER_EXPIRED")
    with time_machine.travel(clock.now() + timedelta(days=45), tick=False):
        refused(knock(), 404, "NOT_FOUND")
    assert fresh(due).status == "scheduled"


def test_forged_foreign_and_unknown_links_are_one_answer(
    cast: Scene, due: FollowUpPlan, token: str
):
    invitation = invitation_of(due)
    salt = "followups.invitation-link"
    links = (
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        sign("appointments.visit-link", invitation.clinic_id, invitation.id),
        sign(salt, cast.other.clinic.id, invitation.id),
        sign(salt, invitation.clinic_id, ids.uuid7()),
        signing.Signer(salt=salt, sep=".").sign("short"),
        "x" * 250,
        "nothing",
    )
    wanted = choice(token)
    said = [
        without_request(refused(answer, 404, "NOT_FOUND"))
        for link in links
        for answer in (
            NOBODY.get(path(link)),
            accept(link, wanted),
            NOBODY.post(path(link, "/decline")),
        )
    ]
    assert said == [said[0]] * len(said)
    assert invitation_of(due).status == "OPEN"


def test_a_clinic_that_has_closed_opens_nothing(cast: Scene, token: str):
    cast.own.policy(is_active=False)
    refused(NOBODY.get(path(token)), 404, "NOT_FOUND")


def test_declining_takes_the_plan_off_the_list_and_tells_the_doctor(
    cast: Scene, due: FollowUpPlan, token: str
):
    answer = NOBODY.post(path(token, "/decline"))
    assert (answer.status_code, answer.json()["status"]) == (200, "DECLINED")
    now = fresh(due)
    assert (now.status, now.declined_at) == ("scheduled", clock.now())
    (_, declined) = attempts(due)
    assert (declined.outcome, declined.by_id) == ("DECLINED", None)
    assert len(told("followup.escalated", cast.own)) == 1
    again = NOBODY.post(path(token, "/decline"))
    assert again.status_code == 200
    assert len(attempts(due)) == 2
    refused(accept(token, {"starts_at": berlin(1, 8)}), 410, "OFFER_EXPIRED")


def test_a_plan_booked_otherwise_takes_its_invitation_back(
    cast: Scene, due: FollowUpPlan, token: str
):
    with tenancy.scope([cast.own.clinic.id]):
        plan_schedule(by=None, plan_id=due.id, starts_at=berlin(2, 9))
    assert invitation_of(due).status == "WITHDRAWN"
    refused(NOBODY.get(path(token)), 409, "FOLLOWUP_PLAN_ALREADY_CONVERTED")
    refused(accept(token, {"starts_at": berlin(2, 9)}), 409, "FOLLOWUP_PLAN_ALREADY_CONVERTED")


def test_a_cancelled_plan_takes_its_invitation_back(cast: Scene, due: FollowUpPlan, token: str):
    with tenancy.scope(()):
        plan_cancel(by=cast.own.admin.principal(), plan_id=due.id, reason="moved away")
    assert invitation_of(due).status == "WITHDRAWN"
    refused(NOBODY.get(path(token)), 410, "OFFER_EXPIRED")
    refused(accept(token, {"starts_at": berlin(2, 9)}), 410, "OFFER_EXPIRED")


def test_a_visit_that_was_cancelled_needs_a_new_invitation(
    cast: Scene, due: FollowUpPlan, token: str
):
    own = cast.own
    visit = accept(token, choice(token)).json()["appointment"]["id"]
    assert own.reception.api.delete(f"appointments/{visit}", {"reason": "ill"}).status_code == 200
    assert fresh(due).is_waiting
    refused(accept(token, {"starts_at": berlin(2, 9)}), 410, "OFFER_EXPIRED")
    second = link_of(own, due)
    assert accept(second, choice(second)).status_code == 200
    with tenancy.scope(tenancy.SYSTEM):
        assert Appointment.objects.filter(patient_id=due.patient_id).count() == 2


def test_who_is_signed_in_elsewhere_may_use_the_link_too(cast: Scene, token: str):
    assert cast.other.patient.api.get(path(token)).status_code == 200
    assert cast.other.reception.api.post(path(token, "/accept"), choice(token)).status_code == 200


def test_a_merged_charts_plan_still_opens(cast: Scene, due: FollowUpPlan, token: str):
    own = cast.own
    kept = own.add_chart()
    body = {"duplicate": str(due.patient_id), "reason": "one person"}
    assert own.admin.api.post(f"patients/{kept.id}/merge", body).status_code == 201
    assert fresh(due).patient_id == kept.id
    assert accept(token, choice(token)).status_code == 200


def test_links_are_the_same_each_time(due: FollowUpPlan, token: str):
    assert invitation_link(invitation_of(due)) == token


def test_the_public_answers_are_counted(settings: Any, token: str):
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"public": 1}
    answers = [NOBODY.get(path(token)) for _ in range(3)]
    assert answers[-1].status_code == 429
    assert answers[-1].json()["code"] == "RATE_LIMIT_EXCEEDED"


def test_statements_do_not_grow_with_what_is_offered(cast: Scene):
    taken = []
    for count in (1, 3, 30):
        for _ in range(count - 1):
            link_of(cast.own, plan(cast.own, 1))
        token = link_of(cast.own, plan(cast.own, 1))
        with Statements() as reading:
            wanted = choice(token)
        with Statements() as writing:
            assert accept(token, wanted).status_code == 200
        taken.append((len(reading.all), len(writing.all)))
    assert len(set(taken)) == 1, taken


def test_the_log_has_no_link(token: str, caplog: pytest.LogCaptureFixture):
    """Who reads the log could answer for the patient."""
    caplog.set_level(logging.DEBUG)
    assert NOBODY.get(f"follow-up-invitations/{token}").status_code == 200
    NOBODY.post(f"follow-up-invitations/{token}/decline", {})
    assert "follow-up-invitations/…" in caplog.text
    assert token not in caplog.text
