"""The thread that publishes: over forks, at the end of a command, under a flood."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from core import live
from tests.support.polling import eventually

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.django_db(transaction=True)


@contextlib.contextmanager
def hearing(valkey_server, group: str) -> Iterator[list]:
    """What is published to the group: `[version, changes]` each; to be called for more."""
    client = redis.Redis.from_url(valkey_server.url(), socket_timeout=5)
    subscription = client.pubsub(ignore_subscribe_messages=True)
    subscription.subscribe(live.channel(group))
    subscription.get_message(timeout=5)  # its own confirmation

    def more() -> list:
        message = subscription.get_message(timeout=0.05)
        if message is not None:
            version, _, told = message["data"].partition(b" ")
            heard.append([int(version), json.loads(told)])
        return heard

    heard: list = []
    try:
        yield more  # type: ignore[misc]
    finally:
        subscription.close()
        client.close()


def test_what_comes_in_together_goes_out_together_and_each_change_once(valkey_server):
    with hearing(valkey_server, "together") as more:
        live.announce("together", {"n": 0})
        eventually(more)
        for number in (1, 2, 2, 3):
            live.announce("together", {"n": number})
        eventually(lambda: sum(len(told) for _, told in more()) >= 4)
        heard = more()
    assert [change["n"] for _, told in heard for change in told] == [0, 1, 2, 3]
    assert [version for version, _ in heard] == list(range(1, len(heard) + 1))
    assert len(heard) <= 3


def test_a_flood_becomes_everything(valkey_server):
    with hearing(valkey_server, "flood") as more:
        for number in range(20 * live.MANY):
            live.announce("flood", {"n": number})
        eventually(lambda: any(told is None for _, told in more()))


def test_a_process_that_forks_publishes_on_both_sides(valkey_server):
    story = """
import os, django
django.setup()
from core import live
live.announce("forked", {"who": "before"})
if os.fork() == 0:
    live.announce("forked", {"who": "child"})
    live._publisher._idle.wait(5)
    os._exit(0)
live.announce("forked", {"who": "parent"})
os.wait()
"""
    with hearing(valkey_server, "forked") as more:
        run(story)
        eventually(lambda: len(names(more())) >= 3)
        told = names(more())
    assert sorted(told) == ["before", "child", "parent"]


def test_a_command_that_ends_at_once_is_heard(valkey_server):
    with hearing(valkey_server, "command") as more:
        run(
            "import django; django.setup()\n"
            'from core import live; live.announce("command", {"who": "it"})'
        )
        assert eventually(lambda: names(more())) == ["it"]


def names(heard: list) -> list[str]:
    return [change["who"] for _, told in heard for change in told]


def run(story: str) -> None:
    subprocess.run([sys.executable, "-c", story], cwd=ROOT, env=os.environ, check=True, timeout=60)
