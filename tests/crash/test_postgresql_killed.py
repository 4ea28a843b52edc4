"""kill -9 in the middle of a storm of bookings: what was acknowledged is there, once."""

import json
import os
import subprocess
import sys

import psycopg

from deploy.local.services import running_services
from tests.crash.storm import Storm
from tests.support.processes import ROOT, running_wsgi


def seeded(env: dict[str, str]) -> dict:
    """Migrate and fill the database in a process of its own: this one's Django has another."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.seed"],
        cwd=ROOT,
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_postgresql_killed_three_times_under_a_storm(tmp_path):
    """On disk, every commit flushed; two server processes; clients that retry with their key."""
    with running_services(durable=True) as services:

        def query(sql: str, *args) -> list[tuple]:
            with psycopg.connect(services.postgres.url(), autocommit=True) as connection:
                return connection.execute(sql, args).fetchall()

        env = services.env | {"RATE_LIMIT_SCALE": "1000"}
        seed = seeded(env)
        with running_wsgi(log=tmp_path / "wsgi.log", env=env) as url:
            storm = Storm(url, seed, query)
            try:
                for _ in range(3):
                    storm.booked_more(25)
                    services.postgres.kill()
                    services.postgres.start()
                storm.booked_more(25)
            finally:
                storm.end()
        assert storm.tried_again > 0, "the crashes were felt"
        assert storm.strange == []
        storm.check()
        # Nothing unacknowledged is there either: every key was retried until it was answered.
        booked = query("SELECT count(*) FROM appointments_appointment")[0][0]
        assert booked == len(storm.acknowledged)
