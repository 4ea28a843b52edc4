"""Events: written with the fact, handed to their listeners at least once, and never in vain."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from django.db import connection

from clinics.models import Location
from core import clock, journal, outbox, tenancy
from core.models import AuditEvent, OutboxEvent, OutboxReceipt
from core.tasks import outbox_relay
from tests.appointments.scene import house

pytestmark = pytest.mark.django_db(transaction=True)
TOPIC = "test.happened"


def announce(number: int = 0, clinic_id=None, topic: str = TOPIC) -> None:
    with tenancy.scope(tenancy.SYSTEM):
        journal.record(
            journal.Act("test", "test", clinic_id=clinic_id, topic=topic, payload={"n": number})
        )


def events() -> list[OutboxEvent]:
    with tenancy.scope(tenancy.SYSTEM):
        return list(OutboxEvent.objects.filter(topic=TOPIC).order_by("id"))


@pytest.fixture(autouse=True)
def _quiet(settings) -> None:
    """The relay runs when a test says so."""
    settings.OUTBOX_KICK = False


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[outbox.Event]]:
    """What the one listener was given."""
    given: list[outbox.Event] = []
    monkeypatch.setitem(outbox._listeners, TOPIC, {"test.listener": given.append})
    return given


def test_written_with_the_fact_and_rolled_back_with_it(heard):
    with contextlib.suppress(RuntimeError), tenancy.scope(tenancy.SYSTEM):
        journal.record(journal.Act("test", "test", topic=TOPIC))
        raise RuntimeError
    assert events() == []
    assert outbox.relay() == 0
    announce(7)
    assert outbox.relay() == 1
    assert [event.payload for event in heard] == [{"n": 7}]
    assert events()[0].delivered_at is not None
    assert outbox.relay() == 0


def test_a_refused_booking_announces_nothing(heard):
    ground = house("ground")
    with tenancy.scope(tenancy.SYSTEM):
        before = OutboxEvent.objects.count()
    answer = ground.reception.api.post("appointments", ground.request(clock.now()))
    assert answer.status_code >= 400
    with tenancy.scope(tenancy.SYSTEM):
        assert OutboxEvent.objects.count() == before


def test_an_event_without_listeners_is_done(monkeypatch):
    monkeypatch.setitem(outbox._listeners, TOPIC, {})
    announce()
    assert outbox.relay() == 1
    assert events()[0].delivered_at is not None


def test_the_listener_runs_in_the_scope_of_the_events_clinic(monkeypatch):
    ground, other = house("ground"), house("other")
    seen: list[set] = []

    def look(event: outbox.Event) -> None:
        seen.append(set(Location.objects.values_list("clinic_id", flat=True)))

    monkeypatch.setitem(outbox._listeners, TOPIC, {"test.look": look})
    announce(1, ground.clinic.id)
    announce(2, other.clinic.id)
    outbox.relay()
    assert seen == [{ground.clinic.id}, {other.clinic.id}]


def test_a_second_delivery_does_nothing(heard):
    """The relay died after its listener: the event comes again, the receipt is there."""
    announce()
    outbox.relay()
    with tenancy.scope(tenancy.SYSTEM):
        OutboxEvent.objects.filter(topic=TOPIC).update(delivered_at=None)
    assert outbox.relay() == 1
    assert len(heard) == 1
    assert OutboxReceipt.objects.filter(listener="test.listener").count() == 1


def test_one_failing_listener_backs_off_and_the_others_work_stands(monkeypatch, heard):
    broken = [True]

    def fail(event: outbox.Event) -> None:
        Location.objects.count()
        if broken[0]:
            raise ConnectionError("mail server away")

    listeners = {"test.fail": fail, "test.listener": heard.append}
    monkeypatch.setitem(outbox._listeners, TOPIC, listeners)
    announce(1)
    outbox.relay()
    event = events()[0]
    assert (event.attempts, event.delivered_at) == (1, None)
    assert event.last_error == "test.fail: ConnectionError: mail server away"
    assert event.next_attempt_at > clock.now()
    assert len(heard) == 1
    announce(2)  # the next one does not wait for it
    assert outbox.relay() == 1
    assert outbox.relay() == 0
    broken[0] = False
    with time_machine.travel(clock.now() + timedelta(minutes=1)):
        assert outbox.relay() == 2
    assert [event.delivered_at is not None for event in events()] == [True, True]
    assert [event.payload["n"] for event in heard] == [1, 2]


def test_a_listener_that_breaks_its_transaction_spoils_nobody_elses(monkeypatch, heard):
    def break_it(event: outbox.Event) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")

    monkeypatch.setitem(
        outbox._listeners, TOPIC, {"test.break": break_it, "test.listener": heard.append}
    )
    announce()
    outbox.relay()
    assert len(heard) == 1
    assert "division by zero" in events()[0].last_error


def test_given_up_after_the_last_attempt_and_shown(monkeypatch):
    def fail(event: outbox.Event) -> None:
        raise ValueError("never")

    monkeypatch.setitem(outbox._listeners, TOPIC, {"test.fail": fail})
    announce()
    present = clock.now()
    pauses = []
    for attempt in range(1, outbox.MAX_ATTEMPTS + 1):
        with time_machine.travel(present, tick=False):
            assert outbox.relay() == 1
            event = events()[0]
            pauses.append(event.next_attempt_at - clock.now())
            assert event.attempts == attempt
        present = event.next_attempt_at
    assert event.failed_at is not None
    assert pauses == sorted(pauses)
    assert pauses[-1] <= timedelta(hours=1)
    with time_machine.travel(present + timedelta(days=30)):
        assert outbox.relay() == 0
        assert outbox.waiting()["failed"] == 1


def test_relays_at_once_deliver_each_event_once(heard):
    for number in range(40):
        announce(number)

    def relay(_: int) -> int:
        try:
            return outbox.relay()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(relay, range(4)))
    assert sum(taken) == 40
    assert sorted(event.payload["n"] for event in heard) == list(range(40))


def test_the_task_is_the_relay(heard):
    announce()
    assert outbox_relay() == 1
    assert len(heard) == 1


def test_the_trail_and_the_event_are_written_together():
    announce(3)
    with tenancy.scope(tenancy.SYSTEM):
        audited = AuditEvent.objects.get(action="test")
        assert audited.request_id == OutboxEvent.objects.get(topic=TOPIC).request_id


def test_many_acts_are_one_statement(django_assert_num_queries):
    with tenancy.scope(tenancy.SYSTEM), django_assert_num_queries(1):
        journal.record_many(journal.Act("test", "test", topic=TOPIC) for _ in range(50))
    assert len(events()) == 50
