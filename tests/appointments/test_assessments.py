"""Searching for two sessions with one clinician: what is a pair, whose, and in which order."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine

from accounts.models import User
from clinics.models import Doctor
from clinics.services.memberships import membership_add
from core import tenancy
from tests.appointments.moments import NOW, berlin
from tests.appointments.scene import Api, Person, Scene, person
from tests.appointments.traces import refused

NOBODY = Api(None)
PATH = "assessments/slot-pairs"


@pytest.fixture
def psychologist(cast: Scene) -> Doctor:
    """In region R1, taking Plan A, every day from 8 to 17 in Berlin."""
    return add_psychologist(cast)


def add_psychologist(cast: Scene, *, hours: bool = True, **fields: Any) -> Doctor:
    values = {
        "profession": "PSYCHOLOGIST",
        "licensed_regions": ["R1"],
        "accepted_insurances": ["Plan A"],
    }
    doctor = cast.own.add_doctor(**(values | fields))
    if hours:
        cast.own.add_hours(doctor)
    return doctor


def search(cast: Scene, by: Person | Api | None = None, **query: Any) -> dict[str, Any]:
    api = by if isinstance(by, Api) else (by or cast.own.reception).api
    answer = api.get(PATH, **query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def walls(found: dict[str, Any], number: int = 0) -> list[tuple[str, str]]:
    """The pairs of one result as the people there read them."""
    zone = ZoneInfo(found["results"][number]["timezone"])
    return [
        tuple(
            f"{datetime.fromisoformat(pair[name]['starts_at']).astimezone(zone):%d %H:%M}"
            for name in ("first", "second")
        )
        for pair in found["results"][number]["pairs"]
    ]


def test_the_first_days_that_are_free_each_with_the_next(cast: Scene, psychologist: Doctor):
    found = search(cast, region="R1", insurance="Plan A")
    assert [one["doctor"] for one in found["results"]] == [str(psychologist.id)]
    assert (found["next_cursor"], found["has_more"]) == (None, False)
    one = found["results"][0]
    assert one["clinic"] == str(cast.own.clinic.id)
    assert (one["location"], one["timezone"]) == (str(cast.own.location.id), "Europe/Berlin")
    assert walls(found) == [
        ("04 08:00", "05 08:00"),
        ("05 08:00", "06 08:00"),
        ("06 08:00", "07 08:00"),
    ]
    assert one["pairs"][0]["first"] == {
        "doctor": str(psychologist.id),
        "clinic": str(cast.own.clinic.id),
        "location": str(cast.own.location.id),
        "service": None,
        "starts_at": "2035-06-04T06:00:00Z",
        "ends_at": "2035-06-04T07:30:00Z",
        "timezone": "Europe/Berlin",
        "remaining": 1,
    }


def test_region_insurance_and_profession_all_have_to_fit(cast: Scene, psychologist: Doctor):
    add_psychologist(cast, licensed_regions=["R2"])
    add_psychologist(cast, accepted_insurances=["Plan B"])
    psychiatrist = add_psychologist(cast, profession="PSYCHIATRIST")

    def doctors(**query: Any) -> list[str]:
        return [one["doctor"] for one in search(cast, **query)["results"]]

    assert doctors(region="R1", insurance="Plan A") == [str(psychologist.id)]
    assert doctors(region="R1", insurance="Plan A", profession="PSYCHIATRIST") == [
        str(psychiatrist.id)
    ]
    assert len(doctors(region="R1")) == 2
    assert len(doctors()) == 3
    assert doctors(region="R9") == []
    assert doctors(region="r1") == []


def test_a_patient_gives_region_and_insurance(cast: Scene, psychologist: Doctor):
    add_psychologist(cast, licensed_regions=["R2"])
    with tenancy.scope(tenancy.SYSTEM):
        cast.own.chart.region, cast.own.chart.insurance = "R1", "Plan A"
        cast.own.chart.save(update_fields=["region", "insurance"])
    for by in (cast.own.reception, cast.own.patient, cast.own.doctor_user):
        found = search(cast, by, patient=cast.own.chart.id)
        assert [one["doctor"] for one in found["results"]] == [str(psychologist.id)]
    found = search(cast, patient=cast.own.chart.id, region="R2")
    assert [one["doctor"] for one in found["results"]] != [str(psychologist.id)]


def test_nothing_is_offered_at_the_patients_own_visits(cast: Scene, psychologist: Doctor):
    cast.own.book(berlin(0, 8, 30))  # with another doctor
    found = search(cast, region="R1", patient=cast.own.chart.id)
    assert walls(found)[0] == ("04 09:00", "05 08:00")
    assert walls(search(cast, region="R1"))[0] == ("04 08:00", "05 08:00")


@pytest.mark.parametrize(("apart", "found"), [(6, True), (7, True), (8, False)])
def test_at_most_seven_local_days_apart(cast: Scene, apart: int, found: bool):
    doctor = add_psychologist(cast, hours=False)
    for day in (2, 2 + apart):
        cast.own.add_hours(
            doctor,
            weekdays=[(NOW + timedelta(days=day)).isoweekday()],
            valid_from=(NOW + timedelta(days=day)).date(),
            valid_to=(NOW + timedelta(days=day)).date(),
        )
    assert bool(search(cast)["results"]) is found


def test_a_weekday_of_work_pairs_with_itself_a_week_later(cast: Scene):
    doctor = add_psychologist(cast, hours=False)
    cast.own.add_hours(doctor, time(8), time(9, 30), weekdays=[3])
    assert walls(search(cast)) == [
        ("06 08:00", "13 08:00"),
        ("13 08:00", "20 08:00"),
        ("20 08:00", "27 08:00"),
    ]


def test_both_lie_within_thirty_days(cast: Scene):
    """NOW is 07:00: a start at 06:30 thirty days later is inside, at 07:00 it is not."""
    for hour, inside in ((time(6, 30), True), (time(7), False)):
        doctor = add_psychologist(cast, hours=False, licensed_regions=[str(hour)])
        end = time(hour.hour + 2, hour.minute)
        for day in (24, 30):
            on = (NOW + timedelta(days=day)).date()
            cast.own.add_hours(
                doctor, hour, end, weekdays=[on.isoweekday()], valid_from=on, valid_to=on
            )
        assert bool(search(cast, region=str(hour))["results"]) is inside


def test_a_session_of_ninety_minutes_needs_ninety_minutes(cast: Scene):
    doctor = add_psychologist(cast, hours=False)
    cast.own.add_hours(doctor, time(8), time(9))
    assert search(cast)["results"] == []
    assert walls(search(cast, duration=60))[0] == ("04 08:00", "05 08:00")


def test_a_service_brings_its_length_and_buffers(cast: Scene):
    doctor = add_psychologist(cast, hours=False)
    service = cast.own.add_service(duration_minutes=75, buffer_after_minutes=10)
    cast.own.add_hours(doctor, time(8), time(9, 30), services=[service])
    one = search(cast, service=service.id)["results"][0]
    assert one["pairs"][0]["first"]["ends_at"] == "2035-06-04T07:15:00Z"
    assert one["pairs"][0]["first"]["service"] == str(service.id)
    assert search(cast, service=cast.own.service.id)["results"] == []


# --- Caps -------------------------------------------------------------------------------------


def test_a_week_with_room_for_one_takes_one_of_a_pair(cast: Scene):
    doctor = add_psychologist(cast, hours=False, max_weekly_appointments=3)
    cast.own.add_hours(doctor, weekdays=[1, 3, 5])
    assert walls(search(cast))[0] == ("04 08:00", "06 08:00")
    cast.own.book(berlin(1, 11) + timedelta(days=1), doctor=doctor.id)
    cast.own.book(berlin(1, 13) + timedelta(days=1), doctor=doctor.id)
    # One more this week: the second session waits for the next, seven days after at the most.
    assert walls(search(cast)) == [
        ("04 08:00", "11 08:00"),
        ("06 08:00", "11 08:00"),
        ("08 08:00", "11 08:00"),
    ]
    cast.own.book(berlin(1, 15) + timedelta(days=1), doctor=doctor.id)
    assert walls(search(cast))[0] == ("11 08:00", "13 08:00")


def test_a_full_day_is_no_day_of_a_pair(cast: Scene):
    doctor = add_psychologist(cast, max_daily_appointments=1)
    cast.own.book(berlin(1, 15), doctor=doctor.id)
    assert walls(search(cast))[0] == ("04 08:00", "06 08:00")


def test_a_cap_of_one_a_week_pairs_across_weeks(cast: Scene):
    doctor = add_psychologist(cast, hours=False, max_weekly_appointments=1)
    cast.own.add_hours(doctor, weekdays=[1, 6])
    assert walls(search(cast))[0] == ("04 08:00", "11 08:00")


# --- Places -----------------------------------------------------------------------------------


def test_both_sessions_are_at_one_place_and_it_is_the_one_of_the_earliest_pair(cast: Scene):
    doctor = add_psychologist(cast, hours=False)
    second = cast.own.add_location()
    cast.own.add_hours(doctor, weekdays=[1])
    cast.own.add_hours(doctor, location=second, weekdays=[2, 3])
    found = search(cast)
    assert found["results"][0]["location"] == str(cast.own.location.id)
    assert walls(found)[0] == ("04 08:00", "11 08:00")
    there = search(cast, location=second.id)
    assert walls(there)[0] == ("05 08:00", "06 08:00")


def test_two_clinics_of_one_clinician_are_one_result(cast: Scene, psychologist: Doctor):
    """The receptionist of both is told of each clinician once."""
    cast.other.doctor_of(psychologist)
    with tenancy.scope(tenancy.SYSTEM):
        membership_add(clinic=cast.other.clinic, user=cast.own.reception.user, role="RECEPTIONIST")
    cast.other.add_hours(psychologist, time(18), time(21))
    found = search(cast, region="R1")
    assert [one["doctor"] for one in found["results"]] == [str(psychologist.id)]
    there = search(cast, region="R1", clinic=cast.other.clinic.id)
    assert there["results"][0]["timezone"] == "Asia/Kolkata"


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        ("Pacific/Kiritimati", time(22, 30), time(0)),
        ("Etc/GMT+12", time(22, 30), time(0)),
        ("Pacific/Kiritimati", time(0), time(1, 30)),
        ("Etc/GMT+12", time(0), time(1, 30)),
    ],
)
def test_days_are_those_of_the_place(cast: Scene, zone: str, start: time, end: time):
    """Around midnight in far zones: one session a local day, on two days in a row."""
    place, doctor = cast.own.add_location(zone), add_psychologist(cast, hours=False)
    cast.own.add_hours(doctor, start, end, location=place)
    found = search(cast)
    first, second = walls(found)[0]
    assert (first[3:], second[3:]) == (f"{start:%H:%M}", f"{start:%H:%M}")
    assert int(second[:2]) == int(first[:2]) + 1


def test_a_night_between_needs_the_time_between_visits(cast: Scene):
    """The last of one day and the first of the next, with buffers that do not fit in midnight."""
    doctor = add_psychologist(cast, hours=False)
    service = cast.own.add_service(duration_minutes=90, buffer_after_minutes=15)
    on, after = berlin(1).date(), berlin(2).date()
    cast.own.add_hours(doctor, time(22, 30), time(0), weekdays=[2], valid_from=on, valid_to=on)
    cast.own.add_hours(doctor, time(0), time(2), weekdays=[3], valid_from=after, valid_to=after)
    assert walls(search(cast, service=service.id)) == [("05 22:30", "06 00:30")]
    assert walls(search(cast)) == [("05 22:30", "06 00:00")]
    # Another day after it does not take its place.
    cast.own.add_hours(doctor, weekdays=[5])
    assert walls(search(cast, service=service.id))[0] == ("05 22:30", "06 00:30")


@pytest.mark.parametrize("day", [date(2035, 10, 28), date(2036, 3, 30)])
def test_a_change_of_clocks_between_them(cast: Scene, day: date):
    doctor = add_psychologist(cast, hours=False)
    cast.own.add_hours(doctor, time(0), time(4), weekdays=[6, 7])
    before = datetime.combine(day - timedelta(days=2), time(7), ZoneInfo("UTC"))
    with time_machine.travel(before, tick=False):
        first, second = walls(search(cast))[0]
    assert (first[3:], second) == ("00:00", f"{day:%d} 00:00")


# --- Who may ask ------------------------------------------------------------------------------


def test_the_outsider_sees_a_public_clinic_only_by_name(cast: Scene, psychologist: Doctor):
    named = {"region": "R1", "clinic": cast.own.clinic.id}
    for visitor in (NOBODY, cast.other.patient.api, cast.other.reception.api):
        assert len(search(cast, visitor, **named)["results"]) == 1
    for visitor in (cast.other.patient.api, cast.other.reception.api):
        assert search(cast, visitor, region="R1")["results"] == []
    refused(NOBODY.get(PATH, region="R1"), 400, "VALIDATION_ERROR", clinic="name a clinic")
    cast.own.policy(public_slots=False)
    for visitor in (NOBODY, cast.other.patient.api, cast.other.reception.api):
        refused(visitor.get(PATH, **named), 404, "NOT_FOUND", clinic="not found")
    for by in (cast.own.patient, cast.own.reception):
        assert len(search(cast, by, **named)["results"]) == 1


def test_a_foreign_patient_place_or_service_is_not_there(cast: Scene, psychologist: Doctor):
    for by in (cast.other.reception, cast.other.patient, person("stranger")):
        answer = by.api.get(PATH, patient=cast.own.chart.id)
        refused(answer, 404, "NOT_FOUND", patient="not found")
    refused(NOBODY.get(PATH, patient=cast.own.chart.id), 401, "NOT_AUTHENTICATED")
    stranger = cast.own.add_chart()
    answer = cast.own.patient.api.get(PATH, patient=stranger.id)
    refused(answer, 404, "NOT_FOUND", patient="not found")
    answer = cast.own.reception.api.get(
        PATH, patient=cast.own.chart.id, clinic=cast.other.clinic.id
    )
    refused(answer, 404, "NOT_FOUND", patient="not found")
    for name, row in (("location", cast.own.location), ("service", cast.own.service)):
        answer = cast.other.reception.api.get(PATH, **{name: row.id})
        refused(answer, 404, "NOT_FOUND", **{name: "not found"})
        assert cast.own.reception.api.get(PATH, **{name: row.id}).status_code == 200
    hidden = cast.own.add_service(is_public=False)
    answer = NOBODY.get(PATH, clinic=cast.own.clinic.id, service=hidden.id)
    refused(answer, 404, "NOT_FOUND", service="not found")
    answer = NOBODY.get(PATH, clinic=cast.own.clinic.id, location=cast.own.location.id)
    assert answer.status_code == 200


def test_the_installations_administrator_asks_about_all(cast: Scene, psychologist: Doctor):
    root = person("root")
    User.objects.filter(pk=root.id).update(is_superuser=True)
    assert len(search(cast, root, region="R1")["results"]) == 1
    answer = root.api.get(PATH, clinic=psychologist.id)
    refused(answer, 404, "NOT_FOUND", clinic="not found")


def test_patients_keep_the_notice_and_staff_do_not(cast: Scene, psychologist: Doctor):
    cast.own.policy(min_notice_minutes=26 * 60)
    assert walls(search(cast, region="R1"))[0][0] == "04 08:00"
    assert walls(search(cast, cast.own.patient, region="R1"))[0][0] == "05 09:00"
    named = {"region": "R1", "clinic": cast.own.clinic.id}
    assert walls(search(cast, cast.other.reception, **named))[0][0] == "05 09:00"


def test_the_clinics_horizon_binds(cast: Scene, psychologist: Doctor):
    cast.own.policy(horizon_days=2)
    assert walls(search(cast, region="R1")) == [("04 08:00", "05 08:00")]
    cast.own.policy(horizon_days=1)
    assert search(cast, region="R1")["results"] == []


def test_who_left_or_is_inactive_is_not_on_offer(cast: Scene, psychologist: Doctor):
    with tenancy.scope(tenancy.SYSTEM):
        psychologist.user.memberships.update(is_active=False)
    assert search(cast, region="R1")["results"] == []


# --- Bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"region": "x" * 81}, "region"),
        ({"insurance": "a\x00b"}, "insurance"),
        ({"profession": "WIZARD"}, "profession"),
        ({"duration": "4"}, "duration"),
        ({"duration": "721"}, "duration"),
        ({"duration": "ninety"}, "duration"),
        ({"duration": "²"}, "duration"),
        ({"type": "POST"}, "type"),
        ({"clinic": "mine"}, "clinic"),
        ({"location": "there"}, "location"),
        ({"service": "1"}, "service"),
        ({"patient": "me"}, "patient"),
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"cursor": "not"}, "cursor"),
        ({"cursor": "WyJub3QiXQ"}, "cursor"),
        ({"cursor": "WzFd"}, "cursor"),
        ({"cursor": "e30"}, "cursor"),
        ({"regoin": "R1"}, "regoin"),
    ],
)
def test_bad_questions_say_what_is_wrong(cast: Scene, query: dict[str, str], field: str):
    answer = cast.own.reception.api.get(PATH, **query)
    body = refused(answer, 400, "VALIDATION_ERROR")
    assert set(body["errors"]) == {field}
