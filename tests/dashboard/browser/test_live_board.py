"""Two receptionists: what one does the other sees at once, and after every failure again."""

import re
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from appointments.models import Appointment, Verb
from appointments.services.status import appointment_move
from core import tenancy
from deploy.local.valkey import free_port
from tests.backoffice.browser.scene import Scene, build_scene
from tests.dashboard.browser.boards import (
    as_served,
    become_as_served,
    card,
    free,
    hears,
    open_board,
    second_doctor,
)
from tests.dashboard.browser.conftest import Desk
from tests.support.browser import expect
from tests.support.browser_watch import EXPECTED, sign_in, watched_page
from tests.support.polling import eventually
from tests.support.processes import answers, running

pytestmark = pytest.mark.chromium

ROUNDS = 10
AT_ONCE = 1_000  # milliseconds
AGAIN = 10
#: What a browser says while its server is away.
_AWAY = (
    EXPECTED,
    "ERR_CONNECTION_REFUSED",
    "ERR_CONNECTION_RESET",
    "ERR_EMPTY_RESPONSE",
    "WebSocket",
)
#: When the request that changes something leaves, and when its effect stands on the other board.
_NOTE_SENDING = """() => document.body.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.requestConfig.verb === "post") window.sentAt = Date.now();
})"""
_NOTE_SEEING = """(selector) => {
  window.seenAt = null;
  const look = () => {
    if (window.seenAt === null && document.querySelector(selector)) window.seenAt = Date.now();
  };
  window.looking?.disconnect();
  window.looking = new MutationObserver(look);
  window.looking.observe(document.getElementById("columns"), {childList: true, subtree: true});
}"""

Sit = Callable[..., Desk]


class Pair:
    """Who acts, and who looks on."""

    def __init__(self, acting: Desk, looking: Desk) -> None:
        self.acting, self.looking = acting, looking
        acting.page.evaluate(_NOTE_SENDING)

    def time(self, selector: str, act: Callable[[], Any]) -> int:
        """Milliseconds from the request that `act` sends until `selector` is on the other board."""
        self.looking.page.evaluate(_NOTE_SEEING, selector)
        act()
        seen = eventually(lambda: self.looking.page.evaluate("window.seenAt"), timeout=5)
        return int(seen - self.acting.page.evaluate("window.sentAt"))


def newest(scene: Scene) -> Appointment:
    with tenancy.scope([scene.cast.clinic.id]):
        return Appointment.objects.order_by("-id")[0]


def book_by_hand(desk: Desk, hour: int, patient: str) -> None:
    """Three moves: a free time, a patient, done."""
    page = desk.page
    free(desk, desk.scene.cast.doctor, desk.scene.today_at(hour)).click()
    expect(page.locator("#book [data-hold]")).to_be_visible()
    page.locator("#book-q").press_sequentially(patient)
    expect(page.locator("[role=option][aria-selected=true]")).to_contain_text(patient)
    page.keyboard.press("Enter")
    expect(page.locator(".book-go")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("Booked")


def test_a_change_in_one_is_in_the_other_within_a_second(sit_down: Sit, scene: Scene) -> None:
    colleague = second_doctor(scene)
    first, second = sit_down(scene.cast.receptionist), sit_down(scene.admin)
    for desk in (first, second):
        open_board(desk)
    pair = Pair(first, second)
    taken: dict[str, list[int]] = {"booked": [], "confirmed": [], "moved": []}
    for number in range(ROUNDS):
        hour = 12 + number
        at = scene.today_at(hour)
        slot = (at.hour * 60 + at.minute, scene.cast.doctor.id)
        name = ("Amelia", "Chioma")[number % 2]
        taken["booked"].append(
            pair.time(
                f"#d{slot[1]} .visit[data-t='{slot[0]}']",
                lambda h=hour, n=name: book_by_hand(first, h, n),
            )
        )
        visit = newest(scene)
        hears(second)
        card(first, visit).focus()
        first.page.keyboard.press("Enter")
        confirm = first.page.locator("#panel [data-key=c]")
        expect(confirm).to_be_visible()
        taken["confirmed"].append(pair.time(f"#v{visit.id}.CONFIRMED", confirm.click))
        expect(card(first, visit)).to_have_class(_having("CONFIRMED"))
        first.page.keyboard.press("Escape")
        expect(free(first, colleague, at)).to_have_count(1)

        def move(visit: Appointment = visit, at: Any = at) -> None:
            card(first, visit).focus()
            first.page.keyboard.press("x")
            free(first, colleague, at).focus()
            first.page.keyboard.press("v")

        taken["moved"].append(pair.time(f"#d{colleague.id} #v{visit.id}", move))
        expect(card(first, visit, colleague)).to_have_count(1)
        first.page.keyboard.press("Escape")
    for name, times in taken.items():
        print(f"\n{name}: median {statistics.median(times):.0f} ms, worst {max(times)} ms", end="")
    assert all(len(times) == ROUNDS for times in taken.values())
    assert max(max(times) for times in taken.values()) < AT_ONCE, taken
    become_as_served(first)
    become_as_served(second)
    second.shot("board-after-ten-rounds")


def _having(word: str) -> Any:
    return re.compile(rf"\b{word}\b")


# --- Killed ---------------------------------------------------------------------------------------


@pytest.fixture
def address(transactional_db: None) -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def server(address: str, tmp_path: Path) -> Callable[[], Any]:
    """Starts the server of pages and sockets, always at the same address; a context manager."""
    host, port = address.split(":")
    command = [sys.executable, "-m", "uvicorn", "config.asgi:application"]
    command += ["--host", host, "--port", port]

    def start() -> Any:
        return running(command, log=tmp_path / "asgi.log")

    return start


@pytest.fixture
def harbour(transactional_db: None) -> Scene:
    return build_scene()


@pytest.fixture
def two(browser: Any, address: str, harbour: Scene) -> Iterator[Callable[[], list[Desk]]]:
    """Opens two boards, once the server answers."""
    with ExitStack() as stack:

        def open_two() -> list[Desk]:
            eventually(lambda: answers(f"http://{address}"), timeout=30)
            desks = []
            for user in (harbour.cast.receptionist, harbour.admin):
                base = f"http://{address}"
                page = stack.enter_context(watched_page(browser, base, expected=_AWAY))
                sign_in(page, base, user)
                desks.append(Desk(page, base, harbour))
                open_board(desks[-1])
                page.evaluate("() => { window.sameDocument = true; }")
            return desks

        yield open_two


def confirm(scene: Scene, visit: Appointment) -> None:
    with scene.acting() as by:
        appointment_move(appointment_id=visit.id, verb=Verb.CONFIRM, by=by)


def right_again(desks: list[Desk], visit: Appointment, state: str = "CONFIRMED") -> None:
    """Every board shows it, and is what a fresh load would be; without having been loaded again."""
    for desk in desks:
        expect(desk.page.locator(f"#v{visit.id}.{state}")).to_have_count(1, timeout=AGAIN * 1000)
        become_as_served(desk, timeout=AGAIN)
        assert desk.page.evaluate("window.sameDocument") is True


def test_the_server_killed_and_restarted(
    server: Callable[[], Any], two: Callable[[], list[Desk]], harbour: Scene
) -> None:
    visit = harbour.book(harbour.patients[0], harbour.today_at(14))
    with server():
        desks = two()
        right_again(desks, visit, "SCHEDULED")
    for desk in desks:
        hears(desk, "lost")
        expect(desk.page.locator("#live")).to_contain_text("Reconnecting")
    desks[0].shot("board-reconnecting")
    confirm(harbour, visit)
    second = harbour.book(harbour.patients[1], harbour.today_at(15))
    with server():
        eventually(lambda: answers(desks[0].base), timeout=30)
        right_again(desks, visit)
        right_again(desks, second, "SCHEDULED")
        for desk in desks:
            hears(desk)
        third = harbour.book(harbour.patients[2], harbour.today_at(16))
        right_again(desks, third, "SCHEDULED")


def test_valkey_killed_and_restarted(
    server: Callable[[], Any],
    two: Callable[[], list[Desk]],
    harbour: Scene,
    valkey_server: Any,
) -> None:
    visit = harbour.book(harbour.patients[0], harbour.today_at(14))
    with server():
        desks = two()
        right_again(desks, visit, "SCHEDULED")
        valkey_server.kill()
        for desk in desks:
            hears(desk, "unsure")
            expect(desk.page.locator("#live")).to_contain_text("looking again")
        confirm(harbour, visit)
        right_again(desks, visit)  # by plain HTTP meanwhile
        valkey_server.start()
        for desk in desks:
            hears(desk)
        second = harbour.book(harbour.patients[1], harbour.today_at(15))
        right_again(desks, second, "SCHEDULED")


def test_the_outsiders_change_is_nobodys_here(sit_down: Sit, scene: Scene) -> None:
    """A board is not even asked again for what happens in another clinic."""
    away = build_scene("elsewhere")
    desk = sit_down(scene.cast.receptionist)
    open_board(desk)
    become_as_served(desk)
    asked: list[str] = []
    desk.page.on("request", lambda request: asked.append(request.url))
    away.book(away.patients[0], away.today_at(14))
    visit = scene.book(scene.patients[0], scene.today_at(15))
    expect(card(desk, visit)).to_have_count(1)
    columns = reverse(
        "desk-columns",
        kwargs={"slug": scene.cast.clinic.slug, "day": scene.today_at(0).date()},
    )
    assert len([url for url in asked if columns in url and "only=" in url]) == 1
    assert as_served(desk)
