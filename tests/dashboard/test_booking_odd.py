"""The booking sheet sent twice, late or oddly; and what it offers."""

from datetime import time, timedelta
from uuid import uuid4

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from clinics.models import ScheduleTemplate, Service
from clinics.services.changes import create_row
from clinics.services.clinics import clinic_update
from core import tenancy
from core.models import AuditEvent
from tests.appointments.moments import berlin
from tests.casts import Cast
from tests.dashboard.care import another_doctor, booked, more_hours, text_of
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

# --- Twice, late, odd -----------------------------------------------------------------------------


def test_a_form_sent_twice_books_once(house: Cast):
    desk = desk_in(house)
    values = for_patient(opened(house, desk), house.patient)
    first, second = (desk.post("desk-book", values) for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    (visit,) = visits(house)
    other = desk.post("desk-book", values | {"patient": house.neighbour.id, "time": "10:00"})
    assert other.status_code == 409
    assert "has booked a visit already" in text_of(other)
    assert [one.id for one in visits(house)] == [visit.id]
    again = sent_by(other)
    assert again["once"] != values["once"]
    assert desk.post("desk-book", again).status_code == 302
    assert len(visits(house)) == 2


def test_a_form_sent_without_a_patient_says_so(house: Cast):
    desk = desk_in(house)
    answer = desk.post("desk-book", opened(house, desk))
    assert answer.status_code == 400
    assert "Choose the patient, or open a new chart." in text_of(answer)
    lost = desk.post("desk-book", opened(house, desk) | {"who": "chosen", "patient": uuid4()})
    assert lost.status_code == 400
    assert "Search again." in text_of(lost)


def test_bad_input_is_shown_at_its_field(house: Cast):
    desk = desk_in(house)
    values = for_patient(opened(house, desk), house.patient)
    for change in (
        {"day": "yesterday"},
        {"time": "25:99"},
        {"minutes": "3"},
        {"minutes": "99999999999999999999"},
        {"mode": "TELEPATHY"},
        {"doctor": "nobody"},
        {"reason": "x" * 501},
        {"reason": "a\x00b"},
        {"priority": "HIGHEST"},
    ):
        answer = desk.post("desk-book", values | change)
        assert answer.status_code == 400, change
        assert 'id="book"' in text_of(answer)
        held = desk.post("desk-hold", values | change, htmx=True)
        assert held.status_code == 200, change
    assert desk.post("desk-book", {}).status_code == 400
    assert (
        desk.get("desk-book", {"doctor": house.doctor.id, "starts_at": "soon"}).status_code == 200
    )
    far = {"doctor": house.doctor.id, "starts_at": "9999-12-31T23:59:00+00:00"}
    assert desk.get("desk-book", far).status_code == 200
    assert visits(house) == []


def test_names_of_any_length_and_script(house: Cast):
    desk = desk_in(house)
    long_name = "محمد عبد الرحمن " * 12
    for number, name in enumerate((long_name[:200], "😀 Emoji", "नमस्ते‍")):
        values = opened(house, desk, berlin(0, 9) + timedelta(minutes=30 * number))
        sent = for_new(values, given_name=name, family_name=f"F{number}")
        answer = desk.post("desk-book", sent)
        assert answer.status_code == 302, text_of(answer)
    made = [one.given_name for one in charts(house)][-3:]
    assert made == [long_name[:200].strip(), "😀 Emoji", "नमस्ते‍"]
    too_long = for_new(opened(house, desk, berlin(0, 11)), given_name="م" * 201)
    assert desk.post("desk-book", too_long).status_code == 400


def test_a_time_that_the_clocks_skip_is_refused(house: Cast):
    desk = desk_in(house)
    values = for_patient(opened(house, desk), house.patient, day="2036-03-30", time="02:30")
    answer = desk.post("desk-book", values)
    assert answer.status_code == 400
    assert "there is no such time" in text_of(answer)


def test_the_second_of_two_equal_hours_is_the_one_that_was_clicked(house: Cast):
    with tenancy.scope(tenancy.SYSTEM):
        more = {"clinic": house.clinic, "doctor": house.doctor, "location": house.location}
        night = {"weekday": 7, "start_time": time(0), "end_time": time(6)}
        create_row(ScheduleTemplate, more | night, action="test.made")
        clinic_update(clinic=house.clinic, expected_version=None, horizon_days=400)
    desk = desk_in(house)
    answer = desk.get(
        "desk-book", {"doctor": house.doctor.id, "starts_at": "2035-10-28T02:30:00+01:00"}
    )
    values = for_patient(sent_by(answer), house.patient)
    assert desk.post("desk-book", values).status_code == 302
    (visit,) = visits(house)
    assert visit.starts_at.isoformat() == "2035-10-28T01:30:00+00:00"


def test_a_session_that_ended_keeps_what_was_typed(house: Cast):
    desk = desk_in(house)
    values = for_patient(opened(house, desk), house.patient)
    gone = Client()
    answer = gone.post(desk.address("desk-book"), values)
    assert answer.status_code == 302
    assert "/sign-in" in answer.headers["Location"]
    inside = gone.post(
        desk.address("desk-hold"),
        values,
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/desk/x/day"},
    )
    assert inside.status_code == 204
    assert "/sign-in" in inside.headers["HX-Redirect"]
    assert visits(house) == []


def test_a_clinic_without_services_books_by_minutes(house: Cast):
    with tenancy.scope(tenancy.SYSTEM):
        Service.objects.filter(clinic=house.clinic).update(is_active=False)
    desk = desk_in(house)
    values = opened(house, desk)
    assert values["minutes"] == "30"
    assert desk.post("desk-book", for_patient(values, house.patient, minutes="")).status_code == 400
    answer = desk.post("desk-book", for_patient(values, house.patient, minutes="45"))
    assert answer.status_code == 302, text_of(answer)
    (visit,) = visits(house)
    assert (visit.service_id, visit.ends_at - visit.starts_at) == (None, timedelta(minutes=45))


def test_a_longer_visit_is_kept_and_booked_as_long(house: Cast):
    desk = desk_in(house)
    values = opened(house, desk) | {"minutes": "60"}
    desk.post("desk-hold", values, htmx=True)
    (held,) = holds(house)
    assert held.visit.upper == berlin(0, 10)
    answer = desk.post("desk-book", for_patient(values, house.patient, hold=held.id))
    assert answer.status_code == 302
    assert visits(house)[0].ends_at == berlin(0, 10)


# --- What is offered ------------------------------------------------------------------------------


def test_only_services_of_the_hours_and_the_usual_one_first(house: Cast):
    with tenancy.scope(tenancy.SYSTEM):
        rows = {
            name: create_row(
                Service,
                {"clinic": house.clinic, "name": name, "duration_minutes": 20},
                action="test.made",
            )
            for name in ("Aardvark", "Never here")
        }
        house.template.services.set([rows["Aardvark"], house.service])
    booked(house, berlin(0, 10), house.neighbour)
    desk = desk_in(house)
    page = text_of(desk.get("desk-book", {"doctor": house.doctor.id, "starts_at": berlin(0, 9)}))
    assert "Aardvark" in page
    assert "Never here" not in page
    assert opened(house, desk)["service"] == str(house.service.id)
    asked = opened(house, desk, service=rows["Aardvark"].id)
    assert asked["service"] == str(rows["Aardvark"].id)
    part = desk.post("desk-hold", asked | {"service": rows["Never here"].id}, htmx=True)
    assert "data-hold" in part.content.decode()
    assert holds(house)[0].service_id in {rows["Aardvark"].id, house.service.id}


def statements(desk, name: str, query: dict) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert desk.get(name, query).status_code == 200
    return len([one for one in captured if "SAVEPOINT" not in one["sql"]])


def test_the_sheet_takes_as_many_statements_with_one_doctor_as_with_thirty(house: Cast):
    desk = desk_in(house)
    asked = {
        "doctor": house.doctor.id,
        "starts_at": berlin(0, 9).isoformat(),
        "patient": house.patient.id,
    }
    statements(desk, "desk-book", asked)
    alone = statements(desk, "desk-book", asked)
    for number in range(29):
        doctor = another_doctor(house, f"Dr {number:02}")
        more_hours(house, doctor, [1], time(9), time(12))
    assert statements(desk, "desk-book", asked) == alone
    assert alone <= 28


def test_showing_a_chart_is_written_down(house: Cast):
    desk = desk_in(house)
    desk.get(
        "desk-book",
        {
            "doctor": house.doctor.id,
            "starts_at": berlin(0, 9).isoformat(),
            "patient": house.patient.id,
        },
    )
    with tenancy.scope(tenancy.SYSTEM):
        read = AuditEvent.objects.filter(action="patient.read").latest("id")
    assert read.subjects == [house.patient.id]
    assert read.actor_id == house.receptionist.id
