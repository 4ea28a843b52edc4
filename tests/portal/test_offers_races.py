"""Several people say yes at the same moment: one has the time, the others keep their place."""

from collections import Counter

import pytest

from followups.models import PlanStatus, WaitlistStatus
from tests.appointments.scene import House, house
from tests.portal.care import fresh, invited, offered, planned, visits, waiting
from tests.portal.test_races import at_once, soon
from tests.portal.visitor import Visitor, text

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clinic() -> House:
    return house("race", phone="+4930901820000", country="DE")


def test_everybody_accepts_one_wins(clinic: House) -> None:
    entries = [waiting(clinic, chart=clinic.add_chart()) for _ in range(5)]
    tokens = [offered(clinic, entry, soon())[0] for entry in entries]
    guests = [Visitor(clinic) for _ in tokens]
    answers = at_once(
        *(
            lambda guest=guest, token=token: guest.client.post(guest.url("offer-accept", token))
            for guest, token in zip(guests, tokens, strict=True)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [302, 409, 409, 409, 409]
    for loser in (answer for answer in answers if answer.status_code == 409):
        assert "You are still on the waitlist." in text(loser)
    stands = Counter(fresh(entry).status for entry in entries)
    assert stands == {WaitlistStatus.BOOKED: 1, WaitlistStatus.WAITING: 4}
    assert len(visits(clinic)) == 1


def test_one_offer_accepted_many_times_is_one_visit(clinic: House) -> None:
    token, _ = offered(clinic, waiting(clinic), soon())
    guests = [Visitor(clinic) for _ in range(5)]
    answers = at_once(
        *(
            lambda guest=guest: guest.client.post(guest.url("offer-accept", token))
            for guest in guests
        )
    )
    assert {answer.status_code for answer in answers} == {302}
    assert len({answer["Location"].partition("?")[0] for answer in answers}) == 1
    assert len(visits(clinic)) == 1


def test_two_invited_patients_choose_one_time(clinic: House) -> None:
    day = soon().date()
    plans = [planned(clinic, chart=clinic.add_chart(), scheduled_for=day).plan for _ in range(4)]
    tokens = [invited(clinic, plan) for plan in plans]
    guests = [Visitor(clinic) for _ in tokens]
    answers = at_once(
        *(
            lambda guest=guest, token=token: guest.client.post(
                guest.url("follow-up-accept", token), {"slot": guest.slot(soon())}
            )
            for guest, token in zip(guests, tokens, strict=True)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [302, 409, 409, 409]
    stands = Counter(fresh(plan).status for plan in plans)
    assert stands == {PlanStatus.COMPLETED: 1, PlanStatus.SCHEDULED: 3}
    assert len(visits(clinic)) == 1
