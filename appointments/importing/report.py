"""The report of refused rows: a CSV file that appears whole, or not at all."""

import csv
import os
import resource
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from appointments.importing.chunks import RefusedRow
from appointments.importing.refusals import ImportStopped

HEADER = ("line", "id", "code", "reason")


class RefusalReport:
    """Collects refused rows beside its place and moves there on a clean end.

    An import that is killed leaves the part that it had written, under the name with `.part`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._part = path.with_name(f"{path.name}.part")

    def __enter__(self) -> Self:
        try:
            self._handle = self._part.open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise ImportStopped(f"report {self.path}: {error.strerror}") from error
        self._writer = csv.writer(self._handle)
        self._writer.writerow(HEADER)
        return self

    def add(self, rows: Iterable[RefusedRow]) -> None:
        """Write rows, and leave them to the operating system at once."""
        for row in rows:
            self._writer.writerow([row.line, _printable(row.external_id), row.code, row.words])
        self._handle.flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handle.close()
        if kind is None:
            os.replace(self._part, self.path)


def _printable(text: str) -> str:
    """Without what UTF-8 cannot hold (the bytes of a wrongly encoded cell)."""
    return text.encode("utf-8", "replace").decode()


def peak_megabytes() -> float:
    """The most memory that this process has had resident so far, in MB (10⁶ bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
