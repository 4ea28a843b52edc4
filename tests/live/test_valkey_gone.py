"""Valkey killed, hung and brought back: screens know when they may be missing something."""

import os
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest

from core import live
from tests.appointments.scene import Scene, scene
from tests.live.ears import listening, opened
from tests.support.polling import eventually

pytestmark = pytest.mark.django_db(transaction=True)
DAY = datetime.now(tz=UTC).replace(hour=8, minute=0, second=0, microsecond=0) + timedelta(days=3)
AGAIN = 10


@pytest.fixture
def stage(live_asgi) -> Scene:
    return scene()


def test_killed_and_restarted_everybody_reads_again_and_hears_again(
    live_asgi, stage, valkey_server
):
    own = stage.own
    with listening(live_asgi, own) as ear, listening(live_asgi, stage.other) as outsider:
        valkey_server.kill()
        for each in (ear, outsider):
            assert each.next()["type"] == "unsure"
        own.book(DAY)
        valkey_server.start()
        back = time.monotonic()
        for each in (ear, outsider):
            assert each.next(timeout=AGAIN)["type"] == "snapshot"
        print(f"\nread again {time.monotonic() - back:.2f} s after Valkey was back")
        # What was booked while it was away is told as "everything" by whoever booked it, for the
        # screens may have been told to read again before.
        start = DAY + timedelta(hours=1)
        own.book(start)
        eventually(lambda: heard(ear, start), timeout=AGAIN)
        other = DAY + timedelta(hours=2)
        stage.other.book(other)
        assert eventually(lambda: heard(outsider, other), timeout=AGAIN)


def heard(ear, start: datetime) -> bool:
    """Whether the next message is about that time, or about everything."""
    message = ear.next(timeout=AGAIN)
    if message["type"] == "snapshot":
        return True
    return [change["from"] for change in message["changes"]] == [int(start.timestamp())]


@pytest.mark.parametrize("booked", ["before it is back", "after it is back"])
def test_a_blink_of_valkey_is_noticed(live_asgi, stage, valkey_server, booked):
    """Back before anybody has missed a sign of life, with its numbers begun anew."""
    with listening(live_asgi, stage.own) as ear:
        valkey_server.kill()
        if booked == "before it is back":
            stage.own.book(DAY)
        valkey_server.start()
        if booked == "after it is back":
            stage.own.book(DAY)
        assert ear.until("unsure")
        assert ear.until("snapshot", timeout=AGAIN)


def test_hung_it_is_given_up_after_five_seconds_of_silence(live_asgi, stage, valkey_server):
    with listening(live_asgi, stage.own) as ear:
        os.kill(valkey_server.process.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            assert ear.next(timeout=AGAIN)["type"] == "unsure"
            assert time.monotonic() - began > 2, "a slow moment is not yet silence"
        finally:
            os.kill(valkey_server.process.pid, signal.SIGCONT)
        assert ear.next(timeout=AGAIN)["type"] == "snapshot"


def test_a_socket_opens_without_valkey(live_asgi, stage, valkey_server):
    own = stage.own
    with listening(live_asgi, own):
        pass
    valkey_server.kill()
    with opened(live_asgi, own.clinic.id, by=own.reception) as ear:
        assert ear.next()["type"] == "unsure"
        ear.socket.send('{"type": "ping"}')
        assert ear.next() == {"type": "ping", "version": 0}
        valkey_server.start()
        assert ear.next(timeout=AGAIN)["type"] == "snapshot"
    with opened(live_asgi, stage.other.clinic.id, by=own.reception) as ear:
        assert ear.closed() == 4404


def test_a_booking_does_not_wait_for_a_valkey_that_hangs(stage, valkey_server):
    """The publisher's time-outs are seconds; a request's few are the limiter's quarter seconds,
    until its breaker is open."""
    own = stage.own
    own.book(DAY)
    took = []
    os.kill(valkey_server.process.pid, signal.SIGSTOP)
    try:
        for number in range(1, 9):
            began = time.monotonic()
            own.book(DAY + timedelta(minutes=30 * number))
            took.append(time.monotonic() - began)
    finally:
        os.kill(valkey_server.process.pid, signal.SIGCONT)
    assert max(took) < live._TIMEOUT
    assert min(took) < 0.25
