"""The folder that one running Kairos owns: its lock, its logs, its data."""

import contextlib
import errno
import fcntl
import json
import os
from pathlib import Path
from typing import IO

from deploy.local.console import say
from deploy.local.process import LaunchError


class DataFolder:
    """DATA_DIR. Raises LaunchError when it cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.logs = path / "logs"
        self.runtime_file = path / "runtime.env"
        self._held: IO[str] | None = None

    def make(self) -> None:
        """Create what is missing, with rights for nobody else."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = self.path / "kairos.lock"
            if lock.exists() and lock.stat().st_uid != os.geteuid():
                # Root could go on, and would leave files that the other user cannot open.
                raise PermissionError(errno.EPERM, "it belongs to another user")
            if self.path.stat().st_uid == os.geteuid():
                # As root the database runs as nobody, who has to pass through, not to look.
                self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
            self.logs.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from error
        if not os.access(self.logs, os.W_OK | os.X_OK):
            raise self._unusable(PermissionError(errno.EACCES, "Permission denied"))

    def lock(self) -> bool:
        """Take the folder; False, with a word about who has it, when Kairos runs there already."""
        path = self.path / "kairos.lock"
        try:
            self._held = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        except OSError as error:
            raise self._unusable(error) from error
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            try:
                holder = json.load(self._held)
                where = holder.get("url") or "still starting"
                say(f"Kairos is already running here: {where} (pid {holder['pid']})")
            except (ValueError, KeyError):
                say(f"Kairos is already running here (data in {self.path})")
            return False
        self.note(None)
        return True

    def note(self, url: str | None) -> None:
        """Write into the lock who holds it and where it answers."""
        if self._held is None:
            return
        self._held.seek(0)
        self._held.truncate()
        json.dump({"pid": os.getpid(), "url": url}, self._held)
        self._held.flush()

    def unlock(self) -> None:
        """The lock file stays, emptied: removing it would let two processes lock two files."""
        if self._held is not None:
            with contextlib.suppress(OSError):
                self._held.seek(0)
                self._held.truncate()
            self._held.close()

    def _unusable(self, error: OSError) -> LaunchError:
        return LaunchError(
            f"{self.path} cannot be written ({error.strerror}). If another user ran Kairos "
            "there, run as that user; otherwise point DATA_DIR to a folder of your own."
        )
