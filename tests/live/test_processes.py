"""The server of sockets as a process: killed, restarted, and with many sockets."""

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from websockets.exceptions import ConnectionClosed

from tests.appointments.scene import scene
from tests.live.ears import listening
from tests.support.processes import running_asgi

pytestmark = pytest.mark.django_db(transaction=True)
DAY = datetime.now(tz=UTC).replace(hour=8, minute=0, second=0, microsecond=0) + timedelta(days=3)
SOCKETS = 60


def test_killed_it_takes_no_booking_with_it(transactional_db, tmp_path):
    own = scene().own
    with contextlib.ExitStack() as server:
        url = server.enter_context(running_asgi(log=tmp_path / "first.log"))
        ear = server.enter_context(listening(url, own))
        own.book(DAY)
        assert ear.next()["type"] == "changed"
    with pytest.raises(ConnectionClosed):
        ear.next()
    own.book(DAY + timedelta(hours=1))
    with running_asgi(log=tmp_path / "second.log") as url, listening(url, own) as ear:
        own.book(DAY + timedelta(hours=2))
        assert ear.next()["type"] == "changed"


def test_many_sockets_hold_few_threads_and_connections(
    live_asgi, catalog_connection: psycopg.Connection
):
    own = scene().own
    with contextlib.ExitStack() as stack:
        ears = [stack.enter_context(listening(live_asgi, own)) for _ in range(SOCKETS)]
        own.book(DAY)
        for ear in ears:
            assert ear.next()["type"] == "changed"
        pid = server_of(live_asgi)
        assert len(list(Path(f"/proc/{pid}/task").iterdir())) < 20
        taken = catalog_connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid()"
        ).fetchone()
    assert taken is not None
    assert taken[0] <= 12


def server_of(url: str) -> int:
    """The process that listens on the URL's port."""
    port = f"{urlsplit(url).port}"
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"config.asgi:application" in words and port.encode() in words:
                return int(entry.name)
    raise LookupError(url)
