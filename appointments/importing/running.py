"""An import from its first row to its last: chunk by chunk, to be repeated at will.

Every chunk is one transaction, and a row that is in is remembered by its id in the system that it
came from. So a second run finds every row known and changes nothing, and a run after a kill goes
through the file again and writes what is missing.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.conf import settings
from django.db import DatabaseError, connection

from appointments.importing.chunks import ChunkResult, ChunkWriter, RefusedRow
from appointments.importing.mapping import Mapping
from appointments.importing.reading import CSVSource, Record
from appointments.importing.refusals import ImportStopped, Refused
from appointments.importing.report import RefusalReport, peak_megabytes
from appointments.importing.rules import RowRules, VisitDraft
from appointments.importing.target import Target
from core import clock

_TRIES = 4
# A lock not had in time, a deadlock, or somebody made the same patient a moment earlier.
_BUSY = {"55P03", "40P01", "23505"}
_LOCK_WAIT_SECONDS = 3.0


@dataclass(slots=True)
class Summary:
    """What an import did. `memory`: the peak in MB after the first chunk and each quarter."""

    rows: int = 0
    accepted: int = 0
    known: int = 0
    patients: int = 0
    seconds: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)
    memory: list[float] = field(default_factory=list)

    def add(self, result: ChunkResult) -> None:
        self.accepted += result.accepted
        self.known += result.known
        self.patients += result.patients


def import_run(
    *,
    source: CSVSource,
    mapping: Mapping,
    target: Target,
    report: RefusalReport,
    chunk_rows: int,
    progress: Callable[[int], object],
) -> Summary:
    """Import every row of an open file; `progress` is given the bytes of it read so far.

    Raises ImportStopped when another import of the same system into the clinic is running, or when
    the database is lost; what is committed by then stays, and a repetition goes on from there.
    """
    summary = Summary()
    writer = ChunkWriter(mapping=mapping, target=target, file=source.path.name)
    rules = RowRules(mapping, target.zone, clock.now())
    began = time.perf_counter()
    quarter = 0
    with quiet_database(), only_import(f"{target.clinic.id}:{mapping.system}"):
        server = _server()
        for chunk in chunks_of(source.records(), chunk_rows):
            drafts, refused = drafts_read(chunk, source.columns, rules)
            result = _write(writer, drafts, server)
            report.add(sorted([*refused, *result.refused], key=lambda row: row.line))
            summary.rows += len(chunk)
            summary.add(result)
            summary.refused.update(row.code for row in (*refused, *result.refused))
            progress(source.position())
            if 4 * source.position() >= quarter * source.size:
                summary.memory.append(peak_megabytes())
                quarter = 4 * source.position() // max(1, source.size) + 1
        summary.memory.append(peak_megabytes())
    summary.seconds = time.perf_counter() - began
    return summary


def chunks_of(records: Iterable[Record], size: int) -> Iterator[list[Record]]:
    """The records in lists of `size`; the last may be shorter."""
    chunk: list[Record] = []
    for record in records:
        chunk.append(record)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def drafts_read(
    chunk: Iterable[Record], columns: Sequence[str], rules: RowRules
) -> tuple[list[VisitDraft], list[RefusedRow]]:
    """The rows of a chunk that are sound, and those that are not."""
    drafts, refused = [], []
    for record in chunk:
        if record.fault is not None:
            refused.append(RefusedRow(record.line, "", record.fault.value, record.words))
            continue
        row = dict(zip(columns, record.cells, strict=True))
        try:
            drafts.append(rules.read(row, record.line))
        except Refused as refusal:
            refused.append(
                RefusedRow(record.line, rules.external_id(row), refusal.code, refusal.words)
            )
    return drafts, refused


def _write(writer: ChunkWriter, drafts: list[VisitDraft], server: int) -> ChunkResult:
    """Write the chunk, again if others were in its way. Raises ImportStopped."""
    for attempt in range(1, _TRIES + 1):
        try:
            if _server() != server:
                raise ImportStopped("the connection was lost, and the lock with it; run it again")
            return writer.write(drafts, now=clock.now())
        except DatabaseError as error:
            state = getattr(error.__cause__, "sqlstate", None)
            if state not in _BUSY or attempt == _TRIES:
                raise ImportStopped(
                    f"the database: {str(error).strip()}; what was committed stays, run it again"
                ) from error
    raise AssertionError("the last attempt returns or raises")


def _server() -> int:
    """The process that serves this connection: another one does not hold our lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


@contextmanager
def only_import(key: str) -> Iterator[None]:
    """Be the only import of `key` in the whole installation. Raises ImportStopped.

    The lock is the connection's, since it spans many transactions: the command has to reach
    PostgreSQL itself, or a pooler in session mode.
    """
    deadline = time.monotonic() + _LOCK_WAIT_SECONDS
    # One that was just killed lets go when the server notices, a moment later.
    while not _lock("pg_try_advisory_lock", key):
        if time.monotonic() > deadline:
            raise ImportStopped("another import of this file into this clinic is running")
        time.sleep(0.1)
    try:
        yield
    finally:
        if connection.connection is not None and not connection.connection.closed:
            _lock("pg_advisory_unlock", key)


def _lock(function: str, key: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(hashtextextended(%s, 12))", [f"import:{key}"])
        return bool(cursor.fetchone()[0])


@contextmanager
def quiet_database() -> Iterator[None]:
    """Keep no record of statements: under DEBUG Django holds the text of the last nine thousand,
    which for batches of a thousand rows is more than most machines have."""
    debug, settings.DEBUG = settings.DEBUG, False
    try:
        yield
    finally:
        settings.DEBUG = debug
