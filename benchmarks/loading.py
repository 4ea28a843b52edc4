"""The load: a closed loop of connections, each sending its next request when the last is answered.

`wrk` does it where it is installed, since it leaves the processor to the server; otherwise a client
in Python does, and the report says so. Both send exactly the prepared requests, in order, and count
every status.
"""

import json
import selectors
import shutil
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_NO_END = 3600.0  # seconds
_LUA = Path(__file__).with_name("wrk.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of the load saw. Latencies in milliseconds, by share of the requests."""

    seconds: float
    ok: int
    refused: int
    latency: dict[str, float]

    @property
    def rate(self) -> float:
        """Accepted requests a second."""
        return self.ok / self.seconds


def client_name() -> str:
    """Which client this machine will use."""
    return "wrk" if shutil.which("wrk") else "python (wrk is not installed: figures are lower)"


def run_load(
    port: int, requests: Sequence[bytes], *, seconds: float, connections: int, once: bool
) -> Load:
    """Send `requests` in turn for `seconds`; with `once` each at most one time.

    Raises RuntimeError when the client itself fails.
    """
    if shutil.which("wrk"):
        return _wrk(port, requests, seconds, connections, once=once)
    return _python(port, requests, seconds, connections, once=once)


def send_all(port: int, requests: Sequence[bytes], *, connections: int) -> Load:
    """Send each request once, and wait for the last answer, which `wrk` does not."""
    return _python(port, requests, _NO_END, connections, once=True)


def _wrk(
    port: int, requests: Sequence[bytes], seconds: float, connections: int, *, once: bool
) -> Load:
    with tempfile.NamedTemporaryFile(suffix=".requests") as file:
        for request in requests:
            file.write(b"%d\n" % len(request) + request)
        file.flush()
        done = subprocess.run(
            [
                "wrk",
                "--threads=1",
                f"--connections={connections}",
                f"--duration={max(1, round(seconds))}s",
                "--timeout=30s",
                f"--script={_LUA}",
                f"http://127.0.0.1:{port}/",
                "--",
                file.name,
                "once" if once else "again",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise RuntimeError(f"wrk failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    seen = json.loads(lines[-1])
    failed = seen["refused"] + seen["broken"]
    return Load(
        seen["seconds"],
        seen["answers"] - seen["refused"],
        failed,
        {name: seen[name] for name in ("p50", "p95", "p99")},
    )


def _python(
    port: int, requests: Sequence[bytes], seconds: float, connections: int, *, once: bool
) -> Load:
    """A selector loop over raw sockets; parses no more of an answer than status and length."""
    selector = selectors.DefaultSelector()
    statuses: Counter[bool] = Counter()
    latencies: list[float] = []
    turn = 0
    begun = time.perf_counter()
    deadline = begun + seconds

    def send(client: socket.socket) -> bool:
        nonlocal turn
        if (once and turn >= len(requests)) or time.perf_counter() >= deadline:
            return False
        sent_at[client] = time.perf_counter()
        client.sendall(requests[turn % len(requests)])
        turn += 1
        return True

    sent_at: dict[socket.socket, float] = {}
    received: dict[socket.socket, bytes] = {}
    for _ in range(connections):
        client = socket.create_connection(("127.0.0.1", port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received[client] = b""
        if send(client):
            selector.register(client, selectors.EVENT_READ)
    while selector.get_map():
        for key, _ in selector.select(timeout=30):
            client = key.fileobj  # type: ignore[assignment]
            piece = client.recv(1 << 18)
            answer = received[client] + piece
            if piece and not _is_whole(answer):
                received[client] = answer
                continue
            latencies.append((time.perf_counter() - sent_at[client]) * 1000)
            statuses[answer[9:10] == b"2"] += 1
            received[client] = b""
            if not piece or not send(client):
                selector.unregister(client)
                client.close()
    elapsed = time.perf_counter() - begun
    latencies.sort()
    return Load(
        elapsed,
        statuses[True],
        statuses[False],
        {
            f"p{share}": latencies[min(len(latencies) - 1, len(latencies) * share // 100)]
            for share in (50, 95, 99)
        },
    )


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line[15:])
    return body.endswith(b"0\r\n\r\n")  # in chunks
