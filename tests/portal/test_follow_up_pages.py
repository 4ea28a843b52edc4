"""Choosing a follow-up's time by an invitation's link: each thing that can come of it."""

import re
from datetime import date, timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import tenancy
from followups.models import FollowUpInvitation, FollowUpPlan, InvitationStatus, PlanStatus
from followups.services.plans import plan_cancel, plan_schedule
from tests.appointments.moments import berlin
from tests.appointments.scene import Scene
from tests.portal.care import (
    acting,
    forged,
    fresh,
    invited,
    offered,
    planned,
    visits,
    waiting,
)
from tests.portal.visitor import Visitor, text


@pytest.fixture
def plan(cast: Scene) -> FollowUpPlan:
    return planned(cast.own, instructions="Come without breakfast").plan


@pytest.fixture
def token(cast: Scene, plan: FollowUpPlan) -> str:
    return invited(cast.own, plan)


def slots(page: Any) -> list[str]:
    """The values of the times that can be chosen."""
    found = re.findall(r'name="slot" value="([^"]+)"', page.content.decode())
    return [unescape(one) for one in found]


def invitation_of(plan: FollowUpPlan) -> FollowUpInvitation:
    with tenancy.scope(tenancy.SYSTEM):
        return FollowUpInvitation.objects.get(plan=plan)


def test_the_page_offers_times_on_or_after_the_day(guest: Visitor, token: str):
    page = guest.open(guest.url("follow-up", token))
    assert page.status_code == 200
    assert len(slots(page)) >= 3
    said = text(page)
    assert "Dr First" in said
    assert "11 Jun 2035" in said
    assert "breakfast" not in said  # a link may be forwarded; what the doctor wrote is not on it
    assert page["Cache-Control"] == "no-store, private"
    assert page["X-Robots-Tag"] == "noindex, nofollow"


def test_looking_changes_nothing(guest: Visitor, cast: Scene, plan: FollowUpPlan, token: str):
    for name in ("follow-up", "follow-up-accept", "follow-up-decline"):
        for method in (guest.client.get, guest.client.head):
            assert method(guest.url(name, token)).status_code in {200, 302}
    assert invitation_of(plan).status == InvitationStatus.OPEN
    assert visits(cast.own) == []
    assert guest.client.get(guest.url("follow-up-file", token)).status_code == 404


def test_choosing_books_and_leads_to_the_personal_link(
    guest: Visitor, cast: Scene, plan: FollowUpPlan, token: str
):
    chosen = slots(guest.open(guest.url("follow-up", token)))[1]
    answer = guest.client.post(guest.url("follow-up-accept", token), {"slot": chosen})
    assert answer.status_code == 302, text(answer)
    assert "Booked. See you then!" in text(guest.open(answer["Location"]))
    (visit,) = visits(cast.own)
    assert fresh(plan).status == PlanStatus.COMPLETED
    assert fresh(plan).follow_up_appointment_id == visit.id
    again = guest.client.post(guest.url("follow-up-accept", token), {"slot": chosen})
    assert again["Location"] == answer["Location"]
    done = text(guest.open(guest.url("follow-up", token)))
    assert "Your follow-up is booked" in done
    file = guest.open(guest.url("follow-up-file", token))
    assert file["Content-Type"].startswith("text/calendar")
    other = slots_of_another_time(chosen)
    late = guest.client.post(guest.url("follow-up-accept", token), {"slot": other})
    assert late.status_code == 409
    assert len(visits(cast.own)) == 1


def slots_of_another_time(slot: str) -> str:
    start, rest = slot.split("~", 1)
    return f"{int(start[:8]) + 1}{start[8:]}~{rest}"


def test_a_time_that_has_gone_is_replaced_by_others(
    guest: Visitor, cast: Scene, plan: FollowUpPlan, token: str
):
    before = slots(guest.open(guest.url("follow-up", token)))
    quicker = Visitor(cast.own)
    other = invited(cast.own, planned(cast.own, chart=cast.own.add_chart()).plan)
    assert (
        quicker.client.post(quicker.url("follow-up-accept", other), {"slot": before[0]}).status_code
        == 302
    )
    answer = guest.client.post(guest.url("follow-up-accept", token), {"slot": before[0]})
    assert answer.status_code == 409
    said = text(answer)
    assert "This time has just gone." in said
    left = slots(answer)
    assert left
    assert before[0] not in left
    assert fresh(plan).status == PlanStatus.SCHEDULED
    assert (
        guest.client.post(guest.url("follow-up-accept", token), {"slot": left[0]}).status_code
        == 302
    )


def test_nothing_free_says_what_to_do(guest: Visitor, cast: Scene, plan: FollowUpPlan, token: str):
    leave = {
        "clinic": cast.own.clinic.id,
        "doctor": cast.own.doctor.id,
        "kind": "LEAVE",
        "start_date": "2035-06-05",
        "end_date": "2036-06-05",
    }
    assert cast.own.admin.api.post("schedule-exceptions", leave).status_code == 201
    page = guest.open(guest.url("follow-up", token))
    assert slots(page) == []
    assert "There is no free time at the moment." in text(page)
    assert b"tel:" in page.content


def test_another_visit_at_that_time(guest: Visitor, cast: Scene, token: str):
    chosen = slots(guest.open(guest.url("follow-up", token)))[0]
    start = chosen.split("~")[0]
    other = cast.own.add_doctor()
    cast.own.add_hours(other)
    moment = berlin(7, 8).replace(day=int(start[6:8]), hour=int(start[9:11]) + 2)
    cast.own.book(moment.replace(minute=int(start[11:13])), doctor=other.id)
    answer = guest.client.post(guest.url("follow-up-accept", token), {"slot": chosen})
    assert answer.status_code == 409
    assert "You have another visit at this time." in text(answer)


def test_declining_tells_the_clinic(guest: Visitor, cast: Scene, plan: FollowUpPlan, token: str):
    chosen = slots(guest.open(guest.url("follow-up", token)))[0]
    answer = guest.client.post(guest.url("follow-up-decline", token))
    assert answer["Location"] == guest.url("follow-up", token)
    assert "You said that you do not want to come" in text(guest.open(answer["Location"]))
    assert invitation_of(plan).status == InvitationStatus.DECLINED
    assert guest.client.post(guest.url("follow-up-decline", token)).status_code == 302
    late = guest.client.post(guest.url("follow-up-accept", token), {"slot": chosen})
    assert late.status_code == 410
    assert visits(cast.own) == []


def test_an_invitation_that_is_over_says_so(
    guest: Visitor, cast: Scene, plan: FollowUpPlan, token: str
):
    chosen = slots(guest.open(guest.url("follow-up", token)))[0]
    ends = invitation_of(plan).expires_at
    with time_machine.travel(ends + timedelta(minutes=1), tick=False):
        assert "This invitation is over" in text(guest.open(guest.url("follow-up", token)))
        for act, body in (("accept", {"slot": chosen}), ("decline", {})):
            answer = guest.client.post(guest.url(f"follow-up-{act}", token), body)
            assert answer.status_code == 410
            assert "This invitation is over" in text(answer)
    with time_machine.travel(ends + timedelta(days=31), tick=False):
        assert guest.open(guest.url("follow-up", token)).status_code == 404
    assert visits(cast.own) == []


def test_a_plan_that_the_desk_booked_or_gave_up(
    guest: Visitor, cast: Scene, plan: FollowUpPlan, token: str
):
    other = planned(cast.own, chart=cast.own.add_chart()).plan
    theirs = invited(cast.own, other)
    with acting(cast.own.reception) as by:
        plan_schedule(by=by, plan_id=plan.id)
    with acting(cast.own.doctor_user) as by:
        plan_cancel(by=by, plan_id=other.id, reason="Moved away")
    assert "Your follow-up is booked already" in text(guest.open(guest.url("follow-up", token)))
    assert "This invitation is over" in text(guest.open(guest.url("follow-up", theirs)))
    assert guest.client.post(guest.url("follow-up-decline", token)).status_code == 409
    assert guest.client.post(guest.url("follow-up-decline", theirs)).status_code == 410


def test_forged_and_foreign_links_open_nothing(guest: Visitor, cast: Scene, token: str):
    offer, _ = offered(cast.own, waiting(cast.own), berlin(2, 9))
    slot = guest.slot(berlin(8, 9))
    for wrong in [*forged(token), offer]:
        assert guest.open(f"/follow-up/{wrong}").status_code == 404, wrong
        for act in ("accept", "decline"):
            answer = guest.client.post(f"/follow-up/{wrong}/{act}", {"slot": slot})
            assert answer.status_code == 404, (act, wrong)


@pytest.mark.parametrize("slot", ["", "x", "20350611T0700Z", "2035~x~y", "99999999T9999Z~~"])
def test_a_time_that_we_did_not_write_is_not_found(guest: Visitor, token: str, slot: str):
    answer = guest.client.post(guest.url("follow-up-accept", token), {"slot": slot})
    assert answer.status_code == 404


def test_times_that_were_not_offered_are_refused(guest: Visitor, cast: Scene, token: str):
    """Before the day, at another clinic's place, with a doctor of another clinic."""
    own, other = cast.own, cast.other
    for start, place, doctor in (
        (berlin(1, 9), own.location.id, own.doctor.id),
        (berlin(8, 9), other.location.id, own.doctor.id),
        (berlin(8, 9), own.location.id, other.doctor.id),
        (berlin(8, 9, 10), own.location.id, own.doctor.id),
    ):
        slot = guest.slot(start, doctor=doctor).replace(str(own.location.id), str(place))
        answer = guest.client.post(guest.url("follow-up-accept", token), {"slot": slot})
        assert answer.status_code == 409, (start, text(answer))
    assert visits(own) == []


def test_the_log_does_not_write_the_link_down(guest: Visitor, token: str, caplog: Any):
    guest.open(guest.url("follow-up", token))
    assert token not in caplog.text
    assert "/follow-up/…" in caplog.text


def test_statements_do_not_grow_with_plans_or_times(guest: Visitor, cast: Scene):
    counted = []
    for number in range(3):
        chart = cast.own.add_chart()
        plans = [
            planned(cast.own, chart=chart, scheduled_for=date(2035, 6, 11 + one)).plan
            for one in range(number + 1)
        ]
        link = invited(cast.own, plans[-1])
        with CaptureQueriesContext(connection) as caught:
            assert guest.open(guest.url("follow-up", link)).status_code == 200
        counted.append(len(caught))
    assert len(set(counted)) == 1, counted
    assert counted[0] <= 12, counted
