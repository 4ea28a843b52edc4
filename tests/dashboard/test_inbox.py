"""Requests: who may answer them, the oldest first, several at once, and what is known of each."""

import re
from datetime import timedelta
from typing import Any

import pytest

from appointments.models import Appointment
from appointments.selectors.visits import requests_page
from clinics.models import Patient
from core import tenancy
from dashboard.access import Desk as Place
from dashboard.inbox import pending_count
from tests.appointments.moments import NOW, berlin
from tests.backoffice.test_budgets import statements
from tests.backoffice.world import World, acting, acts, fresh, visit_in
from tests.casts import build_patient
from tests.dashboard.desk import Desk, desk_of


def asked(world: World, number: int = 0, **fields: Any) -> Appointment:
    """A request made `number` minutes after midnight, for a day to come."""
    start = berlin(7 + number, 9)
    values = {
        "starts_at": start,
        "ends_at": start + timedelta(minutes=30),
        "source": "PATIENT",
        "reason": f"A wish {number}",
        "created_at": NOW - timedelta(hours=7) + timedelta(minutes=number),
    }
    return visit_in(world, "PENDING", **(values | fields))


def guest(world: World, **fields: Any) -> Patient:
    """The chart of somebody without an account, made by their own booking."""
    return build_patient(world.clinic, "Anna", f"Berger{world.word}", **fields)


def page(desk: Desk, query: Any = None) -> str:
    answer = desk.get("desk-inbox", query)
    assert answer.status_code == 200, answer.content.decode()[:800]
    return answer.content.decode()


def ticked(*visits: Appointment) -> dict[str, list[str]]:
    return {"visit": [f"{one.id}:{one.version}" for one in visits]}


def waiting(body: str) -> list[str]:
    return re.findall(r'id="request-([0-9a-f-]{36})"', body)


def test_the_oldest_request_is_first_and_says_what_is_wished(home: World) -> None:
    late, early = asked(home, 2), asked(home, 1)
    body = page(desk_of(home))
    assert waiting(body) == [str(early.id), str(late.id)]
    assert "A wish 1" in body
    assert "waits for 6 hours" in body
    assert "Nobody is waiting" not in body


def test_nobody_waiting_is_said_with_what_to_do(home: World) -> None:
    body = page(desk_of(home))
    assert "Nobody is waiting for an answer." in body
    assert "accepted at once in this clinic" in body


def test_requests_come_in_pages_by_key(home: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.views.inbox.PER_PAGE", 2)
    visits = [asked(home, number) for number in range(5)]
    desk, seen, query = desk_of(home), [], {}
    for _round in range(3):
        body = page(desk, query)
        seen += waiting(body)
        found = re.search(r'href="\?after=([^"]+)"', body)
        query = {"after": found[1].replace("%3A", ":").replace("%2B", "+")} if found else {}
    assert seen == [str(one.id) for one in visits]
    assert query == {}


@pytest.mark.parametrize("after", ["x", "2035-06-04T00:00:00_x", "9" * 50, "2035-06-04_\x00"])
def test_a_page_that_is_none_is_refused(home: World, after: str) -> None:
    assert desk_of(home).get("desk-inbox", {"after": after}).status_code == 400


@pytest.mark.parametrize("who", ["nurse", "finance", "support", "pharmacist"])
def test_who_may_not_answer_sees_no_requests(home: World, who: str) -> None:
    visit = asked(home)
    desk = desk_of(home, who)
    assert desk.get("desk-inbox").status_code == 403
    assert desk.post("desk-inbox", ticked(visit)).status_code == 403
    assert fresh(visit).status == "PENDING"


def test_a_doctor_answers_their_own_requests_only(home: World) -> None:
    mine = asked(home)
    assert waiting(page(desk_of(home, "doctor_user"))) == [str(mine.id)]
    assert waiting(page(desk_of(home, "therapist"))) == []
    answer = desk_of(home, "therapist").post("desk-inbox", ticked(mine))
    assert "You may not do this" in answer.content.decode()
    assert fresh(mine).status == "PENDING"


def test_several_are_approved_each_for_itself(home: World) -> None:
    first, second, gone = asked(home, 0), asked(home, 1), asked(home, 2)
    other = ticked(first, second, gone)
    desk_of(home, "clinic_admin").step(gone, "cancel", reason="Asked twice")
    answer = desk_of(home).post("desk-inbox", other)
    body = answer.content.decode()
    assert answer.status_code == 409
    assert [fresh(one).status for one in (first, second, gone)] == [
        "SCHEDULED",
        "SCHEDULED",
        "CANCELLED",
    ]
    assert "2 visits are booked." in body
    assert "somebody has answered this already" in body
    assert "Cancelled" in body


def test_approving_again_is_no_error_page(home: World) -> None:
    visit = asked(home)
    desk = desk_of(home)
    sent = ticked(visit)
    assert desk.post("desk-inbox", sent).status_code == 302
    assert desk.post("desk-inbox", sent).status_code == 302
    other = desk_of(home, "clinic_admin").post("desk-inbox", sent)
    assert other.status_code == 409
    assert "It is now: Scheduled" in other.content.decode()
    assert len(acts("appointment.approved", visit.id)) == 1


def test_one_that_changed_stays_on_the_page_with_why(home: World) -> None:
    visit = asked(home)
    stale = ticked(visit)
    desk_of(home, "clinic_admin").post(
        "desk-visit-edit",
        {"version": visit.version, "reason": "Another wish", "priority": "HIGH"},
        visit_id=visit.id,
    )
    answer = desk_of(home).post("desk-inbox", stale)
    assert answer.status_code == 409
    assert waiting(answer.content.decode()) == [str(visit.id)]
    assert "It has changed since you read it" in answer.content.decode()
    assert fresh(visit).status == "PENDING"


def test_nothing_ticked_says_what_to_do(home: World) -> None:
    asked(home)
    desk = desk_of(home)
    assert desk.post("desk-inbox", {}).status_code == 302
    assert "Tick the requests" in page(desk)


@pytest.mark.parametrize("visit", ["x", "x:1", ":", "00000000-0000-7000-8000-000000000000:x"])
def test_a_damaged_form_is_refused(home: World, visit: str) -> None:
    assert desk_of(home).post("desk-inbox", {"visit": [visit]}).status_code == 400


def test_a_request_is_declined_with_a_reason(home: World) -> None:
    visit = asked(home)
    desk = desk_of(home)
    data = {"version": visit.version}
    refused = desk.post("desk-inbox-decline", data, visit_id=visit.id)
    assert refused.status_code == 400
    assert "Choose a reason, or write one." in refused.content.decode()
    data["usual"] = "Please phone us first"
    assert desk.post("desk-inbox-decline", data, visit_id=visit.id).status_code == 302
    assert fresh(visit).status == "CANCELLED"
    assert fresh(visit).cancel_reason == "Please phone us first"
    assert desk.post("desk-inbox-decline", data, visit_id=visit.id).status_code == 302
    other = desk_of(home, "clinic_admin").post("desk-inbox-decline", data, visit_id=visit.id)
    assert other.status_code == 409
    assert "somebody has answered this already" in other.content.decode()
    assert len(acts("appointment.cancelled", visit.id)) == 1


def test_the_outsider_neither_sees_nor_answers(home: World, abroad: World) -> None:
    visit = asked(home)
    desk = desk_of(abroad)
    assert waiting(page(desk)) == []
    answer = desk.post("desk-inbox", ticked(visit))
    assert answer.status_code == 409
    assert home.word not in answer.content.decode()
    data = {"version": 1, "reason": "mine"}
    assert desk.post("desk-inbox-decline", data, visit_id=visit.id).status_code == 404
    assert desk_of(abroad, at=home.clinic).get("desk-inbox").status_code == 404
    assert fresh(visit).status == "PENDING"


def test_a_guests_chart_names_whom_it_may_repeat(home: World, abroad: World) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        Patient.objects.filter(pk=home.patient.pk).update(birth_date="1980-02-03")
        Patient.objects.filter(pk=abroad.patient.pk).update(phone=home.patient.phone)
    twin = guest(home, birth_date="1980-02-03")
    reached = build_patient(home.clinic, "Ann", "Berg", phone=home.neighbour.phone)
    stranger = guest(home, birth_date="1999-09-09", email="new@guest.test")
    for number, chart in enumerate((twin, reached, stranger)):
        asked(home, number, patient=chart)
    rows = page(desk_of(home)).split('id="request-')[1:]
    merge = f"?duplicate={twin.id}"
    assert f"/patient/{home.patient.id}/merge/{merge}" in rows[0]
    assert home.neighbour.mrn in rows[1]
    assert "Possibly the same person" not in rows[2]
    assert abroad.word not in "".join(rows)


def test_whose_requests_were_shown_is_written_down(home: World) -> None:
    asked(home)
    page(desk_of(home))
    assert acts("appointment.listed")[-1].subjects == [home.patient.id]


def test_the_number_of_requests_is_counted_to_99(
    home: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(home.clinic, acting(home.receptionist))
    assert pending_count(place) == ""
    for number in range(3):
        asked(home, number)
    assert pending_count(place) == "3"
    monkeypatch.setattr("dashboard.inbox.MOST_COUNTED", 2)
    assert pending_count(place) == "2+"
    assert pending_count(Place(home.clinic, acting(home.finance))) == ""
    assert pending_count(Place(home.clinic, acting(home.doctor_user))) == "2+"
    assert pending_count(Place(home.clinic, acting(home.therapist))) == ""


def test_a_page_asks_the_same_of_1_3_and_20_requests(home: World) -> None:
    desk, counts = desk_of(home), []
    made = 0
    for wanted in (1, 3, 20):
        for number in range(made, wanted):
            asked(home, number, patient=guest(home, phone=f"+4930901821{number:02}"))
        made = wanted
        answer, asked_for = statements(desk.client, desk.address("desk-inbox"))
        assert len(waiting(answer.content.decode())) == wanted
        counts.append(len(asked_for))
    assert counts[0] == counts[1] == counts[2], counts


def test_a_page_reads_on_after_requests_of_the_same_moment(home: World) -> None:
    visits = [asked(home, number, created_at=NOW) for number in range(3)]
    by = acting(home.receptionist)
    first = requests_page(by, clinic=home.clinic.id, limit=2)
    rest = requests_page(by, clinic=home.clinic.id, limit=2, after=first.after)
    assert {one.id for one in (*first.visits, *rest.visits)} == {one.id for one in visits}
    assert rest.after is None
