"""The page that a poster's code opens on a patient's phone, without JavaScript."""

import json
import re
from datetime import timedelta

import pytest
import time_machine
from django.core import signing
from django.db import connection
from django.test.utils import CaptureQueriesContext

from checkin.models import CheckIn, CheckInAttempt, CheckInMethod, QueueEntry, SourceKind
from checkin.pages import proven
from clinics.models import PatientProxy
from core import clock, tenancy
from tests.checkin.arrivals import of_clinic, pass_of, point, poster_of, visit
from tests.checkin.patients import PHONE, Phone, with_phone
from tests.portal.visitor import text


@pytest.fixture(autouse=True)
def _set_up(settings):
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, 100_000)
    settings.SMS_URL = "https://sms.example.invalid/send"


def act_for(cast, chart):
    with tenancy.scope(tenancy.SYSTEM):
        PatientProxy.objects.create(
            clinic=cast.own.clinic, patient=chart, user=cast.own.patient.user, relation="PARENT"
        )


# --- Who asks -----------------------------------------------------------------------------------


def test_a_signed_in_patient_checks_in(cast, patient, poster):
    came = visit(cast.own, 10, chart=cast.own.chart)
    page = patient.scan(poster)
    assert page.status_code == 200
    assert cast.own.clinic.name in text(page)
    assert "I am here: check in" in text(page)
    assert of_clinic(cast.own, CheckInAttempt) == []
    answer = patient.press(poster)
    assert (answer.status_code, answer["Location"]) == (302, "/place")
    (row,) = of_clinic(cast.own, CheckIn)
    assert (row.pk, row.method, row.by_id) == (came.id, CheckInMethod.QR_SELF, cast.own.patient.id)
    assert "A001" in text(patient.open("/place"))
    # Scanned again: where to look, and nothing to press.
    again = patient.scan(poster)
    assert "You are checked in" in text(again)
    assert "check in</button>" not in again.content.decode()


def test_the_address_is_the_same_in_capitals(cast, patient, poster):
    visit(cast.own, 10, chart=cast.own.chart)
    assert patient.open(f"/Q/{poster}").status_code == 200
    assert patient.open(f"/q/{poster.lower()}").status_code == 200


def test_the_same_page_sent_twice_is_one_check_in(cast, patient, poster):
    visit(cast.own, 10, chart=cast.own.chart)
    nonce = patient.nonce(patient.scan(poster))
    answers = [patient.client.post(f"/q/{poster}", {"nonce": nonce}) for _tap in range(2)]
    assert [one["Location"] for one in answers] == ["/place", "/place"]
    assert len(of_clinic(cast.own, CheckInAttempt)) == 1
    other = patient.client.post(f"/q/{poster_of(point(cast.own))}", {"nonce": nonce})
    assert other.status_code == 422
    assert "This page was used before" in text(other)


def test_a_family_is_checked_in_at_once(cast, patient, poster):
    child = cast.own.add_chart()
    act_for(cast, child)
    own, childs = visit(cast.own, 10, chart=cast.own.chart), visit(cast.own, 20, chart=child)
    stranger = visit(cast.own, 10)
    page = patient.scan(poster)
    assert child.given_name in text(page)
    chosen = re.findall(r'name="visit" value="([\w-]+)"', page.content.decode())
    assert set(chosen) == {str(own.id), str(childs.id)}
    patient.press(poster, visit=chosen)
    assert {row.pk for row in of_clinic(cast.own, CheckIn)} == {own.id, childs.id}
    place = text(patient.open("/place"))
    assert "A001" in place
    assert "A002" in place
    # What was not offered is not there.
    refused = patient.client.post(
        f"/q/{poster}", {"nonce": "nonce-of-mine", "visit": [str(stranger.id)]}
    )
    assert refused.status_code == 404
    assert stranger.patient.given_name not in text(refused)
    assert stranger.id not in {row.pk for row in of_clinic(cast.own, CheckIn)}


def test_one_of_two_may_be_chosen(cast, patient, poster):
    first, second = (visit(cast.own, n, chart=cast.own.chart) for n in (0, 25))
    patient.press(poster, visit=[str(second.id)])
    assert [row.pk for row in of_clinic(cast.own, CheckIn)] == [second.id]
    patient.press(poster)  # one is left: it is meant
    assert {row.pk for row in of_clinic(cast.own, CheckIn)} == {first.id, second.id}


def test_a_form_without_a_choice_asks_again(cast, patient, poster):
    for minutes in (0, 25):
        visit(cast.own, minutes, chart=cast.own.chart)
    answer = patient.press(poster)
    assert answer.status_code == 200
    assert "Which visit have you come for?" in text(answer)
    assert of_clinic(cast.own, CheckIn) == []
    patient.client.post(f"/q/{poster}", {"nonce": patient.nonce(answer), "everyone": "1"})
    assert len(of_clinic(cast.own, CheckIn)) == 2


def test_who_could_not_come_along_is_said(cast, patient, poster):
    now, later = (visit(cast.own, n, chart=cast.own.chart) for n in (0, 200))
    page = patient.scan(poster)
    assert "It is too early to check in" in text(page)
    patient.press(poster, visit=[str(now.id), str(later.id)])
    assert "Not checked in: Pat. It is too early" in text(patient.open("/place"))


def test_a_personal_link_opened_before_is_enough(cast, guest, poster):
    came, hidden = visit(cast.own, 10), visit(cast.own, 10)
    guest.open(guest.link(came))
    page = guest.scan(poster)
    assert "I am here: check in" in text(page)
    assert guest.press(poster)["Location"] == "/place"
    assert [row.pk for row in of_clinic(cast.own, CheckIn)] == [came.id]
    (attempt,) = of_clinic(cast.own, CheckInAttempt)
    assert attempt.source_kind == SourceKind.GUEST
    place = text(guest.open("/place"))
    assert "A001" in place
    assert hidden.patient.given_name not in place


def test_links_of_a_family_are_checked_in_together(cast, guest, poster):
    visits = [visit(cast.own, n) for n in (0, 10)]
    for came in visits:
        guest.open(guest.link(came))
    page = guest.scan(poster)
    chosen = re.findall(r'name="visit" value="([\w-]+)"', page.content.decode())
    assert len(chosen) == 2
    guest.press(poster, visit=chosen[:1])
    assert [str(row.pk) for row in of_clinic(cast.own, CheckIn)] == chosen[:1]
    guest.press(poster)
    assert len(of_clinic(cast.own, CheckIn)) == 2


def test_a_link_does_not_open_the_chart(cast, guest, poster):
    """Another visit of the same person, whose link was not opened here."""
    opened = visit(cast.own, 0, chart=cast.own.chart)
    other = visit(cast.own, 10, chart=cast.own.chart)
    guest.open(guest.link(opened))
    assert "10 minutes" not in text(guest.scan(poster))
    refused = guest.client.post(f"/q/{poster}", {"nonce": "n" * 8, "visit": [str(other.id)]})
    assert refused.status_code == 404
    assert of_clinic(cast.own, CheckIn) == []


def test_the_cookie_of_links_is_ours_alone(cast, guest, poster):
    came = visit(cast.own, 10)
    guest.open(guest.link(came))
    cookie = guest.client.cookies[proven.LINKS_COOKIE]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    forged = Phone(cast.own)
    for value in (
        signing.dumps([f"{came.clinic_id.hex}{came.id.hex}"], salt="another"),
        cookie.value[:-2] + "xx",
        "x",
    ):
        forged.client.cookies[proven.LINKS_COOKIE] = value
        assert "check in</button>" not in forged.scan(poster).content.decode()


def test_a_phone_number_is_proven(cast, guest, poster):
    came = visit(cast.own, 10, chart=with_phone(cast.own.chart))
    page = guest.scan(poster)
    assert "With your phone number" in text(page)
    answer = guest.prove(poster, cast.own)
    assert answer["Location"] == f"/q/{poster}"
    ready = guest.scan(poster)
    assert "I am here: check in" in text(ready)
    assert guest.press(poster)["Location"] == "/place"
    assert [row.pk for row in of_clinic(cast.own, CheckIn)] == [came.id]
    with time_machine.travel(clock.now() + timedelta(minutes=16), tick=False):
        # The proof is over, the place may still be looked at.
        assert "A001" in text(guest.open("/place"))
        assert "With your phone number" in text(guest.scan(poster))


def test_a_proof_is_for_its_clinic(cast, guest, poster):
    with_phone(cast.own.chart)
    elsewhere = with_phone(cast.other.chart)
    visit(cast.other, 0, chart=elsewhere)
    guest.prove(poster, cast.own)
    there = poster_of(point(cast.other))
    assert "With your phone number" in text(guest.scan(there))


def test_another_way_forgets_the_phone(cast, guest, poster):
    visit(cast.own, 10, chart=with_phone(cast.own.chart))
    guest.prove(poster, cast.own)
    assert "I am here" in text(guest.scan(poster))
    guest.open(f"/q/{poster}/phone")
    assert "With your phone number" in text(guest.scan(poster))


def test_somebody_elses_phone_number_on_a_phone_that_is_signed_in(cast, patient, poster):
    friend = visit(cast.own, 10, chart=with_phone(cast.own.add_chart()))
    visit(cast.own, 10, chart=cast.own.chart)
    another = re.search(
        r'href="([^"]+)">Check in another way', patient.scan(poster).content.decode()
    )
    assert another
    page = patient.client.get(another[1], follow=True)
    assert "With your phone number" in text(page)
    patient.prove(poster, cast.own)
    assert patient.press(poster)["Location"] == "/place"
    assert [row.pk for row in of_clinic(cast.own, CheckIn)] == [friend.id]


def test_without_text_messages_there_are_two_ways(cast, guest, poster, settings):
    settings.SMS_URL = ""
    page = text(guest.scan(poster))
    assert "With your phone number" not in page
    assert "With your account" in page
    assert "go to the reception" in page
    answer = guest.client.post(f"/q/{poster}/phone", {"phone": PHONE})
    assert answer.status_code == 302


def test_the_outsider_sees_nothing_of_anybody(cast, outsider, poster):
    came = visit(cast.own, 10, chart=cast.own.chart)
    visit(cast.other, 10, chart=cast.other.chart)
    page = outsider.scan(poster)
    assert "With your phone number" in text(page)
    assert "check in</button>" not in page.content.decode()
    answer = outsider.client.post(f"/q/{poster}", {"nonce": "n" * 8, "visit": [str(came.id)]})
    assert "Welcome" in text(answer)
    assert of_clinic(cast.own, CheckIn) == of_clinic(cast.other, CheckIn) == []
    # Whoever works at the clinic is no patient of it.
    reception = Phone(cast.own, cast.own.reception.user)
    assert "check in</button>" not in reception.scan(poster).content.decode()


# --- The page -----------------------------------------------------------------------------------


def test_the_page_costs_the_same_for_one_and_for_many(cast, patient, poster):
    def statements():
        with CaptureQueriesContext(connection) as caught:
            patient.scan(poster)
        return len(caught)

    visit(cast.own, 0, chart=cast.own.chart)
    one = statements()
    for minutes in range(1, 9):
        visit(cast.own, minutes, chart=cast.own.chart)
    assert statements() == one


def test_nothing_of_a_page_is_kept(cast, patient, poster):
    visit(cast.own, 0, chart=cast.own.chart)
    page = patient.scan(poster)
    assert "no-store" in page["Cache-Control"]
    assert "noindex" in page["X-Robots-Tag"]
    for word in ("<style", "style=", "onclick", "javascript:"):
        assert word not in page.content.decode()


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"nonce": "short"},
        {"nonce": "with spaces in it"},
        {"nonce": "x" * 65},
        {"nonce": "n" * 8, "visit": ["not-an-id"]},
    ],
)
def test_a_form_that_we_did_not_write(cast, patient, poster, form):
    visit(cast.own, 0, chart=cast.own.chart)
    assert patient.client.post(f"/q/{poster}", form).status_code in {400, 404}
    assert of_clinic(cast.own, CheckIn) == of_clinic(cast.own, QueueEntry) == []


def test_the_log_has_no_code_of_a_person(cast, guest, poster, caplog):
    came = visit(cast.own, 10)
    guest.open(guest.url("pass", guest.link(came).rpartition("/")[2]))
    assert pass_of(came) not in caplog.text
    assert json.dumps(str(came.id)) not in caplog.text
