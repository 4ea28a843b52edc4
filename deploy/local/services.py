"""A throw-away PostgreSQL and Valkey: for the tests, the benchmarks and `make check`."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.postgres import EmbeddedPostgres
from deploy.local.process import end_leftovers, find_by_folder
from deploy.local.valkey import EmbeddedValkey

PREFIX = "kairos-throwaway-"
MEMORY = Path("/dev/shm")  # noqa: S108 - mkdtemp makes the folder in it private
MEMORY_NEEDED = 2 * 1024**3  # bytes


@dataclass(frozen=True)
class Services:
    """The two running servers and the environment that leads to them."""

    folder: Path
    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey

    @property
    def env(self) -> dict[str, str]:
        """What to add to a process's environment so that it uses these servers."""
        return {
            "DEBUG": "true",
            "DATABASE_URL": self.postgres.url(),
            "REDIS_URL": self.valkey.url(),
            "DATA_DIR": str(self.folder),
        }


def _place(*, durable: bool) -> Path:
    """Where to put the folder. Memory, if there is plenty: cloning a database makes a thousand
    files, which takes half a second on a disk and a fiftieth of one in memory."""
    if not durable and MEMORY.is_dir() and os.access(MEMORY, os.W_OK | os.X_OK):
        status = os.statvfs(MEMORY)
        if status.f_bavail * status.f_frsize >= MEMORY_NEEDED:
            return MEMORY
    return Path(tempfile.gettempdir())


def _sweep(place: Path) -> None:
    """Remove folders whose maker was killed: nobody holds the lock in them any more."""
    for folder in place.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError), (folder / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            EmbeddedPostgres(folder / "postgres", durable=False).end_previous()
            for valkey in folder.glob("valkey*"):
                end_leftovers(find_by_folder("valkey-server", valkey))
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _folder(*, durable: bool) -> Iterator[Path]:
    place = _place(durable=durable)
    _sweep(place)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    try:
        if os.geteuid() == 0:
            folder.chmod(0o711)  # PostgreSQL runs as nobody and has to pass through
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running_services(
    *, durable: bool = False, settings: Mapping[str, str] | None = None
) -> Iterator[Services]:
    """Both servers over an empty temporary folder, stopped and removed at the end.

    `durable=True` is what a benchmark of writes needs: on disk, every commit flushed. `settings`
    are PostgreSQL parameters on top. Tests use the servers' `kill()` and `start()` to see a crash.
    """
    with _folder(durable=durable) as folder, contextlib.ExitStack() as cleaning:
        postgres = EmbeddedPostgres(folder / "postgres", durable=durable, settings=settings)
        valkey = EmbeddedValkey(folder / "valkey", durable=durable)
        cleaning.callback(valkey.stop)
        cleaning.callback(postgres.stop)
        valkey.launch()
        postgres.launch()
        valkey.wait_ready()
        postgres.wait_ready()
        yield Services(folder, postgres, valkey)


@contextlib.contextmanager
def throwaway_services(
    *, durable: bool = False, settings: Mapping[str, str] | None = None
) -> Iterator[dict[str, str]]:
    """The same for those who need only the environment (`DEBUG`, `DATABASE_URL`, …)."""
    with running_services(durable=durable, settings=settings) as services:
        yield services.env
