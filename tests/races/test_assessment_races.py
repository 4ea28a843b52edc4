"""Two assessments that want each other's time: both sessions or neither, and nobody is stuck.

Pairs cross when each wants first what the other wants second. What counts is the database
afterwards: never half a pair; and that no answer is a server's fault, a deadlock included.
"""

import contextlib
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError, connection

from appointments.models import Appointment, AppointmentEvent, BusyTime
from appointments.services import assessments, calendar
from appointments.services.assessments import assessment_book
from clinics.models import Doctor
from core import tenancy
from core.errors import KairosError
from tests.appointments.scene import House, Scene, house
from tests.races.test_negative_controls import connected_to
from tests.races.volley import Answer, Shot, Volley

ROUNDS = 18


def at(day: int, hour: int = 9) -> datetime:
    """A moment some days from today, inside the house's hours (08:00-17:00 Berlin)."""
    today = datetime.now(tz=UTC).replace(hour=hour, minute=0, second=0, microsecond=0)
    return today + timedelta(days=day)


def wanted(
    ground: House, doctor: Doctor, patient: UUID, first: datetime, second: datetime
) -> dict[str, Any]:
    return {
        "patient": patient,
        "doctor": doctor.id,
        "location": ground.location.id,
        "first": {"starts_at": first.isoformat()},
        "second": {"starts_at": second.isoformat()},
    }


def shot(ground: House, *args: Any) -> Shot:
    return Shot(ground.reception, "assessments", wanted(ground, *args))


def tally(answers: list[Answer]) -> Counter[tuple[int, str | None]]:
    """How many answers of each kind; a fault of the server, or a deadlock, fails with its body."""
    assert [answer.body for answer in answers if answer.status >= 500] == []
    return Counter((answer.status, answer.code) for answer in answers)


def pairs_of(doctors: list[Doctor]) -> int:
    """Whole pairs in the database; each session has its claim, its event, and its other half."""
    with tenancy.scope(tenancy.SYSTEM):
        visits = list(Appointment.objects.filter(doctor__in=doctors))
        ids = [visit.id for visit in visits]
        assert BusyTime.objects.filter(appointment_id__in=ids).count() == len(visits)
        assert AppointmentEvent.objects.filter(appointment_id__in=ids).count() == len(visits)
    firsts = {visit.id for visit in visits if visit.parent_appointment_id is None}
    seconds = Counter(visit.parent_appointment_id for visit in visits if visit.id not in firsts)
    assert seconds == dict.fromkeys(firsts, 1), "half a pair"
    return len(firsts)


def test_crossing_pairs_of_one_doctor_one_of_them_wins(cast: Scene, volley: Volley):
    """Monday and Tuesday, Tuesday and Wednesday: they meet in the middle. With caps and without."""
    ground = cast.own
    doctors = [ground.doctor, ground.add_doctor(max_weekly_appointments=100)]
    ground.add_hours(doctors[1])
    won = 0
    for number in range(ROUNDS):
        doctor, hour = doctors[number % 2], 8 + 2 * (number // 2 % 3)
        day = 1 + 3 * (number // 6)
        charts = [ground.add_chart().id for _ in range(2)]
        answers = volley.fire(
            [
                shot(ground, doctor, charts[0], at(day, hour), at(day + 1, hour)),
                shot(ground, doctor, charts[1], at(day + 1, hour), at(day + 2, hour)),
            ]
        )
        seen = tally(answers)
        assert set(seen) <= {(201, None), (409, "SCHEDULING_CONFLICT")}
        assert seen[201, None] == 1
        won += 1
        for answer in answers:
            if answer.status == 409:
                assert set(answer.body["errors"]) <= {"first", "second"}
    assert pairs_of(doctors) == won == ROUNDS


def test_crossing_pairs_of_one_patient_with_two_doctors(cast: Scene, volley: Volley):
    """Nobody queues for the same doctor here: the patient is what they have in common."""
    ground = cast.own
    second = ground.add_doctor()
    ground.add_hours(second)
    won = 0
    for number in range(ROUNDS):
        chart = ground.add_chart().id
        day, hour = 1 + 4 * (number // 3), 8 + 2 * (number % 3)
        answers = volley.fire(
            [
                shot(ground, ground.doctor, chart, at(day, hour), at(day + 2, hour)),
                shot(ground, second, chart, at(day + 1, hour), at(day + 2, hour)),
                shot(ground, ground.doctor, chart, at(day, hour), at(day + 3, hour)),
                shot(ground, second, chart, at(day, hour), at(day + 3, hour)),
            ]
        )
        seen = tally(answers)
        assert set(seen) <= {
            (201, None),
            (409, "SCHEDULING_CONFLICT"),
            (409, "PATIENT_CONFLICT"),
        }
        assert seen[201, None] >= 1
        won += seen[201, None]
    assert pairs_of([ground.doctor, second]) == won


def test_pairs_against_single_bookings(cast: Scene, volley: Volley):
    """Sixteen want one hour for a single visit while four want it in a pair."""
    ground = cast.own
    charts = [ground.add_chart().id for _ in range(20)]
    for day in range(1, 25, 4):
        single = ground.request(at(day + 1))
        shots = [
            Shot(ground.reception, "appointments", single | {"patient": chart})
            for chart in charts[:16]
        ]
        shots += [shot(ground, ground.doctor, chart, at(day), at(day + 1)) for chart in charts[16:]]
        seen = tally(volley.fire(shots))
        assert seen == {(201, None): 1, (409, "SCHEDULING_CONFLICT"): 19}
        with tenancy.scope(tenancy.SYSTEM):
            of_doctor = Appointment.objects.filter(doctor=ground.doctor)
            (taken,) = of_doctor.filter(starts_at=at(day + 1))
            before = of_doctor.filter(starts_at=at(day)).values_list("id", flat=True)
            assert list(before) == [one for one in [taken.parent_appointment_id] if one]


def test_the_last_two_of_a_week_go_to_one_pair(cast: Scene, volley: Volley):
    """A weekly cap with room for two: of eight pairs at different hours one is booked whole."""
    ground = cast.own
    doctor = ground.add_doctor(max_weekly_appointments=2)
    ground.add_hours(doctor)
    monday = 7 - datetime.now(tz=UTC).weekday()
    shots = [
        shot(
            ground,
            doctor,
            ground.add_chart().id,
            at(monday + number % 3, 8 + number % 4),
            at(monday + 3 + number % 2, 8 + number % 5),
        )
        for number in range(8)
    ]
    seen = tally(volley.fire(shots))
    assert seen[201, None] == 1
    assert set(seen) <= {
        (201, None),
        (409, "WEEKLY_CAP_REACHED"),
        (409, "SCHEDULING_CONFLICT"),
    }
    assert pairs_of([doctor]) == 1


# --- What the guards are worth ----------------------------------------------------------------


@pytest.fixture
def elsewhere(arena, clone_database):
    with connected_to(clone_database()):
        yield


def contend(ground: House, doctor: Doctor, pairs: list[tuple[datetime, datetime]]) -> Counter[str]:
    """Each books its pair from a thread of its own; what became of them."""

    def book(pair: tuple[datetime, datetime]) -> str:
        try:
            with tenancy.scope(()):
                assessment_book(
                    by=ground.reception.principal(),
                    doctor=doctor.id,
                    patient=charts[pair],
                    location=ground.location.id,
                    first=pair[0],
                    second=pair[1],
                )
        except KairosError as refusal:
            return refusal.code.value
        except OperationalError:
            return "deadlock"
        finally:
            connection.close()
        return "booked"

    charts = {pair: ground.add_chart().id for pair in pairs}
    with ThreadPoolExecutor(len(pairs)) as threads:
        return Counter(threads.map(book, pairs))


CROSSING = [(at(1), at(2)), (at(2), at(3)), (at(2), at(4)), (at(1), at(4))]


def judged_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody claims before everyone has been told that the times are free."""
    everyone = threading.Barrier(len(CROSSING), timeout=20)
    write = assessments.appointments_book_all

    def write_together(rows):
        with contextlib.suppress(threading.BrokenBarrierError):
            everyone.wait()
        return write(rows)

    monkeypatch.setattr(assessments, "appointments_book_all", write_together)


def test_without_the_queue_the_constraint_leaves_no_half_either(elsewhere, monkeypatch):
    """Everyone judged the times free: some learn of it late, some by a deadlock; none is half."""
    ground = house("ground")
    monkeypatch.setattr(calendar, "lock_keys", lambda *_, **__: [])
    judged_together(monkeypatch)
    seen = contend(ground, ground.doctor, CROSSING)
    assert seen["booked"] <= 2
    assert seen["booked"] + seen["SCHEDULING_CONFLICT"] + seen["deadlock"] == len(CROSSING)
    assert pairs_of([ground.doctor]) == seen["booked"]


def test_without_the_queue_a_weeks_cap_is_passed(elsewhere, monkeypatch):
    """The negative control: the race is real. No constraint counts; the doctor's queue does."""
    ground = house("ground")
    doctor = ground.add_doctor(max_weekly_appointments=2)
    ground.add_hours(doctor)
    monkeypatch.setattr(calendar, "lock_keys", lambda *_, **__: [])
    judged_together(monkeypatch)
    monday = 7 - datetime.now(tz=UTC).weekday()
    apart = [(at(monday, hour), at(monday + 1, hour)) for hour in (8, 10, 12)]
    apart.append((at(monday + 2), at(monday + 3)))
    assert contend(ground, doctor, apart) == {"booked": len(apart)}
    assert pairs_of([doctor]) == len(apart)


def test_two_single_bookings_are_half_a_pair(elsewhere):
    """The negative control of all or nothing: booked one after the other, the first stays."""
    ground = house("ground")
    ground.book(at(2), patient=ground.add_chart().id)
    ground.book(at(1))
    answer = ground.reception.api.post("appointments", ground.request(at(2)))
    assert answer.status_code == 409
    with pytest.raises(AssertionError, match="half a pair"):
        pairs_of([ground.doctor])
