"""The trail: a row for every write and every look at a patient, and a chain against tampering."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection

from core import audit, clock, journal, tenancy
from core.models import AuditEvent, AuditSeal
from tests.appointments.scene import House, house

pytestmark = pytest.mark.django_db(transaction=True)
SOON = datetime.now(tz=UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=3)


@pytest.fixture
def ground(settings) -> House:
    settings.OUTBOX_KICK = False
    return house("ground")


def trail(**fields) -> list[AuditEvent]:
    with tenancy.scope(tenancy.SYSTEM):
        return list(AuditEvent.objects.filter(**fields).order_by("id"))


def faults(chain: UUID) -> list[str]:
    with tenancy.scope(tenancy.SYSTEM):
        return [fault.what for fault in audit.verify(chain)]


def write(clinic_id: UUID, count: int = 1) -> None:
    with tenancy.scope([clinic_id]):
        journal.record_many(
            journal.Act(f"test.{number}", "test", clinic_id=clinic_id) for number in range(count)
        )


@pytest.fixture
def tamper(owner_connection: psycopg.Connection):
    """SQL as the owner, past the triggers: what an administrator of the database could do."""

    def run(statement: str, *args) -> int:
        with owner_connection.transaction():
            owner_connection.execute("SET LOCAL session_replication_role = replica")
            return owner_connection.execute(statement, args).rowcount

    return run


def test_a_write_is_in_the_trail_with_who_what_whom(ground: House):
    made = ground.book(SOON, reason="Cough")
    event = trail(entity_id=made["id"])[-1]
    assert event.action == "appointment.booked"
    assert (event.actor_id, event.clinic_id) == (ground.reception.id, ground.clinic.id)
    assert event.subjects == [ground.chart.id]
    assert event.address == "127.0.0.1"
    assert event.request_id
    assert "Cough" not in str(event.changes)


def test_a_refused_write_is_not(ground: House):
    before = len(trail())
    ground.reception.api.post("appointments", ground.request(SOON - timedelta(days=30)))
    assert len(trail()) == before


def test_looking_is_in_the_trail_too(ground: House):
    made = ground.book(SOON)
    api = ground.reception.api
    api.get(f"appointments/{made['id']}")
    api.get(f"appointments/{made['id']}/history")
    api.get("appointments")
    seen = trail(
        actor_id=ground.reception.id,
        action__in=["appointment.read", "appointment.history_read", "appointment.listed"],
    )
    assert [event.action for event in seen] == [
        "appointment.read",
        "appointment.history_read",
        "appointment.listed",
    ]
    assert all(event.subjects == [ground.chart.id] for event in seen)


def test_the_request_id_leads_from_the_answer_to_the_trail(ground: House):
    answer = ground.reception.api.post(
        "appointments", ground.request(SOON), **{"X-Request-ID": "desk-7.trace-0001"}
    )
    assert answer.headers["X-Request-ID"] == "desk-7.trace-0001"
    assert trail(request_id="desk-7.trace-0001", action="appointment.booked")


def test_sealed_and_whole(ground: House, capsys):
    ground.book(SOON)
    written = len(trail())
    assert audit.seal() == written
    assert audit.seal() == 0
    for chain in (ground.clinic.id, audit.INSTALLATION):
        assert faults(chain) == []
    write(ground.clinic.id, 3)
    assert audit.seal() == 3
    with tenancy.scope(tenancy.SYSTEM):
        numbers = AuditSeal.objects.filter(chain=ground.clinic.id).values_list("number", flat=True)
        assert sorted(numbers) == [1, 2]
    assert faults(ground.clinic.id) == []
    call_command("audit_verify")
    assert "whole" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change",
    [
        "action = 'test.other'",
        "actor_id = gen_random_uuid()",
        "at = at + interval '1 second'",
        "changes = '{\"a\": 1}'",
        "subjects = ARRAY[gen_random_uuid()]",
        "address = '10.0.0.1'",
        "entity_id = gen_random_uuid()",
    ],
)
def test_an_altered_event(ground: House, tamper, change: str):
    write(ground.clinic.id, 3)
    audit.seal()
    assert tamper(f"UPDATE core_auditevent SET {change} WHERE action = 'test.1'") == 1
    assert faults(ground.clinic.id) == ["an event under it was altered"]


def test_a_deleted_event(ground: House, tamper):
    write(ground.clinic.id, 3)
    audit.seal()
    assert tamper("DELETE FROM core_auditevent WHERE action = 'test.1'") == 1
    assert faults(ground.clinic.id) == ["1 of its events are gone"]
    with pytest.raises(CommandError, match="1 faults"):
        call_command("audit_verify")


def test_an_event_moved_to_another_clinic(ground: House, tamper):
    other = house("other")
    write(ground.clinic.id, 3)
    audit.seal()
    tamper("UPDATE core_auditevent SET clinic_id = %s WHERE action = 'test.1'", other.clinic.id)
    assert faults(ground.clinic.id) == ["1 of its events are gone"]


def test_an_event_slipped_in_later(ground: House, tamper):
    """Made to look as if it had been there for days: no seal lists it."""
    with time_machine.travel(clock.now() - timedelta(days=3)):
        write(ground.clinic.id, 1)
    audit.seal()
    tamper(
        "INSERT INTO core_auditevent (id, clinic_id, at, actor_id, action, entity, subjects,"
        " changes, request_id) SELECT core_uuid7_floor(now() - interval '3 days'), clinic_id, at,"
        " actor_id, 'test.slipped', entity, subjects, changes, request_id"
        " FROM core_auditevent WHERE action = 'test.0'"
    )
    assert any("under no seal" in fault for fault in faults(ground.clinic.id))


def test_a_removed_seal(ground: House, tamper):
    for _ in range(3):
        write(ground.clinic.id)
        audit.seal()
    assert tamper("DELETE FROM core_auditseal WHERE chain = %s AND number = 2", ground.clinic.id)
    found = faults(ground.clinic.id)
    assert "seal 2 is missing" in found
    assert "does not continue the seal before it" in found


def test_an_altered_seal(ground: House, tamper):
    for _ in range(2):
        write(ground.clinic.id)
        audit.seal()
    tamper(
        "UPDATE core_auditseal SET digest = sha256('forged') WHERE chain = %s AND number = 1",
        ground.clinic.id,
    )
    assert len(faults(ground.clinic.id)) >= 2


def test_sealing_while_others_write_loses_nothing(ground: House):
    """Writers never wait for the seal; what they commit late is under a later seal."""
    writers, each = 4, 25
    done = threading.Event()

    def write_some(_: int) -> None:
        try:
            for _ in range(each):
                write(ground.clinic.id)
        finally:
            connection.close()

    def seal_all_along() -> int:
        sealed = 0
        try:
            while not done.is_set():
                sealed += audit.seal()
        finally:
            connection.close()
        return sealed

    before = len(trail())
    with ThreadPoolExecutor(writers + 1) as threads:
        sealer = threads.submit(seal_all_along)
        list(threads.map(write_some, range(writers)))
        done.set()
        sealed = sealer.result()
    sealed += audit.seal()
    assert sealed == before + writers * each == len(trail())
    assert faults(ground.clinic.id) == []
    with tenancy.scope(tenancy.SYSTEM):
        seals = AuditSeal.objects.filter(chain=ground.clinic.id).values_list("event_ids", flat=True)
        listed = [event_id for ids in seals for event_id in ids]
    assert len(listed) == len(set(listed))


def test_two_sealers_at_once_make_one_chain(ground: House):
    write(ground.clinic.id, 30)

    def seal(_: int) -> int:
        try:
            return audit.seal()
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as threads:
        assert sum(threads.map(seal, range(3))) == len(trail())
    assert faults(ground.clinic.id) == []


def test_each_clinic_has_a_chain_of_its_own(ground: House, tamper):
    other = house("other")
    write(ground.clinic.id)
    write(other.clinic.id)
    audit.seal()
    tamper(
        "DELETE FROM core_auditevent WHERE clinic_id = %s AND action = 'test.0'", ground.clinic.id
    )
    assert faults(ground.clinic.id)
    assert faults(other.clinic.id) == []
    with tenancy.scope(tenancy.SYSTEM):
        assert {ground.clinic.id, other.clinic.id} <= set(audit.chains())
