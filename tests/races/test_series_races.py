"""Series against single bookings, against one another, and the nightly job against itself.

Over HTTP against several worker processes, and with threads where a guard is taken away: the
negative controls show that the races are real.
"""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import OperationalError, connection
from django.db.models import QuerySet

from appointments.models import Appointment, AppointmentEvent, AppointmentSeries, BusyTime
from appointments.models import SeriesSkip as Skip
from appointments.services import calendar, series_extension
from appointments.services.series import series_create
from core import tenancy
from core.errors import KairosError
from tests.appointments.scene import House, Scene, house
from tests.races.test_booking_races import overlaps, tally
from tests.races.test_negative_controls import (  # noqa: F401 - a fixture
    elsewhere,
    without_constraint,
    without_lock,
)
from tests.races.volley import Shot, Volley

VISITS, ROUNDS = 8, 5
FIRST = datetime.now(tz=UTC).date() + timedelta(days=3)


def series_shot(ground: House, hour: int, **fields: Any) -> Shot:
    body = {
        "patient": ground.chart.id,
        "doctor": ground.doctor.id,
        "location": ground.location.id,
        "service": ground.service.id,
        "rrule": f"FREQ=WEEKLY;COUNT={VISITS}",
        "start_date": FIRST,
        "local_time": f"{hour:02}:00",
    }
    return Shot(ground.reception, "appointments/recurring", body | fields)


def starts_of(ground: House, hour: int) -> list[datetime]:
    """When the visits of such a series are."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT core_instant(w, %s) FROM unnest(%s::timestamp[]) AS w ORDER BY w",
            [
                ground.zone,
                [
                    datetime.combine(FIRST + timedelta(days=7 * week), time(hour))
                    for week in range(VISITS)
                ],
            ],
        )
        return [row[0] for row in cursor.fetchall()]


def of_series() -> Counter[UUID]:
    """How many visits each series has; each with its claim and its one event."""
    with tenancy.scope(tenancy.SYSTEM):
        rows = Appointment.objects.exclude(series_id=None).values_list("id", "series_id")
        ids = [row[0] for row in rows]
        assert BusyTime.objects.filter(appointment_id__in=ids).count() == len(ids)
        assert AppointmentEvent.objects.filter(appointment_id__in=ids).count() == len(ids)
        return Counter(row[1] for row in rows)


@pytest.mark.parametrize("policy", ["all_or_nothing", "skip_conflicts"])
def test_a_series_racing_single_bookings_is_whole_or_not_at_all(
    cast: Scene, volley: Volley, policy: str
):
    """A single booking for each of its dates, all at one moment."""
    ground = cast.own
    charts = [ground.add_chart().id for _ in range(VISITS)]
    won = Counter[str]()
    for number in range(ROUNDS):
        hour = 8 + number
        starts = starts_of(ground, hour)
        singles = [
            Shot(ground.reception, "appointments", ground.request(start, patient=chart))
            for start, chart in zip(starts, charts, strict=True)
        ]
        shots = [series_shot(ground, hour, policy=policy), *singles]
        if number % 2:  # not always at the front of the barrier
            shots.reverse()
        answers = volley.fire(shots)
        seen = tally(answers)
        assert set(seen) <= {
            (201, None),
            (409, "SCHEDULING_CONFLICT"),
            (409, "SERIES_CONFLICT"),
        }
        series = answers[-1] if number % 2 else answers[0]
        alone = sum(one.status == 201 for one in answers if one is not series)
        made = series.body.get("total", 0)
        if policy == "all_or_nothing":
            assert made in {0, VISITS}
            assert alone == (0 if made else VISITS) or (not made and alone)
        else:
            assert made + alone == VISITS  # each date has exactly one
            assert made + len(series.body.get("skips", ())) in {0, VISITS}
        won["series" if made else "singles"] += 1
        with tenancy.scope(tenancy.SYSTEM):
            claims = BusyTime.objects.filter(doctor=ground.doctor, visit__startswith__in=starts)
            assert claims.count() == made + alone
    assert overlaps(ground.doctor.id) == 0
    assert set(of_series().values()) <= {*range(1, VISITS + 1)}


def test_two_series_for_one_doctor_one_wins_whole(cast: Scene, volley: Volley):
    ground = cast.own
    charts = [ground.add_chart().id for _ in range(4)]
    for hour in range(8, 8 + ROUNDS):
        answers = volley.fire([series_shot(ground, hour, patient=chart) for chart in charts])
        assert tally(answers) == {(201, None): 1, (409, "SERIES_CONFLICT"): 3}
        refused = next(answer for answer in answers if answer.status == 409)
        assert [clash["sequence"] for clash in refused.body["clashes"]] == [*range(1, VISITS + 1)]
        assert all(clash["alternatives"] for clash in refused.body["clashes"])
    with tenancy.scope(tenancy.SYSTEM):
        assert AppointmentSeries.objects.filter(doctor=ground.doctor).count() == ROUNDS
        assert Appointment.objects.filter(doctor=ground.doctor).count() == ROUNDS * VISITS
    assert overlaps(ground.doctor.id) == 0


def test_series_that_cross_share_the_dates_between_them(cast: Scene, volley: Volley):
    """Mondays and Wednesdays against Wednesdays and Fridays, in opposite orders."""
    ground = cast.own
    charts = [ground.add_chart().id for _ in range(3)]
    rules = ["BYDAY=MO,WE", "BYDAY=WE,FR", "BYDAY=FR,MO"]
    for hour in range(8, 8 + ROUNDS):
        answers = volley.fire(
            [
                series_shot(
                    ground,
                    hour,
                    patient=chart,
                    rrule=f"FREQ=WEEKLY;{rule};COUNT=10",
                    policy="skip_conflicts",
                )
                for chart, rule in zip(charts, rules, strict=True)
            ]
        )
        assert set(tally(answers)) <= {(201, None), (409, "SERIES_CONFLICT")}
        for answer in answers:
            if answer.status == 201:
                assert answer.body["total"] + len(answer.body["skips"]) == 10
    assert overlaps(ground.doctor.id) == 0


def test_one_patient_with_two_doctors_at_once(cast: Scene, volley: Volley):
    """No doctor's queue keeps them apart; the loser is told of every date."""
    ground = cast.own
    second = ground.add_doctor()
    ground.add_hours(second)
    for hour in range(8, 8 + ROUNDS):
        answers = volley.fire(
            [series_shot(ground, hour, doctor=one.id) for one in (ground.doctor, second)]
        )
        assert tally(answers) == {(201, None): 1, (409, "SERIES_CONFLICT"): 1}
        refused = next(answer for answer in answers if answer.status == 409)
        assert {clash["code"] for clash in refused.body["clashes"]} == {"PATIENT_CONFLICT"}
    with tenancy.scope(tenancy.SYSTEM):
        assert Appointment.objects.filter(patient=ground.chart).count() == ROUNDS * VISITS


def test_changes_and_cancellations_of_one_series_at_once(cast: Scene, volley: Volley):
    """All read version 1 and write with If-Match: one gets through, whole."""
    ground = cast.own
    made = volley.send(series_shot(ground, 8)).body
    path = f"appointments/series/{made['id']}"
    match = {"If-Match": '"1"'}
    shots = [
        Shot(
            ground.reception,
            path,
            {"scope": "all", "local_time": f"{hour:02}:00"},
            match,
            "PATCH",
        )
        for hour in range(9, 15)
    ]
    shots.append(Shot(ground.reception, path, {"scope": "all", "reason": "race"}, match, "DELETE"))
    assert tally(volley.fire(shots)) == {(200, None): 1, (412, "PRECONDITION_FAILED"): 6}
    with tenancy.scope(tenancy.SYSTEM):
        visits = list(Appointment.objects.filter(series_id=made["id"]))
        assert len({(one.status, one.starts_at.astimezone(UTC).minute) for one in visits}) == 1
        assert {one.version for one in visits} == {2}


# --- With guards taken away ---------------------------------------------------------------------


def contend(ground: House, charts: list[UUID]) -> Counter[str]:
    """All want the same series, each in a thread of its own; what became of them."""

    def book(chart: UUID) -> str:
        try:
            with tenancy.scope(()):
                series_create(
                    by=ground.reception.principal(),
                    patient=chart,
                    doctor=ground.doctor.id,
                    location=ground.location.id,
                    service=ground.service.id,
                    rrule=f"FREQ=WEEKLY;COUNT={VISITS}",
                    start_date=FIRST,
                    local_time=time(9),
                )
        except KairosError as refusal:
            return refusal.code.value
        except OperationalError:
            return "deadlock"
        finally:
            connection.close()
        return "booked"

    with ThreadPoolExecutor(len(charts)) as threads:
        return Counter(threads.map(book, charts))


def judge_before_claiming(monkeypatch: pytest.MonkeyPatch, contenders: int) -> None:
    """Nobody claims before everyone has been told that all dates are free."""
    everyone, once = threading.Barrier(contenders, timeout=20), threading.local()
    claim = calendar.claims_insert

    def claim_together(claims):
        if not getattr(once, "waited", False):
            once.waited = True
            everyone.wait()
        return claim(claims)

    monkeypatch.setattr(calendar, "claims_insert", claim_together)


@pytest.fixture
def ground(elsewhere: psycopg.Connection) -> House:  # noqa: F811 - the fixture
    return house("ground")


@pytest.fixture
def charts(ground: House) -> list[UUID]:
    return [ground.add_chart().id for _ in range(3)]


def visits_of(ground: House) -> int:
    with tenancy.scope(tenancy.SYSTEM):
        return Appointment.objects.filter(doctor=ground.doctor).count()


def test_lock_and_constraint_one_series_wins(ground, charts):
    assert contend(ground, charts) == {"booked": 1, "SERIES_CONFLICT": 2}
    assert visits_of(ground) == VISITS


def test_without_the_lock_the_constraint_still_leaves_no_half_series(monkeypatch, ground, charts):
    without_lock(monkeypatch)
    judge_before_claiming(monkeypatch, len(charts))
    seen = contend(ground, charts)
    assert seen["booked"] <= 1
    assert visits_of(ground) == VISITS * seen["booked"]
    assert overlaps(ground.doctor.id) == 0


def test_without_either_every_series_is_booked_over_the_others(
    monkeypatch,
    elsewhere,  # noqa: F811 - the fixture
    ground,
    charts,
):
    """The negative control: the race is real, and the tests above would see it."""
    without_constraint(elsewhere)
    without_lock(monkeypatch)
    judge_before_claiming(monkeypatch, len(charts))
    assert contend(ground, charts) == {"booked": len(charts)}
    assert overlaps(ground.doctor.id) == 3 * VISITS


# --- The nightly job ----------------------------------------------------------------------------


def open_series(ground: House) -> UUID:
    """Until further notice, booked four weeks ahead in a clinic that now books twenty."""
    ground.policy(horizon_days=28)
    body = series_shot(ground, 9, rrule="FREQ=WEEKLY", open_ended=True).body
    answer = ground.reception.api.post("appointments/recurring", body)
    assert answer.status_code == 201, answer.content
    ground.policy(horizon_days=140)
    return UUID(answer.json()["id"])


def run_at_once(times: int) -> int:
    def run(_number: int) -> int:
        try:
            return series_extension.series_extend()
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as threads:
        return sum(threads.map(run, range(times)))


def state(series: UUID) -> tuple[list[date], list[int], int]:
    with tenancy.scope(tenancy.SYSTEM):
        rows = Appointment.objects.filter(series_id=series).order_by("series_sequence")
        return (
            list(rows.values_list("local_day", flat=True)),
            list(rows.values_list("series_sequence", flat=True)),
            Skip.objects.filter(series_id=series).count(),
        )


def test_the_night_run_four_times_at_once_is_as_run_once(ground):
    series = open_series(ground)
    before = len(state(series)[0])
    booked = run_at_once(4)
    days, numbers, skips = state(series)
    assert booked == len(days) - before > 10
    assert days == [days[0] + timedelta(days=7 * week) for week in range(len(days))]
    assert (numbers, skips) == ([*range(1, len(days) + 1)], 0)
    assert run_at_once(2) == 0


def test_without_the_rows_lock_the_second_run_takes_the_first_for_a_clash(monkeypatch, ground):
    """The negative control of the job: dates are booked, and written down as left out too."""
    series = open_series(ground)
    together, judged = threading.Barrier(2, timeout=20), series_extension.judged

    def judged_together(*args, **kwargs):
        together.wait()
        return judged(*args, **kwargs)

    monkeypatch.setattr(series_extension, "judged", judged_together)
    monkeypatch.setattr(QuerySet, "select_for_update", lambda rows, **_: rows)
    run_at_once(2)
    days, _numbers, skips = state(series)
    assert skips > 10
    assert len(days) > 10
