"""What a request has left behind, and what a refusal has to look like."""

import contextlib
from collections.abc import Iterator
from typing import Any

from appointments.models import Appointment, AppointmentEvent, BusyTime
from core import tenancy
from core.models import AuditEvent, IdempotencyRecord, OutboxEvent

TRACES = (Appointment, AppointmentEvent, BusyTime, OutboxEvent, AuditEvent, IdempotencyRecord)


def traces() -> dict[str, int]:
    """Row counts of everything that a booking writes."""
    with tenancy.scope(tenancy.SYSTEM):
        return {model.__name__: model.objects.count() for model in TRACES}


@contextlib.contextmanager
def nothing_left_behind() -> Iterator[None]:
    before = traces()
    yield
    assert traces() == before


def refused(answer: Any, status: int, code: str, **errors: str) -> dict[str, Any]:
    """The answer is this refusal, as a problem document; its body. `errors`: text in a field's."""
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert body["status"] == status
    assert {"type", "title", "detail", "request_id"} <= set(body)
    for field, text in errors.items():
        assert text in " ".join(body["errors"][field])
    return body


def without_request(body: dict[str, Any]) -> dict[str, Any]:
    """A problem document as it would be for any request: for comparing two."""
    return {name: value for name, value in body.items() if name != "request_id"}
