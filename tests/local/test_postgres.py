"""The embedded PostgreSQL: private, recovers from anything, and says plainly what is wrong."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from deploy.local import postgres as module
from deploy.local.postgres import EmbeddedPostgres
from deploy.local.process import LaunchError, find_by_folder
from tests.support.polling import eventually

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, which `tmp_path` is not, closed to every other user."""
    path = Path(tempfile.mkdtemp(prefix="kairos-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    """A running server under a folder that, as root, the server's own user may not enter."""
    server = EmbeddedPostgres(folder / "postgres", durable=False)
    server.start()
    yield server
    server.stop()


def value(server: EmbeddedPostgres, query: str) -> object:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    return row[0] if row else None


def run(server: EmbeddedPostgres, query: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(query)


def test_it_is_utf8_in_utc_sorted_by_code_point_and_not_root(server):
    assert value(server, "SHOW server_encoding") == "UTF8"
    assert value(server, "SHOW timezone") == "UTC"
    assert value(server, "SELECT 'Z' < 'a' AND lower('Ä') = 'ä'") is True
    assert server.process is not None
    assert psutil.Process(server.process.pid).uids().real != 0


def test_it_listens_on_a_private_socket_only(server):
    assert server.process is not None
    sockets = psutil.Process(server.process.pid).net_connections(kind="inet")
    assert [found for found in sockets if found.status == psutil.CONN_LISTEN] == []
    assert server.socket_dir.stat().st_mode & 0o777 == 0o700


def test_what_was_committed_survives_three_kills(server):
    run(server, "CREATE TABLE kept (n int)")
    for number in range(3):
        run(server, f"INSERT INTO kept VALUES ({number})")
        server.kill()
        assert find_by_folder("postgres", server.cluster) == []
        server.start()
    assert value(server, "SELECT count(*) FROM kept") == 3


def test_a_server_left_by_a_killed_launcher_is_stopped_and_replaced(server):
    run(server, "CREATE TABLE kept AS SELECT 1")
    left = server.process
    successor = EmbeddedPostgres(server.data_dir, durable=False)
    successor.start()
    try:
        assert left is not None
        assert left.wait(timeout=5) == 0, "it was shut down, not killed"
        assert value(successor, "SELECT count(*) FROM kept") == 1
    finally:
        successor.stop()


def test_a_pid_file_that_names_a_living_stranger_is_no_obstacle(server):
    server.kill()
    pid_file = server.cluster / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    server.start()
    assert value(server, "SELECT 1") == 1


def test_a_path_too_long_for_a_socket_gets_a_short_folder_that_is_removed(folder):
    deep = folder / ("d" * 60) / ("e" * 60)
    server = EmbeddedPostgres(deep, durable=False)
    server.start()
    short = server.socket_dir
    try:
        assert not short.is_relative_to(deep)
        assert short.stat().st_mode & 0o777 == 0o700
        assert value(server, "SELECT 1") == 1
    finally:
        server.stop()
    assert not short.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_the_server_ends_when_its_launcher_is_killed(folder):
    launcher = (
        "import os, signal; from pathlib import Path;"
        "from deploy.local.postgres import EmbeddedPostgres;"
        f"EmbeddedPostgres(Path({str(folder / 'postgres')!r}), durable=False).start();"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", launcher], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (folder / "postgres" / "cluster" / "PG_VERSION").exists()
    eventually(lambda: not find_by_folder("postgres", folder / "postgres" / "cluster"), timeout=10)


def test_data_of_another_major_version_is_refused(folder):
    server = EmbeddedPostgres(folder / "postgres", durable=False)
    server.start()
    server.stop()
    (server.cluster / "PG_VERSION").write_text("9\n")
    with pytest.raises(LaunchError, match=r"made by PostgreSQL 9, the installed one is \d+"):
        server.start()


def test_a_folder_of_another_user_is_refused_with_the_remedy(folder, monkeypatch):
    server = EmbeddedPostgres(folder / "postgres", durable=False)
    server.start()
    server.stop()
    if AS_ROOT:  # as if root had handed the folder to someone
        os.chown(server.data_dir, 54321, 54321)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        server = EmbeddedPostgres(server.data_dir, durable=False)
    with pytest.raises(LaunchError, match=r"last used by .* DATA_DIR"):
        server.start()


def test_a_half_made_cluster_is_made_again(folder):
    server = EmbeddedPostgres(folder / "postgres", durable=False)
    (folder / "postgres" / "cluster.new" / "base").mkdir(parents=True)
    if AS_ROOT:
        for path in (folder / "postgres", *(folder / "postgres").rglob("*")):
            os.chown(path, 65534, 65534)
    server.start()
    try:
        assert value(server, "SELECT 1") == 1
    finally:
        server.stop()


@pytest.mark.skipif(AS_ROOT, reason="root may write everywhere")
def test_an_unwritable_folder_is_named(folder):
    folder.chmod(0o500)
    with pytest.raises(LaunchError, match=str(folder)):
        EmbeddedPostgres(folder / "postgres", durable=False).start()
    folder.chmod(0o700)


@pytest.mark.skipif(not AS_ROOT, reason="only root has to become someone else")
def test_root_without_a_way_to_pass_folders_is_told_what_to_do(folder, monkeypatch):
    monkeypatch.setattr(module, "_has_capability", lambda number: False)
    with pytest.raises(LaunchError, match="may not enter"):
        EmbeddedPostgres(folder / "postgres", durable=False).start()


def test_a_broken_setting_shows_the_log(folder):
    server = EmbeddedPostgres(folder / "postgres", durable=False, settings={"work_mem": "lots"})
    with pytest.raises(LaunchError, match="work_mem"):
        server.start()
