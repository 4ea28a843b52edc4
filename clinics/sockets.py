"""The base of every live socket: who asks, what they may hear, and until when.

`Socket` is the door. It opens for a page's session or an access token, asks again every few seconds
whether the right still stands, and closes when it does not. It holds no thread and no database
connection while it is idle, and needs Valkey neither to open nor to stay open.

`LiveSocket` says through it that something changed, never what it is now: that is read over HTTP,
with the rights of the moment. While it may be missing something it says `unsure`.
"""

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from uuid import UUID

import orjson
import structlog
from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.db import close_old_connections

from accounts import tokens
from accounts.selectors import page_session_user
from clinics.principal import Principal, principal_open
from core import tenancy
from core.errors import KairosError
from core.live_hub import hub

log = structlog.get_logger(__name__)
T = TypeVar("T")

SIGNED_OUT: Final = 4401
FORBIDDEN: Final = 4403
NOT_FOUND: Final = 4404
_NO_TEXT: Final = 1003
_NO_JSON: Final = 1007
_TOO_MANY: Final = 1008
_TOO_BIG: Final = 1009
_FAILED: Final = 1011
_TRY_AGAIN: Final = 1013

#: How old the knowledge of a right may become.
RECHECK_SECONDS = 15.0
_MAX_CHARACTERS: Final = 256
_MAX_MESSAGES_A_MINUTE: Final = 120
_MAX_SOCKETS_OF_AN_ASKER: Final = 100
_MAX_CHANGES: Final = 200

# All sockets of a process share these, and so at most as many database connections.
_threads = ThreadPoolExecutor(4, thread_name_prefix="socket")


class Refused(Exception):
    """The socket is to be closed with `code`."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Proof:
    """What a socket has shown at the door."""


@dataclass(frozen=True, slots=True)
class SignedIn(Proof):
    """A page's session, or a device's token."""

    session_key: str = ""
    user_id: UUID | None = None
    device: UUID | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What somebody may hear: everything told to `groups` that `filtered` lets through.

    `asker` is the group of who asks: told anything, their rights are read again at once; otherwise
    they are after `recheck` seconds.
    """

    asker: str
    groups: frozenset[str] = field(default_factory=frozenset)
    #: A change as it is sent to the client, or None when it is not for them.
    filtered: Callable[[str, dict[str, Any]], dict[str, Any] | None] = lambda _, change: change
    recheck: float | None = None  # None: RECHECK_SECONDS


class Socket(AsyncJsonWebsocketConsumer, ABC):
    """A door for who may hear something, and what they say.

    A subclass says in `standing` who may hear what, and in `tell` what they are told.
    """

    channel_layer_alias = "none"  # `core.live_hub` hears for all sockets of the process
    #: The first sub-protocols that say which proof is shown.
    protocols: tuple[str, ...] = ("bearer",)

    @abstractmethod
    def standing(self, principal: Principal) -> Standing:
        """What the principal may hear, read in their scope. Raises Refused."""

    def proof(self, protocols: list[str], cookies: dict[str, str]) -> Proof:
        """What the socket shows. Raises Refused (signed out) without anything of use."""
        return signed_in(protocols, cookies)

    def standing_of(self, proof: Proof) -> Standing:
        """What who shows this may hear, read in a thread, in an empty scope. Raises Refused."""
        if not isinstance(proof, SignedIn):
            raise Refused(SIGNED_OUT)
        user_id = proof.user_id
        if user_id is None:
            user = page_session_user(proof.session_key)
            user_id = UUID(str(user.pk)) if user is not None else None
        principal = (
            principal_open(user_id, proof.device, write=False) if user_id is not None else None
        )
        if principal is None:
            raise Refused(SIGNED_OUT)
        return self.standing(principal)

    @abstractmethod
    async def tell(self) -> None:
        """Send what is new. Called after each `news`, and may find nothing."""

    @abstractmethod
    def heard(self, group: str, changes: list[Any] | None) -> None:
        """What the hub told to one of the standing's groups; see `core.live_hub`."""

    @abstractmethod
    def sure(self, hears: bool) -> None:
        """Whether the hub hears; see `core.live_hub`."""

    def let_in(self) -> None:
        """The right was read and stands."""

    def leave(self) -> None:
        """Hear nothing more. May be called twice."""
        hub().forget(self)

    def news(self) -> None:
        """Let `tell` be called soon."""
        self._news.set()

    # --- Opening and closing ----------------------------------------------------------------------

    async def connect(self) -> None:
        self._standing: Standing | None = None
        self._news = asyncio.Event()
        self._doubted = False
        self._doubting: asyncio.TimerHandle | None = None
        self._version = 0
        self._minute, self._received = 0.0, 0
        self._serving: asyncio.Task[None] | None = None
        protocols = self.scope.get("subprotocols") or []
        # A browser shows a close code only on a socket that was opened, so every refusal opens it.
        await self.accept(protocols[0] if protocols and protocols[0] in self.protocols else None)
        try:
            self._proof = self.proof(protocols, self.scope.get("cookies") or {})
            await self._ask_again()
        except Refused as refusal:
            await self.close(refusal.code)
        else:
            self._serving = asyncio.create_task(self._serve(), name="live-socket")

    async def disconnect(self, code: int) -> None:
        if self._serving is not None:
            self._serving.cancel()
        self.leave()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """As Channels does, without its visit to a thread for each message: nothing here uses the
        database outside `in_thread`."""
        await getattr(self, message["type"].replace(".", "_"))(message)

    # --- What the client says ---------------------------------------------------------------------

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None, **_: Any
    ) -> None:
        if text_data is None:
            return await self.close(_NO_TEXT)
        if len(text_data) > _MAX_CHARACTERS:
            return await self.close(_TOO_BIG)
        if self._is_flooded():
            return await self.close(_TOO_MANY)
        try:
            content = orjson.loads(text_data)
        except orjson.JSONDecodeError:
            return await self.close(_NO_JSON)
        if isinstance(content, dict) and content.get("type") == "ping":
            await self.send_json({"type": "ping", "version": self._version})
        return None

    def _is_flooded(self) -> bool:
        now = time.monotonic()
        if now - self._minute >= 60:
            self._minute, self._received = now, 0
        self._received += 1
        return self._received > _MAX_MESSAGES_A_MINUTE

    # --- What it hears ----------------------------------------------------------------------------

    def told(self, group: str, changes: list[Any] | None) -> None:
        standing = self._standing
        if standing is None:
            return
        if group == standing.asker:
            self._doubted = True
        if group in standing.groups:
            self.heard(group, changes)
        self.news()

    async def _serve(self) -> None:
        """Pass on what is new, and ask again whether the right stands, until it does not."""
        try:
            self._doubt_later()
            while True:
                await self._news.wait()
                self._news.clear()
                if self._doubted:
                    self._doubted = False
                    await self._ask_again()
                    self._doubt_later()
                await self.tell()
        except Refused as refusal:
            self.leave()
            await self.close(refusal.code)
        except OSError:
            return  # the client has gone; `disconnect` follows
        except Exception:
            log.exception("a live socket failed")
            self.leave()
            await self.close(_FAILED)
        finally:
            if self._doubting is not None:
                self._doubting.cancel()

    # --- Rights -----------------------------------------------------------------------------------

    async def _ask_again(self) -> None:
        """Read session and rights anew, and listen accordingly. Raises Refused."""
        first = self._standing is None
        try:
            found = await in_thread(self._read_standing)
        except Refused as refusal:
            lost = not first and refusal.code == NOT_FOUND
            raise Refused(FORBIDDEN if lost else refusal.code) from None
        except Exception as error:
            # No knowledge is no right. The client comes back, and so may the database.
            log.warning("a socket's rights were not to be read", error=repr(error))
            raise Refused(_TRY_AGAIN) from error
        if first and hub().count(found.asker) >= _MAX_SOCKETS_OF_AN_ASKER:
            raise Refused(_TRY_AGAIN)
        self._standing = found
        hub().listen(self, found.groups | {found.asker})
        self.let_in()

    def _read_standing(self) -> Standing:
        with tenancy.scope(()):
            return self.standing_of(self._proof)

    def _doubt_later(self) -> None:
        """One timer a look, not one a message: a thousand sockets are told in the same moment."""
        standing = self._standing
        longest = RECHECK_SECONDS
        if standing is not None and standing.recheck is not None:
            longest = standing.recheck
        # Spread, since after a restart all sockets come at once.
        pause = longest * random.uniform(0.8, 1.0)  # noqa: S311 - spreads load
        if self._doubting is not None:
            self._doubting.cancel()
        self._doubting = asyncio.get_running_loop().call_later(pause, self._doubt)

    def _doubt(self) -> None:
        self._doubted = True
        self.news()


class LiveSocket(Socket, ABC):
    """Tells a client `snapshot`, `changed` and `unsure`; see docs/live.md."""

    async def connect(self) -> None:
        self._everything = False
        self._changes: list[dict[str, Any]] = []
        self._hears: bool | None = None  # not known yet
        self._said_unsure = False
        await super().connect()

    def heard(self, group: str, changes: list[Any] | None) -> None:
        standing = self._standing
        if standing is None:
            return
        if changes is None or len(self._changes) + len(changes) > _MAX_CHANGES:
            self._everything = True
            return
        for change in changes:
            shown = standing.filtered(group, change)
            if shown is not None and shown not in self._changes:
                self._changes.append(shown)

    def sure(self, hears: bool) -> None:
        self._hears = hears
        self._everything = True
        self.news()

    async def tell(self) -> None:
        everything, changes = self._everything, self._changes
        if self._hears is None:
            return  # the first snapshot will say it all
        self._everything, self._changes = False, []
        if not self._hears:
            if not self._said_unsure:
                self._said_unsure = True
                await self.send_json({"type": "unsure"})
        elif everything:
            self._said_unsure = False
            self._version += 1
            await self.send_json({"type": "snapshot", "version": self._version})
        elif changes:
            self._version += 1
            await self.send_json({"type": "changed", "version": self._version, "changes": changes})


def signed_in(protocols: list[str], cookies: dict[str, str]) -> SignedIn:
    """What the socket shows. Raises Refused (signed out) without anything of use."""
    if protocols[:1] == ["bearer"]:
        try:
            claims = tokens.read_access(protocols[1] if len(protocols) == 2 else "")
        except KairosError:
            raise Refused(SIGNED_OUT) from None
        # From here on the device's session counts, as a refreshed token would be of the same.
        return SignedIn(user_id=claims.user_id, device=claims.session_id)
    key = cookies.get(settings.SESSION_COOKIE_NAME, "")
    if not key:
        raise Refused(SIGNED_OUT)
    return SignedIn(session_key=key)


async def in_thread(read: Callable[[], T], threads: ThreadPoolExecutor = _threads) -> T:
    """Run a read in one of the sockets' threads, and give its connection back to the pool."""

    def run() -> T:
        try:
            return read()
        finally:
            close_old_connections()

    return await sync_to_async(run, thread_sensitive=False, executor=threads)()
