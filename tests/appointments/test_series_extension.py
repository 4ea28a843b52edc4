"""Series until further notice: what a night books, once however often it is run."""

from datetime import date, timedelta

import time_machine

from appointments.models import Appointment, AppointmentSeries, SeriesSkip
from appointments.services.series_extension import series_extend
from appointments.tasks import series_extend as task
from clinics.models import Membership
from core import tenancy
from tests.appointments.moments import NOW
from tests.appointments.scene import Scene
from tests.appointments.test_series import create, leave
from tests.appointments.traces import traces


def open_series(cast: Scene, /, **fields) -> dict:
    cast.own.policy(horizon_days=28)
    return create(cast.own, rrule="FREQ=WEEKLY", open_ended=True, **fields)


def later(days: int):
    return time_machine.travel(NOW + timedelta(days=days), tick=False)


def test_nothing_to_do_tonight(cast: Scene):
    open_series(cast)
    before = traces()
    assert series_extend() == 0
    assert traces() == before


def test_each_night_books_what_has_come_near(cast: Scene):
    made = open_series(cast)
    assert made["total"] == 5
    with later(15):
        assert task() == 2
        assert series_extend() == 0
    seen = cast.own.reception.api.get(f"appointments/series/{made['id']}").json()
    assert [one["sequence"] for one in seen["visits"]] == [1, 2, 3, 4, 5, 6, 7]
    assert [one["starts_at"][:10] for one in seen["visits"]][5:] == ["2035-07-10", "2035-07-17"]
    assert (seen["booked_until"], seen["version"]) == ("2035-07-17", 2)
    with tenancy.scope(tenancy.SYSTEM):
        new = Appointment.objects.filter(series_id=made["id"], series_sequence__gt=5)
        assert {visit.source for visit in new} == {"SERIES"}


def test_a_date_that_is_taken_is_written_down_as_left_out(cast: Scene):
    made = open_series(cast)
    leave(cast.own, date(2035, 7, 9), date(2035, 7, 12))
    with later(15):
        assert series_extend() == 1
        assert series_extend() == 0
    with tenancy.scope(tenancy.SYSTEM):
        skips = SeriesSkip.objects.filter(series_id=made["id"])
        assert [(skip.sequence, skip.code) for skip in skips] == [(6, "DOCTOR_ON_LEAVE")]


def test_nights_that_nobody_ran_are_not_made_up_for(cast: Scene):
    made = open_series(cast)
    with later(100):
        assert series_extend() == 4
    with tenancy.scope(tenancy.SYSTEM):
        days = Appointment.objects.filter(series_id=made["id"]).values_list("local_day", flat=True)
        assert [day for day in sorted(days) if day > date(2035, 7, 3)] == [
            date(2035, 9, 18),
            date(2035, 9, 25),
            date(2035, 10, 2),
            date(2035, 10, 9),
        ]


def test_what_ended_or_was_cancelled_does_not_go_on(cast: Scene):
    made = open_series(cast)
    other = open_series(cast, local_time="11:00")
    api = cast.own.reception.api
    api.delete(f"appointments/series/{made['id']}", {"scope": "all", "reason": "x"})
    body = {"scope": "following", "appointment": other["visits"][2]["id"], "reason": "x"}
    api.delete(f"appointments/series/{other['id']}", body)
    with later(60):
        assert series_extend() == 0


def test_the_shape_that_was_changed_goes_on(cast: Scene):
    made = open_series(cast)
    api = cast.own.reception.api
    answer = api.patch(
        f"appointments/series/{made['id']}",
        {"scope": "all", "local_time": "10:00", "shift_days": 1},
    )
    assert answer.status_code == 200, answer.content
    with later(9):
        assert series_extend() == 1
    seen = api.get(f"appointments/series/{made['id']}").json()
    assert seen["visits"][-1]["starts_at"] == "2035-07-11T08:00:00Z"


def test_a_series_whose_doctor_left_holds_up_no_other(cast: Scene):
    stuck = open_series(cast)
    second = cast.own.add_doctor()
    cast.own.add_hours(second)
    going = open_series(cast, doctor=second.id, patient=cast.own.add_chart().id)
    with tenancy.scope(tenancy.SYSTEM):
        Membership.objects.filter(user=cast.own.doctor.user).update(is_active=False)
    with later(8):
        assert series_extend() == 1
    with tenancy.scope(tenancy.SYSTEM):
        rows = AppointmentSeries.objects.in_bulk([stuck["id"], going["id"]], field_name="id")
        until = {str(key): row.booked_until for key, row in rows.items()}
    assert until[stuck["id"]] == date(2035, 7, 3)
    assert until[going["id"]] == date(2035, 7, 10)


def test_a_merged_patients_series_goes_on_in_the_kept_chart(cast: Scene):
    made = open_series(cast)
    kept = cast.own.add_chart()
    answer = cast.own.admin.api.post(
        f"patients/{kept.id}/merge", {"duplicate": cast.own.chart.id, "reason": "one person"}
    )
    assert answer.status_code == 201, answer.content
    with later(8):
        assert series_extend() == 1
    with tenancy.scope(tenancy.SYSTEM):
        newest = Appointment.objects.get(series_id=made["id"], series_sequence=6)
        assert newest.patient_id == kept.id
        assert AppointmentSeries.objects.get(pk=made["id"]).patient_id == kept.id
