"""Booking at the desk: without JavaScript, and as the open page asks for its parts."""

import re
from datetime import time, timedelta
from uuid import uuid4

import pytest
import time_machine

from clinics.services.clinics import clinic_update
from core import tenancy
from tests.appointments.moments import NOW, berlin
from tests.casts import Cast
from tests.dashboard.care import another_doctor, booked, leave_of, more_hours, text_of
from tests.dashboard.desk import told
from tests.dashboard.sheets import (
    charts,
    desk_in,
    for_new,
    for_patient,
    holds,
    opened,
    sent_by,
    visits,
)


def picks(page: str) -> list[str]:
    return re.findall(r'name="pick" value="([^"]+)"', page)


# --- The three moves ------------------------------------------------------------------------------


def test_three_moves_without_javascript(house: Cast):
    desk = desk_in(house)
    values = opened(house, desk)
    assert (values["day"], values["time"]) == ("2035-06-04", "09:00")
    assert holds(house) == []  # a GET claims nothing
    found = desk.post("desk-book", values | {"q": "berg"})
    page = found.content.decode()
    assert found.status_code == 200
    assert "Anna Berger" in page
    assert "Nachbar" not in page
    answer = desk.post("desk-book", sent_by(found) | {"patient": house.patient.id, "q": "berg"})
    (visit,) = visits(house)
    assert answer.status_code == 302
    assert answer.headers["Location"].endswith(f"/visits/{visit.id}")
    assert (visit.patient_id, visit.starts_at) == (house.patient.id, berlin(0, 9))
    assert visit.ends_at - visit.starts_at == timedelta(minutes=30)
    assert visit.booked_by_id == house.receptionist.id


def test_a_hold_is_made_moved_and_used(house: Cast):
    desk = desk_in(house)
    values = opened(house, desk)
    part = desk.post("desk-hold", values, htmx=True).content.decode()
    (held,) = holds(house)
    assert f'data-hold="{held.id}"' in part
    assert 'data-seconds="300"' in part
    again = desk.post("desk-hold", values | {"hold": held.id}, htmx=True).content.decode()
    assert f'data-hold="{held.id}"' in again  # of the same visit it stays as it is
    desk.post("desk-hold", values | {"hold": held.id, "time": "09:30"}, htmx=True)
    (moved,) = holds(house)
    assert moved.visit.lower == berlin(0, 9, 30)
    sent = for_patient(values, house.patient, hold=moved.id, time="09:30", reason="Cough")
    answer = desk.post("desk-book", sent, htmx=True)
    (visit,) = visits(house)
    assert told(answer)["to"].endswith(str(visit.id))
    assert (visit.starts_at, visit.reason) == (berlin(0, 9, 30), "Cough")
    assert holds(house) == []


def test_keeping_a_time_without_javascript_keeps_what_was_typed(house: Cast):
    desk = desk_in(house)
    values = for_patient(opened(house, desk), house.patient, reason="Cough")
    answer = desk.post("desk-hold", values)
    (held,) = holds(house)
    again = sent_by(answer)
    assert (again["hold"], again["reason"]) == (str(held.id), "Cough")
    assert again["patient"] == str(house.patient.id)
    assert "Kept for you until 07:05" in text_of(answer)


def test_a_hold_that_was_still_on_its_way_is_used(house: Cast):
    desk = desk_in(house)
    values = opened(house, desk)
    desk.post("desk-hold", values, htmx=True)
    answer = desk.post("desk-book", for_patient(values, house.patient), htmx=True)
    assert answer.status_code == 204
    assert holds(house) == []


def test_two_tabs_keep_one_time(house: Cast):
    desk = desk_in(house)
    first, second = opened(house, desk), opened(house, desk)
    desk.post("desk-hold", first, htmx=True)
    (older,) = holds(house)
    page = desk.post("desk-hold", second, htmx=True).content.decode()
    (held,) = holds(house)
    assert held.id != older.id
    assert f'data-hold="{held.id}"' in page
    sent = for_patient(first, house.patient, hold=older.id)
    assert desk.post("desk-book", sent, htmx=True).status_code == 204
    late = for_patient(second, house.neighbour, hold=held.id)
    assert desk.post("desk-book", late, htmx=True).status_code == 409
    assert len(visits(house)) == 1


def test_a_hold_that_ran_out_does_not_stop_the_booking(house: Cast):
    desk = desk_in(house)
    values = opened(house, desk)
    desk.post("desk-hold", values, htmx=True)
    (held,) = holds(house)
    with time_machine.travel(NOW + timedelta(minutes=6), tick=False):
        answer = desk.post("desk-book", for_patient(values, house.patient, hold=held.id), htmx=True)
    assert answer.status_code == 204, answer.content
    assert len(visits(house)) == 1


def test_leaving_gives_the_time_back(house: Cast, outsider: Cast):
    desk = desk_in(house)
    desk.post("desk-hold", opened(house, desk), htmx=True)
    (held,) = holds(house)
    beacon = {"beacon": "1"}
    stranger = desk_in(outsider)
    assert stranger.post("desk-hold-release", beacon, hold_id=held.id).status_code == 204
    assert [one.id for one in holds(house)] == [held.id]
    assert desk.post("desk-hold-release", beacon, hold_id=held.id).status_code == 204
    assert holds(house) == []
    assert desk.post("desk-hold-release", beacon, hold_id=held.id).status_code == 204
    assert desk.get("desk-hold-release", hold_id=held.id).status_code == 302


# --- Who may --------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["nurse", "pharmacist", "finance", "lab", "support"])
def test_who_books_nothing_gets_no_sheet(house: Cast, who: str):
    desk = desk_in(house, house.user(who))
    asked = {"doctor": house.doctor.id, "starts_at": berlin(0, 9).isoformat()}
    for name in ("desk-book", "desk-next", "desk-hold"):
        assert desk.get(name, asked).status_code == 403
    assert desk.post("desk-book", asked).status_code == 403
    assert desk.post("desk-hold", asked, htmx=True).status_code == 403
    assert visits(house) == []
    assert holds(house) == []


def test_the_outsider_finds_nothing_here(house: Cast, outsider: Cast):
    desk = desk_in(house, outsider.receptionist)
    for name in ("desk-book", "desk-next", "desk-patient-find", "desk-patient-new"):
        assert desk.get(name, {"q": "Anna"}).status_code == 404
    own = desk_in(outsider)
    at = berlin(0, 9).isoformat()
    assert own.get("desk-book", {"doctor": house.doctor.id, "starts_at": at}).status_code == 404
    values = opened(outsider, own)
    for foreign in (
        {"doctor": house.doctor.id},
        {"service": house.service.id},
        {"location": house.location.id},
        {"room": house.room.id},
        {"patient": house.patient.id},
    ):
        answer = own.post("desk-book", for_patient(values, outsider.patient) | foreign)
        assert answer.status_code == 400, foreign
        page = text_of(answer)
        assert "Clinic house" not in page
        assert "Dr House" not in page
    assert visits(house) == []
    assert visits(outsider) == []


def test_a_doctor_books_their_own_calendar_only(house: Cast):
    other = another_doctor(house, "Dr Other")
    more_hours(house, other, [1], time(9), time(12))
    desk = desk_in(house, house.doctor_user)
    at = berlin(0, 9).isoformat()
    assert desk.get("desk-book", {"doctor": other.id, "starts_at": at}).status_code == 404
    assert "Dr Other" not in text_of(desk.get("desk-next"))
    values = opened(house, desk)
    assert desk.post("desk-book", for_patient(values, house.patient)).status_code == 302
    values = opened(house, desk, berlin(0, 10))
    sent = for_patient(values, house.neighbour, doctor=other.id)
    assert desk.post("desk-book", sent).status_code == 400
    assert len(visits(house)) == 1


def test_a_therapist_opens_no_chart(house: Cast):
    doctor = another_doctor(house, "Dr Talk")
    with tenancy.scope(tenancy.SYSTEM):
        type(doctor).objects.filter(pk=doctor.pk).update(user=house.therapist)
    more_hours(house, doctor, [1], time(9), time(12))
    desk = desk_in(house, house.therapist)
    asked = {"doctor": doctor.id, "starts_at": berlin(0, 9).isoformat()}
    answer = desk.get("desk-book", asked)
    assert "New patient" not in text_of(answer)
    sent = for_new(sent_by(answer), given_name="Nobody")
    assert desk.post("desk-book", sent).status_code == 400
    assert desk.get("desk-patient-new").status_code == 403
    assert len(charts(house)) == 2


# --- When it cannot be had ------------------------------------------------------------------------


def test_a_stale_page_is_told_why_and_what_is_free(house: Cast):
    other = another_doctor(house, "Dr Other")
    more_hours(house, other, [1], time(9), time(12))
    desk = desk_in(house)
    values = for_patient(opened(house, desk), house.patient, reason="Cough")
    booked(house, berlin(0, 9), house.neighbour)
    answer = desk.post("desk-book", values)
    page = text_of(answer)
    assert answer.status_code == 409
    assert "This time is taken" in page
    assert "Dr Other" in page
    assert "Others who are free then" in page
    kept = sent_by(answer)
    assert (kept["reason"], kept["patient"]) == ("Cough", str(house.patient.id))
    nearest = picks(page)[0]
    assert nearest.startswith(str(house.doctor.id))
    assert "07:30:00+00:00" in nearest
    held = desk.post("desk-hold", kept | {"pick": nearest}, htmx=True).content.decode()
    assert "data-hold" in held
    (hold,) = holds(house)
    assert hold.visit.lower == berlin(0, 9, 30)
    theirs = next(one for one in picks(page) if one.startswith(str(other.id)))
    taken = desk.post("desk-hold", kept | {"pick": theirs})
    again = sent_by(taken)
    assert (again["doctor"], again["time"]) == (str(other.id), "09:00")
    assert desk.post("desk-book", again).status_code == 302
    assert {visit.doctor_id for visit in visits(house)} == {house.doctor.id, other.id}


def test_each_reason_has_its_words(house: Cast):
    desk = desk_in(house)
    values = opened(house, desk)
    said = {
        "Outside working hours": {"time": "15:00"},
        "This time is past": {"time": "06:00"},
        "Too far ahead to be booked": {"day": "2036-06-02"},
    }
    for words, change in said.items():
        answer = desk.post("desk-book", for_patient(values, house.patient) | change)
        assert answer.status_code == 409, words
        assert words in text_of(answer)
    leave_of(house, house.doctor, NOW.date(), NOW.date())
    answer = desk.post("desk-book", for_patient(values, house.patient, step="override"))
    assert answer.status_code == 400
    sent = for_patient(values, house.patient, step="override", override_reason="Urgent")
    page = text_of(desk.post("desk-book", sent))
    assert "The doctor is on leave" in page
    assert "Book it anyway" not in page
    assert visits(house) == []


def test_the_patients_other_visit_is_named(house: Cast):
    other = another_doctor(house, "Dr Other")
    more_hours(house, other, [1], time(9), time(12))
    there = booked(house, berlin(0, 9), house.patient, doctor=other.id)
    desk = desk_in(house)
    answer = desk.post("desk-book", for_patient(opened(house, desk), house.patient))
    page = text_of(answer)
    assert answer.status_code == 409
    assert "The patient has another visit at this time" in page
    assert "The other visit is at 09:00 with Dr Other" in page
    assert str(there.id) in page
    assert "Book it anyway" not in page


def test_past_the_rules_with_a_reason(house: Cast):
    desk = desk_in(house)
    values = for_patient(opened(house, desk, berlin(0, 15)), house.patient)
    refused = desk.post("desk-book", values)
    assert "Book it anyway" in text_of(refused)
    without = desk.post("desk-book", values | {"step": "override", "override_reason": " "})
    assert without.status_code == 400
    assert "Say why." in text_of(without)
    assert visits(house) == []
    sent = values | {"step": "override", "override_reason": "Emergency"}
    assert desk.post("desk-book", sent).status_code == 302
    (visit,) = visits(house)
    assert (visit.starts_at, visit.override_reason) == (berlin(0, 15), "Emergency")


def test_reception_passes_no_rules_where_the_clinic_says_so(house: Cast):
    with tenancy.scope(tenancy.SYSTEM):
        clinic_update(clinic=house.clinic, expected_version=None, reception_may_override=False)
    desk = desk_in(house)
    values = for_patient(opened(house, desk, berlin(0, 15)), house.patient)
    assert "Book it anyway" not in text_of(desk.post("desk-book", values))
    sent = values | {"step": "override", "override_reason": "Emergency"}
    assert desk.post("desk-book", sent).status_code == 403
    assert visits(house) == []
    admin = desk_in(house, house.clinic_admin)
    sent |= {"once": str(uuid4())}
    assert admin.post("desk-book", sent).status_code == 302
