"""Any order of arrivals, calls and steps: a visit, its arrival and its entry are never out of step.

A few patients and two places, so that acts meet all the time. Nobody but whom an act is about
changes their place among the others.
"""

from collections import Counter
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from appointments.models import Appointment, Verb
from appointments.services.status import appointment_move, appointment_undo
from checkin.models import CheckInDevice, CheckInMethod, QueueEntry, QueueState
from checkin.services import queue
from checkin.services.arrival import check_in_by_hand
from clinics.models import Doctor, Location
from core import clock, tenancy
from core.errors import KairosError
from tests.appointments.moments import NOW
from tests.appointments.scene import House, Scene
from tests.checkin.agreement import disagreements
from tests.checkin.arrivals import device, pass_of, scan, visit

MINUTE = timedelta(minutes=1)
STEPS = (Verb.CANCEL, Verb.NO_SHOW, Verb.START, Verb.COMPLETE, Verb.CHECK_IN)
SIMPLE = ("entry_call", "entry_skip", "entry_requeue", "entry_start", "entry_done", "entry_left")


class Arrivals(RuleBasedStateMachine):
    """Two places of a clinic with a device each, and two doctors."""

    ground: ClassVar[House]
    places: ClassVar[list[Location]]
    devices: ClassVar[list[CheckInDevice]]
    doctors: ClassVar[list[Doctor]]
    clock: ClassVar[Any]
    seen: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.example = transaction.atomic()
        self.example.__enter__()
        self.now: datetime = NOW
        self.clock.move_to(NOW, tick=False)
        self.visits: list[Appointment] = []
        self.order: dict[UUID, list[UUID]] = {}
        self.about: set[UUID] = set()
        self.faults: list[KairosError] = []

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    def attempt(self, act: Callable[[Any], Any], *, treats: bool = False) -> None:
        """As a request does it: one scope; a refusal rolls everything of it back."""
        try:
            with tenancy.scope(()):
                by = self.ground.doctor_user if treats else self.ground.admin
                done = act(by.principal())
        except KairosError as refusal:
            self.faults += [refusal] if refusal.status >= 500 else []
            return
        if isinstance(done, QueueEntry):
            self.about = {done.id}
            self.seen[done.state] += 1

    def entries(self, **wanted: Any) -> list[QueueEntry]:
        with tenancy.scope([self.ground.clinic.id]):
            return list(QueueEntry.objects.filter(**wanted).order_by("id"))

    # --- Who comes --------------------------------------------------------------------------------

    @rule(minutes=st.integers(-20, 25), place=st.integers(0, 1), doctor=st.integers(0, 1))
    def book_and_come(self, minutes: int, place: int, doctor: int) -> None:
        self.visits.append(
            visit(self.ground, minutes, location=self.places[place], doctor=self.doctors[doctor])
        )
        self._scan(self.visits[-1], place)

    @rule(minutes=st.integers(-60, 90), place=st.integers(0, 1))
    def book(self, minutes: int, place: int) -> None:
        self.visits.append(visit(self.ground, minutes, location=self.places[place]))

    @precondition(lambda self: self.visits)
    @rule(data=st.data(), place=st.integers(0, 1), ago=st.integers(0, 40))
    def scan(self, data: st.DataObject, place: int, ago: int) -> None:
        """Now, or offline some minutes ago."""
        self._scan(self._visit(data), place, ago)

    @precondition(lambda self: self.visits)
    @rule(data=st.data(), reason=st.sampled_from(["", "because"]))
    def check_in(self, data: st.DataObject, reason: str) -> None:
        came = self._visit(data)
        self.attempt(lambda by: check_in_by_hand(appointment_id=came.id, by=by, reason=reason))

    @rule(place=st.integers(0, 1), doctor=st.integers(0, 2))
    def walk_in(self, place: int, doctor: int) -> None:
        wanted = [*self.doctors, None][doctor]
        self.attempt(
            lambda by: queue.entry_add(
                by=by,
                location=self.places[place].id,
                guest_name="Somebody",
                doctor=wanted.id if wanted else None,
            )
        )

    # --- What becomes of them ---------------------------------------------------------------------

    @precondition(lambda self: self.visits)
    @rule(data=st.data(), verb=st.sampled_from(STEPS))
    def step(self, data: st.DataObject, verb: Verb) -> None:
        one = self._visit(data)
        self.attempt(
            lambda by: appointment_move(appointment_id=one.id, verb=verb, by=by, reason="because"),
            treats=verb in {Verb.START, Verb.COMPLETE},
        )

    @precondition(lambda self: self.visits)
    @rule(data=st.data(), times=st.integers(1, 2))
    def undo(self, data: st.DataObject, times: int) -> None:
        one = self._visit(data)
        for _ in range(times):
            self.attempt(
                lambda by: appointment_undo(appointment_id=one.id, by=by, reason="mistake")
            )

    @rule(data=st.data(), act=st.sampled_from(SIMPLE))
    def queue_step(self, data: st.DataObject, act: str) -> None:
        entry = self._entry(data)
        if entry is not None:
            self.attempt(
                lambda by: getattr(queue, act)(by=by, entry_id=entry.id),
                treats=act in {"entry_start", "entry_done"},
            )

    @rule(place=st.integers(0, 1), doctor=st.integers(0, 2))
    def call_next(self, place: int, doctor: int) -> None:
        wanted = [*self.doctors, None][doctor]
        self.attempt(
            lambda by: queue.call_next(
                by=by, location=self.places[place].id, doctor=wanted.id if wanted else None
            )
        )

    @rule(data=st.data(), place=st.integers(0, 1), doctor=st.integers(0, 1))
    def transfer(self, data: st.DataObject, place: int, doctor: int) -> None:
        entry = self._entry(data)
        if entry is not None:
            self.attempt(
                lambda by: queue.entry_transfer(
                    by=by,
                    entry_id=entry.id,
                    doctor=self.doctors[doctor].id,
                    location=self.places[place].id,
                )
            )

    @rule(data=st.data(), priority=st.sampled_from(["URGENT", "NORMAL", "LOW"]))
    def prioritise(self, data: st.DataObject, priority: str) -> None:
        entry = self._entry(data)
        if entry is not None:
            self.attempt(
                lambda by: queue.entry_prioritise(by=by, entry_id=entry.id, priority=priority)
            )

    @rule(minutes=st.integers(1, 15))
    def wait(self, minutes: int) -> None:
        self.now += minutes * MINUTE
        self.clock.move_to(self.now, tick=False)

    def _scan(self, came: Appointment, place: int, ago: int = 0) -> None:
        at = {"scanned_at": self.now - ago * MINUTE, "sent_at": self.now} if ago else {}
        method = CheckInMethod.QR_STAFF
        answer = scan(self.devices[place], pass_of(came), method=method, **at)
        self.seen[answer["code"] or answer["outcome"]] += 1
        self.about = self._of(came)

    def _visit(self, data: st.DataObject) -> Appointment:
        one = data.draw(st.sampled_from(self.visits))
        self.about = self._of(one)
        return one

    def _entry(self, data: st.DataObject) -> QueueEntry | None:
        found = self.entries()
        if not found:
            return None
        entry = data.draw(st.sampled_from(found))
        self.about = {entry.id}
        return entry

    def _of(self, one: Appointment) -> set[UUID]:
        return {entry.id for entry in self.entries(appointment=one)}

    # --- What holds -------------------------------------------------------------------------------

    @invariant()
    def everything_agrees(self) -> None:
        assert self.faults == []
        assert disagreements(self.ground.clinic.id) == []

    @invariant()
    def nobody_else_changes_places(self) -> None:
        waiting = sorted(
            self.entries(state=QueueState.WAITING),
            key=lambda one: (one.rank, one.due_at, one.arrived_at, one.id),
        )
        order = {
            place.id: [one.id for one in waiting if one.location_id == place.id]
            for place in self.places
        }
        for place, now in order.items():
            before = self.order.get(place, [])
            assert _others(now, self.about, before) == _others(before, self.about, now)
        self.order = order


def _others(one: Collection[UUID], about: Collection[UUID], other: Collection[UUID]) -> list[UUID]:
    return [entry for entry in one if entry not in about and entry in other]


def test_any_order_of_acts(cast: Scene, time_machine: Any):
    own = cast.own
    Arrivals.ground, Arrivals.clock, Arrivals.seen = own, time_machine, Counter()
    Arrivals.places = [own.location, own.add_location()]
    Arrivals.devices = [device(own, location=place) for place in Arrivals.places]
    Arrivals.doctors = [own.doctor, own.add_doctor()]
    run_state_machine_as_test(
        Arrivals,
        settings=settings(
            max_examples=15,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert clock.now() >= NOW
    assert set(QueueState.values) <= set(Arrivals.seen), "every state is reached"
    assert {"CHECKED_IN", "ALREADY_CHECKED_IN", "WRONG_LOCATION", "TOO_EARLY"} <= set(Arrivals.seen)
