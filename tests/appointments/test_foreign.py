"""What belongs to another clinic is answered exactly as what does not exist."""

import pytest

from core import ids
from tests.appointments.moments import berlin
from tests.appointments.scene import Api, Scene, person
from tests.appointments.traces import nothing_left_behind, refused, without_request


@pytest.mark.parametrize("field", ["doctor", "patient", "location", "service", "room"])
def test_booking_with_something_foreign_is_as_with_something_unknown(cast: Scene, field: str):
    foreign = {
        "doctor": cast.other.doctor,
        "patient": cast.other.chart,
        "location": cast.other.location,
        "service": cast.other.service,
        "room": cast.other.room,
    }[field]
    told = []
    for value in (foreign.id, ids.uuid7()):
        with nothing_left_behind():
            answer = cast.own.reception.api.post(
                "appointments", cast.own.request(berlin(), **{field: value})
            )
        told.append(without_request(refused(answer, 404, "NOT_FOUND", **{field: "not found"})))
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", ""),
        ("get", "/history"),
        ("put", ""),
        ("patch", ""),
        ("delete", ""),
        ("post", "/approve"),
        ("post", "/confirm"),
        ("post", "/check-in"),
        ("post", "/start"),
        ("post", "/complete"),
        ("post", "/no-show"),
        ("post", "/cancel"),
        ("post", "/undo"),
        ("post", "/reschedule"),
        ("post", "/move-doctor"),
    ],
)
def test_a_foreign_appointment_is_an_unknown_one(cast: Scene, method: str, path: str):
    made = cast.own.book(berlin())
    body = {"reason": "x"} if method != "get" else {}
    if path == "/reschedule":
        body = {"starts_at": berlin(hour=10)}
    elif path == "/move-doctor":
        body = {"doctor": cast.other.doctor.id}
    elif path == "/complete":
        body = {}
    told = []
    for value in (made["id"], ids.uuid7()):
        with nothing_left_behind():
            answer = getattr(cast.other.admin.api, method)(
                f"appointments/{value}{path}", **({} if method == "get" else {"body": body})
            )
        told.append(without_request(refused(answer, 404, "APPOINTMENT_NOT_FOUND")))
    assert told[0] == told[1]


@pytest.mark.parametrize("by", ["reception", "doctor_user", "patient", "admin"])
def test_the_outsider_lists_nothing(cast: Scene, by: str):
    made = cast.own.book(berlin())
    api = getattr(cast.other, by).api
    for path in ("appointments", f"appointments/user/{cast.own.patient.id}/upcoming"):
        assert api.get(path).json()["results"] == []
    for name in ("clinic", "patient", "doctor", "location"):
        assert api.get("appointments", **{name: made[name]}).json()["results"] == []
    assert api.get("appointments/my-appointments").json()["results"] == []


def test_another_patient_of_the_same_clinic_is_an_outsider_too(cast: Scene):
    made = cast.own.book(berlin())

    neighbour = person("neighbour")
    cast.own.add_chart(neighbour)
    refused(neighbour.api.get(f"appointments/{made['id']}"), 404, "APPOINTMENT_NOT_FOUND")
    assert neighbour.api.get("appointments").json()["results"] == []
    with nothing_left_behind():
        answer = neighbour.api.post("appointments", cast.own.request(berlin(hour=11)))
    refused(answer, 404, "NOT_FOUND", patient="not found")


def test_schedule_exceptions_of_another_clinic(cast: Scene):
    body = {
        "clinic": cast.own.clinic.id,
        "kind": "CLOSED",
        "start_date": berlin().date(),
        "end_date": berlin().date(),
    }
    made = cast.own.admin.api.post("schedule-exceptions", body).json()
    told = []
    for clinic in (cast.own.clinic.id, ids.uuid7()):
        with nothing_left_behind():
            answer = cast.other.admin.api.post("schedule-exceptions", body | {"clinic": clinic})
        told.append(without_request(refused(answer, 404, "NOT_FOUND", clinic="not found")))
    assert told[0] == told[1]
    with nothing_left_behind():
        for value in (made["id"], ids.uuid7()):
            path = f"schedule-exceptions/{value}"
            refused(cast.other.admin.api.get(path), 404, "NOT_FOUND")
            refused(cast.other.admin.api.delete(path), 404, "NOT_FOUND")
        mixed = body | {"doctor": cast.other.doctor.id, "kind": "LEAVE"}
        refused(cast.own.admin.api.post("schedule-exceptions", mixed), 404, "NOT_FOUND")
        mixed = body | {"location": cast.other.location.id}
        refused(cast.own.admin.api.post("schedule-exceptions", mixed), 404, "NOT_FOUND")


def test_holds_of_another_person_cannot_be_released(cast: Scene):
    hold = cast.own.patient.api.post("slots/holds", cast.own.request(berlin(), patient=...)).json()
    strangers = (cast.other.reception, cast.other.admin, cast.other.patient, cast.own.nurse)
    for stranger in strangers:
        refused(stranger.api.delete(f"slots/holds/{hold['id']}"), 404, "NOT_FOUND")
    assert cast.own.patient.api.delete(f"slots/holds/{hold['id']}").status_code == 204


def test_nobody_signed_in(cast: Scene):

    nobody = Api(None)
    made = cast.own.book(berlin())
    with nothing_left_behind():
        refused(nobody.get(f"appointments/{made['id']}"), 401, "NOT_AUTHENTICATED")
        refused(nobody.get("appointments"), 401, "NOT_AUTHENTICATED")
        answer = nobody.post("appointments", cast.own.request(berlin(hour=10)))
        refused(answer, 401, "NOT_AUTHENTICATED")
