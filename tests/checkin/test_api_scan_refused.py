"""Bad input at the scan endpoint: noise, foreign codes, nonces sent again, wrong clocks, floods."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from checkin.codes import Kind, code_of
from checkin.models import (
    CheckIn,
    CheckInAttempt,
)
from core import clock, ids
from tests.appointments.moments import NOW
from tests.appointments.scene import Scene
from tests.appointments.traces import refused, without_request
from tests.checkin.arrivals import nonce, of_clinic, pass_of, point, poster_of, visit
from tests.checkin.asking import SCAN, attempts, refusal, scan
from tests.checkin.talking import DeviceApi, paired


@pytest.fixture(autouse=True)
def _unlimited(settings: Any) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, 100_000)


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
