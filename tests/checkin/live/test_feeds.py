"""One reading for all sockets of a process, and few of them however much happens."""

import asyncio
import threading
from collections import Counter
from uuid import UUID

import orjson
import pytest

from checkin import feeds as feeds_module
from checkin.board import board_json
from checkin.feeds import Feed
from core import ids
from tests.appointments.scene import scene
from tests.checkin.live.boards import comes


class Screen:
    """What a feed tells, as it came."""

    def __init__(self, feed: Feed) -> None:
        self.feed, self.versions, self.texts = feed, [], []

    def news(self) -> None:
        if self.feed.version and self.feed.version not in self.versions:
            self.versions.append(self.feed.version)
            self.texts.append(self.feed.text("changed"))


class Board:
    """A board in place of the database's: counts its readings, each as slow as the test likes."""

    def __init__(self) -> None:
        self.number = 0
        self.readings = 0
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.fails = 0

    def read(self) -> bytes:
        self.readings += 1
        seen = self.number
        assert self.goes_on.wait(5)
        if self.fails:
            self.fails -= 1
            raise ConnectionError
        return orjson.dumps({"called": [], "waiting": [], "served": seen})


class Ears:
    """A hub that says what the test says."""

    def __init__(self) -> None:
        self.listening: list[Feed] = []

    def listen(self, feed: Feed, groups: frozenset[str]) -> None:
        self.listening.append(feed)

    def forget(self, feed: Feed) -> None:
        self.listening.remove(feed)


@pytest.fixture
def ears(monkeypatch) -> Ears:
    found = Ears()
    monkeypatch.setattr(feeds_module, "hub", lambda: found)
    return found


@pytest.fixture
def slow(monkeypatch) -> Board:
    found = Board()
    monkeypatch.setattr(feeds_module, "board_read", lambda location, clinic: found.read())
    return found


async def until(true) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.005)


def served(text: str) -> int:
    return int(orjson.loads(text)["queue"]["served"])


def test_a_thousand_changes_during_a_reading_make_one_more(ears, slow):
    async def story() -> None:
        feed = Feed(ids.uuid7(), ids.uuid7())
        screens = [Screen(feed) for _ in range(300)]
        for screen in screens:
            feed.join(screen)
        assert len(ears.listening) == 1
        feed.sure(True)
        await until(lambda: feed.version == 1)
        slow.goes_on.clear()
        slow.number = 1
        feed.told("", None)
        await until(lambda: slow.readings == 2)
        for number in range(1000):  # while it reads
            slow.number = number
            feed.told("", None)
        slow.goes_on.set()
        await until(lambda: served(feed.text("changed")) == 999)
        assert slow.readings == 3
        for screen in screens:
            assert screen.versions == [1, 2, 3]
            assert screen.texts[-1] is feed.text("changed"), "the same text, not another of it"
        for screen in screens[:-1]:
            assert not feed.leave(screen)
        assert feed.leave(screens[-1])
        assert ears.listening == []

    asyncio.run(story())


def test_a_change_that_a_board_does_not_show_is_told_all_the_same(ears, slow):
    """The desk shows more than the wall, and hears by the same socket."""

    async def story() -> None:
        feed = Feed(ids.uuid7(), ids.uuid7())
        screen = Screen(feed)
        feed.join(screen)
        feed.sure(True)
        await until(lambda: feed.version == 1)
        feed.told("", None)
        await until(lambda: feed.version == 2)
        assert [served(text) for text in screen.texts] == [0, 0]
        feed.leave(screen)

    asyncio.run(story())


def test_without_news_it_looks_by_itself_and_tells_what_changed(ears, slow, monkeypatch):
    monkeypatch.setattr(feeds_module, "LOOK_SECONDS", 0.02)

    async def story() -> None:
        feed = Feed(ids.uuid7(), ids.uuid7())
        screen = Screen(feed)
        feed.join(screen)
        feed.sure(False)
        await until(lambda: slow.readings > 3)
        assert screen.versions == [1], "the same board is not told again and again"
        slow.number = 7
        await until(lambda: feed.version == 2)
        assert served(screen.texts[-1]) == 7
        before = slow.readings
        feed.sure(True)
        await until(lambda: feed.version == 3)
        assert feed.whole_version == 3
        await asyncio.sleep(0)
        assert slow.readings <= before + 2
        feed.leave(screen)

    asyncio.run(story())


def test_an_unchanged_board_is_told_again_after_a_while(ears, slow, monkeypatch):
    monkeypatch.setattr(feeds_module, "FRESH_SECONDS", 0.02)

    async def story() -> None:
        feed = Feed(ids.uuid7(), ids.uuid7())
        screen = Screen(feed)
        feed.join(screen)
        feed.sure(True)
        await until(lambda: feed.version >= 3)
        assert feed.whole_version == feed.version
        feed.leave(screen)

    asyncio.run(story())


def test_a_reading_that_fails_is_made_again(ears, slow, monkeypatch):
    monkeypatch.setattr(feeds_module, "_AGAIN_FIRST", 0.01)
    slow.fails = 3

    async def story() -> None:
        feed = Feed(ids.uuid7(), ids.uuid7())
        screen = Screen(feed)
        feed.join(screen)
        feed.sure(True)
        await until(lambda: feed.version == 1)
        assert slow.readings == 4
        assert feed.whole_version == 1
        feed.leave(screen)

    asyncio.run(story())


@pytest.mark.django_db(transaction=True)
def test_however_many_ask_over_http_the_board_is_read_once_a_second(django_assert_num_queries):
    own = scene().own
    comes(own)
    location: UUID = own.location.id
    seen: Counter[bytes] = Counter()
    first = board_json(location, clinic=own.clinic.id)
    comes(own)
    with django_assert_num_queries(0):
        for _ in range(50):
            seen[board_json(location, clinic=own.clinic.id)] += 1
    assert seen == {first: 50}
