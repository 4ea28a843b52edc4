"""Inviting patients: who gets a link, which times it offers, what the desk is told."""

from collections import Counter
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError

from core import clock, ids, tenancy
from followups.links import invitation_link
from followups.models import FollowUpInvitation, FollowUpPlan
from followups.services.contact import invitations_withdraw
from tests import budgets
from tests.appointments.moments import BERLIN, berlin
from tests.appointments.scene import Api, House, Scene
from tests.appointments.traces import refused
from tests.followups.recall_scene import (
    Statements,
    attempts,
    fresh,
    invitations,
    member,
    plan,
    rules,
    told,
    trail,
    with_phone,
)

PATH = "follow-up-plans/invitations"


def invited(house: House, *plans: FollowUpPlan) -> list[dict[str, Any]]:
    """What became of each, over the API."""
    answer = house.reception.api.post(PATH, {"plans": [str(one.id) for one in plans]})
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


def offered(of: FollowUpPlan) -> list[datetime]:
    (invitation,) = invitations(of)
    return [datetime.fromisoformat(one["starts_at"]).astimezone(BERLIN) for one in invitation.times]


@pytest.fixture
def _by_sms(settings: Any) -> None:
    settings.SMS_URL = "https://gateway.example.test/send"
    settings.PUBLIC_URL = "https://care.example.test"


def test_a_patient_is_invited(cast: Scene):
    own = cast.own
    due = plan(own, -3)
    (said,) = invited(own, due)
    (invitation,) = invitations(due)
    assert said == {
        "plan": str(due.id),
        "code": None,
        "invitation": str(invitation.id),
        "link": invitation_link(invitation),
        "by_sms": False,
        "expires_at": said["expires_at"],
        "times": 6,
    }
    assert invitation.status == "OPEN"
    assert invitation.expires_at == clock.now() + timedelta(days=14)
    assert invitation.created_by_id == own.reception.id
    (attempt,) = attempts(due)
    assert (attempt.outcome, attempt.by_id) == ("INVITED", own.reception.id)
    now = fresh(due)
    assert (now.contacted_at, now.attempts, now.version) == (clock.now(), 0, 2)
    (event,) = told("followup.invited", own)
    assert event["invitation"] == str(invitation.id)


def test_by_the_clinics_rules(cast: Scene):
    rules(cast.own, invitation_days=3, invitation_times=2)
    due = plan(cast.own, -3)
    invited(cast.own, due)
    (invitation,) = invitations(due)
    assert invitation.expires_at == clock.now() + timedelta(days=3)
    assert len(invitation.times) == 2


def test_times_are_spread_over_mornings_and_afternoons(cast: Scene):
    due = plan(cast.own, -3)
    invited(cast.own, due)
    assert offered(due) == [berlin(day, hour) for day in (0, 1, 2) for hour in (8, 12)], (
        "the first of each half of a day"
    )


def test_where_one_morning_is_all_there_is_its_times_are_offered(cast: Scene):
    own = cast.own
    doctor = own.add_doctor()
    own.add_hours(doctor, time(8), time(10), weekdays=[3], valid_to=berlin(2).date())
    due = plan(own, -3, doctor=doctor)
    invited(own, due)
    assert offered(due) == [berlin(2, 8), berlin(2, 8, 30), berlin(2, 9), berlin(2, 9, 30)]


def test_nothing_before_the_plans_day_nor_within_the_notice(cast: Scene):
    own = cast.own
    own.policy(min_notice_minutes=3 * 24 * 60)
    later, soon = plan(own, 5), plan(own, -3)
    invited(own, later, soon)
    assert offered(later)[0] == berlin(5, 8)
    assert offered(soon)[0] == berlin(3, 8)


def test_what_is_booked_is_not_offered(cast: Scene):
    own = cast.own
    own.book(berlin(1, 8), patient=own.add_chart().id)
    due = plan(own, 1)
    invited(own, due)
    assert offered(due)[0] == berlin(1, 8, 30)


def test_the_plans_own_length_is_kept(cast: Scene):
    due = plan(cast.own, 1, service=None, duration_minutes=45)
    invited(cast.own, due)
    (invitation,) = invitations(due)
    (first, *_) = invitation.times
    begin, end = (datetime.fromisoformat(first[name]) for name in ("starts_at", "ends_at"))
    assert end - begin == timedelta(minutes=45)


def test_people_invited_together_are_offered_different_times(cast: Scene):
    plans = [plan(cast.own, 1) for _ in range(4)]
    invited(cast.own, *plans)
    often = Counter(start for one in plans for start in offered(one))
    assert len(often) == 24
    assert set(often.values()) == {1}


def test_months_ahead_are_looked_through_when_the_next_weeks_are_full(cast: Scene):
    own = cast.own
    doctor = own.add_doctor()
    first = berlin(60).date()
    own.add_hours(doctor, time(9), time(10), valid_from=first)
    far = plan(own, -3, doctor=doctor)
    invited(own, far)
    assert offered(far)[0] == datetime.combine(first, time(9), tzinfo=ZoneInfo("Europe/Berlin"))


def test_what_became_of_each(cast: Scene):
    own = cast.own
    visit = own.book(berlin())
    done = plan(own, -3, status="completed", follow_up_appointment_id=visit["id"])
    gone = plan(own, -3, status="cancelled")
    full = plan(own, -3, doctor=own.add_doctor())
    due = plan(own, -3)
    foreign = plan(cast.other, -3)
    unknown = FollowUpPlan(id=ids.uuid7())
    said = invited(own, done, gone, full, due, foreign, unknown, due)
    assert [one["plan"] for one in said] == [
        str(one.id) for one in (done, gone, full, due, foreign, unknown)
    ]
    assert [one["code"] for one in said] == [
        "FOLLOWUP_PLAN_ALREADY_CONVERTED",
        "INVALID_TRANSITION",
        "SCHEDULING_CONFLICT",
        None,
        "FOLLOWUP_PLAN_NOT_FOUND",
        "FOLLOWUP_PLAN_NOT_FOUND",
    ]
    assert {name: said[4][name] for name in said[4] if name != "plan"} == {
        name: said[5][name] for name in said[5] if name != "plan"
    }
    assert invitations(full) == invitations(foreign) == attempts(foreign) == []


def test_who_is_invited_already_is_not_invited_again(cast: Scene):
    own = cast.own
    due = plan(own, -3)
    (first,) = invited(own, due)
    (again,) = invited(own, due)
    assert again["code"] == "CONFLICT"
    assert (again["invitation"], again["link"]) == (first["invitation"], first["link"])
    assert len(invitations(due)) == len(attempts(due)) == 1


def test_an_invitation_past_its_time_makes_room_for_another(cast: Scene):
    own = cast.own
    due = plan(own, -3)
    with tenancy.scope(tenancy.SYSTEM):
        old = FollowUpInvitation.objects.create(clinic=own.clinic, plan=due, expires_at=clock.now())
    (said,) = invited(own, due)
    assert said["code"] is None
    assert fresh(old).status == "EXPIRED"
    assert len(trail("followup.invitation_expired", old.id)) == 1


def test_two_cannot_be_open(cast: Scene):
    own = cast.own
    due = plan(own, -3)
    invited(own, due)
    with (
        pytest.raises(IntegrityError, match="followups_invited_once"),
        tenancy.scope(tenancy.SYSTEM),
    ):
        FollowUpInvitation.objects.create(clinic=own.clinic, plan=due, expires_at=clock.now())


def test_inviting_brings_who_declined_back_to_the_list(cast: Scene):
    own = cast.own
    due = plan(own, -3, declined_at=clock.now(), contact_on=berlin(5).date())
    invited(own, due)
    assert (fresh(due).declined_at, fresh(due).contact_on) == (None, None)


@pytest.mark.usefixtures("_by_sms")
@pytest.mark.parametrize(
    ("preferences", "by_sms"),
    [({"sms": True}, True), ({"sms": False}, False), ({}, False), ({"phone": True}, False)],
)
def test_only_who_has_agreed_gets_a_message(cast: Scene, preferences: Any, by_sms: bool):
    own = cast.own
    due = plan(own, -3, patient=with_phone(own, **preferences))
    (said,) = invited(own, due)
    assert said["by_sms"] is by_sms
    (attempt,) = attempts(due)
    assert attempt.channel == ("SMS" if by_sms else "LETTER")
    (event,) = told("followup.invited", own)
    assert event["by_sms"] is by_sms


@pytest.mark.usefixtures("_by_sms")
@pytest.mark.parametrize("missing", ["SMS_URL", "PUBLIC_URL", "phone"])
def test_without_gateway_address_or_phone_the_link_is_handed_out(
    cast: Scene, settings: Any, missing: str
):
    own = cast.own
    chart = with_phone(own, sms=True)
    if missing == "phone":
        chart.phone = ""
        with tenancy.scope(tenancy.SYSTEM):
            chart.save(update_fields=["phone"])
    else:
        setattr(settings, missing, "")
    (said,) = invited(own, plan(own, -3, patient=chart))
    assert (said["by_sms"], bool(said["link"])) == (False, True)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "plans"),
        ({"plans": []}, "plans"),
        ({"plans": ["x"]}, "plans.0"),
        ({"plans": "x"}, "plans"),
        ({"plans": [str(ids.uuid7()) for _ in range(201)]}, "plans"),
        ({"plans": [str(ids.uuid7())], "colour": "red"}, "colour"),
    ],
)
def test_bad_input(cast: Scene, body: Any, field: str):
    answer = cast.own.reception.api.post(PATH, body)
    assert set(refused(answer, 400, "VALIDATION_ERROR")["errors"]) == {field}


def test_who_may_invite(cast: Scene):
    own = cast.own
    due = plan(own, -3, patient=own.chart)
    body = {"plans": [str(due.id)]}
    for other in (own.nurse, member(own, "SUPPORT_STAFF"), own.patient):
        refused(other.api.post(PATH, body), 403, "PERMISSION_DENIED")
    refused(Api(None).post(PATH, body), 401, "NOT_AUTHENTICATED")
    refused(cast.other.patient.api.post(PATH, body), 403, "PERMISSION_DENIED")
    (said,) = cast.other.reception.api.post(PATH, body).json()["results"]
    assert said["code"] == "FOLLOWUP_PLAN_NOT_FOUND"
    assert invitations(due) == []


def test_one_that_may_not_be_chased_refuses_all(cast: Scene):
    """A therapist reads and chases their own; who reads more than they chase is told so."""
    own = cast.own
    mine, theirs = plan(own, -3), plan(own, -3, patient=own.chart)
    answer = own.patient.api.post(PATH, {"plans": [str(mine.id), str(theirs.id)]})
    refused(answer, 403, "PERMISSION_DENIED")
    assert invitations(mine) == invitations(theirs) == []


def test_the_same_key_invites_once(cast: Scene):
    due = plan(cast.own, -3)
    api = cast.own.reception.api
    body = {"plans": [str(due.id)]}
    answers = [api.post(PATH, body, **{"Idempotency-Key": "once"}).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0]["results"][0]["code"] is None


def test_as_many_statements_for_1_3_and_30(cast: Scene):
    """Rights and scope, plans, rules, open ones, times, two inserts, the plans, the journal."""
    taken = []
    for count in (1, 3, 30):
        plans = [plan(cast.own, 1) for _ in range(count)]
        with Statements() as asked:
            said = invited(cast.own, *plans)
        assert {one["code"] for one in said} == {None}
        taken.append(len(asked.all))
    assert taken == [budgets.INVITE] * 3


def test_what_is_booked_otherwise_or_cancelled_is_taken_back(cast: Scene):
    own = cast.own
    due = plan(own, -3)
    invited(own, due)
    with tenancy.scope(tenancy.SYSTEM):
        assert invitations_withdraw(plan_id=due.id) == 1
        assert invitations_withdraw(plan_id=due.id) == 0
    (invitation,) = invitations(due)
    assert (invitation.status, invitation.version) == ("WITHDRAWN", 2)
