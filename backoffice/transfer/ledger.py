"""How far an import is, and what is wrong with its lines: written where it is seen at once.

Work that is undone as a whole must not take its own report with it. So a worker writes both on a
connection of its own, which also holds the lock that says that somebody is at work: when the worker
dies the lock is gone with the connection, and the next one may take over.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import orjson
from django.db import connection

from backoffice.models import Transfer, TransferFault
from backoffice.transfer.faults import Fault, Outcome
from core import clock, ids

_WAIT_SECONDS = 5.0
_PAUSE_SECONDS = 0.1
_WORDS, _COLUMN = 500, 200
_FAULTS = f"""
    INSERT INTO {TransferFault._meta.db_table}
        (id, clinic_id, transfer_id, line, "column", code, words)
    SELECT id, clinic_id, transfer_id, line, "column", code, words
    FROM json_to_recordset(%s::json) AS rows
        (id uuid, clinic_id uuid, transfer_id uuid, line integer, "column" text, code text,
         words text)
"""
_COUNTS = f"""
    UPDATE {Transfer._meta.db_table}
    SET done = %s, fresh = %s, changed = %s, unchanged = %s, bad = %s, beat_at = %s
    WHERE id = %s AND holder = %s
"""


class Superseded(Exception):
    """Somebody else has taken the transfer over; whatever this attempt had begun must not stand."""


class Bench:
    """A connection beside the one that the work is done on: it holds locks, and shows progress."""

    def __init__(self) -> None:
        self._own = connection.copy()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._own.close()

    def lock(self, *keys: str) -> bool:
        """Hold the keys until the end; False when somebody else holds one of them.

        Waits a moment for one who was just killed: the server notices it a little later.
        """
        return all(self._lock(key) for key in keys)

    def _lock(self, key: str) -> bool:
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            with self._own.cursor() as cursor:
                # The key of `appointments.importing.running`: an import by command is one too.
                cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 12))", [key])
                if cursor.fetchone()[0]:
                    return True
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE_SECONDS)

    @contextmanager
    def cursor(self, clinic_id: UUID) -> Iterator[Any]:
        """A cursor in a transaction of its own, in the scope of the clinic."""
        self._own.ensure_connection()
        raw: Any = self._own.connection
        with raw.transaction(), self._own.cursor() as cursor:
            cursor.execute("SELECT set_config('app.clinics', %s, true)", [str(clinic_id)])
            yield cursor


class Ledger:
    """The counts and faults of one attempt at one transfer.

    With a `bench` they are seen at once. Without one they belong to the transaction that `note` is
    called in; with `is_kept_back` they wait for `flush`, because that transaction may be undone.
    """

    def __init__(
        self,
        *,
        transfer: Transfer,
        holder: UUID,
        bench: Bench | None = None,
        is_kept_back: bool = False,
    ) -> None:
        self.total = Outcome(transfer.fresh, transfer.changed, transfer.unchanged, transfer.bad)
        self._clinic_id = transfer.clinic_id
        self._transfer_id = transfer.id
        self._holder = holder
        self._bench = bench
        self._is_kept_back = is_kept_back
        self._waiting: list[Fault] = []

    def note(self, outcome: Outcome) -> None:
        """Add what became of a chunk. Raises Superseded."""
        self.total.add(outcome)
        self._waiting += outcome.faults
        if not self._is_kept_back:
            self.flush()

    def flush(self) -> None:
        """Write what waits. Raises Superseded when the transfer is no longer this attempt's."""
        faults, self._waiting = self._waiting, []
        if self._bench is not None:
            with self._bench.cursor(self._clinic_id) as cursor:
                self._write(cursor, faults)
        else:
            with connection.cursor() as cursor:
                self._write(cursor, faults)

    def _write(self, cursor: Any, faults: Sequence[Fault]) -> None:
        total = self.total
        cursor.execute(
            _COUNTS,
            [
                total.lines, total.fresh, total.changed, total.unchanged, total.bad, clock.now(),
                self._transfer_id, self._holder,
            ],
        )  # fmt: skip
        if cursor.rowcount != 1:
            raise Superseded
        if faults:
            cursor.execute(_FAULTS, [orjson.dumps(list(map(self._row, faults))).decode()])

    def _row(self, fault: Fault) -> dict[str, Any]:
        return {
            "id": ids.uuid7(),
            "clinic_id": self._clinic_id,
            "transfer_id": self._transfer_id,
            "line": fault.line,
            "column": _storable(fault.column, _COLUMN),
            "code": fault.code,
            "words": _storable(fault.words, _WORDS),
        }


def _storable(text: str, longest: int) -> str:
    """Without what PostgreSQL cannot keep: NUL, and the bytes of a wrongly encoded cell."""
    return text.replace("\0", "�").encode("utf-8", "replace").decode()[:longest]
