"""The queue over HTTP."""

from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from checkin.models import QueueEntry
from checkin.selectors.habits import habits_forget
from core import ids, tenancy
from core.models import AuditEvent
from tests import budgets
from tests.appointments.scene import Api, House, Scene, person
from tests.appointments.traces import refused, without_request
from tests.checkin.arrivals import of_clinic, visit
from tests.checkin.talking import paired, statements

STEPS = ("call", "start", "done", "skip", "requeue", "left")


@pytest.fixture(autouse=True)
def _unlimited(settings: Any) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, 100_000)


def walk_in(house: House, name: str = "Ada", /, **fields: Any) -> dict[str, Any]:
    """A walk-in's entry; for the house's doctor unless said."""
    body = {"location": house.location.id, "guest_name": name, "doctor": house.doctor.id} | fields
    answer = house.reception.api.post("queue-entries", body)
    assert answer.status_code == 201, answer.content
    return answer.json()


def arrived(house: House, **fields: Any) -> UUID:
    """The entry of a visit that was checked in at the desk."""
    came = visit(house, **fields)
    assert house.reception.api.post(f"appointments/{came.id}/check-in").status_code == 200
    (entry,) = of_clinic(house, QueueEntry, appointment_id=came.id)
    return entry.id


def queue(api: Api, house: House, **query: Any) -> list[dict[str, Any]]:
    answer = api.get("queues", location=house.location.id, **query)
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


def test_the_order_and_its_reasons(cast: Scene):
    own = cast.own
    first = walk_in(own, "Ada")
    entry = arrived(own, minutes=-5)
    urgent = walk_in(own, "Ben", priority="URGENT")
    rows = queue(own.reception.api, own)
    assert [row["id"] for row in rows] == [urgent["id"], str(entry), first["id"]]
    assert [row["position"] for row in rows] == [1, 2, 3]
    last = rows[-1]
    assert last["ahead"] == {"urgent": 1, "earlier": 1, "waited": 0}
    assert last["name"] == "Ada"
    assert set(last["wait"] or {"from", "to"}) == {"from", "to"}
    assert rows[1]["token"].startswith("A")
    with tenancy.scope(tenancy.SYSTEM):
        read = AuditEvent.objects.filter(action="queue.read").get()
    assert len(read.subjects) == 1


def test_from_call_to_done(cast: Scene):
    own = cast.own
    entry = arrived(own)
    by, path = own.admin.api, f"queue-entries/{entry}"
    assert by.get(path).headers["ETag"] == '"1"'
    called = by.post(f"{path}/call", {"room": own.room.id}, **{"If-Match": '"1"'})
    assert (called.json()["state"], called.json()["room"]) == ("CALLED", str(own.room.id))
    refused(by.post(f"{path}/call", **{"If-Match": '"1"'}), 412, "PRECONDITION_FAILED")
    assert by.post(f"{path}/call").json()["calls"] == 2
    assert by.post(f"{path}/start").json()["state"] == "IN_SERVICE"
    done = by.post(f"{path}/done")
    assert done.json()["state"] == "DONE"
    refused(by.post(f"{path}/skip"), 409, "INVALID_TRANSITION")
    assert queue(by, own) == []


def test_passed_over_put_back_moved_and_gone(cast: Scene):
    own, by = cast.own, cast.own.reception.api
    path = f"queue-entries/{walk_in(own)['id']}"
    assert by.post(f"{path}/skip").json()["skips"] == 1
    assert by.post(f"{path}/requeue").json()["state"] == "WAITING"
    assert by.post(f"{path}/priority", {"priority": "HIGH"}).json()["priority"] == "HIGH"
    other = own.add_doctor()
    moved = by.post(f"{path}/transfer", {"doctor": other.id})
    assert moved.json()["doctor"] == str(other.id)
    elsewhere = own.add_location()
    moved = by.post(f"{path}/transfer", {"doctor": None, "location": elsewhere.id})
    assert (moved.json()["doctor"], moved.json()["location"]) == (None, str(elsewhere.id))
    assert by.post(f"{path}/left", {"reason": "no time"}).json()["state"] == "LEFT"


def test_call_next_calls_each_once_and_a_lost_answer_nobody_else(cast: Scene):
    own, by = cast.own, cast.own.reception.api
    first, second = walk_in(own, "Ada"), walk_in(own, "Ben")
    body = {"location": own.location.id, "doctor": own.doctor.id}
    key = {"Idempotency-Key": "a-click"}
    said = [by.post("queues/call-next", body, **key).json()["entry"]["id"] for _ in range(2)]
    assert said == [first["id"], first["id"]]
    assert by.post("queues/call-next", body).json()["entry"]["id"] == second["id"]
    assert by.post("queues/call-next", body).json() == {"entry": None}


def test_a_walk_in_is_made_once_for_a_key(cast: Scene):
    own = cast.own
    body = {"location": own.location.id, "patient": own.chart.id}
    key = {"Idempotency-Key": "one-walk-in"}
    first, again = (own.reception.api.post("queue-entries", body, **key) for _ in range(2))
    assert first.json() == again.json()
    assert first.headers["ETag"] == '"1"'
    refused(own.reception.api.post("queue-entries", body), 409, "CONFLICT")


@pytest.mark.parametrize(
    "fields",
    [
        {"guest_name": ""},
        {"guest_name": "x" * 201},
        {"priority": "SOON"},
        {"location": None},
        {"location": "x"},
        {"token": "A001"},
    ],
)
def test_what_a_walk_in_cannot_be(cast: Scene, fields: dict[str, Any]):
    body = {"location": cast.own.location.id, "guest_name": "Ada"} | fields
    refused(cast.own.reception.api.post("queue-entries", body), 400, "VALIDATION_ERROR")
    assert of_clinic(cast.own, QueueEntry) == []


@pytest.mark.parametrize("name", ["patient", "doctor", "service"])
def test_nothing_of_another_clinic_goes_into_a_queue(cast: Scene, name: str):
    foreign = {
        "patient": cast.other.chart.id,
        "doctor": cast.other.doctor.id,
        "service": cast.other.service.id,
    }[name]
    body = {"location": cast.own.location.id, "guest_name": "Ada"}
    told = [
        without_request(
            refused(
                cast.own.reception.api.post("queue-entries", body | {name: one}), 404, "NOT_FOUND"
            )
        )
        for one in (foreign, ids.uuid7())
    ]
    assert told[0] == told[1]
    path = f"queue-entries/{walk_in(cast.own)['id']}"
    by = cast.own.reception.api
    refused(by.post(f"{path}/call", {"room": cast.other.room.id}), 404, "NOT_FOUND")
    refused(by.post(f"{path}/transfer", {"doctor": cast.other.doctor.id}), 404, "NOT_FOUND")
    there = {"doctor": None, "location": cast.other.location.id}
    refused(by.post(f"{path}/transfer", there), 404, "NOT_FOUND")


def test_the_outsider_and_nothing_are_alike(cast: Scene):
    entry = walk_in(cast.own)["id"]
    by = cast.other.admin.api
    for step in (*STEPS, "transfer", "priority"):
        body = {"transfer": {"doctor": None}, "priority": {"priority": "LOW"}}.get(step, {})
        told = [
            without_request(refused(by.post(f"queue-entries/{one}/{step}", body), 404, "NOT_FOUND"))
            for one in (entry, ids.uuid7())
        ]
        assert told[0] == told[1]
    for path in ("", "/position"):
        for one in (entry, ids.uuid7()):
            refused(by.get(f"queue-entries/{one}{path}"), 404, "NOT_FOUND")
    for location in (cast.own.location.id, ids.uuid7()):
        refused(by.get("queues", location=location), 404, "NOT_FOUND")
        refused(by.post("queues/call-next", {"location": location}), 404, "NOT_FOUND")
        body = {"location": location, "guest_name": "Eve"}
        refused(by.post("queue-entries", body), 404, "NOT_FOUND")
    (row,) = of_clinic(cast.own, QueueEntry)
    assert row.version == 1


def test_doctors_see_and_run_their_own_queue(cast: Scene):
    own = cast.own
    mine, anyones = walk_in(own, "Ada"), walk_in(own, "Ben", doctor=None)
    colleagues = walk_in(own, "Cem", doctor=own.add_doctor().id)
    by = own.doctor_user.api
    assert [row["id"] for row in queue(by, own)] == [mine["id"], anyones["id"]]
    refused(by.get(f"queue-entries/{colleagues['id']}"), 404, "NOT_FOUND")
    refused(by.post(f"queue-entries/{colleagues['id']}/call"), 404, "NOT_FOUND")
    assert by.post(f"queue-entries/{anyones['id']}/call").json()["doctor"] == str(own.doctor.id)
    called = by.post("queues/call-next", {"location": own.location.id})
    assert called.json()["entry"]["id"] == mine["id"]
    assert len(queue(own.nurse.api, own)) == 3
    assert len(queue(own.nurse.api, own, doctor=own.doctor.id)) == 2


def test_patients_see_their_own_place_and_no_queue(cast: Scene):
    own = cast.own
    walk_in(own, "Somebody Else")
    entry = arrived(own, chart=own.chart, minutes=10)
    by = own.patient.api
    answer = by.get(f"queue-entries/{entry}/position")
    said = answer.json()
    assert (said["state"], said["position"]) == ("WAITING", 2)
    assert said["ahead"] == {"urgent": 0, "earlier": 0, "waited": 1}
    assert b"Somebody" not in answer.content
    refused(by.get("queues", location=own.location.id), 403, "PERMISSION_DENIED")
    refused(by.get(f"queue-entries/{entry}"), 403, "PERMISSION_DENIED")
    refused(by.post(f"queue-entries/{entry}/call"), 403, "PERMISSION_DENIED")
    neighbour = person("neighbour")
    own.add_chart(neighbour)
    refused(neighbour.api.get(f"queue-entries/{entry}/position"), 404, "NOT_FOUND")
    own.reception.api.post(f"queue-entries/{entry}/call", {"room": own.room.id})
    said = by.get(f"queue-entries/{entry}/position").json()
    assert (said["state"], said["room"]) == ("CALLED", own.room.name)


def test_a_scanner_has_no_business_with_the_queue(cast: Scene):
    _, scanner = paired(cast.own)
    refused(scanner.get("queues", location=cast.own.location.id), 401, "NOT_AUTHENTICATED")


@pytest.mark.parametrize("query", [{}, {"location": "x"}, {"location": ..., "sort": "name"}])
def test_a_queue_is_asked_for_properly(cast: Scene, query: dict[str, Any]):
    asked = {name: cast.own.location.id if value is ... else value for name, value in query.items()}
    refused(cast.own.reception.api.get("queues", **asked), 400, "VALIDATION_ERROR")


def test_steps_take_nothing_that_they_do_not_know(cast: Scene):
    path = f"queue-entries/{walk_in(cast.own)['id']}"
    by = cast.own.reception.api
    for step in STEPS:
        refused(by.post(f"{path}/{step}", {"x": 1}), 400, "VALIDATION_ERROR", x="unknown")
    refused(by.post(f"{path}/transfer", {}), 400, "VALIDATION_ERROR", doctor="required")
    refused(by.post(f"{path}/priority", {"priority": "x"}), 400, "VALIDATION_ERROR")


def test_reads_take_the_same_statements_at_1_3_and_30_rows(cast: Scene):
    own = cast.own
    taken: dict[str, list[int]] = {"queues": [], "appointments/check-in/eligible": []}
    present = 0
    for rows in (1, 3, 30):
        for number in range(present, rows):
            visit(own, 60 + number)
            arrived(own, minutes=number)
        present = rows
        for path, counts in taken.items():
            habits_forget()
            with CaptureQueriesContext(connection) as captured:
                answer = own.reception.api.get(
                    path, location=own.location.id, **({} if path == "queues" else {"limit": 100})
                )
            assert len(answer.json()["results"]) == rows
            counts.append(statements(captured))
    assert taken == {
        "queues": [budgets.QUEUE_READ] * 3,
        "appointments/check-in/eligible": [budgets.CHECKIN_ELIGIBLE] * 3,
    }
