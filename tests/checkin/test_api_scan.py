"""Checking in over HTTP: every code, bad input, and what is told to whom."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from checkin.codes import Kind, code_of
from checkin.models import (
    CheckIn,
    CheckInAttempt,
    CheckInLocation,
    CheckInMethod,
    DeviceKind,
    PointMode,
    QueueEntry,
)
from checkin.services.points import point_rotate
from clinics.models import Patient
from core import clock, ids, tenancy
from tests.appointments.moments import NOW
from tests.appointments.scene import Api, Scene, person
from tests.appointments.traces import refused, without_request
from tests.checkin.arrivals import device, nonce, of_clinic, pass_of, point, poster_of, visit
from tests.checkin.talking import DeviceApi, cookie_client, paired

SCAN = "appointments/check-in/scan-qr"
SYNC = "appointments/check-in/sync"


@pytest.fixture(autouse=True)
def _unlimited(settings: Any) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, 100_000)


@pytest.fixture
def scanner(cast: Scene) -> DeviceApi:
    return paired(cast.own)[1]


def scan(api: Api, code: str, **fields: Any) -> Any:
    return api.post(SCAN, {"qr_code": code, "nonce": nonce()} | fields)


def refusal(answer: Any, status: int, code: str) -> dict[str, Any]:
    """A refusal with the whole answer as extension members."""
    body = refused(answer, status, code)
    assert body["outcome"] in {"REFUSED", "CHOOSE"}
    assert {"nonce", "attempt", "replayed", "visits", "location"} <= set(body)
    return body


def attempts(cast: Scene, **wanted: Any) -> list[str]:
    return [row.reason_code for row in of_clinic(cast.own, CheckInAttempt, **wanted)]


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


# --- Bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "noise",
    [
        "",
        " ",
        "\x00\x01\x02\xff" * 40,
        "🦆" * 300,
        "4006381333931",
        "WIFI:T:WPA;S:guest;P:secret;;",
        "https://evil.example/Q/" + "A" * 76,
        "A" * 76,
        "A" * 4000,
        "'; DROP TABLE checkin_checkin; --",
        "../../etc/passwd",
    ],
)
def test_what_is_no_code_of_ours(cast: Scene, scanner: DeviceApi, noise: str):
    body = refusal(scan(scanner, noise), 404, "INVALID_QR_CODE")
    assert body["visits"] == []
    assert body["location"] is None
    assert attempts(cast) == ["INVALID_QR_CODE"]
    assert noise not in json.dumps(body) or len(noise) < 2


def test_another_clinics_codes(cast: Scene, scanner: DeviceApi):
    """To a device of this clinic a pass of another one is as unknown as one that never was."""
    theirs = visit(cast.other)
    unknown = code_of(Kind.PASS, clinic=ids.uuid7(), subject=ids.uuid7())
    told = []
    for text in (pass_of(theirs), unknown):
        body = refusal(scan(scanner, text), 404, "NO_APPOINTMENT_FOUND")
        told.append(without_request(body) | {"attempt": None, "nonce": None})
    assert told[0] == told[1]
    assert of_clinic(cast.other, CheckIn) == of_clinic(cast.other, CheckInAttempt) == []


def test_a_patient_of_another_clinic_at_this_door(cast: Scene):
    visit(cast.own, chart=cast.own.chart)
    visit(cast.other, chart=cast.other.chart)
    answer = scan(cast.other.patient.api, poster_of(point(cast.own)))
    assert refusal(answer, 404, "NO_APPOINTMENT_FOUND")["visits"] == []
    assert of_clinic(cast.own, CheckIn) == of_clinic(cast.other, CheckIn) == []


def test_choosing_a_visit_that_is_not_theirs(cast: Scene):
    visit(cast.own, chart=cast.own.chart)
    neighbours = visit(cast.own)
    by, code = cast.own.patient.api, poster_of(point(cast.own))
    for chosen in (neighbours.id, visit(cast.other).id, ids.uuid7()):
        body = refusal(scan(by, code, appointment_ids=[chosen]), 404, "NO_APPOINTMENT_FOUND")
        assert body["visits"] == []
    assert of_clinic(cast.own, CheckIn) == []


def test_a_nonce_is_answered_once(cast: Scene, scanner: DeviceApi):
    came, other = visit(cast.own), visit(cast.own)
    first = scan(scanner, pass_of(came), nonce="nonce-of-one-scan").json()
    again = scan(scanner, pass_of(came), nonce="nonce-of-one-scan")
    assert again.status_code == 200
    assert again.json() == first | {"replayed": True}
    answer = scan(scanner, pass_of(other), nonce="nonce-of-one-scan")
    refused(answer, 422, "IDEMPOTENCY_MISMATCH")
    assert len(of_clinic(cast.own, CheckIn)) == 1
    # Another device's nonces are its own.
    _, second = paired(cast.own)
    assert scan(second, pass_of(other), nonce="nonce-of-one-scan").status_code == 200


def test_a_refusal_is_replayed_too(cast: Scene, scanner: DeviceApi):
    early = pass_of(visit(cast.own, 60))
    first = refusal(scan(scanner, early, nonce="refused-nonce"), 409, "TOO_EARLY")
    with time_machine.travel(NOW + timedelta(minutes=40), tick=False):
        again = refusal(scan(scanner, early, nonce="refused-nonce"), 409, "TOO_EARLY")
        assert again["replayed"] is True
        assert again["attempt"] == first["attempt"]
        assert scan(scanner, early).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nonce", "short"),
        ("nonce", "x" * 65),
        ("nonce", "with space"),
        ("nonce", "newline-\n"),
        ("nonce", None),
        ("qr_code", None),
        ("qr_code", 7),
        ("qr_code", ["x"]),
        ("qr_code", "x" * 4001),
        ("appointment_ids", ["x"]),
        ("appointment_ids", "x"),
        ("appointment_ids", [str(ids.uuid7())] * 51),
        ("everyone", "perhaps"),
        ("coordinates", []),
        ("coordinates", {"latitude": 1}),
        ("coordinates", {"latitude": 90.001, "longitude": 0}),
        ("coordinates", {"latitude": 0, "longitude": -181}),
        ("coordinates", {"latitude": "NaN", "longitude": 0}),
        ("coordinates", {"latitude": True, "longitude": 0}),
        ("coordinates", {"latitude": 0, "longitude": 0, "accuracy": -1}),
        ("coordinates", {"latitude": 0, "longitude": 1e400}),
        ("scanned_at", "yesterday"),
        ("scanned_at", "2026-11-22T10:00:00"),
        ("sent_at", 0),
        ("device", "x"),
        ("surprise", 1),
    ],
)
def test_a_malformed_question(cast: Scene, scanner: DeviceApi, field: str, value: Any):
    body = {"qr_code": pass_of(visit(cast.own)), "nonce": nonce()} | {field: value}
    said = refused(scanner.post(SCAN, body), 400, "VALIDATION_ERROR")
    # Infinity is not JSON at all.
    assert (
        any(name.split(".")[0] == field for name in said.get("errors", {}))
        or "JSON" in (said["detail"])
    )
    assert of_clinic(cast.own, CheckInAttempt) == of_clinic(cast.own, CheckIn) == []


def test_a_body_that_is_not_one(scanner: DeviceApi):
    for content in (b"", b"[]", b"\xff\xfe", b'{"qr_code": NaN}', b"{" * 2000):
        refused(scanner.send("post", SCAN, content), 400, "VALIDATION_ERROR")


def test_a_phone_that_believes_it_is_2019(cast: Scene, scanner: DeviceApi):
    """Its clock is wrong, what lies between its own moments is right."""
    came = visit(cast.own)
    then = datetime(2019, 1, 1, 12, tzinfo=UTC)
    fields = {"scanned_at": (then - timedelta(minutes=3)).isoformat(), "sent_at": then.isoformat()}
    assert scan(scanner, pass_of(came), **fields).status_code == 200
    (row,) = of_clinic(cast.own, CheckIn)
    assert row.checked_in_at == clock.now() - timedelta(minutes=3)
    alone = visit(cast.own)
    said = scan(scanner, pass_of(alone), scanned_at=then.isoformat())
    assert said.status_code == 200
    (row,) = of_clinic(cast.own, CheckIn, appointment_id=alone.id)
    assert row.checked_in_at == clock.now()


@pytest.mark.parametrize(
    ("scanned_at", "sent_at"),
    [
        ("9999-12-31T00:00:00Z", "0001-01-02T00:00:00Z"),
        ("0001-01-02T00:00:00Z", "9999-12-31T00:00:00Z"),
        ("0001-01-02T00:00:00Z", "2035-06-04T05:00:00Z"),
        ("0001-01-02T00:00:00Z", None),
        ("9999-12-31T00:00:00Z", None),
    ],
)
def test_moments_that_make_no_sense_are_not_believed(
    cast: Scene, scanner: DeviceApi, scanned_at: str, sent_at: str | None
):
    came = visit(cast.own)
    answer = scan(scanner, pass_of(came), scanned_at=scanned_at, sent_at=sent_at)
    assert answer.status_code == 200
    (row,) = of_clinic(cast.own, CheckIn)
    assert row.checked_in_at == clock.now()


def test_a_patient_cannot_say_when_they_were_there(cast: Scene):
    visit(cast.own, -125, chart=cast.own.chart)
    past = (NOW - timedelta(minutes=30)).isoformat()
    answer = scan(cast.own.patient.api, poster_of(point(cast.own)), scanned_at=past)
    refusal(answer, 409, "TOO_LATE")


def test_a_source_is_limited(cast: Scene, scanner: DeviceApi, settings: Any):
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"scan": 2, "scan_device": 4}
    by = cast.own.reception.api
    taken = [scan(by, pass_of(visit(cast.own))).status_code for _ in range(3)]
    assert taken == [200, 200, 429]
    taken = [scan(scanner, pass_of(visit(cast.own))).status_code for _ in range(5)]
    assert taken == [200] * 4 + [429]
    answer = scan(scanner, "x")
    assert int(answer.headers["Retry-After"]) > 0
    assert attempts(cast).count("INVALID_QR_CODE") == 0


# --- A batch made offline -----------------------------------------------------------------------


def batch(*codes: str, ago: int = 5, **fields: Any) -> dict[str, Any]:
    at = (clock.now() - timedelta(minutes=ago)).isoformat()
    scans = [{"qr_code": code, "nonce": nonce(), "scanned_at": at} for code in codes]
    return {"sent_at": clock.now().isoformat(), "scans": scans} | fields


def test_a_batch_is_answered_in_its_order_and_once(cast: Scene, scanner: DeviceApi):
    came, early = visit(cast.own), visit(cast.own, 60)
    sent = batch(pass_of(came), "noise", pass_of(early), pass_of(visit(cast.other)))
    answer = scanner.post(SYNC, sent)
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [one["code"] for one in results] == [
        None,
        "INVALID_QR_CODE",
        "TOO_EARLY",
        "NO_APPOINTMENT_FOUND",
    ]
    assert [one["nonce"] for one in results] == [scan["nonce"] for scan in sent["scans"]]
    (row,) = of_clinic(cast.own, CheckIn)
    assert row.method == CheckInMethod.OFFLINE_SYNC
    assert row.checked_in_at == clock.now() - timedelta(minutes=5)
    again = scanner.post(SYNC, sent).json()["results"]
    assert again == [one | {"replayed": True} for one in results]
    assert len(of_clinic(cast.own, QueueEntry)) == 1


def test_staff_sync_what_their_own_phone_scanned(cast: Scene):
    came = visit(cast.own)
    answer = cast.own.reception.api.post(SYNC, batch(pass_of(came)))
    assert answer.json()["results"][0]["outcome"] == "CHECKED_IN"
    for by in (cast.own.patient, cast.own.doctor_user):
        refused(by.api.post(SYNC, batch(pass_of(came))), 403, "PERMISSION_DENIED")
    theirs = cast.other.reception.api.post(SYNC, batch(pass_of(visit(cast.own))))
    assert theirs.json()["results"][0]["code"] == "NO_APPOINTMENT_FOUND"


@pytest.mark.parametrize("wrong", ["too many", "none", "a bad nonce", "no clock", "no moment"])
def test_a_batch_is_taken_whole_or_not_at_all(cast: Scene, scanner: DeviceApi, wrong: str):
    sent = batch(*[pass_of(visit(cast.own))] * 2)
    match wrong:
        case "too many":
            sent = batch(*["noise"] * 101)
        case "none":
            sent["scans"] = []
        case "a bad nonce":
            sent["scans"][1]["nonce"] = "x"
        case "no clock":
            del sent["sent_at"]
        case "no moment":
            del sent["scans"][1]["scanned_at"]
    refused(scanner.post(SYNC, sent), 400, "VALIDATION_ERROR")
    assert of_clinic(cast.own, CheckIn) == of_clinic(cast.own, CheckInAttempt) == []


# --- At the desk --------------------------------------------------------------------------------


def test_by_hand_with_the_etag(cast: Scene):
    came = visit(cast.own)
    by, path = cast.own.reception.api, f"appointments/{came.id}/check-in"
    refused(by.post(path, **{"If-Match": '"9"'}), 412, "PRECONDITION_FAILED")
    answer = by.post(path, **{"If-Match": f'"{came.version}"'})
    assert answer.status_code == 200
    assert answer.json()["status"] == "CHECKED_IN"
    assert answer.headers["ETag"] == f'"{answer.json()["version"]}"'
    refused(by.post(path), 409, "INVALID_TRANSITION")
    (row,) = of_clinic(cast.own, CheckIn)
    assert (row.method, row.forced) == (CheckInMethod.MANUAL, False)


def test_by_hand_past_the_window_takes_a_reason_and_is_kept(cast: Scene):
    came = visit(cast.own, 300)
    by, path = cast.own.reception.api, f"appointments/{came.id}/check-in"
    body = refused(by.post(path), 409, "TOO_EARLY")
    assert body["opens_at"] < body["closes_at"]
    assert attempts(cast) == ["TOO_EARLY"]
    assert by.post(path, {"reason": "Asked by the doctor"}).status_code == 200
    (row,) = of_clinic(cast.own, CheckIn)
    assert (row.forced, row.reason) == (True, "Asked by the doctor")


def test_force_is_a_right_and_has_a_reason(cast: Scene):
    late = visit(cast.own, -200)
    path = f"appointments/{late.id}/check-in/force"
    refused(cast.own.reception.api.post(path), 400, "VALIDATION_ERROR", reason="required")
    for by in (cast.own.patient, cast.own.doctor_user):
        refused(by.api.post(path, {"reason": "x"}), 403, "PERMISSION_DENIED")
    for foreign in (path, f"appointments/{ids.uuid7()}/check-in/force"):
        answer = cast.other.admin.api.post(foreign, {"reason": "x"})
        refused(answer, 404, "APPOINTMENT_NOT_FOUND")
    assert cast.own.nurse.api.post(path, {"reason": "Bus broke down"}).status_code == 200
    (row,) = of_clinic(cast.own, CheckInAttempt)
    assert (row.forced, row.reason_code) == (True, "TOO_LATE")


# --- Who could be checked in ----------------------------------------------------------------------


def eligible(api: Api, **query: Any) -> dict[str, str | None]:
    found = api.get("appointments/check-in/eligible", **query).json()["results"]
    return {row["appointment"]: row["code"] for row in found}


def test_eligible_says_who_could_be_checked_in_and_why_not(cast: Scene):
    now, soon = visit(cast.own, 5, chart=cast.own.chart), visit(cast.own, 90)
    visit(cast.own, 5, status="CANCELLED")
    visit(cast.own, 5, status="CHECKED_IN")
    visit(cast.own, 5, type="VIDEO_CALL", location=None)
    visit(cast.own, 3 * 24 * 60)
    theirs = visit(cast.other, 5)
    own = {str(now.id): None, str(soon.id): "TOO_EARLY"}
    assert eligible(cast.own.reception.api) == own
    assert eligible(cast.own.reception.api, location=cast.own.location.id) == own
    assert eligible(cast.own.reception.api, patient=now.patient_id) == {str(now.id): None}
    assert eligible(cast.own.patient.api) == {str(now.id): None}
    assert eligible(cast.other.reception.api) == {str(theirs.id): None}
    assert eligible(cast.other.reception.api, location=cast.own.location.id) == {}
    answer = cast.own.reception.api.get("appointments/check-in/eligible", colour="x")
    refused(answer, 400, "VALIDATION_ERROR", colour="unknown")


def test_patients_read_given_names_only(cast: Scene):
    with tenancy.scope(tenancy.SYSTEM):
        Patient.objects.filter(pk=cast.own.chart.pk).update(family_name="Secret")
    visit(cast.own, 5, chart=cast.own.chart)
    answer = cast.own.patient.api.get("appointments/check-in/eligible")
    assert answer.json()["results"][0]["patient"] == cast.own.chart.given_name
    assert b"Secret" not in answer.content


def test_a_rotating_place_takes_the_code_of_the_minute(cast: Scene):
    visit(cast.own, chart=cast.own.chart)
    screen = point(cast.own, mode=PointMode.ROTATING, rotated_at=NOW - timedelta(days=1))
    path = f"appointments/locations/{cast.own.location.id}/qr-code"
    shown = cast.own.reception.api.get(path, point=screen.id).json()
    with time_machine.travel(NOW + timedelta(minutes=3), tick=False):
        refusal(scan(cast.own.patient.api, shown["url"]), 410, "QR_CODE_EXPIRED")
    assert scan(cast.own.patient.api, shown["url"]).status_code == 200
    with tenancy.scope(tenancy.SYSTEM):
        assert CheckInLocation.objects.get(pk=screen.pk).generation == 1
