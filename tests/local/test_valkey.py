"""The embedded Valkey: one URL for everybody who knows it, and nobody else."""

from collections.abc import Iterator

import pytest
import redis
from kombu import Connection

from deploy.local.process import find_by_folder
from deploy.local.valkey import EmbeddedValkey


@pytest.fixture
def server(tmp_path) -> Iterator[EmbeddedValkey]:
    server = EmbeddedValkey(tmp_path / "a folder" / "valkey", durable=True)
    server.start()
    yield server
    server.stop()


def test_one_url_serves_the_client_and_the_broker(server):
    assert redis.Redis.from_url(server.url()).ping()
    with Connection(server.url()) as connection:
        queue = connection.SimpleQueue("q")
        queue.put({"a": 1})
        assert queue.get(timeout=5).payload == {"a": 1}
        queue.close()


def test_without_the_password_it_says_nothing(server):
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=server.port).ping()
    assert server.process is not None
    arguments = server.process.args
    password = server.url().split(":")[2].split("@")[0]
    assert password not in str(arguments)


def test_the_append_only_file_and_the_address_outlive_a_restart(server):
    redis.Redis.from_url(server.url()).set("kept", "yes")
    url = server.url()
    server.stop()
    server.start()
    assert server.url() == url
    assert redis.Redis.from_url(url).get("kept") == b"yes"


def test_a_server_left_by_a_killed_launcher_is_replaced(server):
    left = server.process
    successor = EmbeddedValkey(server.data_dir, durable=True)
    successor.start()
    assert left is not None
    assert left.wait(timeout=5) is not None
    assert [found.pid for found in find_by_folder("valkey-server", server.data_dir)] == [
        successor.process.pid if successor.process else None
    ]
    successor.stop()


def test_a_taken_port_is_given_up_for_another(tmp_path, server):
    second = EmbeddedValkey(tmp_path / "second", durable=False)
    second.port = server.port
    second.start()
    assert second.port != server.port
    assert redis.Redis.from_url(second.url()).ping()
    second.stop()
