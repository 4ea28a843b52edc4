"""Starting and stopping processes so that none is left over, whatever ends the launcher."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil

CHILD = Path(__file__).with_name("child.py")
LOG_LIMIT = 8 * 1024 * 1024
POLL = 0.02


class LaunchError(Exception):
    """Something cannot be started. The message tells a person what is wrong and what to do."""


def poll_until(condition: Callable[[], bool], *, timeout: float, interval: float = POLL) -> bool:
    """Whether `condition` became true within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not condition():
        if time.monotonic() >= deadline:
            return False
        pause.wait(interval)
    return True


def open_log(path: Path) -> IO[bytes]:
    """The log for appending. One past 8 MB is moved aside first, so that logs stay bounded."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_suffix(path.suffix + ".1"))
        return path.open("ab", buffering=0)
    except OSError as error:
        raise LaunchError(f"{path} cannot be written: {error.strerror}") from error


def log_tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, indented, for an error message."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - 16_384))
            text = log.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join("    " + line for line in text.splitlines()[-lines:])


def spawn(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
    identity: Mapping[str, int] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own; stderr goes where stdout goes.

    On Linux it receives `death_signal` when the *thread* that called this ends, so call it from the
    main thread. `identity` is `{"uid", "gid"}` and perhaps `{"capability"}`, see `child`.
    """
    options = {"parent": os.getpid(), "death_signal": int(death_signal), **(identity or {})}
    launcher = [sys.executable, "-I", "-S", str(CHILD), json.dumps(options)]
    return subprocess.Popen(
        [*launcher, *(str(part) for part in command)],
        cwd=cwd,
        env=dict(env),
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _group_is_alive(pgid: int) -> bool:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) == pgid and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send to the process and to all its descendants that stayed in its session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def stop_all(processes: Iterable[subprocess.Popen[bytes]], *, timeout: float) -> None:
    """SIGTERM to each leader, SIGKILL to each whole group after `timeout` seconds or at the end."""
    processes = list(processes)
    for process in processes:
        if process.poll() is None:
            process.terminate()
    poll_until(lambda: all(process.poll() is not None for process in processes), timeout=timeout)
    for process in processes:
        # Also when the leader has ended: a child that outlived it has no business any more.
        if process.poll() is None or _group_is_alive(process.pid):
            signal_group(process, signal.SIGKILL)
        process.wait()


def has_ended(process: psutil.Process) -> bool:
    """A zombie has, too: it waits for a parent to notice, which may be a slow init."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def leads(process: psutil.Process, pids: Collection[int]) -> bool:
    """Whether the process was started by none of `pids`; one that has just ended leads nobody."""
    try:
        return process.ppid() not in pids
    except psutil.NoSuchProcess:
        return False


def wait_ended(processes: Iterable[psutil.Process], *, timeout: float) -> bool:
    """Whether all of the processes have ended within `timeout` seconds."""
    processes = list(processes)
    return poll_until(lambda: all(map(has_ended, processes)), timeout=timeout, interval=0.005)


def find_by_folder(name: str, folder: Path) -> list[psutil.Process]:
    """Processes called `name` whose working directory is `folder`: servers of that data."""
    found = []
    for process in psutil.process_iter(["name"]):
        if process.info["name"] != name:
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if Path(process.cwd()) == folder.resolve():
                found.append(process)
    return found


def find_by_environment(name: str, value: str) -> list[psutil.Process]:
    """Processes, this one excepted, that were started with the variable `name` set to `value`."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(name) == value:
                found.append(process)
    return found


def end_leftovers(
    processes: Sequence[psutil.Process],
    *,
    leaders: Sequence[psutil.Process] | None = None,
    first: signal.Signals = signal.SIGTERM,
    timeout: float = 10,
) -> None:
    """Stop what a killed launcher left behind: `first` to the leaders, then SIGKILL to the rest."""
    for process in processes if leaders is None else leaders:
        with contextlib.suppress(psutil.Error):
            process.send_signal(first)
    if not wait_ended(processes, timeout=timeout):
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.kill()
        wait_ended(processes, timeout=timeout)
