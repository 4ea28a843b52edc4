"""Personal links: what they open, until when, and that nothing else does."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from icalendar import Calendar

from appointments.models import Appointment
from appointments.services.links import visit_link
from core import tenancy
from tests.appointments.moments import berlin
from tests.appointments.scene import House, Scene
from tests.portal.visitor import Visitor, text


def again(visit: Appointment) -> Appointment:
    """The visit as it stands now."""
    with tenancy.scope([visit.clinic_id]):
        return Appointment.objects.get(pk=visit.pk)


def of(house: House, at: datetime, **fields: Any) -> Appointment:
    """A visit of the clinic's patient, booked by reception."""
    booked = house.book(at, **fields)
    with tenancy.scope([house.clinic.id]):
        return Appointment.objects.get(pk=booked["id"])


@pytest.fixture
def visit(cast: Scene) -> Appointment:
    return of(cast.own, berlin(2, 9), reason="A private matter", notes="Seems anxious")


def test_it_shows_this_visit_and_no_clinical_word(guest: Visitor, visit: Appointment) -> None:
    answer = guest.open(guest.link(visit))
    page = answer.content.decode()
    assert "Wednesday, 6 June 2035" in text(answer)
    assert "+4930901820000" in page
    for word in ("private matter", "anxious", "Pat", "M1"):
        assert word not in text(answer)
    assert answer["Cache-Control"] == "no-store, private"
    assert answer["Referrer-Policy"] == "same-origin"
    assert "noindex" in answer["X-Robots-Tag"]


def test_it_confirms_cancels_and_is_told_why(guest: Visitor, visit: Appointment) -> None:
    guest.client.post(guest.link(visit, "confirm"))
    assert again(visit).status == "CONFIRMED"
    empty = guest.client.post(guest.link(visit, "cancel"), {})
    assert empty.status_code == 400
    guest.client.post(guest.link(visit, "cancel"), {"why": "other", "words": "Moved away"})
    gone = again(visit)
    assert (gone.status, gone.cancel_reason) == ("CANCELLED", "Another reason: Moved away")
    assert gone.cancelled_by_id is None
    page = guest.open(guest.link(visit))
    assert "Cancelled" in text(page)
    assert "Book another visit" in text(page)
    # A second click, and a page that was open before.
    twice = guest.client.post(guest.link(visit, "cancel"), {"why": "time"}, follow=True)
    assert "how the visit stands now" in text(twice)


def test_it_moves_the_visit(guest: Visitor, visit: Appointment, cast: Scene) -> None:
    where = guest.link(visit, "move")
    assert "10:00" in text(guest.open(where))
    form = {"slot": guest.slot(berlin(2, 10)), "version": visit.version}
    answer = guest.client.post(where, form)
    assert answer.status_code == 302
    moved = again(visit)
    assert moved.starts_at == berlin(2, 10)
    stale = guest.client.post(where, {**form, "slot": guest.slot(berlin(2, 11))}, follow=True)
    assert "changed meanwhile" in text(stale)
    assert again(visit).starts_at == berlin(2, 10)
    cast.own.book(berlin(3, 9), patient=cast.own.add_chart().id)
    taken = guest.client.post(where, {"slot": guest.slot(berlin(3, 9))})
    assert taken.status_code == 409
    assert "It is where it was" in text(taken)


def test_it_moves_to_another_doctor(guest: Visitor, visit: Appointment, cast: Scene) -> None:
    second = cast.own.add_doctor()
    cast.own.add_hours(second)
    where = guest.link(visit, "move")
    assert "Anyone who is free" in text(guest.open(where, doctor=""))
    guest.client.post(where, {"slot": guest.slot(berlin(2, 10), doctor=second.id)})
    assert again(visit).doctor_id == second.id
    foreign = guest.slot(berlin(2, 11), doctor=cast.other.doctor.id)
    assert guest.client.post(where, {"slot": foreign}).status_code == 404


def test_after_the_cutoff_the_phone_is_told(guest: Visitor, visit: Appointment) -> None:
    with time_machine.travel(berlin(2, 8, 30), tick=False):
        page = text(guest.open(guest.link(visit)))
        assert "too late to move or cancel" in page
        assert "+4930901820000" in page
        assert guest.open(guest.link(visit, "cancel")).status_code == 302
        refused = guest.client.post(guest.link(visit, "cancel"), {"why": "time"}, follow=True)
        assert "call the clinic" in text(refused)
        slot = {"slot": guest.slot(berlin(3, 9))}
        assert guest.client.post(guest.link(visit, "move"), slot).status_code == 302
    assert again(visit).starts_at == berlin(2, 9)
    assert again(visit).status == "SCHEDULED"


def test_it_is_good_until_thirty_days_after_the_visit_wherever_it_moved(
    guest: Visitor, visit: Appointment
) -> None:
    link = guest.link(visit)
    with time_machine.travel(visit.ends_at + timedelta(days=30), tick=False):
        assert guest.open(link).status_code == 404
    with time_machine.travel(visit.ends_at + timedelta(days=29), tick=False):
        assert guest.open(link).status_code == 200
    slot = {"slot": guest.slot(berlin(20, 9))}
    assert guest.client.post(guest.link(visit, "move"), slot).status_code == 302
    with time_machine.travel(visit.ends_at + timedelta(days=30), tick=False):
        assert guest.open(link).status_code == 200


Spoiler = Callable[[str], str]
SPOILED: dict[str, Spoiler] = {
    "a letter changed": lambda token: ("B" if token[0] != "B" else "C") + token[1:],
    "cut": lambda token: token[:-1],
    "unsigned": lambda token: token.split(".")[0],
    "of nothing": lambda _token: "x",
    "endless": lambda token: token * 50,
    "not ascii": lambda _token: "ŧökèn.é",
}


@pytest.mark.parametrize("name", sorted(SPOILED))
def test_what_we_did_not_sign_opens_nothing(guest: Visitor, visit: Appointment, name: str) -> None:
    wrong = SPOILED[name](visit_link(visit))
    for page in ("visit", "cancel", "move", "file"):
        assert guest.open(guest.url(page, wrong)).status_code == 404
    assert guest.client.post(guest.url("confirm", wrong)).status_code == 404
    assert again(visit).status == "SCHEDULED"


def test_all_dead_links_read_the_same(guest: Visitor, visit: Appointment, cast: Scene) -> None:
    link = guest.link(visit)
    cast.own.policy(is_active=False)
    closed = guest.open(link)
    cast.own.policy(is_active=True)
    with time_machine.travel(visit.ends_at + timedelta(days=31), tick=False):
        over = guest.open(link)
    forged = guest.open(guest.url("visit", "forged"))
    assert {answer.status_code for answer in (closed, over, forged)} == {404}
    pages = {text(answer).rpartition("number:")[0] for answer in (closed, over, forged)}
    assert len(pages) == 1


def test_it_opens_no_other_visit_of_the_same_chart(
    guest: Visitor, visit: Appointment, cast: Scene
) -> None:
    """A guest's chart may have been merged into one with a long history."""
    other = of(cast.own, berlin(4, 9))
    token = visit_link(visit)
    assert guest.open(guest.url("my-visit", other.id))["Location"].startswith("/sign-in")
    page = text(guest.open(guest.url("visit", token)))
    assert "8 June" not in page
    from appointments.selectors.appointments import appointments_visible_to  # noqa: PLC0415
    from appointments.services.links import visit_by_link  # noqa: PLC0415
    from clinics.selectors.patients import patients_visible_to  # noqa: PLC0415

    with tenancy.scope(()):
        by, _visit = visit_by_link(token)
        assert [found.id for found in appointments_visible_to(by)] == [visit.id]
        assert not patients_visible_to(by).exists()


def test_the_log_does_not_write_the_link_down(
    guest: Visitor, visit: Appointment, caplog: pytest.LogCaptureFixture
) -> None:
    guest.open(guest.link(visit))
    assert visit_link(visit) not in caplog.text
    assert "/visit/…" in caplog.text


def test_the_calendar_file(guest: Visitor, visit: Appointment) -> None:
    def event() -> Any:
        answer = guest.open(guest.link(visit, "file"))
        assert answer["Content-Type"].startswith("text/calendar")
        calendar = Calendar.from_ical(answer.content)
        assert [str(zone["tzid"]) for zone in calendar.walk("VTIMEZONE")] == ["Europe/Berlin"]
        (found,) = calendar.walk("VEVENT")
        assert b"private matter" not in answer.content
        return found

    first = event()
    assert str(first["uid"]) == str(visit.id)
    assert first["dtstart"].params["TZID"] == "Europe/Berlin"
    assert first.decoded("dtstart") == visit.starts_at
    assert first.decoded("dtend") == visit.ends_at
    guest.client.post(guest.link(visit, "move"), {"slot": guest.slot(berlin(2, 10))})
    second = event()
    assert (second["uid"], second.decoded("dtstart")) == (first["uid"], berlin(2, 10))
    assert int(second["sequence"]) > int(first["sequence"])
    guest.client.post(guest.link(visit, "cancel"), {"why": "time"})
    assert str(event()["status"]) == "CANCELLED"


def test_a_patients_own_list(
    patient: Visitor, outsider: Visitor, visit: Appointment, cast: Scene
) -> None:
    page = text(patient.open(patient.url("my")))
    assert "Wednesday, 6 June 2035, 09:00" in page
    assert "anxious" not in page
    empty = text(outsider.open(outsider.url("my")))
    assert "You have no visit to come" in empty
    assert cast.other.clinic.name in empty
    assert Visitor(cast.own).open(patient.url("my"))["Location"].startswith("/sign-in")
    for name in ("my-visit", "my-cancel", "my-move", "my-file"):
        assert patient.open(patient.url(name, visit.id)).status_code == 200
        assert outsider.open(outsider.url(name, visit.id)).status_code == 404
    # Reception sees it at the desk, but it is not theirs.
    reception = Visitor(cast.own, cast.own.reception.user)
    assert reception.open(reception.url("my-visit", visit.id)).status_code == 404
    patient.client.post(patient.url("my-cancel", visit.id), {"why": "better"})
    assert again(visit).cancelled_by_id == cast.own.patient.id
