"""What each guard of the waitlist is worth: the same races with the guard taken away.

| opening's lock | kernel | constraint | outcome of six who say yes                            |
|----------------|--------|------------|-------------------------------------------------------|
| yes            | yes    | yes        | one has it, and the ledger says so                    |
| no             | yes    | yes        | one has it; a loser writes it was booked otherwise    |
| no             | no     | yes        | one has it; the others fail on the constraint         |
| no             | no     | no         | all have it                                           |
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError
from django.db.models import QuerySet

from appointments.models import Appointment, Source
from appointments.services.booking import appointment_book
from core import tenancy
from core.errors import KairosError
from followups.models import (
    OpeningStatus,
    WaitlistOffer,
)
from followups.offer_links import offer_link
from followups.services import offer_jobs, offers
from followups.services.offers import offer_take
from tests.appointments.scene import House, house
from tests.followups.waitlist_scene import HALF_HOUR, fresh, waiting
from tests.races.test_booking_races import at
from tests.races.test_negative_controls import connected_to
from tests.races.test_waitlist_races import (
    CONTENDERS,
    crew,
    freed,
    ledger_of,
    offered,
    rules,
    sending,
)

__all__ = ["crew"]  # a fixture


@pytest.fixture
def elsewhere(arena: str, clone_database: Callable[[], str]) -> Iterator[psycopg.Connection[Any]]:
    """A database of its own, whose constraints may be dropped; the connection is its owner's."""
    url = clone_database()
    with connected_to(url), psycopg.connect(url, autocommit=True) as owner:
        yield owner


@pytest.fixture
def ground(elsewhere: psycopg.Connection[Any]) -> House:
    return house("ground")


def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are read and written, and nobody waits for anybody in between."""
    monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **_: self)


def together(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
    """Nobody goes on from here before all are here."""
    everyone = threading.Barrier(CONTENDERS, timeout=30)
    whole = getattr(module, name)

    def waits(*args: Any, **kwargs: Any) -> Any:
        everyone.wait()
        return whole(*args, **kwargs)

    monkeypatch.setattr(module, name, waits)


def each_a_time_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel has nothing to refuse: what is left is the opening's own lock and constraint."""
    numbers = iter(range(1, 100))

    def book(opening: Any, offer: Any, entry: Any) -> Appointment:
        return appointment_book(
            by=None,
            doctor=opening.doctor_id,
            starts_at=offer.starts_at + next(numbers) * HALF_HOUR,
            patient=entry.patient_id,
            location=opening.location_id,
            service=entry.service_id,
            source=Source.PATIENT,
        )

    monkeypatch.setattr(offers, "_book", book)


def yes(offer: WaitlistOffer) -> str:
    try:
        with tenancy.scope(()):
            taken = offer_take(offer_link(offer))
    except IntegrityError:
        return "constraint"
    except KairosError as error:
        return error.code
    return "won" if taken.refusal is None else taken.refusal.code


def contenders(ground: House) -> list[WaitlistOffer]:
    for _ in range(CONTENDERS):
        waiting(ground)
    return offered(ground, CONTENDERS, at(5, 9))


def test_with_the_lock_one_wins_and_the_ledger_says_so(ground: House, crew: Any) -> None:
    made = contenders(ground)
    assert Counter(crew(yes, made)) == {"won": 1, "SCHEDULING_CONFLICT": CONTENDERS - 1}
    assert fresh(made[0].opening).status == OpeningStatus.TAKEN


def test_without_the_lock_the_kernel_lets_one_in_but_the_ledger_is_wrong(
    ground: House, crew: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loser, who judged the opening free, takes the winner's visit for a stranger's."""
    made = contenders(ground)
    no_locks(monkeypatch)
    together(monkeypatch, offers, "_book")
    assert Counter(crew(yes, made)) == {"won": 1, "SCHEDULING_CONFLICT": CONTENDERS - 1}
    assert fresh(made[0].opening).status == OpeningStatus.GONE


def test_without_the_lock_the_constraint_lets_one_win(
    ground: House, crew: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = contenders(ground)
    no_locks(monkeypatch)
    each_a_time_of_their_own(monkeypatch)
    together(monkeypatch, offers, "_book")
    assert Counter(crew(yes, made)) == {"won": 1, "constraint": CONTENDERS - 1}


def test_without_lock_and_constraint_all_have_won(
    elsewhere: psycopg.Connection[Any],
    ground: House,
    crew: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = contenders(ground)
    elsewhere.execute("DROP INDEX followups_offer_won_once")
    no_locks(monkeypatch)
    each_a_time_of_their_own(monkeypatch)
    monkeypatch.setattr(offers, "offers_close", lambda *_: [])
    together(monkeypatch, offers, "_book")
    assert Counter(crew(yes, made)) == {"won": CONTENDERS}


def test_without_locks_a_job_twice_at_once_fails_on_the_constraint(
    ground: House, crew: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules(ground, 3)
    for _ in range(3):
        waiting(ground)
    freed(ground, at(5, 9))
    no_locks(monkeypatch)
    monkeypatch.setattr(offer_jobs, "_locked", lambda _: True)
    together(monkeypatch, offer_jobs, "offers_write")
    assert Counter(crew(sending, list(range(CONTENDERS)))) == {3: 1, None: CONTENDERS - 1}


def test_without_locks_and_constraint_everybody_is_asked_six_times(
    elsewhere: psycopg.Connection[Any],
    ground: House,
    crew: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rules(ground, 3)
    for _ in range(3):
        waiting(ground)
    freed(ground, at(5, 9))
    elsewhere.execute("ALTER TABLE followups_waitlistoffer DROP CONSTRAINT followups_offer_once")
    no_locks(monkeypatch)
    monkeypatch.setattr(offer_jobs, "_locked", lambda _: True)
    together(monkeypatch, offer_jobs, "offers_write")
    crew(sending, list(range(CONTENDERS)))
    assert set(ledger_of(ground).values()) == {CONTENDERS}
