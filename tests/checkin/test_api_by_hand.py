"""Batches made offline, check-in at the desk, and who could be checked in, over the API."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from checkin.models import (
    CheckIn,
    CheckInAttempt,
    CheckInLocation,
    CheckInMethod,
    PointMode,
    QueueEntry,
)
from clinics.models import Patient
from core import clock, ids, tenancy
from tests.appointments.moments import NOW
from tests.appointments.scene import Api, Scene
from tests.appointments.traces import refused
from tests.checkin.arrivals import nonce, of_clinic, pass_of, point, visit
from tests.checkin.asking import SYNC, attempts, refusal, scan
from tests.checkin.talking import DeviceApi


@pytest.fixture(autouse=True)
def _unlimited(settings: Any) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, 100_000)


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
