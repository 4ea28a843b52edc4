"""What a board tells: tokens in their order, soon after each change, and never whose they are."""

import json
from time import monotonic

import pytest
from django.db import transaction

from checkin.services.queue import entry_left
from core import tenancy
from tests.appointments.scene import Scene, scene
from tests.checkin.live.boards import (
    SECRET,
    board,
    called,
    comes,
    paired,
    served,
    tokens,
    until_waiting,
    watching,
)

pytestmark = pytest.mark.django_db(transaction=True)
CALL = {"token", "room", "doctor", "at", "calls"}
WAITING = {"token", "position", "doctor", "from", "to"}


@pytest.fixture
def stage(live_asgi) -> Scene:
    return scene()


def test_the_whole_board_comes_at_once_and_after_each_change(live_asgi, stage):
    own = stage.own
    comes(own)
    with board(live_asgi, own.location.id, shown=("bearer", own.reception.token)) as ear:
        first = ear.next()
        assert (first["type"], first["version"]) == ("snapshot", 1)
        assert tokens(first) == ["W001"]
        comes(own, doctor=own.doctor.id)
        second = ear.next()
        assert (second["type"], second["version"]) == ("changed", 2)
        assert tokens(second) == ["W001", "W002"]
        assert [one["position"] for one in second["queue"]["waiting"]] == [1, 2]
        assert second["queue"]["waiting"][1]["doctor"] == own.doctor.display_name
        assert second["at"] >= first["at"]
        first_in = called(own)
        third = ear.next()
        assert tokens(third, "called") == ["W001"]
        assert third["queue"]["called"][0]["room"] == own.room.name
        assert third["queue"]["called"][0]["calls"] == 1
        called(own, first_in)
        assert ear.next()["queue"]["called"][0]["calls"] == 2, "called once more"
        served(own, first_in)
        last = until_waiting(ear, "W002")
        assert last["queue"]["called"] == []
        while last["queue"]["served"] != 1:
            last = ear.next()


def test_nothing_on_the_wire_names_anybody(live_asgi, stage):
    own = stage.own
    with watching(live_asgi, own) as ear:
        entry = comes(own, doctor=own.doctor.id)
        heard = [ear.socket.recv(timeout=5)]
        called(own, entry)
        heard.append(ear.socket.recv(timeout=5))
    for text in heard:
        assert "W001" in text
        for secret in (SECRET, str(entry.id), entry.id.hex):
            assert secret not in text
        message = json.loads(text)
        assert message.keys() == {"type", "version", "at", "build", "queue"}
        assert message["queue"].keys() == {"called", "waiting", "served"}
        assert all(one.keys() == CALL for one in message["queue"]["called"])
        assert all(one.keys() == WAITING for one in message["queue"]["waiting"])


def test_of_another_location_and_of_a_change_that_was_undone_nothing_is_heard(live_asgi, stage):
    own = stage.own
    with watching(live_asgi, own) as ear:
        comes(stage.other)
        with tenancy.scope(()):
            comes(own)
            transaction.set_rollback(True)
        comes(own)
        assert tokens(ear.next()) == ["W001"]


def test_a_call_reaches_every_screen_within_a_second(live_asgi, stage):
    own = stage.own
    _, token = paired(own)
    waits = []
    with watching(live_asgi, own) as desk, watching(live_asgi, own, token) as wall:
        for number in range(1, 21):
            comes(own)
            for ear in (desk, wall):
                until_waiting(ear, f"W{number:03d}")
            called(own)
            committed = monotonic()
            for ear in (desk, wall):
                assert tokens(ear.next(), "called")[0] == f"W{number:03d}"
            waits.append(monotonic() - committed)
    print(f"\nheard {max(waits) * 1000:.0f} ms after the commit at worst")
    assert max(waits) < 1


def test_versions_grow_and_the_last_board_is_the_last_state(live_asgi, stage):
    """Thirty changes in a row: fewer boards may come, none of them out of order."""
    own = stage.own
    with watching(live_asgi, own) as ear:
        entries = [comes(own) for _ in range(15)]
        with tenancy.scope(()):
            by = own.reception.principal()
            for entry in entries[:-1]:
                entry_left(by=by, entry_id=entry.id, reason="went home")
        versions, moments = [], []
        message = None
        while message is None or tokens(message) != ["W015"]:
            message = ear.next()
            versions.append(message["version"])
            moments.append(message["at"])
        assert versions == sorted(set(versions))
        assert moments == sorted(moments)
        assert len(versions) <= 30


def test_who_comes_later_sees_the_same_board(live_asgi, stage):
    own = stage.own
    with watching(live_asgi, own) as early:
        comes(own)
        known = early.next()
        with board(live_asgi, own.location.id, shown=("bearer", own.admin.token)) as late:
            assert late.next() == known | {"type": "snapshot"}
        early.socket.send('{"type": "ping"}')
        assert early.next() == {"type": "ping", "version": known["version"]}
