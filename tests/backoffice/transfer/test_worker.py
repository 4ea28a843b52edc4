"""Large files, worked on by Celery: progress, kills, races, rights."""

import threading
from collections.abc import Callable
from contextlib import contextmanager

import psycopg
import pytest
from django.db import connection

from accounts.roles import Role
from backoffice.models import Transfer, TransferFault, TransferPart, TransferState
from backoffice.transfer import transfers, work
from backoffice.transfer.faults import Outcome
from backoffice.transfer.ledger import Ledger, Superseded
from clinics.models import Patient
from clinics.services.memberships import membership_add, membership_end
from core import clock, ids, tenancy
from core.errors import ErrorCode, KairosError
from core.models import AuditEvent, OutboxEvent
from tests.backoffice.transfer.desk import Desk, Result, as_csv, principal_of
from tests.casts import Cast, build_cast, build_user
from tests.support.databases import databases
from tests.support.environment import database_url
from tests.support.polling import eventually
from tests.support.processes import running_celery

pytestmark = pytest.mark.django_db(transaction=True)
LINES = 2100
BLOCKED = 2050  # in the third chunk
HEADER = ("external_id", "mrn", "given_name")


@pytest.fixture
def cast(transactional_db) -> Cast:
    return build_cast("home")


@pytest.fixture
def desk(cast: Cast) -> Desk:
    return Desk(cast)


def file(lines: int = LINES, *, bad: tuple[int, ...] = ()) -> bytes:
    """Patients; line `BLOCKED` has a record number that a test can have taken."""
    return as_csv(
        HEADER,
        [
            (f"L-{n}", "BLOCKED" if n == BLOCKED else f"N-{n}", "" if n in bad else f"Given {n}")
            for n in range(1, lines + 1)
        ],
    )


def imported(cast: Cast) -> int:
    with tenancy.scope([cast.clinic.id]):
        return Patient.objects.filter(clinic=cast.clinic, external_id__startswith="L-").count()


def work_now(desk: Desk, transfer: Transfer) -> None:
    work.work_apart(clinic_id=desk.clinic.id, transfer_id=transfer.id, user_id=desk.user.id)


def checked_apart(desk: Desk, content: bytes) -> Result:
    """Checked as a worker does it, in this process."""
    queued = desk.check("patients", content)
    assert queued.transfer.state == TransferState.CHECK_QUEUED
    work_now(desk, queued.transfer)
    return desk.result(queued.transfer)


@contextmanager
def a_number_taken(cast: Cast):
    """Somebody is about to open a chart with the blocked line's number: writing it has to wait."""
    with psycopg.connect(database_url(databases.name)) as other:
        other.execute(
            "INSERT INTO clinics_patient SELECT (jsonb_populate_record(p, jsonb_build_object("
            " 'id', gen_random_uuid(), 'mrn', 'BLOCKED', 'external_id', null,"
            " 'user_id', null))).* FROM clinics_patient p WHERE id = %s",
            [cast.neighbour.id],
        )
        yield
        other.rollback()


def killed_half_way(desk: Desk, cast: Cast, log, *, skip: bool) -> Result:
    """An import whose worker was killed after two of three chunks."""
    checked = checked_apart(desk, file(bad=(7,) if skip else ()))
    with a_number_taken(cast):
        queued = desk.run(checked, skip=skip)
        with running_celery(log=log):
            half = eventually(lambda: _at(desk, queued, done=2000), timeout=40)
    return half


def _at(desk: Desk, result: Result, *, done: int) -> Result | None:
    found = desk.result(result.transfer)
    return found if found.transfer.done >= done else None


def settled(desk: Desk, transfer: Transfer) -> Callable[[], Result | None]:
    def look() -> Result | None:
        found = desk.result(transfer)
        return None if found.transfer.is_under_way else found

    return look


def test_a_large_file_is_checked_and_imported_by_the_worker(desk, cast, celery_worker_process):
    queued = desk.check("patients", file(bad=(5,)))
    assert queued.transfer.state == TransferState.CHECK_QUEUED
    checked = eventually(settled(desk, queued.transfer), timeout=40)
    assert checked.transfer.state == TransferState.CHECKED
    assert checked.counts == (LINES - 1, 0, 0, 1)
    assert imported(cast) == 0
    desk.run(checked, skip=True)
    done = eventually(settled(desk, queued.transfer), timeout=40)
    assert done.transfer.state == TransferState.DONE
    assert done.counts == (LINES - 1, 0, 0, 1)
    assert done.faults == [(6, "given_name", "MISSING_VALUE")]
    assert imported(cast) == LINES - 1
    with tenancy.scope([cast.clinic.id]):
        finished = AuditEvent.objects.get(action="import.finished")
    assert finished.actor_id == desk.user.id


def test_all_or_nothing_survives_a_kill_as_nothing_and_can_go_on(desk, cast, tmp_path):
    half = killed_half_way(desk, cast, tmp_path / "first.log", skip=False)
    # Progress was seen from outside, though the transaction was open.
    assert half.transfer.state == TransferState.RUNNING
    assert half.counts == (2000, 0, 0, 0)
    assert imported(cast) == 0
    with tenancy.scope([cast.clinic.id]):
        transfers.transfer_continue(principal=principal_of(desk.user), transfer=half.transfer)
    with running_celery(log=tmp_path / "second.log"):
        done = eventually(settled(desk, half.transfer), timeout=40)
    assert done.transfer.state == TransferState.DONE
    assert done.counts == (LINES, 0, 0, 0)
    assert imported(cast) == LINES


def test_chunks_that_were_done_before_a_kill_are_not_done_again(desk, cast, tmp_path):
    half = killed_half_way(desk, cast, tmp_path / "first.log", skip=True)
    assert half.counts == (1999, 0, 0, 1)
    assert imported(cast) == 1999
    work_now(desk, half.transfer)
    done = desk.result(half.transfer)
    assert done.transfer.state == TransferState.DONE
    # Not one line is counted twice, or as one that was there before.
    assert done.counts == (LINES - 1, 0, 0, 1)
    assert done.faults == [(8, "given_name", "MISSING_VALUE")]
    assert imported(cast) == LINES - 1


def test_of_two_workers_one_works(desk, cast):
    checked = checked_apart(desk, file())
    queued = desk.run(checked)
    faults: list[BaseException] = []

    def one() -> None:
        try:
            work_now(desk, queued.transfer)
        except BaseException as error:  # noqa: BLE001 - told to the test
            faults.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    done = desk.result(queued.transfer)
    assert (done.transfer.state, done.counts) == (TransferState.DONE, (LINES, 0, 0, 0))
    assert imported(cast) == LINES
    with tenancy.scope([cast.clinic.id]):
        assert AuditEvent.objects.filter(action="import.finished").count() == 1


def test_an_import_is_started_once(desk):
    checked = checked_apart(desk, file())
    desk.run(checked)
    for _ in range(2):
        with pytest.raises(KairosError) as refused:
            desk.run(checked)
        assert refused.value.code == ErrorCode.CONFLICT


def test_lines_that_went_bad_since_the_check_undo_the_whole(desk, cast):
    checked = checked_apart(desk, file())
    with tenancy.scope([cast.clinic.id]):
        Patient.objects.filter(id=cast.neighbour.id).update(mrn="N-2100")
    queued = desk.run(checked)
    work_now(desk, queued.transfer)
    done = desk.result(queued.transfer)
    assert done.transfer.state == TransferState.FAILED
    assert "Nothing was imported" in done.transfer.failure
    assert done.codes == {"RECORD_NUMBER_TAKEN"}
    assert imported(cast) == 0


def test_whoever_lost_the_right_meanwhile_imports_nothing(desk, cast):
    checked = checked_apart(desk, file())
    queued = desk.run(checked)
    with tenancy.scope(tenancy.SYSTEM):
        # The clinic keeps another administrator.
        membership_add(clinic=cast.clinic, user=build_user("second"), role=Role.CLINIC_ADMIN)
        mine = cast.memberships["clinic_admin"]
        membership_end(clinic=cast.clinic, membership_id=mine.id)
    work_now(desk, queued.transfer)
    done = desk.result(queued.transfer)
    assert done.transfer.state == TransferState.FAILED
    assert imported(cast) == 0


def test_a_check_in_a_worker_leaves_nothing_behind(desk, cast):
    with tenancy.scope(tenancy.SYSTEM):
        before = OutboxEvent.objects.exclude(topic="transfer.queued").count()
    checked_apart(desk, file())
    with tenancy.scope(tenancy.SYSTEM):
        assert OutboxEvent.objects.exclude(topic="transfer.queued").count() == before
    assert imported(cast) == 0


def test_whoever_was_superseded_writes_nothing_more(desk):
    queued = desk.check("patients", file())
    ledger = Ledger(transfer=queued.transfer, holder=ids.uuid7())
    with pytest.raises(Superseded), tenancy.scope([desk.clinic.id]):
        ledger.note(Outcome(fresh=1))
    assert desk.result(queued.transfer).transfer.done == 0


def test_another_clinic_sees_nothing_of_a_transfer(desk, cast):
    outsider = build_cast("away")
    checked_apart(desk, file(bad=(1,)))
    for model in (Transfer, TransferPart, TransferFault):
        with tenancy.scope([outsider.clinic.id]):
            assert not model.objects.exists()
        with tenancy.scope([cast.clinic.id]):
            assert model.objects.exists()


def test_old_files_are_forgotten_and_young_ones_kept(desk, monkeypatch):
    young = desk.upload("patients", file(10))
    old = checked_apart(desk, file(bad=(1,))).transfer
    with tenancy.scope([desk.clinic.id]):
        Transfer.objects.filter(id=old.id).update(created_at=clock.now() - transfers.limits.kept())
    assert transfers.transfers_prune() == 1
    with tenancy.scope([desk.clinic.id]):
        assert list(Transfer.objects.values_list("id", flat=True)) == [young.id]
        assert not TransferFault.objects.exists()
        assert not TransferPart.objects.exclude(transfer=young).exists()


def test_a_discarded_file_is_gone(desk):
    transfer = checked_apart(desk, file(bad=(1,))).transfer
    with tenancy.scope([desk.clinic.id]):
        transfers.transfer_discard(principal=principal_of(desk.user), transfer=transfer)
        assert not TransferPart.objects.exists()
        assert not TransferFault.objects.exists()
    with pytest.raises(KairosError):
        desk.run(desk.result(transfer))
