"""Visits that lie in a leave: where they could go, and what becomes of what was chosen."""

from datetime import time, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from appointments.models import Appointment, AppointmentEvent, BusyTime, Verb
from appointments.services.reschedule import appointment_reschedule
from clinics.models import Doctor, ScheduleException
from core import tenancy
from core.ids import uuid7
from tests.appointments.moments import BERLIN, berlin
from tests.casts import Cast, build_patient
from tests.dashboard.care import (
    ALL_WEEK,
    TUESDAY,
    WEDNESDAY,
    AtDesk,
    acting,
    another_doctor,
    booked,
    fresh,
    leave_of,
    listed,
    more_hours,
    sent,
    text_of,
)

# --- Where the visits go --------------------------------------------------------------------------


def test_each_visit_is_offered_the_doctor_later_and_another_at_its_time(house: Cast, other: Doctor):
    visit = booked(house, berlin())
    leave = leave_of(house, house.doctor, TUESDAY, WEDNESDAY)
    (row,) = listed(AtDesk(house.receptionist, house), leave).context["rows"]
    same, there = row.suggestion.same, row.suggestion.other
    assert row.suggestion.visit.id == visit.id
    assert (same.doctor, same.starts_at) == (house.doctor, berlin(days=3))
    assert (there.doctor, there.starts_at) == (other, berlin())


def test_no_two_visits_are_offered_the_same_place(house: Cast, other: Doctor):
    for number in range(6):
        patient = build_patient(house.clinic, f"Pat{number}", "One")
        booked(house, berlin(hour=9 + number // 2, minute=30 * (number % 2)), patient)
    taken = build_patient(house.clinic, "Someone", "Else")
    booked(house, berlin(hour=10), taken, doctor=other.id)
    leave = leave_of(house, house.doctor, TUESDAY, TUESDAY)
    rows = listed(AtDesk(house.receptionist, house), leave).context["rows"]
    places = [
        (place.doctor.id, place.starts_at)
        for row in rows
        for place in (row.suggestion.same, row.suggestion.other)
    ]
    assert len(places) == 12
    assert len(set(places)) == 12
    assert (other.id, berlin(hour=10)) not in places


def test_a_patient_is_not_offered_two_places_at_one_time(house: Cast, other: Doctor):
    booked(house, berlin())
    booked(house, berlin(days=3, hour=9), doctor=other.id)  # the same patient's
    leave = leave_of(house, house.doctor, TUESDAY, WEDNESDAY)
    (row,) = listed(AtDesk(house.receptionist, house), leave).context["rows"]
    assert row.suggestion.same.starts_at == berlin(days=3, hour=9, minute=30)


def test_all_are_rebooked_as_chosen_and_nothing_is_lost(house: Cast, other: Doctor):
    visits = [
        booked(house, berlin(hour=9 + number), build_patient(house.clinic, f"P{number}", "X"))
        for number in range(3)
    ]
    leave = leave_of(house, house.doctor, TUESDAY, TUESDAY)
    desk = AtDesk(house.receptionist, house)
    page = listed(desk, leave)
    values = sent(page)
    rows = {row.suggestion.visit.id: row for row in page.context["rows"]}
    moved, dropped, kept = visits
    there = rows[moved.id].suggestion.other
    values[f"to-{moved.id}"] = f"{there.starts_at.isoformat()}|{there.doctor.id}|{there.location}"
    values[f"to-{dropped.id}"] = "cancel"
    values[f"to-{kept.id}"] = "keep"
    values["cancel_reason"] = "No other time suits"
    answer = desk.post("desk-leave-affected", values, exception_id=leave.id)
    assert answer.status_code == 302
    after = fresh(moved)
    assert (after.doctor_id, after.starts_at, after.status) == (other.id, berlin(), "SCHEDULED")
    assert (fresh(dropped).status, fresh(dropped).cancel_reason) == (
        "CANCELLED",
        "No other time suits",
    )
    assert fresh(kept).version == kept.version
    shown = desk.client.get(answer.headers["Location"])
    assert {one.id for one in shown.context["changed"]} == {moved.id, dropped.id}
    assert [row.suggestion.visit.id for row in shown.context["rows"]] == [kept.id]
    assert (shown.context["total"], shown.context["finished"]) == (3, 2)
    assert "1 visit was moved." in text_of(shown)
    assert "1 visit was cancelled." in text_of(shown)
    with tenancy.scope(tenancy.SYSTEM):
        event = AppointmentEvent.objects.get(appointment=moved, verb=Verb.RESCHEDULE)
    assert event.reason == "The doctor is away."
    assert event.actor_id == house.receptionist.id


def test_what_cannot_be_moved_stays_with_its_reason_and_a_new_suggestion(
    house: Cast, other: Doctor
):
    lost, won = (
        booked(house, berlin(hour=9 + number), build_patient(house.clinic, f"P{number}", "X"))
        for number in range(2)
    )
    leave = leave_of(house, house.doctor, TUESDAY, TUESDAY)
    desk = AtDesk(house.receptionist, house)
    page = listed(desk, leave, prefer="other")
    # Meanwhile somebody books the place that was offered.
    booked(house, berlin(), build_patient(house.clinic, "Quick", "One"), doctor=other.id)
    answer = desk.post("desk-leave-affected", sent(page), exception_id=leave.id)
    shown = desk.client.get(answer.headers["Location"])
    (row,) = shown.context["rows"]
    assert row.suggestion.visit.id == lost.id
    assert row.refused == "This time is taken"
    assert row.suggestion.other.starts_at == berlin(minute=30)
    assert "It stays booked as it was." in text_of(shown)
    assert fresh(lost).starts_at == berlin()
    assert fresh(won).doctor_id == other.id
    with tenancy.scope(tenancy.SYSTEM):
        assert BusyTime.objects.filter(appointment=lost).count() == 1


def test_what_a_colleague_has_moved_is_not_moved_again(house: Cast, other: Doctor):
    visit = booked(house, berlin())
    leave = leave_of(house, house.doctor, TUESDAY, TUESDAY)
    desk = AtDesk(house.receptionist, house)
    page = listed(desk, leave)
    with tenancy.scope(tenancy.SYSTEM):
        appointment_reschedule(
            appointment_id=visit.id, by=acting(house.clinic_admin), starts_at=berlin(days=7)
        )
    answer = desk.post("desk-leave-affected", sent(page), exception_id=leave.id)
    shown = desk.client.get(answer.headers["Location"])
    assert fresh(visit).starts_at == berlin(days=7)
    assert shown.context["rows"] == []
    assert "somebody else has dealt with it" in text_of(shown)


def test_a_list_sent_twice_is_worked_once_and_shows_the_same(house: Cast, other: Doctor):
    visit = booked(house, berlin())
    leave = leave_of(house, house.doctor, TUESDAY, TUESDAY)
    desk = AtDesk(house.receptionist, house)
    values = sent(listed(desk, leave))
    first = desk.post("desk-leave-affected", values, exception_id=leave.id)
    second = desk.post("desk-leave-affected", values, exception_id=leave.id)
    assert first.headers["Location"] == second.headers["Location"]
    assert fresh(visit).version == visit.version + 1
    # Sent again with another choice, it is shown as it is now, and nothing is done.
    third = desk.post(
        "desk-leave-affected", values | {f"to-{visit.id}": "cancel"}, exception_id=leave.id
    )
    assert third.status_code == 302
    assert fresh(visit).status == "SCHEDULED"


def test_cancelling_without_a_reason_keeps_the_choices(house: Cast, other: Doctor):
    visit = booked(house, berlin())
    leave = leave_of(house, house.doctor, TUESDAY, TUESDAY)
    desk = AtDesk(house.receptionist, house)
    values = sent(listed(desk, leave)) | {f"to-{visit.id}": "cancel", "cancel_reason": " "}
    answer = desk.post("desk-leave-affected", values, exception_id=leave.id)
    assert answer.status_code == 400
    assert answer.context["rows"][0].chosen == "cancel"
    assert "Say why these visits are cancelled." in text_of(answer)
    assert fresh(visit).status == "SCHEDULED"


@pytest.mark.parametrize(
    "to", ["x", "2035-06-06T09:00:00|x|", "2035-06-06T09:00:00+00:00|x|", "||", "cancel|"]
)
def test_a_choice_that_is_none_is_refused(house: Cast, other: Doctor, to: str):
    visit = booked(house, berlin())
    leave = leave_of(house, house.doctor, TUESDAY, TUESDAY)
    desk = AtDesk(house.receptionist, house)
    values = sent(listed(desk, leave)) | {f"to-{visit.id}": to}
    assert desk.post("desk-leave-affected", values, exception_id=leave.id).status_code == 400


def test_a_visit_of_another_clinic_cannot_be_slipped_in(house: Cast, outsider: Cast, other: Doctor):
    booked(house, berlin())
    foreign = booked(outsider, berlin(days=7))
    leave = leave_of(house, house.doctor, TUESDAY, TUESDAY)
    desk = AtDesk(house.receptionist, house)
    values = sent(listed(desk, leave))
    values |= {f"to-{foreign.id}": "cancel", f"version-{foreign.id}": "1", "cancel_reason": "x"}
    answer = desk.post("desk-leave-affected", values, exception_id=leave.id)
    assert answer.status_code == 302
    assert fresh(foreign).status == "SCHEDULED"


def test_a_doctor_moves_their_own_visits_to_their_own_times(house: Cast, other: Doctor):
    visit = booked(house, berlin())
    leave = leave_of(house, house.doctor, TUESDAY, TUESDAY)
    desk = AtDesk(house.doctor_user, house)
    page = listed(desk, leave)
    (row,) = page.context["rows"]
    assert row.suggestion.other is None
    desk.post("desk-leave-affected", sent(page), exception_id=leave.id)
    assert fresh(visit).starts_at == berlin(days=2)


def test_a_patient_who_is_here_is_shown_and_not_moved(house: Cast, other: Doctor):
    visit = booked(house, berlin())
    with tenancy.scope(tenancy.SYSTEM):
        Appointment.objects.filter(pk=visit.pk).update(status="CHECKED_IN")
    leave = leave_of(house, house.doctor, TUESDAY, TUESDAY)
    answer = listed(AtDesk(house.receptionist, house), leave)
    (row,) = answer.context["rows"]
    assert (row.may_move, row.options) == (False, [])
    assert "not moved any more" in text_of(answer)


def test_leave_of_some_hours_offers_the_same_day(house: Cast, other: Doctor):
    booked(house, berlin())
    leave = leave_of(house, house.doctor, TUESDAY, WEDNESDAY, start_time=time(9), end_time=time(10))
    (row,) = listed(AtDesk(house.receptionist, house), leave).context["rows"]
    assert row.suggestion.same.starts_at == berlin(hour=10)


def test_an_urgent_visit_is_marked_and_clinical_text_is_not_shown(house: Cast, other: Doctor):
    booked(house, berlin(), priority="URGENT")
    leave = leave_of(house, house.doctor, TUESDAY, TUESDAY)
    seen = text_of(listed(AtDesk(house.receptionist, house), leave))
    assert "Urgent" in seen
    assert "sorekneereason" not in seen


# --- Sixty visits, forty doctors ------------------------------------------------------------------


def crowd(house: Cast, doctors: int, visits: int) -> ScheduleException:
    """A leave of five days with so many visits in it, in a clinic of so many doctors."""
    more_hours(house, house.doctor, range(2, 8), time(9), time(12))
    more_hours(house, house.doctor, ALL_WEEK, time(13), time(18))
    for number in range(doctors - 1):
        stand_in = another_doctor(house, f"Dr {number:02}")
        more_hours(house, stand_in, ALL_WEEK, time(9), time(18))
    starts = [
        berlin(days=day, hour=hour, minute=minute)
        for day in range(1, 6)
        for hour in (9, 10, 11, 13, 14, 15)
        for minute in (0, 30)
    ]
    for number, start in enumerate(starts[:visits]):
        booked(house, start, build_patient(house.clinic, f"Given{number}", "Family"))
    return leave_of(house, house.doctor, TUESDAY, TUESDAY + timedelta(days=4))


def statements(desk: AtDesk, leave: ScheduleException) -> int:
    with CaptureQueriesContext(connection) as seen:
        listed(desk, leave)
    return len(seen)


def test_statements_do_not_grow_with_visits_or_doctors(house: Cast, other: Doctor):
    desk = AtDesk(house.receptionist, house)

    def list_of_leaves() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert desk.get("desk-leave").status_code == 200
        return len(seen)

    booked(house, berlin())
    leave = leave_of(house, house.doctor, TUESDAY, WEDNESDAY)
    listed(desk, leave)
    few, list_of_few = statements(desk, leave), list_of_leaves()
    for number in range(3):
        stand_in = another_doctor(house, f"Dr More{number}")
        more_hours(house, stand_in, ALL_WEEK, time(9), time(18))
        patient = build_patient(house.clinic, f"More{number}", "Family")
        booked(house, berlin(days=2, hour=9 + number), patient, doctor=other.id)
    larger = leave_of(house, other, TUESDAY, WEDNESDAY)
    assert len(listed(desk, larger).context["rows"]) == 3
    assert statements(desk, larger) == few <= 21
    assert list_of_leaves() == list_of_few <= 15


def test_sixty_visits_are_all_rebooked(house: Cast):
    leave = crowd(house, doctors=4, visits=60)
    desk = AtDesk(house.receptionist, house)
    page = listed(desk, leave, prefer="other")
    values = sent(page)
    assert sum(1 for name in values if name.startswith("to-")) == 60
    answer = desk.post("desk-leave-affected", values, exception_id=leave.id)
    shown = desk.client.get(answer.headers["Location"])
    assert shown.context["left"] == 0
    assert shown.context["refused"] == 0
    assert len(shown.context["changed"]) == 60
    with tenancy.scope(tenancy.SYSTEM):
        assert not Appointment.objects.filter(doctor=house.doctor, local_day=TUESDAY).exists()
        assert all(
            visit.starts_at.astimezone(BERLIN).hour >= 9 for visit in Appointment.objects.all()
        )


def test_more_than_a_page_is_read_on(house: Cast, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dashboard.views.rebooking.PAGE", 2)
    leave = crowd(house, doctors=2, visits=5)
    desk = AtDesk(house.receptionist, house)
    seen, query = [], {}
    while True:
        page = listed(desk, leave, **query)
        seen += [row.suggestion.visit.starts_at for row in page.context["rows"]]
        if page.context["later"] is None:
            break
        query = {"after": page.context["later"]}
    assert len(seen) == len(set(seen)) == 5
    assert seen == sorted(seen)
    nobody = desk.get("desk-leave-affected", {"done": str(uuid7())}, exception_id=leave.id)
    assert nobody.status_code == 200
