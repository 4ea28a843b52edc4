"""Visits that were there before the leave: however they go, no hole is left in it."""

from datetime import timedelta

import pytest

from appointments.models import BusyTime
from core import tenancy
from tests.appointments.moments import berlin
from tests.appointments.scene import House, Scene
from tests.appointments.test_leave import except_
from tests.appointments.traces import nothing_left_behind, refused

URGENT = {"override": {"reason": "urgent"}}


def cancel(ground: House, visit: dict) -> None:
    answer = ground.reception.api.post(f"appointments/{visit['id']}/cancel", {"reason": "leave"})
    assert answer.status_code == 200, answer.content


def stays_closed(cast: Scene, *moments) -> None:
    """Nobody gets in there, overriding or not."""
    for moment in moments:
        times = {"service": ..., "ends_at": moment + timedelta(minutes=10)}
        for more in ({}, URGENT):
            with nothing_left_behind():
                answer = cast.own.admin.api.post(
                    "appointments", cast.own.request(moment, **times, **more)
                )
            refused(answer, 409, "DOCTOR_ON_LEAVE")


def test_cancelled(cast: Scene):
    made = cast.own.book(berlin())
    except_(cast, "LEAVE")
    cancel(cast.own, made)
    stays_closed(cast, berlin(), berlin(minute=20))


def test_a_group_cancelled_one_by_one(cast: Scene):
    cast.own.add_hours(start=berlin(hour=18).time(), end=berlin(hour=20).time(), capacity=3)
    group = [cast.own.book(berlin(hour=18), patient=cast.own.add_chart().id) for _ in range(3)]
    except_(cast, "LEAVE")
    for made in group:
        cancel(cast.own, made)
    stays_closed(cast, berlin(hour=18), berlin(hour=18, minute=20))


def test_overbooked_and_cancelled(cast: Scene):
    first = cast.own.book(berlin())
    second = cast.own.book(berlin(), patient=cast.own.add_chart().id, **URGENT)
    except_(cast, "LEAVE")
    cancel(cast.own, first)
    cancel(cast.own, second)
    stays_closed(cast, berlin())


def test_across_the_edge_of_a_leave(cast: Scene):
    made = cast.own.book(berlin(minute=45))
    except_(cast, "LEAVE", start_time="10:00", end_time="12:00")
    cancel(cast.own, made)
    stays_closed(cast, berlin(hour=10))
    cast.own.book(berlin(minute=30))


def test_with_buffers(cast: Scene):
    service = cast.own.add_service(buffer_before_minutes=15, buffer_after_minutes=15)
    made = cast.own.book(berlin(), service=service.id)
    except_(cast, "LEAVE")
    cancel(cast.own, made)
    stays_closed(cast, berlin(hour=8, minute=45), berlin(), berlin(minute=30))


@pytest.mark.parametrize("cancelled", [True, False])
def test_of_the_doctors_other_clinic(cast: Scene, cancelled: bool):
    """The leave can still be taken back, and then the time is free again, in both clinics."""
    cast.other.doctor_of(cast.own.doctor)
    hours = {
        "clinic": cast.other.clinic.id,
        "doctor": cast.own.doctor.id,
        "location": cast.other.location.id,
        "kind": "HOURS",
        "start_date": berlin().date(),
        "end_date": berlin().date(),
        "start_time": "08:00",
        "end_time": "20:00",
    }
    assert cast.other.admin.api.post("schedule-exceptions", hours).status_code == 201
    made = cast.other.book(berlin(), doctor=cast.own.doctor.id)
    leave = except_(cast, "LEAVE").json()
    assert leave["affected"] == []  # theirs are theirs
    if cancelled:
        cancel(cast.other, made)
    answer = cast.own.admin.api.delete(f"schedule-exceptions/{leave['id']}")
    assert answer.status_code == 204, answer.content
    with tenancy.scope(tenancy.SYSTEM):
        left = BusyTime.objects.filter(doctor=cast.own.doctor)
        assert [claim.kind for claim in left] == ([] if cancelled else ["BOOKED"])


def test_leave_inside_leave(cast: Scene):
    """A half day is entered, then the whole day; either is taken back on its own."""
    half = except_(cast, "LEAVE", start_time="09:00", end_time="12:00").json()
    whole = except_(cast, "LEAVE").json()
    stays_closed(cast, berlin(), berlin(hour=14))
    assert cast.own.admin.api.delete(f"schedule-exceptions/{half['id']}").status_code == 204
    stays_closed(cast, berlin(hour=14), berlin())
    assert cast.own.admin.api.delete(f"schedule-exceptions/{whole['id']}").status_code == 204
    cast.own.book(berlin())
