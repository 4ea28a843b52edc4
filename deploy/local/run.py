"""`make run`: everything Kairos needs, on this machine, until Ctrl-C.

    HOST, PORT      where the web server listens (127.0.0.1, 8000 or the next free port)
    DATA_DIR        database, logs, lock (.data in the checkout)
    DATABASE_URL    use this PostgreSQL instead of the embedded one
    REDIS_URL       use this Valkey or Redis instead of the embedded one

Exit code 0 after a clean stop and when Kairos runs here already; 1 when something is wrong.
"""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from deploy.local.console import say, step, warn
from deploy.local.folder import DataFolder
from deploy.local.postgres import EmbeddedPostgres
from deploy.local.process import (
    LaunchError,
    end_leftovers,
    find_by_environment,
    log_tail,
    open_log,
    signal_group,
    spawn,
    stop_all,
)
from deploy.local.push_key import push_settings
from deploy.local.valkey import EmbeddedValkey

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_PORT = 8000
MARK = "KAIROS_SUPERVISED"  # in every child's environment: how a later start knows leftovers
HEALTH_TIMEOUT = 60  # seconds until the web server has to answer
STOP_TIMEOUT = 12
LEFTOVER_TIMEOUT = 5
CRASH_LIMIT, CRASH_WINDOW = 5, 30.0  # so many ends within so many seconds are given up on
MAX_BACK_OFF = 5.0

DEMO_PASSWORD = "kairos-demo"  # noqa: S105 - public by design, exists only with DEBUG
DEMO_SIGN_INS = {
    "main clinic": [
        "admin@demo.kairos",
        "clinic-admin@demo.kairos",
        "reception@demo.kairos",
        "doctor@demo.kairos",
        "nurse@demo.kairos",
        "patient@demo.kairos",
    ],
    "second clinic": [
        "reception@other.kairos",
        "doctor@other.kairos",
        "patient@other.kairos",
    ],
}


class Stopped(Exception):
    """Someone asked to stop while starting."""


@dataclass
class Child:
    """One process that is kept running: how to start it, and how often it has ended lately."""

    name: str
    command: list[str]
    log: Path
    echo: bool = False
    process: subprocess.Popen[bytes] | None = None
    ends: deque[float] = field(default_factory=deque)
    restart_at: float = 0.0


class Supervisor:
    """Owns one DATA_DIR: starts everything in order, keeps it running, stops it in order."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.base = dict(environment)
        self.data_dir = Path(environment.get("DATA_DIR") or ROOT / ".data").expanduser().absolute()
        self.folder = DataFolder(self.data_dir)
        self.host = environment.get("HOST") or "127.0.0.1"
        self.port = 0
        self.stopping = threading.Event()
        self.signals = 0
        self.postgres: EmbeddedPostgres | None = None
        self.valkey: EmbeddedValkey | None = None
        self.preparing: subprocess.Popen[bytes] | None = None
        self.children: list[Child] = []

    # --- the whole --------------------------------------------------------------------------------

    def run(self) -> int:
        """Run until told to stop. Returns the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            self.folder.make()
            if not self.folder.lock():
                return 0
        except LaunchError as error:
            warn(f"Kairos cannot start: {error}")
            return 1
        started = time.monotonic()
        try:
            say("Kairos is starting (Ctrl-C stops it)")
            self._choose_port()
            self._end_leftovers()
            self._start_servers()
            self._write_runtime_file()
            self._prepare()
            self._start_processes()
            self.folder.note(self._url())
            self._banner(time.monotonic() - started)
            self._watch()
        except Stopped:
            pass
        except LaunchError as error:
            warn(f"\nKairos cannot run: {error}")
            return 1
        finally:
            self._stop()
        return 0

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.signals += 1
        self.stopping.set()
        if self.signals > 1:  # impatience: whatever still hesitates is killed
            for child in self.children:
                if child.process is not None and child.process.poll() is None:
                    signal_group(child.process, signal.SIGKILL)

    def _pause(self, seconds: float) -> None:
        """Wait. Raises Stopped when someone asked to stop."""
        if self.stopping.wait(seconds):
            raise Stopped

    # --- before anything runs ---------------------------------------------------------------------

    def _choose_port(self) -> None:
        wanted = self.base.get("PORT", "")
        if not wanted:
            for port in range(DEFAULT_PORT, DEFAULT_PORT + 100):
                if self._is_free(port):
                    self.port = port
                    break
            else:
                raise LaunchError(f"no free port from {DEFAULT_PORT} on; set PORT")
            if self.port != DEFAULT_PORT:
                say(f"  port {DEFAULT_PORT} is taken: using {self.port}")
            return
        if not wanted.isdecimal() or not 0 < int(wanted) < 65536:
            raise LaunchError(f"PORT must be a number from 1 to 65535, not {wanted!r}")
        self.port = int(wanted)
        if not self._is_free(self.port):
            raise LaunchError(f"port {self.port} on {self.host} is taken or not allowed")

    def _is_free(self, port: int) -> bool:
        try:
            family, kind, _, _, address = socket.getaddrinfo(
                self.host, port, type=socket.SOCK_STREAM
            )[0]
        except OSError as error:
            raise LaunchError(f"HOST {self.host!r} is not an address of this machine") from error
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError:
                return False
        return True

    def _end_leftovers(self) -> None:
        """What a killed supervisor of this folder left running. The lock says there is no other."""
        leftovers = find_by_environment(MARK, str(self.data_dir))
        if leftovers:
            say(f"  the last run was killed: ending {len(leftovers)} processes it left behind")
            end_leftovers(leftovers, timeout=LEFTOVER_TIMEOUT)
        self.folder.runtime_file.unlink(missing_ok=True)

    # --- starting ---------------------------------------------------------------------------------

    def _start_servers(self) -> None:
        # Launched one after the other, awaited together: they start side by side.
        names = []
        with step("servers ready"):
            if not self.base.get("REDIS_URL"):
                self.valkey = EmbeddedValkey(self.data_dir / "valkey", durable=True)
                self.valkey.launch()
            if not self.base.get("DATABASE_URL"):
                names.append("PostgreSQL")
                self.postgres = EmbeddedPostgres(self.data_dir / "postgres", durable=True)
                self.postgres.launch()
            if self.valkey:
                names.append("Valkey")
                self.valkey.wait_ready()
            if self.postgres:
                self.postgres.wait_ready()
        self._pause(0)

    def _services(self) -> dict[str, str]:
        return {
            "DEBUG": "true",
            "DATABASE_URL": self.postgres.url() if self.postgres else self.base["DATABASE_URL"],
            "REDIS_URL": self.valkey.url() if self.valkey else self.base["REDIS_URL"],
            **push_settings(self.base, self.data_dir),
        }

    def _env(self) -> dict[str, str]:
        return self.base | {
            **self._services(),
            "DATA_DIR": str(self.data_dir),
            "PORT": str(self.port),
            "PUBLIC_URL": self.base.get("PUBLIC_URL") or f"http://127.0.0.1:{self.port}",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PYTHONUNBUFFERED": "1",
            MARK: str(self.data_dir),
        }

    def _write_runtime_file(self) -> None:
        """So that `manage.py` in another shell finds the running servers."""
        text = "".join(f"{name}={value}\n" for name, value in self._services().items())
        fresh = self.folder.runtime_file.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        fresh.replace(self.folder.runtime_file)

    def _prepare(self) -> None:
        self.preparing = spawn(
            [sys.executable, "-m", "deploy.local.prepare"], env=self._env(), cwd=ROOT
        )
        while self.preparing.poll() is None:
            self._pause(0.02)
        code = self.preparing.returncode
        self.preparing = None
        if code:
            raise LaunchError("the database could not be prepared; the reason is above")

    def _programs(self) -> list[Child]:
        """What is kept running, the web server first."""
        python = sys.executable
        uvicorn = [python, "-m", "uvicorn", "config.asgi:application", "--lifespan", "off"]
        uvicorn += ["--ws-max-size", "4096"]  # nobody has much to say on a socket
        # Each socket would compress the same board again: twice the time to reach all of them.
        uvicorn += ["--ws-per-message-deflate", "false"]
        celery = [python, "-m", "celery", "-A", "config"]
        lonely = ["--without-gossip", "--without-mingle"]  # those cost seconds at the start
        schedule = str(self.data_dir / "beat-schedule")
        web = Child(
            "web",
            [*uvicorn, "--no-server-header", "--host", self.host, "--port", str(self.port)],
            self.folder.logs / "web.log",
            echo=True,
        )
        worker = Child(
            "worker",
            [*celery, "worker", "--loglevel=warning", "--concurrency=2", *lonely],
            self.folder.logs / "worker.log",
        )
        beat = Child(
            "beat",
            [*celery, "beat", "--loglevel=warning", "--pidfile=", f"--schedule={schedule}"],
            self.folder.logs / "beat.log",
        )
        return [web, worker, beat]

    def _start_processes(self) -> None:
        with step("web answers, worker and beat started"):
            for child in self._programs():
                self.children.append(child)
                self._start(child)
            deadline = time.monotonic() + HEALTH_TIMEOUT
            while not self._is_healthy():
                self._revive()
                if time.monotonic() > deadline:
                    raise LaunchError(
                        f"the web server did not answer within {HEALTH_TIMEOUT} s; its log ends:\n"
                        + log_tail(self.children[0].log)
                    )
                self._pause(0.05)

    def _start(self, child: Child) -> None:
        child.restart_at = 0.0
        with open_log(child.log) as log:
            child.process = spawn(
                child.command,
                env=self._env(),
                cwd=ROOT,
                stdout=subprocess.PIPE if child.echo else log,
            )
        if child.echo:
            threading.Thread(
                target=self._echo, args=(child.process, child.log), name="echo", daemon=True
            ).start()

    @staticmethod
    def _echo(process: subprocess.Popen[bytes], path: Path) -> None:
        """Copy a child's output to its log and to the terminal until it ends."""
        if process.stdout is None:
            return
        with open_log(path) as log, process.stdout as pipe:
            for line in pipe:
                with contextlib.suppress(OSError):
                    log.write(line)
                say("web │ " + line.decode("utf-8", "replace").rstrip())

    def _url(self) -> str:
        shown = "127.0.0.1" if self.host in {"0.0.0.0", "::", ""} else self.host  # noqa: S104 - compared, not bound
        return f"http://{f'[{shown}]' if ':' in shown else shown}:{self.port}"

    def _is_healthy(self) -> bool:
        host = self._url().removeprefix("http://").rsplit(":", 1)[0].strip("[]")
        connection = http.client.HTTPConnection(host, self.port, timeout=2)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _banner(self, seconds: float) -> None:
        url = self._url()
        lines = [
            "",
            f"  Kairos is open after {seconds:.1f} s",
            "",
            f"    {url}/            what is here",
            f"    {url}/desk/       the day of the clinic",
            f"    {url}/api/docs    API",
            f"    {url}/health      state",
            "",
            f"  Sign in with the password {DEMO_PASSWORD}",
        ]
        for place, sign_ins in DEMO_SIGN_INS.items():
            lines += [f"    {place if i == 0 else '':<15}{name}" for i, name in enumerate(sign_ins)]
        lines += ["", f"  Logs in {self.folder.logs}. Ctrl-C stops everything.", ""]
        say("\n".join(lines))

    # --- keeping it running -----------------------------------------------------------------------

    def _watch(self) -> None:
        while True:
            self._pause(0.25)
            self._revive()
            for name, server in (("PostgreSQL", self.postgres), ("Valkey", self.valkey)):
                if server and server.process and server.process.poll() is not None:
                    raise LaunchError(
                        f"{name} has ended by itself; its log ends:\n{log_tail(server.log)}"
                    )

    def _revive(self) -> None:
        """Start again what has ended, later each time. Raises LaunchError when it is hopeless."""
        now = time.monotonic()
        for child in self.children:
            if child.restart_at:
                if now >= child.restart_at:
                    self._start(child)
                continue
            if child.process is None or (code := child.process.poll()) is None:
                continue
            signal_group(child.process, signal.SIGKILL)  # what the leader left behind
            child.ends.append(now)
            while child.ends[0] < now - CRASH_WINDOW:
                child.ends.popleft()
            if len(child.ends) >= CRASH_LIMIT:
                raise LaunchError(
                    f"{child.name} ended {len(child.ends)} times in {CRASH_WINDOW:.0f} s; "
                    f"{child.log} ends:\n{log_tail(child.log)}"
                )
            wait = min(0.25 * 2 ** (len(child.ends) - 1), MAX_BACK_OFF)
            warn(f"  {child.name} ended (exit code {code}): starting it again in {wait:.2g} s")
            child.restart_at = now + wait

    # --- stopping ---------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Everything in the reverse order; a step that fails does not spare the next ones."""
        say("\nKairos is stopping …")
        started = time.monotonic()
        with contextlib.ExitStack() as steps:
            steps.callback(self.folder.unlock)
            if self.postgres:
                steps.callback(self.postgres.stop)
            if self.valkey:
                steps.callback(self.valkey.stop)
            steps.callback(self._stop_processes)
            steps.callback(self.folder.runtime_file.unlink, missing_ok=True)
        say(f"Kairos has stopped ({time.monotonic() - started:.1f} s).")

    def _stop_processes(self) -> None:
        running = [child.process for child in self.children if child.process is not None]
        if self.preparing is not None:
            running.append(self.preparing)
        stop_all(running, timeout=STOP_TIMEOUT)


if __name__ == "__main__":
    sys.exit(Supervisor(os.environ).run())
