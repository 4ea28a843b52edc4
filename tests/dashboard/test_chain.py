"""What follows a visit: its chain as a timeline, completing it with a follow-up, the cards."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine

from accounts.roles import Role
from appointments.models import Appointment, AppointmentStatus, Verb
from appointments.services.booking import appointment_book
from appointments.services.status import appointment_move
from core import tenancy
from followups.models import FollowUpPlan, PlanStatus
from tests.appointments.moments import NOW, berlin
from tests.appointments.scene import House, Person, Scene
from tests.dashboard.calendars import at_desk, opened
from tests.dashboard.continuing import (
    TODAY,
    colleague,
    local_of,
    overdue,
    repeated,
    visit_now,
    waits,
)
from tests.dashboard.desk import told
from tests.dashboard.test_columns import statements


@pytest.fixture
def own(calendars: Scene) -> House:
    return calendars.own


def after(house: House, visit: UUID, days: int, hour: int = 9, why: str = "control") -> UUID:
    """A visit that follows another."""
    with tenancy.scope(tenancy.SYSTEM):
        return appointment_book(
            by=house.reception.principal(),
            doctor=house.doctor.id,
            patient=house.chart.id,
            location=house.location.id,
            service=house.service.id,
            starts_at=berlin(days, hour),
            follows=visit,
            follow_up_reason=why,
        ).id


def first(house: House, days: int = 1, hour: int = 9) -> UUID:
    return UUID(house.book(berlin(days, hour))["id"])


def chain(house: House, visit: UUID, who: Person | None = None, **query: Any) -> Any:
    return opened(at_desk(house, who).get("desk-chain", query, visit_id=visit))


def nodes(answer: Any) -> list[tuple[UUID, int]]:
    return [(node.visit.id, node.level) for node in answer.context["timeline"].nodes]


# --- The timeline ---------------------------------------------------------------------------------


def test_a_straight_chain_is_a_straight_line_from_the_root(own: House) -> None:
    one = first(own)
    two = after(own, one, 8)
    three = after(own, two, 15)
    answer = chain(own, two)
    assert nodes(answer) == [(one, 0), (two, 0), (three, 0)]
    body = answer.content.decode()
    assert 'aria-current="true"' in body
    assert "control" in body
    for visit in (one, two):
        card = opened(at_desk(own).get("desk-visit", visit_id=visit)).content.decode()
        assert f"/visits/{visit}/chain" in card
    alone = first(own, 20)
    card = opened(at_desk(own).get("desk-visit", visit_id=alone)).content.decode()
    assert f"/visits/{alone}/chain" not in card


def test_what_branches_off_is_set_in_and_says_what_it_follows(own: House) -> None:
    one = first(own)
    two = after(own, one, 8)
    beside = after(own, one, 9)
    three = after(own, two, 15)
    answer = chain(own, one)
    assert nodes(answer) == [(one, 0), (beside, 1), (two, 0), (three, 0)]
    assert answer.content.decode().count("follows the visit of") == 1


def test_a_long_chain_has_pages(own: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.chain.PER_PAGE", 2)
    one = first(own)
    two = after(own, one, 8)
    three = after(own, two, 15)
    page = chain(own, one)
    further = page.context["timeline"].next
    assert [visit for visit, _level in nodes(page)] == [one, two]
    assert [visit for visit, _level in nodes(chain(own, one, after=further))] == [three]
    damaged = at_desk(own).get("desk-chain", {"after": "x"}, visit_id=one)
    assert damaged.status_code == 400


def test_the_patients_card_shows_the_newest_chain_and_leads_to_others(own: House) -> None:
    old = first(own, 1, 10)
    after(own, old, 2, 10)
    new = first(own, 3)
    follow = after(own, new, 10)
    answer = opened(at_desk(own).get("desk-patient", patient_id=own.chart.id))
    care = answer.context["care"]
    assert [node.visit.id for node in care.timeline.nodes] == [new, follow]
    assert [one.root for one in care.chains] == [old]
    assert f"/visits/{old}/chain" in answer.content.decode()


def test_the_patients_card_shows_plans_series_and_the_waitlist(own: House) -> None:
    plan, series, entry = overdue(own, 3), repeated(own, 2), waits(own)
    body = opened(at_desk(own).get("desk-patient", patient_id=own.chart.id)).content.decode()
    for words in (f"/recall/{plan.id}", f"/series/{series.id}", f"/waitlist/{entry.id}"):
        assert words in body, words
    finance = at_desk(own, colleague(own, Role.FINANCE_BILLING))
    seen = opened(finance.get("desk-patient", patient_id=own.chart.id)).content.decode()
    for words in (f"/recall/{plan.id}", f"/waitlist/{entry.id}", "/series/new"):
        assert words not in seen, words


def test_clinical_words_are_for_those_who_may_read_them(own: House) -> None:
    one = first(own)
    after(own, one, 8, why="sorekneereason")
    assert "sorekneereason" in chain(own, one).content.decode()
    finance = colleague(own, Role.FINANCE_BILLING)
    assert "sorekneereason" not in chain(own, one, finance).content.decode()


def test_the_outsider_finds_nothing(own: House, calendars: Scene) -> None:
    one = first(own)
    assert at_desk(calendars.other).get("desk-chain", visit_id=one).status_code == 404


def test_cards_and_chains_ask_as_much_at_1_3_and_30_visits(own: House) -> None:
    desk, taken = at_desk(own), set()
    last = one = first(own)
    made = 0
    for number in (1, 3, 30):
        while made < number:
            made += 1
            last = after(own, last, 1 + made, 9)
        chains = statements(lambda: desk.get("desk-chain", visit_id=one))
        cards = statements(lambda: desk.get("desk-patient", patient_id=own.chart.id))
        taken.add((len(chains), len(cards)))
    assert len(taken) == 1, taken


# --- Completing -----------------------------------------------------------------------------------


def in_progress(house: House, at: Any = None) -> Appointment:
    """A visit of this morning, with the doctor."""
    visit = UUID(house.book(at or berlin(0, 8, 30))["id"])
    for verb, who in ((Verb.CHECK_IN, house.reception), (Verb.START, house.doctor_user)):
        with tenancy.scope(tenancy.SYSTEM):
            appointment_move(
                appointment_id=visit,
                verb=verb,
                by=who.principal(),
                expected_version=visit_now(visit).version,
                reason="here",
            )
    return visit_now(visit)


@pytest.fixture
def seen(own: House) -> Any:
    own.policy(checkin_opens_minutes=300)
    with time_machine.travel(NOW + timedelta(minutes=80), tick=False):
        yield in_progress(own)


def plans() -> list[FollowUpPlan]:
    with tenancy.scope(tenancy.SYSTEM):
        return list(FollowUpPlan.objects.select_related("follow_up_appointment").order_by("id"))


def complete(house: House, visit: Appointment, **data: Any) -> Any:
    return at_desk(house, house.doctor_user).step(visit, "complete", **data)


def test_a_follow_up_with_a_date_is_booked_at_once_and_said(own: House, seen: Any) -> None:
    day = TODAY + timedelta(days=14)
    answer = complete(
        own,
        seen,
        htmx=True,
        follow_up_date=day.isoformat(),
        follow_up_type="urgent",
        follow_up_instructions="walk more",
        follow_up_medications="Ibuprofen 400\n\n  Zinc ",
        follow_up_tests="Blood count",
    )
    said = told(answer)["said"]
    assert said.startswith("Completed. The follow-up is booked: ")
    (plan,) = plans()
    assert plan.status == PlanStatus.COMPLETED
    assert plan.follow_up_appointment is not None
    assert local_of(plan.follow_up_appointment).date() == day
    assert (plan.medications, plan.tests) == (["Ibuprofen 400", "Zinc"], ["Blood count"])
    assert visit_now(seen.id).status == AppointmentStatus.COMPLETED
    card = opened(at_desk(own).get("desk-visit", visit_id=seen.id)).content.decode()
    assert f"/visits/{plan.follow_up_appointment_id}" in card


def test_so_many_days_after_is_a_date_too(own: House, seen: Any) -> None:
    assert complete(own, seen, follow_up_days_after="7").status_code == 302
    assert plans()[0].scheduled_for == TODAY + timedelta(days=7)


def test_where_nothing_is_free_it_waits_and_says_why_and_what_is_free(
    own: House, seen: Any
) -> None:
    day = TODAY + timedelta(days=14)
    for hour in range(8, 17):
        for minute in (0, 30):
            own.book(berlin(14, hour, minute), patient=own.add_chart().id)
    answer = complete(own, seen, htmx=True, follow_up_date=day.isoformat())
    words = told(answer)
    assert "The follow-up waits: " in words["said"]
    assert "Free: " in words["said"]
    (plan,) = plans()
    assert plan.status == PlanStatus.SCHEDULED
    assert words["to"].endswith(f"/recall/{plan.id}/book")
    times = opened(at_desk(own).get("desk-recall-book", plan_id=plan.id))
    assert times.context["days"]


def test_without_a_date_it_goes_to_the_recall_list(own: House, seen: Any) -> None:
    answer = complete(own, seen, htmx=True, follow_up_required="on")
    assert "on the recall list from" in told(answer)["said"]
    assert plans()[0].follow_up_appointment is None


def test_without_a_wish_nothing_follows(own: House, seen: Any) -> None:
    answer = complete(own, seen, htmx=True, notes="well", follow_up_type="routine")
    assert told(answer)["said"] == "Completed."
    assert plans() == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"follow_up_date": "2020-01-01"}, "A day to come."),
        ({"follow_up_date": "2035-02-30"}, "Enter a valid date"),
        (
            {"follow_up_date": "2035-07-01", "follow_up_days_after": "3"},
            "A day or a number of days, not both.",
        ),
        ({"follow_up_days_after": "0"}, "greater than or equal to"),
        ({"follow_up_date": "2035-07-01", "follow_up_type": "x"}, "Select a valid choice"),
        ({"follow_up_medications": "\n".join(["x"] * 51)}, "At most 50 entries."),
        ({"follow_up_tests": "x" * 201}, "at most 200 letters"),
    ],
)
def test_what_is_wrong_refuses_everything_and_keeps_what_was_typed(
    own: House, seen: Any, data: dict[str, str], words: str
) -> None:
    answer = complete(own, seen, notes="All well", **data)
    body = answer.content.decode()
    assert answer.status_code == 400
    assert words in body
    assert "All well" in body
    assert visit_now(seen.id).status == AppointmentStatus.IN_PROGRESS
    assert plans() == []
