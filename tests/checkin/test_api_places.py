"""Check-in locations, their codes and posters, and devices, over HTTP."""

import io
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image

from checkin.codes import read_code
from checkin.models import CheckInDevice, CheckInLocation, DeviceKind, PointMode
from core import ids, tenancy
from core.models import IdempotencyRecord
from tests import budgets
from tests.appointments.moments import NOW
from tests.appointments.scene import Api, House, Scene
from tests.appointments.traces import refused, without_request
from tests.checkin.arrivals import device, of_clinic, point
from tests.checkin.reading import drawn, needs_zbar, read_codes, size_in_millimetres
from tests.checkin.talking import DeviceApi, paired, statements

PLACES = "appointments/check-in/locations"
DEVICES = "appointments/check-in/devices"


@pytest.fixture(autouse=True)
def _unlimited(settings: Any) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, 100_000)


def code_of(house: House) -> str:
    return f"appointments/locations/{house.location.id}/qr-code"


def poster_of(house: House) -> str:
    return f"appointments/locations/{house.location.id}/poster.pdf"


# --- Places -------------------------------------------------------------------------------------


def test_the_life_of_a_place(cast: Scene):
    by = cast.own.admin.api
    wanted = {
        "location": cast.own.location.id,
        "name": "Main entrance",
        "latitude": "52.520000",
        "longitude": "13.405000",
        "geofence_metres": 150,
        "geofence_policy": "FLAG",
        "opens_minutes": 45,
        "valid_until": "2036-01-01T00:00:00+01:00",
    }
    answer = by.post(PLACES, wanted)
    assert answer.status_code == 201
    made = answer.json()
    assert (made["version"], made["generation"], made["mode"]) == (1, 1, "STATIC")
    assert made["valid_until"] == "2035-12-31T23:00:00Z"
    assert made["clinic"] == str(cast.own.clinic.id)
    path = f"{PLACES}/{made['id']}"
    assert by.get(path).headers["ETag"] == '"1"'
    assert [row["id"] for row in by.get(PLACES).json()["results"]] == [made["id"]]

    answer = by.patch(path, {"name": "Side entrance"}, **{"If-Match": '"1"'})
    assert (answer.json()["name"], answer.headers["ETag"]) == ("Side entrance", '"2"')
    refused(by.patch(path, {"name": "x"}, **{"If-Match": '"1"'}), 412, "PRECONDITION_FAILED")

    first = by.get(code_of(cast.own)).json()["qr_code"]
    answer = by.post(f"{path}/rotate", **{"If-Match": '"2"'})
    assert (answer.json()["generation"], answer.json()["valid_until"]) == (2, None)
    assert by.get(code_of(cast.own)).json()["qr_code"] != first

    refused(by.delete(path, **{"If-Match": '"2"'}), 412, "PRECONDITION_FAILED")
    assert by.delete(path, **{"If-Match": '"3"'}).status_code == 204
    refused(by.get(path), 404, "NOT_FOUND")
    refused(by.get(code_of(cast.own)), 404, "NOT_FOUND")
    assert by.get(PLACES).json()["results"] == []


def test_a_place_is_made_once_for_a_key(cast: Scene):
    body = {"location": cast.own.location.id, "name": "Door"}
    by, key = cast.own.admin.api, {"Idempotency-Key": "one-door"}
    first, again = by.post(PLACES, body, **key), by.post(PLACES, body, **key)
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(of_clinic(cast.own, CheckInLocation)) == 1
    refused(by.post(PLACES, body), 409, "CONFLICT")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"mode": "SOMETIMES"}, "mode"),
        ({"latitude": "NaN", "longitude": 0}, "latitude"),
        ({"latitude": 90.1, "longitude": 0}, "latitude"),
        ({"geofence_metres": 9}, "geofence_metres"),
        ({"geofence_metres": 100}, "geofence_metres"),
        ({"opens_minutes": 1441}, "opens_minutes"),
        ({"valid_until": "2035-01-01T00:00:00Z"}, "valid_until"),
        ({"valid_until": "tomorrow"}, "valid_until"),
        ({"generation": 5, "colour": "red"}, "colour"),
        ({"location": "x"}, "location"),
    ],
)
def test_what_a_place_cannot_be(cast: Scene, fields: dict[str, Any], field: str):
    body = {"location": cast.own.location.id, "name": "Door"} | fields
    said = refused(cast.own.admin.api.post(PLACES, body), 400, "VALIDATION_ERROR")
    assert field in said["errors"]
    assert of_clinic(cast.own, CheckInLocation) == []


def test_a_place_stays_where_it_is_and_its_number_is_ours(cast: Scene):
    made = point(cast.own)
    by, path = cast.own.admin.api, f"{PLACES}/{made.id}"
    moved = by.patch(path, {"location": cast.own.add_location().id})
    refused(moved, 400, "VALIDATION_ERROR", location="cannot be changed")
    same = by.put(path, {"location": made.location_id, "name": "Door", "generation": 9})
    assert (same.json()["name"], same.json()["generation"]) == ("Door", 1)
    refused(by.post(f"{path}/rotate", {"valid_until": NOW}), 400, "VALIDATION_ERROR")


def test_who_may_do_what_with_places(cast: Scene):
    made = point(cast.own)
    path = f"{PLACES}/{made.id}"
    assert cast.own.reception.api.get(path).status_code == 200
    for by in (cast.own.reception, cast.own.nurse, cast.own.doctor_user, cast.own.patient):
        refused(by.api.patch(path, {"name": "x"}), 403, "PERMISSION_DENIED")
        refused(by.api.post(f"{path}/rotate"), 403, "PERMISSION_DENIED")
        refused(by.api.delete(path), 403, "PERMISSION_DENIED")
    for by in (cast.own.nurse, cast.own.doctor_user, cast.own.patient):
        refused(by.api.get(PLACES), 403, "PERMISSION_DENIED")
        refused(by.api.get(code_of(cast.own)), 403, "PERMISSION_DENIED")
        refused(by.api.get(poster_of(cast.own)), 403, "PERMISSION_DENIED")


def test_the_outsider_and_nothing_are_alike(cast: Scene):
    made, paired_here = point(cast.own), device(cast.own)
    by = cast.other.admin.api
    for method, path, body in [
        ("get", f"{PLACES}/{{}}", None),
        ("patch", f"{PLACES}/{{}}", {"name": "x"}),
        ("delete", f"{PLACES}/{{}}", {}),
        ("post", f"{PLACES}/{{}}/rotate", {}),
    ]:
        assert alike(by, method, path, made.id, body)
    for method, path in [
        ("get", f"{DEVICES}/{{}}"),
        ("delete", f"{DEVICES}/{{}}"),
        ("post", f"{DEVICES}/{{}}/pairing-code"),
    ]:
        assert alike(by, method, path, paired_here.id, None if method == "get" else {})
    for path in ("appointments/locations/{}/qr-code", "appointments/locations/{}/poster.pdf"):
        assert alike(by, "get", path, cast.own.location.id, None)
    for location in (cast.own.location.id, ids.uuid7()):
        body = {"location": location, "name": "x"}
        refused(by.post(PLACES, body), 404, "NOT_FOUND")
        refused(by.post(DEVICES, body | {"kind": "WALL"}), 404, "NOT_FOUND")
        refused(by.post(f"{DEVICES}/lend", {"location": location}), 404, "NOT_FOUND")
    for path in (PLACES, DEVICES):
        assert by.get(path, location=cast.own.location.id).json()["results"] == []
    assert of_clinic(cast.own, CheckInLocation)[0].version == 1
    assert of_clinic(cast.own, CheckInDevice)[0].version == 1


def alike(by: Api, method: str, path: str, known: Any, body: Any) -> bool:
    """A foreign id is answered as one that is nowhere."""
    told = [
        without_request(
            refused(
                getattr(by, method)(path.format(one), *([] if body is None else [body])),
                404,
                "NOT_FOUND",
            )
        )
        for one in (known, ids.uuid7())
    ]
    return told[0] == told[1]


def test_places_are_filtered_strictly(cast: Scene):
    made = point(cast.own, mode=PointMode.ROTATING)
    point(cast.own, location=cast.own.add_location(), is_active=False)
    by = cast.own.admin.api

    def found(**query: Any) -> list[str]:
        return [row["id"] for row in by.get(PLACES, **query).json()["results"]]

    assert len(found()) == 2
    for query in ({"mode": "ROTATING"}, {"is_active": True}, {"location": made.location_id}):
        assert found(**query) == [str(made.id)]
    assert found(clinic=cast.other.clinic.id) == []
    refused(by.get(PLACES, name="x"), 400, "VALIDATION_ERROR", name="unknown")
    page = by.get(PLACES, limit=1).json()
    assert page["has_more"] is True
    rest = by.get(PLACES, limit=1, cursor=page["next_cursor"]).json()
    assert {page["results"][0]["id"], rest["results"][0]["id"]} == set(found())


# --- Codes and posters --------------------------------------------------------------------------


def test_a_code_as_data_and_pictures(cast: Scene):
    first, second = point(cast.own), point(cast.own)
    by, path = cast.own.reception.api, code_of(cast.own)
    said = by.get(path).json()
    assert (said["point"], said["mode"], said["valid_until"]) == (str(first.id), "STATIC", None)
    assert said["url"] == f"HTTP://TESTSERVER/Q/{said['qr_code']}"
    assert read_code(said["url"]).subject_id == first.id
    assert by.get(path, point=second.id).json()["point"] == str(second.id)
    small, large = (by.get(path, format="png", scale=scale) for scale in (1, 10))
    assert small.headers["Content-Type"] == "image/png"
    assert small.headers["Cache-Control"] == "private, no-store"
    width = Image.open(io.BytesIO(small.content)).width
    assert Image.open(io.BytesIO(large.content)).width == 10 * width
    drawing = by.get(path, format="svg")
    assert drawing.headers["Content-Type"] == "image/svg+xml"
    assert drawing.content.startswith(b"<svg")


@needs_zbar
def test_a_picture_is_read_by_a_stranger(cast: Scene):
    point(cast.own)
    by, path = cast.own.reception.api, code_of(cast.own)
    assert read_codes(by.get(path, format="png").content) == [by.get(path).json()["url"]]


@pytest.mark.parametrize(
    "query",
    [
        {"format": "gif"},
        {"format": ""},
        {"scale": 0},
        {"scale": 41},
        {"scale": "٣"},
        {"point": "x"},
        {"size": "a4"},
    ],
)
def test_a_code_is_asked_for_properly(cast: Scene, query: dict[str, Any]):
    point(cast.own)
    refused(cast.own.admin.api.get(code_of(cast.own), **query), 400, "VALIDATION_ERROR")


def test_a_place_of_another_location_is_not_this_ones(cast: Scene):
    point(cast.own)
    elsewhere = point(cast.own, location=cast.own.add_location())
    by = cast.own.admin.api
    for wanted in (elsewhere.id, point(cast.other).id, ids.uuid7()):
        refused(by.get(code_of(cast.own), point=wanted), 404, "NOT_FOUND")
        refused(by.get(poster_of(cast.own), point=wanted), 404, "NOT_FOUND")


@needs_zbar
@pytest.mark.parametrize(("size", "millimetres"), [("a4", (210, 297)), ("a5", (148, 210))])
def test_a_poster(cast: Scene, size: str, millimetres: tuple[int, int]):
    point(cast.own)
    by = cast.own.reception.api
    answer = by.get(poster_of(cast.own), size=size, language="es")
    assert answer.headers["Content-Type"] == "application/pdf"
    assert size_in_millimetres(answer.content) == millimetres
    url = by.get(code_of(cast.own)).json()["url"]
    assert read_codes(drawn(answer.content, dots_per_inch=100)) == [url]
    assert by.get(poster_of(cast.own), size=size, language="es").content == answer.content


def test_posters_that_cannot_be(cast: Scene):
    made = point(cast.own)
    by, path = cast.own.admin.api, poster_of(cast.own)
    refused(by.get(path, size="a3"), 400, "VALIDATION_ERROR", size="a4 or a5")
    refused(by.get(path, language="tlh"), 400, "VALIDATION_ERROR", language="any of")
    with tenancy.scope(tenancy.SYSTEM):
        CheckInLocation.objects.filter(pk=made.pk).update(mode=PointMode.ROTATING)
    refused(by.get(path), 400, "VALIDATION_ERROR", point="screen")


def test_a_wall_shows_its_own_places_code(cast: Scene):
    point(cast.own)
    screen = point(cast.own, mode=PointMode.ROTATING)
    _, wall = paired(cast.own, DeviceKind.WALL, point=screen)
    said = wall.get(code_of(cast.own)).json()
    assert (said["point"], said["mode"]) == (str(screen.id), "ROTATING")
    assert said["valid_until"] is not None
    elsewhere = cast.own.add_location()
    point(cast.own, location=elsewhere)
    refused(wall.get(f"appointments/locations/{elsewhere.id}/qr-code"), 404, "NOT_FOUND")
    refused(wall.get(poster_of(cast.own)), 403, "PERMISSION_DENIED")
    _, scanner = paired(cast.own)
    refused(scanner.get(code_of(cast.own)), 403, "PERMISSION_DENIED")
    theirs = point(cast.other)
    refused(wall.get(code_of(cast.other), point=theirs.id), 404, "NOT_FOUND")


# --- Devices ------------------------------------------------------------------------------------


def test_the_life_of_a_device(cast: Scene):
    by = cast.own.admin.api
    body = {"location": cast.own.location.id, "kind": "KIOSK", "name": "Tablet"}
    answer = by.post(DEVICES, body, **{"Idempotency-Key": "not-kept"})
    assert answer.status_code == 201
    made = answer.json()
    code = made.pop("pairing_code")
    with tenancy.scope(tenancy.SYSTEM):
        assert not IdempotencyRecord.objects.exists()  # it would keep the code
    path = f"{DEVICES}/{made['id']}"
    assert by.get(path).json() == made
    assert code not in str(by.get(DEVICES).json())

    pair = Api(None).post(f"{DEVICES}/pair", {"pairing_code": f" {code.lower()} "})
    assert pair.status_code == 201
    said = pair.json()
    assert said["device"]["paired_at"] is not None
    refused(Api(None).post(f"{DEVICES}/pair", {"pairing_code": code}), 401, "INVALID_CREDENTIALS")
    kiosk = DeviceApi(said["token"])
    scan = {"qr_code": "noise", "nonce": "a-nonce-of-it"}
    refused(kiosk.post("appointments/check-in/scan-qr", scan), 404, "INVALID_QR_CODE")

    again = by.post(f"{path}/pairing-code").json()
    assert again["pairing_code"] != code
    version = by.get(path).headers["ETag"]
    refused(by.delete(path, **{"If-Match": '"1"'}), 412, "PRECONDITION_FAILED")
    assert by.delete(path, **{"If-Match": version}).status_code == 204
    refused(kiosk.post("appointments/check-in/scan-qr", scan), 401, "DEVICE_REVOKED")
    assert [row["id"] for row in by.get(DEVICES, revoked=True).json()["results"]] == [made["id"]]
    assert by.get(DEVICES, revoked=False).json()["results"] == []


def test_staff_lend_their_phone_for_a_shift(cast: Scene):
    answer = cast.own.nurse.api.post(f"{DEVICES}/lend", {"location": cast.own.location.id})
    assert answer.status_code == 201
    said = answer.json()
    assert said["device"]["kind"] == "SCANNER"
    until = datetime.fromisoformat(said["device"]["expires_at"])
    assert until == NOW + timedelta(hours=12)
    refused(
        cast.own.doctor_user.api.post(f"{DEVICES}/lend", {"location": cast.own.location.id}),
        403,
        "PERMISSION_DENIED",
    )


def test_who_may_do_what_with_devices(cast: Scene):
    made = device(cast.own)
    path = f"{DEVICES}/{made.id}"
    assert cast.own.reception.api.get(path).status_code == 200
    body = {"location": cast.own.location.id, "kind": "WALL", "name": "x"}
    for by in (cast.own.reception, cast.own.nurse, cast.own.doctor_user, cast.own.patient):
        refused(by.api.delete(path), 403, "PERMISSION_DENIED")
        refused(by.api.post(DEVICES, body), 403, "PERMISSION_DENIED")
        refused(by.api.post(f"{path}/pairing-code"), 403, "PERMISSION_DENIED")
    for by in (cast.own.nurse, cast.own.doctor_user, cast.own.patient):
        refused(by.api.get(DEVICES), 403, "PERMISSION_DENIED")


def test_a_device_stands_at_a_place_of_its_location(cast: Scene):
    by = cast.own.admin.api
    body = {"location": cast.own.location.id, "kind": "WALL", "name": "Wall"}
    elsewhere = point(cast.own, location=cast.own.add_location())
    refused(by.post(DEVICES, body | {"point": elsewhere.id}), 400, "VALIDATION_ERROR")
    refused(by.post(DEVICES, body | {"point": point(cast.other).id}), 404, "NOT_FOUND")
    gone = point(cast.own, deleted_at=NOW)
    refused(by.post(DEVICES, body | {"point": gone.id}), 404, "NOT_FOUND")
    assert by.post(DEVICES, body | {"point": point(cast.own).id}).status_code == 201


# --- Cost ---------------------------------------------------------------------------------------


def test_lists_take_the_same_statements_at_1_3_and_30_rows(cast: Scene):
    by = cast.own.admin.api
    taken: dict[str, list[int]] = {PLACES: [], DEVICES: []}
    present = 0
    for rows in (1, 3, 30):
        for _ in range(present, rows):
            point(cast.own, location=cast.own.add_location())
            device(cast.own)
        present = rows
        for path, counts in taken.items():
            with CaptureQueriesContext(connection) as captured:
                assert len(by.get(path, limit=100).json()["results"]) == rows
            counts.append(statements(captured))
    assert taken == {PLACES: [budgets.CHECKIN_LIST] * 3, DEVICES: [budgets.CHECKIN_LIST] * 3}
