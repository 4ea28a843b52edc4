"""What time does to a recall: whom the jobs find, once."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from core import clock, tenancy
from followups.models import FollowUpInvitation, FollowUpPlan
from followups.services import recall_jobs
from followups.services.recall_jobs import escalate_due, invitations_expire
from tests.appointments.moments import NOW
from tests.appointments.scene import House, Scene
from tests.followups.recall_scene import Statements, fresh, plan, rules, told, trail


def escalated(*plans: FollowUpPlan) -> list[bool]:
    return [fresh(one).escalated_at is not None for one in plans]


def invited(house: House, *, hours: int, status: str = "OPEN") -> FollowUpInvitation:
    """An invitation that is over in so many hours."""
    of = plan(house, -1)
    with tenancy.scope(tenancy.SYSTEM):
        return FollowUpInvitation.objects.create(
            clinic=house.clinic,
            plan=of,
            status=status,
            expires_at=clock.now() + timedelta(hours=hours),
        )


def test_longer_overdue_than_the_clinic_allows(cast: Scene):
    own = cast.own
    plans = [plan(own, -15, status="overdue"), plan(own, -15), plan(own, -14), plan(own, 3)]
    assert escalate_due() == 2
    assert escalated(*plans) == [True, True, False, False]
    first = fresh(plans[0])
    assert (first.escalated_at, first.version) == (clock.now(), 2)
    payloads = told("followup.escalated", own)
    assert sorted(one["plan"] for one in payloads) == sorted(str(one.id) for one in plans[:2])
    assert trail("followup.escalated", plans[0].id)[0].subjects == [plans[0].patient_id]
    assert escalate_due() == 0
    assert len(told("followup.escalated", own)) == 2


def test_asked_too_often_in_vain(cast: Scene):
    plans = [plan(cast.own, 3, attempts=3), plan(cast.own, 3, attempts=2)]
    assert escalate_due() == 1
    assert escalated(*plans) == [True, False]


def test_by_the_rules_of_each_clinic(cast: Scene):
    own, other = cast.own, cast.other
    rules(own, escalate_after_days=3, escalate_after_attempts=1)
    plans = [plan(own, -4), plan(own, 3, attempts=1), plan(other, -4), plan(other, 3, attempts=1)]
    assert escalate_due() == 2
    assert escalated(*plans) == [True, True, False, False]


def test_the_day_is_the_clinics(cast: Scene):
    """At 22:30 in UTC it is the next day in Berlin, and long so in Kolkata."""
    with time_machine.travel(datetime(2035, 6, 4, 22, 30, tzinfo=UTC), tick=False):
        here = plan(cast.own, 0, scheduled_for=datetime(2035, 5, 21, tzinfo=UTC).date())
        assert escalate_due() == 1
    assert escalated(here) == [True]
    with time_machine.travel(datetime(2035, 6, 4, 21, 30, tzinfo=UTC), tick=False):
        there = plan(cast.own, 0, scheduled_for=datetime(2035, 5, 21, tzinfo=UTC).date())
        assert escalate_due() == 0
    assert escalated(there) == [False]


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_nobody_is_told_of_what_does_not_wait(cast: Scene, status: str):
    visit = {}
    if status == "completed":
        visit = {"follow_up_appointment_id": cast.own.book(NOW + timedelta(days=1, hours=2))["id"]}
    plan(cast.own, -30, status=status, **visit)
    assert escalate_due() == 0


def test_nor_in_a_clinic_that_has_closed(cast: Scene):
    plan(cast.own, -30)
    cast.own.policy(is_active=False)
    assert escalate_due() == 0


def test_many_take_several_small_transactions(cast: Scene, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(recall_jobs, "ROUND", 2)
    plans = [plan(cast.own, -30) for _ in range(5)]
    assert escalate_due() == 5
    assert escalated(*plans) == [True] * 5


def test_statements_of_a_round_do_not_grow(cast: Scene):
    taken = []
    for count in (1, 3, 30):
        for _ in range(count):
            plan(cast.own, -30)
            invited(cast.own, hours=-1)
        with Statements() as escalating:
            assert escalate_due() == count
        with Statements() as expiring:
            assert invitations_expire() == count
        taken.append((len(escalating.all), len(expiring.all)))
    assert taken == [(3, 3)] * 3


def test_invitations_end_with_their_time(cast: Scene):
    own = cast.own
    over, there = invited(own, hours=-1), invited(own, hours=1)
    taken = invited(own, hours=-1, status="ACCEPTED")
    foreign = invited(cast.other, hours=-1)
    assert invitations_expire() == 2
    assert [fresh(one).status for one in (over, there, taken, foreign)] == [
        "EXPIRED",
        "OPEN",
        "ACCEPTED",
        "EXPIRED",
    ]
    assert fresh(over).version == 2
    assert len(trail("followup.invitation_expired", over.id)) == 1
    assert invitations_expire() == 0
    assert fresh(over).version == 2
