"""Many who want one freed time, and jobs that run twice at once; and what each guard is worth.

The opening's row is the lock under which an offer is accepted; the kernel, under it, is the
guarantee that a doctor's time is given once, and a constraint the one that an opening is won once.
Who sends takes the opening, skips what is taken, and moves its next moment with the offers.
"""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from appointments.models import Appointment
from core import context, tenancy
from core.models import OutboxEvent
from followups.models import (
    CarePolicy,
    OfferStatus,
    OpeningCause,
    OpeningStatus,
    WaitlistOffer,
    WaitlistOpening,
    WaitlistStatus,
)
from followups.offer_links import offer_link
from followups.services import offer_jobs
from followups.services.offer_rows import OFFERED
from followups.services.openings import opening_make
from followups.services.waitlist import entry_withdraw
from tests.appointments.scene import House, Scene
from tests.followups.waitlist_scene import HALF_HOUR, fresh, waiting
from tests.races.test_booking_races import at, overlaps, tally
from tests.races.volley import Shot, Volley

ROUNDS, AT_ONCE, CONTENDERS = 6, 16, 6
WON, LATE = (200, None), (409, "SCHEDULING_CONFLICT")


def rules(ground: House, size: int) -> None:
    """Whatever the time of day: the races run on the real clock."""
    with tenancy.scope([ground.clinic.id]):
        CarePolicy.objects.update_or_create(
            clinic=ground.clinic,
            defaults={
                "offer_batch_size": size,
                "offer_from": time(0),
                "offer_until": time.max,
                "offers_per_week": 100,
                "offer_delay_minutes": 1,
            },
        )


def freed(ground: House, starts_at: datetime) -> WaitlistOpening:
    with tenancy.scope([ground.clinic.id]):
        made = opening_make(
            clinic=ground.clinic.id,
            doctor=ground.doctor.id,
            location=ground.location.id,
            starts_at=starts_at,
            ends_at=starts_at + HALF_HOUR,
            cause=OpeningCause.CANCELLED,
        )
    assert made is not None
    return made


def offers_of(opening: WaitlistOpening) -> list[WaitlistOffer]:
    with tenancy.scope([opening.clinic_id]):
        found = WaitlistOffer.objects.filter(opening=opening).select_related("entry", "opening")
        return list(found.order_by("place"))


def offered(ground: House, count: int, starts_at: datetime) -> list[WaitlistOffer]:
    """A freed time, offered to as many as wait."""
    rules(ground, count)
    opening = freed(ground, starts_at)
    offer_jobs.offers_send_due()
    made = offers_of(opening)
    assert len(made) == count
    return made


def accepting(offer: WaitlistOffer) -> Shot:
    return Shot(None, f"waitlist-offers/{offer_link(offer)}/accept")


def statuses(rows: list[Any]) -> Counter[str]:
    return Counter(fresh(row).status for row in rows)


def test_sixteen_say_yes_at_once_and_one_has_it(cast: Scene, volley: Volley) -> None:
    """Who wins leaves the list; the others stay on it, and want the next time too."""
    for _ in range(AT_ONCE):
        waiting(cast.own)
    for turn in range(ROUNDS):
        if turn:
            waiting(cast.own)
        made = offered(cast.own, AT_ONCE, at(5 + turn))
        answers = volley.fire([accepting(offer) for offer in made])
        assert tally(answers) == Counter({WON: 1, LATE: AT_ONCE - 1})
        assert statuses(made) == {OfferStatus.ACCEPTED: 1, OfferStatus.LOST: AT_ONCE - 1}
        assert statuses([offer.entry for offer in made]) == {
            WaitlistStatus.BOOKED: 1,
            WaitlistStatus.WAITING: AT_ONCE - 1,
        }
        opening = fresh(made[0].opening)
        (visit,) = [answer.body["appointment"] for answer in answers if answer.status == 200]
        assert (opening.status, str(opening.taken_by_id)) == (OpeningStatus.TAKEN, visit["id"])
        with tenancy.scope(tenancy.SYSTEM):  # so that nobody rests for the next round
            WaitlistOffer.objects.filter(clinic=cast.own.clinic).update(
                created_at=at(-1), updated_at=at(-1)
            )
    assert overlaps(cast.own.doctor.id) == 0
    with tenancy.scope([cast.own.clinic.id]):
        assert Appointment.objects.count() == ROUNDS


def test_one_who_presses_often_has_one_visit(cast: Scene, volley: Volley) -> None:
    waiting(cast.own)
    (offer,) = offered(cast.own, 1, at(5))
    answers = volley.fire([accepting(offer)] * AT_ONCE)
    assert tally(answers) == Counter({WON: AT_ONCE})
    assert len({answer.body["appointment"]["id"] for answer in answers}) == 1


def test_offers_that_cross_never_deadlock(cast: Scene, volley: Volley) -> None:
    """Sixteen people say yes to two times each, all at once: two visits, of two people."""
    people = [waiting(cast.own) for _ in range(AT_ONCE)]
    first = offered(cast.own, AT_ONCE, at(5))
    with tenancy.scope(tenancy.SYSTEM):
        WaitlistOffer.objects.filter(clinic=cast.own.clinic).update(created_at=at(-1))
    second = offered(cast.own, AT_ONCE, at(6))
    shots = [accepting(offer) for pair in zip(first, second[::-1], strict=True) for offer in pair]
    counted = tally(volley.fire(shots))
    assert counted[WON] == 2
    assert sum(counted.values()) == counted[WON] + counted[LATE] + counted[410, "OFFER_EXPIRED"]
    assert statuses(people)[WaitlistStatus.BOOKED] == 2
    assert statuses([*first, *second])[OfferStatus.OPEN] == 0


def test_the_reception_books_the_time_while_they_say_yes(cast: Scene, volley: Volley) -> None:
    for turn in range(ROUNDS):
        for _ in range(4):
            waiting(cast.own, earliest=at(5 + turn).date(), latest=at(5 + turn).date())
        made = offered(cast.own, 4, at(5 + turn))
        body = cast.own.request(at(5 + turn), patient=cast.own.add_chart().id)
        desk = Shot(cast.own.reception, "appointments", body)
        counted = tally(volley.fire([accepting(made[0]), desk, *(accepting(o) for o in made[1:])]))
        assert counted[WON] + counted[201, None] == 1
        assert counted[LATE] == 4
        won = OpeningStatus.TAKEN if counted[WON] else OpeningStatus.GONE
        assert fresh(made[0].opening).status == won
    assert overlaps(cast.own.doctor.id) == 0


# --- Jobs twice at once ---------------------------------------------------------------------------


@pytest.fixture
def crew() -> Callable[..., list[Any]]:
    """Does something so many times, each in a thread of its own, all at once."""

    def at_once(act: Callable[[Any], Any], things: list[Any]) -> list[Any]:
        ready = threading.Barrier(len(things), timeout=30)

        def one(thing: Any) -> Any:
            context.begin("a-race", "192.0.2.9")
            ready.wait()
            try:
                return act(thing)
            finally:
                connection.close()

        with ThreadPoolExecutor(len(things)) as threads:
            return list(threads.map(one, things))

    return at_once


def sending(_: int) -> int | None:
    try:
        return offer_jobs.offers_send_due()
    except IntegrityError:
        return None


def ledger_of(ground: House) -> Counter[tuple[Any, Any]]:
    with tenancy.scope([ground.clinic.id]):
        rows = WaitlistOffer.objects.filter(clinic=ground.clinic)
        return Counter(rows.values_list("opening_id", "entry_id"))


def test_a_job_that_runs_six_times_at_once_asks_once(cast: Scene, crew: Any) -> None:
    """Eight openings, thirty people: each time three are asked, and nobody about two at once."""
    rules(cast.own, 3)
    for _ in range(30):
        waiting(cast.own)
    for number in range(8):
        freed(cast.own, at(5, 9) + number * HALF_HOUR)
    crew(sending, list(range(CONTENDERS)))
    offer_jobs.offers_send_due()  # who was skipped, because another was just asking them
    counted = ledger_of(cast.own)
    assert set(counted.values()) == {1}
    assert len({entry for _, entry in counted}) == len(counted), "nobody about two times"
    with tenancy.scope([cast.own.clinic.id]):
        told = OutboxEvent.objects.filter(topic=OFFERED, clinic_id=cast.own.clinic.id)
        assert told.count() == len(counted)
        for opening in WaitlistOpening.objects.filter(clinic=cast.own.clinic):
            assert opening.offers.count() <= 3 * opening.batch


def test_expiring_six_times_at_once_ends_each_once(
    cast: Scene, crew: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(8):
        waiting(cast.own, latest=at(6).date())
    made = offered(cast.own, 8, at(5))
    monkeypatch.setattr("core.clock.now", lambda: at(9))
    crew(lambda _: offer_jobs.offers_expire(), list(range(CONTENDERS)))
    assert statuses(made) == {OfferStatus.EXPIRED: 8}
    assert {fresh(offer).version for offer in made} == {2}, "once each"
    assert fresh(made[0].opening).status == OpeningStatus.CLOSED
    crew(lambda _: offer_jobs.waitlist_expire(), list(range(CONTENDERS)))
    entries = [fresh(offer.entry) for offer in made]
    assert {(entry.status, entry.version) for entry in entries} == {(WaitlistStatus.EXPIRED, 2)}


def test_who_withdraws_while_they_are_asked_has_no_open_offer(cast: Scene, crew: Any) -> None:
    for turn in range(ROUNDS):
        rules(cast.own, 10)
        people = [waiting(cast.own) for _ in range(CONTENDERS)]
        freed(cast.own, at(5 + turn))

        def act(thing: Any) -> None:
            if thing is None:
                offer_jobs.offers_send_due()
                return
            with tenancy.scope(()):
                entry_withdraw(by=cast.own.reception.principal(), entry_id=thing.id)

        crew(act, [None, *people])
        with tenancy.scope([cast.own.clinic.id]):
            stray = WaitlistOffer.objects.filter(status="OPEN").exclude(entry__status="WAITING")
            assert not stray.exists()


def test_two_openings_at_once_keep_a_persons_cap(cast: Scene, crew: Any) -> None:
    """One person in two entries, one offer a week allowed: two jobs, two openings, one offer."""
    rules(cast.own, 3)
    with tenancy.scope([cast.own.clinic.id]), transaction.atomic():
        CarePolicy.objects.filter(clinic=cast.own.clinic).update(offers_per_week=1)
    chart = cast.own.add_chart()
    waiting(cast.own, chart)
    waiting(cast.own, chart, service=cast.own.add_service().id)
    for number in range(4):
        freed(cast.own, at(5, 9) + number * timedelta(hours=1))
    crew(sending, list(range(CONTENDERS)))
    offer_jobs.offers_send_due()
    assert sum(ledger_of(cast.own).values()) == 1
