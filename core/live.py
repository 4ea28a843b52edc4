"""Telling live screens that something changed, once it is committed.

A service calls `announce` inside its transaction. After the commit a thread of the process
publishes to Valkey, so that nobody who books waits for it; `core.live_hub` hears it in the
processes that hold sockets. Screens refetch: a message that is lost costs freshness, never truth.
"""

import atexit
import os
import threading
from collections.abc import Mapping
from typing import Any, Final

import orjson
import redis
import structlog
from django.conf import settings
from django.db import transaction

log = structlog.get_logger(__name__)

#: More changes of one group at once are told as "everything may have changed".
MANY: Final = 100
_GROUPS: Final = 10_000
_TIMEOUT: Final = 1.0
_TOGETHER: Final = 0.03
_RETRY: Final = 0.5
_RETRY_CAP: Final = 2.0
_AT_EXIT: Final = 0.5

# Counting and telling in one step: the order of versions is the order of messages.
_PUBLISH = """
local version = redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], 86400)
redis.call('PUBLISH', ARGV[1], version .. ' ' .. ARGV[2])
return version
"""


def channel(group: str) -> str:
    """Where the messages of a group are published."""
    return f"kairos:live:{group}"


def announce(group: str, change: Mapping[str, Any] | None = None) -> None:
    """Tell who listens to `group` of `change`, once the open transaction is committed.

    Without a change: everything may have changed. Costs no statement, waits for nothing and never
    raises. While Valkey is away the group is remembered, and told "everything" when it is back.
    """
    transaction.on_commit(lambda: _publisher.put(group, change), robust=True)


class _Publisher:
    """Sends from a thread of its own what came in together; started anew after a fork."""

    def __init__(self) -> None:
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._turn = threading.Lock()
        self._wanted = threading.Event()
        self._idle = threading.Event()
        self._started = False
        #: By group what is to be told, each change once, or None for everything.
        self._waiting: dict[str, dict[bytes, None] | None] = {}

    def put(self, group: str, change: Mapping[str, Any] | None) -> None:
        encoded = None if change is None else orjson.dumps(change)
        with self._turn:
            if not self._started:
                threading.Thread(target=self._run, name="live-publisher", daemon=True).start()
                atexit.register(self._finish, self._idle)
                self._started = True
            if group not in self._waiting and len(self._waiting) >= _GROUPS:
                return  # Valkey has been away for long
            changes = self._waiting.setdefault(group, {})
            if encoded is None or (changes is not None and len(changes) >= MANY):
                self._waiting[group] = None
            elif changes is not None:
                changes[encoded] = None
            self._idle.clear()
            self._wanted.set()

    def _run(self) -> None:
        client = redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT, retry=None
        )
        publish = client.register_script(_PUBLISH)
        pause = threading.Event()
        failures = 0
        while True:
            self._wanted.wait()
            with self._turn:
                self._wanted.clear()
                batch, self._waiting = self._waiting, {}
            try:
                for group, changes in batch.items():
                    told = b"null" if changes is None else b"[" + b",".join(changes) + b"]"
                    publish(keys=[f"live:version:{group}"], args=[channel(group), told])
            except (redis.RedisError, OSError) as error:
                if not failures:
                    log.warning("live screens are not told", error=type(error).__name__)
                failures += 1
                with self._turn:
                    # What exactly was missed nobody needs to know: they will refetch everything.
                    self._waiting.update(dict.fromkeys(batch))
                    self._wanted.set()
                pause.wait(min(_RETRY * failures, _RETRY_CAP))
                continue
            if failures:
                log.info("live screens are told again")
                failures = 0
            with self._turn:
                if not self._waiting:
                    self._idle.set()
            pause.wait(_TOGETHER)

    @staticmethod
    def _finish(idle: threading.Event) -> None:
        """A command that ends right after its commit still gets its message out."""
        idle.wait(_AT_EXIT)


_publisher = _Publisher()
