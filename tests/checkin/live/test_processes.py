"""Two processes of sockets and one Valkey: they agree, and outlive what is killed."""

import time

import pytest

from checkin.live import queue_changed
from core import tenancy
from tests.appointments.scene import House, scene
from tests.checkin.live.boards import board, called, comes, tokens, until_waiting, watching
from tests.support.polling import eventually
from tests.support.processes import running_asgi

pytestmark = pytest.mark.django_db(transaction=True)
AGAIN = 10


@pytest.fixture
def own(transactional_db) -> House:
    return scene().own


def test_two_processes_tell_the_same_boards(own, live_asgi, tmp_path):
    with (
        running_asgi(log=tmp_path / "second.log") as second,
        watching(live_asgi, own) as here,
        watching(second, own) as there,
    ):
        for number in range(1, 11):
            comes(own)
            called(own)
            heard = [_with_call(ear, f"W{number:03d}") for ear in (here, there)]
            assert heard[0]["queue"] == heard[1]["queue"]


def test_a_process_killed_the_other_goes_on_and_knows_all(own, live_asgi, tmp_path):
    with running_asgi(log=tmp_path / "second.log") as second, watching(second, own) as there:
        comes(own)
        assert tokens(there.next()) == ["W001"]
    comes(own)
    with board(live_asgi, own.location.id, shown=("bearer", own.reception.token)) as here:
        assert tokens(here.next()) == ["W001", "W002"]


def test_without_valkey_boards_are_a_little_late_and_right(own, live_asgi, valkey_server):
    with watching(live_asgi, own) as ear:
        comes(own)
        assert tokens(ear.next()) == ["W001"]
        valkey_server.kill()
        assert ear.next()["type"] == "unsure"
        began = time.monotonic()
        comes(own)
        late = until_waiting(ear, "W001", "W002", timeout=AGAIN)
        assert late["type"] == "changed", "nothing is sure yet"
        print(f"\nright {time.monotonic() - began:.2f} s after the change, without Valkey")
        with board(live_asgi, own.location.id, shown=("bearer", own.admin.token)) as fresh:
            assert fresh.next() == {"type": "unsure"}
            assert tokens(fresh.next()) == ["W001", "W002"]
        valkey_server.start()
        back = time.monotonic()
        assert ear.until("snapshot", timeout=AGAIN)
        print(f"sure {time.monotonic() - back:.2f} s after Valkey was back")
        comes(own)
        until_waiting(ear, "W001", "W002", "W003", timeout=AGAIN)


def test_a_database_that_is_away_for_a_moment_leaves_the_last_board(
    own, live_asgi, owner_connection, tmp_path
):
    """Whatever a reading failed on, the next one is right."""
    log = tmp_path / "asgi.log"
    with watching(live_asgi, own) as ear:
        owner_connection.execute("ALTER TABLE checkin_queueentry RENAME TO away")
        try:
            with tenancy.scope(tenancy.SYSTEM):
                queue_changed(location=own.location.id, clinic=own.clinic.id)
            eventually(lambda: "a board was not to be read" in log.read_text())
        finally:
            owner_connection.execute("ALTER TABLE away RENAME TO checkin_queueentry")
        comes(own)
        assert eventually(lambda: tokens(ear.next(timeout=AGAIN)) == ["W001"], timeout=AGAIN)


def _with_call(ear, token: str):
    while True:
        message = ear.next(AGAIN)
        if tokens(message, "called")[:1] == [token]:
            return message
