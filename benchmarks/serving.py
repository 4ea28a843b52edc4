"""The production HTTP server as a child process, and the processor time of everything involved."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.world import ROOT, World

#: What production runs (docs/benchmarks.md says how the numbers were chosen).
WORKERS = 2
OPTIONS = (
    "--interface=wsgi",
    f"--workers={WORKERS}",
    "--blocking-threads=4",
    "--backpressure=64",
    "--no-ws",
    "--http=1",
    "--no-access-log",
    "--log-level=warning",
)
START_SECONDS = 30


@dataclass(frozen=True)
class Served:
    """A running server."""

    port: int
    process: subprocess.Popen[bytes]


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 500
    except OSError:
        return False
    finally:
        connection.close()


@contextlib.contextmanager
def served(
    world: World,
    target: str = "config.wsgi:application",
    *,
    options: Sequence[str] = OPTIONS,
    command: Sequence[str] | None = None,
    env: dict[str, str] | None = None,
    probe: str = "/api/v1/clinics",
) -> Iterator[Served]:
    """Granian with `options`, or a whole other `command`, in front of `target`.

    Its log goes into the world's folder. Raises RuntimeError when it does not answer in time.
    """
    port = free_port()
    line = list(command) if command else ["granian", *options, "--host=127.0.0.1", target]
    line = (
        [sys.executable, "-m", *line, "--port", str(port)]
        if not command
        else [part.replace("PORT", str(port)) for part in line]
    )
    log_path: Path = world.folder / "http.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            line, cwd=ROOT, env=os.environ | world.env | (env or {}), stdout=log, stderr=log
        )
        try:
            deadline = time.monotonic() + START_SECONDS
            while not _answers(port, probe):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(
                        f"no answer; see {log_path}:\n{log_path.read_text()[-2000:]}"
                    )
                time.sleep(0.05)
            yield Served(port, process)
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass(frozen=True, slots=True)
class ProcessorTime:
    """Seconds of processor time used so far: by the HTTP server, PostgreSQL, Valkey."""

    http: float
    postgres: float
    valkey: float

    def __sub__(self, other: "ProcessorTime") -> "ProcessorTime":
        return ProcessorTime(
            self.http - other.http, self.postgres - other.postgres, self.valkey - other.valkey
        )


def processor_time(world: World, http: subprocess.Popen[bytes] | None) -> ProcessorTime:
    """Read from /proc for each process and all of its children, ended ones included."""
    return ProcessorTime(_used(http), _used(world.postgres.process), _used(world.valkey.process))


def _used(parent: subprocess.Popen[bytes] | None) -> float:
    if parent is None:
        return 0.0
    total = 0.0
    root = psutil.Process(parent.pid)
    for process in [root, *root.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
            if process.pid == root.pid:  # what ended children have used is the parent's to tell
                total += times.children_user + times.children_system
    return total
