"""Servers to be killed: a PostgreSQL that flushes every commit, a Valkey, and what runs on them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from deploy.local.services import Services, running_services
from tests.support.processes import ROOT, running_wsgi


@dataclass
class World:
    services: Services
    url: str
    seed: dict[str, Any]

    def query(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        """As the owner, past row security."""
        with psycopg.connect(self.services.postgres.url(), autocommit=True) as connection:
            return connection.execute(sql, args).fetchall()


def _python(env: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Iterator[World]:
    """A migrated, seeded installation with two server processes."""
    with running_services(durable=True) as services:
        env = services.env | {"RATE_LIMIT_SCALE": "1000"}
        seed = json.loads(_python(env, "-m", "tests.crash.seed", "3", "40").splitlines()[-1])
        log = tmp_path_factory.mktemp("crash") / "wsgi.log"
        with running_wsgi(log=log, env=env) as url:
            yield World(services, url, seed)
