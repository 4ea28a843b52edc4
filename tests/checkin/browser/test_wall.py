"""The wall screen in Chromium: calls at once, says how old it is, and never gives up."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from checkin.device_auth import COOKIE
from checkin.models import PointMode
from checkin.services.devices import device_revoke
from core import tenancy
from deploy.local.valkey import free_port
from tests.appointments.scene import House, scene
from tests.checkin.arrivals import point
from tests.checkin.live.boards import SECRET, called, comes, paired
from tests.support.axe import violations
from tests.support.browser_watch import EXPECTED, is_too_wide, shot, watched_page
from tests.support.polling import eventually
from tests.support.processes import answers, running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.chromium]
BOARDS = 2_000
SIZES = [(1366, 768), (3840, 2160), (1080, 1920), (360, 740)]
#: What a browser says while its server is away.
AWAY = (EXPECTED, "ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE")
_NOTE_CALL = """(token) => {
  window.calledAt = new Promise((resolve) => {
    const last = document.getElementById("wall-last");
    new MutationObserver(() => {
      if (last.textContent.includes(token)) resolve(Date.now());
    }).observe(last, { childList: true });
  });
}"""
#: Boards, one after the other, through the page's own socket; each calls somebody else.
_FEED = """(count) => {
  const row = (number) => ({ token: `A${number}`, position: 1, doctor: "Dr", from: 5, to: 10 });
  const base = (window.fed ??= Date.now());
  for (let number = 1; number <= count; number += 1) {
    window.fed += 1;
    const token = `A${window.fed % 900 + 100}`;
    const call = { token, room: "Room 1", doctor: "Dr", at: 1, calls: 1 };
    window.tapped.onmessage({ data: JSON.stringify({
      type: "changed", version: number, at: base + window.fed, build: "",
      queue: { called: [call, call], waiting: [...Array(12).keys()].map(row), served: number },
    }) });
  }
}"""
_TAP = """
  window.WebSocket = class extends WebSocket {
    constructor(...given) { super(...given); window.tapped = this; }
  };
"""
_SPEAK = """
  window.said = [];
  const made = { lang: "en-US", localService: true, name: "Test" };
  Object.defineProperty(window, "speechSynthesis", { value: {
    getVoices: () => [made],
    speak(one) { window.said.push(one.text); setTimeout(() => one.onend?.(), 10); },
    cancel() {},
  } });
  window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };
"""


@pytest.fixture
def own(transactional_db) -> House:
    return scene().own


@pytest.fixture
def address() -> str:
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture
def server(transactional_db, address, tmp_path):
    """Starts uvicorn, always at the same address."""
    command = [sys.executable, "-m", "uvicorn", "config.asgi:application"]
    command += ["--host", "127.0.0.1", "--port", address.rpartition(":")[2]]

    def start() -> Any:
        return running(command, log=tmp_path / "asgi.log")

    return start


@pytest.fixture
def screen(browser, address, own) -> Iterator[Any]:
    """`screen(token)` opens the wall of a device; it has had no complaint in the end."""
    contexts = []

    def open_wall(token: str, size=SIZES[0], **options: Any) -> Any:
        eventually(lambda: answers(address), timeout=30)
        held = watched_page(
            browser,
            address,
            expected=(*AWAY, "WebSocket", "a status of 401"),
            viewport={"width": size[0], "height": size[1]},
            **options,
        )
        page = held.__enter__()
        contexts.append(held)
        page.context.add_cookies([{"name": COOKIE, "value": token, "url": address}])
        page.add_init_script(_SPEAK + _TAP)
        page.goto(f"{address}/wall/")
        page.wait_for_selector('#wall[data-live="open"]')
        return page

    yield open_wall
    for held in contexts:
        held.__exit__(None, None, None)


def busy(own: House, waiting: int = 14) -> None:
    """Four were called, the others wait."""
    other = own.add_doctor()
    for number in range(waiting + 4):
        doctor = (own.doctor.id, other.id, None)[number % 3]
        comes(own, doctor=doctor, service=own.service.id)
    for _ in range(4):
        called(own)


def last(page: Any) -> str:
    return str(page.inner_text("#wall-last"))


def test_a_call_is_shown_within_a_second_and_called_out(server, screen, own):
    with server():
        _, token = paired(own)
        page = screen(token)
        assert page.is_visible("#wall-nobody")
        comes(own)
        page.wait_for_selector("#wall-list >> text=W001")
        page.evaluate(_NOTE_CALL, "W001")
        called(own)
        committed = page.evaluate("Date.now()")
        shown = page.evaluate("window.calledAt")
        assert shown - committed < 1_000
        assert own.room.name in last(page)
        assert page.is_hidden("#wall-nobody")
        eventually(lambda: page.evaluate("window.said") == [f"Token W 1. {own.room.name}."])
        again = comes(own)
        called(own)
        eventually(lambda: "W002" in last(page))
        assert "W001" in page.inner_text("#wall-before")
        called(own, again)
        eventually(lambda: len(page.evaluate("window.said")) == 3, timeout=10)
        page.reload()
        page.wait_for_selector('#wall[data-live="open"]')
        assert page.evaluate("window.said") == [], "what was called out is not repeated"
        assert SECRET not in page.content()


def test_it_shows_how_old_it_is_and_is_right_again_when_the_server_is_back(server, screen, own):
    with server():
        _, token = paired(own)
        page = screen(token)
        comes(own)
        page.wait_for_selector("#wall-list >> text=W001")
        assert page.is_hidden("#wall-lost")
    page.wait_for_selector("#wall-lost:visible", timeout=10_000)
    assert page.inner_text("#wall-lost").startswith("As of ")
    assert "W001" in page.inner_text("#wall-list"), "the last state stays"
    comes(own)
    with server():
        page.wait_for_selector("#wall-list >> text=W002", timeout=30_000)
        page.wait_for_selector('#wall[data-live="open"]', timeout=30_000)
        assert page.is_hidden("#wall-lost")


def test_revoked_it_goes_to_the_pairing_page(server, screen, own):
    with server():
        device, token = paired(own)
        page = screen(token)
        with tenancy.scope(()):
            device_revoke(by=own.admin.principal(), device_id=device.id)
        page.wait_for_url("**/pair", timeout=10_000)


@pytest.mark.parametrize(("scheme", "locale"), [("light", "en-US"), ("dark", "ar")])
def test_it_is_fit_to_be_read_in_every_size(server, screen, own, scheme, locale):
    """In the dark from right to left, which makes the most of one look."""
    busy(own)
    entrance = point(own, mode=PointMode.ROTATING)
    with server():
        _, token = paired(own, point=entrance)
        faults = []
        for size in SIZES:
            page = screen(token, size, color_scheme=scheme, locale=locale)
            page.wait_for_function("document.getElementById('wall-qr').complete")
            assert page.evaluate("document.dir") == ("rtl" if locale == "ar" else "ltr")
            assert not is_too_wide(page)
            if size[0] > 700:
                scrolls = "document.documentElement.scrollHeight > window.innerHeight"
                assert not page.evaluate(scrolls), size
            shot(page, "wall", f"wall-{scheme}")
            faults += violations(page)
        assert faults == []


def test_thousands_of_boards_leave_nothing_behind(server, screen, own):
    busy(own)
    with server():
        _, token = paired(own)
        page = screen(token)
        session = page.context.new_cdp_session(page)
        page.evaluate(_FEED, 200)  # what is made once is made by then
        before = _weight(page, session)
        page.evaluate(_FEED, BOARDS)
        after = _weight(page, session)
        print(f"\nafter {BOARDS} boards: {before} became {after} (elements, bytes)")
        assert after[0] == before[0]
        assert after[1] - before[1] < 500_000


def _weight(page: Any, session: Any) -> tuple[int, int]:
    """Elements of the page, and the bytes that its scripts hold."""
    eventually(lambda: page.evaluate("window.said.length") is not None)
    session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")["usedSize"]
    return int(page.evaluate("document.getElementsByTagName('*').length")), int(used)
