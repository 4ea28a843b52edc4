"""The boards that sockets of this process show: one reading and one encoding for all of them.

A feed belongs to a location and lives while a socket shows it. Told of a change, it reads the board
once, writes it as text once, and every socket sends that same text. What changes while it reads
makes one more reading, so that a rush of changes costs a bounded number. While it hears nothing
from Valkey it looks by itself every two seconds.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import monotonic, time
from typing import Any, Final, Protocol
from uuid import UUID
from weakref import WeakKeyDictionary

import structlog

from checkin.board import board_read, build
from checkin.live import queue_group
from clinics.sockets import in_thread
from core.live_hub import hub

log = structlog.get_logger(__name__)

#: A board that nobody changed is told again after so many seconds: waits shorten by themselves.
FRESH_SECONDS: Final = 30.0
#: How often a feed looks that may be missing news.
LOOK_SECONDS: Final = 2.0
_TOGETHER: Final = 0.03
_AGAIN_FIRST: Final = 0.5
_AGAIN_LAST: Final = 5.0

# Not those of the doors: after a restart a thousand rights are read, and boards must not wait.
_threads = ThreadPoolExecutor(2, thread_name_prefix="board")


class Shower(Protocol):
    """A socket that shows a board."""

    def news(self) -> None:
        """The feed has something new. Called in the event loop; must not wait."""


class Feed:
    """The board of one location, as text; `version` counts what was told, from 1."""

    def __init__(self, location: UUID, clinic: UUID) -> None:
        self.version = 0
        #: Whether no news is missed; None until that is known.
        self.hears: bool | None = None
        #: The version that was last told to everybody as a whole, not as a change.
        self.whole_version = 0
        self._read: Callable[[], bytes] = partial(board_read, location, clinic=clinic)
        self._group = queue_group(location)
        self._showers: set[Shower] = set()
        self._queue = b""
        self._texts: dict[str, str] = {}
        self._read_at = 0
        self._published = -FRESH_SECONDS
        self._wanted = asyncio.Event()
        self._whole = False
        #: Told again though it may look the same: staff's pages show more than a board does.
        self._changed = False
        self._task: asyncio.Task[None] | None = None

    def join(self, shower: Shower) -> None:
        self._showers.add(shower)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="queue-feed")
            hub().listen(self, frozenset({self._group}))
        shower.news()

    def leave(self, shower: Shower) -> bool:
        """True when nobody shows the board any more; the feed is over then."""
        self._showers.discard(shower)
        if self._showers:
            return False
        hub().forget(self)
        if self._task is not None:
            self._task.cancel()
        return True

    def text(self, kind: str) -> str:
        """The message of that type with the board as it is now; written once."""
        found = self._texts.get(kind)
        if found is None:
            found = self._texts[kind] = (
                f'{{"type":"{kind}","version":{self.version},"at":{self._read_at},'
                f'"build":"{build()}","queue":{self._queue.decode()}}}'
            )
        return found

    # --- What the hub says ------------------------------------------------------------------------

    def told(self, group: str, changes: list[Any] | None) -> None:
        self._changed = True
        self._wanted.set()

    def sure(self, hears: bool) -> None:
        self.hears = hears
        self._whole = True
        self._wanted.set()
        if not hears:
            self._tell()

    # --- Reading ----------------------------------------------------------------------------------

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                async with asyncio.timeout(LOOK_SECONDS if self.hears is False else FRESH_SECONDS):
                    await self._wanted.wait()
            except TimeoutError:
                self._whole |= monotonic() - self._published >= FRESH_SECONDS
            self._wanted.clear()  # what is told from here on makes one more reading
            whole, self._whole = self._whole, False
            changed, self._changed = self._changed, False
            if self.hears is None:
                continue  # what happened before anything is heard would be missed
            try:
                queue = await in_thread(self._read, _threads)
            except Exception as error:  # noqa: BLE001 - whatever it was, it is tried again
                if not failures:
                    log.warning("a board was not to be read", error=repr(error))
                failures += 1
                self._whole |= whole
                self._changed |= changed
                self._wanted.set()
                await asyncio.sleep(min(_AGAIN_FIRST * failures, _AGAIN_LAST))
                continue
            failures = 0
            if whole or changed or queue != self._queue:
                self._publish(queue, whole=whole)
            await asyncio.sleep(_TOGETHER)

    def _publish(self, queue: bytes, *, whole: bool) -> None:
        self._queue, self._texts = queue, {}
        self._published, self._read_at = monotonic(), int(time() * 1000)
        self.version += 1
        if whole:
            self.whole_version = self.version
        self._tell()

    def _tell(self) -> None:
        for shower in self._showers:
            shower.news()


class Feeds:
    """The feeds of an event loop."""

    def __init__(self) -> None:
        self._feeds: dict[UUID, Feed] = {}

    def join(self, shower: Shower, location: UUID, clinic: UUID) -> Feed:
        """The feed of the location, which from now on gives `shower` its news."""
        feed = self._feeds.get(location)
        if feed is None:
            feed = self._feeds[location] = Feed(location, clinic)
        feed.join(shower)
        return feed

    def leave(self, shower: Shower, location: UUID) -> None:
        feed = self._feeds.get(location)
        if feed is not None and feed.leave(shower):
            del self._feeds[location]


_all: WeakKeyDictionary[asyncio.AbstractEventLoop, Feeds] = WeakKeyDictionary()


def feeds() -> Feeds:
    """Those of the running event loop."""
    loop = asyncio.get_running_loop()
    found = _all.get(loop)
    if found is None:
        found = _all[loop] = Feeds()
    return found
