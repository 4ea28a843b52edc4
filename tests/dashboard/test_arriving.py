"""Checking in at the desk: past the window with a reason, and what the desk shows of it."""

from typing import Any
from uuid import UUID

from appointments.models import Appointment
from checkin.models import CheckInAttempt
from core import tenancy
from tests.appointments.moments import berlin
from tests.appointments.scene import House
from tests.dashboard.calendars import at_desk
from tests.dashboard.queues import act, arrived, fresh


def booked(waiting: House, at: Any) -> Any:
    found = waiting.book(at, patient=waiting.add_chart().id)
    with tenancy.scope(tenancy.SYSTEM):
        return Appointment.objects.get(pk=UUID(found["id"]))


def test_too_early_says_when_and_offers_to_go_past_it_with_a_reason(waiting: House) -> None:
    waiting.policy(checkin_opens_minutes=30)
    visit, desk = booked(waiting, berlin(0, 14)), at_desk(waiting)
    refused = desk.step(visit, "check_in", htmx=True)
    assert refused.status_code == 409
    body = refused.content.decode()
    assert "Too early to check in. It is open on Mon 4 Jun from" in body
    assert "Check in anyway" in body
    assert "Asked by the doctor" in body
    unsaid = desk.step(visit, "check_in", reason="", usual="", htmx=True)
    assert unsaid.status_code == 400
    assert "Choose a reason, or write one." in unsaid.content.decode()
    assert "Check in anyway" in unsaid.content.decode()
    done = desk.step(visit, "check_in", usual="Arrived early", reason="", htmx=True)
    assert done.status_code == 204
    assert "Checked in. Token A001." in done.headers["HX-Trigger"]
    card = desk.get("desk-visit", visit_id=visit.id).content.decode()
    assert "A001" in card
    assert "Past the window" in card
    assert "Arrived early" in card
    assert "At the desk" in card


def test_what_was_refused_stays_written_down(waiting: House) -> None:
    waiting.policy(checkin_opens_minutes=30)
    visit, desk = booked(waiting, berlin(0, 14)), at_desk(waiting)
    desk.step(visit, "check_in")
    desk.step(visit, "check_in", usual="Arrived early", reason="")
    with tenancy.scope(tenancy.SYSTEM):
        found = CheckInAttempt.objects.filter(appointment_id=visit.id).order_by("id")
        assert list(found.values_list("outcome", "reason_code", "forced")) == [
            ("REFUSED", "TOO_EARLY", False),
            ("CHECKED_IN", "TOO_EARLY", True),
        ]


def test_the_board_shows_the_token_of_who_is_checked_in(waiting: House) -> None:
    entry = arrived(waiting, berlin(0, 9))
    page = at_desk(waiting).get("desk-today").content.decode()
    assert f'<b class="token">{entry.token}</b>' in page
    act(at_desk(waiting), fresh(entry), "call")
    act(at_desk(waiting, waiting.doctor_user), fresh(entry), "start")
    assert 'class="token"' not in at_desk(waiting).get("desk-today").content.decode()
