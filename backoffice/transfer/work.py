"""Doing what was asked for: in the request for a small file, in a worker for a large one."""

from uuid import UUID

import structlog
from django.db import DatabaseError, connection
from django.utils.translation import gettext as _

from appointments.importing.refusals import ImportStopped
from appointments.importing.running import quiet_database
from backoffice.models import BadLines, Transfer, TransferState
from backoffice.transfer.kinds import kind_of
from backoffice.transfer.ledger import Bench, Ledger, Superseded
from backoffice.transfer.passes import (
    TIMEOUT_MS,
    check_pass,
    chunks_pass,
    importer_of,
    whole_pass,
)
from backoffice.transfer.states import move, moved, start_over
from clinics.principal import principal_open
from core import clock, context, ids, journal, tenancy
from core.errors import ErrorCode, KairosError

log = structlog.get_logger(__name__)
_State = TransferState


def work_here(transfer_id: UUID, clinic_id: UUID) -> None:
    """Check or import now, in the open transaction. Raises CONFLICT when somebody else is at it."""
    with tenancy.scope([clinic_id], statement_timeout_ms=TIMEOUT_MS):
        transfer = Transfer.objects.select_for_update().get(id=transfer_id)
        holder = ids.uuid7()
        _claim(transfer, holder)
        try:
            lock = importer_of(transfer, is_dry=True).lock
            if not _lock_here(lock):
                raise KairosError(ErrorCode.CONFLICT, _busy())
            _do(transfer, Ledger(transfer=transfer, holder=holder, is_kept_back=True), holder)
        except ImportStopped as stopped:
            _fail(transfer, holder, str(stopped))


def work_apart(*, clinic_id: UUID, transfer_id: UUID, user_id: UUID) -> None:
    """Check or import in a worker. May be called any number of times: one works, the others leave.

    What a killed worker has left is taken over: of a file in chunks what is missing, of one that is
    all or nothing everything, since nothing of it was kept.
    """
    with quiet_database(), Bench() as bench:
        with tenancy.scope([clinic_id]):
            transfer = Transfer.objects.filter(id=transfer_id).first()
        if transfer is None or not transfer.is_under_way:
            return
        if not bench.lock(f"transfer:{transfer_id}"):
            return
        holder = ids.uuid7()
        context.current().actor_id = user_id
        with tenancy.scope([clinic_id], statement_timeout_ms=TIMEOUT_MS):
            # Again, now that nobody else can move it.
            transfer = Transfer.objects.get(id=transfer_id)
            if not transfer.is_under_way:
                return
            _claim(transfer, holder)
        try:
            _require_right(transfer, user_id)
            with tenancy.scope([clinic_id]):
                lock = importer_of(transfer, is_dry=True).lock
            if not bench.lock(lock):
                raise ImportStopped(_busy())
            by_chunks = transfer.state == _State.RUNNING and transfer.bad_lines == BadLines.SKIP
            _do(
                transfer,
                # The counts of a chunk belong to the chunk's own transaction.
                Ledger(transfer=transfer, holder=holder, bench=None if by_chunks else bench),
                holder,
            )
        except Superseded:
            log.info("transfer taken over by another worker", transfer=str(transfer_id))
        except (ImportStopped, KairosError, DatabaseError) as error:
            _fail_apart(transfer, holder, _words(error))
        except Exception:
            _fail_apart(transfer, holder, _("An error of ours; the log has the details."))
            raise


def _claim(transfer: Transfer, holder: UUID) -> None:
    """Take the transfer for this attempt. Raises CONFLICT."""
    is_check = transfer.state in {_State.CHECK_QUEUED, _State.CHECKING}
    resumes = transfer.state == _State.RUNNING and transfer.bad_lines == BadLines.SKIP
    move(
        transfer.id,
        _State.CHECKING if is_check else _State.RUNNING,
        holder=holder,
        beat_at=clock.now(),
    )
    if not resumes:
        start_over(transfer.id)
    transfer.refresh_from_db()


def _do(transfer: Transfer, ledger: Ledger, holder: UUID) -> None:
    if transfer.state == _State.CHECKING:
        check_pass(transfer, ledger)
        with tenancy.scope([transfer.clinic_id]):
            ledger.flush()
            _end(transfer, ledger, holder, _State.CHECKED, "import.checked")
        return

    def end() -> None:
        ledger.flush()
        _end(transfer, ledger, holder, _State.DONE, "import.finished")

    if transfer.bad_lines == BadLines.SKIP:
        chunks_pass(transfer, ledger)
        with tenancy.scope([transfer.clinic_id]):
            end()
    elif not whole_pass(transfer, ledger, end=end):
        with tenancy.scope([transfer.clinic_id]):
            ledger.flush()
        _fail_apart(
            transfer,
            holder,
            _("Nothing was imported: %(bad)s lines are not right any more. Check the file again.")
            % {"bad": ledger.total.bad},
        )


def _end(
    transfer: Transfer, ledger: Ledger, holder: UUID, state: TransferState, action: str
) -> None:
    total = ledger.total
    if not moved(
        transfer.id,
        state,
        from_states=[_State.CHECKING, _State.RUNNING],
        holder=holder,
        values={"finished_at": clock.now(), "lines": total.lines},
    ):
        raise Superseded
    _record(
        transfer,
        action,
        {
            "new": [None, total.fresh],
            "changed": [None, total.changed],
            "unchanged": [None, total.unchanged],
            "bad": [None, total.bad],
        },
    )


def _fail_apart(transfer: Transfer, holder: UUID, words: str) -> None:
    with tenancy.scope([transfer.clinic_id]):
        _fail(transfer, holder, words)


def _fail(transfer: Transfer, holder: UUID, words: str) -> None:
    if moved(
        transfer.id,
        _State.FAILED,
        from_states=[_State.CHECKING, _State.RUNNING],
        holder=holder,
        values={"failure": words, "finished_at": clock.now()},
    ):
        _record(transfer, "import.failed", {"failure": [None, words]})


def _require_right(transfer: Transfer, user_id: UUID) -> None:
    """Raises PERMISSION_DENIED when whoever asked may no longer do so."""
    with tenancy.scope(()):
        principal = principal_open(user_id, None, write=True)
        if principal is None:
            raise KairosError(ErrorCode.PERMISSION_DENIED)
        principal.require(kind_of(transfer.kind).import_right, transfer.clinic_id)


def _lock_here(key: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 12))", [key])
        return bool(cursor.fetchone()[0])


def _busy() -> str:
    return _("Another import of this kind into this clinic is running; try again after it.")


def _words(error: Exception) -> str:
    if isinstance(error, KairosError):
        return error.detail
    if isinstance(error, DatabaseError):
        return _("The database was busy or away; try again.")
    return str(error)


def _record(transfer: Transfer, action: str, changes: dict[str, list[object]]) -> None:
    journal.record(
        journal.Act(action, "backoffice.transfer", transfer.id, transfer.clinic_id, changes=changes)
    )
