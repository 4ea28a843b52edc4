"""Bundles over the API: what is found fits together, and is booked all or nothing."""

from collections.abc import Callable
from datetime import datetime, time, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from appointments.models import Appointment, AppointmentEvent, BusyTime
from appointments.selectors import bundles as selector
from clinics.models import Doctor, Service
from core import tenancy
from core.models import OutboxEvent
from tests.appointments.moments import berlin
from tests.appointments.scene import House, Person, Scene

SEARCH, BOOK = "appointments/bundles/search", "appointments/bundles"


@pytest.fixture
def second(cast: Scene) -> Doctor:
    """One more doctor, in the afternoon."""
    doctor = cast.own.add_doctor()
    cast.own.add_hours(doctor, time(13), time(17))
    return doctor


def item(house: House, **fields: Any) -> dict[str, Any]:
    return {"service": house.service.id, "location": house.location.id} | fields


def search(
    house: House, items: list[dict[str, Any]], by: Person | None = None, **fields: Any
) -> Any:
    body = {"patient": house.chart.id, "items": items, "from": "2035-06-05", "to": "2035-06-06"}
    return (by or house.reception).api.post(SEARCH, body | fields)


def found(answer: Any) -> list[list[tuple[int, datetime]]]:
    """Of each bundle, which item when (on the wall in Berlin)."""
    assert answer.status_code == 200, answer.content
    return [
        [(visit["item"], datetime.fromisoformat(visit["starts_at"])) for visit in one["visits"]]
        for one in answer.json()["results"]
    ]


def pick(house: House, at: datetime, **fields: Any) -> dict[str, Any]:
    return item(house, doctor=house.doctor.id, starts_at=at) | fields


def book(
    house: House, visits: list[dict[str, Any]], by: Person | None = None, **fields: Any
) -> Any:
    body = {"patient": house.chart.id, "visits": visits} | fields
    return (by or house.reception).api.post(BOOK, body)


def rows(house: House) -> int:
    with tenancy.scope([house.clinic.id]):
        return Appointment.objects.filter(clinic=house.clinic).count()


def test_what_is_found_is_booked(cast: Scene, second: Doctor):
    own = cast.own
    answer = search(own, [item(own, doctor=own.doctor.id), item(own, doctor=second.id)])
    assert found(answer)[0] == [(0, berlin(1, 8)), (1, berlin(1, 13))]
    assert answer.json()["complete"] is True
    visits = [
        {name: visit[name] for name in ("service", "doctor", "location", "type", "starts_at")}
        for visit in answer.json()["results"][0]["visits"]
    ]
    made = book(own, visits, reason="Check-up")
    assert made.status_code == 201, made.content
    booked = made.json()["visits"]
    assert [visit["doctor"] for visit in booked] == [str(own.doctor.id), str(second.id)]
    assert {visit["status"] for visit in booked} == {"SCHEDULED"}
    assert {visit["reason"] for visit in booked} == {"Check-up"}
    ids = [visit["id"] for visit in booked]
    with tenancy.scope(tenancy.SYSTEM):
        assert BusyTime.objects.filter(appointment_id__in=ids, kind="BOOKED").count() == 2
        assert AppointmentEvent.objects.filter(appointment_id__in=ids).count() == 2
        told = OutboxEvent.objects.filter(topic="appointment.booked", payload__appointment__in=ids)
        assert told.count() == 2
    again = found(search(own, [item(own, doctor=own.doctor.id), item(own, doctor=second.id)]))
    assert again[0][0] == (0, berlin(1, 8, 30))


def test_each_moment_once_and_the_earliest_first(cast: Scene):
    own = cast.own
    bundles = found(search(own, [item(own), item(own)], limit=4))
    assert bundles == [
        [(0, begin), (1, begin + timedelta(minutes=30))]
        for begin in (berlin(1, 8) + timedelta(minutes=30) * number for number in range(4))
    ]


def test_the_order_is_kept_unless_it_is_free(cast: Scene, second: Doctor):
    own = cast.own
    items = [item(own, doctor=second.id), item(own, doctor=own.doctor.id)]
    fixed = found(search(own, items, limit=1))[0]
    assert fixed == [(0, berlin(1, 13)), (1, berlin(1, 13, 30))]
    free = found(search(own, items, limit=1, order="free"))[0]
    assert free == [(1, berlin(1, 8)), (0, berlin(1, 13))]


def test_gaps_are_honoured(cast: Scene, second: Doctor):
    own = cast.own
    items = [item(own, doctor=own.doctor.id), item(own, doctor=second.id)]
    close = found(search(own, items, max_gap=30))
    assert close[0] == [(0, berlin(1, 12)), (1, berlin(1, 13))]
    wide = found(search(own, items, min_gap=330))
    assert wide[0] == [(0, berlin(1, 8)), (1, berlin(1, 14))]
    for bundle in close:
        (_, first), (_, then) = bundle
        assert then - first <= timedelta(minutes=60)


def test_a_sequence_over_days(cast: Scene):
    own = cast.own
    day = 24 * 60
    answer = search(
        own,
        [item(own)] * 3,
        same_day=False,
        min_gap=3 * day,
        max_gap=4 * day,
        to="2035-06-30",
        limit=2,
    )
    for bundle in found(answer):
        for (_, one), (_, then) in pairwise(bundle):
            gap = then - one - timedelta(minutes=30)
            assert timedelta(days=3) <= gap <= timedelta(days=4)
    assert found(search(own, [item(own)] * 3, same_day=True, min_gap=3 * day)) == []


def test_neither_doctor_nor_patient_twice_at_a_time(cast: Scene):
    own = cast.own
    with_break = own.add_service(buffer_after_minutes=20, buffer_before_minutes=10)
    bundles = found(search(own, [item(own, service=with_break.id)] * 2, limit=3))
    assert bundles[0] == [(0, berlin(1, 8)), (1, berlin(1, 9))]
    own.book(berlin(1, 9), doctor=own.add_hours(own.add_doctor())[0].doctor_id)
    named = [item(own, doctor=own.doctor.id, service=with_break.id)] * 2
    assert found(search(own, named, limit=1))[0] == [(0, berlin(1, 8)), (1, berlin(1, 9, 30))]


def test_somebody_else_takes_what_buffers_keep_from_the_first(cast: Scene, second: Doctor):
    """With anybody, the second visit goes to whoever has no buffer to keep."""
    own = cast.own
    slow = own.add_service(buffer_after_minutes=60)
    items = [item(own, service=slow.id), item(own)]
    afternoon = found(search(own, items, limit=20))
    bundle = next(one for one in afternoon if one[0][1] == berlin(1, 13))
    assert bundle == [(0, berlin(1, 13)), (1, berlin(1, 13, 30))]


def test_caps_count_the_visits_of_a_bundle_together(cast: Scene):
    own = cast.own
    capped = own.add_doctor(max_daily_appointments=2)
    own.add_hours(capped)
    items = [item(own, doctor=capped.id)] * 2
    own.book(berlin(1, 16), doctor=capped.id, patient=own.add_chart().id)
    first = found(search(own, items, limit=1))[0]
    assert first[0] == (0, berlin(2, 8))  # today has room for one only
    three = search(own, [item(own, doctor=capped.id)] * 3)
    assert found(three) == []
    refused = book(own, [pick(own, berlin(1, 9 + n), doctor=capped.id) for n in range(2)])
    assert (refused.status_code, refused.json()["code"]) == (409, "DAILY_CAP_REACHED")
    assert refused.json()["visit"] == 1
    weekly = own.add_doctor(max_weekly_appointments=1)
    own.add_hours(weekly)
    over = found(
        search(own, [item(own, doctor=weekly.id)] * 2, same_day=False, to="2035-06-20", limit=1)
    )[0]
    assert [at.isocalendar().week for _, at in over] == [23, 24]


def test_a_patient_searches_and_books_inside_the_policy(cast: Scene, second: Doctor):
    own = cast.own
    own.policy(min_notice_minutes=26 * 60, requires_approval=True)
    items = [item(own, doctor=own.doctor.id), item(own, doctor=second.id)]
    mine = search(own, items, by=own.patient)
    assert found(mine)[0][0] == (0, berlin(1, 9))  # the house's notice
    made = book(
        own,
        [pick(own, berlin(1, 10)), pick(own, berlin(1, 14), doctor=second.id)],
        by=own.patient,
    )
    assert made.status_code == 201, made.content
    assert {one["status"] for one in made.json()["visits"]} == {"PENDING"}
    assert {one["source"] for one in made.json()["visits"]} == {"PATIENT"}
    early = book(own, [pick(own, berlin(1, 8)), pick(own, berlin(1, 11))], by=own.patient)
    assert (early.status_code, early.json()["code"], early.json()["visit"]) == (409, "TOO_SOON", 0)
    off_grid = book(own, [pick(own, berlin(2, 8)), pick(own, berlin(2, 9, 10))], by=own.patient)
    assert off_grid.status_code == 400
    assert "visits.1.starts_at" in off_grid.json()["errors"]
    assert rows(own) == 2


def test_a_doctor_bundles_their_own_visits_only(cast: Scene, second: Doctor):
    own = cast.own
    mine = search(own, [item(own)] * 2, by=own.doctor_user)
    doctors = {one["doctor"] for bundle in mine.json()["results"] for one in bundle["visits"]}
    assert doctors == {str(own.doctor.id)}
    other = search(own, [item(own), item(own, doctor=second.id)], by=own.doctor_user)
    assert (other.status_code, other.json()["code"]) == (403, "PERMISSION_DENIED")
    refused = book(
        own,
        [pick(own, berlin(1, 9)), pick(own, berlin(1, 14), doctor=second.id)],
        by=own.doctor_user,
    )
    assert (refused.status_code, refused.json()["visit"]) == (403, 1)
    assert rows(own) == 0


def test_a_nurse_and_the_outsider_get_nothing(cast: Scene):
    own, other = cast.own, cast.other
    items, visits = [item(own)] * 2, [pick(own, berlin(1, 9)), pick(own, berlin(1, 10))]
    for who, status in (
        (own.nurse, 403),
        (other.reception, 404),
        (other.admin, 404),
        (other.patient, 404),
    ):
        for answer in (search(own, items, by=who), book(own, visits, by=who)):
            assert answer.status_code == status, answer.content
    # Foreign parts of one's own clinic's bundle are not there either.
    foreign = [
        {"service": other.service.id},
        {"location": other.location.id},
        {"doctor": other.doctor.id},
    ]
    for fields in foreign:
        answer = search(own, [item(own), item(own, **fields)])
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND"), fields
        assert list(answer.json()["errors"]) == [f"items.1.{next(iter(fields))}"]
        answer = book(own, [visits[0], visits[1] | fields])
        assert (answer.status_code, answer.json()["visit"]) == (404, 1), fields
    assert search(own, items, patient=other.chart.id).status_code == 404
    assert book(own, visits, patient=other.chart.id).status_code == 404
    assert rows(own) == 0


def test_every_refusal_of_a_visit_names_it_and_books_nothing(cast: Scene, second: Doctor):
    own = cast.own
    own.book(berlin(1, 14), doctor=second.id, patient=own.add_chart().id)
    own.book(berlin(1, 15, 30), doctor=own.doctor.id)
    leave = {
        "clinic": own.clinic.id,
        "doctor": second.id,
        "kind": "LEAVE",
        "start_date": "2035-06-08",
        "end_date": "2035-06-08",
    }
    assert own.admin.api.post("schedule-exceptions", leave).status_code == 201
    home = own.add_service(modes=["HOME_VISIT"])
    before = rows(own)
    first = pick(own, berlin(1, 9))
    for visit, status, code in (
        (pick(own, berlin(1, 14), doctor=second.id), 409, "SCHEDULING_CONFLICT"),
        (pick(own, berlin(1, 9), doctor=second.id), 409, "PATIENT_CONFLICT"),
        (pick(own, berlin(1, 15, 30), doctor=second.id), 409, "PATIENT_CONFLICT"),
        (pick(own, berlin(1, 18), doctor=second.id), 409, "OUTSIDE_WORKING_HOURS"),
        (pick(own, berlin(4, 14), doctor=second.id), 409, "DOCTOR_ON_LEAVE"),
        (pick(own, berlin(-1, 14), doctor=second.id), 409, "TOO_SOON"),
        (pick(own, berlin(1200, 14), doctor=second.id), 409, "BEYOND_HORIZON"),
        (pick(own, berlin(1, 13), location=None), 400, "LOCATION_REQUIRED"),
        (pick(own, berlin(1, 13), service=home.id), 400, "INVALID_APPOINTMENT_TYPE"),
    ):
        answer = book(own, [first, visit])
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content
        assert answer.json()["visit"] == 1, code
    assert rows(own) == before
    taken = book(own, [first, pick(own, berlin(1, 14), doctor=second.id)]).json()
    assert taken["refused"] == [{"visit": 1, "code": "SCHEDULING_CONFLICT"}]
    nearest = [datetime.fromisoformat(slot["starts_at"]) for slot in taken["alternatives"]]
    assert nearest[0] in {berlin(1, 13, 30), berlin(1, 14, 30)}
    assert len(nearest) == 5
    both = book(own, [pick(own, berlin(1, 18)), pick(own, berlin(1, 14), doctor=second.id)]).json()
    assert [one["code"] for one in both["refused"]] == [
        "OUTSIDE_WORKING_HOURS",
        "SCHEDULING_CONFLICT",
    ]


def test_buffers_of_one_doctor_clash_inside_a_bundle(cast: Scene):
    own = cast.own
    slow = own.add_service(buffer_after_minutes=60)
    answer = book(
        own, [pick(own, berlin(1, 9), service=slow.id), pick(own, berlin(1, 10), service=slow.id)]
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "SCHEDULING_CONFLICT")
    assert rows(own) == 0


def test_the_same_key_books_once(cast: Scene):
    own = cast.own
    body = {
        "patient": own.chart.id,
        "visits": [pick(own, berlin(1, 9)), pick(own, berlin(1, 10))],
    }
    answers = [own.reception.api.post(BOOK, body, **{"Idempotency-Key": "one"}) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {201}
    assert answers[0].content == answers[1].content
    assert rows(own) == 2


BAD: list[tuple[dict[str, Any], str]] = [
    ({"items": []}, "items"),
    ({"items": [{}] * 7}, "items"),
    ({"items": [{}, {}]}, "items"),
    ({"to": "2035-06-01"}, "to"),
    ({"to": "2035-08-01"}, "to"),
    ({"to": "2035-02-30"}, "to"),
    ({"min_gap": -1}, "min_gap"),
    ({"min_gap": 60, "max_gap": 30}, "max_gap"),
    ({"max_gap": 10**9}, "max_gap"),
    ({"limit": 21}, "limit"),
    ({"order": "any"}, "order"),
    ({"patient": None}, "patient"),
    ({"whoever": 1}, "whoever"),
]


@pytest.mark.parametrize(
    ("fields", "named"), BAD, ids=[f"{one[1]}-{n}" for n, one in enumerate(BAD)]
)
def test_bad_searches_say_what_is_wrong(cast: Scene, fields: dict[str, Any], named: str):
    answer = search(
        cast.own,
        fields.get("items", [item(cast.own)] * 2),
        **{"limit": 5} | {name: value for name, value in fields.items() if name != "items"},
    )
    assert answer.status_code == 400, answer.content
    assert any(name.startswith(named) for name in answer.json()["errors"])


def test_bad_bookings_say_what_is_wrong(cast: Scene):
    own = cast.own
    one = pick(own, berlin(1, 9))
    for visits in ([], [one], [one] * 7, [one, {**one, "starts_at": "tomorrow"}], [one, "x"]):
        answer = book(own, visits)
        assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR"), visits
    answer = book(own, [one, {**one, "room": str(own.room.id)}])
    assert "visits.1.room" in answer.json()["errors"]
    seconds = book(own, [one, pick(own, berlin(1, 10) + timedelta(seconds=7))])
    assert (seconds.status_code, seconds.json()["visit"]) == (400, 1)


def test_patients_do_not_search_what_only_the_clinic_books(cast: Scene):
    own = cast.own
    inside: Service = own.add_service(is_public=False)
    items = [item(own), item(own, service=inside.id)]
    assert search(own, items, by=own.patient).status_code == 403
    assert search(own, items).status_code == 200
    home = own.add_service(modes=["HOME_VISIT"])
    wrong = search(own, [item(own), item(own, service=home.id)])
    assert (wrong.status_code, wrong.json()["code"]) == (400, "INVALID_APPOINTMENT_TYPE")


def statements(act: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as caught:
        answer = act()
    assert answer.status_code in {200, 201}, answer.content
    told = [query["sql"] for query in caught.captured_queries]
    return sum(1 for sql in told if not sql.startswith(("SAVEPOINT", "RELEASE")))


def test_statements_do_not_grow_with_items_or_times(cast: Scene):
    own = cast.own
    services = [own.add_service() for _ in range(6)]
    searched = {}
    for number in (2, 4, 6):
        items = [item(own, service=one.id) for one in services[:number]]
        searched[number] = statements(lambda items=items: search(own, items, to="2035-06-30"))
    while len(searched) < 6:
        own.add_hours(own.add_doctor())
        searched[len(searched) * 10] = statements(
            lambda: search(own, [item(own, service=one.id) for one in services])
        )
    assert len(set(searched.values())) == 1, searched
    assert searched[2] <= 14, searched
    booked = {}
    for day, number in ((3, 2), (4, 4), (5, 6)):
        visits = [pick(own, berlin(day, 8 + hour)) for hour in range(number)]
        booked[number] = statements(lambda visits=visits: book(own, visits))
    # One to read what each visit refers to; judging, claims and history take one for all.
    assert booked[4] - booked[2] == booked[6] - booked[4] == 2, booked
    assert booked[2] <= 16, booked


def test_a_large_clinic_is_asked_less_and_says_so(cast: Scene, monkeypatch: pytest.MonkeyPatch):
    own = cast.own
    for _ in range(2):
        own.add_hours(own.add_doctor())
    whole = search(own, [item(own)] * 2)
    monkeypatch.setattr(selector, "_DOCTOR_DAYS", 2)
    monkeypatch.setattr(selector, "_FEWEST", 1)
    part = search(own, [item(own)] * 2)
    assert (whole.json()["complete"], part.json()["complete"]) == (True, False)
    assert found(part) == found(whole)
    named = search(own, [item(own, doctor=own.doctor.id)] * 2)
    assert named.json()["complete"] is True
