"""What each guard of arrival is worth: the same races with the guard taken away."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import IntegrityError, connection
from django.db.models import Max, QuerySet

from appointments.models import Appointment
from checkin.models import CheckInAttempt, CheckInDevice, QueueEntry
from checkin.services import entries, queue, scanning
from core import context, tenancy
from core.errors import KairosError
from tests.appointments.scene import House, house
from tests.checkin.arrivals import device, of_clinic, pass_of, scan, visit
from tests.races.test_negative_controls import connected_to

CONTENDERS = 6


@pytest.fixture
def elsewhere(arena: str, clone_database: Callable[[], str]) -> Iterator[psycopg.Connection[Any]]:
    """A database of its own, whose constraints may be dropped; the connection is its owner's."""
    url = clone_database()
    with connected_to(url), psycopg.connect(url, autocommit=True) as owner:
        yield owner


@pytest.fixture
def ground(elsewhere: psycopg.Connection[Any]) -> House:
    return house("ground")


@pytest.fixture
def crew() -> Callable[..., list[Any]]:
    """Does something with each of some things, each in a thread of its own, all at once."""

    def at_once(act: Callable[[Any], Any], things: list[Any]) -> list[Any]:
        def one(thing: Any) -> Any:
            context.begin("a-race", "192.0.2.9")
            try:
                return act(thing)
            finally:
                connection.close()

        with ThreadPoolExecutor(len(things)) as threads:
            return list(threads.map(one, things))

    return at_once


def together(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
    """Nobody goes on from here before all are here."""
    everyone = threading.Barrier(CONTENDERS, timeout=20)
    whole = getattr(module, name)

    def waiting(*args: Any, **kwargs: Any) -> Any:
        everyone.wait()
        return whole(*args, **kwargs)

    monkeypatch.setattr(module, name, waiting)


def arrive(ground: House) -> tuple[CheckInDevice, list[Appointment]]:
    return device(ground), [visit(ground) for _ in range(CONTENDERS)]


def highest_plus_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens without a counter: everybody looks before anybody has taken one."""
    everyone = threading.Barrier(CONTENDERS, timeout=20)

    def take(*, clinic: UUID, location: UUID, day: Any, prefix: str) -> int:
        taken = QueueEntry.objects.filter(location=location, local_day=day, prefix=prefix)
        number = (taken.aggregate(most=Max("number"))["most"] or 0) + 1
        everyone.wait()
        return int(number)

    monkeypatch.setattr(entries, "token_take", take)


def checked_in(scanner: CheckInDevice) -> Callable[[Appointment], str | None]:
    def one(came: Appointment) -> str | None:
        try:
            return str(scan(scanner, pass_of(came))["visits"][0]["token"])
        except IntegrityError:
            return None

    return one


def test_the_counter_gives_each_a_token_of_their_own(ground: House, crew: Any) -> None:
    scanner, visits = arrive(ground)
    assert sorted(crew(checked_in(scanner), visits)) == [f"A00{n}" for n in range(1, 7)]


def test_without_the_counter_the_constraint_lets_one_in(
    ground: House, crew: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are refused, each with all of their scan: never two with one token."""
    scanner, visits = arrive(ground)
    highest_plus_one(monkeypatch)
    assert crew(checked_in(scanner), visits).count(None) == CONTENDERS - 1
    assert len(of_clinic(ground, QueueEntry)) == len(of_clinic(ground, CheckInAttempt)) == 1


def test_without_counter_and_constraint_all_have_one_token(
    elsewhere: psycopg.Connection[Any],
    ground: House,
    crew: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scanner, visits = arrive(ground)
    elsewhere.execute("ALTER TABLE checkin_queueentry DROP CONSTRAINT checkin_queue_token")
    highest_plus_one(monkeypatch)
    assert crew(checked_in(scanner), visits) == ["A001"] * CONTENDERS


def ask_again(scanner: CheckInDevice, came: Appointment) -> Callable[[int], dict[str, Any]]:
    return lambda _: scan(scanner, pass_of(came), nonce="one-nonce")


def test_a_claimed_nonce_has_one_answer(ground: House, crew: Any) -> None:
    scanner, (came, *_) = arrive(ground)
    answers = crew(ask_again(scanner, came), list(range(CONTENDERS)))
    assert [one["outcome"] for one in answers] == ["CHECKED_IN"] * CONTENDERS
    assert [one["replayed"] for one in answers].count(False) == 1
    assert len(of_clinic(ground, CheckInAttempt)) == 1


def test_a_nonce_that_is_only_looked_up_has_several(
    ground: House, crew: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them is told that they are checked in, the others, by the same scan, that they were.

    The visit's own lock still lets nobody in twice.
    """
    scanner, (came, *_) = arrive(ground)
    monkeypatch.setattr(scanning, "receipts_claim", lambda **_: {"looked up": b"and not there"})
    together(monkeypatch, scanning, "visits_around_locked")
    answers = crew(ask_again(scanner, came), list(range(CONTENDERS)))
    outcomes = [one["outcome"] for one in answers]
    assert (outcomes.count("CHECKED_IN"), outcomes.count("REFUSED")) == (1, CONTENDERS - 1)
    assert len(of_clinic(ground, CheckInAttempt)) == CONTENDERS
    assert len(of_clinic(ground, QueueEntry)) == 1


def called(ground: House) -> Callable[[int], str]:
    def one(_: int) -> str:
        with tenancy.scope(()):
            by = ground.reception.principal()
            entry = queue.call_next(by=by, location=ground.location.id)
            assert entry is not None
            return entry.token

    return one


@pytest.mark.parametrize("locked", [True, False])
def test_callers_take_what_they_choose_under_its_lock(
    ground: House, crew: Any, monkeypatch: pytest.MonkeyPatch, locked: bool
) -> None:
    """Everyone has chosen before anyone calls: with the lock six people, without it one."""
    scanner, visits = arrive(ground)
    for came in visits:
        scan(scanner, pass_of(came))
    together(monkeypatch, queue, "_call")
    if not locked:
        monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **_: self)
    tokens = crew(called(ground), list(range(CONTENDERS)))
    assert len(set(tokens)) == (CONTENDERS if locked else 1)


def test_an_arrival_read_with_the_lock_is_an_old_one(
    ground: House, crew: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why visits are locked first and read afterwards: the row that waited for its lock is new,
    what was joined to it is not."""
    scanner, (came, *_) = arrive(ground)
    holds, waits = threading.Event(), threading.Event()

    def holder() -> None:
        with tenancy.scope([ground.clinic.id]):
            scanning.visits_locked([came.id], clinics=[ground.clinic.id])
            scan(scanner, pass_of(came))
            holds.set()
            waits.wait(20)

    def reader() -> tuple[str, bool, bool]:
        holds.wait(20)
        with tenancy.scope([ground.clinic.id]):
            joined = Appointment.objects.select_related("arrival").filter(pk=came.id)
            # Its snapshot is taken before the other commits, its lock is had afterwards.
            waits_for_lock = threading.Timer(0.5, waits.set)
            waits_for_lock.start()
            one = joined.select_for_update(of=("self",), no_key=True).get()
            (fresh,) = scanning.visits_read([came.id], clinic=ground.clinic.id)
            return one.status, hasattr(one, "arrival"), hasattr(fresh, "arrival")

    _, seen = crew(lambda act: act(), [holder, reader])
    assert seen == ("CHECKED_IN", False, True)


def transferred(ground: House) -> tuple[list[UUID], Callable[[UUID], str]]:
    """One patient who waits for several doctors, and sending them all to one doctor."""
    chart, wanted = ground.add_chart(), ground.doctor.id
    scanner = device(ground)
    for _ in range(CONTENDERS):
        expected = visit(ground, chart=chart, doctor=ground.add_doctor())
        scan(scanner, pass_of(expected), appointment_ids=(expected.id,))
    waiting = [entry.id for entry in of_clinic(ground, QueueEntry)]

    def send(entry: UUID) -> str:
        try:
            with tenancy.scope(()):
                by = ground.reception.principal()
                queue.entry_transfer(by=by, entry_id=entry, doctor=wanted)
        except KairosError as refused:
            return refused.code.value
        return "sent"

    return waiting, send


def test_one_patient_waits_once_for_a_doctor(ground: House, crew: Any) -> None:
    waiting, send = transferred(ground)
    assert sorted(crew(send, waiting)) == ["CONFLICT"] * (CONTENDERS - 1) + ["sent"]
    assert len(of_clinic(ground, QueueEntry, doctor=ground.doctor)) == 1


def test_out_of_turn_all_find_that_nobody_waits(
    ground: House, crew: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of visits no constraint says it: the turn alone does."""
    waiting, send = transferred(ground)
    monkeypatch.setattr(queue, "_turn_of", lambda _: None)
    together(monkeypatch, queue, "_waits_already")
    together(monkeypatch, queue, "entry_record")
    assert crew(send, waiting) == ["sent"] * CONTENDERS
    assert len(of_clinic(ground, QueueEntry, doctor=ground.doctor)) == CONTENDERS
