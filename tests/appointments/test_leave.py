"""Leave and other exceptions: what they close, whom they affect, and what they give back."""

import pytest

from appointments.models import BusyTime
from core import tenancy
from tests.appointments.moments import berlin
from tests.appointments.scene import Scene
from tests.appointments.traces import nothing_left_behind, refused


def except_(cast: Scene, kind: str, days: int = 1, until: int | None = None, **fields):
    body = {
        "clinic": cast.own.clinic.id,
        "doctor": cast.own.doctor.id,
        "kind": kind,
        "start_date": berlin(days).date(),
        "end_date": berlin(until or days).date(),
    } | fields
    return cast.own.admin.api.post("schedule-exceptions", body)


def blocked(cast: Scene) -> list[tuple[str, str]]:
    """The claims of leave, as Berlin wall-clock times."""
    with tenancy.scope(tenancy.SYSTEM):
        claims = BusyTime.objects.filter(doctor=cast.own.doctor, kind="BLOCKED").order_by("period")
        zone = berlin().tzinfo
        return [
            (
                f"{c.period.lower.astimezone(zone):%d %H:%M}",
                f"{c.period.upper.astimezone(zone):%d %H:%M}",
            )
            for c in claims
        ]


def test_leave_claims_the_free_time_and_lists_whom_it_affects(cast: Scene):
    inside = [cast.own.book(berlin(hour=hour)) for hour in (9, 11)]
    cast.own.book(berlin(days=3))
    made = except_(cast, "LEAVE", 1, 2).json()
    assert [row["id"] for row in made["affected"]] == [row["id"] for row in inside]
    assert blocked(cast) == [
        ("05 00:00", "05 09:00"),
        ("05 09:30", "05 11:00"),
        ("05 11:30", "07 00:00"),
    ]
    # The visits stay until somebody moves them.
    for row in inside:
        seen = cast.own.reception.api.get(f"appointments/{row['id']}").json()
        assert seen["status"] == "SCHEDULED"


def test_a_visit_cancelled_inside_leave_leaves_its_time_to_the_leave(cast: Scene):
    made = cast.own.book(berlin())
    except_(cast, "LEAVE")
    cast.own.reception.api.post(f"appointments/{made['id']}/cancel", {"reason": "leave"})
    with nothing_left_behind():
        answer = cast.own.reception.api.post("appointments", cast.own.request(berlin()))
    refused(answer, 409, "DOCTOR_ON_LEAVE")
    assert ("05 09:00", "05 09:30") in blocked(cast)


def test_a_visit_moved_out_of_leave_leaves_its_time_to_the_leave(cast: Scene):
    made = cast.own.book(berlin())
    except_(cast, "LEAVE")
    answer = cast.own.reception.api.post(
        f"appointments/{made['id']}/reschedule", {"starts_at": berlin(days=2)}
    )
    assert answer.status_code == 200, answer.content
    other = {"patient": cast.own.add_chart().id}
    with nothing_left_behind():
        answer = cast.own.reception.api.post("appointments", cast.own.request(berlin(), **other))
    refused(answer, 409, "DOCTOR_ON_LEAVE")
    with nothing_left_behind():  # not even by an override
        answer = cast.own.admin.api.post(
            "appointments",
            cast.own.request(berlin(), **other, override={"reason": "urgent"}),
        )
    refused(answer, 409, "DOCTOR_ON_LEAVE")


def test_leave_taken_back_gives_its_time_back(cast: Scene):
    made = except_(cast, "LEAVE").json()
    answer = cast.own.admin.api.delete(f"schedule-exceptions/{made['id']}")
    assert answer.status_code == 204
    assert blocked(cast) == []
    cast.own.book(berlin())


def test_part_of_each_day(cast: Scene):
    answer = except_(cast, "LEAVE", 1, 2, start_time="09:00", end_time="12:00")
    assert answer.status_code == 201
    assert blocked(cast) == [("05 09:00", "05 12:00"), ("06 09:00", "06 12:00")]
    for days in (1, 2):
        cast.own.book(berlin(days=days, hour=12))
        cast.own.book(berlin(days=days, hour=8, minute=30))
        answer = cast.own.reception.api.post(
            "appointments", cast.own.request(berlin(days=days, hour=11, minute=45))
        )
        refused(answer, 409, "DOCTOR_ON_LEAVE")


def test_leave_over_a_change_of_clocks_is_the_whole_local_day(cast: Scene):
    """2035-10-28 has 25 hours in Berlin."""
    body = {
        "clinic": cast.own.clinic.id,
        "doctor": cast.own.doctor.id,
        "kind": "LEAVE",
        "start_date": "2035-10-28",
        "end_date": "2035-10-28",
    }
    assert cast.own.admin.api.post("schedule-exceptions", body).status_code == 201
    with tenancy.scope(tenancy.SYSTEM):
        claim = BusyTime.objects.get(doctor=cast.own.doctor, kind="BLOCKED")
    assert (claim.period.upper - claim.period.lower).total_seconds() == 25 * 3600


def test_the_other_clinic_of_a_shared_doctor_sees_busy_and_no_more(cast: Scene):
    cast.other.doctor_of(cast.own.doctor)
    cast.other.add_hours(cast.own.doctor, weekdays=[])
    own = cast.own.book(berlin(), reason="Confidential cough")
    except_(cast, "LEAVE", 2)
    hours = {
        "clinic": cast.other.clinic.id,
        "doctor": cast.own.doctor.id,
        "location": cast.other.location.id,
        "kind": "HOURS",
        "start_date": berlin(1).date(),
        "end_date": berlin(2).date(),
        "start_time": "08:00",
        "end_time": "20:00",
    }
    answer = cast.other.admin.api.post("schedule-exceptions", hours)
    assert answer.status_code == 201, answer.content
    wanted = {"doctor": cast.own.doctor.id}
    taken = cast.other.reception.api.post("appointments", cast.other.request(berlin(), **wanted))
    away = cast.other.reception.api.post(
        "appointments", cast.other.request(berlin(days=2), **wanted)
    )
    refused(taken, 409, "SCHEDULING_CONFLICT")
    assert away.json()["code"] in {"SCHEDULING_CONFLICT", "DOCTOR_ON_LEAVE"}
    found = cast.other.reception.api.get(
        f"appointments/doctor/{cast.own.doctor.id}/availability",
        **{"from": berlin(1).date(), "to": berlin(2).date(), "service": cast.other.service.id},
        clinic=cast.other.clinic.id,
        explain="true",
    ).json()["results"]
    offered = [slot["starts_at"] for slot in found if slot["reason"] is None]
    assert offered  # they do share the rest of the day
    assert "2035-06-05T07:00:00Z" not in offered
    assert not [start for start in offered if start.startswith("2035-06-06")]
    for answer in (taken.content, away.content, str(found).encode()):
        for secret in (own["id"], own["patient"], cast.own.clinic.id, "cough"):
            assert str(secret).encode() not in answer
    for path in ("schedule-exceptions", "appointments"):
        rows = cast.other.reception.api.get(path).json()["results"]
        assert [row for row in rows if row["clinic"] == str(cast.own.clinic.id)] == []


def test_other_hours_replace_the_weekly_ones(cast: Scene):
    answer = except_(
        cast,
        "HOURS",
        location=cast.own.location.id,
        start_time="18:00",
        end_time="20:00",
        capacity=2,
        slot_minutes=20,
    )
    assert answer.status_code == 201, answer.content
    found = cast.own.reception.api.get(
        f"appointments/doctor/{cast.own.doctor.id}/availability",
        date=berlin().date(),
        service=cast.own.service.id,
    ).json()["results"]
    assert [slot["starts_at"][11:16] for slot in found] == [
        "16:00",
        "16:20",
        "16:40",
        "17:00",
        "17:20",
    ]
    assert {slot["remaining"] for slot in found} == {2}
    refused(
        cast.own.reception.api.post("appointments", cast.own.request(berlin())),
        409,
        "OUTSIDE_WORKING_HOURS",
    )
    cast.own.book(berlin(hour=18))


@pytest.mark.parametrize(
    "fields",
    [
        {"end_date": "2035-06-01"},
        {"end_date": "2037-06-01"},
        {"start_time": "09:00"},
        {"start_time": "10:00", "end_time": "09:00"},
        {"kind": "LEAVE", "doctor": None},
        {"kind": "HOURS"},
        {"kind": "PARTY"},
        {"reason": "x" * 201},
    ],
)
def test_exceptions_that_make_no_sense(cast: Scene, fields: dict):
    with nothing_left_behind():
        answer = except_(cast, **({"kind": "LEAVE"} | fields))
    refused(answer, 400, "VALIDATION_ERROR")


def test_who_may_enter_leave(cast: Scene):
    second = cast.own.add_doctor()
    body = {
        "clinic": cast.own.clinic.id,
        "kind": "LEAVE",
        "start_date": berlin().date(),
        "end_date": berlin().date(),
    }
    own, others = body | {"doctor": cast.own.doctor.id}, body | {"doctor": second.id}
    for nobody in (cast.own.reception, cast.own.nurse):
        with nothing_left_behind():
            refused(nobody.api.post("schedule-exceptions", own), 403, "PERMISSION_DENIED")
    with nothing_left_behind():
        answer = cast.own.doctor_user.api.post("schedule-exceptions", others)
    refused(answer, 403, "PERMISSION_DENIED")
    assert cast.own.doctor_user.api.post("schedule-exceptions", own).status_code == 201
