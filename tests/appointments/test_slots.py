"""Free times: on the grid, by local wall clocks, with reasons where there are none."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from core import tenancy
from tests.appointments.moments import NOW, berlin
from tests.appointments.scene import Api, Scene
from tests.appointments.traces import refused

NOBODY = Api(None)


def availability(cast: Scene, by=None, doctor=None, **query) -> list[dict]:
    doctor = doctor or cast.own.doctor
    query = {"service": cast.own.service.id} | query
    answer = (by or cast.own.reception).api.get(
        f"appointments/doctor/{doctor.id}/availability", **query
    )
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


def walls(slots: list[dict]) -> list[str]:
    """The starts as the people there read them."""
    return [
        f"{datetime.fromisoformat(s['starts_at']).astimezone(ZoneInfo(s['timezone'])):%d %H:%M}"
        for s in slots
    ]


def on_grid(day: date, first: str, last: str, step: int = 30) -> list[str]:
    start = datetime.combine(day, time.fromisoformat(first))
    end = datetime.combine(day, time.fromisoformat(last))
    count = int((end - start).total_seconds() // 60 // step) + 1
    return [f"{start + timedelta(minutes=step * n):%d %H:%M}" for n in range(count)]


def test_a_day_is_its_grid(cast: Scene):
    found = availability(cast, date=berlin().date())
    assert walls(found) == on_grid(berlin().date(), "08:00", "16:30")
    first = found[0]
    assert first == {
        "doctor": str(cast.own.doctor.id),
        "clinic": str(cast.own.clinic.id),
        "location": str(cast.own.location.id),
        "service": str(cast.own.service.id),
        "starts_at": "2035-06-05T06:00:00Z",
        "ends_at": "2035-06-05T06:30:00Z",
        "timezone": "Europe/Berlin",
        "remaining": 1,
    }


def test_the_last_slot_ends_with_the_hours(cast: Scene):
    long = cast.own.add_service(duration_minutes=75)
    found = availability(cast, date=berlin().date(), service=long.id)
    assert walls(found)[-1] == "05 15:30"


def test_today_begins_now(cast: Scene):
    late = cast.own.add_service(min_notice_minutes=90)
    assert walls(availability(cast, date=NOW.date()))[0] == "04 08:00"
    mine = availability(cast, by=cast.own.patient, date=NOW.date(), service=late.id)
    assert walls(mine)[0] == "04 08:30"
    as_patient = availability(cast, date=NOW.date(), service=late.id, audience="patient")
    assert walls(as_patient)[0] == "04 08:30"


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2036, 3, 30), 23),
        ("Europe/Berlin", date(2035, 10, 28), 25),
        ("America/New_York", date(2036, 3, 9), 23),
        ("America/New_York", date(2035, 11, 4), 25),
        ("Australia/Lord_Howe", date(2035, 10, 7), 23.5),
        ("Australia/Lord_Howe", date(2036, 4, 6), 24.5),
        ("Asia/Kolkata", date(2035, 6, 5), 24),
        ("Pacific/Kiritimati", date(2035, 6, 5), 24),
        ("Etc/GMT+12", date(2035, 6, 5), 24),
    ],
)
def test_a_whole_day_has_as_many_hours_as_the_zone_gives_it(
    cast: Scene, zone: str, day: date, hours: float
):
    """A doctor on duty from midnight to midnight: every half-hour that exists, each once."""
    place, doctor = cast.own.add_location(zone), cast.own.add_doctor()
    cast.own.add_hours(doctor, time(0), time(0), location=place)
    found = availability(cast, doctor=doctor, date=day, location=place.id)
    starts = [datetime.fromisoformat(slot["starts_at"]) for slot in found]
    local = ZoneInfo(zone)
    midnight = datetime.combine(day, time(0), tzinfo=local)
    assert len(starts) == len(set(starts)) == hours * 2
    assert starts[0] == midnight
    assert {one.astimezone(local).date() for one in starts} == {day}
    assert {slot["timezone"] for slot in found} == {zone}


@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [
        ("Europe/Berlin", date(2036, 3, 29), date(2036, 3, 30)),
        ("America/New_York", date(2035, 11, 3), date(2035, 11, 4)),
        ("Australia/Lord_Howe", date(2036, 4, 5), date(2036, 4, 6)),
    ],
)
def test_hours_stay_at_their_wall_clock_over_a_change(
    cast: Scene, zone: str, before: date, after: date
):
    place, doctor = cast.own.add_location(zone), cast.own.add_doctor()
    cast.own.add_hours(doctor, time(9), time(11), location=place)
    query = {"from": before, "to": after}
    found = availability(cast, doctor=doctor, location=place.id, **query)
    assert walls(found) == on_grid(before, "09:00", "10:30") + on_grid(after, "09:00", "10:30")
    offsets = {
        datetime.fromisoformat(s["starts_at"]).astimezone(ZoneInfo(zone)).utcoffset() for s in found
    }
    assert len(offsets) == 2


def test_hours_until_midnight(cast: Scene):
    doctor = cast.own.add_doctor()
    cast.own.add_hours(doctor, time(22), time(0))
    found = availability(cast, doctor=doctor, date=berlin().date())
    assert walls(found) == ["05 22:00", "05 22:30", "05 23:00", "05 23:30"]


def test_every_reason_is_explained(cast: Scene):
    cast.own.policy(horizon_days=10)
    cast.own.book(berlin())
    held = cast.own.patient.api.post("slots/holds", cast.own.request(berlin(hour=10), patient=...))
    assert held.status_code == 201
    for kind, hour in (("CLOSED", 13), ("LEAVE", 14)):
        body = {
            "clinic": cast.own.clinic.id,
            "doctor": cast.own.doctor.id,
            "kind": kind,
            "start_date": berlin().date(),
            "end_date": berlin().date(),
            "start_time": f"{hour}:00",
            "end_time": f"{hour + 1}:00",
        }
        assert cast.own.admin.api.post("schedule-exceptions", body).status_code == 201
    found = availability(cast, date=berlin().date(), explain="true")
    why = dict(zip(walls(found), (slot["reason"] for slot in found), strict=True))
    assert why["05 09:00"] == why["05 10:00"] == "SCHEDULING_CONFLICT"
    assert why["05 13:00"] == why["05 13:30"] == "OUTSIDE_WORKING_HOURS"
    assert why["05 14:00"] == why["05 14:30"] == "DOCTOR_ON_LEAVE"
    assert why["05 08:00"] is None
    free = [wall for wall, reason in why.items() if reason is None]
    assert walls(availability(cast, date=berlin().date())) == free
    far = availability(cast, date=berlin(days=12).date(), explain="true")
    assert {slot["reason"] for slot in far} == {"BEYOND_HORIZON"}
    past = availability(cast, date=berlin(days=-1).date(), explain="true")
    assert {slot["reason"] for slot in past} == {"TOO_SOON"}


@pytest.mark.parametrize(
    ("cap", "code"),
    [
        ({"max_daily_appointments": 1}, "DAILY_CAP_REACHED"),
        ({"max_weekly_appointments": 1}, "WEEKLY_CAP_REACHED"),
    ],
)
def test_a_full_day_is_explained(cast: Scene, cap: dict, code: str):
    doctor = cast.own.add_doctor(**cap)
    cast.own.add_hours(doctor)
    cast.own.book(berlin(), doctor=doctor.id)
    query = {"doctor": doctor, "date": berlin().date()}
    assert availability(cast, **query) == []
    assert {slot["reason"] for slot in availability(cast, **query, explain="true")} == {code}
    next_day = availability(cast, doctor=doctor, date=berlin(days=2).date())
    assert bool(next_day) == ("max_daily_appointments" in cap)


def test_a_day_without_hours_is_explained(cast: Scene):
    doctor = cast.own.add_doctor()
    cast.own.add_hours(doctor, weekdays=[1])  # and Tuesday is asked for
    found = availability(
        cast,
        doctor=doctor,
        date=berlin().date(),
        location=cast.own.location.id,
        explain="true",
    )
    assert [slot["reason"] for slot in found] == ["OUTSIDE_WORKING_HOURS"]


def test_only_staff_get_explanations(cast: Scene):
    for person in (cast.own.patient, cast.other.reception):
        answer = person.api.get(
            f"appointments/doctor/{cast.own.doctor.id}/availability",
            date=berlin().date(),
            explain="true",
        )
        refused(answer, 403, "PERMISSION_DENIED")


def test_services_kept_to_some_hours(cast: Scene):
    doctor, only = cast.own.add_doctor(), cast.own.add_service()
    cast.own.add_hours(doctor, time(8), time(9), services=[only])
    cast.own.add_hours(doctor, time(9), time(10))
    query = {"doctor": doctor, "date": berlin().date()}
    assert walls(availability(cast, **query, service=only.id)) == on_grid(
        berlin().date(), "08:00", "09:30"
    )
    assert walls(availability(cast, **query)) == ["05 09:00", "05 09:30"]


def test_ways_to_meet(cast: Scene):
    doctor = cast.own.add_doctor()
    cast.own.add_hours(doctor, time(8), time(9), modes=["VIDEO_CALL"])
    cast.own.add_hours(doctor, time(9), time(10), modes=["IN_PERSON", "VIDEO_CALL"])
    service = cast.own.add_service(modes=["IN_PERSON", "VIDEO_CALL"])
    query = {"doctor": doctor, "date": berlin().date(), "service": service.id}
    assert walls(availability(cast, **query, type="VIDEO_CALL")) == on_grid(
        berlin().date(), "08:00", "09:30"
    )
    assert walls(availability(cast, **query, type="IN_PERSON")) == ["05 09:00", "05 09:30"]
    assert availability(cast, **query, type="PHONE") == []


def test_without_a_service_a_length_is_asked_for(cast: Scene):
    found = availability(cast, date=berlin().date(), service="", minutes=120)
    assert walls(found)[-1] == "05 15:00"


def test_several_doctors_earliest_first(cast: Scene):
    second = cast.own.add_doctor()
    cast.own.add_hours(second, time(8, 15), time(9, 15))
    answer = cast.own.reception.api.get(
        "slots",
        doctors=f"{cast.own.doctor.id},{second.id}",
        service=cast.own.service.id,
        date=berlin().date(),
        limit=4,
    ).json()["results"]
    assert walls(answer) == ["05 08:00", "05 08:15", "05 08:30", "05 08:45"]
    of_clinic = cast.own.reception.api.get(
        "slots", clinic=cast.own.clinic.id, date=berlin().date(), limit=4
    ).json()["results"]
    assert walls(of_clinic) == walls(answer)


def test_by_specialty(cast: Scene):
    second = cast.own.add_doctor(specialties=["Cardiology"])
    cast.own.add_hours(second)
    found = cast.own.reception.api.get(
        "slots", clinic=cast.own.clinic.id, specialty="Cardiology", date=berlin().date()
    ).json()["results"]
    assert {slot["doctor"] for slot in found} == {str(second.id)}


def test_next_looks_as_far_as_the_clinic_books(cast: Scene):
    cast.own.policy(horizon_days=120)
    doctor = cast.own.add_doctor()
    cast.own.add_hours(doctor, weekdays=[3], valid_from=date(2035, 9, 1))
    query = {"doctors": doctor.id, "service": cast.own.service.id}
    found = cast.own.reception.api.get("slots/next", **query).json()["results"]
    assert [slot["starts_at"] for slot in found] == ["2035-09-05T06:00:00Z"]
    three = cast.own.reception.api.get("slots/next", **query, limit=3).json()["results"]
    assert [slot["starts_at"][11:16] for slot in three] == ["06:00", "06:30", "07:00"]
    cast.own.policy(horizon_days=60)
    assert cast.own.reception.api.get("slots/next", **query).json()["results"] == []


def test_public_where_the_clinic_says_so(cast: Scene):
    query = {"doctors": cast.own.doctor.id, "service": cast.own.service.id, "date": berlin().date()}
    next_query = {name: value for name, value in query.items() if name != "date"}
    for visitor in (NOBODY, cast.other.patient.api, cast.other.reception.api):
        assert len(visitor.get("slots", **query).json()["results"]) == 18
        assert len(visitor.get("slots/next", **next_query).json()["results"]) == 1
    cast.own.policy(public_slots=False)
    for visitor in (NOBODY, cast.other.patient.api, cast.other.reception.api):
        refused(visitor.get("slots", **query), 404, "NOT_FOUND")
        refused(visitor.get("slots/next", **next_query), 404, "NOT_FOUND")
    assert len(cast.own.patient.api.get("slots", **query).json()["results"]) == 18


def test_visitors_are_bound_to_the_notice_and_to_public_services(cast: Scene):
    cast.own.policy(min_notice_minutes=90)
    internal = cast.own.add_service(is_public=False)
    query = {"doctors": cast.own.doctor.id, "date": NOW.date()}
    found = NOBODY.get("slots", **query, service=cast.own.service.id).json()["results"]
    assert walls(found)[0] == "04 08:30"
    refused(NOBODY.get("slots", **query, service=internal.id), 404, "NOT_FOUND")


def test_what_the_public_sees_of_a_shared_doctor_is_busy_or_free(cast: Scene):
    made = cast.own.book(berlin(), reason="Confidential")
    answer = NOBODY.get("slots", doctors=cast.own.doctor.id, date=berlin().date())
    assert "2035-06-05T07:00:00Z" not in [s["starts_at"] for s in answer.json()["results"]]
    for secret in (made["id"], made["patient"], "Confidential"):
        assert str(secret) not in answer.content.decode()


def test_a_cancelled_time_is_offered_again(cast: Scene):
    made = cast.own.book(berlin())
    assert "05 09:00" not in walls(availability(cast, date=berlin().date()))
    cast.own.reception.api.post(f"appointments/{made['id']}/cancel", {"reason": "x"})
    assert "05 09:00" in walls(availability(cast, date=berlin().date()))


def test_someone_who_left_the_clinic_is_not_on_offer(cast: Scene):
    with tenancy.scope(tenancy.SYSTEM):
        cast.own.doctor_user.user.memberships.update(is_active=False)
    refused(
        cast.own.reception.api.get(
            f"appointments/doctor/{cast.own.doctor.id}/availability", date=berlin().date()
        ),
        404,
        "NOT_FOUND",
    )
    answer = cast.own.reception.api.post("appointments", cast.own.request(berlin()))
    refused(answer, 404, "NOT_FOUND", doctor="not found")
