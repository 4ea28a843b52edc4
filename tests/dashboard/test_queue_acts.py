"""What is done with an entry of the queue, and somebody who comes without a visit."""

from typing import Any
from uuid import uuid4

import pytest

from checkin.models import QueueState
from tests.appointments.moments import berlin
from tests.appointments.scene import House, Person, Scene
from tests.casts import build_patient
from tests.dashboard.calendars import at_desk
from tests.dashboard.queues import (
    act,
    arrived,
    buttons,
    fresh,
    queue,
    rows,
    said,
    second,
    told,
    visit_of,
    walk_in,
)
from tests.support.forms import form_of


def test_a_walk_in_goes_its_way_by_plain_forms(waiting: House) -> None:
    entry = walk_in(waiting)
    desk = at_desk(waiting)
    for name, state, words in (
        ("call", QueueState.CALLED, "called."),
        ("recall", QueueState.CALLED, "called."),
        ("skip", QueueState.SKIPPED, "skipped."),
        ("requeue", QueueState.WAITING, "waits again."),
        ("call", QueueState.CALLED, "called."),
        ("start", QueueState.IN_SERVICE, "started."),
        ("done", QueueState.DONE, "done."),
    ):
        assert words in said(act(desk, fresh(entry), name)), name
        assert fresh(entry).state == state, name
    assert fresh(entry).calls == 3
    page = desk.get("desk-queue-entry", entry_id=entry.id)
    assert "Done" in page.content.decode()


def test_an_act_in_the_open_page_is_an_event(waiting: House) -> None:
    entry = walk_in(waiting)
    found = told(act(at_desk(waiting), entry, "call", htmx=True, room=str(waiting.room.id)))
    assert found["said"] == f"{entry.token}, Wanda Walk: called. Room: {waiting.room.name}."
    assert found["entry"] == str(entry.id)
    assert "undo" not in found
    assert fresh(entry).room_id == waiting.room.id


def test_a_visit_is_started_and_completed_through_the_queue_and_taken_back(waiting: House) -> None:
    entry = arrived(waiting, berlin(0, 9))
    reception, doctor = at_desk(waiting), at_desk(waiting, waiting.doctor_user)
    act(reception, fresh(entry), "call")
    assert buttons(rows(queue(waiting), "called")[0]) == ["recall", "skip"]
    assert buttons(rows(queue(waiting, waiting.doctor_user), "called")[0]) == [
        "start",
        "recall",
        "skip",
    ]
    assert act(reception, fresh(entry), "start").status_code == 403
    found = told(act(doctor, fresh(entry), "start", htmx=True))
    assert visit_of(entry).status == "IN_PROGRESS"
    assert found["undo"] == {
        "id": str(entry.appointment_id),
        "version": visit_of(entry).version,
        "label": "Undo",
    }
    undo = {"version": found["undo"]["version"], "at_once": "1"}
    assert (
        doctor.post("desk-visit-undo", undo, htmx=True, visit_id=entry.appointment_id).status_code
        == 204
    )
    assert fresh(entry).state == QueueState.CALLED
    told(act(doctor, fresh(entry), "start", htmx=True))
    told(act(doctor, fresh(entry), "done", htmx=True))
    assert (visit_of(entry).status, fresh(entry).state) == ("COMPLETED", QueueState.DONE)


def test_who_acts_on_an_old_state_is_told_what_changed(waiting: House) -> None:
    entry = walk_in(waiting)
    mine, colleague = at_desk(waiting), at_desk(waiting, waiting.nurse)
    act(colleague, entry, "call")
    refused = act(mine, entry, "skip", htmx=True)
    assert refused.status_code == 412
    body = refused.content.decode()
    assert "This has changed since you saw it" in body
    assert f"{entry.token} was called at" in body
    assert str(waiting.nurse.user) in body
    plain = act(mine, entry, "skip")
    assert plain.status_code == 412
    assert "<html" in plain.content.decode()
    assert f"{entry.token} was called at" in plain.content.decode()
    assert fresh(entry).state == QueueState.CALLED


def test_a_call_that_a_colleague_has_made_is_not_taken_for_ones_own(waiting: House) -> None:
    entry = walk_in(waiting)
    act(at_desk(waiting, waiting.nurse), entry, "call")
    refused = act(at_desk(waiting), entry, "call", htmx=True)
    assert refused.status_code == 412
    assert str(waiting.nurse.user) in refused.content.decode()
    assert fresh(entry).calls == 1


@pytest.mark.parametrize("name", ["call", "skip"])
def test_a_second_click_changes_nothing_and_complains_of_nothing(waiting: House, name: str) -> None:
    entry = walk_in(waiting)
    desk = at_desk(waiting)
    first, again = (told(act(desk, entry, name, htmx=True)) for _ in range(2))
    assert first["said"] == again["said"]
    assert fresh(entry).version == entry.version + 1


def test_an_act_that_there_is_not_and_a_damaged_form_do_nothing(waiting: House) -> None:
    entry = walk_in(waiting)
    desk = at_desk(waiting)
    assert act(desk, entry, "fly").status_code == 404
    assert act(desk, entry, "call", version="x").status_code == 400
    assert act(desk, entry, "done").status_code == 409
    assert fresh(entry).version == entry.version


def test_somebody_is_transferred_to_another_doctor_room_and_location(waiting: House) -> None:
    other, there = second(waiting), waiting.add_location()
    entry = walk_in(waiting, doctor=waiting.doctor.id)
    desk = at_desk(waiting)
    page = desk.get("desk-queue-entry", entry_id=entry.id)
    assert "Transfer" in page.content.decode()
    values = {
        "doctor": str(other.id),
        "room": str(waiting.room.id),
        "location": str(waiting.location.id),
    }
    assert "transferred." in said(act(desk, entry, "transfer", **values))
    now = fresh(entry)
    assert (now.doctor_id, now.room_id) == (other.id, waiting.room.id)
    away = {"doctor": str(other.id), "room": "", "location": str(there.id)}
    answer = act(desk, now, "transfer", htmx=True, **away)
    assert answer.status_code == 204
    assert fresh(entry).location_id == there.id
    assert rows(desk.get("desk-queue")) == []


def test_a_transfer_to_where_the_patient_waits_already_says_so_in_the_form(waiting: House) -> None:
    other, chart = second(waiting), waiting.add_chart()
    walk_in(waiting, patient=chart.id, doctor=other.id)
    entry = walk_in(waiting, patient=chart.id, doctor=waiting.doctor.id)
    values = {"doctor": str(other.id), "room": ""}
    answer = act(at_desk(waiting), entry, "transfer", **values)
    assert answer.status_code == 409
    assert "The patient waits there already." in answer.content.decode()
    assert fresh(entry).doctor_id == waiting.doctor.id


def test_priority_and_leaving_are_asked_for_in_a_form(waiting: House) -> None:
    entry = walk_in(waiting)
    desk = at_desk(waiting)
    assert "priority is changed" in said(act(desk, entry, "priority", priority="URGENT"))
    assert fresh(entry).priority == "URGENT"
    unsaid = act(desk, fresh(entry), "left")
    assert unsaid.status_code == 400
    assert "Choose a reason, or write one." in unsaid.content.decode()
    assert "has left" in said(act(desk, fresh(entry), "left", reason="Had a train to catch"))
    assert fresh(entry).state == QueueState.LEFT
    assert fresh(entry).left_reason == "Had a train to catch"


def test_who_leaves_cancels_the_visit_which_can_be_taken_back(waiting: House) -> None:
    entry = arrived(waiting, berlin(0, 9))
    desk = at_desk(waiting)
    answer = act(desk, entry, "left", htmx=True, usual="Could not wait any longer")
    found = told(answer)
    assert visit_of(entry).status == "CANCELLED"
    undo = {"version": found["undo"]["version"], "at_once": "1"}
    desk.post("desk-visit-undo", undo, visit_id=entry.appointment_id)
    assert visit_of(entry).status == "CHECKED_IN"
    assert fresh(entry).state == QueueState.WAITING


# --- Walk-ins -------------------------------------------------------------------------------------


def sheet(waiting: House, by: Person | None = None, **more: Any) -> dict[str, Any]:
    page = at_desk(waiting, by).get("desk-queue-add")
    return form_of(page, form_id="walk-in") | more


def test_a_patient_is_added_once_however_often_the_form_is_sent(waiting: House) -> None:
    desk = at_desk(waiting)
    form = sheet(
        waiting, patient=str(waiting.chart.id), priority="HIGH", doctor=str(waiting.doctor.id)
    )
    for _ in range(2):
        assert "waits now." in said(desk.post("desk-queue-add", form))
    (row,) = rows(desk.get("desk-queue"))
    assert row.name == waiting.chart.full_name
    assert row.urgent == "High"
    again = desk.post("desk-queue-add", form | {"once": str(uuid4())})
    assert again.status_code == 409
    assert "The patient waits there already." in again.content.decode()


def test_a_name_is_enough(waiting: House) -> None:
    desk = at_desk(waiting)
    form = sheet(waiting, guest_name="  Nora Name ", service=str(waiting.service.id))
    assert "Nora Name: waits now." in said(desk.post("desk-queue-add", form))
    (row,) = rows(desk.get("desk-queue"))
    assert row.name == "Nora Name"
    assert waiting.service.name in row.facts


def test_without_anybody_the_form_says_so_and_keeps_what_was_chosen(waiting: House) -> None:
    answer = at_desk(waiting).post("desk-queue-add", sheet(waiting, priority="URGENT"))
    assert answer.status_code == 400
    body = answer.content.decode()
    assert "Choose the patient, or write a name." in body
    assert '<option value="URGENT" selected>' in body
    assert rows(queue(waiting)) == []


def test_a_new_chart_is_opened_on_the_way(waiting: House) -> None:
    desk = at_desk(waiting)
    form = sheet(waiting, who="new", **{"new-given_name": "Nele", "new-family_name": "Neu"})
    assert "Nele Neu: waits now." in said(desk.post("desk-queue-add", form))


def test_a_patient_of_another_clinic_is_not_found(waiting: House, calendars: Scene) -> None:
    stranger = build_patient(calendars.other.clinic, "Sven", "Stranger")
    answer = at_desk(waiting).post("desk-queue-add", sheet(waiting, patient=str(stranger.id)))
    assert answer.status_code == 400
    assert "Stranger" not in answer.content.decode()
    assert rows(queue(waiting)) == []


def test_a_doctor_adds_to_their_own_queue(waiting: House) -> None:
    form = sheet(waiting, waiting.doctor_user, guest_name="Nora Name")
    assert form["doctor"] == [str(waiting.doctor.id)] or form["doctor"] == str(waiting.doctor.id)
    assert at_desk(waiting, waiting.doctor_user).post("desk-queue-add", form).status_code == 302
    assert rows(queue(waiting))[0].name == "Nora Name"
