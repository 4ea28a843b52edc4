"""What is offered can be booked, and what is not offered cannot: for any calendar.

Hypothesis makes the hours, the bookings, the leave and the service; each grid time of the day is
then asked for. Offered and accepted have to be the same set.
"""

from datetime import time, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appointments.selectors.slots import slots_find
from appointments.services.booking import appointment_book
from core import tenancy
from core.errors import KairosError
from tests.appointments.moments import berlin
from tests.appointments.scene import Scene

DAY = berlin(hour=0)


@st.composite
def calendars(draw: st.DrawFn) -> dict[str, Any]:
    """A day: one or two stretches of work, what is already in it, and what is to be booked."""
    opens = draw(st.integers(6, 10)) * 60 + draw(st.sampled_from([0, 15, 30]))
    length = draw(st.integers(2, 5)) * 60
    stretches = [(opens, opens + length)]
    if draw(st.booleans()):
        again = opens + length + draw(st.sampled_from([30, 60, 95]))
        stretches.append((again, again + 120))
    return {
        "stretches": stretches,
        "step": draw(st.sampled_from([10, 15, 20, 30, 45])),
        "capacity": draw(st.integers(1, 3)),
        "duration": draw(st.sampled_from([15, 25, 30, 60])),
        "before": draw(st.sampled_from([0, 5, 10])),
        "after": draw(st.sampled_from([0, 5, 15])),
        "daily_cap": draw(st.sampled_from([None, None, 3])),
        "booked": draw(st.lists(st.integers(0, 120), max_size=5)),
        "leave": draw(st.one_of(st.none(), st.integers(7, 14))),
    }


def wall(minutes: int) -> time:
    return time(minutes // 60 % 24, minutes % 60)


@given(plan=calendars())
@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_offered_is_accepted_and_the_rest_is_refused(cast: Scene, plan: dict[str, Any]):
    with transaction.atomic():
        ground = cast.own
        doctor = ground.add_doctor(max_daily_appointments=plan["daily_cap"])
        for start, end in plan["stretches"]:
            ground.add_hours(
                doctor,
                wall(start),
                wall(end),
                weekdays=[DAY.isoweekday()],
                slot_minutes=plan["step"],
                capacity=plan["capacity"],
            )
        service = ground.add_service(
            duration_minutes=plan["duration"],
            buffer_before_minutes=plan["before"],
            buffer_after_minutes=plan["after"],
        )
        charts = [ground.add_chart().id for _ in range(2)]
        fields = {"doctor": doctor.id, "location": ground.location.id, "service": service.id}
        opens = plan["stretches"][0][0]
        with tenancy.scope(()):
            by = ground.admin.principal()

            def accepts(start, patient) -> bool:
                """Whether it can be booked; taken back again."""
                try:
                    with transaction.atomic():
                        appointment_book(by=by, patient=patient, starts_at=start, **fields)
                        transaction.set_rollback(True)
                except KairosError:
                    return False
                return True

            for offset in plan["booked"]:
                start = DAY + timedelta(minutes=opens + 5 * offset)
                if accepts(start, charts[0]):
                    appointment_book(
                        by=by, patient=ground.add_chart().id, starts_at=start, **fields
                    )
            if plan["leave"] is not None:
                _leave(ground, doctor, plan["leave"])
            by = ground.admin.principal()
            offered = {
                slot.starts_at: slot.remaining
                for slot in slots_find(
                    clinics=[ground.clinic.id],
                    doctors=[doctor.id],
                    start=DAY,
                    end=DAY + timedelta(days=1),
                    location=ground.location.id,
                    service=service.id,
                    mode="IN_PERSON",
                    patient_rules=False,
                )
            }
            for start, end in plan["stretches"]:
                for minute in range(start, end, plan["step"]):
                    moment = DAY + timedelta(minutes=minute)
                    accepted = accepts(moment, charts[1])
                    assert accepted == (moment in offered), moment
            assert all(1 <= left <= plan["capacity"] for left in offered.values())
        transaction.set_rollback(True)


def _leave(ground, doctor, hour: int) -> None:
    answer = ground.admin.api.post(
        "schedule-exceptions",
        {
            "clinic": ground.clinic.id,
            "doctor": doctor.id,
            "kind": "LEAVE",
            "start_date": DAY.date(),
            "end_date": DAY.date(),
            "start_time": f"{hour:02d}:20",
            "end_time": f"{hour + 1:02d}:40",
        },
    )
    assert answer.status_code == 201, answer.content


@pytest.mark.parametrize("minute", [0, 10, 20, 30])
def test_staff_may_book_off_the_grid_what_fits(cast: Scene, minute: int):
    """The grid is what is offered; the hours and the other visits are what binds."""
    cast.own.book(berlin(hour=12, minute=minute))
