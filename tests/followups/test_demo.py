"""The demo clinics' continuing care: all of it there, by the rules, and only once."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Count

from appointments.demo.clinics import CLINICS
from appointments.demo.loading import demo_load
from appointments.models import Appointment, AppointmentSeries, SeriesSkip
from backoffice.management.commands.load_demo import add_all
from clinics.models import Clinic
from core import clock, tenancy
from followups.models import (
    ContactAttempt,
    FollowUpInvitation,
    FollowUpPlan,
    WaitlistEntry,
    WaitlistOffer,
    WaitlistOpening,
)

SLUGS = [spec.slug for spec in CLINICS]


@pytest.fixture(scope="module")
def _loaded_once(django_db_setup, django_db_blocker) -> Iterator[None]:
    """Loaded for the module, in a transaction that is never committed."""
    with django_db_blocker.unblock(), transaction.atomic():
        demo_load(step=lambda: None, also=add_all)
        yield
        transaction.set_rollback(True)


@pytest.fixture(autouse=True)
def loaded(_loaded_once) -> Iterator[None]:
    """The data, seen in the system's scope."""
    with transaction.atomic():
        with tenancy.scope(tenancy.SYSTEM):
            yield
        transaction.set_rollback(True)


def of(rows: Any, slug: str) -> Any:
    return rows.objects.filter(clinic__slug=slug)


@pytest.mark.parametrize("slug", SLUGS)
class TestEachClinic:
    def test_plans_of_every_status_and_urgency(self, slug: str) -> None:
        plans = of(FollowUpPlan, slug)
        assert set(plans.values_list("status", flat=True)) == {
            "scheduled",
            "overdue",
            "completed",
            "cancelled",
        }
        assert set(plans.values_list("priority", flat=True)) == {"LOW", "NORMAL", "HIGH", "URGENT"}
        assert plans.filter(status="completed").count() >= 2
        assert all(plan.instructions for plan in plans)
        assert any(plan.medications and plan.tests for plan in plans)
        overdue = plans.filter(status="overdue")
        assert overdue.filter(escalated_at__isnull=False).exists()
        assert overdue.filter(declined_at__isnull=False).exists()
        assert overdue.filter(contact_on__isnull=False).exists()

    def test_attempts_and_invitations(self, slug: str) -> None:
        said = Counter(of(ContactAttempt, slug).values_list("outcome", flat=True))
        assert {"NO_ANSWER", "LEFT_MESSAGE", "CALL_LATER", "DECLINED", "INVITED"} <= set(said)
        (invitation, *_) = of(FollowUpInvitation, slug).filter(status="OPEN")
        assert invitation.times

    def test_a_chain(self, slug: str) -> None:
        root = of(Appointment, slug).exclude(original_appointment=None)
        longest = root.values("original_appointment").annotate(n=Count("id")).order_by("-n")[0]
        assert longest["n"] >= 2
        chain = Appointment.objects.filter(
            original_appointment=longest["original_appointment"]
        ).select_related("parent_appointment")
        assert len({visit.patient_id for visit in chain}) == 1
        assert all(visit.parent_appointment.starts_at < visit.starts_at for visit in chain)

    def test_a_series_with_a_date_left_out_and_one_without_an_end(self, slug: str) -> None:
        (weekly,) = of(AppointmentSeries, slug).filter(open_ended=False)
        (endless,) = of(AppointmentSeries, slug).filter(open_ended=True)
        skips = SeriesSkip.objects.filter(series=weekly)
        assert skips.filter(code="LEFT_OUT").count() == 1
        assert Appointment.objects.filter(series=weekly).count() + skips.count() == 10
        booked = Appointment.objects.filter(series=endless)
        assert booked.exists()
        assert all(visit.local_day <= endless.booked_until for visit in booked)

    def test_people_wait_and_a_time_was_freed_for_them(self, slug: str) -> None:
        assert of(WaitlistEntry, slug).filter(status="WAITING").count() >= 4
        (freed,) = of(WaitlistOpening, slug).filter(cause="CANCELLED")
        assert freed.status == "OPEN"
        assert freed.event is not None

    def test_the_ledger_has_answers_and_a_question(self, slug: str) -> None:
        by_hand = of(WaitlistOffer, slug).filter(opening__cause="BY_HAND")
        assert sorted(by_hand.values_list("status", flat=True)) == ["ACCEPTED", "DECLINED", "OPEN"]
        won = by_hand.get(status="ACCEPTED")
        assert won.entry.booked is not None
        assert won.entry.booked.starts_at == won.starts_at


def test_a_plan_that_is_booked_has_a_visit_that_follows() -> None:
    booked = FollowUpPlan.objects.filter(status="completed").select_related("follow_up_appointment")
    assert booked
    for plan in booked:
        visit = plan.follow_up_appointment
        assert visit is not None
        assert visit.parent_appointment_id == plan.appointment_id
        assert visit.local_day >= plan.scheduled_for


def test_a_plan_whose_visit_was_cancelled_waits_again() -> None:
    again = FollowUpPlan.objects.filter(
        status__in=["scheduled", "overdue"], follow_up_appointment__status="CANCELLED"
    )
    assert again.exists()


def test_nothing_of_it_breaks_a_constraint_that_waits_for_the_commit() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_each_act_is_somebodys() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM core_auditevent WHERE actor_id IS NULL"
            " AND action IN ('followup.planned', 'followup.contacted', 'series.created',"
            " 'waitlist_entry.created')"
        )
        assert cursor.fetchone() == (0,)


def test_loading_it_again_changes_nothing() -> None:
    before = [model.objects.count() for model in (FollowUpPlan, WaitlistEntry, Appointment)]
    assert demo_load(step=lambda: None, also=add_all) is False
    assert before == [model.objects.count() for model in (FollowUpPlan, WaitlistEntry, Appointment)]
    assert Clinic.objects.filter(slug__in=SLUGS).count() == len(SLUGS)
    assert clock.now() is not None
