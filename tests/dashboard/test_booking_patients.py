"""The patient of a new visit: found as one types, warned of twins, opened in place."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from appointments.models import Verb
from appointments.services.status import appointment_move
from clinics.models import Patient
from clinics.selectors.patients import patients_like
from core import tenancy
from core.models import AuditEvent
from dashboard.people import name_typed
from tests.appointments.moments import berlin
from tests.casts import Cast, build_patient
from tests.dashboard.care import acting, booked, text_of
from tests.dashboard.desk import Desk, told
from tests.dashboard.sheets import (
    charts,
    desk_in,
    for_new,
    for_patient,
    opened,
    sent_by,
    visits,
)


@pytest.fixture
def berta(house: Cast) -> Patient:
    return build_patient(
        house.clinic,
        "Berta",
        "Lindqvist",
        birth_date="1980-06-05",
        phone="+4930901820009",
        email="berta@example.test",
        mrn="LQ-77",
    )


def options(desk: Desk, q: str) -> str:
    answer = desk.get("desk-patient-find", {"q": q}, htmx=True)
    assert answer.status_code == 200
    return text_of(answer)


# --- Finding --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed",
    [
        "Berta",
        "lindqist",
        "LINDQVIST berta",
        "0009",
        "182 0009",
        "1980-06-05",
        "05.06.1980",
        "lq-7",
    ],
)
def test_a_patient_is_found_by_whatever_is_known(house: Cast, berta: Patient, typed: str):
    page = options(desk_in(house), typed)
    assert "Berta Lindqvist" in page
    assert "LQ-77" in page
    assert "5 Jun 1980 (54 years)" in page
    assert "0009" in page
    assert "+4930901820009" not in page
    assert "Nachbar" not in page


def test_patients_of_another_clinic_are_never_found(house: Cast, outsider: Cast, berta: Patient):
    assert "Berta" not in options(desk_in(outsider), "Berta Lindqvist")
    there = desk_in(outsider).get("desk-patient-find", {"patient": berta.id}, htmx=True)
    assert there.status_code == 404
    at = {"doctor": outsider.doctor.id, "starts_at": berlin(0, 9).isoformat()}
    assert desk_in(outsider).get("desk-book", at | {"patient": berta.id}).status_code == 404


def test_too_little_and_too_odd_a_text_finds_nobody(house: Cast):
    desk = desk_in(house)
    assert "option" not in options(desk, "a")
    assert "option" not in options(desk, "")
    for odd in ("\x00\x01", "%%__", "a" * 5000, "😀😀", "نننن", "'; --"):
        assert "Anna" not in options(desk, odd)
    assert "Nobody fits" in options(desk, "zzzzzz")


def test_the_chosen_one_shows_what_reception_asks_first(house: Cast, berta: Patient):
    came = booked(house, berlin(0, 9), berta)
    booked(house, berlin(0, 10), berta)
    with tenancy.scope([house.clinic.id]):
        by = acting(house.clinic_admin)
        appointment_move(appointment_id=came.id, verb=Verb.NO_SHOW, by=by, reason="Did not come")
    desk = desk_in(house)
    assert "1 visit to come" in options(desk, "Berta")
    answer = desk.get("desk-patient-find", {"patient": berta.id}, htmx=True)
    page = " ".join(text_of(answer).split())
    assert "Mon 4 Jun 2035, 10:00" in page
    assert "4 Jun 2035 · No-show" in page
    assert "<dt>No-shows</dt><dd>1</dd>" in page
    with tenancy.scope(tenancy.SYSTEM):
        assert AuditEvent.objects.filter(action="patient.searched").exists()
        assert AuditEvent.objects.filter(action="patient.read").latest("id").subjects == [berta.id]


def statements(desk: Desk, name: str, query: dict[str, Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert desk.get(name, query, htmx=True).status_code == 200
    return len([one for one in captured if "SAVEPOINT" not in one["sql"]])


def test_eight_patients_cost_as_many_statements_as_one(house: Cast):
    desk = desk_in(house)
    build_patient(house.clinic, "Zacharias", "One")
    statements(desk, "desk-patient-find", {"q": "Zacharias"})
    alone = statements(desk, "desk-patient-find", {"q": "Zacharias"})
    for number in range(9):
        build_patient(house.clinic, "Zacharias", f"More{number}")
    assert options(desk, "Zacharias").count('id="book-hit-') == 9  # eight, and a new one
    assert statements(desk, "desk-patient-find", {"q": "Zacharias"}) == alone
    assert alone <= 10


def test_without_javascript_the_search_is_a_page(house: Cast, berta: Patient):
    desk = desk_in(house)
    answer = desk.get("desk-patient-find", {"q": "Berta"})
    assert answer.status_code == 200
    assert f"?patient={berta.id}" in text_of(answer)


@pytest.mark.parametrize(
    ("typed", "fields"),
    [
        ("Anna Maria Berger", {"given_name": "Anna Maria", "family_name": "Berger"}),
        ("Berger, Anna", {"given_name": "Anna", "family_name": "Berger"}),
        ("Madonna", {"given_name": "Madonna", "family_name": ""}),
        ("+49 30 901820", {"phone": "+49 30 901820"}),
        ("05.06.1980", {"birth_date": date(1980, 6, 5)}),
        ("", {"given_name": "", "family_name": ""}),
    ],
)
def test_what_was_typed_goes_into_its_field(typed: str, fields: dict[str, Any]):
    assert name_typed(typed) == fields


# --- A new chart in place -------------------------------------------------------------------------


def test_a_chart_and_its_visit_are_made_together(house: Cast):
    desk = desk_in(house)
    part = desk.post("desk-book", opened(house, desk) | {"q": "Clara Neu", "step": "new"})
    values = sent_by(part)
    assert (values["who"], values["new-given_name"], values["new-family_name"]) == (
        "new",
        "Clara",
        "Neu",
    )
    answer = desk.post(
        "desk-book",
        values | {"new-birth_date": "1999-01-02", "new-phone": "030 901820 77"},
    )
    assert answer.status_code == 302, text_of(answer)
    (visit,) = visits(house)
    with tenancy.scope([house.clinic.id]):
        chart = Patient.objects.get(pk=visit.patient_id)
    assert (chart.full_name, chart.phone) == ("Clara Neu", "+493090182077")
    assert chart.birth_date == date(1999, 1, 2)
    assert len(chart.mrn) == 9


def test_a_refused_booking_opens_no_chart(house: Cast):
    booked(house, berlin(0, 9), house.neighbour)
    desk = desk_in(house)
    before = len(charts(house))
    values = for_new(opened(house, desk), given_name="Clara", family_name="Neu", email="c@x.test")
    answer = desk.post("desk-book", values)
    assert answer.status_code == 409
    assert "This time is taken" in text_of(answer)
    assert sent_by(answer)["new-email"] == "c@x.test"
    assert len(charts(house)) == before
    bad = desk.post("desk-book", values | {"time": "10:00", "new-phone": "twelve"})
    assert bad.status_code == 400
    assert "Not a phone number" in text_of(bad)
    young = desk.post("desk-book", values | {"time": "10:00", "new-birth_date": "2035-06-05"})
    assert young.status_code == 400
    assert "not in the future" in text_of(young)
    assert len(charts(house)) == before
    assert len(visits(house)) == 1


def test_who_is_here_already_is_shown_before_a_twin_is_made(house: Cast, berta: Patient):
    desk = desk_in(house)
    values = for_new(opened(house, desk), given_name="berta", family_name="LINDQVIST")
    warned = desk.post("desk-book", values)
    page = text_of(warned)
    assert warned.status_code == 409
    assert "somebody you know already" in page
    assert "LQ-77" in page
    assert visits(house) == []
    used = desk.post("desk-book", sent_by(warned) | {"step": f"use:{berta.id}"})
    assert sent_by(used)["patient"] == str(berta.id)
    anyway = desk.post("desk-book", sent_by(warned) | {"step": "sure"})
    assert anyway.status_code == 302, text_of(anyway)
    (visit,) = visits(house)
    assert visit.patient_id != berta.id
    # What was shown counts, not that something was.
    other = for_new(opened(house, desk, berlin(0, 10)), given_name="Anna", family_name="Berger")
    unseen = desk.post("desk-book", other | {"seen": str(berta.id), "step": "sure"})
    assert unseen.status_code == 409
    assert "Anna Berger" in text_of(unseen)


def test_a_new_patients_form_sent_twice_makes_one_chart_and_one_visit(house: Cast):
    desk = desk_in(house)
    values = for_new(opened(house, desk), given_name="Clara", family_name="Neu")
    first, second = (desk.post("desk-book", values) for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    assert [one.full_name for one in charts(house)].count("Clara Neu") == 1
    assert len(visits(house)) == 1


def test_a_twin_in_another_clinic_is_no_twin(house: Cast, outsider: Cast, berta: Patient):
    desk = desk_in(outsider)
    values = for_new(opened(outsider, desk), given_name="Berta", family_name="Lindqvist")
    assert desk.post("desk-book", values).status_code == 302
    used = desk.post("desk-book", values | {"step": f"use:{berta.id}"})
    assert used.status_code == 404


def like(cast: Cast, **fields: Any) -> list[str]:
    with tenancy.scope([cast.clinic.id]):
        found = patients_like(cast.clinic.id, **({"given_name": "Nobody"} | fields))
    return [patient.mrn for patient in found]


def test_who_is_taken_for_the_same_person(house: Cast, outsider: Cast, berta: Patient):
    assert like(house, given_name="Bérta", family_name="lindqvist") == ["LQ-77"]
    assert like(house, given_name="Lindqvist", family_name="Berta") == ["LQ-77"]
    born = {"given_name": "Berta", "family_name": "Lindqvist"}
    assert like(house, **born, birth_date=date(1980, 6, 5)) == ["LQ-77"]
    assert like(house, **born, birth_date=date(1981, 6, 5)) == []
    assert like(house, phone="+4930901820009") == ["LQ-77"]
    assert like(house, phone="+4930901820008") == []
    assert like(house, email="BERTA@example.test") == ["LQ-77"]
    assert like(house, email="other@example.test") == []
    assert like(house, given_name="Berta") == []
    assert like(house, **born, itself=berta.id) == []
    assert like(outsider, **born) == []


def test_a_chart_that_was_merged_away_is_noticed(house: Cast, berta: Patient):
    desk = desk_in(house)
    values = for_patient(opened(house, desk), berta, reason="Cough")
    with tenancy.scope(tenancy.SYSTEM):
        Patient.objects.filter(pk=berta.pk).update(is_active=False)
    answer = desk.post("desk-book", values)
    assert answer.status_code == 400
    assert "Search again." in text_of(answer)
    assert sent_by(answer)["reason"] == "Cough"
    assert visits(house) == []


# --- A chart on its own ---------------------------------------------------------------------------


def test_a_chart_is_opened_on_its_own_once(house: Cast, berta: Patient):
    desk = desk_in(house)
    form = sent_by(desk.get("desk-patient-new", {"q": "Clara Neu"}), "patient-new")
    assert form["new-given_name"] == "Clara"
    first = desk.post("desk-patient-new", form)
    second = desk.post("desk-patient-new", form)
    assert first.status_code == 302
    assert first.headers["Location"] == second.headers["Location"]
    assert [one.full_name for one in charts(house)].count("Clara Neu") == 1


def test_on_its_own_too_a_twin_is_warned_of(house: Cast, berta: Patient):
    desk = desk_in(house)
    form = sent_by(desk.get("desk-patient-new", {"q": "Berta Lindqvist"}), "patient-new")
    warned = desk.post("desk-patient-new", form, htmx=True)
    assert warned.status_code == 409
    assert "LQ-77" in text_of(warned)
    sure = sent_by(warned, "patient-new") | {"step": "sure"}
    assert "patients/" in told(desk.post("desk-patient-new", sure, htmx=True))["to"]
    wrong = desk.post("desk-patient-new", form | {"new-given_name": ""})
    assert wrong.status_code == 400


def test_a_baby_is_as_old_as_the_clinics_day_says(house: Cast):
    build_patient(house.clinic, "Young", "Person", birth_date=berlin(0).date() - timedelta(days=40))
    assert "(1 month)" in options(desk_in(house), "Young")
