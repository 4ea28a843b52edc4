"""Yes, no, too late, and links that are not what they seem."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import signing

from appointments.models import Appointment, AppointmentStatus, Source
from core import tenancy
from core.errors import ErrorCode, KairosError
from followups.matching import GOOD_FOR
from followups.models import OfferStatus, OpeningCause, OpeningStatus, WaitlistStatus
from followups.offer_links import offer_link
from followups.services.offers import (
    offer_accept,
    offer_by_token,
)
from tests.appointments.scene import Api, House, person
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
    path_of,
    policy,
    send,
    waiting,
)

NOBODY = Api(None)


def said(answer: Any) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("code")


def visit_of(answer: Any) -> Appointment:
    assert answer.status_code == 200, answer.content
    with tenancy.scope(tenancy.SYSTEM):
        return Appointment.objects.get(pk=answer.json()["appointment"]["id"])


def test_the_link_shows_the_time_and_nothing_of_the_patient(own):
    (offer,) = offered(own)
    with at(MORNING):
        answer = NOBODY.get(path_of(offer))
    body = answer.json()
    assert answer.status_code == 200
    assert body["starts_at"] == "2035-06-06T08:00:00Z"
    assert (body["doctor"]["name"], body["status"], body["moves_from"]) == (
        "Dr First",
        "OPEN",
        None,
    )
    assert str(offer.entry.patient_id) not in answer.content.decode()
    assert answer.headers["Cache-Control"] == "private, no-store"


def test_yes_books_the_visit(own):
    (offer,) = offered(own)
    with at(MORNING):
        visit = visit_of(NOBODY.post(path_of(offer, "/accept")))
    assert (visit.starts_at, visit.doctor_id) == (TIME, own.doctor.id)
    assert (visit.status, visit.source) == (AppointmentStatus.SCHEDULED, Source.PATIENT)
    assert visit.patient_id == offer.entry.patient_id
    entry, (opening,) = fresh(offer.entry), openings(own)
    assert (entry.status, entry.booked_id) == (WaitlistStatus.BOOKED, visit.id)
    assert (opening.status, opening.taken_by_id) == (OpeningStatus.TAKEN, visit.id)
    assert (fresh(offer).status, fresh(offer).answered_at) == (OfferStatus.ACCEPTED, MORNING)


def test_yes_again_is_the_same_answer(own):
    (offer,) = offered(own)
    with at(MORNING):
        first = NOBODY.post(path_of(offer, "/accept")).json()
        assert NOBODY.post(path_of(offer, "/accept")).json() == first
    with at(MORNING + GOOD_FOR):
        assert NOBODY.post(path_of(offer, "/accept")).json() == first, "also when it is over"


def test_yes_moves_the_present_visit_which_is_kept_until_then(own):
    chart = own.add_chart()
    present = own.book(TIME + timedelta(days=5), patient=chart.id)
    entry = waiting(own, chart, appointment=present["id"])
    cancelled(own)
    send()
    (offer,) = offers(own)
    with at(MORNING):
        assert NOBODY.get(path_of(offer)).json()["moves_from"] == present["starts_at"]
        visit = visit_of(NOBODY.post(path_of(offer, "/accept")))
        heard()
    assert (str(visit.id), visit.starts_at) == (present["id"], TIME)
    assert fresh(entry).booked_id == visit.id
    assert [one.cause for one in openings(own)] == [OpeningCause.CANCELLED], "nobody waits for it"


def test_the_time_that_the_moved_visit_left_is_offered_to_the_next(own):
    chart = own.add_chart()
    present = own.book(TIME + timedelta(days=5), patient=chart.id)
    waiting(own, chart, appointment=present["id"])
    policy(own, offer_batch_size=1)
    cancelled(own)
    send()
    (offer,) = offers(own)
    with at(MORNING):
        waiting(own)
        visit_of(NOBODY.post(path_of(offer, "/accept")))
        heard()
    (left,) = openings(own, cause=OpeningCause.MOVED)
    assert left.starts_at == TIME + timedelta(days=5)


def test_a_present_visit_that_was_cancelled_leaves_the_wish(own):
    chart = own.add_chart()
    present = own.book(TIME + timedelta(days=5), patient=chart.id)
    entry = waiting(own, chart, appointment=present["id"])
    cancelled(own)
    send()
    own.reception.api.post(f"appointments/{present['id']}/cancel", {"reason": "no"})
    (offer,) = offers(own)
    with at(MORNING):
        visit = visit_of(NOBODY.post(path_of(offer, "/accept")))
    assert str(visit.id) != present["id"], "before the outbox has told of it"
    heard()
    assert fresh(entry).status == WaitlistStatus.BOOKED


def test_the_outbox_tells_the_entry_that_its_visit_is_cancelled(own):
    chart = own.add_chart()
    present = own.book(TIME, patient=chart.id)
    entry = waiting(own, chart, appointment=present["id"])
    own.reception.api.post(f"appointments/{present['id']}/cancel", {"reason": "no"})
    heard()
    assert (fresh(entry).appointment_id, fresh(entry).status) == (None, WaitlistStatus.WAITING)


def test_who_comes_second_stays_on_the_list(own):
    first, second, third = offered(own, 3)
    with at(MORNING):
        visit_of(NOBODY.post(path_of(second, "/accept")))
        for late in (first, third):
            assert said(NOBODY.post(path_of(late, "/accept"))) == (409, "SCHEDULING_CONFLICT")
            assert fresh(late).status == OfferStatus.LOST
            assert fresh(late.entry).status == WaitlistStatus.WAITING
            assert said(NOBODY.post(path_of(late, "/decline"))) == (409, "SCHEDULING_CONFLICT")


def test_the_winners_other_offers_are_withdrawn(own):
    policy(own, offer_delay_minutes=1)
    waiting(own)
    cancelled(own, TIME)
    send(MORNING)
    cancelled(own, TIME + timedelta(days=1))
    send(MORNING + timedelta(minutes=2))
    one, other = offers(own)
    with at(MORNING + timedelta(minutes=3)):
        visit_of(NOBODY.post(path_of(one, "/accept")))
        assert said(NOBODY.post(path_of(other, "/accept"))) == (410, "OFFER_EXPIRED")
    assert fresh(other).status == OfferStatus.WITHDRAWN


def test_a_time_booked_otherwise_is_a_conflict_and_is_given_up(own):
    """Before the outbox has told of it: the refusal is kept, and the others are told."""
    first, second = offered(own, 2)
    with at(MORNING):
        own.book(TIME, patient=own.add_chart().id)
        assert said(NOBODY.post(path_of(first, "/accept"))) == (409, "SCHEDULING_CONFLICT")
    assert openings(own)[0].status == OpeningStatus.GONE
    assert [fresh(one).status for one in (first, second)] == [OfferStatus.LOST] * 2
    assert fresh(first.entry).status == WaitlistStatus.WAITING


def test_another_visit_of_the_patient_then_is_theirs_to_sort_out(own):
    first, second = offered(own, 2)
    other = own.add_doctor()
    own.add_hours(other)
    own.book(TIME, patient=first.entry.patient_id, doctor=other.id)
    with at(MORNING):
        assert said(NOBODY.post(path_of(first, "/accept"))) == (409, "PATIENT_CONFLICT")
        assert fresh(first).status == OfferStatus.OPEN
        visit_of(NOBODY.post(path_of(second, "/accept")))


def test_an_offer_that_is_over_is_over(own):
    (offer,) = offered(own)
    with at(MORNING + GOOD_FOR):
        assert said(NOBODY.post(path_of(offer, "/accept"))) == (410, "OFFER_EXPIRED")
        assert said(NOBODY.post(path_of(offer, "/decline"))) == (410, "OFFER_EXPIRED")
    assert fresh(offer.entry).status == WaitlistStatus.WAITING


def test_no_lets_the_next_be_asked_at_once(own):
    policy(own, offer_batch_size=1)
    entry, _ = waiting(own), waiting(own)
    cancelled(own)
    send()
    (offer,) = offers(own)
    soon = MORNING + timedelta(minutes=1)
    with at(soon):
        answer = NOBODY.post(path_of(offer, "/decline"))
        assert (answer.status_code, answer.json()["status"]) == (200, "DECLINED")
        assert NOBODY.post(path_of(offer, "/decline")).status_code == 200, "again is the same"
        assert said(NOBODY.post(path_of(offer, "/accept"))) == (410, "OFFER_EXPIRED")
    assert fresh(entry).status == WaitlistStatus.WAITING
    assert send(soon) == 1
    assert len(offers(own)) == 2


def test_the_last_no_closes_the_opening(own):
    (offer,) = offered(own)
    send(MORNING + HALF_HOUR)
    with at(MORNING + HALF_HOUR):
        NOBODY.post(path_of(offer, "/decline"))
    assert openings(own)[0].status == OpeningStatus.CLOSED


def test_no_after_yes_is_refused(own):
    (offer,) = offered(own)
    with at(MORNING):
        visit_of(NOBODY.post(path_of(offer, "/accept")))
        assert said(NOBODY.post(path_of(offer, "/decline"))) == (409, "INVALID_TRANSITION")


# --- Links ----------------------------------------------------------------------------------------


def forged(own: House, offer: Any) -> list[str]:
    good = offer_link(offer)
    body, _, signature = good.rpartition(".")
    other = signing.Signer(salt="followups.invitation-link", sep=".").sign(body)
    return [
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        f"{body}A.{signature}",
        body,
        other,
        "nonsense",
        "a" * 250,
        str(offer.id),
        "%00",
    ]


def test_a_forged_link_opens_nothing(own):
    (offer,) = offered(own)
    with at(MORNING):
        for token in forged(own, offer):
            for step, ask in (
                ("", NOBODY.get),
                ("/accept", NOBODY.post),
                ("/decline", NOBODY.post),
            ):
                answer = ask(f"waitlist-offers/{token}{step}")
                assert said(answer) == (404, "NOT_FOUND"), token
    assert fresh(offer).status == OfferStatus.OPEN


def test_a_link_of_a_clinic_that_is_closed_opens_nothing(own):
    (offer,) = offered(own)
    own.policy(is_active=False)
    with at(MORNING):
        assert said(NOBODY.get(path_of(offer))) == (404, "NOT_FOUND")
        assert said(NOBODY.post(path_of(offer, "/accept"))) == (404, "NOT_FOUND")


def test_a_link_is_not_for_staff_nor_for_somebody_else(own, other):
    """A forwarded link: staff answer under their own name, strangers see nothing."""
    (offer,) = offered(own)
    with at(MORNING):
        for who, answer in (
            (own.reception, (403, "PERMISSION_DENIED")),
            (own.doctor_user, (403, "PERMISSION_DENIED")),
            (own.patient, (404, "NOT_FOUND")),
            (other.patient, (404, "NOT_FOUND")),
            (other.reception, (404, "NOT_FOUND")),
            (person("stranger"), (404, "NOT_FOUND")),
        ):
            assert said(who.api.get(path_of(offer))) == answer
            assert said(who.api.post(path_of(offer, "/accept"))) == answer
            assert said(who.api.post(path_of(offer, "/decline"))) == answer
    assert fresh(offer).status == OfferStatus.OPEN


def test_the_patient_may_answer_signed_in(own):
    waiting(own, own.chart)
    cancelled(own)
    send()
    (offer,) = offers(own)
    with at(MORNING):
        visit = visit_of(own.patient.api.post(path_of(offer, "/accept")))
    assert visit.patient_id == own.chart.id


def test_an_answer_takes_no_fields(own):
    (offer,) = offered(own)
    with at(MORNING):
        for step in ("/accept", "/decline"):
            answer = NOBODY.post(path_of(offer, step), {"starts_at": "2035-06-06T08:00:00Z"})
            assert said(answer) == (400, "VALIDATION_ERROR")


def test_answers_are_limited_by_address(own, settings):
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"write": 3}
    (offer,) = offered(own)
    with at(MORNING + timedelta(days=2)):  # a window of its own
        codes = [said(NOBODY.post(path_of(offer, "/accept")))[0] for _ in range(4)]
    assert codes == [410, 410, 410, 429]


# --- Services that pages call ---------------------------------------------------------------------


def test_the_holder_of_a_link_is_nobody_else(own):
    (offer,) = offered(own)
    with at(MORNING), tenancy.scope(()):
        opened = offer_by_token(offer_link(offer))
        assert opened.entry.id == offer.entry_id
        assert (opened.principal.account, opened.principal.clinics) == (None, frozenset())


def test_accepting_raises_for_pages(own):
    (offer,) = offered(own)
    with at(MORNING):
        own.book(TIME, patient=own.add_chart().id)
        with pytest.raises(KairosError) as refused, tenancy.scope(()):
            offer_accept(offer_link(offer))
    assert refused.value.code == ErrorCode.SCHEDULING_CONFLICT
