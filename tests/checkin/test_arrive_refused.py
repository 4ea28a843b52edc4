"""The poster's page: what is refused and what it says then, and where the phone is."""

from datetime import timedelta

import pytest
import time_machine

from checkin.codes import Kind, code_of
from checkin.models import CheckIn, CheckInAttempt
from checkin.selectors.points import point_code
from core import clock, tenancy
from tests.checkin.arrivals import of_clinic, pass_of, point, poster_of, visit
from tests.checkin.patients import Phone, with_phone
from tests.portal.visitor import text


@pytest.fixture(autouse=True)
def _set_up(settings):
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, 100_000)
    settings.SMS_URL = "https://sms.example.invalid/send"


def near(house, **fields):
    """A poster at a place with a geofence of 100 metres around the Brandenburg Gate."""
    return poster_of(
        point(house, latitude="52.516275", longitude="13.377704", geofence_metres=100, **fields)
    )


AT_THE_GATE = {"latitude": "52.5163", "longitude": "13.3777", "accuracy": "12"}
IN_PARIS = {"latitude": "48.8584", "longitude": "2.2945", "accuracy": "12"}


# --- What is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "fields", "said"),
    [
        (90, {}, "You can check in from 08:00: scan the code again then."),
        (3 * 24 * 60, {}, "It is too early to check in"),
        (-130, {}, "It is too late to check in here"),
        (-10, {"status": "NO_SHOW"}, "It is too late to check in here"),
        (0, {"type": "VIDEO_CALL", "location": None}, "This visit is not at the clinic"),
        (0, {"status": "PENDING"}, "You cannot check in for this visit"),
        (0, {"status": "CANCELLED"}, "We found no visit of yours here today"),
        (-3 * 24 * 60, {}, "We found no visit of yours here today"),
    ],
)
def test_each_refusal_says_what_to_do(cast, patient, poster, minutes, fields, said):
    visit(cast.own, minutes, chart=cast.own.chart, **fields)
    page = patient.scan(poster)
    assert said in text(page)
    assert page.status_code == 200
    assert "I am here" not in text(page)
    if "no visit" not in said:
        answer = patient.press(poster)
        assert answer.status_code in {404, 409}
        assert said in text(answer)
        (attempt,) = of_clinic(cast.own, CheckInAttempt)
        assert attempt.outcome == "REFUSED"
    assert of_clinic(cast.own, CheckIn) == []


def test_the_wrong_place_names_ones_own(cast, patient):
    there = cast.own.add_location()
    visit(cast.own, 0, chart=cast.own.chart, location=there)
    code = poster_of(point(cast.own))
    page = text(patient.scan(code))
    assert "Your visit is at another place" in page
    assert there.name in page
    assert there.name in text(patient.press(code))


@pytest.mark.parametrize("scanned", ["nothing", "A" * 76, "7" * 76, "A" * 3000, "ä%00", "..%2F"])
def test_what_is_no_code_of_ours(guest, scanned):
    answers = [method(f"/q/{scanned}") for method in (guest.client.get, guest.client.post)]
    assert {answer.status_code for answer in answers} == {404}
    if "%2F" not in scanned:
        assert all("This is not a check-in code" in text(answer) for answer in answers)


def test_codes_of_the_past_and_of_closed_places(cast, guest, patient):
    for who in (guest, patient):
        here = point(cast.own)
        old = poster_of(here)
        _change(here, generation=2)
        assert who.scan(old).status_code == 410
        assert "no longer used" in text(who.scan(old))
        now = poster_of(here)
        assert who.scan(now).status_code == 200
        _change(here, is_active=False)
        assert who.scan(now).status_code == 409
        _change(here, is_active=True, deleted_at=clock.now())
        assert who.scan(now).status_code == 409
        gone = code_of(Kind.POSTER, clinic=cast.other.clinic.id, subject=here.id, number=1)
        assert who.scan(gone).status_code == 404
        assert who.scan(pass_of(visit(cast.own, 10))).status_code == 404


def _change(here, **fields):
    for name, value in fields.items():
        setattr(here, name, value)
    with tenancy.scope(tenancy.SYSTEM):
        here.save(update_fields=list(fields))


def test_a_screens_code_opened_in_time_is_good_for_who_opened_it(cast):
    visit(cast.own, 30, chart=with_phone(cast.own.chart))
    here = point(cast.own, mode="ROTATING")
    code = point_code(here, clock.now()).code
    guest, late = Phone(cast.own), Phone(cast.own)
    assert guest.scan(code).status_code == 200
    with time_machine.travel(clock.now() + timedelta(minutes=4), tick=False):
        assert late.scan(code).status_code == 410
        guest.prove(code, cast.own)
        assert guest.press(code)["Location"] == "/place"
        assert len(of_clinic(cast.own, CheckIn)) == 1
    with time_machine.travel(clock.now() + timedelta(minutes=16), tick=False):
        assert guest.scan(code).status_code == 410


# --- Where the phone is -------------------------------------------------------------------------


def test_the_place_is_asked_for_only_where_it_counts(cast, patient, poster):
    visit(cast.own, 0, chart=cast.own.chart)
    assert "latitude" not in patient.scan(poster).content.decode()
    page = patient.scan(near(cast.own))
    assert 'name="latitude"' in page.content.decode()
    assert "checks that you are here" in text(page)


@pytest.mark.parametrize(
    ("form", "policy", "let_in"),
    [
        (AT_THE_GATE, "REFUSE", True),
        (IN_PARIS, "REFUSE", False),
        ({}, "REFUSE", False),
        (IN_PARIS, "FLAG", True),
        ({}, "FLAG", True),
        ({"latitude": "nan", "longitude": "13", "accuracy": "1"}, "REFUSE", False),
        ({"latitude": "95", "longitude": "13", "accuracy": "1"}, "REFUSE", False),
        ({"latitude": "52.5163", "longitude": "13.3777", "accuracy": "inf"}, "REFUSE", False),
        ({"latitude": "52.5163", "longitude": "13.3777", "accuracy": "-1"}, "REFUSE", False),
        ({"latitude": "' OR 1", "longitude": "13.3777", "accuracy": "1"}, "REFUSE", False),
    ],
)
def test_the_geofence(cast, patient, form, policy, let_in):
    visit(cast.own, 0, chart=cast.own.chart)
    answer = patient.press(near(cast.own, geofence_policy=policy), **form)
    if let_in:
        assert answer["Location"] == "/place"
        (row,) = of_clinic(cast.own, CheckIn)
        assert row.outside_geofence is (form != AT_THE_GATE)
    else:
        assert answer.status_code == 403
        assert "does not say that you are here" in text(answer)
        assert of_clinic(cast.own, CheckIn) == []


def test_the_one_that_is_meant_is_answered_for(cast, patient):
    """With another visit checked in already, the answer is still about this one."""
    visit(cast.own, 0, chart=cast.own.chart)
    gate = near(cast.own)
    assert patient.press(gate, **AT_THE_GATE)["Location"] == "/place"
    visit(cast.own, 5, chart=cast.own.chart)
    refused = patient.press(gate, **IN_PARIS)
    assert refused.status_code == 403
    assert "does not say that you are here" in text(refused)
