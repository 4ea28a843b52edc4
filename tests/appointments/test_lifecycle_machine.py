"""Any order of acts on a small calendar: whatever happens, what must hold does hold.

A few doctors, patients and times, so that acts collide all the time. The machine keeps a model of
each visit, from the answers alone, and after every act compares it with the tables.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from appointments import lifecycle
from appointments.models import OPEN, Appointment, AppointmentEvent, AppointmentStatus, Verb
from appointments.services.booking import appointment_book
from appointments.services.reschedule import appointment_reschedule
from appointments.services.status import appointment_move, appointment_undo
from core import tenancy
from core.errors import KairosError
from tests.appointments.moments import berlin
from tests.appointments.scene import House, Person, Scene

LEGAL = lifecycle.pairs()
CAPACITY = 2
#: Half-hour visits a quarter of an hour apart: neighbours overlap.
STARTS = [berlin(hour=9) + timedelta(minutes=15 * number) for number in range(5)]
OVERLAPS = """
    SELECT count(*) FROM appointments_busytime a JOIN appointments_busytime b ON a.id < b.id
    WHERE (a.doctor_id = b.doctor_id AND a.lane = b.lane AND a.period && b.period)
       OR (a.patient_id = b.patient_id AND a.visit && b.visit)
"""
CLAIMS = (
    "SELECT appointment_id, doctor_id, lane, lower(visit), upper(visit) FROM appointments_busytime"
)


class Calendar(RuleBasedStateMachine):
    """Two doctors, one of them for groups of two, and three patients."""

    ground: ClassVar[House]
    doctors: ClassVar[list[UUID]]
    patients: ClassVar[list[UUID]]
    made: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.example = transaction.atomic()
        self.example.__enter__()
        self.known: dict[UUID, Appointment] = {}
        self.acts: dict[UUID, int] = {}
        self.faults: list[KairosError] = []

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    def attempt(self, act: Callable[[Any], Appointment], by: Person | None = None) -> None:
        """As a request does it: one scope; a refusal rolls everything of it back."""
        try:
            with tenancy.scope(()):
                made = act((by or self.ground.admin).principal())
        except KairosError as refusal:
            self.faults += [refusal] if refusal.status >= 500 else []
            return
        self.known[made.id] = made
        self.made[made.status] += 1
        self.acts[made.id] = self.acts.get(made.id, 0) + 1

    @initialize(approval=st.booleans())
    def set_policy(self, approval: bool) -> None:
        self.ground.policy(requires_approval=approval, cancel_cutoff_minutes=0)

    @rule(
        doctor=st.integers(0, 1),
        patient=st.integers(0, 2),
        start=st.sampled_from(STARTS),
        override=st.sampled_from([None, None, None, "urgent"]),
    )
    def book(self, doctor: int, patient: int, start: datetime, override: str | None) -> None:
        self.attempt(
            lambda by: appointment_book(
                by=by,
                doctor=self.doctors[doctor],
                patient=self.patients[patient],
                location=self.ground.location.id,
                service=self.ground.service.id,
                starts_at=start,
                override_reason=override,
            )
        )

    @rule(start=st.sampled_from(STARTS[::2]))
    def ask(self, start: datetime) -> None:
        """A patient books for themselves; it may need approval."""
        self.attempt(
            lambda by: appointment_book(
                by=by,
                doctor=self.doctors[0],
                location=self.ground.location.id,
                service=self.ground.service.id,
                starts_at=start,
            ),
            by=self.ground.patient,
        )

    @precondition(lambda self: self.known)
    @rule(data=st.data(), verb=st.sampled_from(list(lifecycle.MOVES)))
    def move(self, data: st.DataObject, verb: Verb) -> None:
        visit = self._choose(data)
        before = self.known[visit].status
        self.attempt(
            lambda by: appointment_move(appointment_id=visit, verb=verb, by=by, reason="because")
        )
        after = self.known[visit].status
        assert before == after or (before, after) in LEGAL

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        """A move that the table allows, so that visits come to their end."""
        visit = self._choose(data)
        known = self.known[visit]
        legal = [
            v for v, m in lifecycle.MOVES.items() if known.status in m.allowed_from(known.type)
        ]
        if legal:
            verb = data.draw(st.sampled_from(legal))
            self.attempt(
                lambda by: appointment_move(appointment_id=visit, verb=verb, by=by, reason="due")
            )
            assert self.known[visit].status == lifecycle.MOVES[verb].target

    @precondition(lambda self: self.known)
    @rule(data=st.data(), steps=st.integers(1, 5))
    def come_and_be_treated(self, data: st.DataObject, steps: int) -> None:
        """The usual way, or a part of it."""
        visit = self._choose(data)
        for verb in (Verb.APPROVE, Verb.CONFIRM, Verb.CHECK_IN, Verb.START, Verb.COMPLETE)[:steps]:
            self.attempt(
                lambda by, verb=verb: appointment_move(appointment_id=visit, verb=verb, by=by)
            )

    @precondition(lambda self: self.known)
    @rule(data=st.data(), start=st.sampled_from(STARTS), doctor=st.integers(0, 1))
    def reschedule(self, data: st.DataObject, start: datetime, doctor: int) -> None:
        visit = self._choose(data)
        before = self.known[visit]
        if (before.starts_at, before.doctor_id) == (start, self.doctors[doctor]):
            return  # nothing to move
        self.attempt(
            lambda by: appointment_reschedule(
                appointment_id=visit, by=by, starts_at=start, doctor=self.doctors[doctor]
            )
        )

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        visit = self._choose(data)
        self.attempt(lambda by: appointment_undo(appointment_id=visit, by=by, reason="mistake"))

    def _choose(self, data: st.DataObject) -> UUID:
        return data.draw(st.sampled_from(sorted(self.known)))

    @invariant()
    def everything_holds(self) -> None:
        assert self.faults == []
        with tenancy.scope(tenancy.SYSTEM), connection.cursor() as cursor:
            cursor.execute(OVERLAPS)
            assert cursor.fetchone()[0] == 0
            cursor.execute(CLAIMS)
            claims = {row[0]: row[1:] for row in cursor.fetchall()}
            visits = {row.id: row for row in Appointment.objects.all()}
            events = list(AppointmentEvent.objects.order_by("appointment_id", "id"))
            connection.check_constraints()
        self._the_model_is_the_table(visits)
        self._claims_are_of_what_is_open(visits, claims)
        for visit in visits.values():
            self._history_explains(visit, [e for e in events if e.appointment_id == visit.id])

    def _the_model_is_the_table(self, visits: dict[UUID, Appointment]) -> None:
        assert set(visits) == set(self.known)
        for visit in visits.values():
            expected = self.known[visit.id]
            for name in ("status", "starts_at", "ends_at", "doctor_id", "room_id", "version"):
                assert getattr(visit, name) == getattr(expected, name), name

    def _claims_are_of_what_is_open(
        self, visits: dict[UUID, Appointment], claims: dict[UUID, tuple]
    ) -> None:
        for visit in visits.values():
            if visit.status in OPEN:
                doctor, lane, start, end = claims[visit.id]
                assert (doctor, start, end) == (visit.doctor_id, visit.starts_at, visit.ends_at)
                if not visit.override_reason:
                    assert lane < (CAPACITY if doctor == self.doctors[1] else 1)
            if visit.status == "CANCELLED":
                assert visit.id not in claims

    def _history_explains(self, visit: Appointment, events: list[AppointmentEvent]) -> None:
        """From the events alone: the present status, time and doctor, each step from the last."""
        assert len(events) == self.acts[visit.id] == visit.version
        status, place = "", {"starts_at": None, "ends_at": None, "doctor": None}
        for event in events:
            assert event.from_status == status
            step = (event.from_status, event.to_status)
            if event.verb == Verb.UNDO:
                assert step[0] == step[1] or step[::-1] in LEGAL
                assert event.undoes in {earlier.id for earlier in events}
            elif event.verb not in {Verb.BOOK, Verb.RESCHEDULE}:
                assert step in LEGAL
            for name in set(place) & set(event.changes):
                before, after = event.changes[name]
                assert _same(place[name], before)
                place[name] = after
            status = event.to_status
        assert status == visit.status
        assert _same(place["starts_at"], visit.starts_at.isoformat())
        assert _same(place["ends_at"], visit.ends_at.isoformat())
        assert place["doctor"] == str(visit.doctor_id)


def _same(first: str | None, second: str | None) -> bool:
    """Two values of a history, which may be one instant written in two zones."""
    if first is None or second is None or "T" not in first:
        return first == second
    return datetime.fromisoformat(first) == datetime.fromisoformat(second)


def test_any_order_of_acts(cast: Scene):
    group = cast.own.add_doctor()
    cast.own.add_hours(group, capacity=CAPACITY)
    Calendar.ground = cast.own
    Calendar.made = Counter()
    Calendar.doctors = [cast.own.doctor.id, group.id]
    Calendar.patients = [cast.own.chart.id, *(cast.own.add_chart().id for _ in range(2))]
    run_state_machine_as_test(
        Calendar,
        settings=settings(
            max_examples=12,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert set(Calendar.made) == set(AppointmentStatus.values), "every status is reached"
