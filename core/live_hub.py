"""Hearing what `core.live` announces: one connection to Valkey for all sockets of a process.

A hub belongs to an event loop. It knows whether it hears: a connection that broke or has been
silent for five seconds is made anew, and whoever listens is told, first that messages may be
missing, then to refetch. Channels' own layer subscribes again too, but tells nobody that it had to.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Set as AbstractSet
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

import orjson
import redis.asyncio as aioredis
import structlog
from django.conf import settings

from core.live import channel

log = structlog.get_logger(__name__)

PULSE_SECONDS: Final = 2.0
SILENCE_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 0.5
_CONNECT_TIMEOUT: Final = 1.0
_PULSE_GROUP: Final = "pulse"
_PREFIX: Final = channel("")


class Listener(Protocol):
    """What a hub tells. Both are called in the event loop and must not wait."""

    def told(self, group: str, changes: list[Any] | None) -> None:
        """Something changed; None: more than can be told, or a message was missed."""

    def sure(self, hears: bool) -> None:
        """False: from now on messages may be missing. True: from now on none is; refetch."""


class Hub:
    """Groups, who listens to them, and the connection that serves them."""

    def __init__(self) -> None:
        self._groups: dict[Listener, AbstractSet[str]] = {}
        self._members: dict[str, set[Listener]] = {}
        #: Groups that a listener waits for, until Valkey has confirmed them.
        self._missing: dict[Listener, set[str]] = {}
        self._asked: set[str] = set()
        self._unanswered: Counter[str] = Counter()
        self._confirmed: set[str] = set()
        self._versions: dict[str, int] = {}
        self._lost = False
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def listen(self, listener: Listener, groups: AbstractSet[str]) -> None:
        """Let `listener` hear exactly `groups`; it is told `sure` once it hears all of them."""
        before = self._groups.get(listener, frozenset())
        self._groups[listener] = frozenset(groups)
        for group in before - groups:
            self._leave(listener, group)
        for group in groups - before:
            self._members.setdefault(group, set()).add(listener)
        waiting = listener in self._missing
        missing = set(groups - self._confirmed)
        if missing:
            self._missing[listener] = missing
        else:
            self._missing.pop(listener, None)
            if waiting or groups - before:
                listener.sure(True)
        if self._lost and not before:
            listener.sure(False)
        self._changed.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="live-hub")

    def forget(self, listener: Listener) -> None:
        """Tell `listener` nothing more."""
        for group in self._groups.pop(listener, frozenset()):
            self._leave(listener, group)
        self._missing.pop(listener, None)
        self._changed.set()

    def count(self, group: str) -> int:
        """How many listen to `group` here."""
        return len(self._members.get(group, ()))

    def _leave(self, listener: Listener, group: str) -> None:
        members = self._members[group]
        members.discard(listener)
        if not members:
            del self._members[group]

    async def _run(self) -> None:
        while True:
            try:
                await self._serve()
            except Exception as error:  # noqa: BLE001 - whatever it was, a new connection is made
                if not self._lost:
                    log.warning("live screens hear nothing", error=repr(error))
            self._fall()
            await asyncio.sleep(_RETRY_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load

    def _fall(self) -> None:
        self._asked.clear()
        self._unanswered.clear()
        self._confirmed.clear()
        self._versions.clear()
        self._missing = {listener: set(groups) for listener, groups in self._groups.items()}
        if not self._lost:
            self._lost = True
            for listener in self._groups:
                listener.sure(False)

    async def _serve(self) -> None:
        """Subscribe and hear, until the connection breaks; always ends by raising."""
        client = aioredis.Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=_CONNECT_TIMEOUT, socket_timeout=None
        )
        try:
            async with client.pubsub() as connection:
                async with asyncio.timeout(SILENCE_SECONDS):
                    await connection.subscribe(channel(_PULSE_GROUP))
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._hear(connection))
                    tasks.create_task(self._ask(connection))
        finally:
            await client.aclose()

    async def _ask(self, connection: Any) -> None:
        """Subscribe to what is wanted, leave what is not, and ask for a sign of life."""
        while True:
            wanted = set(self._members)
            if fresh := wanted - self._asked:
                self._asked |= fresh
                self._unanswered.update(fresh)
                await connection.subscribe(*(channel(group) for group in fresh))
            if stale := self._asked - wanted:
                self._asked -= stale
                self._confirmed -= stale
                for group in stale:
                    self._versions.pop(group, None)
                await connection.unsubscribe(*(channel(group) for group in stale))
            try:
                async with asyncio.timeout(PULSE_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                await connection.ping()
            self._changed.clear()

    async def _hear(self, connection: Any) -> None:
        while True:
            async with asyncio.timeout(SILENCE_SECONDS):
                message = await connection.get_message(timeout=None)
            if message is None or message["channel"] is None:
                continue
            group = message["channel"].decode().removeprefix(_PREFIX)
            if message["type"] == "subscribe":
                self._confirm(group)
            elif message["type"] == "message":
                self._pass_on(group, message["data"])

    def _confirm(self, group: str) -> None:
        if group == _PULSE_GROUP:
            if self._lost:
                log.info("live screens hear again")
            self._lost = False
            return
        self._unanswered[group] -= 1
        if self._unanswered[group] > 0:
            return  # left and wanted again meanwhile: the last answer counts
        del self._unanswered[group]
        if group not in self._asked:
            return
        self._confirmed.add(group)
        for listener in self._members.get(group, ()):
            missing = self._missing.get(listener)
            if missing is None:
                continue
            missing.discard(group)
            if not missing:
                del self._missing[listener]
                listener.sure(True)

    def _pass_on(self, group: str, data: bytes) -> None:
        if group not in self._confirmed:
            return
        version, _, told = data.partition(b" ")
        number, last = int(version), self._versions.get(group)
        self._versions[group] = number
        changes = orjson.loads(told) if last is None or number == last + 1 else None
        for listener in self._members.get(group, ()):
            listener.told(group, changes)


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """The hub of the running event loop."""
    loop = asyncio.get_running_loop()
    found = _hubs.get(loop)
    if found is None:
        found = _hubs[loop] = Hub()
    return found
