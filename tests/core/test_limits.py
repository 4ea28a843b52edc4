"""Sliding windows, counted atomically in Valkey, with a clock that the tests move."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from core import limits, valkey
from core.errors import KairosError

START = datetime(2035, 6, 4, 12, 0, 0, tzinfo=UTC)  # the first second of a window


@pytest.fixture(autouse=True)
def _closed_breaker():
    valkey.breaker.close()
    yield
    valkey.breaker.close()


def spend(key: str, count: int, limit: int = 10) -> int:
    """Ask so often; how many were let through."""
    codes = []
    for _ in range(count):
        try:
            limits.consume([limits.Limit(key, limit)])
        except KairosError as refusal:
            codes.append(refusal.code)
    assert set(codes) <= {"RATE_LIMIT_EXCEEDED"}
    return count - len(codes)


def at(seconds: float):
    return time_machine.travel(START + timedelta(seconds=seconds), tick=False)


def test_no_more_than_the_limit_in_a_window():
    with at(0):
        assert spend("a", 15) == 10
        assert spend("b", 5) == 5


def test_the_window_slides_across_its_boundary():
    """Ten at the end of one window and ten at the start of the next would be twenty in a second."""
    with at(59):
        assert spend("a", 10) == 10
    with at(60):
        assert spend("a", 10) == 0  # all ten still lie inside the last 60 s
    with at(90):
        assert spend("a", 10) == 5  # half of them by then
    with at(119):
        assert spend("a", 10) in {4, 5}
    with at(240):
        assert spend("a", 20) == 10


def test_a_refused_request_is_not_counted():
    with at(0):
        spend("a", 10)
        assert spend("a", 1000) == 0
    with at(66):
        assert spend("a", 5) == 1


def test_any_of_several_limits_refuses_and_none_is_charged():
    with at(0):
        spend("tight", 3, limit=3)
        for _ in range(5):
            with pytest.raises(KairosError):
                limits.consume([limits.Limit("wide", 4), limits.Limit("tight", 3)])
        assert spend("wide", 10, limit=4) == 4


def test_the_headers_say_what_is_left():
    with at(20):
        allowance = limits.consume([limits.Limit("wide", 100), limits.Limit("tight", 3)])
        assert allowance is not None
        assert (allowance.limit, allowance.remaining, allowance.reset_seconds) == (3, 2, 40)
        assert allowance.headers()["RateLimit"] == '"default";r=2;t=40'
        spend("tight", 2, limit=3)
        with pytest.raises(KairosError) as refusal:
            limits.consume([limits.Limit("tight", 3)])
    assert refusal.value.headers["Retry-After"] == "40"
    assert refusal.value.status == 429


def test_eighty_at_once_pass_a_limit_of_ten_ten_times():
    with at(0), ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(lambda _: spend("a", 1), range(80))) == 10


def test_with_valkey_dead_requests_pass_but_not_those_that_must_not(valkey_server):
    valkey_server.kill()
    for _ in range(5):
        assert limits.consume([limits.Limit("a", 1)]) is None
    with pytest.raises(KairosError) as refusal:
        limits.consume([limits.Limit("a", 1)], fail_closed=True)
    assert refusal.value.code == "SERVICE_UNAVAILABLE"
    assert refusal.value.headers["Retry-After"] == "5"


def test_no_limits_no_question():
    assert limits.consume([]) is None
