"""The doctor: every failure it names is brought about here, and named with what to do."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import psycopg
import pytest
import time_machine
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.db import connection, connections
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from core import audit, clock, diagnosis, health, journal, tenancy
from core.diagnosis import Level, Verdict
from core.models import AuditSeal, OutboxEvent
from tests.support.processes import running_celery

pytestmark = pytest.mark.django_db(transaction=True)


_SAFE = {
    "DEBUG": False,
    "SECRET_KEY": "x8" * 30,
    "ALLOWED_HOSTS": ["clinic.example"],
    "SECURE_SSL_REDIRECT": True,
    "SESSION_COOKIE_SECURE": True,
}


def found(name: str) -> Verdict:
    """What one check says, without asking for the others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diagnosis, "CHECKS", {name: diagnosis.CHECKS[name]})
        (one,) = diagnosis.examine()
    return one.verdict


def run(*arguments: str) -> tuple[str, str]:
    """What the command prints, and what it fails with."""
    out = StringIO()
    try:
        call_command("doctor", *arguments, stdout=out, no_color=True)
    except CommandError as failure:
        return out.getvalue(), str(failure)
    return out.getvalue(), ""


@pytest.fixture
def connected_as(owner_connection: psycopg.Connection) -> Iterator[Callable[..., None]]:
    """Reconnects Django with other settings; everything is as before afterwards."""
    before = connections["default"].settings_dict
    kept = before | {"OPTIONS": dict(before["OPTIONS"])}

    def reconnect(role: str | None = None, **changed: Any) -> None:
        connection.close()
        if role is not None:
            before["OPTIONS"] = kept["OPTIONS"] | {"options": f"-c role={role}"}
        before.update(changed)

    yield reconnect
    connection.close()
    before.update(kept)


@pytest.fixture
def role(owner_connection: psycopg.Connection) -> Iterator[Callable[[str], str]]:
    """Makes a role of the server, in the place of the runtime's; it is dropped afterwards."""
    made: list[str] = []

    def make(rights: str) -> str:
        name = f"doctor_test_{len(made)}"
        owner_connection.execute(f"CREATE ROLE {name} NOLOGIN {rights}")
        owner_connection.execute(f"GRANT kairos_app TO {name}")
        made.append(name)
        return name

    yield make
    connection.close()
    for name in made:
        owner_connection.execute(f"DROP OWNED BY {name}")
        owner_connection.execute(f"DROP ROLE {name}")


# --- The command ----------------------------------------------------------------------------------


def test_one_line_a_check_and_exit_code_1_with_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts = {
        "one": Verdict(Level.OK, "fine"),
        "two": Verdict(Level.WARNING, "odd", "Look."),
        "three": Verdict(Level.FAILED, "broken", "Mend it."),
    }
    looks = {name: (lambda verdict=verdict: verdict) for name, verdict in verdicts.items()}
    monkeypatch.setattr(diagnosis, "CHECKS", looks)
    said, failure = run()
    assert [line.split() for line in said.splitlines()] == [
        ["ok", "one", "fine"],
        ["warning", "two", "odd", "-", "Look."],
        ["FAILED", "three", "broken", "-", "Mend", "it."],
    ]
    assert failure == "1 failed: three"
    monkeypatch.setattr(diagnosis, "CHECKS", {name: looks[name] for name in ("one", "two")})
    assert run()[1] == ""


def test_json_is_json_also_with_a_failure() -> None:
    said, failure = run("--json")
    rows = json.loads(said)
    assert [row["check"] for row in rows] == list(diagnosis.CHECKS)
    assert all(set(row) == {"check", "level", "found", "advice"} for row in rows)
    assert all(row["advice"] for row in rows if row["level"] != "ok")
    assert "workers" in failure  # there are none in this test


def test_with_everything_there_nothing_fails(tmp_path: Any, settings: Any) -> None:
    for name, value in _SAFE.items():
        setattr(settings, name, value)
    PeriodicTask.objects.all().delete()
    _beat_ran(clock.now())
    with running_celery(log=tmp_path / "celery.log"):
        said, failure = run()
    assert failure == "", said
    assert "FAILED" not in said


def test_a_look_that_breaks_is_a_failure_and_the_others_go_on(monkeypatch: Any) -> None:
    def broken() -> Verdict:
        raise RuntimeError("no such thing")

    monkeypatch.setitem(diagnosis.CHECKS, "extensions", broken)
    verdict = found("extensions")
    assert (verdict.level, verdict.found) == (Level.FAILED, "RuntimeError: no such thing")
    assert found("migrations").level == Level.OK


@pytest.mark.parametrize(
    "name",
    [
        "doctor",
        "create_clinic",
        "sync_roles",
        "audit_verify",
        "partitions",
        "import_appointments",
        "load_demo",
    ],
)
def test_every_command_teaches(name: str) -> None:
    command = load_command_class(get_commands()[name], name)
    text = command.create_parser("manage.py", name).format_help()
    assert len(command.help) > 100
    assert f"manage.py {name}" in " ".join(text.split("Example:")[1].split())


# --- Database -------------------------------------------------------------------------------------


def test_no_database_is_one_failure_and_the_rest_is_still_looked_at(
    connected_as: Callable[..., None],
) -> None:
    connected_as(HOST="127.0.0.1", PORT="1")
    verdicts = {one.name: one.verdict for one in diagnosis.examine()}
    assert verdicts["database"].found.startswith("no connection")
    assert "DATABASE_URL" in verdicts["database"].advice
    for name in diagnosis.OF_DATABASE:
        assert verdicts[name].found.startswith("not looked at")
    assert verdicts["valkey"].level == Level.OK
    assert verdicts["disk"].level != Level.FAILED


def test_an_old_server(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found("database").level == Level.OK
    monkeypatch.setattr(diagnosis, "MIN_POSTGRESQL", 99)
    assert found("database").level == Level.FAILED
    assert "99 or newer" in found("database").advice


@pytest.mark.parametrize(
    ("rights", "word"), [("BYPASSRLS", "has BYPASSRLS"), ("SUPERUSER", "is a superuser")]
)
def test_a_role_that_row_security_does_not_bind(
    role: Callable[[str], str], connected_as: Callable[..., None], rights: str, word: str
) -> None:
    assert found("role").level == Level.OK
    connected_as(role=role(rights))
    verdict = found("role")
    assert verdict.level == Level.FAILED
    assert word in verdict.found
    assert "is not kairos_app" in verdict.found


def test_a_role_that_owns_a_table(owner_connection: psycopg.Connection) -> None:
    owner_connection.execute("CREATE TABLE taken (id uuid PRIMARY KEY)")
    owner_connection.execute("ALTER TABLE taken OWNER TO kairos_app")
    assert "owns tables" in found("role").found


@pytest.mark.parametrize("what", ["DISABLE", "NO FORCE"])
def test_row_security_switched_off(owner_connection: psycopg.Connection, what: str) -> None:
    assert found("row security").level == Level.OK
    owner_connection.execute(f"ALTER TABLE clinics_patient {what} ROW LEVEL SECURITY")
    verdict = found("row security")
    assert verdict.level == Level.FAILED
    assert "clinics_patient" in verdict.found


def test_an_extension_that_is_gone(owner_connection: psycopg.Connection) -> None:
    owner_connection.execute("DROP EXTENSION pg_trgm CASCADE")
    verdict = found("extensions")
    assert (verdict.level, verdict.found) == (Level.FAILED, "missing: pg_trgm")
    assert "contrib" in verdict.advice


def test_a_migration_that_was_not_applied(owner_connection: psycopg.Connection) -> None:
    assert found("migrations").level == Level.OK
    owner_connection.execute("DELETE FROM django_migrations WHERE app = 'appointments'")
    verdict = found("migrations")
    assert verdict.level == Level.FAILED
    assert "appointments.0001_initial" in verdict.found
    assert "manage.py migrate" in verdict.advice


@pytest.mark.parametrize(("ahead", "level"), [(1, Level.FAILED), (3, Level.WARNING)])
def test_a_month_without_its_partition(
    owner_connection: psycopg.Connection, ahead: int, level: Level
) -> None:
    assert found("partitions").level == Level.OK
    owner_connection.execute(
        "DO $$ BEGIN EXECUTE format('DROP TABLE core_outboxevent_p%s', to_char((now() AT TIME ZONE"
        f" 'UTC') + interval '{ahead} months', 'YYYYMM')); END $$"
    )
    verdict = found("partitions")
    assert verdict.level == level
    assert f"needed in {ahead} month" in verdict.found
    assert "manage.py partitions" in verdict.advice
    call_command("partitions", stdout=StringIO())
    assert found("partitions").level == Level.OK


def test_a_database_without_our_tables_says_to_migrate(
    owner_connection: psycopg.Connection,
) -> None:
    owner_connection.execute("ALTER TABLE core_partitioned RENAME TO elsewhere")
    verdict = found("partitions")
    assert verdict.level == Level.FAILED
    assert "manage.py migrate" in verdict.advice
    assert found("outbox").level == Level.OK  # the connection is none the worse


# --- Clocks, Valkey, jobs -------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [-10, 10])
def test_a_clock_that_is_wrong(seconds: int) -> None:
    assert found("clocks").level == Level.OK
    with time_machine.travel(timezone.now() + timedelta(seconds=seconds)):
        verdict = diagnosis.clocks_agree()
    assert verdict.level == Level.WARNING
    assert f"{-seconds:+d}." in verdict.found or f"{-seconds - 1:+d}." in verdict.found
    assert "NTP" in verdict.advice


def test_valkey_gone(valkey_server: Any) -> None:
    assert found("valkey").level == Level.OK
    valkey_server.kill()
    verdicts = {one.name: one.verdict for one in diagnosis.examine()}
    assert verdicts["valkey"].level == Level.FAILED
    assert "REDIS_URL" in verdicts["valkey"].advice
    assert (verdicts["workers"].level, verdicts["workers"].found) == (
        Level.FAILED,
        "no worker answered (no broker)",
    )
    assert verdicts["clocks"].level == Level.OK  # of those that are left


def _beat_ran(at: Any, **fields: Any) -> None:
    call_at = {"last_run_at": at, "task": "core.outbox_relay"} | fields
    every, _ = IntervalSchedule.objects.get_or_create(every=30, period="seconds")
    PeriodicTask.objects.create(
        name=f"job-{PeriodicTask.objects.count()}", interval=every, **call_at
    )


def test_beat_that_never_ran_stopped_or_has_jobs_switched_off() -> None:
    PeriodicTask.objects.all().delete()
    assert "has ever run" in found("beat").found
    _beat_ran(clock.now() - timedelta(hours=3))
    verdict = found("beat")
    assert (verdict.level, verdict.found) == (
        Level.FAILED,
        "the last scheduled job ran 3 h ago",
    )
    _beat_ran(clock.now())
    assert found("beat").level == Level.OK
    _beat_ran(None, enabled=False)
    assert found("beat").level == Level.WARNING


def test_events_that_nobody_delivers_or_that_were_given_up(settings: Any) -> None:
    settings.OUTBOX_KICK = False
    assert found("outbox").level == Level.OK
    with tenancy.scope(tenancy.SYSTEM):
        journal.record(journal.Act("test", "test", topic="test.doctor"))
        event = OutboxEvent.objects.filter(topic="test.doctor")
        assert found("outbox").level == Level.OK  # it may wait a little
        event.update(next_attempt_at=clock.now() - timedelta(minutes=6))
    verdict = found("outbox")
    assert verdict.level == Level.FAILED
    assert "1 of them overdue" in verdict.found
    with tenancy.scope(tenancy.SYSTEM):
        event.update(failed_at=clock.now())
    assert found("outbox").level == Level.WARNING
    assert "1 given up" in found("outbox").found


def test_a_trail_that_is_no_longer_sealed() -> None:
    with tenancy.scope(tenancy.SYSTEM):
        journal.record(journal.Act("test", "test"))
    assert found("audit seals").level == Level.OK  # too young to matter
    later = time_machine.travel(timezone.now() + timedelta(minutes=10))
    with later:
        verdict = diagnosis.seals_are_fresh()
        assert (verdict.level, verdict.found) == (
            Level.WARNING,
            "the audit trail was not sealed ever",
        )
    audit.seal()
    assert AuditSeal.objects.exists() is False  # out of scope
    with later:
        assert diagnosis.seals_are_fresh().level == Level.OK


@pytest.mark.parametrize(
    ("free", "level"),
    [(100 * 1024**2, Level.FAILED), (1024**3, Level.WARNING), (100 * 1024**3, Level.OK)],
)
def test_a_disk_that_fills_up(monkeypatch: pytest.MonkeyPatch, free: int, level: Level) -> None:
    usage = type(health.shutil.disk_usage("/"))(200 * 1024**3, 200 * 1024**3 - free, free)
    monkeypatch.setattr(health.shutil, "disk_usage", lambda _: usage)
    assert found("disk").level == level


# --- Settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "level", "word"),
    [
        ({}, Level.OK, "https only"),
        ({"DEBUG": True}, Level.WARNING, "DEBUG"),
        ({"SECRET_KEY": "short"}, Level.FAILED, "SECRET_KEY"),
        ({"ALLOWED_HOSTS": ["*"]}, Level.FAILED, "ALLOWED_HOSTS"),
        ({"ALLOWED_HOSTS": []}, Level.FAILED, "ALLOWED_HOSTS"),
        ({"SECURE_SSL_REDIRECT": False}, Level.WARNING, "SECURE_SSL"),
    ],
)
def test_settings(settings: Any, changed: dict[str, Any], level: Level, word: str) -> None:
    for name, value in (_SAFE | changed).items():
        setattr(settings, name, value)
    verdict = diagnosis.settings_are_safe()
    assert verdict.level == level
    assert word in verdict.found
    assert "x8x8" not in verdict.found + verdict.advice
