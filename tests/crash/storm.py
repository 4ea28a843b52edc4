"""Clients in a storm: each books one slot after the other, two of them wanting each slot."""

import itertools
import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.support.polling import eventually

CROWD = 6
#: What a client may see while a server is away; it tries again with the same key.
AWAY = frozenset({502, 503, 504})
OVERLAPS = """
    SELECT count(*) FROM appointments_busytime a JOIN appointments_busytime b ON a.id < b.id
    WHERE (a.doctor_id = b.doctor_id AND a.lane = b.lane AND a.period && b.period)
       OR (a.patient_id = b.patient_id AND a.visit && b.visit)
"""


@dataclass
class Storm:
    """`seed` is what `tests.crash.seed` told; `query` runs SQL as the owner."""

    url: str
    seed: dict[str, Any]
    query: Callable[..., list[tuple[Any, ...]]]
    acknowledged: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    strange: list[str] = field(default_factory=list)
    tried_again: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        today = datetime.now(tz=UTC).replace(hour=8, minute=0, second=0, microsecond=0)
        slots = [
            (doctor, today + timedelta(days=3 + day, minutes=30 * number))
            for day in range(60)
            for number in range(12)
            for doctor in self.seed["doctors"]
        ]
        charts = itertools.cycle(self.seed["charts"])
        wanted = [
            (f"storm-{number}-{side}", *slot, next(charts))
            for number, slot in enumerate(slots)
            for side in "ab"
        ]
        self._wanted = iter(wanted)
        self._turn = threading.Lock()
        self._threads = ThreadPoolExecutor(CROWD, "storm")
        self._clients = [self._threads.submit(self._client) for _ in range(CROWD)]

    def _client(self) -> None:
        with httpx.Client(base_url=self.url, timeout=20) as client:
            while not self.stop.is_set():
                with self._turn:
                    wanted = next(self._wanted, None)
                if wanted is None:
                    return
                eventually(lambda wanted=wanted: self._book(client, *wanted), timeout=60)

    def _book(self, client: httpx.Client, key: str, doctor: str, start: datetime, chart: str):
        """One try; true when there is an answer that ends the matter."""
        body = {
            "doctor": doctor,
            "patient": chart,
            "location": self.seed["location"],
            "service": self.seed["service"],
            "starts_at": start.isoformat(),
        }
        headers = {"Authorization": f"Bearer {self.seed['token']}", "Idempotency-Key": key}
        try:
            answer = client.post("/api/v1/appointments", json=body, headers=headers)
        except httpx.TransportError as error:
            self.tried_again += 1
            self.strange.append(f"no answer: {error!r}")
            return False
        match answer.status_code:
            case 201:
                self.acknowledged[key] = answer.json()
            case 409 if answer.json()["code"] == "IDEMPOTENCY_IN_PROGRESS":
                return False
            case 409:
                self.refused[key] = answer.json()["code"]
            case status if status in AWAY:
                self.tried_again += 1
                return False
            case _:
                self.strange.append(f"{answer.status_code} {answer.text[:300]}")
                self.tried_again += 1
                return False
        return True

    def booked_more(self, count: int) -> None:
        """Wait for so many further acknowledgements."""
        target = len(self.acknowledged) + count
        eventually(lambda: len(self.acknowledged) >= target, timeout=60)

    def end(self) -> None:
        self.stop.set()
        for client in self._clients:
            client.result()
        self._threads.shutdown()

    def check(self) -> None:
        """Every acknowledged booking is there; each key booked once; nothing overlaps."""
        rows = self.query(
            "SELECT id::text, doctor_id::text, patient_id::text, starts_at, status"
            " FROM appointments_appointment"
        )
        there = {row[0]: row for row in rows}
        ids = [booking["id"] for booking in self.acknowledged.values()]
        assert len(ids) == len(set(ids))
        for booking in self.acknowledged.values():
            found = there[booking["id"]]
            starts_at = datetime.fromisoformat(booking["starts_at"])
            assert found[1:] == (booking["doctor"], booking["patient"], starts_at, "SCHEDULED")
        by_slot = defaultdict(list)
        for _, doctor, _, start, _ in rows:
            by_slot[doctor, start].append(1)
        assert [slot for slot, taken in by_slot.items() if len(taken) > 1] == []
        assert self.query(OVERLAPS) == [(0,)]
        unclaimed = self.query(
            "SELECT count(*) FROM appointments_appointment a WHERE NOT EXISTS"
            " (SELECT FROM appointments_busytime b WHERE b.appointment_id = a.id)"
        )
        assert unclaimed == [(0,)]
        counts = self.query(
            "SELECT (SELECT count(*) FROM appointments_appointment),"
            " (SELECT count(*) FROM appointments_appointmentevent),"
            " (SELECT count(*) FROM core_outboxevent WHERE topic = 'appointment.booked'),"
            " (SELECT count(*) FROM core_auditevent WHERE action = 'appointment.booked'),"
            " (SELECT count(*) FROM core_idempotencyrecord)"
        )[0]
        assert len(set(counts)) == 1, counts
        assert set(self.refused.values()) <= {"SCHEDULING_CONFLICT", "PATIENT_CONFLICT"}
