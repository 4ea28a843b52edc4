"""Throw-away servers leave nothing, however they end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import redis

from deploy.local import process, services
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


def test_a_process_that_ends_while_it_is_looked_at_leads_nobody():
    """The servers of a killed run may end by themselves in the moment in which they are sorted."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = psutil.Process(child.pid)
    assert process.leads(found, set())
    assert not process.leads(found, {os.getpid()})
    child.kill()
    child.wait()
    assert not process.leads(found, set())
