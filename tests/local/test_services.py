"""Throw-away servers leave nothing, however they end."""

import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import redis

from deploy.local import services
from deploy.local.process import find_by_folder


def test_both_answer_through_the_environment_and_are_gone_afterwards():
    with services.running_services() as running:
        with psycopg.connect(running.env["DATABASE_URL"]) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert redis.Redis.from_url(running.env["REDIS_URL"]).ping()
    assert not running.folder.exists()
    assert find_by_folder("postgres", running.postgres.cluster) == []
    assert find_by_folder("valkey-server", running.valkey.data_dir) == []


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path, monkeypatch):
    program = (
        "import os, signal; from pathlib import Path; from deploy.local import services;"
        f"services._place = lambda durable: Path({str(tmp_path)!r});"
        "context = services.running_services(); context.__enter__();"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    monkeypatch.setattr(services, "_place", lambda durable: Path(tmp_path))
    with services._folder(durable=False) as folder:
        assert list(tmp_path.iterdir()) == [folder]
    assert not left.exists()
