"""Many clients of a board in one process: light ones, so that the server is what is measured.

    python -m benchmarks.broadcast_clients

Reads orders from stdin, a JSON object a line, and answers each with one on stdout:

- `{"open": [[path, subprotocol, token], …], "ports": […], "deflate": false}`: open them all, spread
  over the ports, and answer `{"open": n, "seconds": s}`;
- `{"ask": text}`: look for that text from now on; answer `{}`;
- `{"until": true, "within": s}`: answer `{"at": […], "boards": n}` when every client has got a
  message with the text in it: when each did (monotonic clock), and how many different boards they
  were;
- `{"close": true}`: end.

A client whose socket ends comes back at another port, with the pauses of our pages.
"""

import asyncio
import base64
import json
import os
import random
import re
import sys
import time
import zlib
from typing import Any, cast

_QUEUE = re.compile(rb'"queue":(.*)\}$', re.DOTALL)
_AT_ONCE = 100
_FIRST_PAUSE, _LAST_PAUSE = 0.5, 5.0


class Wanted:
    """What all clients wait for."""

    def __init__(self) -> None:
        self.text = b""
        self.at: dict[int, float] = {}
        self.boards: set[bytes] = set()
        self.everybody = asyncio.Event()
        self.clients = 0

    def ask(self, text: str) -> None:
        self.text, self.at = text.encode(), {}
        self.boards.clear()
        self.everybody.clear()

    def got(self, client: int, message: bytes, moment: float) -> None:
        if self.text and client not in self.at and self.text in message:
            self.at[client] = moment
            found = _QUEUE.search(message)
            self.boards.add(found[1] if found else message)
            if len(self.at) == self.clients:
                self.everybody.set()


class Client(asyncio.Protocol):
    """One connection: the handshake, then whole frames, which a server does not mask."""

    def __init__(self, number: int, request: bytes, wanted: Wanted) -> None:
        self.number, self.request, self.wanted = number, request, wanted
        self.buffer = bytearray()
        self.is_open: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.inflate: Any = None
        self.transport: asyncio.Transport
        self.message = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self.request)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.is_open.done():
            self.is_open.set_result(False)
        if not self.ended.done():
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        moment = time.monotonic()
        self.buffer += data
        if not self.is_open.done():
            head, found, rest = bytes(self.buffer).partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                self.is_open.set_result(False)
                return
            if b"permessage-deflate" in head:
                self.inflate = zlib.decompressobj(-15)
            self.buffer = bytearray(rest)
            self.is_open.set_result(True)
        self._frames(moment)

    def _frames(self, moment: float) -> None:
        while True:
            buffer = self.buffer
            if len(buffer) < 2:
                return
            length, start = buffer[1] & 0x7F, 2
            if length == 126:
                length, start = int.from_bytes(buffer[2:4], "big"), 4
            elif length == 127:
                length, start = int.from_bytes(buffer[2:10], "big"), 10
            if len(buffer) < start + length:
                return
            kind, body = buffer[0], bytes(buffer[start : start + length])
            del buffer[: start + length]
            self._frame(kind, body, moment)

    def _frame(self, kind: int, body: bytes, moment: float) -> None:
        code = kind & 0x0F
        if code == 0x9:  # a ping: its pong, masked with zeroes
            self.transport.write(bytes([0x8A, 0x80 | len(body)]) + b"\0\0\0\0" + body)
        elif code == 0x8:
            self.transport.close()
        else:
            if kind & 0x40 and self.inflate is not None:
                body = self.inflate.decompress(body + b"\0\0\xff\xff")
            self.message += body
            if kind & 0x80:
                self.wanted.got(self.number, bytes(self.message), moment)
                self.message.clear()


def _request(port: int, path: str, protocol: str, token: str, *, deflate: bool) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"Origin: http://127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Version: 13",
    ]
    if protocol:
        lines.append(f"Sec-WebSocket-Protocol: {protocol}, {token}")
    if deflate:
        lines.append("Sec-WebSocket-Extensions: permessage-deflate")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Crowd:
    """All clients, and the one question that they are asked at a time."""

    def __init__(self) -> None:
        self.wanted = Wanted()
        self.turn = asyncio.Semaphore(_AT_ONCE)
        self.opened = 0
        self.all_open = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []

    async def open(self, order: dict[str, Any]) -> dict[str, Any]:
        began = time.monotonic()
        self.wanted.clients = len(order["open"])
        for number, one in enumerate(order["open"]):
            self.tasks.append(asyncio.create_task(self._live(number, one, order)))
        await self.all_open.wait()
        return {"open": self.opened, "seconds": time.monotonic() - began}

    async def _live(self, number: int, one: list[str], order: dict[str, Any]) -> None:
        loop = asyncio.get_running_loop()
        ports, tries, first = order["ports"], 0, True
        place = number
        while True:
            port = ports[place % len(ports)]
            try:
                async with self.turn:
                    request = _request(port, *one, deflate=order["deflate"])
                    _, client = await loop.create_connection(
                        lambda request=request: Client(number, request, self.wanted),  # type: ignore[misc]
                        "127.0.0.1",
                        port,
                    )
                    good = await client.is_open
            except OSError:
                good = False
            if good:
                tries = 0
                if first:
                    first = False
                    self.opened += 1
                    if self.opened == self.wanted.clients:
                        self.all_open.set()
                await client.ended
            place += 1
            longest = min(_FIRST_PAUSE * 2**tries, _LAST_PAUSE)
            tries += 1
            await asyncio.sleep(longest * random.uniform(0.5, 1.0))

    async def until(self, order: dict[str, Any]) -> dict[str, Any]:
        try:
            async with asyncio.timeout(order["within"]):
                await self.wanted.everybody.wait()
        except TimeoutError:
            pass
        return {"at": sorted(self.wanted.at.values()), "boards": len(self.wanted.boards)}


async def main() -> None:
    crowd = Crowd()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = json.loads(line)
        if "open" in order:
            answer = await crowd.open(order)
        elif "ask" in order:
            crowd.wanted.ask(order["ask"])
            answer = {}
        elif "until" in order:
            answer = await crowd.until(order)
        else:
            break
        print(json.dumps(answer), flush=True)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
