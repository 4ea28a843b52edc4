"""Real server and worker processes over the test's committed data.

| fixture                 | gives                                                                  |
|-------------------------|------------------------------------------------------------------------|
| `live_wsgi`             | base URL of the production HTTP server, two worker processes           |
| `live_asgi`             | base URL of the server of sockets                                      |
| `celery_worker_process` | a running worker (two processes) that consumes what the test publishes |

The context managers of the same meaning take any environment, for tests that bring servers to kill.
"""

import contextlib
import http.client
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deploy.local.process import log_tail, open_log, spawn, stop_all
from deploy.local.valkey import free_port
from tests.support.polling import eventually

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
START_TIMEOUT = 30


def answers(url: str) -> bool:
    """Whether `GET /health` at the base URL says 200."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=2)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextlib.contextmanager
def running(
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the project in this process's environment with `env` on top, until the end.
    It is killed then: a polite end takes seconds, and nothing it holds outlives the test."""
    with open_log(log) as output:
        process = spawn(command, env=os.environ | dict(env or {}), cwd=ROOT, stdout=output)
    try:
        yield process
    finally:
        stop_all([process], timeout=0)


def _wait(process: subprocess.Popen[bytes], log: Path, is_up: Callable[[], bool]) -> None:
    name = log.stem
    try:
        eventually(lambda: process.poll() is not None or is_up(), timeout=START_TIMEOUT)
    except AssertionError:
        pytest.fail(f"{name} did not get ready; its log ends:\n{log_tail(log)}")
    if process.poll() is not None:
        pytest.fail(f"{name} ended at once; its log ends:\n{log_tail(log)}")


@contextlib.contextmanager
def running_wsgi(
    *, log: Path, env: Mapping[str, str] | None = None, workers: int = 2
) -> Iterator[str]:
    """The production HTTP server. Yields its base URL once it answers."""
    port = free_port()
    command = [str(BIN / "granian"), "--interface", "wsgi", "config.wsgi:application"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
    with running(command, log=log, env=env) as process:
        url = f"http://127.0.0.1:{port}"
        _wait(process, log, lambda: answers(url))
        yield url


@contextlib.contextmanager
def running_asgi(*, log: Path, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """The server of sockets (and of everything under `make run`). Yields its base URL."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "config.asgi:application"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with running(command, log=log, env=env) as process:
        url = f"http://127.0.0.1:{port}"
        _wait(process, log, lambda: answers(url))
        yield url


@contextlib.contextmanager
def running_celery(
    *, log: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A Celery worker with two processes. Yields it once it takes tasks."""
    command = [sys.executable, "-m", "celery", "-A", "config", "worker", "--loglevel=info"]
    command += ["--concurrency=2", "--without-gossip", "--without-mingle"]
    with running(command, log=log, env=env) as process:
        start = log.stat().st_size if log.exists() else 0

        def is_ready() -> bool:
            return b" ready." in log.read_bytes()[start:]

        _wait(process, log, is_ready)
        yield process


@pytest.fixture
def live_wsgi(transactional_db, tmp_path) -> Iterator[str]:
    """Base URL of granian with two worker processes over this test's database."""
    with running_wsgi(log=tmp_path / "wsgi.log") as url:
        yield url


@pytest.fixture
def live_asgi(transactional_db, tmp_path) -> Iterator[str]:
    """Base URL of uvicorn over this test's database."""
    with running_asgi(log=tmp_path / "asgi.log") as url:
        yield url


@pytest.fixture
def celery_worker_process(transactional_db, tmp_path) -> Iterator[subprocess.Popen[bytes]]:
    """A Celery worker over this test's database and broker."""
    with running_celery(log=tmp_path / "celery.log") as process:
        yield process
