"""Who is asked, in which order, when, and how often."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from core import tenancy
from followups.matching import GOOD_FOR
from followups.models import OfferStatus, OpeningStatus, WaitlistStatus
from followups.services import offer_jobs
from followups.services.candidates import candidates
from tests.appointments.moments import NOW, berlin
from tests.appointments.scene import House, house
from tests.followups.waitlist_scene import (
    HALF_HOUR,
    MORNING,
    TIME,
    at,
    cancelled,
    fresh,
    heard,
    offered,
    offers,
    openings,
    policy,
    send,
    waiting,
)

DELAY, DAY = timedelta(minutes=30), timedelta(days=1)


def asked(own: House) -> list:
    return [offer.entry_id for offer in offers(own)]


def test_they_are_asked_in_ranked_batches(own):
    """The urgent first, then who waits longest; three at a time, half an hour apart."""
    low = waiting(own, urgency="LOW")
    normal = [waiting(own) for _ in range(3)]
    urgent = waiting(own, urgency="URGENT")
    cancelled(own)
    assert send(MORNING) == 3
    assert asked(own) == [urgent.id, normal[0].id, normal[1].id]
    assert send(MORNING + DELAY - timedelta(seconds=1)) == 0
    assert send(MORNING + DELAY) == 2
    assert asked(own)[3:] == [normal[2].id, low.id]
    assert [(one.batch, one.place) for one in offers(own)] == [
        (1, 1), (1, 2), (1, 3), (2, 4), (2, 5),
    ]  # fmt: skip
    assert send(MORNING + 2 * DELAY) == 0
    (opening,) = openings(own)
    assert (opening.status, opening.next_batch_at) == (OpeningStatus.OPEN, None)


def test_an_opening_is_closed_when_the_last_offer_is_over(own):
    offered(own)
    (opening,) = openings(own)
    assert send(MORNING + DELAY) == 0
    with at(MORNING + GOOD_FOR - timedelta(seconds=1)):
        assert offer_jobs.offers_expire() == 0
    with at(MORNING + GOOD_FOR):
        assert offer_jobs.offers_expire() == 1
    assert fresh(opening).status == OpeningStatus.CLOSED
    (offer,) = offers(own)
    assert offer.status == OfferStatus.EXPIRED
    assert fresh(offer.entry).status == WaitlistStatus.WAITING
    with at(MORNING + GOOD_FOR):
        assert offer_jobs.offers_expire() == 0


def test_who_was_told_nothing_is_asked_once_of_one_opening(own):
    offered(own)
    for step in range(1, 10):
        assert send(MORNING + step * DELAY) == 0
    assert len(offers(own)) == 1


@pytest.mark.parametrize(
    "wishes",
    [
        {"time_from": time(10, 30)},
        {"time_to": time(10)},
        {"weekdays": [1, 2, 4, 5, 6, 7]},
        {"earliest": date(2035, 6, 7)},
        {"latest": date(2035, 6, 5)},
    ],
)
def test_whose_wish_it_is_not_is_not_asked(own, wishes):
    waiting(own, **wishes)
    yes = waiting(own)
    cancelled(own)
    send()
    assert asked(own) == [yes.id]


def test_doctor_location_service_and_mode_have_to_be_those_wished_for(own):
    elsewhere, somebody = own.add_location(), own.add_doctor()
    phone = own.add_service(modes=["PHONE", "IN_PERSON"])
    waiting(own, location=elsewhere.id)
    waiting(own, doctors=[somebody.id])
    waiting(own, service=phone.id, mode="PHONE")  # the hours are for visits in person
    yes = [
        waiting(own, location=own.location.id),
        waiting(own, doctors=[somebody.id, own.doctor.id]),
        waiting(own, service=phone.id),
    ]
    cancelled(own)
    send()
    assert asked(own) == [one.id for one in yes]


def test_who_has_another_visit_then_is_not_asked(own):
    second = own.add_doctor()
    own.add_hours(second)
    busy = waiting(own)
    own.book(TIME, patient=busy.patient_id, doctor=second.id)
    free = waiting(own)
    cancelled(own)
    send()
    assert asked(own) == [free.id]


def test_whose_present_visit_is_no_later_is_not_asked(own):
    for starts_at in (TIME - timedelta(days=1), TIME + timedelta(days=1)):
        chart = own.add_chart()
        booked = own.book(starts_at, patient=chart.id)
        waiting(own, chart, appointment=booked["id"], latest=date(2035, 6, 30))
    cancelled(own)
    send()
    (offer,) = offers(own)
    assert str(offer.entry.appointment_id) == booked["id"], "of the later one"


def test_a_visit_that_would_be_moved_does_not_stand_in_its_own_way(own):
    """Its own claim overlaps the freed time, and its doctor's day is full with it."""
    with tenancy.scope(tenancy.SYSTEM):
        own.doctor.max_daily_appointments = 1
        own.doctor.save(update_fields=["max_daily_appointments"])
    own.policy(cancel_cutoff_minutes=0)  # a cancellation in good time does not count
    chart = own.add_chart()
    booked = cancelled(own, TIME)
    assert booked["status"] == "SCHEDULED"
    present = own.book(TIME + timedelta(hours=2), patient=chart.id)
    entry = waiting(own, chart, appointment=present["id"])
    with tenancy.scope([own.clinic.id]):
        opening = offer_jobs.WaitlistOpening(
            clinic=own.clinic,
            doctor=own.doctor,
            location=own.location,
            starts_at=TIME,
            ends_at=TIME + HALF_HOUR,
            timezone=own.zone,
        )
        assert [one.entry.id for one in candidates(opening, 5)] == [entry.id]
        stranger = waiting(own)
        assert stranger.id not in [one.entry.id for one in candidates(opening, 5)], "a full day"


def test_a_person_is_asked_so_often_a_week(own):
    """The cap counts a person's offers, whichever of their entries they are for."""
    policy(own, offers_per_week=2, offer_delay_minutes=1)
    chart = own.add_chart()
    waiting(own, chart)
    waiting(own, chart, service=own.add_service().id)
    for number in range(3):
        cancelled(own, TIME + number * DAY)
        send(MORNING + timedelta(minutes=5 * number))
    assert len(offers(own)) == 2
    later = MORNING + timedelta(days=7, minutes=6)
    with at(later):
        cancelled(own, TIME + timedelta(days=14))
    assert send(later) == 1


def test_nobody_is_asked_about_two_times_at_once(own):
    """Two times become free, two people wait: each is asked about one; half an hour later about
    the other."""
    policy(own, offer_batch_size=1)
    first, second = waiting(own), waiting(own)
    cancelled(own, TIME)
    cancelled(own, TIME + DAY)
    assert send() == 2
    by_time = sorted((one.starts_at, one.entry_id) for one in offers(own))
    assert [entry for _, entry in by_time] == [first.id, second.id]
    assert send(MORNING + DELAY) == 2
    assert len({(one.opening_id, one.entry_id) for one in offers(own)}) == 4


def test_who_was_just_asked_about_another_time_is_asked_later(own):
    entry = waiting(own)
    cancelled(own, TIME)
    assert send() == 1
    cancelled(own, TIME + DAY)
    assert send(MORNING + timedelta(minutes=10)) == 0
    (later,) = openings(own, starts_at=TIME + DAY)
    assert (later.status, later.next_batch_at) == (OpeningStatus.OPEN, MORNING + DELAY)
    assert send(MORNING + DELAY) == 1
    assert asked(own) == [entry.id, entry.id]


def test_of_one_day_they_are_asked_about_one_time_after_the_other(own):
    """A day that is opened is a message, not five; the next when the first is answered or over."""
    for number in range(3):
        cancelled(own, TIME + number * HALF_HOUR)
    waiting(own, latest=TIME.date())
    day = {"clinic": own.clinic.id, "doctor": own.doctor.id, "kind": "CLOSED"}
    day |= {"start_date": TIME.date(), "end_date": TIME.date()}
    closed = own.admin.api.post("schedule-exceptions", day).json()
    own.admin.api.delete(f"schedule-exceptions/{closed['id']}")
    heard()
    assert len(openings(own)) == 18
    assert send() == 1
    assert send(MORNING + DELAY) == 0
    assert send(MORNING + GOOD_FOR - timedelta(seconds=1)) == 0
    with at(MORNING + GOOD_FOR):
        assert offer_jobs.offers_expire() == 1
    assert send(MORNING + GOOD_FOR) == 1


def test_who_waits_for_two_things_is_asked_about_one_of_them(own):
    chart = own.add_chart()
    waiting(own, chart)
    waiting(own, chart, service=own.add_service().id)
    cancelled(own)
    assert send() == 1
    assert send(MORNING + DELAY) == 0


def test_outside_the_sending_hours_nobody_is_asked(own):
    waiting(own)
    cancelled(own)  # at seven
    assert send(NOW) == 0
    assert openings(own)[0].next_batch_at == berlin(0, 8)
    assert send(berlin(0, 8)) == 1


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_sending_hours_are_the_clinics(cast, zone):
    """Eight in the morning there, whatever the time is here."""
    far = house("far", zone=zone)
    local = ZoneInfo(zone)
    waiting(far)
    cancelled(far, datetime(2035, 6, 7, 10, tzinfo=local))
    assert send(datetime(2035, 6, 5, 7, 59, tzinfo=local)) == 0
    assert openings(far)[0].next_batch_at == datetime(2035, 6, 5, 8, tzinfo=local)
    assert send(datetime(2035, 6, 5, 8, tzinfo=local)) == 1


def test_the_sending_hours_hold_over_the_night_of_the_clocks(own):
    """24 to 25 March: the night is an hour shorter, and eight o'clock is still eight o'clock."""
    with at(berlin(-80, 19)):
        waiting(own)
    evening = berlin(0, 21).replace(year=2036, month=3, day=29)
    with at(evening):
        waiting(own)
        cancelled(own, evening.replace(day=31, hour=12))
        assert offer_jobs.offers_send_due() == 0
        moment = openings(own)[0].next_batch_at
    assert moment == evening.replace(day=30, hour=8)
    assert (moment - evening).total_seconds() == 10 * 3600, "not eleven"


def test_nobody_is_asked_less_than_the_stop_before(own):
    policy(own, offer_stop_minutes=180, offer_batch_size=1)
    waiting(own)
    waiting(own)
    start = berlin(0, 12, 30)
    cancelled(own, start)
    assert send(MORNING) == 1
    assert offers(own)[0].expires_at == start - timedelta(hours=3)
    assert send(MORNING + DELAY) == 0, "the stop has come"
    with at(MORNING + DELAY):
        assert offer_jobs.offers_expire() == 1
    assert openings(own)[0].status == OpeningStatus.CLOSED


def test_a_time_gone_when_the_next_would_be_asked_is_given_up(own):
    """Leave, of which no visit tells: seen at sending."""
    policy(own, offer_batch_size=1)
    waiting(own)
    waiting(own)
    cancelled(own)
    assert send() == 1
    day = TIME.date()
    body = {"clinic": own.clinic.id, "doctor": own.doctor.id, "kind": "LEAVE"}
    answer = own.admin.api.post("schedule-exceptions", body | {"start_date": day, "end_date": day})
    assert answer.status_code == 201, answer.content
    assert send(MORNING + DELAY) == 0
    assert openings(own)[0].status == OpeningStatus.GONE
    assert [one.status for one in offers(own)] == [OfferStatus.LOST]


def test_who_comes_later_is_asked_too_while_nobody_has_answered(own):
    offered(own)
    send(MORNING + DELAY)
    assert openings(own)[0].next_batch_at is None
    with at(MORNING + DELAY):
        late = waiting(own)
    assert send(MORNING + DELAY) == 1
    assert asked(own)[-1] == late.id


def test_an_entry_ends_with_its_last_day(own):
    entry = waiting(own, latest=TIME.date())
    cancelled(own)
    send()
    with at(berlin(2, 23, 59)):
        assert offer_jobs.waitlist_expire() == 0
    with at(berlin(3, 0)):
        assert offer_jobs.waitlist_expire() == 1
        assert offer_jobs.waitlist_expire() == 0
    assert fresh(entry).status == WaitlistStatus.EXPIRED
    assert [one.status for one in offers(own)] == [OfferStatus.EXPIRED]


def test_a_round_does_not_ask_more_for_more_people(own, django_assert_max_num_queries):
    """One statement finds them all; each who is asked costs the same few."""
    policy(own, offer_batch_size=1)
    for _ in range(30):
        waiting(own, time_to=time(9))
    yes = waiting(own)
    cancelled(own)
    with django_assert_max_num_queries(32):
        assert send() == 1
    assert asked(own) == [yes.id]
