"""Going through a file: once to check it, with nothing left behind; once to import it.

| | |
|---|---|
| check | the import itself, in one transaction that is rolled back |
| all or nothing | one transaction for the whole file |
| skip bad lines | one transaction a chunk, with the counts; what was killed goes on from there |
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Any

from django.db import DatabaseError, connection, transaction

from appointments.importing.running import chunks_of
from backoffice.models import Transfer
from backoffice.transfer.faults import Outcome
from backoffice.transfer.files import Source, file_opened
from backoffice.transfer.importer import Batch, Importer, Job
from backoffice.transfer.kinds import kind_of
from backoffice.transfer.ledger import Ledger
from backoffice.transfer.values import Reading
from clinics.models import Clinic
from core import tenancy

TIMEOUT_MS = 60_000
_TRIES = 4
# A lock not had in time, a deadlock, or somebody made the same row a moment earlier.
_BUSY = frozenset({"55P03", "40P01", "23505", "23P01"})


class _Undo(Exception):
    """Rolls back what a pass has written."""


@contextmanager
def _scope(transfer: Transfer) -> Iterator[None]:
    """A transaction of the pass, in the scope of the clinic.

    Its statements are planned each time that they are run: a plan kept from the first chunk was
    made for a table that was nearly empty, and reads all of it for every chunk when it is not.
    """
    with tenancy.scope([transfer.clinic_id], statement_timeout_ms=TIMEOUT_MS):
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('plan_cache_mode', 'force_custom_plan', true)")
        yield


def importer_of(transfer: Transfer, *, is_dry: bool) -> Importer[Any]:
    """The importer for a transfer. Raises ImportStopped for a mapping with a fault."""
    job = Job(
        transfer_id=transfer.id,
        clinic=Clinic.objects.get(id=transfer.clinic_id),
        file_name=transfer.file_name,
        columns=transfer.columns,
        fields=dict(transfer.fields),
        reading=Reading(style=transfer.date_style, country=transfer.country),
        mapping=transfer.mapping,
        is_dry=is_dry,
    )
    return kind_of(transfer.kind).importer(job)


def check_pass(transfer: Transfer, ledger: Ledger) -> None:
    """Find everything that is wrong with the file. Raises ImportStopped, DatabaseError."""
    try:
        with _scope(transfer):
            _through(transfer, importer_of(transfer, is_dry=True), ledger)
            raise _Undo
    except _Undo:
        pass


def whole_pass(transfer: Transfer, ledger: Ledger, *, end: Callable[[], object]) -> bool:
    """Import all of the file or nothing; says which. `end` is called in the same transaction."""
    try:
        with _scope(transfer):
            _through(transfer, importer_of(transfer, is_dry=False), ledger)
            if ledger.total.bad:
                raise _Undo
            end()
    except _Undo:
        return False
    return True


def _through(transfer: Transfer, importer: Importer[Any], ledger: Ledger) -> None:
    importer.begin()
    with file_opened(transfer) as source:
        for records in chunks_of(source.records(), importer.chunk_lines):
            ledger.note(_saved(importer, importer.read(records)))


def chunks_pass(transfer: Transfer, ledger: Ledger) -> None:
    """Import the sound lines, chunk by chunk, going on after those that were done before."""
    with _scope(transfer):
        importer = importer_of(transfer, is_dry=False)
        importer.begin()
    with _opened(transfer) as source:
        records = source.records()
        # What they say still counts against lines that say it again.
        for chunk in chunks_of(islice(records, transfer.done), importer.chunk_lines):
            importer.read(chunk)
        for chunk in chunks_of(records, importer.chunk_lines):
            batch = importer.read(chunk)
            with _scope(transfer):
                ledger.note(_saved(importer, batch))


def _saved(importer: Importer[Any], batch: Batch[Any]) -> Outcome:
    """Save the batch, again if others were in its way. Raises DatabaseError if they stay there."""
    for attempt in range(1, _TRIES + 1):
        try:
            with transaction.atomic():
                return importer.save(batch)
        except DatabaseError as error:
            state = getattr(error.__cause__, "sqlstate", None)
            if state not in _BUSY or attempt == _TRIES or connection.needs_rollback:
                raise
    raise AssertionError("the last attempt returns or raises")


@contextmanager
def _opened(transfer: Transfer) -> Iterator[Source]:
    """The file, without a transaction that lasts as long as it is open."""
    with ExitStack() as stack:
        with _scope(transfer):
            source = stack.enter_context(file_opened(transfer))
        yield source
