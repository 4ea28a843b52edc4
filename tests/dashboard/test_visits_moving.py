"""Moving a visit from its form and from the board: to where it fits, and what is said elsewhere."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from appointments.models import Appointment, BusyTime
from appointments.services.reschedule import appointment_reschedule
from clinics.models import Doctor, ScheduleTemplate
from core import tenancy
from tests.appointments.moments import berlin
from tests.backoffice.world import World, acting, fresh, visit_in
from tests.dashboard.desk import Desk, desk_of, told
from tests.support.forms import Form, forms_of


def form_of_move(answer: Any) -> Form:
    """The main form, not the buttons of single times."""
    return next(one for one in forms_of(answer.content.decode()) if "day" in one.values)


def move(desk: Desk, visit: Appointment, *, htmx: bool = False, **data: Any) -> Any:
    """Send the form as it is shown, with `data` in place of what it says."""
    shown = form_of_move(desk.get("desk-visit-move", visit_id=visit.id))
    sent = {name: values[0] for name, values in shown.values.items()} | data
    return desk.post("desk-visit-move", sent, htmx=htmx, visit_id=visit.id)


def drop(desk: Desk, visit: Appointment, at: datetime, **data: Any) -> Any:
    """What the board sends when a visit is dropped."""
    sent = {
        "starts_at": at.isoformat(),
        "doctor": visit.doctor_id,
        "location": visit.location_id,
        "version": visit.version,
        "at_once": "1",
    } | data
    return desk.post("desk-visit-move", sent, htmx=True, visit_id=visit.id)


def second_doctor(home: World) -> Any:
    """The therapist, with hours like the doctor's."""
    with tenancy.scope(tenancy.SYSTEM):
        doctor = Doctor.objects.create(user=home.therapist, display_name=f"T {home.word}")
        hours = ScheduleTemplate.objects.get(pk=home.cast.template.pk)
        hours.pk, hours.doctor = None, doctor
        hours._state.adding = True
        hours.save(force_insert=True)
    return doctor


def claimed(visit: Appointment) -> datetime:
    with tenancy.scope(tenancy.SYSTEM):
        return BusyTime.objects.get(appointment=visit).visit.lower


def test_the_form_offers_the_free_times_of_the_day(home: World) -> None:
    answer = desk_of(home).get("desk-visit-move", visit_id=home.visit.id)
    body = answer.content.decode()
    starts = ("09:00", "09:30", "10:00", "10:30", "11:00", "11:30")
    offered = [at for at in starts if f'value="2035-06-04T{at}' in body]
    assert offered == ["09:30", "10:30", "11:30"]  # 9:00 is booked, 10:00 its own, 11:00 held
    assert "10:00, as it is" in body
    assert form_of_move(answer).values["starts_at"] == ["same"]


def test_a_visit_is_moved_to_a_free_time(home: World) -> None:
    answer = move(desk_of(home), home.visit, starts_at=berlin(0, 10, 30).isoformat())
    assert answer.status_code == 302, answer.content.decode()[:2000]
    visit = fresh(home.visit)
    assert visit.starts_at == claimed(visit) == berlin(0, 10, 30)


def test_another_day_is_looked_at_before_anything_is_moved(home: World) -> None:
    desk = desk_of(home)
    data = {"look": "1", "day": "2035-06-11", "reason": "typed already", "version": 1}
    answer = desk.post("desk-visit-move", data, visit_id=home.visit.id)
    body = answer.content.decode()
    assert answer.status_code == 200
    assert 'value="2035-06-11T09:00' in body
    assert "typed already" in body
    assert fresh(home.visit).version == home.visit.version
    nothing = desk.post("desk-visit-move", data | {"day": "2035-06-12"}, visit_id=home.visit.id)
    assert "Nothing is free on this day" in nothing.content.decode()


def test_the_same_time_goes_to_another_doctor_and_another_day(home: World) -> None:
    other = second_doctor(home)
    answer = move(desk_of(home), home.visit, doctor=other.id, day="2035-06-11")
    assert answer.status_code == 302, answer.content.decode()[:2000]
    visit = fresh(home.visit)
    assert (visit.doctor_id, visit.starts_at) == (other.id, berlin(7, 10))


def test_a_drop_on_the_board_is_said_with_its_undo(home: World) -> None:
    desk = desk_of(home)
    found = told(drop(desk, home.visit, berlin(0, 10, 30)))
    assert found["to"] == ""
    assert "Mon 4 Jun, 10:30" in found["said"]
    undo = found["undo"]
    data = {"version": undo["version"], "at_once": "1"}
    taken = told(desk.post("desk-visit-undo", data, htmx=True, visit_id=undo["id"]))
    assert taken["said"] == "The move is taken back: the visit is where it was."
    assert fresh(home.visit).starts_at == claimed(home.visit) == home.visit.starts_at


def test_a_drop_sent_twice_moves_once(home: World) -> None:
    desk = desk_of(home)
    first = drop(desk, home.visit, berlin(0, 10, 30))
    again = drop(desk, home.visit, berlin(0, 10, 30))
    assert told(again) == told(first)
    assert fresh(home.visit).version == home.visit.version + 1


def test_a_drop_where_it_is_changes_nothing(home: World) -> None:
    found = told(drop(desk_of(home), home.visit, home.visit.starts_at))
    assert found["said"] == "It is there already."
    assert "undo" not in found


def test_a_drop_on_a_taken_time_says_so_with_the_nearest_ones(home: World) -> None:
    desk = desk_of(home)
    answer = drop(desk, home.visit, home.confirmed.starts_at)
    body = answer.content.decode()
    assert answer.status_code == 409
    assert not body.lstrip().startswith("<!doctype")
    assert "This time is taken" in body
    assert fresh(home.visit).starts_at == claimed(home.visit) == home.visit.starts_at
    near = [
        one
        for one in forms_of(body)
        if set(one.values) >= {"starts_at"} and "day" not in one.values
    ]
    assert near
    first = {name: values[0] for name, values in near[0].values.items()}
    told(desk.client.post(near[0].attributes["action"], first, headers={"HX-Request": "true"}))
    assert fresh(home.visit).starts_at == datetime.fromisoformat(first["starts_at"])


def test_past_the_rules_goes_who_may_with_a_reason(home: World) -> None:
    desk = desk_of(home)
    refused = drop(desk, home.visit, berlin(0, 14))
    shown = form_of_move(refused)
    assert refused.status_code == 409
    assert "Outside working hours" in refused.content.decode()
    sent = {name: values[0] for name, values in shown.values.items()}
    assert datetime.fromisoformat(sent["starts_at"]) == berlin(0, 14)
    sent["override_reason"] = "Comes from far"
    answer = desk.post("desk-visit-move", sent, visit_id=home.visit.id)
    assert answer.status_code == 302, answer.content.decode()[:3000]
    visit = fresh(home.visit)
    assert (visit.starts_at, visit.override_reason) == (berlin(0, 14), "Comes from far")


def test_reception_that_may_not_overbook_is_not_asked_why(home: World) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        type(home.clinic).objects.filter(pk=home.clinic.pk).update(reception_may_override=False)
    desk = desk_of(home)
    answer = drop(desk, home.visit, berlin(0, 14))
    assert "override_reason" not in answer.content.decode()
    assert drop(desk, home.visit, berlin(0, 14), override_reason="x").status_code == 403


def test_a_stale_drop_says_what_happened_and_shows_the_form(home: World) -> None:
    appointment_reschedule(
        appointment_id=home.visit.id,
        by=acting(home.clinic_admin),
        starts_at=berlin(0, 10, 30),
        reason="doctor is late",
    )
    answer = drop(desk_of(home), home.visit, berlin(0, 9, 30))
    body = answer.content.decode()
    assert answer.status_code == 412
    trouble = body[body.index('id="trouble"') : body.index("visit-of")]
    assert f"Clinic Admin Of {home.word}" in trouble
    assert "moved" in trouble
    assert "<del>Mon 4 Jun, 10:00</del> <ins>Mon 4 Jun, 10:30</ins>" in trouble
    assert fresh(home.visit).starts_at == berlin(0, 10, 30)


@pytest.mark.parametrize(
    "wrong",
    [
        {"starts_at": "tomorrow"},
        {"starts_at": "2035-06-04T10:30:00"},
        {"starts_at": "9999-12-31T23:59:00+00:00"},
        {"starts_at": "other"},
        {"starts_at": "other", "time": "25:00"},
        {"starts_at": berlin(0, 10, 30).isoformat(), "time": "09:30"},
        {"starts_at": berlin(0, 10, 30).isoformat(), "day": "2035-06-11"},
        {"day": "0001-01-01"},
        {"day": "9999-12-31"},
        {"day": "soon"},
        {"doctor": "nobody"},
        {"room": "00000000-0000-7000-8000-000000000000"},
        {"version": ""},
        {"reason": "x" * 501},
    ],
    ids=str,
)
def test_what_is_no_time_doctor_or_room_is_said_at_its_field(
    home: World, wrong: dict[str, str]
) -> None:
    answer = move(desk_of(home), home.visit, **wrong)
    assert answer.status_code == 400
    assert "field-error" in answer.content.decode()
    assert fresh(home.visit).version == home.visit.version


def test_an_hour_that_the_clocks_skip_is_said_to_be_none(home: World) -> None:
    answer = move(desk_of(home), home.visit, day="2036-03-30", starts_at="other", time="02:30")
    assert answer.status_code == 400
    assert "the clocks go forward" in answer.content.decode()


def test_another_clinics_doctor_and_room_are_no_choice(home: World, abroad: World) -> None:
    desk = desk_of(home)
    assert move(desk, home.visit, doctor=abroad.doctor.id).status_code == 400
    assert move(desk, home.visit, room=abroad.room.id).status_code == 400
    answer = drop(desk, home.visit, berlin(0, 10, 30), location=abroad.location.id)
    assert answer.status_code == 400
    assert abroad.word not in answer.content.decode()


def test_a_doctor_moves_their_own_visits_to_themselves_only(home: World) -> None:
    other = second_doctor(home)
    desk = desk_of(home, "doctor_user")
    body = desk.get("desk-visit-move", visit_id=home.visit.id).content.decode()
    assert str(other.id) not in body
    assert move(desk, home.visit, doctor=other.id).status_code == 400
    assert move(desk, home.visit, starts_at=berlin(0, 10, 30).isoformat()).status_code == 302
    assert (
        desk_of(home, "therapist").get("desk-visit-move", visit_id=home.visit.id).status_code == 403
    )


@pytest.mark.parametrize("who", ["nurse", "finance"])
def test_who_may_not_book_moves_nothing(home: World, who: str) -> None:
    desk = desk_of(home, who)
    assert desk.get("desk-visit-move", visit_id=home.visit.id).status_code == 403
    assert drop(desk, home.visit, berlin(0, 10, 30)).status_code == 403


def test_what_is_over_is_not_moved(home: World) -> None:
    done = visit_in(home, "COMPLETED", hour=8)
    desk = desk_of(home)
    assert desk.get("desk-visit-move", visit_id=done.id).status_code == 302
    assert drop(desk, done, done.starts_at + timedelta(hours=1)).status_code == 409
