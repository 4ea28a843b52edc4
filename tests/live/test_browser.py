"""The browser's side (`static/js/live.js`): in Chromium against real servers, and by the clock."""

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings

from deploy.local.valkey import free_port
from tests.appointments.scene import House, scene
from tests.live.ears import cookie_of
from tests.support.polling import eventually
from tests.support.processes import answers, running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.chromium]
DAY = datetime.now(tz=UTC).replace(hour=8, minute=0, second=0, microsecond=0) + timedelta(days=3)
AGAIN = 10

LISTEN = """
async (clinic) => {
  const { live } = await import("/static/js/live.js");
  window.heard = [];
  window.ear = live({
    url: `/ws/appointments/${clinic}`,
    onChange: (changes, version) => window.heard.push(["change", changes, version]),
    onAll: () => window.heard.push(["all"]),
    onState: (state) => window.heard.push([state]),
  });
}
"""
# A server that says what the test says, and nothing by itself.
PUPPET = """
() => {
  window.sockets = [];
  window.WebSocket = class {
    static OPEN = 1;
    constructor() { this.readyState = 1; this.sent = []; this.shut = false; sockets.push(this); }
    send(text) { this.sent.push(text); }
    close() { this.shut = true; }
  };
  window.say = (message) => sockets.at(-1).onmessage({ data: JSON.stringify(message) });
}
"""


class Listening:
    """A page that listens, and what it was told to do."""

    def __init__(self, page: Any, house: House) -> None:
        self.page = page
        page.evaluate(LISTEN, str(house.clinic.id))

    def heard(self) -> list[list[Any]]:
        found: list[list[Any]] = self.page.evaluate("window.heard")
        return found

    def names(self) -> list[str]:
        return [entry[0] for entry in self.heard()]

    def forget(self) -> None:
        self.page.evaluate("window.heard.length = 0")

    def wait(self, *names: str, timeout: float = 5) -> None:
        """Until exactly these were told since the last `forget`, in this order."""
        eventually(lambda: self.names() == list(names) or self._fail(names), timeout=timeout)

    def _fail(self, names: tuple[str, ...]) -> None:
        raise AssertionError(f"heard {self.names()}, not {list(names)}")


Start = Callable[[], Any]


@pytest.fixture
def address(transactional_db) -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def server(address, tmp_path) -> Start:
    """Starts uvicorn, always at the same address; a context manager."""
    host, port = address.split(":")
    command = [sys.executable, "-m", "uvicorn", "config.asgi:application"]
    command += ["--host", host, "--port", port]

    def start() -> Any:
        return running(command, log=tmp_path / "asgi.log")

    return start


@pytest.fixture
def own(transactional_db) -> House:
    return scene().own


@pytest.fixture
def at_home(page, address, own) -> Iterator[Any]:
    """Opens a page of ours as the receptionist; what it complains of fails the test."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def go() -> Any:
        eventually(lambda: answers(f"http://{address}"), timeout=30)
        cookie = {"name": settings.SESSION_COOKIE_NAME, "value": cookie_of(own.reception.user)}
        page.context.add_cookies([cookie | {"url": f"http://{address}"}])
        page.goto(f"http://{address}/")
        return page

    yield go
    assert complaints == []


def test_a_page_hears_changes_and_the_end_of_its_session(server, at_home, own):
    with server():
        page = at_home()
        desk = Listening(page, own)
        desk.wait("open", "all")
        own.book(DAY)
        desk.wait("open", "all", "change")
        [_, changes, version] = desk.heard()[-1]
        assert version == 2
        assert [change["from"] for change in changes] == [int(DAY.timestamp())]
        desk.forget()
        page.evaluate(
            """async () => fetch("/sign-out", {method: "POST", headers: {
                "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value}})"""
        )
        desk.wait("ended")
    # The server is gone as well, and nobody looks for it any more.
    assert desk.names() == ["ended"]


def test_the_server_killed_and_restarted(server, at_home, own):
    with server():
        desk = Listening(at_home(), own)
        desk.wait("open", "all")
        desk.forget()
    desk.wait("lost")
    own.book(DAY)
    with server():
        eventually(lambda: desk.names()[-2:] == ["open", "all"], timeout=30)
        assert desk.names()[0] == "lost"
        desk.forget()
        own.book(DAY + timedelta(hours=1))
        desk.wait("change")


def test_valkey_killed_and_restarted(server, at_home, own, valkey_server):
    with server():
        desk = Listening(at_home(), own)
        desk.wait("open", "all")
        desk.forget()
        valkey_server.kill()
        desk.wait("unsure", "all")
        desk.wait("unsure", "all", "all", timeout=AGAIN)  # right again by plain HTTP meanwhile
        desk.forget()
        valkey_server.start()
        desk.wait("open", "all", timeout=AGAIN)
        desk.forget()
        own.book(DAY)
        desk.wait("change")


def test_by_the_clock(server, at_home, own):
    """Gaps, the 30 and 5 seconds, the watchdog and the growing pauses, without waiting for them."""
    with server():
        page = at_home()
        page.clock.install()
        page.evaluate(PUPPET)
        desk = Listening(page, own)

        def say(**message: Any) -> None:
            page.evaluate("(message) => say(message)", message)

        def tick(seconds: float) -> None:
            page.clock.run_for(int(seconds * 1000))

        def sockets() -> int:
            return int(page.evaluate("sockets.length"))

        say(type="snapshot", version=1)
        assert desk.names() == ["open", "all"]
        say(type="changed", version=2, changes=[{"doctor": "d", "from": 1, "to": 2}])
        assert desk.heard()[-1] == ["change", [{"doctor": "d", "from": 1, "to": 2}], 2]
        desk.forget()

        say(type="changed", version=4, changes=[])
        assert desk.names() == [], "everything at most once a second"
        tick(1)
        assert desk.names() == ["all"]
        desk.forget()
        say(type="later", version=99)
        say(type="changed", version=5, changes=[])
        assert desk.names() == ["change"]
        desk.forget()

        tick(10)
        assert page.evaluate("sockets.at(-1).sent") == ['{"type":"ping"}']
        say(type="ping", version=5)
        assert desk.names() == []
        tick(10)
        say(type="ping", version=6)
        assert desk.names() == ["all"], "a message was missed"
        desk.forget()
        for _ in range(3):
            tick(10)
            say(type="ping", version=6)
        assert desk.names() == ["all"], "every half minute in any case"
        desk.forget()

        tick(15)
        assert desk.names() == ["lost"], "no answer to a ping is no socket"
        assert page.evaluate("sockets.at(-1).shut") is True
        desk.forget()
        before = sockets()
        tick(0.5)
        assert sockets() == before + 1
        tick(4)
        assert "all" not in desk.names()
        tick(1)
        assert desk.names() == ["all"], "right by plain HTTP while it is lost"
        desk.forget()
        tick(60)
        assert 60 / 5 - 2 <= desk.names().count("all") <= 60 / 5 + 1
        assert 60 / 10 - 1 <= sockets() - before - 1 <= 60 / 7.5 + 2, "5 s to answer, 5 s at most"
        desk.forget()
        for _ in range(10):  # refused at once, again and again
            page.evaluate("sockets.at(-1).onclose?.({ code: 1006 })")
            tick(2.5)
        assert desk.names().count("all") >= 4
        page.evaluate("window.dispatchEvent(new Event('online'))")
        desk.forget()
        say(type="unsure")
        assert desk.names()[0] == "unsure"
        tick(1)
        desk.forget()
        say(type="snapshot", version=1)
        tick(1)
        assert desk.names() == ["open", "all"]
        desk.forget()

        page.evaluate("sockets.at(-1).onclose({ code: 1006 })")
        before = sockets()
        page.evaluate("window.dispatchEvent(new Event('online'))")
        assert sockets() == before + 1, "at once, when there is a network again"
        desk.forget()
        page.evaluate("sockets.at(-1).onclose({ code: 4403 })")
        assert desk.names() == ["ended"]
        tick(120)
        page.evaluate("window.dispatchEvent(new Event('online'))")
        assert desk.names() == ["ended"]
        assert sockets() == before + 1
