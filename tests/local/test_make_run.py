"""`make run` itself, with the real programs: opens, is found, survives kill -9, leaves nothing."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.process import find_by_environment, find_by_folder
from deploy.local.run import MARK
from deploy.local.valkey import free_port
from tests.support.polling import eventually

ROOT = Path(__file__).resolve().parents[2]
COLD, WARM = 90, 20  # seconds; generous beside what README promises, other tests run meanwhile
ISOLATED = {"PORT", "HOST", "DATA_DIR", "DATABASE_URL", "REDIS_URL", "DEBUG"}


def environment(**changes: str) -> dict[str, str]:
    """This process's environment without what the tests have set in it."""
    return {name: value for name, value in os.environ.items() if name not in ISOLATED} | changes


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def begin(tmp_path, port) -> Iterator[Callable[[float], subprocess.Popen[bytes]]]:
    """Start the supervisor and wait until it is open, at most so many seconds."""
    runs: list[subprocess.Popen[bytes]] = []

    def start(timeout: float) -> subprocess.Popen[bytes]:
        output = tmp_path / f"output-{len(runs)}"
        with output.open("wb") as file:
            run = subprocess.Popen(
                [sys.executable, "-m", "deploy.local.run"],
                cwd=ROOT,
                env=environment(DATA_DIR=str(tmp_path / "data"), PORT=str(port)),
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        runs.append(run)

        def is_open() -> bool:
            assert run.poll() is None, output.read_text()
            return "Kairos is open" in output.read_text()

        eventually(is_open, timeout=timeout)
        return run

    yield start
    for run in runs:
        if run.poll() is None:
            run.send_signal(signal.SIGTERM)
            run.wait(timeout=60)


def get(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def manage(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment(**env),
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_opens_is_found_recovers_and_leaves_nothing(begin, port, tmp_path):
    data_dir = tmp_path / "data"
    first = begin(COLD)
    assert get(port, "/health") == 200
    assert get(port, "/api/docs") == 200

    # A bare command in another shell finds the running database.
    question = (
        "from accounts.models import User;"
        "print(User.objects.filter(email='reception@demo.kairos').count())"
    )
    answer = manage("shell", "-v0", "-c", question, DATA_DIR=str(data_dir))
    assert answer.stdout.strip() == "1", answer.stderr

    again = subprocess.run(
        [sys.executable, "-m", "deploy.local.run"],
        cwd=ROOT,
        env=environment(DATA_DIR=str(data_dir)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0
    assert f"already running here: http://127.0.0.1:{port}" in again.stdout

    first.kill()
    first.wait()
    started = time.monotonic()
    run = begin(WARM)
    assert time.monotonic() - started < WARM
    assert get(port, "/health") == 200

    run.send_signal(signal.SIGINT)
    assert run.wait(timeout=30) == 0
    assert find_by_environment(MARK, str(data_dir)) == []
    assert find_by_folder("postgres", data_dir / "postgres" / "cluster") == []
    assert find_by_folder("valkey-server", data_dir / "valkey") == []
    assert not (data_dir / "runtime.env").exists()
