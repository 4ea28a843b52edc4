"""Plans at the same moment: booked once, whoever asks, and never at odds with their visit.

What the row's lock is worth is shown by taking it away.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import connection

from appointments.models import Appointment
from core import tenancy
from core.errors import KairosError
from core.models import OutboxEvent
from followups.models import FollowUpPlan
from followups.services import plans
from tests.appointments.scene import House, Scene, house
from tests.races.test_booking_races import at, overlaps, tally
from tests.races.test_negative_controls import connected_to
from tests.races.volley import Shot, Volley

AT_ONCE, ROUNDS = 8, 6


def waiting(own: House, **fields: Any) -> FollowUpPlan:
    """A plan that waits, for tomorrow."""
    values = {
        "clinic": own.clinic,
        "patient": own.chart,
        "doctor": own.doctor,
        "service": own.service,
        "location": own.location,
        "scheduled_for": at(1).date(),
    }
    with tenancy.scope(tenancy.SYSTEM):
        return FollowUpPlan.objects.create(**(values | fields))


def now(plan: FollowUpPlan) -> FollowUpPlan:
    with tenancy.scope(tenancy.SYSTEM):
        return FollowUpPlan.objects.get(pk=plan.pk)


def visits(own: House) -> list[Appointment]:
    with tenancy.scope(tenancy.SYSTEM):
        return list(Appointment.objects.filter(clinic=own.clinic, source="FOLLOW_UP"))


def test_a_plan_is_booked_once_however_many_ask(cast: Scene, volley: Volley):
    """Each asks for another time, so that no calendar is in the way of a second visit."""
    for number in range(ROUNDS):
        plan = waiting(cast.own, patient=cast.own.add_chart())
        shots = [
            Shot(
                cast.own.reception if place % 2 else cast.own.doctor_user,
                f"follow-up-plans/{plan.id}/schedule",
                {"starts_at": at(2 + 2 * number + place % 2, 9 + place // 2)},
            )
            for place in range(AT_ONCE)
        ]
        seen = tally(volley.fire(shots))
        assert seen == {(200, None): 1, (409, "FOLLOWUP_PLAN_ALREADY_CONVERTED"): AT_ONCE - 1}
    made = visits(cast.own)
    assert len(made) == ROUNDS
    assert overlaps(cast.own.doctor.id) == 0


def test_plans_that_want_one_time_get_one_each(cast: Scene, volley: Volley):
    """Without a time, the first free one: who is too late at it takes the next."""
    found = [waiting(cast.own, patient=cast.own.add_chart()) for _ in range(AT_ONCE)]
    shots = [Shot(cast.own.reception, f"follow-up-plans/{plan.id}/schedule") for plan in found]
    seen = tally(volley.fire(shots))
    assert set(seen) <= {(200, None), (409, "SCHEDULING_CONFLICT")}
    assert seen[200, None] >= 3
    assert len(visits(cast.own)) == seen[200, None]
    assert overlaps(cast.own.doctor.id) == 0


def test_a_visit_is_completed_once_and_planned_once(cast: Scene, volley: Volley):
    own = cast.own
    service = own.add_service(modes=["PHONE"])
    own.add_hours(doctor := own.add_doctor(), modes=["PHONE"])
    visit = own.book(at(1), type="PHONE", service=service.id, doctor=doctor.id, location=...)
    answer = own.admin.api.post(f"appointments/{visit['id']}/start", {})
    assert answer.status_code == 200, answer.content
    body = {"follow_up_required": True, "follow_up_days_after": 7}
    shots = [Shot(own.admin, f"appointments/{visit['id']}/complete", body)] * AT_ONCE
    seen = tally(volley.fire(shots))
    assert seen == {(200, None): 1, (409, "INVALID_TRANSITION"): AT_ONCE - 1}
    with tenancy.scope(tenancy.SYSTEM):
        assert FollowUpPlan.objects.filter(clinic=own.clinic).count() == 1
    assert len(visits(own)) == 1


def test_taking_a_cancellation_back_against_booking_another(cast: Scene, volley: Volley):
    """Whatever comes first, a completed plan has a visit that stands, and nobody fails."""
    own = cast.own
    for number in range(ROUNDS):
        plan = waiting(own, patient=own.add_chart())
        path = f"follow-up-plans/{plan.id}/schedule"
        day = 2 + number
        first = volley.send(Shot(own.reception, path, {"starts_at": at(day, 9)}))
        visit = first.body["follow_up_appointment"]
        undo = f"appointments/{visit}/undo"
        cancelled = Shot(own.reception, f"appointments/{visit}/cancel", {"reason": "ill"})
        assert volley.send(cancelled).status == 200
        assert now(plan).status == "scheduled"
        seen = tally(
            volley.fire(
                [
                    Shot(own.reception, undo, {"reason": "by mistake"}),
                    Shot(own.doctor_user, path, {"starts_at": at(day, 10)}),
                ]
            )
        )
        assert seen in (
            {(200, None): 2},
            {(200, None): 1, (409, "FOLLOWUP_PLAN_ALREADY_CONVERTED"): 1},
        )
        found = now(plan)
        assert found.status == "completed"
        with tenancy.scope(tenancy.SYSTEM):
            standing = Appointment.objects.get(pk=found.follow_up_appointment_id)
        assert standing.status == "SCHEDULED"


def test_merging_charts_against_booking_their_plans(cast: Scene, volley: Volley):
    own = cast.own
    for number in range(ROUNDS):
        gone = own.add_chart()
        plan = waiting(own, patient=gone)
        seen = tally(
            volley.fire(
                [
                    Shot(
                        own.reception,
                        f"patients/{own.chart.id}/merge",
                        {"duplicate": gone.id, "reason": "Entered twice"},
                    ),
                    Shot(
                        own.doctor_user,
                        f"follow-up-plans/{plan.id}/schedule",
                        {"starts_at": at(2 + number, 9)},
                    ),
                ]
            )
        )
        assert seen == {(200, None): 1, (201, None): 1}
        found = now(plan)
        with tenancy.scope(tenancy.SYSTEM):
            visit = Appointment.objects.get(pk=found.follow_up_appointment_id)
        assert found.patient_id == visit.patient_id == own.chart.id


def test_overdue_twice_at_once_is_overdue_once(cast: Scene):
    found = [
        waiting(cast.own, patient=cast.own.add_chart(), scheduled_for=at(-3).date())
        for _ in range(30)
    ]
    barrier = threading.Barrier(4, timeout=20)

    def mark(_: int) -> None:
        barrier.wait()
        try:
            plans.plans_mark_overdue()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(mark, range(4)))
    assert {(now(plan).status, now(plan).version) for plan in found} == {("overdue", 2)}
    with tenancy.scope(tenancy.SYSTEM):
        told = Counter(
            event.payload["plan"]
            for event in OutboxEvent.objects.filter(
                topic="followup.overdue", clinic_id=cast.own.clinic.id
            )
        )
    assert told == {str(plan.id): 1 for plan in found}


# --- What the lock is worth -----------------------------------------------------------------------


@pytest.fixture
def ground(arena, clone_database: Callable[[], str]) -> Iterator[House]:
    url = clone_database()
    with connected_to(url), psycopg.connect(url, autocommit=True):
        yield house("ground")


def contend(ground: House, plan: FollowUpPlan) -> Counter[str]:
    """Two book the plan at two times, each in a thread of its own; what became of them."""

    def book(hour: int) -> str:
        try:
            with tenancy.scope(()):
                by = ground.reception.principal()
                plans.plan_schedule(by=by, plan_id=plan.id, starts_at=at(5, hour))
        except KairosError as refusal:
            return refusal.code.value
        finally:
            connection.close()
        return "booked"

    with ThreadPoolExecutor(2) as threads:
        return Counter(threads.map(book, (9, 11)))


def test_with_the_lock_one_wins(ground: House):
    plan = waiting(ground)
    assert contend(ground, plan) == {"booked": 1, "FOLLOWUP_PLAN_ALREADY_CONVERTED": 1}
    assert len(visits(ground)) == 1


def test_without_the_lock_a_plan_is_booked_twice(ground: House, monkeypatch):
    """Both read a plan that waits before either has booked: two visits for one plan."""
    both = threading.Barrier(2, timeout=20)

    def read_only(plan_id: Any, *, by: Any) -> FollowUpPlan:
        plan = FollowUpPlan.objects.select_related("appointment").get(pk=plan_id)
        both.wait()
        return plan

    monkeypatch.setattr(plans, "plan_lock", read_only)
    plan = waiting(ground)
    assert contend(ground, plan) == {"booked": 2}
    assert len(visits(ground)) == 2
