"""An offer of a freed time, opened by its link: each thing that can have become of it."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import tenancy
from followups.models import OfferStatus, WaitlistEntry, WaitlistOffer, WaitlistStatus
from tests.appointments.moments import berlin
from tests.appointments.scene import Scene
from tests.portal.care import forged, fresh, invited, offered, planned, visits, waiting
from tests.portal.visitor import Visitor, text

AT = berlin(2, 9)


@pytest.fixture
def entry(cast: Scene) -> WaitlistEntry:
    return waiting(cast.own)


@pytest.fixture
def token(cast: Scene, entry: WaitlistEntry) -> str:
    return offered(cast.own, entry, AT)[0]


def offer_of(entry: WaitlistEntry) -> WaitlistOffer:
    with tenancy.scope(tenancy.SYSTEM):
        return WaitlistOffer.objects.get(entry=entry)


def test_the_page_says_what_when_with_whom_and_until_when(guest: Visitor, token: str):
    page = guest.open(guest.url("offer", token))
    assert page.status_code == 200
    said = text(page)
    for words in ("A time has become free", "Wednesday, 6 June 2035", "Dr First", "Visit", "Main"):
        assert words in said, (words, said)
    assert "The offer stands until" in said
    assert "moves here" not in said
    assert page["Cache-Control"] == "no-store, private"
    assert page["X-Robots-Tag"] == "noindex, nofollow"
    assert page["Referrer-Policy"] == "same-origin"


def test_looking_changes_nothing(guest: Visitor, cast: Scene, entry: WaitlistEntry, token: str):
    """Mail programs and previews fetch links; so do people who reload."""
    for name in ("offer", "offer-accept", "offer-decline"):
        for method in (guest.client.get, guest.client.head):
            assert method(guest.url(name, token)).status_code in {200, 302}
    assert fresh(entry).status == WaitlistStatus.WAITING
    assert visits(cast.own) == []
    assert guest.client.get(guest.url("offer-file", token)).status_code == 404


def test_yes_books_and_leads_to_the_personal_link(
    guest: Visitor, cast: Scene, entry: WaitlistEntry, token: str
):
    answer = guest.client.post(guest.url("offer-accept", token))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/visit/")
    assert "Booked. See you then!" in text(guest.open(answer["Location"]))
    (visit,) = visits(cast.own)
    assert (visit.starts_at, visit.patient_id) == (AT, cast.own.chart.id)
    assert fresh(entry).status == WaitlistStatus.BOOKED
    again = guest.client.post(guest.url("offer-accept", token))
    assert again["Location"] == answer["Location"]
    assert len(visits(cast.own)) == 1
    done = guest.open(guest.url("offer", token))
    assert "This time is yours" in text(done)
    assert b"/visit/" not in done.content.replace(b"visit.ics", b"")  # who accepted has that link
    file = guest.open(guest.url("offer-file", token))
    assert file["Content-Type"].startswith("text/calendar")
    assert b"20350606T090000" in file.content
    late = guest.client.post(guest.url("offer-decline", token))
    assert late.status_code == 409
    assert "This time is yours" in text(late)


def test_yes_moves_the_visit_that_is_given_up(guest: Visitor, cast: Scene):
    held = cast.own.book(berlin(10, 11))
    waits = waiting(cast.own, appointment=held["id"])
    token, _ = offered(cast.own, waits, AT)
    said = text(guest.open(guest.url("offer", token)))
    assert "your visit on Thursday, 14 June 2035" in said
    answer = guest.client.post(guest.url("offer-accept", token))
    page = text(guest.open(answer["Location"]))
    assert "Your visit has its new time." in page
    assert [(str(visit.id), visit.starts_at) for visit in visits(cast.own)] == [(held["id"], AT)]


def test_no_thanks_keeps_the_place_on_the_list(
    guest: Visitor, cast: Scene, entry: WaitlistEntry, token: str
):
    answer = guest.client.post(guest.url("offer-decline", token))
    assert answer["Location"] == guest.url("offer", token)
    said = text(guest.open(answer["Location"]))
    assert "You said no, thanks" in said
    assert "You are still on the waitlist." in said
    assert fresh(entry).status == WaitlistStatus.WAITING
    assert offer_of(entry).status == OfferStatus.DECLINED
    after = guest.client.post(guest.url("offer-accept", token))
    assert after.status_code == 410
    assert "You said no, thanks" in text(after)
    assert visits(cast.own) == []


def test_taken_meanwhile_is_told_kindly(
    guest: Visitor, cast: Scene, entry: WaitlistEntry, token: str
):
    held = cast.own.book(berlin(10, 11))
    quicker = waiting(cast.own, chart=cast.own.add_chart())
    cast.own.book(AT, patient=quicker.patient_id)
    answer = guest.client.post(guest.url("offer-accept", token))
    assert answer.status_code == 409
    said = text(answer)
    assert "Somebody was quicker" in said
    assert "You are still on the waitlist." in said
    assert fresh(entry).status == WaitlistStatus.WAITING
    assert [str(visit.id) for visit in visits(cast.own) if visit.starts_at != AT] == [held["id"]]
    assert "Somebody was quicker" in text(guest.open(guest.url("offer", token)))


def test_another_visit_at_that_time_keeps_the_offer_open(
    guest: Visitor, cast: Scene, entry: WaitlistEntry, token: str
):
    other = cast.own.add_doctor()
    cast.own.add_hours(other)
    cast.own.book(AT, doctor=other.id)
    answer = guest.client.post(guest.url("offer-accept", token))
    assert answer.status_code == 409
    assert "You have another visit at this time." in text(answer)
    assert b"offer/" in answer.content
    assert offer_of(entry).status == OfferStatus.OPEN


def test_an_offer_that_is_over_says_so(
    guest: Visitor, cast: Scene, entry: WaitlistEntry, token: str
):
    with time_machine.travel(offer_of(entry).expires_at + timedelta(minutes=1), tick=False):
        assert "This offer is over" in text(guest.open(guest.url("offer", token)))
        for name in ("offer-accept", "offer-decline"):
            answer = guest.client.post(guest.url(name, token))
            assert answer.status_code == 410
            assert "This offer is over" in text(answer)
    assert visits(cast.own) == []


def test_a_wish_that_was_withdrawn_takes_its_offer_along(
    patient: Visitor, guest: Visitor, entry: WaitlistEntry, token: str
):
    patient.client.post(patient.url("my-wish-withdraw", entry.id))
    said = text(guest.open(guest.url("offer", token)))
    assert "This offer is over" in said
    assert "still on the waitlist" not in said
    assert guest.client.post(guest.url("offer-accept", token)).status_code == 410


def test_forged_and_foreign_links_open_nothing(guest: Visitor, cast: Scene, token: str):
    invitation = invited(cast.own, planned(cast.own).plan)  # signed by us, for another door
    for wrong in [*forged(token), invitation]:
        for name in ("offer", "offer-file"):
            assert guest.open(f"/offer/{wrong}").status_code == 404, (name, wrong)
        for act in ("accept", "decline"):
            answer = guest.client.post(f"/offer/{wrong}/{act}")
            assert answer.status_code == 404, (act, wrong)
    assert visits(cast.own) == []


def test_a_link_works_for_whoever_holds_it_and_nobody_else(
    outsider: Visitor, cast: Scene, token: str
):
    """Somebody signed in elsewhere acts as the holder; the link of their own clinic is not ours."""
    theirs, _ = offered(cast.other, waiting(cast.other), AT)
    assert outsider.open(outsider.url("offer", token)).status_code == 200
    page = text(outsider.open(outsider.url("offer", theirs)))
    assert cast.own.clinic.name not in page
    assert outsider.client.post(outsider.url("offer-accept", token)).status_code == 302
    assert visits(cast.other) == []


def test_forms_need_their_token(cast: Scene, token: str):
    strict = Visitor(cast.own, enforce_csrf_checks=True)
    assert strict.client.post(strict.url("offer-accept", token)).status_code == 403
    assert visits(cast.own) == []


def test_the_log_does_not_write_the_link_down(guest: Visitor, token: str, caplog: Any):
    guest.open(guest.url("offer", token))
    assert token not in caplog.text
    assert "/offer/…" in caplog.text


def test_statements_do_not_grow_with_the_offers_made(guest: Visitor, cast: Scene):
    counted = []
    for number in range(3):
        waits = waiting(cast.own, chart=cast.own.add_chart())
        token, _ = offered(cast.own, waits, AT + timedelta(minutes=30 * number))
        with CaptureQueriesContext(connection) as caught:
            assert guest.open(guest.url("offer", token)).status_code == 200
        counted.append(len(caught))
    assert len(set(counted)) == 1, counted
    assert counted[0] <= 8, counted
