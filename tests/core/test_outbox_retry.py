"""A failed event is put back in line by a person, once, and only while it is undelivered."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event as Signal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from core import clock, journal, outbox, tenancy
from core.errors import ErrorCode, KairosError
from core.models import AuditEvent, OutboxEvent
from core.services import outbox_retry
from tests.appointments.scene import house

pytestmark = pytest.mark.django_db(transaction=True)
TOPIC = "test.retried"


@pytest.fixture(autouse=True)
def _quiet(settings: Any) -> None:
    settings.OUTBOX_KICK = False


def announce(clinic_id: UUID | None = None, **state: Any) -> UUID:
    with tenancy.scope(tenancy.SYSTEM):
        journal.record(journal.Act("test", "test", clinic_id=clinic_id, topic=TOPIC))
        event = OutboxEvent.objects.get(topic=TOPIC)
        if state:
            OutboxEvent.objects.filter(pk=event.pk).update(**state)
    return event.pk


def retry(event_id: UUID, clinics: Any = tenancy.SYSTEM) -> OutboxEvent:
    with tenancy.scope(clinics):
        return outbox_retry(event_id=event_id)


def test_given_up_and_put_back_it_is_delivered(monkeypatch):
    heard: list[outbox.Event] = []
    monkeypatch.setitem(outbox._listeners, TOPIC, {"test": heard.append})
    event_id = announce(
        attempts=outbox.MAX_ATTEMPTS,
        failed_at=clock.now(),
        next_attempt_at=clock.now() + timedelta(hours=1),
        last_error="the printer was out of paper",
    )
    assert outbox.relay() == 0
    back = retry(event_id)
    assert (back.attempts, back.failed_at) == (0, None)
    assert back.last_error == "the printer was out of paper"
    assert outbox.relay() == 1
    assert [event.id for event in heard] == [event_id]
    with tenancy.scope(tenancy.SYSTEM):
        act = AuditEvent.objects.get(action="outbox.retried")
    assert (act.entity_id, act.changes["attempts"]) == (event_id, [outbox.MAX_ATTEMPTS, 0])


def test_a_waiting_event_need_not_wait(monkeypatch):
    monkeypatch.setitem(outbox._listeners, TOPIC, {})
    event_id = announce(attempts=3, next_attempt_at=clock.now() + timedelta(hours=1))
    assert outbox.relay() == 0
    retry(event_id)
    assert outbox.relay() == 1


def test_a_delivered_event_is_a_conflict_and_leaves_no_trace(monkeypatch):
    monkeypatch.setitem(outbox._listeners, TOPIC, {})
    event_id = announce()
    assert outbox.relay() == 1
    with pytest.raises(KairosError) as refusal:
        retry(event_id)
    assert refusal.value.code == ErrorCode.CONFLICT
    with tenancy.scope(tenancy.SYSTEM):
        assert not AuditEvent.objects.filter(action="outbox.retried").exists()
        assert OutboxEvent.objects.get(pk=event_id).delivered_at is not None


def test_another_clinics_event_is_not_there():
    own, other = house("own"), house("other")
    event_id = announce(own.clinic.id, failed_at=clock.now())
    for clinics, wanted in (([other.clinic.id], event_id), (tenancy.SYSTEM, uuid4())):
        with pytest.raises(KairosError) as refusal:
            retry(wanted, clinics)
        assert refusal.value.code == ErrorCode.NOT_FOUND
    assert retry(event_id, [own.clinic.id]).failed_at is None


def test_the_relay_is_woken_after_the_commit(settings, monkeypatch):
    kicks: list[bool] = []
    event_id = announce(failed_at=clock.now())
    settings.OUTBOX_KICK = True
    monkeypatch.setattr(outbox._kicker, "kick", lambda: kicks.append(connection.in_atomic_block))
    retry(event_id)
    assert kicks == [False]


def test_a_relay_that_is_delivering_it_wins(monkeypatch):
    """The retry waits for the row, and then finds the event delivered."""
    listening, asked = Signal(), Signal()

    def listener(_: outbox.Event) -> None:
        listening.set()
        assert asked.wait(20)

    monkeypatch.setitem(outbox._listeners, TOPIC, {"test": listener})
    event_id = announce()

    def deliver() -> int:
        try:
            return outbox.relay()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        delivery = thread.submit(deliver)
        assert listening.wait(20)
        with tenancy.scope(tenancy.SYSTEM):
            before = OutboxEvent.objects.get(pk=event_id)
            assert before.delivered_at is None
            asked.set()
            with pytest.raises(KairosError) as refusal:
                outbox_retry(event_id=event_id)
        assert refusal.value.code == ErrorCode.CONFLICT
        assert delivery.result() == 1
