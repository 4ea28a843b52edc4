"""The desk: a time for one person, past the order; and a yes on the phone."""

from typing import Any
from uuid import uuid4

import pytest

from appointments.models import Appointment
from core import tenancy
from core.errors import ErrorCode, KairosError
from followups.services.offers import (
    offer_accept_by_staff,
    offer_by_hand,
)
from tests.appointments.moments import berlin
from tests.appointments.scene import Api, House
from tests.followups.waitlist_scene import (
    MORNING,
    TIME,
    at,
    fresh,
    offered,
    offers,
    openings,
    path_of,
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


def hand(own: House, entry: Any, **fields: Any) -> Any:
    body = {"doctor": own.doctor.id, "location": own.location.id, "starts_at": TIME} | fields
    return own.reception.api.post(f"waitlist-entries/{entry.id}/offers", body)


def test_the_desk_offers_a_time_past_order_and_hours(own):
    waiting(own, urgency="URGENT")
    entry = waiting(own)
    answer = hand(own, entry)
    assert answer.status_code == 201, answer.content
    assert answer.json()["cause"] == "BY_HAND"
    assert hand(own, entry).json()["id"] == answer.json()["id"], "twice is once"
    (offer,) = offers(own)
    assert (offer.entry_id, offer.by_staff) == (entry.id, True)
    assert send() == 0, "nobody else is asked"
    visit_of(NOBODY.post(path_of(offer, "/accept")))


def test_the_desk_says_yes_for_the_patient(own):
    (offer,) = offered(own)
    path = f"waitlist-entries/{offer.entry_id}/accept"
    with at(MORNING):
        answer = own.reception.api.post(path, {"offer": offer.id})
        assert visit_of(answer).starts_at == TIME
        assert own.reception.api.post(path, {"offer": offer.id}).json() == answer.json()
    assert fresh(offer).by_staff


def test_the_desk_offers_what_can_be_booked_alone(own, other):
    entry = waiting(own)
    own.book(TIME, patient=own.add_chart().id)
    cases = [
        ({}, (409, "SCHEDULING_CONFLICT")),
        ({"starts_at": berlin(2, 6)}, (409, "OUTSIDE_WORKING_HOURS")),
        ({"starts_at": berlin(0, 6)}, (409, "TOO_SOON")),
        ({"doctor": other.doctor.id}, (404, "NOT_FOUND")),
        ({"location": other.location.id}, (404, "NOT_FOUND")),
        ({"location": None, "starts_at": berlin(2, 11)}, (400, "LOCATION_REQUIRED")),
        ({"starts_at": "soon"}, (400, "VALIDATION_ERROR")),
        ({"more": 1}, (400, "VALIDATION_ERROR")),
    ]
    for fields, answer in cases:
        assert said(hand(own, entry, **fields)) == answer, fields
    assert offers(own) == openings(own) == []


def test_a_closed_entry_is_offered_nothing(own):
    entry = waiting(own)
    own.reception.api.delete(f"waitlist-entries/{entry.id}")
    assert said(hand(own, entry)) == (409, "INVALID_TRANSITION")


def test_patients_and_outsiders_offer_nothing(own, other):
    entry = waiting(own, own.chart)
    body = {"doctor": own.doctor.id, "location": own.location.id, "starts_at": TIME}
    path = f"waitlist-entries/{entry.id}/offers"
    assert said(own.patient.api.post(path, body)) == (403, "PERMISSION_DENIED")
    assert said(other.reception.api.post(path, body)) == (404, "NOT_FOUND")
    assert said(own.nurse.api.post(path, body)) == (403, "PERMISSION_DENIED")
    assert said(NOBODY.post(path, body)) == (401, "NOT_AUTHENTICATED")


def test_a_clinician_offers_their_own_time_to_who_waits_for_them(own):
    second = own.add_doctor()
    own.add_hours(second)
    theirs, others = waiting(own, doctors=[own.doctor.id]), waiting(own)
    body = {"location": own.location.id, "starts_at": TIME}
    ask = own.doctor_user.api.post
    path = f"waitlist-entries/{theirs.id}/offers"
    assert said(ask(path, body | {"doctor": second.id})) == (403, "PERMISSION_DENIED")
    assert said(ask(path, body | {"doctor": own.doctor.id}))[0] == 201
    path = f"waitlist-entries/{others.id}/offers"
    assert said(ask(path, body | {"doctor": own.doctor.id})) == (404, "NOT_FOUND")


def test_the_outsider_says_yes_to_nothing(own, other):
    (offer,) = offered(own)
    with at(MORNING):
        path = f"waitlist-entries/{offer.entry_id}/accept"
        assert said(other.reception.api.post(path, {"offer": offer.id})) == (404, "NOT_FOUND")
        assert said(own.nurse.api.post(path, {"offer": offer.id})) == (403, "PERMISSION_DENIED")
        assert said(own.reception.api.post(path, {"offer": uuid4()})) == (404, "NOT_FOUND")
        with tenancy.scope(()), pytest.raises(KairosError) as refused:
            offer_accept_by_staff(by=other.reception.principal(), offer_id=offer.id)
        assert refused.value.code == ErrorCode.NOT_FOUND


def test_an_offer_by_hand_inside_the_stop_is_good_until_the_visit(own):
    entry = waiting(own)
    with tenancy.scope(()):
        offer = offer_by_hand(
            by=own.reception.principal(),
            entry_id=entry.id,
            doctor=own.doctor.id,
            location=own.location.id,
            starts_at=berlin(0, 8),
        )
    assert offer.expires_at == berlin(0, 8)
