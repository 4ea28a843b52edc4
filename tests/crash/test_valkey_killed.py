"""Valkey killed in the middle of a storm of bookings: nobody notices; the outbox delivers after."""

import pytest

from core.tasks import outbox_relay
from tests.crash.seed import seed
from tests.crash.storm import Storm
from tests.support.polling import eventually
from tests.support.processes import running_celery, running_wsgi

pytestmark = pytest.mark.django_db(transaction=True)
WAITING = "SELECT count(*) FROM core_outboxevent WHERE delivered_at IS NULL"


def test_valkey_killed_under_a_storm(valkey_server, catalog_connection, tmp_path):
    def query(sql: str, *args) -> list[tuple]:
        return catalog_connection.execute(sql, args).fetchall()

    with running_wsgi(log=tmp_path / "wsgi.log", env={"RATE_LIMIT_SCALE": "1000"}) as url:
        storm = Storm(url, seed(), query)
        try:
            storm.booked_more(10)
            valkey_server.kill()
            storm.booked_more(30)
            valkey_server.start()
            storm.booked_more(10)
        finally:
            storm.end()
    assert storm.strange == []
    assert storm.tried_again == 0, "nobody had to try again"
    storm.check()
    assert query(WAITING)[0][0] >= len(storm.acknowledged)
    with running_celery(log=tmp_path / "celery.log"):
        for _ in range(query(WAITING)[0][0] // 200 + 1):
            outbox_relay.delay()  # what beat does every 30 s; 200 events a time
        eventually(lambda: query(WAITING) == [(0,)], timeout=60)
