"""Any order of acts on visits, plans, series and the waitlist together: what must hold does hold.

Two doctors, three patients and few times, so that plans, series and offers want the same time as
single bookings all day long. After every act the tables are compared with one another.
"""

from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from appointments.models import (
    OPEN,
    Appointment,
    AppointmentSeries,
    AppointmentStatus,
    BusyTime,
    ClashPolicy,
    SeriesSkip,
    Verb,
)
from appointments.services.booking import appointment_book
from appointments.services.reschedule import appointment_reschedule
from appointments.services.series import series_create
from appointments.services.series_changes import series_cancel, series_change
from appointments.services.status import appointment_move, appointment_undo
from core import outbox, tenancy
from core.errors import KairosError
from followups.models import (
    CarePolicy,
    FollowUpPlan,
    OfferStatus,
    OpeningStatus,
    PlanStatus,
    WaitlistEntry,
    WaitlistOffer,
    WaitlistOpening,
    WaitlistStatus,
)
from followups.offer_links import offer_link
from followups.services.completion import appointment_complete
from followups.services.offer_jobs import offers_expire, offers_send_due
from followups.services.offers import offer_accept, offer_decline
from followups.services.plans import plan_cancel, plan_create, plan_schedule, plans_mark_overdue
from followups.services.waitlist import entry_create, entry_withdraw
from followups.services.wishes import FollowUpWish
from tests.appointments.moments import berlin
from tests.appointments.scene import House, Scene
from tests.appointments.test_lifecycle_machine import OVERLAPS

#: Half-hour visits a quarter of an hour apart, on the same weekday of two weeks.
STARTS = [
    berlin(days, hour=9) + timedelta(minutes=15 * number) for days in (1, 8) for number in range(4)
]
DAYS = [start.date() for start in STARTS[::4]]
OVER = {AppointmentStatus.CANCELLED, AppointmentStatus.NO_SHOW}


class Care(RuleBasedStateMachine):
    """What a clinic does in a week, in any order."""

    ground: ClassVar[House]
    doctors: ClassVar[list[UUID]]
    patients: ClassVar[list[UUID]]
    made: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.example = transaction.atomic()
        self.example.__enter__()
        self.faults: list[KairosError] = []

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    def attempt(self, what: str, act: Callable[[Any], Any]) -> None:
        """As a request does it: one scope; a refusal rolls everything of it back."""
        try:
            with tenancy.scope(()):
                act(self.ground.admin.principal())
        except KairosError as refusal:
            self.faults += [refusal] if refusal.status >= 500 else []
            return
        self.made[what] += 1

    def choose(self, data: st.DataObject, rows: Any, **first: Any) -> Any:
        """One of the rows; of those that match `first`, while there are any."""
        with tenancy.scope(tenancy.SYSTEM):
            found = list(rows.filter(**first).order_by("id")) or list(rows.order_by("id"))
        return data.draw(st.sampled_from(found)) if found else None

    def any(self, model: Any, **fields: Any) -> bool:
        """Whether there is such a row; the rare acts begin with what they need."""
        with tenancy.scope(tenancy.SYSTEM):
            return bool(model.objects.filter(**fields).exists())

    # --- Visits ---------------------------------------------------------------------------------

    @rule(doctor=st.integers(0, 1), patient=st.integers(0, 2), start=st.sampled_from(STARTS))
    def book(self, doctor: int, patient: int, start: datetime) -> None:
        self.attempt(
            "booked",
            lambda by: appointment_book(
                by=by,
                doctor=self.doctors[doctor],
                patient=self.patients[patient],
                location=self.ground.location.id,
                service=self.ground.service.id,
                starts_at=start,
            ),
        )

    @rule(data=st.data(), verb=st.sampled_from([Verb.CANCEL, Verb.NO_SHOW]))
    def lose(self, data: st.DataObject, verb: Verb) -> None:
        visit = self.choose(data, Appointment.objects.filter(status__in=OPEN))
        if visit is not None:
            self.attempt(
                verb,
                lambda by: appointment_move(
                    appointment_id=visit.id, verb=verb, by=by, reason="because"
                ),
            )

    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        visit = self.choose(data, Appointment.objects.filter(status__in=OVER))
        if visit is not None:
            self.attempt(
                "undone",
                lambda by: appointment_undo(appointment_id=visit.id, by=by, reason="mistake"),
            )

    @rule(data=st.data(), start=st.sampled_from(STARTS))
    def move(self, data: st.DataObject, start: datetime) -> None:
        visit = self.choose(data, Appointment.objects.filter(status__in=OPEN))
        if visit is not None and visit.starts_at != start:
            self.attempt(
                "moved",
                lambda by: appointment_reschedule(appointment_id=visit.id, by=by, starts_at=start),
            )

    # --- Plans ----------------------------------------------------------------------------------

    @rule(data=st.data(), day=st.sampled_from([None, *DAYS]))
    def complete(self, data: st.DataObject, day: date | None) -> None:
        """The usual way of a visit, and what is to follow it."""
        visit = self.choose(data, Appointment.objects.filter(status="SCHEDULED"))
        if visit is None:
            return

        def act(by: Any) -> None:
            for verb in (Verb.CHECK_IN, Verb.START):
                appointment_move(appointment_id=visit.id, verb=verb, by=by)
            done = appointment_complete(
                by=by, appointment_id=visit.id, follow_up=FollowUpWish(scheduled_for=day)
            )
            assert done.plan is not None
            assert (done.plan.status == PlanStatus.COMPLETED) == (done.follow_up is not None)

        self.attempt("completed", act)

    @rule(patient=st.integers(0, 2), day=st.sampled_from(DAYS), at_once=st.booleans())
    def plan(self, patient: int, day: date, at_once: bool) -> None:
        self.attempt(
            "planned",
            lambda by: plan_create(
                by=by,
                patient=self.patients[patient],
                doctor=self.doctors[0],
                scheduled_for=day,
                service=self.ground.service.id,
                location=self.ground.location.id,
                book=at_once,
            ),
        )

    @rule(data=st.data(), start=st.sampled_from([None, *STARTS]))
    def schedule(self, data: st.DataObject, start: datetime | None) -> None:
        if not self.any(FollowUpPlan, status=PlanStatus.SCHEDULED):
            self.plan(0, DAYS[0], at_once=False)
        plan = self.choose(data, FollowUpPlan.objects.all(), status=PlanStatus.SCHEDULED)
        if plan is not None:
            self.attempt(
                "scheduled",
                lambda by: plan_schedule(
                    by=by, plan_id=plan.id, starts_at=start, early_reason="earlier is better"
                ),
            )

    @rule(data=st.data())
    def drop_plan(self, data: st.DataObject) -> None:
        if not self.any(FollowUpPlan, status=PlanStatus.SCHEDULED):
            self.plan(0, DAYS[0], at_once=False)
        plan = self.choose(data, FollowUpPlan.objects.all(), status=PlanStatus.SCHEDULED)
        if plan is not None:
            self.attempt(
                "plan cancelled",
                lambda by: plan_cancel(by=by, plan_id=plan.id, reason="well again"),
            )

    # --- Series ---------------------------------------------------------------------------------

    @rule(
        doctor=st.integers(0, 1),
        patient=st.integers(0, 2),
        at=st.sampled_from([time(9), time(9, 15), time(9, 30)]),
        policy=st.sampled_from(list(ClashPolicy)),
    )
    def repeat(self, doctor: int, patient: int, at: time, policy: str) -> None:
        self.attempt(
            "series",
            lambda by: series_create(
                by=by,
                policy=policy,
                patient=self.patients[patient],
                doctor=self.doctors[doctor],
                location=self.ground.location.id,
                service=self.ground.service.id,
                rrule="FREQ=WEEKLY;COUNT=3",
                start_date=DAYS[0],
                local_time=at,
            ),
        )

    @rule(
        data=st.data(),
        scope=st.sampled_from(["this", "following", "all"]),
        at=st.sampled_from([None, time(9, 15), time(9, 45)]),
    )
    def change_series(self, data: st.DataObject, scope: str, at: time | None) -> None:
        """Another time of day, or without one its end."""
        if not self.any(AppointmentSeries, status="ACTIVE"):
            self.repeat(1, 2, time(9, 30), ClashPolicy.SKIP_CONFLICTS)
        series = self.choose(data, AppointmentSeries.objects.all(), status="ACTIVE")
        visit = series and self.choose(data, Appointment.objects.filter(series=series))
        if visit is None:
            return
        wanted: dict[str, Any] = {
            "series_id": series.id,
            "scope": scope,
            "appointment_id": None if scope == "all" else visit.id,
        }
        if at is None:
            self.attempt(
                "series cancelled", lambda by: series_cancel(by=by, reason="over", **wanted)
            )
        else:
            self.attempt(
                "series changed",
                lambda by: series_change(
                    by=by, policy=ClashPolicy.SKIP_CONFLICTS, local_time=at, **wanted
                ),
            )

    # --- The waitlist ---------------------------------------------------------------------------

    @rule(data=st.data(), patient=st.integers(0, 2), moves=st.booleans())
    def wish(self, data: st.DataObject, patient: int, moves: bool) -> None:
        visit = moves and self.choose(
            data,
            Appointment.objects.filter(status__in=OPEN, patient_id=self.patients[patient]),
        )
        self.attempt(
            "wished",
            lambda by: entry_create(
                by=by,
                patient=self.patients[patient],
                service=self.ground.service.id,
                location=self.ground.location.id,
                earliest=DAYS[0],
                latest=DAYS[-1],
                appointment=visit.id if visit else None,
            ),
        )

    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        if not self.any(WaitlistEntry, status=WaitlistStatus.WAITING):
            self.wish(data, 0, moves=False)
        entry = self.choose(data, WaitlistEntry.objects.all(), status=WaitlistStatus.WAITING)
        if entry is not None:
            self.attempt("withdrawn", lambda by: entry_withdraw(by=by, entry_id=entry.id))

    @rule(data=st.data(), free=st.booleans())
    def jobs(self, data: st.DataObject, free: bool) -> None:
        """What runs by itself: the outbox, the offers, the days that pass. Often after a time was
        freed."""
        if free:
            self.lose(data, Verb.CANCEL)
        outbox.relay()
        self.made["sent"] += offers_send_due()
        offers_expire()
        plans_mark_overdue()

    @rule(data=st.data(), yes=st.booleans())
    def answer(self, data: st.DataObject, yes: bool) -> None:
        if not self.any(WaitlistOffer, status=OfferStatus.OPEN):
            self.wish(data, 1, moves=False)
            self.book(0, 0, STARTS[0])
            self.jobs(data, free=True)
        offer = self.choose(data, WaitlistOffer.objects.all(), status=OfferStatus.OPEN)
        if offer is None:
            return
        token = offer_link(offer)
        with tenancy.scope([self.ground.clinic.id]):
            was = WaitlistOffer.objects.get(pk=offer.pk).status
        if yes:
            self.attempt("accepted", lambda by: offer_accept(token))
        else:
            self.attempt("declined", lambda by: offer_decline(token))
        with tenancy.scope([self.ground.clinic.id]):
            now = WaitlistOffer.objects.get(pk=offer.pk).status
        assert was in {OfferStatus.OPEN, now}, "what was answered stays answered"

    # --- What holds -----------------------------------------------------------------------------

    @invariant()
    def everything_holds(self) -> None:
        assert self.faults == []
        with tenancy.scope(tenancy.SYSTEM), connection.cursor() as cursor:
            cursor.execute(OVERLAPS)
            assert cursor.fetchone()[0] == 0
            connection.check_constraints()
            visits = {row.id: row for row in Appointment.objects.all()}
            claimed = set(
                BusyTime.objects.filter(appointment__isnull=False).values_list(
                    "appointment_id", flat=True
                )
            )
            assert {row.id for row in visits.values() if row.status in OPEN} <= claimed
            self._plans_say_what_their_visits_say(visits)
            self._chains_have_one_root(visits)
            self._series_count_each_date_once(visits)
            self._offers_have_one_winner(visits)

    def _plans_say_what_their_visits_say(self, visits: dict[UUID, Appointment]) -> None:
        booked = Counter[UUID]()
        for plan in FollowUpPlan.objects.all():
            visit = visits.get(plan.follow_up_appointment_id)
            if plan.status == PlanStatus.COMPLETED:
                assert visit.status not in OVER
                assert visit.patient_id == plan.patient_id
                assert visit.is_follow_up
                booked[visit.id] += 1
            elif plan.is_waiting:
                assert visit is None or visit.status in OVER
        assert set(booked.values()) <= {1}

    def _chains_have_one_root(self, visits: dict[UUID, Appointment]) -> None:
        for visit in visits.values():
            parent = visits.get(visit.parent_appointment_id)
            assert (parent is None) == (visit.original_appointment_id is None)
            if parent is not None:
                assert visit.original_appointment_id == (
                    parent.original_appointment_id or parent.id
                )
                assert parent.patient_id == visit.patient_id

    def _series_count_each_date_once(self, visits: dict[UUID, Appointment]) -> None:
        numbers = Counter(
            (visit.series_id, visit.series_sequence)
            for visit in visits.values()
            if visit.series_id is not None
        )
        assert set(numbers.values()) <= {1}
        skipped = SeriesSkip.objects.filter(made_up_by=None)
        assert not numbers.keys() & set(skipped.values_list("series_id", "sequence"))

    def _offers_have_one_winner(self, visits: dict[UUID, Appointment]) -> None:
        entries = {row.id: row for row in WaitlistEntry.objects.all()}
        openings = {row.id: row for row in WaitlistOpening.objects.all()}
        won = Counter[UUID]()
        for offer in WaitlistOffer.objects.all():
            entry, opening = entries[offer.entry_id], openings[offer.opening_id]
            if offer.status == OfferStatus.OPEN:
                assert entry.status == WaitlistStatus.WAITING
                assert opening.status == OpeningStatus.OPEN
            if offer.status == OfferStatus.ACCEPTED:
                won[offer.opening_id] += 1
                assert entry.status == WaitlistStatus.BOOKED
                assert opening.status == OpeningStatus.TAKEN
                assert opening.taken_by_id == entry.booked_id
                assert visits[entry.booked_id].patient_id == entry.patient_id
        assert set(won.values()) <= {1}


def test_any_order_of_acts(cast: Scene):
    with tenancy.scope(tenancy.SYSTEM):
        CarePolicy.objects.create(clinic=cast.own.clinic, offer_from=time(0), offers_per_week=100)
    other = cast.own.add_doctor()
    cast.own.add_hours(other, slot_minutes=15)
    Care.ground = cast.own
    Care.made = Counter()
    Care.doctors = [cast.own.doctor.id, other.id]
    Care.patients = [cast.own.chart.id, *(cast.own.add_chart().id for _ in range(2))]
    run_state_machine_as_test(
        Care,
        settings=settings(
            max_examples=8,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],  # a failure is told as it was found: shrinking takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
    acts = {
        "booked",
        "cancel",
        "no_show",
        "undone",
        "moved",
        "completed",
        "planned",
        "scheduled",
        "plan cancelled",
        "series",
        "series cancelled",
        "series changed",
        "wished",
        "withdrawn",
        "sent",
        "accepted",
        "declined",
    }
    assert acts <= {str(name) for name, count in Care.made.items() if count}
