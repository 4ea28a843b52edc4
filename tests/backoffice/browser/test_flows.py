"""A day at the desk: what a clinic's administrator does, in a real browser."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from appointments.models import Appointment
from clinics.models import Patient
from clinics.services.patients import patient_update
from core import tenancy
from tests.backoffice.browser.conftest import Desk
from tests.backoffice.browser.scene import PASSWORD, second_clinic
from tests.support.browser import expect

pytestmark = pytest.mark.chromium


def change(kind: str, row: Any) -> str:
    """The address of a row's page."""
    return reverse(f"admin:{kind}_change", args=[row.pk])


def shown(desk: Desk, text: str) -> None:
    """A message at the top says so."""
    expect(desk.page.get_by_text(text, exact=True).first).to_be_visible()


def choose(desk: Desk, field: str, typed: str, offered: str) -> None:
    """Fill an autocomplete by keyboard alone."""
    desk.tab_to(f"[aria-labelledby~='select2-id_{field}-container']")
    desk.page.keyboard.press("Enter")
    # The list opens first and takes the focus then: what is typed before that goes nowhere.
    expect(desk.page.locator(".select2-search__field")).to_be_focused()
    desk.page.keyboard.type(typed)
    option = desk.page.locator(".select2-results__option--highlighted", has_text=offered)
    expect(option).to_be_visible()
    desk.page.keyboard.press("Enter")
    expect(desk.page.locator(f"#select2-id_{field}-container")).to_contain_text(offered)


def test_signing_in_leads_to_today(visitor: Desk):
    page = visitor.page
    visitor.open(reverse("admin:index"))
    expect(page).to_have_url(re.compile(r"/sign-in\?next="))
    page.get_by_label("Email or phone").fill(visitor.scene.admin.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(visitor.base + reverse("admin:index"))
    expect(page.get_by_text("Booked today")).to_be_visible()
    expect(page.get_by_role("heading", name="Needs a hand")).to_be_visible()


def test_a_visit_is_booked_with_the_keyboard_alone(desk: Desk):
    page, scene = desk.page, desk.scene
    day = scene.today_at(9, 30, days=1)
    desk.open(reverse("admin:appointments_appointment_add"))
    choose(desk, "patient", "Okonkwo", "Amelia Okonkwo-Lindqvist")
    choose(desk, "doctor", "Harb", "Dr Harbour")
    choose(desk, "service", "Vis", "Visit")
    choose(desk, "location", "Mai", "Main")
    desk.tab_to("#id_day")
    page.keyboard.type(f"{day:%m%d%Y}")
    desk.tab_to("#id_time")
    page.keyboard.type("0930AM")
    desk.tab_to("#id_reason")
    page.keyboard.type("Persistent cough")
    desk.tab_to(".bo-form button")
    desk.shot("booking-filled")
    page.keyboard.press("Enter")
    shown(desk, "Booked.")
    with tenancy.scope([scene.cast.clinic.id]):
        (booked,) = Appointment.objects.all()
    assert booked.starts_at == day
    assert booked.patient_id == scene.patients[0].id
    assert booked.reason == "Persistent cough"


def test_a_visit_goes_through_its_day_by_its_buttons(desk: Desk):
    page, scene = desk.page, desk.scene
    visit = scene.book(scene.patients[0], scene.today_at(12))
    desk.open(change("appointments_appointment", visit))
    for button, status in (
        ("Confirm", "Confirmed"),
        ("Check in", "Checked in"),
        ("Start", "In progress"),
        ("Complete", "Completed"),
    ):
        page.get_by_role("button", name=button, exact=True).click()
        shown(desk, status)
    history = page.get_by_role("region", name="History")
    expect(history.locator("tbody tr")).to_have_count(5)
    expect(history.locator("tbody tr").last).to_contain_text("Clinic Admin")
    desk.shot("visit-completed")


def test_a_visit_is_moved_to_another_time(desk: Desk):
    page, scene = desk.page, desk.scene
    visit = scene.book(scene.patients[0], scene.today_at(14))
    taken = scene.book(scene.patients[1], scene.today_at(16))
    desk.open(change("appointments_appointment", visit))
    page.get_by_role("link", name="Move", exact=True).click()
    page.get_by_label("Time").fill(f"{taken.starts_at.astimezone(scene.zone):%H:%M}")
    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.get_by_role("alert")).to_be_visible()
    desk.shot("move-refused")
    page.get_by_label("Time").fill("15:00")
    page.get_by_role("button", name="Move", exact=True).click()
    shown(desk, "Moved.")
    with tenancy.scope([scene.cast.clinic.id]):
        visit.refresh_from_db()
    assert visit.starts_at == scene.today_at(15)


def test_a_visit_is_cancelled_with_a_reason_and_that_is_undone(desk: Desk):
    page, scene = desk.page, desk.scene
    visit = scene.book(scene.patients[0], scene.today_at(14))
    desk.open(change("appointments_appointment", visit))
    page.get_by_role("link", name="Cancel the visit").click()
    page.get_by_role("button", name="Cancel the visit").click()
    expect(page.locator(".bo-field-error, .bo-error").first).to_be_visible()
    page.get_by_label("Reason").fill("Feels better")
    page.get_by_role("button", name="Cancel the visit").click()
    shown(desk, "Cancelled")
    page.get_by_role("link", name="Undo the last step").click()
    page.get_by_label("Reason").fill("It was somebody else")
    page.get_by_role("button", name="Undo the last step").click()
    shown(desk, "Scheduled")
    expect(page.get_by_role("region", name="History")).to_contain_text("Feels better")


def test_a_patient_is_registered_and_edited(desk: Desk):
    page, scene = desk.page, desk.scene
    desk.open(reverse("admin:clinics_patient_add"))
    page.get_by_label("Given name").fill("Desdemona")
    page.get_by_label("Family name").fill("Featherstonehaugh")
    page.get_by_label("Birth date").fill("1979-05-06")
    page.get_by_label("Phone", exact=True).fill("030 901820 44")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#content, main").first).to_contain_text("Featherstonehaugh")
    with tenancy.scope([scene.cast.clinic.id]):
        chart = Patient.objects.get(family_name="Featherstonehaugh")
    assert chart.phone == "+493090182044"
    desk.open(change("clinics_patient", chart))
    page.get_by_label("Given name").fill("Mona")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page).to_have_url(re.compile(r"/clinics/patient/$"))
    with tenancy.scope([scene.cast.clinic.id]):
        chart.refresh_from_db()
    assert chart.given_name == "Mona"


def test_who_saves_second_is_told_and_nothing_is_lost(desk: Desk):
    page, scene = desk.page, desk.scene
    chart = scene.patients[0]
    desk.open(change("clinics_patient", chart))
    with tenancy.scope([scene.cast.clinic.id]):
        patient_update(
            patient=chart, fields={"given_name": "Emily"}, expected_version=None, contact_only=False
        )
    page.get_by_label("Given name").fill("Amalia")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Somebody else changed this while you had it open")).to_be_visible()
    desk.shot("conflict")
    with tenancy.scope([scene.cast.clinic.id]):
        chart.refresh_from_db()
    assert chart.given_name == "Emily"


def test_a_weeks_hours_are_changed_on_one_page(desk: Desk):
    page, doctor = desk.page, desk.scene.cast.doctor
    desk.open(change("clinics_doctor", doctor))
    page.get_by_role("link", name="Working hours").last.click()
    expect(page.locator(".bo-day").first).to_contain_text("06:00–09:00")
    page.locator("fieldset.bo-row").first.get_by_label("From", exact=True).fill("07:00")
    page.get_by_role("button", name="Save the week").click()
    shown(desk, "The week is saved.")
    expect(page.locator(".bo-day").first).to_contain_text("07:00–09:00")


def test_leave_shows_the_visits_in_it_before_it_is_saved(desk: Desk):
    page, scene = desk.page, desk.scene
    scene.book(scene.patients[0], scene.today_at(10, days=1))
    away = scene.today_at(0, days=1).date()
    desk.open(reverse("admin:clinics_scheduleexception_add"))
    page.get_by_label("Kind").select_option("LEAVE")
    choose(desk, "doctor", "Harb", "Dr Harbour")
    page.locator("#id_start_date").fill(f"{away}")
    page.locator("#id_end_date").fill(f"{away + timedelta(days=1)}")
    page.get_by_role("button", name="Save", exact=True).click()
    affected = page.get_by_role("region", name="Visits booked in this time")
    expect(affected).to_contain_text("Amelia Okonkwo-Lindqvist")
    desk.shot("leave-affected")
    affected.get_by_label("I have seen them").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page).to_have_url(re.compile(r"/clinics/scheduleexception/$"))
    expect(page.locator("#result_list")).to_contain_text("Leave")


def test_switching_the_clinic_switches_everything(desk: Desk):
    page, scene = desk.page, desk.scene
    other = second_clinic(scene)
    scene.book(scene.patients[0], scene.today_at(14))
    desk.open(reverse("admin:clinic_switch"))
    page.get_by_role("button", name="Station Square Clinic").click()
    expect(page.locator(".bo-about")).to_contain_text("Station Square Clinic")
    desk.open(reverse("admin:clinics_patient_changelist"))
    expect(page.locator("#result_list")).to_contain_text(other.patient.mrn)
    expect(page.locator("#result_list")).not_to_contain_text("Okonkwo")
    desk.open(reverse("admin:clinic_switch"))
    page.get_by_role("button", name="All clinics").click()
    desk.open(reverse("admin:clinics_patient_changelist"))
    expect(page.locator("#result_list")).to_contain_text("Okonkwo")
    expect(page.locator("#result_list")).to_contain_text("Station Square Clinic")


def test_lists_are_searched_and_filtered(desk: Desk):
    page, scene = desk.page, desk.scene
    scene.book(scene.patients[0], scene.today_at(14))
    scene.book(scene.patients[1], scene.today_at(15))
    scene.book(scene.patients[1], scene.today_at(15, days=1))
    desk.open(reverse("admin:appointments_appointment_changelist"))
    rows = page.locator("#result_list tbody tr")
    expect(rows).to_have_count(2)
    desk.shot("appointments")
    page.get_by_role("searchbox").or_(page.locator("#searchbar")).first.fill("Grossmann")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("Großmann")
    desk.open(reverse("admin:appointments_appointment_changelist") + "?day=tomorrow")
    expect(rows).to_have_count(1)
    desk.open(
        reverse("admin:appointments_appointment_changelist") + "?day=all&status__exact=CANCELLED"
    )
    expect(rows).to_have_count(0)
