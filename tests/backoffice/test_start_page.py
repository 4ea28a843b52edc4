"""The start page: its figures are what is in the database, for everyone their own."""

import re
from datetime import date, timedelta
from typing import Any

import pytest

from appointments.models import Appointment
from clinics.models import Clinic, ScheduleTemplate, Service
from core import tenancy
from core.models import OutboxEvent
from tests.appointments.moments import NOW, berlin
from tests.backoffice.world import (
    FOREIGN,
    PATIENT,
    World,
    acting,
    at_the_desk,
    doctor_elsewhere,
    page,
    text,
)
from tests.casts import STAFF, build_patient, build_super_admin

TODAY = NOW.date()


def visit(world: World, status: str, *, days: int = 0, hour: int = 9, **fields: Any) -> Appointment:
    """A visit, without the claim that the day's slots would need."""
    start = berlin(days, hour)
    values = {
        "clinic": world.clinic,
        "location": world.location,
        "doctor": world.doctor,
        "patient": build_patient(world.clinic, "P", f"Of{world.word}"),
        "service": world.service,
        "type": "IN_PERSON",
        "status": status,
        "starts_at": start,
        "ends_at": start + timedelta(minutes=10),
        "timezone": "Europe/Berlin",
        "source": "STAFF",
        "cancelled_at": NOW if status == "CANCELLED" else None,
    }
    with tenancy.scope(tenancy.SYSTEM):
        return Appointment.objects.create(**values | fields)


@pytest.fixture
def day(home: World, abroad: World) -> World:
    """Beside the two booked: what each figure counts, and as much again abroad and tomorrow."""
    for world in (home, abroad):
        for status, number in {
            "PENDING": 1,
            "CHECKED_IN": 3,
            "IN_PROGRESS": 2,
            "COMPLETED": 4,
            "NO_SHOW": 2,
            "CANCELLED": 5,
        }.items():
            for _ in range(number):
                visit(world, status)
        visit(world, "SCHEDULED", days=1)
        visit(world, "COMPLETED", days=-1)
        visit(world, "NO_SHOW", days=-13)
        visit(world, "COMPLETED", days=-14)  # before the two weeks
        visit(world, "IN_PROGRESS", days=-1)
        visit(world, "PENDING", days=5)
    return home


def overview(user: Any) -> Any:
    answer = at_the_desk(user).get(page("index"))
    assert answer.status_code == 200
    return answer.context["overview"]


def figures(user: Any) -> dict[str, int | None]:
    return {str(figure.label): figure.value for figure in overview(user).figures}


def hands(user: Any) -> dict[str, int | None]:
    return {str(figure.label): figure.value for figure in overview(user).hands}


EXPECTED = {
    "Booked today": 14,  # with the two of the world, without the cancelled
    "Arrived": 9,
    "Waiting": 3,
    "In the room": 2,
    "No-shows": 2,
    "Cancelled": 5,
}


@pytest.mark.parametrize("role", ["clinic_admin", "receptionist", "nurse", "finance", "support"])
def test_figures_are_those_of_the_day(role: str, day: World) -> None:
    found = figures(day.user(role))
    assert {name: found[name] for name in EXPECTED} == EXPECTED


def test_the_figures_lead_to_the_rows_that_they_count(day: World) -> None:
    client = at_the_desk(day.clinic_admin)
    by_status = {"Waiting", "In the room", "No-shows", "Cancelled"}
    for figure in overview(day.clinic_admin).figures:
        if str(figure.label) in by_status:
            listed = client.get(figure.href).context["cl"]
            assert listed.result_count == figure.value, figure.label


def test_charts_hold_the_same_numbers(day: World) -> None:
    page_of = overview(day.clinic_admin)
    assert sum(bar.value for bar in page_of.hours) == EXPECTED["Booked today"]
    assert sum(bar.part for bar in page_of.hours) == EXPECTED["No-shows"]
    assert [bar.label for bar in page_of.hours] == ["09", "10"]
    assert len(page_of.days) == 14
    assert (page_of.days[-1].value, page_of.days[-1].part) == (14, 2)
    assert (page_of.days[-2].value, page_of.days[-2].part) == (2, 0)
    assert (page_of.days[0].value, page_of.days[0].part) == (1, 1)
    for bar in (*page_of.hours, *page_of.days):
        assert 0 <= bar.part_height <= bar.height <= 100
        assert bar.top + bar.height == pytest.approx(100)


def test_what_needs_a_hand_is_counted(day: World) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        idle = doctor_elsewhere(day)
    found = hands(day.clinic_admin)
    assert found["Bookings wait for approval"] == 2
    assert found["Visits of yesterday were never completed"] == 1
    assert found["Doctors have no working hours here"] == 1
    with tenancy.scope(tenancy.SYSTEM):
        ScheduleTemplate.objects.create(
            clinic=day.clinic,
            doctor=idle,
            location=day.location,
            weekday=3,
            start_time="09:00",
            end_time="10:00",
        )
        Service.objects.filter(clinic=day.clinic).update(is_active=False)
    found = hands(day.clinic_admin)
    assert "Doctors have no working hours here" not in found
    assert "There is no service to book" in found


def test_where_nothing_needs_a_hand_it_says_so(home: World) -> None:
    shown = text(at_the_desk(home.clinic_admin).get(page("index")))
    assert "Nothing at the moment" in shown


def test_free_half_hours_are_those_of_the_calendar(home: World) -> None:
    """Nine to twelve is six; two are booked and one is held."""
    assert figures(home.clinic_admin)["Free half hours left"] == 3
    assert "Free half hours left" not in figures(home.nurse)


@pytest.mark.parametrize("role", STAFF)
def test_everyone_of_the_staff_gets_their_page(role: str, day: World) -> None:
    answer = at_the_desk(day.user(role)).get(page("index"))
    assert answer.status_code == 200
    assert FOREIGN not in text(answer).lower()
    links = set(re.findall(r'href="(/admin/[^"]*)"', text(answer)))
    for link in links:
        followed = at_the_desk(day.user(role)).get(link.replace("&amp;", "&"))
        assert followed.status_code in {200, 302}, (role, link)


@pytest.mark.parametrize("role", ["pharmacist", "lab"])
def test_who_reads_no_visits_gets_no_figures(role: str, day: World) -> None:
    assert figures(day.user(role)) == {}


def test_a_doctor_without_shared_calendars_counts_their_own(day: World) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        other = doctor_elsewhere(day)
        Clinic.objects.filter(pk=day.clinic.pk).update(shared_calendars=False)
    visit(day, "CHECKED_IN", doctor=other)
    assert figures(day.doctor_user)["Waiting"] == 3
    assert figures(day.therapist)["Waiting"] == 1
    assert figures(day.clinic_admin)["Waiting"] == 4


def test_the_installations_administrators_count_every_clinic(day: World) -> None:
    found = figures(build_super_admin())
    assert {name: found[name] for name in EXPECTED} == {
        name: 2 * number for name, number in EXPECTED.items()
    }
    assert "Free half hours left" not in found


def test_given_up_events_and_late_jobs_are_shown_to_the_installation_alone(day: World) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        OutboxEvent.objects.filter(pk=day.outbox.pk).update(failed_at=NOW)
    found = hands(build_super_admin())
    assert found["Events were given up"] == 1
    assert found["Scheduled jobs have not run"] == 1
    assert "Events were given up" not in hands(day.clinic_admin)


def test_a_patient_has_no_start_page(day: World) -> None:
    assert at_the_desk(day.user(PATIENT)).get(page("index")).status_code == 403


def test_a_patients_own_chart_counts_for_nothing_in_the_back_office(
    day: World, abroad: World
) -> None:
    """A nurse who is a patient of the clinic abroad sees nothing of it here."""
    build_patient(abroad.clinic, "Own", f"Chart{FOREIGN}", user=day.nurse)
    client = at_the_desk(day.nurse)
    for name in ("index", "clinics_patient_changelist", "clinics_location_changelist"):
        assert FOREIGN not in text(client.get(page(name))).lower(), name
    assert figures(day.nurse)["Waiting"] == EXPECTED["Waiting"]
    with tenancy.scope(()):
        assert abroad.clinic.pk in acting(day.nurse).clinics


def test_today_is_the_clinics_own_day(home: World) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        Clinic.objects.filter(pk=home.clinic.pk).update(timezone="Pacific/Kiritimati")
    assert overview(home.clinic_admin).today == date(2035, 6, 4)
    with tenancy.scope(tenancy.SYSTEM):
        Clinic.objects.filter(pk=home.clinic.pk).update(timezone="Pacific/Pago_Pago")
    assert overview(home.clinic_admin).today == date(2035, 6, 3)
