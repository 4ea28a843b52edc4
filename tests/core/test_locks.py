"""Advisory locks: in order, in time, and only inside a transaction."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.db import OperationalError, connection, transaction

from core import locks
from tests.appointments.scene import house
from tests.races.test_booking_races import at

pytestmark = pytest.mark.django_db(transaction=True)


def test_outside_a_transaction_it_is_refused():
    with pytest.raises(RuntimeError, match="transaction"):
        locks.advisory(["a"])


def test_no_keys_no_lock(django_assert_num_queries):
    with transaction.atomic(), django_assert_num_queries(0):
        locks.advisory([])


def test_taken_in_one_order_whatever_the_caller_says():
    """Two callers with the same keys in opposite orders would deadlock; many rounds do not."""
    rounds, together = 25, threading.Barrier(2, timeout=10)

    def take(keys: list[str]) -> int:
        try:
            for _ in range(rounds):
                together.wait()
                with transaction.atomic():
                    locks.advisory(keys)
        finally:
            connection.close()
        return rounds

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(take, [["a", "b", "c"], ["c", "b", "a", "b"]])) == [rounds, rounds]


def test_a_lock_that_is_held_too_long(owner_connection):
    with owner_connection.transaction():
        owner_connection.execute("SELECT core_lock(ARRAY['a'], 1000)")
        with pytest.raises(OperationalError) as caught, transaction.atomic():
            locks.advisory(["a"], timeout_ms=50)
        assert isinstance(caught.value.__cause__, psycopg.errors.LockNotAvailable)
    with transaction.atomic():
        locks.advisory(["a"], timeout_ms=50)


def test_the_wait_is_set_back_for_the_rest_of_the_transaction():
    with transaction.atomic(), connection.cursor() as cursor:
        locks.advisory(["a"], timeout_ms=50)
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone()[0] == "3s"


def test_over_the_api_it_is_a_503_with_retry_after(owner_connection, monkeypatch):
    monkeypatch.setattr(locks, "LOCK_TIMEOUT_MS", 100)
    ground = house()
    start = at(5)
    key = f"doctor:{ground.doctor.id}:{start.date()}"
    with owner_connection.transaction():
        owner_connection.execute("SELECT core_lock(ARRAY[%s], 1000)", [key])
        answer = ground.reception.api.post("appointments", ground.request(start))
        assert (answer.status_code, answer.json()["code"]) == (503, "LOCK_TIMEOUT")
        assert answer.headers["Retry-After"] == "1"
        # Another day of the same doctor is another queue.
        assert ground.book(at(6))["status"] == "SCHEDULED"
    assert ground.book(start)["status"] == "SCHEDULED"
