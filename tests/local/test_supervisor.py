"""What `make run` promises about processes, shown with small programs in place of the real ones."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.process import end_leftovers, find_by_environment, has_ended
from deploy.local.run import MARK
from tests.support.polling import eventually

ROOT = Path(__file__).resolve().parents[2]

# A supervisor whose web server answers /health at once and whose worker has children of its own.
PROGRAM = """
import os, sys
from pathlib import Path
from deploy.local import run

WEB = '''
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(str(os.getpid()).encode())
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
'''
WORKER = '''
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.run([sys.executable, "-c", "import signal; signal.pause()"])
'''
if "crash" in sys.argv:
    WORKER = "import sys; sys.exit('the reason is here')"
run.STOP_TIMEOUT = run.LEFTOVER_TIMEOUT = 1
run.MAX_BACK_OFF = 0.25

class Small(run.Supervisor):
    def _start_servers(self): self.base |= {"DATABASE_URL": "postgresql:///x", "REDIS_URL": "r"}
    def _prepare(self): pass
    def _programs(self):
        return [
            run.Child("web", [sys.executable, "-c", WEB], self.folder.logs / "web.log", echo=True),
            run.Child("worker", [sys.executable, "-c", WORKER], self.folder.logs / "worker.log"),
        ]

sys.exit(Small(os.environ).run())
"""


class Run:
    """One supervisor process and what it has said."""

    def __init__(self, data_dir: Path, *arguments: str, **env: str) -> None:
        self.output = data_dir.with_name(f"output-{len(list(data_dir.parent.iterdir()))}")
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(PROGRAM), *arguments],
                cwd=ROOT,
                env={k: v for k, v in os.environ.items() if k not in {"PORT", "HOST"}}
                | {"DATA_DIR": str(data_dir)}
                | env,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def text(self) -> str:
        return self.output.read_text()

    def says(self, words: str) -> None:
        eventually(lambda: words in self.text() or self._not_yet(words), timeout=20)

    def _not_yet(self, words: str) -> bool:
        raise AssertionError(f"{words!r} is not in:\n{self.text()}")

    def ends(self) -> int:
        return self.process.wait(timeout=20)


@pytest.fixture
def data_dir(tmp_path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def start(data_dir) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def begin(*arguments: str, **env: str) -> Run:
        runs.append(Run(data_dir, *arguments, **env))
        return runs[-1]

    yield begin
    for run in runs:
        run.process.terminate()
        run.ends()
    end_leftovers(leftovers(data_dir), timeout=0)


def leftovers(data_dir: Path) -> list[psutil.Process]:
    return find_by_environment(MARK, str(data_dir))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_ends_every_process_also_one_that_ignores_it(start, data_dir, number):
    run = start()
    run.says("Kairos is open")
    eventually(lambda: len(leftovers(data_dir)) == 3)
    assert (data_dir / "runtime.env").stat().st_mode & 0o777 == 0o600
    run.process.send_signal(number)
    assert run.ends() == 0
    assert leftovers(data_dir) == []
    assert not (data_dir / "runtime.env").exists()


def test_a_second_start_says_where_the_first_one_is(start, data_dir):
    first = start()
    first.says("Kairos is open")
    second = start()
    assert second.ends() == 0
    holder = json.loads((data_dir / "kairos.lock").read_text())
    assert second.text() == (
        f"Kairos is already running here: {holder['url']} (pid {first.process.pid})\n"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_a_killed_supervisor_takes_its_children_along(start, data_dir):
    run = start()
    run.says("Kairos is open")
    web = next(found for found in leftovers(data_dir) if "http.server" in found.cmdline()[-1])
    run.process.kill()
    run.process.wait()
    eventually(lambda: has_ended(web))


def test_the_next_start_ends_what_a_killed_run_left(start, data_dir):
    run = start()
    run.says("Kairos is open")
    run.process.kill()
    run.process.wait()
    stubborn = leftovers(data_dir)
    assert stubborn, "the worker ignores the signal and stays"
    again = start()
    again.says("ending")
    again.says("Kairos is open")
    assert all(map(has_ended, stubborn))
    eventually(lambda: len(leftovers(data_dir)) == 3)


def test_a_dead_child_is_started_again(start, data_dir):
    run = start()
    run.says("Kairos is open")
    web = next(found for found in leftovers(data_dir) if "http.server" in found.cmdline()[-1])
    web.kill()
    run.says("web ended (exit code -9): starting it again")
    eventually(lambda: len(leftovers(data_dir)) == 3)


def test_a_child_that_keeps_dying_stops_everything_with_the_end_of_its_log(start, data_dir):
    run = start("crash")
    assert run.ends() == 1
    assert "worker ended 5 times" in run.text()
    assert "    the reason is here" in run.text()
    assert leftovers(data_dir) == []


def test_a_taken_default_port_moves_on_but_a_wanted_one_is_an_error(start):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        run = start(PORT=str(port))
        assert run.ends() == 1
        assert f"port {port} on 127.0.0.1 is taken" in run.text()


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1"])
def test_a_port_that_is_none_is_refused(start, port):
    run = start(PORT=port)
    assert run.ends() == 1
    assert "PORT must be a number from 1 to 65535" in run.text()


def test_a_data_dir_that_is_a_file_is_refused(start, data_dir):
    data_dir.write_text("")
    run = start()
    assert run.ends() == 1
    assert f"{data_dir} cannot be written" in run.text()
