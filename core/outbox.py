"""Events that outlive a crash: written with the fact, handed to listeners at least once.

`journal.record` writes them. `relay` (a Celery task, kicked on commit and swept every 30 s) hands
each to the listeners of its topic; a listener's work and the receipt that it was done commit
together, so a second delivery finds the receipt and does nothing.
"""

import os
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connection, transaction

from core import clock, tenancy
from core.models import OutboxEvent, OutboxReceipt

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 12
ROUND = 200
_BACKOFF_CAP = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Event:
    """What a listener gets. `id` is the same on every delivery."""

    id: UUID
    topic: str
    clinic_id: UUID | None
    payload: dict[str, Any]
    request_id: str


Listener = Callable[[Event], None]
_listeners: dict[str, dict[str, Listener]] = defaultdict(dict)


def listens(*topics: str) -> Callable[[Listener], Listener]:
    """Register a listener; it runs in the scope of the event's clinic, inside a transaction."""

    def register(listener: Listener) -> Listener:
        name = f"{listener.__module__}.{listener.__qualname__}"
        for topic in topics:
            _listeners[topic][name] = listener
        return listener

    return register


def relay(limit: int = ROUND) -> int:
    """Deliver waiting events, oldest first; returns how many were taken.

    Safe to run anywhere and at once: rows are claimed with SKIP LOCKED. One listener that fails
    puts its event back with a growing delay and leaves the others' work standing; after
    `MAX_ATTEMPTS` the event is set aside (`failed_at`) for a person.
    """
    taken = 0
    for _ in range(limit):
        if not _deliver_next():
            break
        taken += 1
    return taken


def _deliver_next() -> bool:
    now = clock.now()
    with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000):
        event = (
            OutboxEvent.objects.select_for_update(skip_locked=True)
            .filter(delivered_at=None, failed_at=None, next_attempt_at__lte=now)
            .order_by("next_attempt_at")
            .first()
        )
        if event is None:
            return False
        failure = _run_listeners(event)
        event.attempts += 1
        if failure is None:
            event.delivered_at = now
        else:
            event.last_error = failure[:2000]
            if event.attempts >= MAX_ATTEMPTS:
                event.failed_at = now
            delay = min(timedelta(seconds=2**event.attempts), _BACKOFF_CAP)
            event.next_attempt_at = now + delay
        event.save(
            update_fields=["attempts", "delivered_at", "failed_at", "last_error", "next_attempt_at"]
        )
    return True


def _run_listeners(row: OutboxEvent) -> str | None:
    event = Event(row.id, row.topic, row.clinic_id, row.payload, row.request_id)
    failure = None
    for name, listener in _listeners.get(row.topic, {}).items():
        try:
            with tenancy.scope(tenancy.SYSTEM if row.clinic_id is None else [row.clinic_id]):
                _, fresh = OutboxReceipt.objects.get_or_create(event_id=row.id, listener=name)
                if fresh:
                    listener(event)
        except Exception as error:
            failure = f"{name}: {type(error).__name__}: {error}"
            log.warning(
                "outbox listener failed", listener=name, event_id=str(row.id), exc_info=True
            )
    return failure


class _Kicker:
    """Wakes the relay soon after a commit, from a thread of its own.

    A booking never waits for the broker: with Valkey dead the kick is lost, the event is not, and
    the sweep finds it.
    """

    def __init__(self) -> None:
        self._pid = 0
        self._wanted = threading.Event()

    def kick(self) -> None:
        if self._pid != os.getpid():  # first use in this process, or a fork
            self._pid = os.getpid()
            self._wanted = threading.Event()
            threading.Thread(target=self._run, name="outbox-kicker", daemon=True).start()
        self._wanted.set()

    def _run(self) -> None:
        from core.tasks import outbox_relay  # noqa: PLC0415 - the task imports this module

        pause = threading.Event()
        while True:
            self._wanted.wait()
            self._wanted.clear()
            try:
                outbox_relay.apply_async(retry=False, ignore_result=True)
            except Exception as error:  # noqa: BLE001 - the sweep is the guarantee, not the kick
                log.info("outbox kick not sent", error=type(error).__name__)
            pause.wait(0.2)  # many commits, one kick


_kicker = _Kicker()


def kick_on_commit() -> None:
    """Wake the relay once the open transaction is committed."""
    if settings.OUTBOX_KICK and connection.in_atomic_block:
        transaction.on_commit(_kicker.kick)


def waiting() -> dict[str, int]:
    """How many events wait, and how many were given up; for the health page."""
    with tenancy.scope(tenancy.SYSTEM):
        undelivered = OutboxEvent.objects.filter(delivered_at=None)
        return {
            "waiting": undelivered.filter(failed_at=None).count(),
            "failed": undelivered.exclude(failed_at=None).count(),
        }
