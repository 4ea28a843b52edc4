"""The recall list: what is on it, in which order, who reads it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from clinics.models import Doctor
from core import ids, tenancy
from followups.models import ContactAttempt, FollowUpInvitation, FollowUpPlan
from tests import budgets
from tests.appointments.scene import Api, House, Scene
from tests.followups.recall_scene import Statements, member, plan, rules, today, trail, with_phone

PATH = "follow-up-plans"


def listed(api: Api, **query: Any) -> list[dict[str, Any]]:
    answer = api.get(PATH, **query)
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


def ids_of(api: Api, **query: Any) -> list[str]:
    return [row["id"] for row in listed(api, **query)]


def names(*plans: FollowUpPlan) -> list[str]:
    return [str(one.id) for one in plans]


def test_the_most_urgent_first_then_who_waits_longest(cast: Scene):
    own = cast.own
    soon = plan(own, 3)
    late = plan(own, -5)
    urgent = plan(own, 10, priority="URGENT")
    low = plan(own, -90, priority="LOW")
    same = plan(own, -5)
    plan(cast.other, -5)
    api = own.reception.api
    assert ids_of(api) == names(urgent, *sorted([late, same], key=lambda one: one.id), soon, low)


def test_a_row_says_all_that_a_call_needs(cast: Scene):
    own = cast.own
    chart = with_phone(own, sms=True)
    late = plan(own, -5, patient=chart, waiting_code="SCHEDULING_CONFLICT")
    with tenancy.scope(tenancy.SYSTEM):
        for outcome in ("LEFT_MESSAGE", "NO_ANSWER"):
            ContactAttempt.objects.create(
                clinic=own.clinic, plan=late, channel="PHONE", outcome=outcome, note="at noon"
            )
        invitation = FollowUpInvitation.objects.create(
            clinic=own.clinic, plan=late, expires_at=datetime(2035, 6, 10, tzinfo=UTC)
        )
        FollowUpInvitation.objects.create(
            clinic=own.clinic, plan=late, status="EXPIRED", expires_at=invitation.expires_at
        )
    (row,) = listed(own.reception.api)
    assert row["patient"] == {
        "id": str(chart.id),
        "given_name": chart.given_name,
        "family_name": chart.family_name,
        "mrn": chart.mrn,
        "phone": chart.phone,
        "may_text": True,
    }
    assert row["doctor"] == {"id": str(own.doctor.id), "name": "Dr First"}
    assert row["service"] == {"id": str(own.service.id), "name": "Visit"}
    assert (row["days_overdue"], row["waiting_code"]) == (5, "SCHEDULING_CONFLICT")
    assert row["last_contact"]["outcome"] == "NO_ANSWER"
    assert row["last_contact"]["note"] == "at noon"
    assert row["invitation"]["id"] == str(invitation.id)
    assert row["invitation"]["sent_at"] is None
    (read,) = trail("followup.recall_read", own.clinic.id)
    assert read.subjects == [chart.id]


def test_an_invitation_past_its_time_is_not_open(cast: Scene):
    late = plan(cast.own, -5)
    with tenancy.scope(tenancy.SYSTEM):
        FollowUpInvitation.objects.create(
            clinic=cast.own.clinic, plan=late, expires_at=datetime(2035, 6, 3, tzinfo=UTC)
        )
    (row,) = listed(cast.own.reception.api)
    assert row["invitation"] is None
    assert listed(cast.own.reception.api, invited="true") == []
    assert len(listed(cast.own.reception.api, invited="false")) == 1


def test_on_the_list_from_the_clinics_lead_time_on(cast: Scene):
    own = cast.own
    inside, outside = plan(own, 14), plan(own, 15)
    api = own.reception.api
    assert ids_of(api) == names(inside)
    assert ids_of(api, due="all") == names(inside, outside)
    rules(own, recall_lead_days=15)
    assert ids_of(api) == names(inside, outside)
    rules(own, recall_lead_days=0)
    assert ids_of(api) == []


def test_the_day_is_the_clinics(cast: Scene):
    """At half past midnight in Berlin it is still the day before in UTC."""
    own = cast.own
    with time_machine.travel(datetime(2035, 6, 4, 22, 30, tzinfo=UTC), tick=False):
        yesterday = plan(own, -1)
        assert yesterday.scheduled_for.day == 4
        now = plan(own, 0)
        api = own.reception.api
        assert [row["days_overdue"] for row in listed(api)] == [1, 0]
        assert ids_of(api, due="overdue") == names(yesterday)
        assert now.scheduled_for.day == 5


def test_only_what_waits(cast: Scene):
    own = cast.own
    overdue = plan(own, -3, status="overdue")
    waits = plan(own, 1)
    plan(own, -3, status="cancelled")
    api = own.reception.api
    assert ids_of(api) == names(overdue, waits)
    assert ids_of(api, status="overdue") == names(overdue)
    assert ids_of(api, status="scheduled") == names(waits)


def test_put_off_until_the_day(cast: Scene):
    own = cast.own
    later = plan(own, -3, contact_on=today(own) + timedelta(days=1))
    again = plan(own, -2, contact_on=today(own))
    declined = plan(own, -1, declined_at=datetime(2035, 6, 1, tzinfo=UTC))
    api = own.reception.api
    assert ids_of(api) == names(again)
    assert ids_of(api, hidden="true") == names(later, again, declined)


def test_filters(cast: Scene):
    own = cast.own
    other_doctor = own.add_doctor()
    chart = with_phone(own)
    mine = plan(own, -3, patient=chart, follow_up_type="surgery")
    told = plan(
        own,
        2,
        doctor=other_doctor,
        escalated_at=datetime(2035, 6, 1, tzinfo=UTC),
        contacted_at=datetime(2035, 6, 1, tzinfo=UTC),
    )
    api = own.reception.api
    assert ids_of(api, doctor=own.doctor.id) == names(mine)
    assert ids_of(api, doctor=cast.other.doctor.id) == []
    assert ids_of(api, type="surgery") == names(mine)
    assert ids_of(api, due="overdue") == names(mine)
    assert ids_of(api, escalated="true") == ids_of(api, contacted="1") == names(told)
    assert ids_of(api, escalated="false") == ids_of(api, contacted="0") == names(mine)
    assert ids_of(api, q=chart.given_name) == names(mine)
    assert ids_of(api, q="4567") == names(mine)
    assert ids_of(api, q="nobody of this name") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"due": "soon"}, "due"),
        ({"type": "nothing"}, "type"),
        ({"status": "completed"}, "status"),
        ({"escalated": "perhaps"}, "escalated"),
        ({"doctor": "x"}, "doctor"),
        ({"clinic": "x"}, "clinic"),
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "WzIsIjIwMzUtMDYtMDEiXQ"}, "cursor"),
        ({"cursor": "WyJhIiwiMjAzNS0wNi0wMSIsIngiXQ"}, "cursor"),
        ({"q": "x" * 101}, "q"),
        ({"q": "a\x00b"}, "q"),
    ],
)
def test_what_is_no_filter_is_refused(cast: Scene, query: dict[str, str], field: str):
    answer = cast.own.reception.api.get(PATH, **query)
    assert answer.status_code == 400, answer.content
    assert answer.json()["code"] == "VALIDATION_ERROR"
    assert set(answer.json()["errors"]) == {field}


def test_pages_show_everybody_once_in_order(cast: Scene):
    own = cast.own
    made = [
        plan(own, day, priority=priority)
        for priority in ("LOW", "URGENT", "NORMAL")
        for day in (-3, -3, 2)
    ]
    api = own.reception.api
    whole = ids_of(api, limit=100)
    assert sorted(whole) == sorted(names(*made))
    seen: list[str] = []
    cursor, more = "", True
    while more:
        answer = api.get(PATH, limit=2, **({"cursor": cursor} if cursor else {})).json()
        seen += [row["id"] for row in answer["results"]]
        cursor, more = answer["next_cursor"], answer["has_more"]
    assert seen == whole


def test_who_reads_it(cast: Scene):
    own = cast.own
    plan(own, -3)
    for reader in (
        own.admin,
        own.reception,
        own.nurse,
        own.doctor_user,
        member(own, "SUPPORT_STAFF"),
    ):
        assert len(listed(reader.api, clinic=own.clinic.id)) == 1
    for stranger in (member(own, "PHARMACIST"), member(own, "FINANCE_BILLING")):
        assert stranger.api.get(PATH, clinic=own.clinic.id).status_code == 403
    for outsider in (cast.other.admin, cast.other.reception, own.patient, cast.other.patient):
        answer = outsider.api.get(PATH, clinic=own.clinic.id)
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    assert cast.own.reception.api.get(PATH, clinic=ids.uuid7()).status_code == 404
    assert own.patient.api.get(PATH).status_code == 400
    nobody = Api(None).get(PATH, clinic=own.clinic.id)
    assert (nobody.status_code, nobody.json()["code"]) == (401, "NOT_AUTHENTICATED")


def test_who_reads_their_own_alone_gets_theirs(cast: Scene):
    own = cast.own
    plan(own, -3)
    therapist = member(own, "THERAPIST")
    assert listed(therapist.api) == []
    with tenancy.scope(tenancy.SYSTEM):
        themselves = Doctor.objects.create(user=therapist.user, display_name="Th Own")
    mine = plan(own, -2, doctor=themselves)
    assert ids_of(therapist.api) == names(mine)
    assert ids_of(therapist.api, doctor=own.doctor.id) == []


def rows_and_statements(own: House, count: int) -> int:
    for _ in range(count):
        one = plan(own, -3)
        with tenancy.scope(tenancy.SYSTEM):
            ContactAttempt.objects.create(
                clinic=own.clinic, plan=one, channel="PHONE", outcome="NO_ANSWER"
            )
    with Statements() as asked:
        assert len(listed(own.reception.api, limit=100)) >= count
    return len(asked.all)


def test_as_many_statements_for_1_3_and_30(cast: Scene):
    """Rights and scope, today and the lead time, the list, the audit event."""
    assert [rows_and_statements(cast.own, count) for count in (1, 2, 27)] == [
        budgets.RECALL_LIST
    ] * 3
