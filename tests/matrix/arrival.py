"""The rows of arrival: scans, check-in locations, devices, the queue.

What a row needs is made while its path or body is made, in the transaction that is rolled back
after the call; for a cast that exists nowhere, only an id.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from checkin.codes import Kind, code_of
from checkin.models import QueueEntry, QueueState
from core import clock, tenancy
from tests.casts import Cast
from tests.checkin.arrivals import device, point, visit
from tests.matrix.calendar import READERS
from tests.matrix.table import ADMIN, BOOKED, MANAGERS, PATIENT, SUPER, Row

DESK = frozenset({ADMIN, "receptionist", "nurse", SUPER})
PLACE_READERS = frozenset({ADMIN, "receptionist", SUPER})
QUEUE_READERS = DESK | BOOKED | {"support"}
#: Only one of those who can be booked is a doctor of the cast, and so has a queue.
RUNNERS = DESK | {"doctor_user"}
OPERATIONS = DESK | BOOKED
BUSINESS = MANAGERS | BOOKED | {"finance"}
_OTHERS = (("therapist", 404), ("counselor", 404))


def _pass(cast: Any) -> str:
    if not isinstance(cast, Cast):
        return code_of(Kind.PASS, clinic=uuid4(), subject=uuid4())
    return code_of(Kind.PASS, clinic=cast.clinic.id, subject=_today(cast))


def _today(cast: Any) -> UUID:
    """A visit of the cast's patient that can be checked in now."""
    if not isinstance(cast, Cast):
        return uuid4()
    return visit(cast, chart=cast.patient).id


def _scan(cast: Any) -> dict[str, Any]:
    return {"qr_code": _pass(cast), "nonce": "one-scan-of-the-walk"}


def _batch(cast: Any) -> dict[str, Any]:
    now = clock.now().isoformat()
    return {"sent_at": now, "scans": [_scan(cast) | {"scanned_at": now}]}


def _point(cast: Any) -> UUID:
    return point(cast).id if isinstance(cast, Cast) else uuid4()


def _device(cast: Any) -> UUID:
    return device(cast).id if isinstance(cast, Cast) else uuid4()


def _figures(report: str, may: frozenset[str]) -> Row:
    days = "from=2035-03-19&to=2035-03-26"
    return Row(lambda cast: f"analytics/{report}?clinic={cast.clinic.id}&{days}", may)


def _of_point(path: str = "") -> Callable[[Any], str]:
    return lambda cast: f"appointments/check-in/locations/{_point(cast)}{path}"


def _of_device(path: str = "") -> Callable[[Any], str]:
    return lambda cast: f"appointments/check-in/devices/{_device(cast)}{path}"


def _of_location(path: str) -> Callable[[Any], str]:
    def made(cast: Any) -> str:
        _point(cast)
        return f"appointments/locations/{cast.location.id}/{path}"

    return made


def _entry(cast: Any, state: QueueState) -> UUID:
    """The cast's patient, who waits for its doctor without an appointment."""
    if not isinstance(cast, Cast):
        return uuid4()
    now = clock.now()
    moments: dict[str, Any] = {
        QueueState.CALLED: {"called_at": now, "calls": 1},
        QueueState.IN_SERVICE: {"started_at": now},
    }.get(state, {})
    with tenancy.scope(tenancy.SYSTEM):
        return QueueEntry.objects.create(
            clinic=cast.clinic,
            location=cast.location,
            doctor=cast.doctor,
            patient=cast.patient,
            local_day=now.date(),
            prefix="W",
            number=1,
            state=state,
            due_at=now,
            arrived_at=now - timedelta(minutes=1),
            **moments,
        ).id


def _of_entry(path: str = "", state: QueueState = QueueState.WAITING) -> Callable[[Any], str]:
    return lambda cast: f"queue-entries/{_entry(cast, state)}{path}"


def _at_location(cast: Any) -> dict[str, Any]:
    return {"location": cast.location.id, "name": "New"}


def _new_device(cast: Any) -> dict[str, Any]:
    return _at_location(cast) | {"kind": "SCANNER"}


def _walk_in(cast: Any) -> dict[str, Any]:
    return {"location": cast.location.id, "guest_name": "Ada", "doctor": cast.doctor.id}


def _name(cast: Any) -> dict[str, Any]:
    return {"name": "Changed"}


def _reason(cast: Any) -> dict[str, Any]:
    return {"reason": "because"}


def _nothing(cast: Any) -> dict[str, Any]:
    return {}


def _step(step: str, state: QueueState = QueueState.WAITING, body: Any = _nothing) -> Row:
    return Row(_of_entry(f"/{step}", state), RUNNERS, body=body, also_refused=_OTHERS)


ARRIVAL: dict[tuple[str, str], Row] = {
    # Who does not work the desk scans as a patient, to whom another's pass is no code at all.
    ("checkin-scan", "post"): Row(
        lambda cast: "appointments/check-in/scan-qr", DESK, body=_scan, refused=404
    ),
    ("checkin-sync", "post"): Row(
        lambda cast: "appointments/check-in/sync", DESK, body=_batch, elsewhere=200
    ),
    ("checkin-eligible", "get"): Row(
        lambda cast: f"appointments/check-in/eligible?location={cast.location.id}",
        READERS,
        elsewhere=200,
    ),
    ("appointment-check-in-force", "post"): Row(
        lambda cast: f"appointments/{_today(cast)}/check-in/force", DESK, body=_reason
    ),
    ("checkin-point-list", "get"): Row(
        lambda cast: f"appointments/check-in/locations?clinic={cast.clinic.id}",
        PLACE_READERS,
        elsewhere=200,
    ),
    ("checkin-point-list", "post"): Row(
        lambda cast: "appointments/check-in/locations", MANAGERS, 201, _at_location
    ),
    ("checkin-point-detail", "get"): Row(_of_point(), PLACE_READERS),
    ("checkin-point-detail", "put"): Row(_of_point(), MANAGERS, body=_name),
    ("checkin-point-detail", "patch"): Row(_of_point(), MANAGERS, body=_name),
    ("checkin-point-detail", "delete"): Row(_of_point(), MANAGERS, 204),
    ("checkin-point-rotate", "post"): Row(_of_point("/rotate"), MANAGERS, body=_nothing),
    ("checkin-qr-code", "get"): Row(_of_location("qr-code"), PLACE_READERS),
    ("checkin-poster", "get"): Row(_of_location("poster.pdf?size=a5"), PLACE_READERS),
    ("checkin-device-list", "get"): Row(
        lambda cast: f"appointments/check-in/devices?clinic={cast.clinic.id}",
        PLACE_READERS,
        elsewhere=200,
    ),
    ("checkin-device-list", "post"): Row(
        lambda cast: "appointments/check-in/devices", MANAGERS, 201, _new_device
    ),
    ("checkin-device-detail", "get"): Row(_of_device(), PLACE_READERS),
    ("checkin-device-detail", "delete"): Row(_of_device(), MANAGERS, 204),
    ("checkin-device-renew", "post"): Row(_of_device("/pairing-code"), MANAGERS, body=_nothing),
    ("checkin-device-lend", "post"): Row(
        lambda cast: "appointments/check-in/devices/lend", DESK, 201, _at_location
    ),
    # Nobody's code is right here; what matters is that anyone may ask.
    ("checkin-device-pair", "post"): Row(
        lambda cast: "appointments/check-in/devices/pair",
        ok=401,
        body=lambda cast: {"pairing_code": "ABCD-2345"},
        public=True,
    ),
    ("queue", "get"): Row(lambda cast: f"queues?location={cast.location.id}", QUEUE_READERS),
    ("queue-call-next", "post"): Row(
        lambda cast: "queues/call-next",
        RUNNERS,
        body=lambda cast: {"location": cast.location.id},
    ),
    ("queue-entry-list", "post"): Row(lambda cast: "queue-entries", RUNNERS, 201, _walk_in),
    ("queue-entry-detail", "get"): Row(
        _of_entry(), QUEUE_READERS - {"therapist", "counselor"}, also_refused=_OTHERS
    ),
    ("queue-entry-position", "get"): Row(
        _of_entry("/position"),
        QUEUE_READERS - {"therapist", "counselor"} | {PATIENT},
        refused=404,
    ),
    ("queue-entry-call", "post"): _step("call"),
    ("queue-entry-start", "post"): _step("start"),
    ("queue-entry-done", "post"): _step("done", QueueState.IN_SERVICE),
    ("queue-entry-skip", "post"): _step("skip"),
    ("queue-entry-requeue", "post"): _step("requeue", QueueState.SKIPPED),
    ("queue-entry-transfer", "post"): _step("transfer", body=lambda cast: {"doctor": None}),
    ("queue-entry-left", "post"): _step("left"),
    ("queue-entry-priority", "post"): _step("priority", body=lambda cast: {"priority": "HIGH"}),
    ("analytics-wait-times", "get"): _figures("wait-times", OPERATIONS),
    ("analytics-check-ins", "get"): _figures("check-ins", OPERATIONS),
    ("analytics-no-shows", "get"): _figures("no-shows", OPERATIONS | BUSINESS),
    ("analytics-utilisation", "get"): _figures("utilisation", BUSINESS),
    ("analytics-lead-times", "get"): _figures("lead-times", BUSINESS),
}
