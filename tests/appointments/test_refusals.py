"""Every reason to refuse a booking has its code, and a refusal leaves nothing behind."""

from datetime import date, datetime, time, timedelta

import pytest

from appointments.models import BusyTime
from core import tenancy
from core.errors import ErrorCode
from tests.appointments.moments import NOW, berlin
from tests.appointments.scene import Scene
from tests.appointments.traces import nothing_left_behind, refused


def try_booking(cast: Scene, starts_at, by=None, **fields):
    with nothing_left_behind():
        return (by or cast.own.reception).api.post(
            "appointments", cast.own.request(starts_at, **fields)
        )


def exception(cast: Scene, kind: str, **fields):
    body = {
        "clinic": cast.own.clinic.id,
        "kind": kind,
        "start_date": berlin().date(),
        "end_date": berlin().date(),
    } | fields
    answer = cast.own.admin.api.post("schedule-exceptions", body)
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_booking_that_fits_is_made(cast: Scene):
    made = cast.own.book(berlin(), reason="Cough")
    assert made["status"] == "SCHEDULED"
    assert made["starts_at"] == "2035-06-05T07:00:00Z"
    assert made["ends_at"] == "2035-06-05T07:30:00Z"
    assert made["timezone"] == "Europe/Berlin"
    assert made["source"] == "STAFF"
    assert made["version"] == 1


@pytest.mark.parametrize(
    "past", [timedelta(minutes=1), timedelta(days=1), timedelta(days=400), timedelta(days=4000)]
)
def test_the_past_is_too_soon_for_anyone(cast: Scene, past: timedelta):
    doctor = cast.own.add_doctor()
    cast.own.add_hours(doctor, time(0), time(0))
    refused(try_booking(cast, NOW - past, doctor=doctor.id), 409, "TOO_SOON")
    cast.own.book(NOW, doctor=doctor.id)


def test_notice_binds_patients_and_not_staff(cast: Scene):
    cast.own.policy(min_notice_minutes=180)
    soon = berlin(days=0, hour=9, minute=30)  # two and a half hours from now
    refused(try_booking(cast, soon, by=cast.own.patient, patient=...), 409, "TOO_SOON")
    cast.own.book(soon)


def test_notice_of_a_service_replaces_the_clinics(cast: Scene):
    cast.own.policy(min_notice_minutes=24 * 60)
    quick = cast.own.add_service(min_notice_minutes=60)
    slow = cast.own.add_service(min_notice_minutes=48 * 60)
    today, tomorrow = berlin(days=0, hour=9), berlin(days=1, hour=9)
    mine = {"by": cast.own.patient, "patient": ...}
    refused(try_booking(cast, today, **mine), 409, "TOO_SOON")
    refused(try_booking(cast, tomorrow, service=slow.id, **mine), 409, "TOO_SOON")
    cast.own.book(today, service=quick.id, **mine)


def test_beyond_the_horizon(cast: Scene):
    cast.own.policy(horizon_days=30)
    refused(try_booking(cast, berlin(days=31)), 409, "BEYOND_HORIZON")
    far = cast.own.add_service(horizon_days=60)
    near = cast.own.add_service(horizon_days=7)
    cast.own.book(berlin(days=31), service=far.id)
    refused(try_booking(cast, berlin(days=8), service=near.id), 409, "BEYOND_HORIZON")


@pytest.mark.parametrize(
    ("hour", "minute", "why"),
    [
        (7, 30, "before opening"),
        (16, 45, "across closing time"),
        (17, 0, "at closing time"),
        (23, 0, "at night"),
    ],
)
def test_outside_working_hours(cast: Scene, hour: int, minute: int, why: str):
    refused(try_booking(cast, berlin(hour=hour, minute=minute)), 409, "OUTSIDE_WORKING_HOURS")


def test_the_lunch_gap_is_outside_working_hours(cast: Scene):
    doctor = cast.own.add_doctor()
    cast.own.add_hours(doctor, time(8), time(12))
    cast.own.add_hours(doctor, time(13), time(17))
    for minute in (11 * 60 + 45, 12 * 60, 12 * 60 + 45):
        start = berlin(hour=minute // 60, minute=minute % 60)
        refused(try_booking(cast, start, doctor=doctor.id), 409, "OUTSIDE_WORKING_HOURS")
    cast.own.book(berlin(hour=13), doctor=doctor.id)


def test_no_hours_on_that_weekday(cast: Scene):
    doctor = cast.own.add_doctor()
    cast.own.add_hours(doctor, weekdays=[1])
    refused(try_booking(cast, berlin(), doctor=doctor.id), 409, "OUTSIDE_WORKING_HOURS")
    cast.own.book(berlin(days=7), doctor=doctor.id)


def test_hours_have_a_first_and_a_last_day(cast: Scene):
    doctor = cast.own.add_doctor()
    cast.own.add_hours(doctor, valid_from=date(2035, 6, 6), valid_to=date(2035, 6, 7))
    for days, fits in ((1, False), (2, True), (3, True), (4, False)):
        start = berlin(days=days)
        if fits:
            cast.own.book(start, doctor=doctor.id)
        else:
            refused(try_booking(cast, start, doctor=doctor.id), 409, "OUTSIDE_WORKING_HOURS")


@pytest.mark.parametrize("whose", ["doctor", "location", "clinic"])
def test_a_closed_day(cast: Scene, whose: str):
    named = {} if whose == "clinic" else {whose: getattr(cast.own, whose).id}
    exception(cast, "CLOSED", **named)
    refused(try_booking(cast, berlin()), 409, "OUTSIDE_WORKING_HOURS")
    cast.own.book(berlin(days=2))


def test_a_closed_hour(cast: Scene):
    exception(cast, "CLOSED", start_time="09:00", end_time="10:00")
    for minute in (45, 0, 30):
        start = berlin(hour=8 if minute == 45 else 9, minute=minute)
        refused(try_booking(cast, start), 409, "OUTSIDE_WORKING_HOURS")
    cast.own.book(berlin(hour=10))


def test_on_leave(cast: Scene):
    exception(cast, "LEAVE", doctor=cast.own.doctor.id)
    refused(try_booking(cast, berlin()), 409, "DOCTOR_ON_LEAVE")


def test_taken_time_comes_with_the_nearest_free_times(cast: Scene):
    for hour, minute in ((9, 0), (9, 30), (8, 30)):
        cast.own.book(berlin(hour=hour, minute=minute), patient=cast.own.add_chart().id)
    body = refused(try_booking(cast, berlin()), 409, "SCHEDULING_CONFLICT")
    offered = [slot["starts_at"] for slot in body["alternatives"]]
    # 08:00 and 10:00 are both an hour away (the earlier first), then 10:30, 11:00, 11:30.
    assert offered == [
        f"2035-06-05T{hour}:00Z" for hour in ("06:00", "08:00", "08:30", "09:00", "09:30")
    ]
    cast.own.book(datetime.fromisoformat(offered[0]))


def test_overlapping_by_one_minute_is_a_conflict_touching_is_not(cast: Scene):
    cast.own.book(berlin())
    other = cast.own.add_chart().id
    late = berlin() + timedelta(minutes=29)
    refused(try_booking(cast, late, patient=other), 409, "SCHEDULING_CONFLICT")
    cast.own.book(berlin() + timedelta(minutes=30), patient=other)


def test_the_patient_has_another_visit(cast: Scene):
    second = cast.own.add_doctor()
    cast.own.add_hours(second)
    cast.own.book(berlin())
    refused(
        try_booking(cast, berlin(minute=15), doctor=second.id),
        409,
        "PATIENT_CONFLICT",
    )


def test_the_room_is_taken(cast: Scene):
    second = cast.own.add_doctor()
    cast.own.add_hours(second)
    cast.own.book(berlin(), room=cast.own.room.id)
    fields = {"doctor": second.id, "patient": cast.own.add_chart().id}
    refused(try_booking(cast, berlin(), room=cast.own.room.id, **fields), 409, "ROOM_CONFLICT")
    cast.own.book(berlin(), room=cast.own.add_room().id, **fields)


def test_a_group_of_one_doctor_shares_the_room(cast: Scene):
    doctor = cast.own.add_doctor()
    cast.own.add_hours(doctor, capacity=3)
    for _ in range(3):
        cast.own.book(
            berlin(), doctor=doctor.id, room=cast.own.room.id, patient=cast.own.add_chart().id
        )


def test_in_person_needs_a_location(cast: Scene):
    refused(try_booking(cast, berlin(), location=...), 400, "LOCATION_REQUIRED")


def test_a_service_is_offered_in_its_own_ways(cast: Scene):
    refused(try_booking(cast, berlin(), type="VIDEO_CALL"), 400, "INVALID_APPOINTMENT_TYPE")


def test_hours_for_another_way_to_meet(cast: Scene):
    video = cast.own.add_service(modes=["VIDEO_CALL"])
    refused(
        try_booking(cast, berlin(), type="VIDEO_CALL", service=video.id),
        409,
        "OUTSIDE_WORKING_HOURS",
    )


def test_hours_kept_for_some_services(cast: Scene):
    doctor = cast.own.add_doctor()
    only = cast.own.add_service()
    cast.own.add_hours(doctor, services=[only])
    refused(try_booking(cast, berlin(), doctor=doctor.id), 409, "OUTSIDE_WORKING_HOURS")
    cast.own.book(berlin(), doctor=doctor.id, service=only.id)


@pytest.mark.parametrize(
    ("cap", "code"),
    [
        ({"max_daily_appointments": 2}, "DAILY_CAP_REACHED"),
        ({"max_weekly_appointments": 2}, "WEEKLY_CAP_REACHED"),
    ],
)
def test_caps_count_no_shows_and_late_cancellations(cast: Scene, cap: dict, code: str):
    """What counts is whoever took the place: not those who cancelled in time."""
    doctor = cast.own.add_doctor(**cap)
    cast.own.add_hours(doctor)
    cast.own.policy(cancel_cutoff_minutes=24 * 60)
    today = berlin(days=0, hour=8)

    def book(number: int) -> dict:
        start = today + timedelta(minutes=30 * number)
        return cast.own.book(start, doctor=doctor.id, patient=cast.own.add_chart().id)

    missed, late = book(0), book(1)
    full = try_booking(cast, today + timedelta(hours=3), doctor=doctor.id)
    refused(full, 409, code)
    desk = cast.own.reception.api
    reason = {"reason": "x"}
    assert desk.post(f"appointments/{missed['id']}/no-show", reason).status_code == 200
    cancelled = desk.post(f"appointments/{late['id']}/cancel", reason).json()
    assert cancelled["late_cancellation"] is True
    refused(try_booking(cast, today + timedelta(hours=3), doctor=doctor.id), 409, code)


def test_a_cancellation_in_time_gives_the_place_back(cast: Scene):
    doctor = cast.own.add_doctor(max_daily_appointments=1)
    cast.own.add_hours(doctor)
    made = cast.own.book(berlin(days=3), doctor=doctor.id)
    later = berlin(days=3, hour=11)
    refused(try_booking(cast, later, doctor=doctor.id), 409, "DAILY_CAP_REACHED")
    answer = cast.own.reception.api.post(f"appointments/{made['id']}/cancel", {"reason": "x"})
    assert answer.json()["late_cancellation"] is False
    cast.own.book(later, doctor=doctor.id)


def test_the_week_of_a_cap_begins_on_monday(cast: Scene):
    doctor = cast.own.add_doctor(max_weekly_appointments=1)
    cast.own.add_hours(doctor)
    cast.own.book(berlin(days=6), doctor=doctor.id)  # Sunday
    refused(try_booking(cast, berlin(days=1), doctor=doctor.id), 409, "WEEKLY_CAP_REACHED")
    cast.own.book(berlin(days=7), doctor=doctor.id)  # the next Monday


def test_a_hold_that_is_gone(cast: Scene):
    hold = cast.own.reception.api.post("slots/holds", cast.own.request(berlin(), patient=...))
    assert hold.status_code == 201, hold.content
    wanted = {"hold": hold.json()["id"]}
    refused(try_booking(cast, berlin(), by=cast.own.admin, **wanted), 410, "HOLD_EXPIRED")
    with tenancy.scope(tenancy.SYSTEM):
        BusyTime.objects.filter(id=hold.json()["id"]).update(expires_at=NOW)
    refused(try_booking(cast, berlin(), **wanted), 410, "HOLD_EXPIRED")


def test_a_hold_is_for_its_own_time(cast: Scene):
    hold = cast.own.reception.api.post("slots/holds", cast.own.request(berlin(), patient=...))
    answer = try_booking(cast, berlin(hour=11), hold=hold.json()["id"])
    refused(answer, 400, "VALIDATION_ERROR", hold="another time")


def test_a_held_time_is_refused_with_alternatives_and_not_on_offer(cast: Scene):
    cast.own.patient.api.post("slots/holds", cast.own.request(berlin(), patient=...))
    body = refused(try_booking(cast, berlin()), 409, "SCHEDULING_CONFLICT")
    offered = cast.own.reception.api.get(
        f"appointments/doctor/{cast.own.doctor.id}/availability",
        date=berlin().date(),
        service=cast.own.service.id,
    ).json()["results"]
    for slots in (body["alternatives"], offered):
        assert slots
        assert "2035-06-05T07:00:00Z" not in [slot["starts_at"] for slot in slots]


def test_overbooking_over_a_hold_takes_a_further_lane(cast: Scene):
    cast.own.patient.api.post("slots/holds", cast.own.request(berlin(), patient=...))
    cast.own.book(berlin(), override={"reason": "urgent"})


def test_an_expired_hold_is_in_nobodys_way(cast: Scene):
    hold = cast.own.reception.api.post("slots/holds", cast.own.request(berlin(), patient=...))
    refused(try_booking(cast, berlin()), 409, "SCHEDULING_CONFLICT")
    with tenancy.scope(tenancy.SYSTEM):
        BusyTime.objects.filter(id=hold.json()["id"]).update(expires_at=NOW)
    cast.own.book(berlin())


def test_every_booking_code_of_the_catalogue_is_tested():
    """Each code stands in one of these files, so that a new one cannot be forgotten."""
    from pathlib import Path  # noqa: PLC0415 - only this test reads files

    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    codes = list(ErrorCode)
    first = codes.index(ErrorCode.APPOINTMENT_NOT_FOUND)
    last = codes.index(ErrorCode.CANCEL_CUTOFF_PASSED)
    assert [code for code in codes[first : last + 1] if f'"{code.value}"' not in text] == []
