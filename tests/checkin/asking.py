"""Asking to check in over the API, and what a refusal looks like there."""

from typing import Any

from checkin.models import (
    CheckInAttempt,
)
from tests.appointments.scene import Api, Scene
from tests.appointments.traces import refused
from tests.checkin.arrivals import nonce, of_clinic

SCAN = "appointments/check-in/scan-qr"
SYNC = "appointments/check-in/sync"


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
