"""Is everything there that Kairos stands on? Asked by load balancers, monitors and people.

`/health` says that the process answers; `/health/detailed` looks at each part. The parts are looked
at one after the other with short time-outs of their own, so that the page answers within about a
second even when one of them is dead. The checks of django-health-check have no such time-outs and
would look again for every caller.
"""

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import redis
import structlog
from celery import current_app
from django.conf import settings
from django.db import DatabaseError, connection

from core import checks, clock, outbox, tenancy, valkey

log = structlog.get_logger(__name__)

FRESH_SECONDS = 5.0
_DATABASE_MS = 500
_PING_SECONDS = 0.5
_FREE_BYTES = 512 * 1024 * 1024
#: Events waiting longer than this mean that nobody delivers them.
_OUTBOX_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. `facts` are numbers and words that hold no secret."""

    ok: bool
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """Every finding, and when they were made."""

    checked_at: str
    findings: dict[str, Finding]

    @property
    def ok(self) -> bool:
        return all(finding.ok for finding in self.findings.values())

    def as_dict(self) -> dict[str, Any]:
        return {
            "status": "ok" if self.ok else "failing",
            "checked_at": self.checked_at,
            "checks": {
                name: {"status": "ok" if finding.ok else "failing", **finding.facts}
                for name, finding in self.findings.items()
            },
        }


class Watch:
    """Keeps the last report for some seconds; whoever finds it old makes the next, alone."""

    def __init__(self) -> None:
        self._busy = threading.Lock()
        self._report: Report | None = None
        self._made = 0.0

    def report(self) -> Report:
        """At most `FRESH_SECONDS` old; older only while another thread makes the next."""
        if self._report is not None and time.monotonic() - self._made < FRESH_SECONDS:
            return self._report
        if self._busy.acquire(blocking=self._report is None):
            try:
                if self._report is None or time.monotonic() - self._made >= FRESH_SECONDS:
                    self._report = inspect()
                    self._made = time.monotonic()
            finally:
                self._busy.release()
        if self._report is None:
            raise AssertionError("whoever waited for the first report finds it")
        return self._report


watch = Watch()


def inspect() -> Report:
    """Look at every part now."""
    findings: dict[str, Finding] = {}
    for name, look in CHECKS.items():
        started = time.perf_counter()
        try:
            finding = look(findings)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a part is its finding
            log.warning("health check failed", check=name, error=type(error).__name__)
            finding = Finding(False, {"error": type(error).__name__})
        took = round((time.perf_counter() - started) * 1000, 1)
        findings[name] = Finding(finding.ok, {**finding.facts, "ms": took})
    return Report(clock.now().isoformat(), findings)


def _database(_: dict[str, Finding]) -> Finding:
    """It answers, and the role it answers to is bound by row security."""
    with tenancy.scope((), statement_timeout_ms=_DATABASE_MS):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        faults = checks.tenancy_is_enforced(databases=["default"])
    return Finding(not faults, {"role_is_bound": not faults})


def _partitions(before: dict[str, Finding]) -> Finding:
    """Next month's partitions are there."""
    if not before["database"].ok:
        return Finding(False, {"error": "no database"})
    with tenancy.scope((), statement_timeout_ms=_DATABASE_MS), connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM core_partitioned WHERE to_regclass(format('public.%I', parent"
            " || '_p' || to_char((now() AT TIME ZONE 'UTC') + interval '1 month', 'YYYYMM')))"
            " IS NULL"
        )
        missing = int(cursor.fetchone()[0])
    return Finding(missing == 0, {"missing": missing})


def _outbox(before: dict[str, Finding]) -> Finding:
    """Events are delivered, and none was given up."""
    if not before["database"].ok:
        return Finding(False, {"error": "no database"})
    try:
        counts = outbox.waiting()
    except DatabaseError as error:
        return Finding(False, {"error": type(error).__name__})
    return Finding(counts["failed"] == 0 and counts["waiting"] < _OUTBOX_LIMIT, dict(counts))


def _cache(_: dict[str, Finding]) -> Finding:
    """Valkey answers. Without it Kairos works, but nobody can sign in."""
    try:
        valkey.call(lambda client: client.ping())
    except valkey.Unavailable:
        return Finding(False, {"error": "no answer"})
    return Finding(True)


def _broker(_: dict[str, Finding]) -> Finding:
    """The queue of tasks answers; `waiting` is how many tasks are in it."""
    client = redis.Redis.from_url(
        settings.CELERY_BROKER_URL, socket_timeout=0.25, socket_connect_timeout=0.25, retry=None
    )
    try:
        return Finding(True, {"waiting": client.llen(current_app.conf.task_default_queue)})
    except redis.RedisError:
        return Finding(False, {"error": "no answer"})
    finally:
        client.close()


def _workers(before: dict[str, Finding]) -> Finding:
    """At least one worker answers a ping."""
    if not before["broker"].ok:
        return Finding(False, {"error": "no broker"})
    answers = current_app.control.ping(timeout=_PING_SECONDS, limit=1)
    return Finding(bool(answers), {} if answers else {"error": "no answer"})


def _disk(_: dict[str, Finding]) -> Finding:
    """There is room where we write."""
    place = settings.DATA_DIR if settings.DATA_DIR.exists() else settings.BASE_DIR
    usage = shutil.disk_usage(place)
    return Finding(
        usage.free >= _FREE_BYTES,
        {"free_bytes": usage.free, "free_percent": round(100 * usage.free / usage.total, 1)},
    )


CHECKS: dict[str, Callable[[dict[str, Finding]], Finding]] = {
    "database": _database,
    "partitions": _partitions,
    "outbox": _outbox,
    "cache": _cache,
    "broker": _broker,
    "workers": _workers,
    "disk": _disk,
}
