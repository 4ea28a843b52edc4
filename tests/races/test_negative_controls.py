"""What each guard is worth: the same race, through the real service, with guards taken away.

Every contender is made to judge the slot before any of them claims it, which is what happens by
chance without a queue. The four cells:

| lock | constraint | outcome                                                                     |
|------|------------|-----------------------------------------------------------------------------|
| yes  | yes        | one wins; the others are refused when they judge                            |
| no   | yes        | at most one wins; the others judged it free and fail on the constraint, or  |
|      |            | deadlock, and where the server breaks every circle at once, all of them do  |
| yes  | no         | one wins, as long as nobody forgets the lock                                |
| no   | no         | everybody wins: the double booking that this kernel exists to prevent       |
"""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest
from django.db import OperationalError, connection, connections

from appointments.models import BusyTime
from appointments.services import calendar
from appointments.services.booking import appointment_book
from core import tenancy
from core.errors import KairosError
from tests.appointments.scene import House, Scene, house

CONTENDERS = 6
SLOT = datetime.now(tz=UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=5)


@contextlib.contextmanager
def connected_to(url: str) -> Iterator[None]:
    """Django works on another database for a while, in every thread."""
    settings = connections["default"].settings_dict
    before = settings["NAME"]
    connection.close()
    settings["NAME"] = urlsplit(url).path.removeprefix("/")
    try:
        yield
    finally:
        connection.close()
        settings["NAME"] = before


@pytest.fixture
def elsewhere(arena, clone_database: Callable[[], str]) -> Iterator[psycopg.Connection]:
    """A database of its own, whose constraints may be dropped; the connection is its owner's."""
    url = clone_database()
    with connected_to(url), psycopg.connect(url, autocommit=True) as owner:
        yield owner


def contend(ground: House, charts: list[UUID]) -> Counter[str]:
    """All book the same slot, each in a thread of its own; what became of them."""

    def book(chart: UUID) -> str:
        try:
            with tenancy.scope(()):
                appointment_book(
                    by=ground.reception.principal(),
                    doctor=ground.doctor.id,
                    patient=chart,
                    location=ground.location.id,
                    service=ground.service.id,
                    starts_at=SLOT,
                )
        except KairosError as refusal:
            return refusal.code.value
        except OperationalError:
            return "deadlock"
        finally:
            connection.close()
        return "booked"

    with ThreadPoolExecutor(len(charts)) as threads:
        return Counter(threads.map(book, charts))


def judge_before_claiming(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody claims before everyone has been told that the slot is free."""
    everyone = threading.Barrier(CONTENDERS, timeout=20)
    claim = calendar.claim_insert

    def claim_together(*args, **kwargs):
        everyone.wait()
        return claim(*args, **kwargs)

    monkeypatch.setattr(calendar, "claim_insert", claim_together)


def without_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calendar, "lock_keys", lambda *_, **__: [])


def without_constraint(owner: psycopg.Connection) -> None:
    owner.execute("ALTER TABLE appointments_busytime DROP CONSTRAINT busytime_doctor")


def claims(ground: House) -> int:
    with tenancy.scope(tenancy.SYSTEM):
        return BusyTime.objects.filter(doctor=ground.doctor).count()


@pytest.fixture
def ground(elsewhere) -> House:
    return house("ground")


@pytest.fixture
def charts(ground) -> list[UUID]:
    return [ground.add_chart().id for _ in range(CONTENDERS)]


def test_lock_and_constraint_one_wins_and_the_others_are_told(ground, charts):
    assert contend(ground, charts) == {"booked": 1, "SCHEDULING_CONFLICT": CONTENDERS - 1}
    assert claims(ground) == 1


def test_without_the_lock_the_constraint_still_guarantees(monkeypatch, ground, charts):
    """The others judged the slot free: they learn of it late, and some by a deadlock.

    Never two. That there is one at all is what the lock adds: without it the server may choose
    every contender as the victim of some deadlock.
    """
    without_lock(monkeypatch)
    judge_before_claiming(monkeypatch)
    seen = contend(ground, charts)
    assert seen["booked"] <= 1
    assert seen["SCHEDULING_CONFLICT"] + seen["deadlock"] == CONTENDERS - seen["booked"]
    assert claims(ground) == seen["booked"]


def test_without_the_constraint_the_lock_holds_for_those_who_take_it(elsewhere, ground, charts):
    without_constraint(elsewhere)
    assert contend(ground, charts) == {"booked": 1, "SCHEDULING_CONFLICT": CONTENDERS - 1}
    assert claims(ground) == 1


def test_without_either_everybody_is_booked_at_once(monkeypatch, elsewhere, ground, charts):
    """The negative control: the race is real, and the tests above would see it."""
    without_constraint(elsewhere)
    without_lock(monkeypatch)
    judge_before_claiming(monkeypatch)
    assert contend(ground, charts) == {"booked": CONTENDERS}
    assert claims(ground) == CONTENDERS


def test_one_writer_without_the_lock_is_enough_to_break_a_lock(elsewhere, ground, charts):
    """Why the lock is not the guarantee: somebody in a hurry inserts past it."""
    without_constraint(elsewhere)
    with tenancy.scope(()):
        by = ground.reception.principal()
        appointment_book(
            by=by,
            doctor=ground.doctor.id,
            patient=charts[0],
            location=ground.location.id,
            service=ground.service.id,
            starts_at=SLOT,
        )
        BusyTime.objects.create(
            clinic=ground.clinic,
            doctor=ground.doctor,
            lane=0,
            kind="BLOCKED",
            period=(SLOT, SLOT + timedelta(minutes=30)),
            visit=(SLOT, SLOT + timedelta(minutes=30)),
        )
    assert claims(ground) == 2


@pytest.mark.parametrize(
    ("constraint", "same"),
    [("busytime_patient", {"patient"}), ("busytime_room", {"room"})],
)
def test_patient_and_room_have_no_other_guard_than_their_constraint(
    elsewhere, ground, charts, constraint: str, same: set[str]
):
    """The queue is the doctor's: two doctors' writers never meet in it."""
    second = ground.add_doctor()
    ground.add_hours(second)

    def book(doctor, chart) -> str:
        try:
            with tenancy.scope(()):
                appointment_book(
                    by=ground.reception.principal(),
                    doctor=doctor.id,
                    patient=chart,
                    location=ground.location.id,
                    service=ground.service.id,
                    room=ground.room.id if "room" in same else None,
                    starts_at=SLOT,
                )
        except KairosError as refusal:
            return refusal.code.value
        return "booked"

    other = charts[0] if "patient" in same else charts[1]
    code = "PATIENT_CONFLICT" if "patient" in same else "ROOM_CONFLICT"
    assert book(ground.doctor, charts[0]) == "booked"
    assert book(second, other) == code
    elsewhere.execute(f"ALTER TABLE appointments_busytime DROP CONSTRAINT {constraint}")
    assert book(second, other) == "booked"


def test_caps_without_their_queue_are_passed(monkeypatch, ground, charts):
    """A cap counts rows: no constraint says it, so the doctor's one queue is what keeps it."""
    doctor = ground.add_doctor(max_daily_appointments=2)
    ground.add_hours(doctor)
    without_lock(monkeypatch)
    judge_before_claiming(monkeypatch)

    def book(number: int) -> str:
        try:
            with tenancy.scope(()):
                appointment_book(
                    by=ground.reception.principal(),
                    doctor=doctor.id,
                    patient=charts[number],
                    location=ground.location.id,
                    service=ground.service.id,
                    starts_at=SLOT + timedelta(minutes=30 * number),
                )
        except KairosError as refusal:
            return refusal.code.value
        finally:
            connection.close()
        return "booked"

    with ThreadPoolExecutor(CONTENDERS) as threads:
        assert Counter(threads.map(book, range(CONTENDERS))) == {"booked": CONTENDERS}


def test_the_scene_has_an_outsider(cast: Scene):
    """The other clinic's receptionist sees none of this clinic's bookings."""
    made = cast.own.book(SLOT)
    answer = cast.other.reception.api.get(f"appointments/{made['id']}")
    assert (answer.status_code, answer.json()["code"]) == (404, "APPOINTMENT_NOT_FOUND")
    assert cast.other.reception.api.get("appointments").json()["results"] == []
