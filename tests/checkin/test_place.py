"""A patient's own place in the queue, and the pass of a visit."""

import re
from datetime import timedelta

import pytest
import segno
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from checkin.codes import Kind, read_code
from checkin.models import PushSubscription, QueueEntry
from checkin.push import vapid
from checkin.services import queue
from core import clock, tenancy
from tests.appointments.moments import berlin
from tests.checkin.arrivals import device, of_clinic, pass_of, point, poster_of, scan, visit
from tests.checkin.browser_stand_in import Subscriber
from tests.checkin.patients import Phone, with_phone
from tests.portal.visitor import text


@pytest.fixture(autouse=True)
def _set_up(settings):
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, 100_000)
    settings.SMS_URL = "https://sms.example.invalid/send"
    settings.VAPID_PRIVATE_KEY = vapid.new_private_key()


def arrived(house, minutes=0, **fields):
    """A visit that was checked in by a scanner; its entry."""
    came = visit(house, minutes, **fields)
    assert scan(device(house), pass_of(came))["outcome"] == "CHECKED_IN"
    return came


def entry_of(came):
    with tenancy.scope([came.clinic_id]):
        return QueueEntry.objects.get(appointment_id=came.id)


def act(house, verb, came, **fields):
    with tenancy.scope(tenancy.SYSTEM):
        return verb(by=house.admin.principal(), entry_id=entry_of(came).id, **fields)


# --- Whose place --------------------------------------------------------------------------------


def test_it_is_reached_signed_in_by_link_and_after_a_scan(cast):
    came = arrived(cast.own, chart=with_phone(cast.own.chart))
    patient, guest, scanned = (
        Phone(cast.own, cast.own.patient.user),
        Phone(cast.own),
        Phone(cast.own),
    )
    assert "A001" in text(patient.open("/place"))
    assert "A001" in text(patient.open(patient.url("my-place", came.id)))
    by_link = guest.open(guest.link(came, "place"))
    assert "A001" in text(by_link)
    assert "noindex" in by_link["X-Robots-Tag"]
    assert "A001" in text(guest.open("/place"))
    code = poster_of(point(cast.own))
    assert "A001" not in text(scanned.open("/place"))
    scanned.prove(code, cast.own)
    assert "A001" in text(scanned.open("/place"))


def test_nobody_else_reaches_it(cast):
    came = arrived(cast.own)
    for who in (
        Phone(cast.own),
        Phone(cast.own, cast.own.patient.user),
        Phone(cast.own, cast.other.patient.user),
        Phone(cast.own, cast.own.reception.user),
    ):
        page = text(who.open("/place"))
        assert "A001" not in page
        assert "Nothing to wait for" in page
        assert who.open(f"/place/board/{came.location_id}").status_code == 404
        assert (
            who.client.post("/place/push", {"endpoint": "https://push.invalid/"}).status_code == 404
        )
    outsider = Phone(cast.own, cast.other.patient.user)
    assert outsider.open(outsider.url("my-place", came.id)).status_code == 404
    assert outsider.open(outsider.url("place", "forged")).status_code == 404


def test_a_proven_phone_gives_no_personal_link_away(cast):
    came = arrived(cast.own, chart=with_phone(cast.own.chart))
    guest = Phone(cast.own)
    guest.prove(poster_of(point(cast.own)), cast.own)
    page = guest.open("/place").content.decode()
    assert 'data-link=""' in page
    assert guest.link(came).rpartition("/")[2] not in page


# --- What it says -------------------------------------------------------------------------------


def test_it_explains_who_is_before_and_when_one_may_leave(cast):
    for _before in range(3):
        arrived(cast.own, 0)
    urgent = arrived(cast.own, 5, priority="URGENT")
    came = arrived(cast.own, 20, chart=cast.own.chart)
    page = text(Phone(cast.own, cast.own.patient.user).open("/place"))
    assert "Your place 5" in page
    assert "Before you: 1 urgent 3 with earlier appointments" in page
    assert re.search(r"About \d+ to \d+ minutes", page)
    assert "You may leave and come back. Please be here again by" in page
    assert urgent.patient.given_name not in page
    # The queue moves, and so does the page.
    for entry in of_clinic(cast.own, QueueEntry):
        if entry.appointment_id != came.id:
            with tenancy.scope(tenancy.SYSTEM):
                queue.entry_left(by=cast.own.admin.principal(), entry_id=entry.id, reason="gone")
    page = text(Phone(cast.own, cast.own.patient.user).open("/place", part="1"))
    assert "You are next" in page
    assert "<html" not in page


def test_whose_turn_is_soon_stays(cast):
    with time_machine.travel(berlin(0, 10), tick=False):  # the doctor is there
        arrived(cast.own, 0, chart=cast.own.chart)
        page = text(Phone(cast.own, cast.own.patient.user).open("/place"))
    assert "You are next" in page
    assert "Please stay in the waiting room" in page


def test_it_says_when_one_is_called_and_what_comes_after(cast):
    came = arrived(cast.own, chart=cast.own.chart)
    patient = Phone(cast.own, cast.own.patient.user)
    act(cast.own, queue.entry_call, came, room=cast.own.room.id)
    page = text(patient.open("/place"))
    assert "Please come in Room 1" in page
    act(cast.own, queue.entry_skip, came)
    assert "You were called and did not come" in text(patient.open("/place"))
    act(cast.own, queue.entry_requeue, came)
    assert "You are next" in text(patient.open("/place"))
    act(cast.own, queue.entry_start, came)
    assert "It is your turn now" in text(patient.open("/place"))
    act(cast.own, queue.entry_done, came)
    assert "Your visit is over" in text(patient.open("/place"))


def test_who_left_is_told(cast):
    came = arrived(cast.own, chart=cast.own.chart)
    act(cast.own, queue.entry_left, came, reason="no time")
    page = text(Phone(cast.own, cast.own.patient.user).open("/place"))
    assert "You are not in the queue any more" in page


def test_before_the_check_in_it_says_how_to(cast):
    visit(cast.own, 10, chart=cast.own.chart)
    page = text(Phone(cast.own, cast.own.patient.user).open("/place"))
    assert "Not checked in yet" in page
    assert "Scan the code at the entrance" in page


def test_the_day_after_there_is_nothing(cast):
    came = arrived(cast.own, chart=cast.own.chart)
    with time_machine.travel(clock.now() + timedelta(hours=22), tick=False):
        patient = Phone(cast.own, cast.own.patient.user)
        assert "Nothing to wait for" in text(patient.open("/place"))
        assert patient.open(f"/place/board/{came.location_id}").status_code == 404


def test_the_board_without_a_socket_has_tokens_only(cast):
    came = arrived(cast.own, chart=cast.own.chart)
    arrived(cast.own, 5)
    answer = Phone(cast.own, cast.own.patient.user).open(f"/place/board/{came.location_id}")
    board = answer.json()
    assert [row["token"] for row in board["queue"]["waiting"]] == ["A001", "A002"]
    assert "Given" not in answer.content.decode()


def test_the_page_costs_the_same_for_one_and_for_many(cast):
    patient = Phone(cast.own, cast.own.patient.user)

    def statements():
        with CaptureQueriesContext(connection) as caught:
            assert patient.open("/place").status_code == 200
        return len(caught)

    arrived(cast.own, 0, chart=cast.own.chart)
    statements()  # what habits are read once is kept
    one = statements()
    for minutes in range(1, 6):
        arrived(cast.own, minutes)
        arrived(cast.own, minutes, chart=cast.own.chart)
    assert statements() == one


# --- Telling the phone --------------------------------------------------------------------------


def test_a_phone_is_told_of_ones_own_visit(cast):
    came = arrived(cast.own, chart=cast.own.chart)
    arrived(cast.own)
    patient = Phone(cast.own, cast.own.patient.user)
    assert "Tell me when it is my turn" in text(patient.open("/place"))
    form = {"endpoint": "https://push.example.invalid/x", **Subscriber().keys}
    assert patient.client.post("/place/push", form).status_code == 204
    (kept,) = of_clinic(cast.own, PushSubscription)
    assert (kept.appointment_id, kept.language) == (came.id, "en")
    assert patient.client.post("/place/push", {**form, "off": "1"}).status_code == 204
    assert of_clinic(cast.own, PushSubscription) == []


@pytest.mark.parametrize("endpoint", ["", "http://push.example.invalid/x", "https://127.0.0.1/x"])
def test_what_is_no_push_service_is_refused(cast, endpoint):
    arrived(cast.own, chart=cast.own.chart)
    patient = Phone(cast.own, cast.own.patient.user)
    form = {"endpoint": endpoint, **Subscriber().keys}
    assert patient.client.post("/place/push", form).status_code == 400
    assert of_clinic(cast.own, PushSubscription) == []


def test_without_a_key_nothing_is_offered(cast, settings):
    settings.VAPID_PRIVATE_KEY = ""
    arrived(cast.own, chart=cast.own.chart)
    page = Phone(cast.own, cast.own.patient.user).open("/place")
    assert "Tell me when it is my turn" not in text(page)


def test_the_worker_is_ours_and_for_these_pages(cast):
    answer = Phone(cast.own).open("/place/sw.js")
    assert answer["Content-Type"].startswith("text/javascript")
    assert answer.content.decode().startswith('importScripts("/static/checkin/')


# --- The pass -----------------------------------------------------------------------------------


def test_the_pass_is_the_visits_and_checks_in(cast):
    came = visit(cast.own, 10, chart=cast.own.chart)
    guest, patient = Phone(cast.own), Phone(cast.own, cast.own.patient.user)
    page = guest.open(guest.link(came))
    assert "Show this at the reception or the kiosk" in text(page)
    source = re.search(r'src="([^"]+/pass\.svg)"', page.content.decode())
    assert source
    drawn = guest.open(source[1])
    assert drawn["Content-Type"].startswith("image/svg+xml")
    assert "no-store" in drawn["Cache-Control"]
    assert drawn.content == patient.open(patient.url("my-pass", came.id)).content
    code = read_code(pass_of(came))
    assert (code.kind, code.subject_id) == (Kind.PASS, came.id)
    # The picture says this very code: drawn anew from it, it is the same.
    anew = segno.make_qr(pass_of(came), error="m", boost_error=True)
    assert f"M4 4.5h{_first_run(anew)}" in drawn.content.decode()
    dots = guest.open(guest.link(came, "pass-picture"))
    assert dots.content.startswith(b"\x89PNG")
    assert scan(device(cast.own), pass_of(came))["outcome"] == "CHECKED_IN"


def _first_run(code):
    """How many dark modules the first row begins with: the finder's seven."""
    row = bytes(code.matrix[0])
    return len(row) - len(row.lstrip(b"\x01"))


@pytest.mark.parametrize(
    ("minutes", "fields"),
    [
        (10, {"type": "VIDEO_CALL", "location": None}),
        (10, {"type": "PHONE", "location": None}),
        (10, {"type": "HOME_VISIT"}),
        (10, {"status": "CANCELLED"}),
        (10, {"status": "PENDING"}),
        (10, {"status": "CHECKED_IN"}),
        (-200, {}),
    ],
)
def test_what_is_not_checked_in_has_no_pass(cast, minutes, fields):
    came = visit(cast.own, minutes, chart=cast.own.chart, **fields)
    guest, patient = Phone(cast.own), Phone(cast.own, cast.own.patient.user)
    page = guest.open(guest.link(came))
    assert page.status_code == 200
    assert "Your check-in code" not in text(page)
    for name in ("pass", "pass-picture"):
        assert guest.open(guest.link(came, name)).status_code == 404
        assert patient.open(patient.url(f"my-{name}", came.id)).status_code == 404


def test_the_outsider_gets_no_pass(cast):
    came = visit(cast.own, 10, chart=cast.own.chart)
    for who in (cast.other.patient.user, cast.own.reception.user):
        stranger = Phone(cast.own, who)
        assert stranger.open(stranger.url("my-pass", came.id)).status_code == 404
    assert Phone(cast.own).open(f"/my/{came.id}/pass.svg").status_code == 302
    assert Phone(cast.own).open("/visit/forged/pass.svg").status_code == 404


def test_once_checked_in_the_visit_leads_to_the_place(cast):
    came = arrived(cast.own, chart=cast.own.chart)
    guest = Phone(cast.own)
    page = guest.open(guest.link(came))
    assert "See my number and my place" in text(page)
    assert f'{guest.link(came, "place")}"' in page.content.decode()
