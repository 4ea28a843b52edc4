"""Overrides, buffers and group capacity: what else decides how many visits fit."""

from datetime import time, timedelta

import pytest

from appointments.models import BusyTime
from core import tenancy
from tests.appointments.moments import NOW, berlin
from tests.appointments.scene import Scene
from tests.appointments.traces import nothing_left_behind, refused

BECAUSE = {"override": {"reason": "urgent"}}


def lanes(cast: Scene) -> list[int]:
    with tenancy.scope(tenancy.SYSTEM):
        return list(
            BusyTime.objects.filter(doctor=cast.own.doctor)
            .order_by("lane")
            .values_list("lane", flat=True)
        )


def test_overbooking_takes_a_further_lane(cast: Scene):
    for number in range(3):
        made = cast.own.book(
            berlin(), patient=cast.own.add_chart().id, **(BECAUSE if number else {})
        )
        assert made["override_reason"] == ("urgent" if number else "")
    assert lanes(cast) == [0, 1, 2]
    # The regular lane stays the only one on offer.
    answer = cast.own.reception.api.post(
        "appointments", cast.own.request(berlin(), patient=cast.own.add_chart().id)
    )
    refused(answer, 409, "SCHEDULING_CONFLICT")


def test_overriding_books_outside_hours_and_caps(cast: Scene):
    doctor = cast.own.add_doctor(max_daily_appointments=1)
    cast.own.add_hours(doctor)
    cast.own.book(berlin(), doctor=doctor.id)
    cast.own.book(berlin(hour=20), doctor=doctor.id, **BECAUSE)
    cast.own.book(berlin(days=2000, hour=3), doctor=doctor.id, **BECAUSE)


def test_nothing_overrides_the_patients_own_time(cast: Scene):
    second = cast.own.add_doctor()
    cast.own.book(berlin())
    with nothing_left_behind():
        answer = cast.own.admin.api.post(
            "appointments", cast.own.request(berlin(), doctor=second.id, **BECAUSE)
        )
    refused(answer, 409, "PATIENT_CONFLICT")


def test_nothing_overrides_a_room_taken(cast: Scene):
    second = cast.own.add_doctor()
    cast.own.book(berlin(), room=cast.own.room.id)
    fields = {"doctor": second.id, "patient": cast.own.add_chart().id, "room": cast.own.room.id}
    with nothing_left_behind():
        answer = cast.own.admin.api.post(
            "appointments", cast.own.request(berlin(), **fields, **BECAUSE)
        )
    refused(answer, 409, "ROOM_CONFLICT")


def test_nothing_overrides_leave(cast: Scene):
    leave = {
        "clinic": cast.own.clinic.id,
        "doctor": cast.own.doctor.id,
        "kind": "LEAVE",
        "start_date": berlin().date(),
        "end_date": berlin().date(),
    }
    assert cast.own.admin.api.post("schedule-exceptions", leave).status_code == 201
    with nothing_left_behind():
        answer = cast.own.admin.api.post("appointments", cast.own.request(berlin(), **BECAUSE))
    refused(answer, 409, "DOCTOR_ON_LEAVE")


def test_nothing_overrides_the_past(cast: Scene):
    with nothing_left_behind():
        answer = cast.own.admin.api.post(
            "appointments", cast.own.request(NOW - timedelta(hours=2), **BECAUSE)
        )
    refused(answer, 409, "TOO_SOON")


def test_reception_overrides_where_the_clinic_allows_it(cast: Scene):
    cast.own.policy(reception_may_override=False)
    late = berlin(hour=20)
    for nobody in (cast.own.reception, cast.own.nurse, cast.own.patient):
        with nothing_left_behind():
            answer = nobody.api.post("appointments", cast.own.request(late, **BECAUSE))
        refused(answer, 403, "PERMISSION_DENIED")
    cast.own.book(late, by=cast.own.admin, **BECAUSE)
    cast.own.book(late, by=cast.own.doctor_user, patient=cast.own.add_chart().id, **BECAUSE)


def test_a_doctor_overrides_in_their_own_calendar_only(cast: Scene):
    second = cast.own.add_doctor()
    with nothing_left_behind():
        answer = cast.own.doctor_user.api.post(
            "appointments", cast.own.request(berlin(), doctor=second.id, **BECAUSE)
        )
    refused(answer, 403, "PERMISSION_DENIED")


def test_buffers_keep_visits_apart_but_are_no_part_of_them(cast: Scene):
    service = cast.own.add_service(buffer_before_minutes=10, buffer_after_minutes=15)
    made = cast.own.book(berlin(hour=10), service=service.id)
    assert (made["starts_at"][11:16], made["ends_at"][11:16]) == ("08:00", "08:30")
    charts = [cast.own.add_chart().id for _ in range(4)]
    for hour, minute in ((9, 21), (10, 44)):
        answer = cast.own.reception.api.post(
            "appointments", cast.own.request(berlin(hour=hour, minute=minute), patient=charts[0])
        )
        refused(answer, 409, "SCHEDULING_CONFLICT")
    cast.own.book(berlin(hour=9, minute=20), patient=charts[1])
    cast.own.book(berlin(hour=10, minute=45), patient=charts[2])
    # Two buffers do not overlap each other either: 15 minutes after, 10 before.
    answer = cast.own.reception.api.post(
        "appointments",
        cast.own.request(berlin(hour=11, minute=24), service=service.id, patient=charts[3]),
    )
    refused(answer, 409, "SCHEDULING_CONFLICT")
    cast.own.book(berlin(hour=11, minute=25), service=service.id, patient=charts[3])


def test_a_buffer_may_reach_out_of_the_hours(cast: Scene):
    service = cast.own.add_service(buffer_before_minutes=30, buffer_after_minutes=30)
    cast.own.book(berlin(hour=8), service=service.id)
    cast.own.book(berlin(hour=16, minute=30), service=service.id)


def test_the_patients_own_time_has_no_buffers(cast: Scene):
    """Buffers are the doctor's: the patient may go straight on to another doctor."""
    service = cast.own.add_service(buffer_after_minutes=60)
    second = cast.own.add_doctor()
    cast.own.add_hours(second)
    cast.own.book(berlin(), service=service.id)
    cast.own.book(berlin(minute=30), doctor=second.id)


@pytest.mark.parametrize(("hours", "service", "fits"), [(3, None, 3), (3, 2, 2), (2, 5, 2)])
def test_capacity_is_the_smaller_of_hours_and_service(
    cast: Scene, hours: int, service: int | None, fits: int
):
    doctor = cast.own.add_doctor()
    cast.own.add_hours(doctor, capacity=hours)
    group = cast.own.add_service(capacity=service)
    fields = {"doctor": doctor.id, "service": group.id}
    slots = f"appointments/doctor/{doctor.id}/availability"
    for left in range(fits, 0, -1):
        first = cast.own.reception.api.get(
            slots, date=berlin().date(), service=group.id, limit=3
        ).json()["results"][2]
        assert (first["starts_at"], first["remaining"]) == ("2035-06-05T07:00:00Z", left)
        cast.own.book(berlin(), patient=cast.own.add_chart().id, **fields)
    answer = cast.own.reception.api.post(
        "appointments", cast.own.request(berlin(), patient=cast.own.add_chart().id, **fields)
    )
    refused(answer, 409, "SCHEDULING_CONFLICT")


def test_a_lane_given_back_is_used_again(cast: Scene):
    doctor = cast.own.add_doctor()
    cast.own.add_hours(doctor, capacity=2)
    first, _ = (
        cast.own.book(berlin(), doctor=doctor.id, patient=cast.own.add_chart().id) for _ in range(2)
    )
    cast.own.reception.api.post(f"appointments/{first['id']}/cancel", {"reason": "x"})
    third = cast.own.book(berlin(), doctor=doctor.id, patient=cast.own.add_chart().id)
    with tenancy.scope(tenancy.SYSTEM):
        assert BusyTime.objects.get(appointment_id=third["id"]).lane == 0


def test_hours_until_midnight_and_over_it(cast: Scene):
    doctor = cast.own.add_doctor()
    cast.own.add_hours(doctor, time(20), time(0))
    cast.own.book(berlin(hour=23, minute=30), doctor=doctor.id)
    answer = cast.own.reception.api.post(
        "appointments", cast.own.request(berlin(hour=23, minute=45), doctor=doctor.id)
    )
    refused(answer, 409, "OUTSIDE_WORKING_HOURS")
