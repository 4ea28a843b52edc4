"""Simultaneous bookings over HTTP against several worker processes: the calendar never gives twice.

Each round starts all requests at one barrier. What counts is the database afterwards, and that no
answer is a server's fault.
"""

from collections import Counter
from datetime import UTC, datetime, time, timedelta

import pytest

from appointments.models import Appointment, AppointmentEvent, BusyTime
from core import tenancy
from core.models import OutboxEvent
from tests.appointments.scene import Scene, house
from tests.races.volley import Answer, Shot, Volley

ROUNDS, AT_ONCE = 20, 32


def at(day: int, hour: int = 9, minute: int = 0) -> datetime:
    """A moment some days from today, inside the house's hours (08:00-17:00 Berlin)."""
    today = datetime.now(tz=UTC).replace(hour=hour, minute=minute, second=0, microsecond=0)
    return today + timedelta(days=day)


def tally(answers: list[Answer]) -> Counter[tuple[int, str | None]]:
    """How many answers of each kind; a fault of the server fails here with its body."""
    faults = [answer.body for answer in answers if answer.status >= 500]
    assert faults == []
    return Counter((answer.status, answer.code) for answer in answers)


def overlaps(doctor_id) -> int:
    """Pairs of claims of one doctor and lane that overlap, by a plain look at the rows."""
    with tenancy.scope(tenancy.SYSTEM):
        rows = list(BusyTime.objects.filter(doctor_id=doctor_id).order_by("lane", "period"))
    return sum(
        1
        for first in rows
        for second in rows
        if first.id < second.id
        and first.lane == second.lane
        and first.period.lower < second.period.upper
        and second.period.lower < first.period.upper
    )


def booked(doctor_id) -> int:
    """Appointments of the doctor; each has its claim, its one event and its announcement."""
    with tenancy.scope(tenancy.SYSTEM):
        ids = list(Appointment.objects.filter(doctor_id=doctor_id).values_list("id", flat=True))
        assert BusyTime.objects.filter(appointment_id__in=ids, kind="BOOKED").count() == len(ids)
        assert AppointmentEvent.objects.filter(appointment_id__in=ids).count() == len(ids)
        announced = OutboxEvent.objects.filter(
            topic="appointment.booked", payload__doctor=str(doctor_id)
        )
        assert announced.count() == len(ids)
    return len(ids)


def bookings(cast: Scene, starts: list[datetime], **fields) -> list[Shot]:
    """One booking a start, each for a patient of its own."""
    return [
        Shot(
            cast.own.reception,
            "appointments",
            cast.own.request(start, patient=cast.own.add_chart().id, **fields),
        )
        for start in starts
    ]


def test_32_bookings_for_one_slot_20_rounds_one_wins_each(cast: Scene, volley: Volley):
    charts = [cast.own.add_chart().id for _ in range(AT_ONCE)]
    for number in range(ROUNDS):
        start = at(3 + number)
        answers = volley.fire(
            [
                Shot(cast.own.reception, "appointments", cast.own.request(start, patient=chart))
                for chart in charts
            ]
        )
        assert tally(answers) == {(201, None): 1, (409, "SCHEDULING_CONFLICT"): AT_ONCE - 1}
        refused = next(answer for answer in answers if answer.status == 409)
        assert refused.body["alternatives"]
        assert start.strftime("%Y-%m-%dT%H:%M:%SZ") not in [
            slot["starts_at"] for slot in refused.body["alternatives"]
        ]
    assert booked(cast.own.doctor.id) == ROUNDS
    assert overlaps(cast.own.doctor.id) == 0


def test_capacity_three_lets_in_exactly_three(cast: Scene, volley: Volley):
    doctor = cast.own.add_doctor()
    cast.own.add_hours(doctor, capacity=3)
    for day in (3, 4, 5):
        answers = volley.fire(bookings(cast, [at(day)] * 24, doctor=doctor.id))
        assert tally(answers) == {(201, None): 3, (409, "SCHEDULING_CONFLICT"): 21}
    assert booked(doctor.id) == 9
    assert overlaps(doctor.id) == 0


def test_overlapping_but_unequal_intervals_never_overlap(cast: Scene, volley: Volley):
    """Visits of 25 to 60 minutes, starting every 5 minutes: whoever gets in, none overlap."""
    shots = []
    for number in range(24):
        start = at(3, 9) + timedelta(minutes=5 * number)
        end = start + timedelta(minutes=25 + 5 * (number % 8))
        shots += bookings(cast, [start], service=None, ends_at=end.isoformat())
    answers = volley.fire(shots)
    seen = tally(answers)
    assert set(seen) == {(201, None), (409, "SCHEDULING_CONFLICT")}
    assert seen[201, None] == booked(cast.own.doctor.id) >= 2
    assert overlaps(cast.own.doctor.id) == 0


def test_two_clinics_share_a_doctor_one_wins_and_learns_nothing(cast: Scene, volley: Volley):
    """Receptionists of two clinics want the same hour of one doctor."""
    partner = house("partner", hours=False)
    partner.doctor_of(cast.own.doctor)
    partner.add_hours(cast.own.doctor, time(17), time(20))
    # Weekly hours in both clinics may not overlap; other hours on one day may.
    partner.add_chart()
    day = at(6)
    exception = partner.admin.api.post(
        "schedule-exceptions",
        {
            "clinic": partner.clinic.id,
            "doctor": cast.own.doctor.id,
            "location": partner.location.id,
            "kind": "HOURS",
            "start_date": day.date(),
            "end_date": day.date(),
            "start_time": "08:00",
            "end_time": "17:00",
        },
    )
    assert exception.status_code == 201, exception.content
    shots = []
    for _ in range(8):
        shots += bookings(cast, [day])
        shots.append(
            Shot(
                partner.reception,
                "appointments",
                partner.request(day, doctor=cast.own.doctor.id, patient=partner.add_chart().id),
            )
        )
    answers = volley.fire(shots)
    assert tally(answers) == {(201, None): 1, (409, "SCHEDULING_CONFLICT"): 15}
    assert booked(cast.own.doctor.id) == 1
    won_by_own = any(answer.status == 201 for answer in answers[::2])
    losers, winner = (answers[1::2], cast.own) if won_by_own else (answers[::2], partner)
    theirs = {
        str(value)
        for value in (
            winner.clinic.id,
            winner.location.id,
            winner.service.id,
            winner.chart.id,
            winner.clinic.name,
        )
    }
    for answer in losers:
        told = str(answer.body)
        assert not [secret for secret in theirs if secret in told]
        assert set(answer.body) == {
            "type",
            "title",
            "status",
            "detail",
            "code",
            "request_id",
            "alternatives",
        }


def test_reschedules_racing_bookings_for_one_slot(cast: Scene, volley: Volley):
    """The winner's old time is free afterwards, every loser still has its own."""
    wanted = at(8, 10)
    olds = [cast.own.book(at(4 + n), patient=cast.own.add_chart().id) for n in range(8)]
    moves = [
        Shot(cast.own.reception, f"appointments/{old['id']}/reschedule", {"starts_at": wanted})
        for old in olds
    ]
    answers = volley.fire(moves + bookings(cast, [wanted] * 8))
    assert sum(answer.status in {200, 201} for answer in answers) == 1
    assert tally(answers)[409, "SCHEDULING_CONFLICT"] == 15
    with tenancy.scope(tenancy.SYSTEM):
        claims = {
            str(claim.appointment_id): claim.visit.lower
            for claim in BusyTime.objects.filter(doctor=cast.own.doctor)
        }
    assert sorted(claims.values()).count(wanted) == 1
    for old, answer in zip(olds, answers[:8], strict=True):
        expected = wanted if answer.status == 200 else datetime.fromisoformat(old["starts_at"])
        assert claims[old["id"]] == expected
        if answer.status == 200:
            again = bookings(cast, [datetime.fromisoformat(old["starts_at"])])[0]
            assert volley.send(again).status == 201
        else:
            assert cast.own.reception.api.get(f"appointments/{old['id']}").json()["version"] == 1
    assert overlaps(cast.own.doctor.id) == 0


def test_holds_racing_bookings_for_one_slot(cast: Scene, volley: Volley):
    for day in range(3, 8):
        start = at(day)
        holds = [
            Shot(
                person,
                "slots/holds",
                cast.own.request(start, patient=...),
            )
            for person in (cast.own.patient, cast.own.reception, cast.own.admin) * 4
        ]
        answers = volley.fire([*holds, *bookings(cast, [start] * 12)])
        assert sum(answer.status == 201 for answer in answers) == 1
        assert tally(answers)[409, "SCHEDULING_CONFLICT"] == 23
        with tenancy.scope(tenancy.SYSTEM):
            BusyTime.objects.filter(kind="HELD", doctor=cast.own.doctor).delete()
    assert overlaps(cast.own.doctor.id) == 0


@pytest.mark.parametrize("used", [2, 6])
def test_one_hold_is_used_once(cast: Scene, volley: Volley, used: int):
    """Several bookings with the same hold: one becomes the visit."""
    start = at(9)
    held = cast.own.reception.api.post("slots/holds", cast.own.request(start, patient=...))
    assert held.status_code == 201, held.content
    answers = volley.fire(bookings(cast, [start] * used, hold=held.json()["id"]))
    assert sum(answer.status == 201 for answer in answers) == 1
    assert set(tally(answers)) <= {
        (201, None),
        (410, "HOLD_EXPIRED"),
        (409, "SCHEDULING_CONFLICT"),
    }
    assert booked(cast.own.doctor.id) == 1


@pytest.mark.parametrize(
    ("cap", "code"),
    [
        ({"max_daily_appointments": 5}, "DAILY_CAP_REACHED"),
        ({"max_weekly_appointments": 5}, "WEEKLY_CAP_REACHED"),
    ],
)
def test_caps_hold_under_a_race(cast: Scene, volley: Volley, cap: dict, code: str):
    """Twelve bookings at different times: no constraint clashes, only the cap says no."""
    doctor = cast.own.add_doctor(**cap)
    cast.own.add_hours(doctor)
    monday = at(7 - datetime.now(tz=UTC).weekday() + 7, 8)
    if "max_daily_appointments" in cap:
        starts = [monday + timedelta(minutes=30 * number) for number in range(12)]
    else:
        starts = [monday + timedelta(days=number % 6, hours=number // 6) for number in range(12)]
    answers = volley.fire(bookings(cast, starts, doctor=doctor.id))
    assert tally(answers) == {(201, None): 5, (409, code): 7}
    assert booked(doctor.id) == 5


def test_one_idempotency_key_eight_times_at_once_books_once(cast: Scene, volley: Volley):
    chart = cast.own.add_chart().id
    for day in (3, 4, 5):
        shot = Shot(
            cast.own.reception,
            "appointments",
            cast.own.request(at(day), patient=chart),
            {"Idempotency-Key": f"desk-{day}"},
        )
        answers = volley.fire([shot] * 8)
        assert set(tally(answers)) <= {(201, None), (409, "IDEMPOTENCY_IN_PROGRESS")}
        made = {answer.body["id"] for answer in answers if answer.status == 201}
        assert len(made) == 1
        again = volley.send(shot)
        assert again.status == 201
        assert again.body["id"] in made
        assert again.headers["idempotent-replayed"] == "true"
    assert booked(cast.own.doctor.id) == 3


def test_one_patient_in_two_calendars_at_once(cast: Scene, volley: Volley):
    doctors = [cast.own.doctor, cast.own.add_doctor(), cast.own.add_doctor()]
    for doctor in doctors[1:]:
        cast.own.add_hours(doctor)
    for day in (3, 4, 5):
        answers = volley.fire(
            [
                Shot(cast.own.reception, "appointments", cast.own.request(at(day), doctor=one.id))
                for one in doctors * 2
            ]
        )
        seen = tally(answers)
        assert seen[201, None] == 1
        assert set(seen) <= {
            (201, None),
            (409, "PATIENT_CONFLICT"),
            (409, "SCHEDULING_CONFLICT"),
        }
        assert seen[409, "PATIENT_CONFLICT"] >= 4
    with tenancy.scope(tenancy.SYSTEM):
        assert Appointment.objects.filter(patient=cast.own.chart).count() == 3


def test_one_room_for_two_doctors_at_once(cast: Scene, volley: Volley):
    second = cast.own.add_doctor()
    cast.own.add_hours(second)
    for day in (3, 4, 5):
        shots = bookings(cast, [at(day)], room=cast.own.room.id)
        shots += bookings(cast, [at(day)], room=cast.own.room.id, doctor=second.id)
        assert tally(volley.fire(shots)) == {(201, None): 1, (409, "ROOM_CONFLICT"): 1}


def test_one_status_changed_by_many_at_once(cast: Scene, volley: Volley):
    """Moves race: each is made once, and the history says what happened."""
    made = cast.own.book(at(5))
    verbs = ["confirm", "cancel", "check-in", "no-show"] * 4
    answers = volley.fire(
        [
            Shot(cast.own.reception, f"appointments/{made['id']}/{verb}", {"reason": "race"})
            for verb in verbs
        ]
    )
    assert set(tally(answers)) <= {(200, None), (409, "INVALID_TRANSITION")}
    with tenancy.scope(tenancy.SYSTEM):
        events = list(
            AppointmentEvent.objects.filter(appointment_id=made["id"])
            .order_by("id")
            .values_list("from_status", "to_status")
        )
        now = Appointment.objects.get(pk=made["id"])
    assert len(events) == 1 + sum(answer.status == 200 for answer in answers)
    assert [before for before, _ in events[1:]] == [after for _, after in events[:-1]]
    assert events[-1][1] == now.status
    assert now.version == len(events)


def test_stale_version_loses_under_a_race(cast: Scene, volley: Volley):
    """Eight editors read version 1 and write with If-Match: one gets through, the others 412."""
    made = cast.own.book(at(5))
    answers = volley.fire(
        [
            Shot(
                cast.own.reception,
                f"appointments/{made['id']}",
                {"reason": f"text {number}"},
                {"If-Match": '"1"'},
                method="PATCH",
            )
            for number in range(8)
        ]
    )
    assert tally(answers) == {(200, None): 1, (412, "PRECONDITION_FAILED"): 7}
