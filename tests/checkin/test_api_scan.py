"""Checking in over HTTP: every code, bad input, and what is told to whom."""

import json
from datetime import timedelta
from typing import Any

import pytest

from checkin.codes import Kind, code_of
from checkin.models import (
    CheckIn,
    CheckInMethod,
    DeviceKind,
)
from checkin.services.points import point_rotate
from core import ids, tenancy
from tests.appointments.moments import NOW
from tests.appointments.scene import Api, Scene, person
from tests.appointments.traces import refused, without_request
from tests.checkin.arrivals import device, nonce, of_clinic, pass_of, point, poster_of, visit
from tests.checkin.asking import SCAN, SYNC, attempts, refusal, scan
from tests.checkin.talking import DeviceApi, cookie_client, paired


@pytest.fixture(autouse=True)
def _unlimited(settings: Any) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, 100_000)


# --- Who scans ----------------------------------------------------------------------------------


def test_a_scanner_checks_a_pass_in(cast: Scene, scanner: DeviceApi):
    came = visit(cast.own, 5)
    answer = scan(scanner, pass_of(came))
    assert answer.status_code == 200
    said = answer.json()
    assert (said["outcome"], said["code"], said["replayed"]) == ("CHECKED_IN", None, False)
    (told,) = said["visits"]
    assert told["appointment"] == str(came.id)
    assert told["patient"] == came.patient.full_name
    assert told["token"] == "A001"
    (row,) = of_clinic(cast.own, CheckIn)
    assert row.method == CheckInMethod.QR_STAFF


def test_a_kiosk_is_a_method_of_its_own(cast: Scene):
    kiosk, api = paired(cast.own, DeviceKind.KIOSK)
    assert scan(api, pass_of(visit(cast.own))).status_code == 200
    (row,) = of_clinic(cast.own, CheckIn)
    assert (row.method, row.device_id) == (CheckInMethod.KIOSK, kiosk.id)


def test_a_wall_screen_checks_nobody_in(cast: Scene):
    _, wall = paired(cast.own, DeviceKind.WALL)
    came = visit(cast.own)
    refused(scan(wall, pass_of(came)), 403, "PERMISSION_DENIED")
    body = {"sent_at": NOW, "scans": [{"qr_code": "x", "nonce": nonce(), "scanned_at": NOW}]}
    refused(wall.post(SYNC, body), 403, "PERMISSION_DENIED")
    assert of_clinic(cast.own, CheckIn) == []


@pytest.mark.parametrize("who", ["reception", "nurse", "admin"])
def test_staff_scan_with_their_own_sign_in(cast: Scene, who: str):
    came = visit(cast.own)
    said = scan(getattr(cast.own, who).api, pass_of(came)).json()
    assert said["visits"][0]["patient"] == came.patient.full_name


def test_staff_may_say_at_which_device_they_stand(cast: Scene):
    elsewhere = device(cast.own, location=cast.own.add_location())
    came = visit(cast.own)
    by = cast.own.reception.api
    refusal(scan(by, pass_of(came), device=elsewhere.id), 409, "WRONG_LOCATION")
    for foreign in (device(cast.other).id, ids.uuid7()):
        refused(scan(by, pass_of(came), device=foreign), 404, "NOT_FOUND")
    assert scan(by, pass_of(came), device=device(cast.own).id).status_code == 200


def test_a_device_speaks_for_itself_alone(cast: Scene, scanner: DeviceApi):
    answer = scan(scanner, pass_of(visit(cast.own)), device=device(cast.own).id)
    refused(answer, 400, "VALIDATION_ERROR", device="not the device")


def test_a_patient_scans_the_poster(cast: Scene):
    came = visit(cast.own, chart=cast.own.chart)
    said = scan(cast.own.patient.api, poster_of(point(cast.own))).json()
    (told,) = said["visits"]
    assert (told["appointment"], told["patient"]) == (str(came.id), came.patient.given_name)
    (row,) = of_clinic(cast.own, CheckIn)
    assert row.method == CheckInMethod.QR_SELF


def test_who_has_no_business_there_learns_nothing(cast: Scene):
    """A doctor without the right, a stranger, and staff of another clinic: all hear the same."""
    code = pass_of(visit(cast.own))
    unknown = code_of(Kind.PASS, clinic=cast.own.clinic.id, subject=ids.uuid7())
    for by in (cast.own.doctor_user, person("stranger"), cast.other.admin, cast.other.patient):
        told = []
        for text in (code, unknown):
            body = refusal(scan(by.api, text), 404, "INVALID_QR_CODE")
            told.append(without_request(body) | {"attempt": None, "nonce": None})
        assert told[0] == told[1]
    assert of_clinic(cast.own, CheckIn) == []


def test_nobody_scans_without_saying_who_they_are(cast: Scene):
    refused(scan(Api(None), pass_of(visit(cast.own))), 401, "NOT_AUTHENTICATED")
    refused(Api(None).post(SYNC, {}), 401, "NOT_AUTHENTICATED")


def test_a_dead_token_is_said_to_be_dead(cast: Scene):
    made, api = paired(cast.own)
    path = f"appointments/check-in/devices/{made.id}"
    assert cast.own.admin.api.delete(path).status_code == 204
    refused(scan(api, pass_of(visit(cast.own))), 401, "DEVICE_REVOKED")
    refused(scan(DeviceApi("nonsense"), "x"), 401, "DEVICE_REVOKED")


def test_the_cookie_alone_checks_nobody_in(cast: Scene, scanner: DeviceApi):
    body = json.dumps({"qr_code": pass_of(visit(cast.own)), "nonce": nonce()})
    browser = cookie_client(scanner)
    sent = {"content_type": "application/json"}
    refused(browser.post(f"/api/v1/{SCAN}", body, **sent), 401, "NOT_AUTHENTICATED")
    header = {"X-Kairos-Device": "1"}
    assert browser.post(f"/api/v1/{SCAN}", body, headers=header, **sent).status_code == 200


# --- Every code ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "fields", "status", "code"),
    [
        (60, {}, 409, "TOO_EARLY"),
        (-121, {}, 409, "TOO_LATE"),
        (-24 * 60, {}, 409, "APPOINTMENT_EXPIRED"),
        (0, {"type": "VIDEO_CALL", "location": None}, 409, "VIDEO_APPOINTMENT"),
        (0, {"status": "CHECKED_IN"}, 409, "ALREADY_CHECKED_IN"),
        (0, {"status": "CANCELLED"}, 409, "INVALID_TRANSITION"),
    ],
)
def test_what_stands_against_a_visit(
    cast: Scene, scanner: DeviceApi, minutes: int, fields: dict[str, Any], status: int, code: str
):
    body = refusal(scan(scanner, pass_of(visit(cast.own, minutes, **fields))), status, code)
    (told,) = body["visits"]
    assert told["code"] == code
    assert (told["opens_at"] is not None) == (code in {"TOO_EARLY", "TOO_LATE"})
    assert attempts(cast) == [code]  # kept although the answer was no


def test_the_wrong_location(cast: Scene, scanner: DeviceApi):
    came = visit(cast.own, location=cast.own.add_location())
    refusal(scan(scanner, pass_of(came)), 409, "WRONG_LOCATION")


def test_nobody_of_that_code_is_expected(cast: Scene, scanner: DeviceApi):
    gone = code_of(Kind.PASS, clinic=cast.own.clinic.id, subject=ids.uuid7())
    refusal(scan(scanner, gone), 404, "NO_APPOINTMENT_FOUND")
    refusal(scan(cast.own.patient.api, poster_of(point(cast.own))), 404, "NO_APPOINTMENT_FOUND")


def test_a_place_turned_over_ended_closed_and_taken_away(cast: Scene):
    visit(cast.own, chart=cast.own.chart)
    by = cast.own.patient.api
    month_old = point(cast.own)
    with tenancy.scope(()):
        point_rotate(by=cast.own.admin.principal(), point_id=month_old.id)
    refusal(scan(by, poster_of(month_old)), 410, "QR_CODE_EXPIRED")
    ended = point(cast.own, valid_until=NOW - timedelta(days=30))
    refusal(scan(by, poster_of(ended)), 410, "QR_CODE_EXPIRED")
    closed = point(cast.own, is_active=False)
    refusal(scan(by, poster_of(closed)), 409, "LOCATION_INACTIVE")
    deleted = point(cast.own)
    path = f"appointments/check-in/locations/{deleted.id}"
    assert cast.own.admin.api.delete(path).status_code == 204
    refusal(scan(by, poster_of(deleted)), 409, "LOCATION_INACTIVE")
    assert sorted(attempts(cast)) == ["LOCATION_INACTIVE"] * 2 + ["QR_CODE_EXPIRED"] * 2
    assert of_clinic(cast.own, CheckIn) == []


def test_from_outside_the_geofence(cast: Scene):
    visit(cast.own, chart=cast.own.chart)
    door = point(cast.own, latitude="52.5", longitude="13.4", geofence_metres=100)
    by, code = cast.own.patient.api, poster_of(door)
    far = {"latitude": 48.1, "longitude": 11.6, "accuracy": 10}
    refusal(scan(by, code, coordinates=far), 403, "OUTSIDE_GEOFENCE")
    refusal(scan(by, code), 403, "OUTSIDE_GEOFENCE")
    refusal(scan(by, code, coordinates=None), 403, "OUTSIDE_GEOFENCE")
    for pole in (90, -90):
        where = {"latitude": pole, "longitude": 180, "accuracy": 0}
        refusal(scan(by, code, coordinates=where), 403, "OUTSIDE_GEOFENCE")
    near = {"latitude": 52.5005, "longitude": 13.4, "accuracy": 20}
    assert scan(by, code, coordinates=near).status_code == 200


def test_several_visits_are_to_be_chosen_from(cast: Scene, scanner: DeviceApi):
    one = visit(cast.own, 5)
    other = visit(cast.own, 20, chart=one.patient, doctor=cast.own.add_doctor())
    body = refusal(scan(scanner, pass_of(one)), 409, "MULTIPLE_APPOINTMENTS")
    assert body["outcome"] == "CHOOSE"
    assert [told["appointment"] for told in body["visits"]] == [str(one.id), str(other.id)]
    said = scan(scanner, pass_of(one), appointment_ids=[other.id]).json()
    assert [told["appointment"] for told in said["visits"]] == [str(other.id)]
    said = scan(scanner, pass_of(one), everyone=True).json()
    assert said["outcome"] == "CHECKED_IN"
    assert len(of_clinic(cast.own, CheckIn)) == 2
