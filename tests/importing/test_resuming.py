"""An import may be repeated and may be killed: the result is that of one quiet run."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError
from django.db import connection

from appointments.importing import running
from appointments.importing.chunks import ChunkWriter
from appointments.models import Appointment, AppointmentEvent, ImportedRow
from clinics.models import Patient
from core import tenancy
from core.models import AuditEvent
from tests.importing.files import DAYS, OVERLAPS, PICTURE, Importer, picture, register, text
from tests.support.polling import eventually

ROOT = Path(__file__).resolve().parents[2]
CONTENT = text(register(100, patients=40))


def counts() -> list[int]:
    with tenancy.scope(tenancy.SYSTEM):
        return [
            model.objects.count()
            for model in (Appointment, AppointmentEvent, ImportedRow, Patient, AuditEvent)
        ]


def test_a_second_run_changes_nothing_and_says_so(importer: Importer) -> None:
    first = importer(CONTENT, chunk=30)
    before, seen = counts(), picture()
    second = importer(CONTENT, chunk=30)
    assert "0 accepted, 97 already there, 3 refused; 0 new patients." in second.printed
    assert "Nothing was changed." in second.printed
    assert second.refused == first.refused
    assert counts() == before
    assert picture() == seen


@pytest.mark.parametrize("survivors", [0, 1, 2, 4])
def test_broken_off_between_chunks(importer: Importer, monkeypatch, survivors: int) -> None:
    importer(CONTENT, clinic="quiet", chunk=20)
    write = ChunkWriter.write
    done = 0

    def failing(self, drafts, *, now):
        nonlocal done
        if done == survivors:
            raise KeyboardInterrupt
        done += 1
        return write(self, drafts, now=now)

    with monkeypatch.context() as patch:
        patch.setattr(ChunkWriter, "write", failing)
        with pytest.raises(KeyboardInterrupt):
            importer(CONTENT, chunk=20)
    # The sizes of the chunks do not matter either.
    outcome = importer(CONTENT, chunk=33)
    assert "3 refused" in outcome.printed
    assert picture() == picture("quiet")


def test_broken_off_inside_a_chunk_leaves_nothing_of_it(importer: Importer, monkeypatch) -> None:
    importer(CONTENT, chunk=50, clinic="quiet")
    with tenancy.scope(tenancy.SYSTEM):
        before = Appointment.objects.count()
    with monkeypatch.context() as patch:
        patch.setattr("appointments.services.bulk.ImportedRow", None)
        with pytest.raises(AttributeError):
            importer(CONTENT, chunk=50)
    with tenancy.scope(tenancy.SYSTEM):
        assert Appointment.objects.count() == before
    importer(CONTENT, chunk=50)
    assert picture() == picture("quiet")


def test_a_longer_file_adds_what_is_new(importer: Importer) -> None:
    lines = CONTENT.splitlines(keepends=True)
    importer("".join(lines[:61]))
    assert "97 accepted" in importer(CONTENT, clinic="quiet").printed
    importer(CONTENT)
    assert picture() == picture("quiet")


@pytest.mark.django_db(transaction=True)
def test_two_at_once_the_second_is_refused(importer: Importer, owner_connection) -> None:
    importer(CONTENT)
    with tenancy.scope(tenancy.SYSTEM), connection.cursor() as cursor:
        cursor.execute("SELECT id FROM clinics_clinic")
        clinic = cursor.fetchone()[0]
    owner_connection.execute(
        "SELECT pg_advisory_lock(hashtextextended(%s, 12))", [f"import:{clinic}:register"]
    )
    before = running._LOCK_WAIT_SECONDS
    running._LOCK_WAIT_SECONDS = 0.2
    try:
        with pytest.raises(CommandError, match=r"another import .* is running"):
            importer(CONTENT)
    finally:
        running._LOCK_WAIT_SECONDS = before
    owner_connection.execute("SELECT pg_advisory_unlock_all()")
    assert "Nothing was changed." in importer(CONTENT).printed


class TestKilled:
    """The real command, killed with SIGKILL while it writes."""

    def test_the_result_is_that_of_an_uninterrupted_run(self, importer, clone_database) -> None:
        rows = register(900, patients=500, seed=3)
        importer.write(text(rows))
        importer.write(DAYS.replace("doctors = 3", "doctors = 30"), "m.toml")
        quiet, killed = clone_database(), clone_database()
        self.finish(importer, quiet)
        process = self.start(importer, killed)
        with psycopg.connect(killed, autocommit=True) as watching:
            eventually(
                lambda: 0 < self.imported(watching) < 800 or process.poll() is not None, timeout=60
            )
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert 0 < self.imported(watching) < 897
        assert "already there, 3 refused" in self.finish(importer, killed)
        assert self.picture(killed) == self.picture(quiet)
        with psycopg.connect(killed) as looking:
            assert looking.execute(OVERLAPS).fetchone() == (0,)

    @staticmethod
    def command(importer: Importer) -> list[str]:
        return [
            sys.executable, "manage.py", "import_appointments", str(importer.folder / "visits.csv"),
            "--mapping", str(importer.folder / "m.toml"), "--clinic", "old-town",
            "--create-clinic", "--timezone", "America/Sao_Paulo", "--chunk", "10",
            "--report", str(importer.report),
        ]  # fmt: skip

    def start(self, importer: Importer, url: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(importer),
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": url},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, importer: Importer, url: str) -> str:
        process = self.start(importer, url)
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0, out
        return out

    @staticmethod
    def imported(watching: psycopg.Connection) -> int:
        row = watching.execute("SELECT count(*) FROM appointments_importedrow").fetchone()
        return row[0] if row else 0

    @staticmethod
    def picture(url: str) -> list[tuple]:
        with psycopg.connect(url) as looking:
            return looking.execute(PICTURE, ["old-town"]).fetchall()
