"""Series over the API: looked at, booked as one, refused as one; and who may."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from appointments.models import Appointment, AppointmentSeries, SeriesSkip
from core import tenancy
from core.models import AuditEvent, OutboxEvent
from tests.appointments.moments import BERLIN, berlin
from tests.appointments.scene import House, Scene, house
from tests.appointments.traces import nothing_left_behind, refused, without_request

TUESDAY = "2035-06-05"


def wish(ground: House, /, **fields) -> dict:
    body = {
        "patient": ground.chart.id,
        "doctor": ground.doctor.id,
        "location": ground.location.id,
        "service": ground.service.id,
        "rrule": "FREQ=WEEKLY;COUNT=10",
        "start_date": TUESDAY,
        "local_time": "09:00",
    } | fields
    return {name: value for name, value in body.items() if value is not ...}


def create(ground: House, /, **fields) -> dict:
    answer = ground.reception.api.post("appointments/recurring", wish(ground, **fields))
    assert answer.status_code == 201, answer.content
    return answer.json()


def preview(ground: House, /, **fields) -> dict:
    answer = ground.reception.api.post("appointments/recurring/preview", wish(ground, **fields))
    assert answer.status_code == 200, answer.content
    return answer.json()


def starts(made: dict, zone=BERLIN) -> list[str]:
    return [
        datetime.fromisoformat(one["starts_at"]).astimezone(zone).strftime("%Y-%m-%d %H:%M")
        for one in made["visits"]
    ]


def leave(ground: House, first: date, last: date) -> None:
    answer = ground.admin.api.post(
        "schedule-exceptions",
        {
            "clinic": ground.clinic.id,
            "doctor": ground.doctor.id,
            "kind": "LEAVE",
            "start_date": first,
            "end_date": last,
        },
    )
    assert answer.status_code == 201, answer.content


def test_a_preview_shows_every_date_and_keeps_nothing(cast: Scene):
    ground = cast.own
    ground.book(berlin(8, 9), patient=ground.add_chart().id)
    leave(ground, date(2035, 6, 25), date(2035, 6, 28))
    with nothing_left_behind():
        seen = preview(ground, rrule="FREQ=WEEKLY;COUNT=5")
    assert [one["code"] for one in seen["dates"]] == [
        None,
        "SCHEDULING_CONFLICT",
        None,
        "DOCTOR_ON_LEAVE",
        None,
    ]
    assert [one["sequence"] for one in seen["dates"]] == [1, 2, 3, 4, 5]
    assert (seen["clashes"], seen["timezone"], seen["left_out"]) == (2, "Europe/Berlin", [])
    near = seen["dates"][1]["alternatives"]
    assert [slot["starts_at"] for slot in near][:2] == [
        berlin(8, 8, 30).astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ"),
        berlin(8, 9, 30).astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ"),
    ]
    assert seen["dates"][3]["alternatives"]  # the leave is over on the 29th
    assert not seen["dates"][0]["alternatives"]


def test_a_series_is_booked_with_all_that_belongs_to_each_visit(cast: Scene):
    made = create(cast.own, reason="Therapy", priority="HIGH", room=cast.own.room.id)
    assert starts(made) == [
        f"{date(2035, 6, 5) + timedelta(days=7 * n):%Y-%m-%d} 09:00" for n in range(10)
    ]
    assert (made["total"], made["by_status"], made["skips"]) == (10, {"SCHEDULED": 10}, [])
    assert (made["status"], made["end_date"], made["version"]) == ("ACTIVE", "2035-08-07", 1)
    assert made["next"]["sequence"] == 1
    with tenancy.scope(tenancy.SYSTEM):
        visits = Appointment.objects.filter(series_id=made["id"])
        assert {visit.source for visit in visits} == {"SERIES"}
        assert {visit.booked_by_id for visit in visits} == {cast.own.reception.id}
        assert {(visit.reason, visit.priority) for visit in visits} == {("Therapy", "HIGH")}
        assert [visit.series_sequence for visit in visits.order_by("starts_at")] == [*range(1, 11)]
        ids = [str(visit.id) for visit in visits]
        booked = OutboxEvent.objects.filter(topic="appointment.booked")
        assert booked.filter(payload__appointment__in=ids).count() == 10
        assert OutboxEvent.objects.filter(topic="series.created").count() == 1
        assert AuditEvent.objects.filter(action="series.created", entity_id=made["id"]).exists()
    one = cast.own.reception.api.get(f"appointments/{ids[0]}").json()
    assert (one["series"], one["series_sequence"]) == (made["id"], 1)
    listed = cast.own.reception.api.get("appointments", series=made["id"]).json()["results"]
    assert len(listed) == 10


def test_all_or_nothing_refuses_the_whole_and_lists_every_clash(cast: Scene):
    ground = cast.own
    for week in (1, 4):
        ground.book(berlin(1 + 7 * week, 9), patient=ground.add_chart().id)
    with nothing_left_behind():
        answer = ground.reception.api.post("appointments/recurring", wish(ground))
        body = refused(answer, 409, "SERIES_CONFLICT")
    assert [clash["sequence"] for clash in body["clashes"]] == [2, 5]
    assert {clash["code"] for clash in body["clashes"]} == {"SCHEDULING_CONFLICT"}
    assert all(len(clash["alternatives"]) == 3 for clash in body["clashes"])
    with tenancy.scope(tenancy.SYSTEM):
        assert not AppointmentSeries.objects.exists()


def test_skip_conflicts_books_the_others_and_writes_down_what_it_left_out(cast: Scene):
    leave(cast.own, date(2035, 6, 10), date(2035, 6, 22))
    made = create(cast.own, policy="skip_conflicts", rrule="FREQ=WEEKLY;COUNT=4")
    assert [(one["sequence"], one["code"]) for one in made["skips"]] == [
        (2, "DOCTOR_ON_LEAVE"),
        (3, "DOCTOR_ON_LEAVE"),
    ]
    assert [one["sequence"] for one in made["visits"]] == [1, 4]


def test_a_series_of_nothing_but_clashes_is_refused_under_any_policy(cast: Scene):
    leave(cast.own, date(2035, 6, 4), date(2035, 9, 1))
    body = wish(cast.own, policy="skip_conflicts")
    with nothing_left_behind():
        answer = cast.own.reception.api.post("appointments/recurring", body)
        assert len(refused(answer, 409, "SERIES_CONFLICT")["clashes"]) == 10


def test_dates_left_out_by_hand_are_not_booked_and_are_no_clash(cast: Scene):
    ground = cast.own
    ground.book(berlin(8, 9), patient=ground.add_chart().id)
    made = create(ground, skip=[2, 3])
    assert [(one["sequence"], one["code"]) for one in made["skips"]] == [
        (2, "SCHEDULING_CONFLICT"),
        (3, "LEFT_OUT"),
    ]
    assert made["total"] == 8
    answer = ground.reception.api.post("appointments/recurring", wish(ground, skip=[11]))
    refused(answer, 400, "VALIDATION_ERROR", skip="no date 11")
    answer = ground.reception.api.post(
        "appointments/recurring", wish(ground, local_time="10:00", skip=list(range(1, 11)))
    )
    refused(answer, 400, "VALIDATION_ERROR", skip="Nothing is left")


def test_visits_of_one_series_count_together_against_the_caps(cast: Scene):
    doctor = cast.own.add_doctor(max_weekly_appointments=2)
    cast.own.add_hours(doctor)
    seen = preview(cast.own, doctor=doctor.id, rrule="FREQ=DAILY;COUNT=5")
    assert [one["code"] for one in seen["dates"]] == [
        None,
        None,
        *["WEEKLY_CAP_REACHED"] * 3,
    ]


def test_the_patients_and_the_rooms_other_visits_are_clashes_too(cast: Scene):
    ground = cast.own
    second = ground.add_doctor()
    ground.add_hours(second)
    ground.book(berlin(1, 9), doctor=second.id)
    ground.book(berlin(8, 9), doctor=second.id, patient=ground.add_chart().id, room=ground.room.id)
    seen = preview(ground, room=ground.room.id, rrule="FREQ=WEEKLY;COUNT=3")
    assert [one["code"] for one in seen["dates"]] == ["PATIENT_CONFLICT", "ROOM_CONFLICT", None]


def test_a_series_goes_past_the_clinics_horizon(cast: Scene):
    cast.own.policy(horizon_days=30)
    assert create(cast.own, rrule="FREQ=WEEKLY;COUNT=20")["total"] == 20


def test_dates_that_the_calendar_does_not_have_are_told(cast: Scene):
    seen = preview(cast.own, rrule="FREQ=MONTHLY;BYMONTHDAY=31;COUNT=4")
    assert seen["left_out"] == ["2035-06-31", "2035-09-31", "2035-11-31"]
    assert [one["starts_at"][:7] for one in seen["dates"]] == [
        "2035-07",
        "2035-08",
        "2035-10",
        "2035-12",
    ]


@pytest.mark.parametrize(
    ("zone", "start_date", "wall", "utc"),
    [
        # 09:00 stays 09:00 while the offset changes.
        ("Europe/Berlin", "2036-03-24", "09:00", ["08:00", "07:00"]),
        ("Europe/Berlin", "2035-10-22", "09:00", ["07:00", "08:00"]),
        ("America/New_York", "2035-11-03", "09:00", ["13:00", "14:00"]),
        ("America/New_York", "2036-03-08", "09:00", ["14:00", "13:00"]),
        ("Australia/Lord_Howe", "2035-10-06", "09:00", ["22:30", "22:00"]),
        ("Australia/Lord_Howe", "2036-04-05", "09:00", ["22:00", "22:30"]),
        # In the gap, and in the hour that comes twice.
        ("Europe/Berlin", "2036-03-23", "02:30", ["01:30", "01:30"]),
        ("Europe/Berlin", "2035-10-21", "02:30", ["00:30", "00:30"]),
        ("Pacific/Kiritimati", "2035-10-21", "00:30", ["10:30", "10:30"]),
        ("Pacific/Pago_Pago", "2035-10-21", "23:00", ["10:00", "10:00"]),
    ],
)
def test_the_clock_on_the_wall_stays_the_same(cast: Scene, zone, start_date, wall, utc):
    place = cast.own.add_location(zone)
    doctor = cast.own.add_doctor()
    cast.own.add_hours(doctor, start=time(0), end=time(0), location=place)
    rule = (
        "FREQ=WEEKLY;COUNT=2"
        if wall != "09:00" or zone == "Europe/Berlin"
        else ("FREQ=DAILY;COUNT=2")
    )
    made = create(
        cast.own,
        doctor=doctor.id,
        location=place.id,
        start_date=start_date,
        local_time=wall,
        rrule=rule,
    )
    assert made["timezone"] == zone
    assert [one["starts_at"][11:16] for one in made["visits"]] == utc


def test_until_further_notice_is_booked_to_the_horizon(cast: Scene):
    cast.own.policy(horizon_days=28)
    made = create(cast.own, rrule="FREQ=WEEKLY", open_ended=True)
    assert (made["total"], made["open_ended"], made["end_date"]) == (5, True, None)
    assert made["booked_until"] == "2035-07-03"


def test_until_further_notice_has_at_least_its_first_visit(cast: Scene):
    cast.own.policy(horizon_days=10)
    made = create(cast.own, rrule="FREQ=MONTHLY;BYMONTHDAY=1", open_ended=True)
    assert (starts(made), made["booked_until"]) == (["2035-07-01 09:00"], "2035-07-01")


BAD: dict[str, tuple[dict, str, str]] = {
    "a date that does not exist": ({"start_date": "2035-02-30"}, "start_date", "format"),
    "yesterday": ({"start_date": "2035-06-03"}, "start_date", "a day to come"),
    "in years": ({"start_date": "2039-01-01"}, "start_date", "within a year"),
    "the last day there is": ({"start_date": "9999-12-31"}, "start_date", "within a year"),
    "the first day there is": ({"start_date": "0001-01-01"}, "start_date", "a day to come"),
    "a million": ({"rrule": "FREQ=DAILY;COUNT=1000000"}, "rrule", "530 visits at most"),
    "never ends": ({"rrule": "FREQ=DAILY"}, "rrule", "never ends"),
    "no date": ({"rrule": "FREQ=MONTHLY;BYDAY=1MO;BYMONTHDAY=31;COUNT=2"}, "rrule", "no date"),
    "end before start": ({"rrule": "FREQ=DAILY", "end_date": "2035-06-04"}, "end_date", "after"),
    "yearly": ({"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;COUNT=2"}, "rrule", "Yearly"),
    "each February 29th": (
        {"rrule": "FREQ=MONTHLY;INTERVAL=12;BYMONTHDAY=31;COUNT=2"},
        "rrule",
        "no date",
    ),
    "garbage": ({"rrule": "; DROP TABLE clinics_clinic;--"}, "rrule", "not a rule"),
    "10 kB": ({"rrule": "FREQ=DAILY;" + "BYDAY=MO;" * 1200}, "rrule", "300"),
    "10 kB of reason": ({"reason": "x" * 10_000}, "reason", "500"),
    "BYHOUR": ({"rrule": "FREQ=DAILY;BYHOUR=9;COUNT=2"}, "rrule", "time of day"),
    "hourly": ({"rrule": "FREQ=HOURLY;COUNT=2"}, "rrule", "one visit a day"),
    "seconds": ({"local_time": "09:00:30"}, "local_time", "whole minutes"),
    "an offset": ({"local_time": "09:00+02:00"}, "local_time", "format"),
    "a minute": ({"duration_minutes": 1}, "duration_minutes", "5"),
    "a day long": ({"duration_minutes": 1440}, "duration_minutes", "720"),
    "no length": ({"service": None}, "ends_at", "give a service or an end"),
    "an unknown policy": ({"policy": "some"}, "policy", ""),
    "an unknown field": ({"colour": "red"}, "colour", "unknown field"),
    "skip of nothing": ({"skip": [0]}, "skip.0", ""),
    "a NUL": ({"reason": "a\x00b"}, "reason", "ull"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_told_on_its_field_and_leaves_nothing(cast: Scene, case: str):
    fields, field, text = BAD[case]
    with nothing_left_behind():
        answer = cast.own.reception.api.post("appointments/recurring", wish(cast.own, **fields))
        refused(answer, 400, "VALIDATION_ERROR", **{field: text})
    if not {"policy", "skip"} & fields.keys():
        answer = cast.own.reception.api.post(
            "appointments/recurring/preview", wish(cast.own, **fields)
        )
        refused(answer, 400, "VALIDATION_ERROR", **{field: text})


def test_a_visit_in_person_needs_a_place_and_a_service_its_mode(cast: Scene):
    post = cast.own.reception.api.post
    answer = post("appointments/recurring", wish(cast.own, location=None))
    refused(answer, 400, "LOCATION_REQUIRED")
    answer = post("appointments/recurring", wish(cast.own, type="PHONE"))
    refused(answer, 400, "INVALID_APPOINTMENT_TYPE")


@pytest.mark.parametrize("path", ["appointments/recurring", "appointments/recurring/preview"])
@pytest.mark.parametrize("field", ["patient", "doctor", "location", "service", "room"])
def test_what_belongs_to_another_clinic_is_not_there(cast: Scene, path: str, field: str):
    theirs = {
        "patient": cast.other.chart,
        "doctor": cast.other.doctor,
        "location": cast.other.location,
        "service": cast.other.service,
        "room": cast.other.room,
    }[field]
    nowhere = "0190b6a0-0000-7000-8000-000000000000"
    with nothing_left_behind():
        foreign, unknown = (
            refused(
                cast.own.reception.api.post(path, wish(cast.own, **{field: one})),
                404,
                "NOT_FOUND",
            )
            for one in (theirs.id, nowhere)
        )
    assert without_request(foreign) == without_request(unknown)


def test_staff_make_series_patients_read_their_own_and_outsiders_nothing(cast: Scene):
    ground, other = cast.own, cast.other
    made = create(ground, reason="Therapy", notes="for us")
    path = f"appointments/series/{made['id']}"
    for person in (ground.patient, ground.nurse):
        answer = person.api.post("appointments/recurring", wish(ground))
        refused(answer, 403, "PERMISSION_DENIED")
        answer = person.api.delete(path, {"scope": "all", "reason": "no"})
        refused(answer, 403, "PERMISSION_DENIED")
        answer = person.api.patch(path, {"scope": "all", "local_time": "10:00"})
        refused(answer, 403, "PERMISSION_DENIED")
        answer = person.api.post(f"{path}/preview", {"scope": "all", "local_time": "10:00"})
        refused(answer, 403, "PERMISSION_DENIED")
    own = ground.patient.api.get(path)
    assert (own.status_code, own.headers["ETag"]) == (200, '"1"')
    assert (own.json()["reason"], own.json()["notes"]) == ("Therapy", None)
    assert own.json()["created_by"] is None
    assert ground.reception.api.get(path).json()["notes"] == "for us"
    assert ground.doctor_user.api.get(path).status_code == 200
    for stranger in (other.reception, other.admin, other.doctor_user, other.patient):
        refused(stranger.api.get(path), 404, "NOT_FOUND")
        if stranger is other.patient:
            continue
        change = {"scope": "all", "local_time": "10:00"}
        refused(stranger.api.patch(path, change), 404, "NOT_FOUND")
        refused(stranger.api.post(f"{path}/preview", change), 404, "NOT_FOUND")
        refused(stranger.api.delete(path, {"scope": "all", "reason": "no"}), 404, "NOT_FOUND")
        answer = stranger.api.post("appointments/recurring", wish(ground))
        refused(answer, 404, "NOT_FOUND")


def test_doctors_make_series_in_their_own_calendar_only(cast: Scene):
    ground = cast.own
    second = ground.add_doctor()
    ground.add_hours(second)
    answer = ground.doctor_user.api.post("appointments/recurring", wish(ground))
    assert answer.status_code == 201
    answer = ground.doctor_user.api.post(
        "appointments/recurring", wish(ground, doctor=second.id, local_time="11:00")
    )
    refused(answer, 403, "PERMISSION_DENIED")


def test_nobody_reads_or_writes_without_signing_in(cast: Scene):
    from tests.appointments.scene import Api  # noqa: PLC0415 - only here

    nobody = Api(None)
    refused(nobody.post("appointments/recurring", wish(cast.own)), 401, "NOT_AUTHENTICATED")
    refused(nobody.get(f"appointments/series/{cast.own.chart.id}"), 401, "NOT_AUTHENTICATED")


def test_the_same_key_books_once(cast: Scene):
    body = wish(cast.own)
    key = {"Idempotency-Key": "series-1"}
    first = cast.own.reception.api.post("appointments/recurring", body, **key)
    again = cast.own.reception.api.post("appointments/recurring", body, **key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    with tenancy.scope(tenancy.SYSTEM):
        assert AppointmentSeries.objects.count() == 1
        assert SeriesSkip.objects.count() == 0


def test_a_series_of_1_10_and_104_takes_the_same_statements(cast: Scene, settings):
    settings.OUTBOX_KICK = False
    counts = {}
    for number, wall in ((1, "09:00"), (10, "10:00"), (104, "11:00")):
        body = wish(cast.own, rrule=f"FREQ=WEEKLY;COUNT={number}", local_time=wall)
        with CaptureQueriesContext(connection) as captured:
            answer = cast.own.reception.api.post("appointments/recurring", body)
        assert answer.status_code == 201, answer.content
        assert answer.json()["total"] == number
        counts[number] = len(captured)
    assert len(set(counts.values())) == 1, counts
    assert counts[104] < 15, counts


def test_a_second_clinic_of_the_doctor_learns_only_that_the_time_is_taken(cast: Scene):
    partner = house("partner", hours=False)
    partner.doctor_of(cast.own.doctor)
    partner.add_hours(cast.own.doctor, start=time(17), end=time(20))
    create(cast.own)
    refused(
        partner.reception.api.post(
            "appointments/recurring",
            wish(partner, doctor=cast.own.doctor.id, local_time="09:00"),
        ),
        409,
        "SERIES_CONFLICT",
    )
    assert create(partner, doctor=cast.own.doctor.id, local_time="17:00")["total"] == 10
