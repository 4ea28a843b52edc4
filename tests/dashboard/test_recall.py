"""The recall list: who is on it, what is noted of asking, booking from free times, inviting."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from accounts.roles import Role
from core import tenancy
from followups.models import ContactAttempt, FollowUpInvitation, FollowUpPlan, PlanStatus
from tests.appointments.moments import berlin
from tests.appointments.scene import House, Person, Scene
from tests.dashboard.calendars import at_desk, opened
from tests.dashboard.continuing import TODAY, colleague, due, overdue, plan_now
from tests.dashboard.desk import told
from tests.dashboard.test_columns import statements
from tests.support.forms import form_of, forms_of


@pytest.fixture
def own(calendars: Scene) -> House:
    return calendars.own


def page(house: House, who: Person | None = None, **query: Any) -> Any:
    return opened(at_desk(house, who).get("desk-recall", query))


def shown(answer: Any) -> list[Any]:
    return [row.id for row in answer.context["rows"]]


def note(house: House, plan: FollowUpPlan, who: Person | None = None, **data: Any) -> Any:
    values = {"version": plan.version, "channel": "PHONE", "outcome": "NO_ANSWER"} | data
    htmx = values.pop("htmx", False)
    return at_desk(house, who).post("desk-recall-attempt", values, htmx=htmx, plan_id=plan.id)


def attempts(plan: FollowUpPlan) -> list[ContactAttempt]:
    with tenancy.scope(tenancy.SYSTEM):
        return list(ContactAttempt.objects.filter(plan=plan).order_by("id"))


# --- What it shows --------------------------------------------------------------------------------


def test_the_most_urgent_is_first_and_each_row_says_what_is_known(own: House) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        type(own.chart).objects.filter(pk=own.chart.pk).update(phone="+4930123456")
    late = overdue(own, 12)
    soon = due(own, 0, own.add_chart())
    urgent = due(own, 2, own.add_chart(), priority="URGENT", follow_up_type="surgery")
    answer = page(own)
    assert shown(answer) == [urgent.id, late.id, soon.id]
    body = answer.content.decode()
    for words in ("12 days overdue", "due today", "+4930123456", "Not asked yet", "Surgery"):
        assert words in body, words
    assert 'aria-current="page">Recall <span class="count">' in body


def test_an_empty_list_says_where_follow_ups_come_from(own: House) -> None:
    body = page(own).content.decode()
    assert "Nobody is to be asked back today." in body
    assert "planned when a visit is completed" in body


def test_filters_narrow_it_and_nonsense_is_not_found(own: House) -> None:
    other = own.add_doctor()
    mine, theirs = overdue(own, 3), due(own, 0, own.add_chart(), follow_up_type="therapy")
    with tenancy.scope(tenancy.SYSTEM):
        FollowUpPlan.objects.filter(pk=theirs.pk).update(doctor=other)
    assert shown(page(own, doctor=str(own.doctor.id))) == [mine.id]
    assert shown(page(own, kind="therapy")) == [theirs.id]
    assert shown(page(own, only="overdue")) == [mine.id]
    assert shown(page(own, only="escalated")) == []
    assert "No follow-up fits these filters." in page(own, only="escalated").content.decode()
    desk = at_desk(own)
    for query in ({"doctor": str(uuid4())}, {"kind": "x"}, {"only": "x"}):
        assert desk.get("desk-recall", query).status_code == 404
    assert desk.get("desk-recall", {"after": "x"}).status_code == 400


def test_long_lists_have_pages(own: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.views.recall.PER_PAGE", 2)
    plans = [due(own, days, own.add_chart()) for days in (5, 4, 3)]
    first = page(own)
    assert shown(first) == [one.id for one in plans[:2]]
    link = re.search(r'id="care-next"[^>]*href="\?([^"]+)"', first.content.decode())
    assert link
    after = dict(one.split("=") for one in link[1].replace("&amp;", "&").split("&"))
    assert shown(page(own, **after)) == [plans[2].id]


def test_it_asks_as_much_at_1_3_and_30_plans(own: House) -> None:
    desk, taken, made = at_desk(own), set(), 0
    for number in (1, 3, 30):
        while made < number:
            due(own, made % 7, own.add_chart())
            made += 1
        taken.add(len(statements(lambda: desk.get("desk-recall"))))
    assert len(taken) == 1, taken


# --- Noting an attempt ----------------------------------------------------------------------------


def test_an_attempt_is_noted_and_counted(own: House) -> None:
    plan = overdue(own, 3)
    answer = note(own, plan, note="rang twice")
    assert answer.status_code == 302
    assert [(one.outcome, one.note) for one in attempts(plan)] == [("NO_ANSWER", "rang twice")]
    body = page(own).content.decode()
    assert "1 attempt without an answer" in body
    assert "No answer, today" in body
    assert "rang twice" in body


def test_beside_the_list_it_is_said_and_the_list_reads_itself_again(own: House) -> None:
    plan = overdue(own, 3)
    assert "Noted: Pat, No answer." in told(note(own, plan, htmx=True))["said"]
    part = at_desk(own).get("desk-recall", htmx=True).content.decode()
    assert "<html" not in part
    assert 'hx-trigger="desk:done from:body"' in part


def test_who_asked_to_be_called_later_is_off_the_list_until_then(own: House) -> None:
    plan = overdue(own, 3)
    again = TODAY + timedelta(days=4)
    assert note(own, plan, outcome="CALL_LATER", again_on=again.isoformat()).status_code == 302
    assert shown(page(own)) == []
    assert plan_now(plan).contact_on == again


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"outcome": ""}, "Say what happened."),
        ({"outcome": "INVITED"}, "Select a valid choice"),
        ({"outcome": "CALL_LATER"}, "field-error"),
        ({"again_on": "2035-02-30"}, "Enter a valid date"),
        ({"note": "x" * 501}, "at most 500"),
        ({"version": "99"}, "Somebody else changed this"),
    ],
)
def test_a_refusal_is_shown_in_the_row_with_what_was_typed(
    own: House, data: dict[str, Any], words: str
) -> None:
    plan = overdue(own, 3)
    answer = note(own, plan, **{"note": "kept words", **data})
    assert 400 <= answer.status_code < 500
    body = answer.content.decode()
    assert words in body
    assert "<details" in body
    assert re.search(r"<details[^>]* open", body)
    if "note" not in data:
        assert "kept words" in body
    assert attempts(plan) == []


def test_sent_again_after_a_stale_refusal_it_is_noted(own: House) -> None:
    plan = overdue(own, 3)
    answer = note(own, plan, version=99)
    form = next(one for one in forms_of(answer.content.decode()) if "outcome" in one.values)
    values = {name: many[0] for name, many in form.values.items()}
    again = at_desk(own).post("desk-recall-attempt", values, plan_id=plan.id)
    assert again.status_code == 302
    assert len(attempts(plan)) == 1


# --- Booking --------------------------------------------------------------------------------------


def pick(house: House, plan: FollowUpPlan, index: int = 0, who: Person | None = None) -> Any:
    """Send the first free time that the page offers."""
    desk = at_desk(house, who)
    answer = opened(desk.get("desk-recall-book", plan_id=plan.id))
    value = answer.context["days"][0].doctors[0].times[index].value
    return desk.post("desk-recall-book", {"version": plan.version, "pick": value}, plan_id=plan.id)


def test_a_free_time_is_picked_and_the_plan_has_its_visit(own: House) -> None:
    plan = overdue(own, 3)
    answer = pick(own, plan)
    now = plan_now(plan)
    assert answer.status_code == 302
    assert answer.headers["Location"].endswith(f"/visits/{now.follow_up_appointment_id}")
    assert now.status == PlanStatus.COMPLETED
    assert shown(page(own)) == []


def test_a_time_that_is_gone_is_said_and_others_are_offered(own: House) -> None:
    plan = overdue(own, 3)
    desk = at_desk(own)
    first = opened(desk.get("desk-recall-book", plan_id=plan.id))
    value = first.context["days"][0].doctors[0].times[0].value
    own.book(berlin(0, 8), patient=own.add_chart().id)
    answer = desk.post(
        "desk-recall-book", {"version": plan.version, "pick": value}, plan_id=plan.id
    )
    assert answer.status_code == 409
    assert "This time is taken" in answer.content.decode()
    assert value not in answer.content.decode()
    assert plan_now(plan).status == PlanStatus.OVERDUE


def test_a_plan_that_was_booked_meanwhile_says_so(own: House) -> None:
    plan = overdue(own, 3)
    assert pick(own, plan).status_code == 302
    answer = at_desk(own).get("desk-recall-book", plan_id=plan.id)
    assert "This follow-up does not wait any more. It is now: Booked." in answer.content.decode()


@pytest.mark.parametrize("value", ["", "x", "||", "a|b|c", "x" * 200])
def test_a_damaged_choice_books_nothing(own: House, value: str) -> None:
    plan = overdue(own, 3)
    answer = at_desk(own).post(
        "desk-recall-book", {"version": plan.version, "pick": value}, plan_id=plan.id
    )
    assert answer.status_code == 400
    assert plan_now(plan).status == PlanStatus.OVERDUE


def test_earlier_than_planned_is_the_doctors_to_say(own: House) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        plan = due(own, -10)
    days = opened(at_desk(own).get("desk-recall-book", {"day": TODAY}, plan_id=plan.id))
    assert days.context["days"][0].day == TODAY + timedelta(days=10)
    desk = at_desk(own, own.doctor_user)
    early = opened(desk.get("desk-recall-book", {"day": TODAY}, plan_id=plan.id))
    assert early.context["days"][0].day == TODAY
    assert "Why earlier than planned" in early.content.decode()
    value = early.context["days"][0].doctors[0].times[0].value
    data = {"version": plan.version, "pick": value}
    refused = desk.post("desk-recall-book", data, plan_id=plan.id)
    assert refused.status_code == 400
    assert "notice-error" in refused.content.decode()
    done = desk.post("desk-recall-book", data | {"early_reason": "Worse"}, plan_id=plan.id)
    assert done.status_code == 302


# --- One plan -------------------------------------------------------------------------------------


def test_the_card_of_a_plan_has_its_texts_for_those_who_may_read_them(own: House) -> None:
    plan = due(own, 1, instructions="no coffee", medications=["Ibuprofen 400"])
    note(own, plan, note="left word")
    body = opened(at_desk(own).get("desk-recall-plan", plan_id=plan.id)).content.decode()
    for words in ("no coffee", "Ibuprofen 400", "left word", "No answer"):
        assert words in body, words
    support = colleague(own, Role.SUPPORT_STAFF)
    seen = opened(at_desk(own, support).get("desk-recall-plan", plan_id=plan.id)).content.decode()
    assert "no coffee" not in seen
    assert "Ibuprofen" not in seen


# --- Inviting -------------------------------------------------------------------------------------


def invite(house: House, *plans: FollowUpPlan, once: Any = None) -> Any:
    form = form_of(page(house), form_id="recall-invite")
    data = {"once": once or form["once"][0], "plan": [str(one.id) for one in plans]}
    return at_desk(house).post("desk-recall-invite", data)


def test_several_are_invited_at_once_and_each_outcome_is_told(own: House) -> None:
    plans = [due(own, 1, own.add_chart()) for _ in range(2)]
    answer = invite(own, *plans)
    assert answer.status_code == 302
    body = opened(at_desk(own).client.get(answer.headers["Location"])).content.decode()
    assert body.count("/follow-up/") >= 2
    assert "Hand out the link, or print it." in body
    with tenancy.scope(tenancy.SYSTEM):
        assert FollowUpInvitation.objects.filter(plan__in=plans).count() == 2
    again = invite(own, *plans)
    body = opened(at_desk(own).client.get(again.headers["Location"])).content.decode()
    assert "Was invited before; this is the same link." in body
    card = at_desk(own).get("desk-recall-plan", plan_id=plans[0].id).content.decode()
    assert "/follow-up/" in card


def test_the_same_form_sent_twice_invites_once(own: House) -> None:
    plan, once = due(own, 1), uuid4()
    first, second = invite(own, plan, once=once), invite(own, plan, once=once)
    assert first.headers["Location"] == second.headers["Location"]
    with tenancy.scope(tenancy.SYSTEM):
        assert FollowUpInvitation.objects.filter(plan=plan).count() == 1


def test_gone_back_with_others_ticked_it_invites_those_too(own: House) -> None:
    plans, once = [due(own, 1, own.add_chart()) for _ in range(2)], uuid4()
    first, second = (invite(own, plan, once=once) for plan in plans)
    assert second.status_code == 302
    assert first.headers["Location"] != second.headers["Location"]
    with tenancy.scope(tenancy.SYSTEM):
        assert FollowUpInvitation.objects.filter(plan__in=plans).count() == 2


def test_nobody_ticked_says_so(own: House) -> None:
    due(own, 1)
    desk = at_desk(own)
    answer = desk.client.post(desk.address("desk-recall-invite"), {}, follow=True)
    assert "Tick whom you want to invite." in answer.content.decode()


def test_outcomes_are_for_who_has_invited(own: House) -> None:
    plan = due(own, 1)
    where = invite(own, plan).headers["Location"]
    assert at_desk(own, own.admin).client.get(where).status_code == 404


# --- Who may --------------------------------------------------------------------------------------


def test_who_may_only_read_has_no_acts(own: House) -> None:
    plan = due(own, 1)
    for who in (own.nurse, colleague(own, Role.SUPPORT_STAFF)):
        answer = page(own, who)
        assert shown(answer) == [plan.id]
        body = answer.content.decode()
        assert "Note a call" not in body
        assert "recall-invite" not in body
        assert note(own, plan, who).status_code == 403
        desk = at_desk(own, who)
        assert desk.post("desk-recall-invite", {"plan": str(plan.id)}).status_code == 403
        assert desk.get("desk-recall-book", plan_id=plan.id).status_code == 403
    assert attempts(plan) == []


def test_who_may_not_read_plans_is_refused_and_has_no_link(own: House) -> None:
    finance = colleague(own, Role.FINANCE_BILLING)
    desk = at_desk(own, finance)
    assert desk.get("desk-recall").status_code == 403
    assert "/recall" not in opened(desk.get("desk-today")).content.decode()


def test_therapists_see_and_chase_their_own(own: House) -> None:
    therapist = colleague(own, Role.THERAPIST)
    plan = due(own, 1)
    assert shown(page(own, therapist)) == []
    assert note(own, plan, therapist).status_code == 404


def test_the_outsider_finds_nothing(own: House, calendars: Scene) -> None:
    plan, other = due(own, 1), calendars.other
    desk = at_desk(other)
    assert shown(page(other)) == []
    assert desk.get("desk-recall-plan", plan_id=plan.id).status_code == 404
    assert desk.get("desk-recall-book", plan_id=plan.id).status_code == 404
    assert note(other, plan).status_code == 404
    stranger = at_desk(own, other.reception)
    assert stranger.get("desk-recall").status_code == 404
    assert attempts(plan) == []
