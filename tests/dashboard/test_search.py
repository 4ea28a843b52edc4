"""Search from anywhere: what it finds, for whom, and what it understands."""

from datetime import date, time
from typing import Any

import pytest
from django.utils import translation

from core import tenancy
from core.models import AuditEvent
from dashboard.typed import Moment, moment_in
from tests.appointments.moments import berlin
from tests.casts import Cast, build_patient
from tests.dashboard.care import AtDesk, another_doctor, booked, text_of

MONDAY = date(2035, 6, 4)


def groups(user: str, house: Cast, text: str) -> dict[str, list[Any]]:
    answer = AtDesk(house.user(user), house).get("desk-search", {"q": text})
    assert answer.status_code == 200
    return {group.name: group.hits for group in answer.context["groups"]}


def labels(hits: list[Any]) -> list[str]:
    return [hit.label for hit in hits]


def test_a_patient_with_their_next_visit_is_found(house: Cast):
    berta = build_patient(house.clinic, "Berta", "Lindqvist", birth_date="1980-06-05")
    booked(house, berlin(days=14), berta)
    soon = booked(house, berlin(days=7), berta)
    found = groups("receptionist", house, "lindqist")
    assert labels(found["patients"]) == ["Berta Lindqvist"]
    assert found["patients"][0].href.endswith(f"/patients/{berta.id}")
    assert found["patients"][0].opens == "panel"
    (visit,) = found["visits"]
    assert visit.href.endswith(f"/visits/{soon.id}")
    assert "11 Jun 2035" in visit.detail
    assert "54 years" in found["patients"][0].detail


def test_a_time_finds_the_visits_that_are_on(house: Cast):
    on = booked(house, berlin(days=0, hour=9))
    booked(house, berlin(days=0, hour=10), house.neighbour)
    later = booked(house, berlin(days=7, hour=9), house.neighbour)
    assert [hit.href.rsplit("/", 1)[-1] for hit in groups("nurse", house, "9:15")["visits"]] == [
        str(on.id)
    ]
    found = groups("nurse", house, "2035-06-11 09:00")
    assert [hit.href.rsplit("/", 1)[-1] for hit in found["visits"]] == [str(later.id)]
    assert found["days"][0].href.endswith("/day/2035-06-11")
    assert "visits" not in groups("nurse", house, "9:30")


@pytest.mark.parametrize(
    ("typed", "day"),
    [
        ("tomorrow", "2035-06-05"),
        ("Today", "2035-06-04"),
        ("friday", "2035-06-08"),
        ("2035-12-01", "2035-12-01"),
        ("1.12.2035", "2035-12-01"),
    ],
)
def test_a_day_is_found(house: Cast, typed: str, day: str):
    hits = groups("receptionist", house, typed)["days"]
    assert [hit.href.rsplit("/", 2)[-2:] for hit in hits] == [["day", day], ["week", day]]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("14:30", Moment(None, time(14, 30))),
        ("9.05", Moment(None, time(9, 5))),
        ("tomorrow 14:30", Moment(date(2035, 6, 5), time(14, 30))),
        ("Monday", Moment(MONDAY, None)),
        ("sunday 8:00", Moment(date(2035, 6, 10), time(8))),
        ("2035-06-31", None),
        ("24:00", None),
        ("14:60", None),
        ("1899-01-01", None),
        ("soon 14:30", None),
        ("", None),
    ],
)
def test_days_and_times_are_read_as_typed(text: str, found: Moment | None):
    assert moment_in(text, MONDAY) == found


def test_weekdays_are_read_in_the_language_of_the_reader():
    with translation.override("es"):
        assert moment_in("viernes 9:00", MONDAY) == Moment(date(2035, 6, 8), time(9))


def test_a_doctor_is_found_by_the_beginning_of_a_name_without_accents(house: Cast):
    doctor = another_doctor(house, "Dr Zoë Ångström")
    (hit,) = groups("receptionist", house, "angs zoe")["doctors"]
    assert hit.href.endswith(f"/day?doctor={doctor.id}")
    assert "doctors" not in groups("receptionist", house, "ngstr")


@pytest.mark.parametrize(
    ("user", "has", "lacks"),
    [
        ("receptionist", {"New visit", "Requests", "Leave"}, {"Enter leave"}),
        ("clinic_admin", {"New visit", "Requests", "Leave", "Enter leave"}, set()),
        ("doctor_user", {"New visit", "Requests", "Leave", "Enter leave"}, set()),
        ("nurse", {"Today", "Patients"}, {"New visit", "Requests", "Leave", "Enter leave"}),
        ("finance", {"Today"}, {"New visit", "Requests", "Leave", "Enter leave"}),
    ],
)
def test_commands_are_those_the_person_may_use(
    house: Cast, user: str, has: set[str], lacks: set[str]
):
    found = set(labels(groups(user, house, "")["commands"]))
    assert has | {"Sign out", "My account"} <= found
    assert not lacks & found
    seen = text_of(AtDesk(house.user(user), house).get("desk-patients"))
    assert ("Enter leave" in seen) is ("Enter leave" in has)  # the palette of the page


def test_every_command_leads_to_a_page(house: Cast):
    desk = AtDesk(house.clinic_admin, house)
    for hit in groups("clinic_admin", house, "")["commands"]:
        if hit.opens != "post":
            assert desk.client.get(hit.href).status_code == 200, hit.label


def test_a_command_is_found_by_its_words(house: Cast):
    assert labels(groups("receptionist", house, "new vi")["commands"]) == ["New visit"]


def test_the_outsider_finds_no_patient_visit_or_doctor(house: Cast, outsider: Cast):
    foreign = build_patient(outsider.clinic, "Ottilie", "Ausland", phone="+4930901829999")
    booked(outsider, berlin(days=0, hour=9), foreign)
    for text in ("Ausland", "829999", "9:15", "Dr Outsider", foreign.mrn):
        found = groups("receptionist", house, text)
        assert not {"patients", "visits", "doctors"} & set(found), text
    assert AtDesk(outsider.receptionist, house).get("desk-search").status_code == 404
    # The same words find them at home: the questions above were good ones.
    at_home = groups("receptionist", outsider, "Ausland")
    assert set(at_home) == {"patients", "visits"}
    assert "visits" in groups("receptionist", outsider, "9:15")


def test_a_clinician_without_a_shared_calendar_finds_visits_of_their_own_only(house: Cast):
    booked(house, berlin(days=0, hour=9))
    with tenancy.scope(tenancy.SYSTEM):
        house.clinic.shared_calendars = False
        house.clinic.save(update_fields=["shared_calendars"])
    assert len(groups("doctor_user", house, "9:15")["visits"]) == 1
    assert "visits" not in groups("therapist", house, "9:15")
    assert "visits" not in groups("therapist", house, "Berger")
    assert "patients" in groups("therapist", house, "Berger")


def test_a_search_is_written_down_with_whom_it_showed(house: Cast):
    groups("receptionist", house, "Berger")
    with tenancy.scope(tenancy.SYSTEM):
        (act,) = AuditEvent.objects.filter(action="patient.searched")
    assert act.subjects == [house.patient.id]
    assert act.actor_id == house.receptionist.id


def test_for_the_palette_the_options_come_alone(house: Cast):
    desk = AtDesk(house.receptionist, house)
    address = desk.address("desk-search")
    part = desk.client.get(address, {"q": "Berger"}, headers={"HX-Request": "true"})
    seen = text_of(part)
    assert "<html" not in seen
    assert 'role="option"' in seen
    assert "<a " not in seen  # an option holds nothing that can be pressed
    ids = [bit.split('"')[0] for bit in seen.split(' id="')[1:]]
    assert len(ids) == len(set(ids))


def test_clinical_text_is_never_in_what_is_found(house: Cast):
    booked(house, berlin(days=0, hour=9))
    for text in ("Berger", "9:15", "sorekneereason"):
        answer = AtDesk(house.clinic_admin, house).get("desk-search", {"q": text})
        seen = text_of(answer).replace(f'value="{text}"', "")
        assert "sorekneereason" not in seen
        assert "visitnotestext" not in seen


def test_names_are_shown_as_text(house: Cast):
    build_patient(house.clinic, "<script>alert(1)</script>", "Quark")
    answer = AtDesk(house.receptionist, house).get("desk-search", {"q": "Quark"})
    assert b"<script>alert" not in answer.content
    assert b"&lt;script&gt;alert" in answer.content
