"""Bundles over the same doctors at one moment: each patient has a whole bundle, or nothing."""

from collections import Counter
from typing import Any

from appointments.models import Appointment
from clinics.models import Doctor, Patient
from core import tenancy
from tests.appointments.scene import House, Scene
from tests.races.test_booking_races import at, booked, overlaps, tally
from tests.races.volley import Shot, Volley

CONTENDERS = 16


def second_doctor(own: House) -> Doctor:
    doctor = own.add_doctor()
    own.add_hours(doctor)
    return doctor


def visit(own: House, doctor: Doctor, day: int, hour: int) -> dict[str, Any]:
    return {
        "service": own.service.id,
        "doctor": doctor.id,
        "location": own.location.id,
        "starts_at": at(day, hour).isoformat(),
    }


def of_each(charts: list[Patient]) -> Counter[int]:
    """How many patients have how many visits."""
    with tenancy.scope(tenancy.SYSTEM):
        return Counter(Appointment.objects.filter(patient=chart).count() for chart in charts)


def test_crossing_bundles_one_wins_and_nobody_has_half(cast: Scene, volley: Volley):
    """Half of them name the two doctors the other way round, which is how circles begin."""
    own = cast.own
    other = second_doctor(own)
    charts = [own.add_chart() for _ in range(CONTENDERS)]
    for day in range(3, 8):
        visits = [visit(own, own.doctor, day, 9), visit(own, other, day, 10)]
        answers = volley.fire(
            [
                Shot(
                    own.reception,
                    "appointments/bundles",
                    {"patient": chart.id, "visits": visits[:: 1 if number % 2 else -1]},
                )
                for number, chart in enumerate(charts)
            ]
        )
        assert tally(answers) == {(201, None): 1, (409, "SCHEDULING_CONFLICT"): CONTENDERS - 1}
        for refused in (answer.body for answer in answers if answer.status == 409):
            assert len(refused["refused"]) == 2
            assert refused["alternatives"]
    assert booked(own.doctor.id) == booked(other.id) == 5
    assert overlaps(own.doctor.id) == overlaps(other.id) == 0
    assert set(of_each(charts)) <= {0, 2, 4, 6, 8, 10}


def test_bundles_against_single_bookings_of_one_of_their_times(cast: Scene, volley: Volley):
    own = cast.own
    other = second_doctor(own)
    pairs = [own.add_chart() for _ in range(8)]
    alone = [own.add_chart() for _ in range(8)]
    for day in range(3, 8):
        visits = [visit(own, own.doctor, day, 9), visit(own, other, day, 10)]
        shots = [
            Shot(own.reception, "appointments/bundles", {"patient": chart.id, "visits": visits})
            for chart in pairs
        ] + [
            Shot(
                own.reception,
                "appointments",
                own.request(at(day, 10), patient=chart.id, doctor=other.id),
            )
            for chart in alone
        ]
        seen = tally(volley.fire(shots))
        assert seen == {(201, None): 1, (409, "SCHEDULING_CONFLICT"): 15}
    assert all(number % 2 == 0 for number in of_each(pairs))
    assert overlaps(other.id) == 0


def test_one_patient_in_two_bundles_at_a_time_has_one(cast: Scene, volley: Volley):
    """Other doctors, the same patient and hour: no lock is shared, the constraint decides."""
    own = cast.own
    doctors = [own.doctor, *(second_doctor(own) for _ in range(3))]
    for day in range(3, 8):
        chart = own.add_chart()
        shots = [
            Shot(
                own.reception,
                "appointments/bundles",
                {
                    "patient": chart.id,
                    "visits": [visit(own, doctors[n], day, 9), visit(own, doctors[n + 1], day, 11)],
                },
            )
            for n in (0, 2)
        ]
        seen = tally(volley.fire(shots))
        assert seen == {(201, None): 1, (409, "PATIENT_CONFLICT"): 1}
        assert of_each([chart]) == {2: 1}


def test_control_visits_booked_one_by_one_leave_halves(cast: Scene, volley: Volley):
    """What a bundle prevents: two patients who each won one visit and lost the other."""
    own = cast.own
    other = second_doctor(own)
    charts = [own.add_chart(), own.add_chart()]
    times = [(own.doctor, 9), (other, 10)]
    for turn in (0, 1):
        shots = []
        for number, chart in enumerate(charts):
            doctor, hour = times[(number + turn) % 2]
            wanted = own.request(at(3, hour), patient=chart.id, doctor=doctor.id)
            shots.append(Shot(own.reception, "appointments", wanted))
        volley.fire(shots)
    assert of_each(charts) == {1: 2}
