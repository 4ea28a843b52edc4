"""Two receptionists: what one does the other sees at once, and after every failure again."""

import re
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

ROUNDS = 3
AGAIN = 10
#: What a browser says while its server is away.
_AWAY = (
    EXPECTED,
    "ERR_CONNECTION_REFUSED",
    "ERR_CONNECTION_RESET",
    "ERR_EMPTY_RESPONSE",
    "WebSocket",
)
Sit = Callable[..., Desk]


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


def test_a_change_in_one_is_in_the_other(sit_down: Sit, scene: Scene) -> None:
    """Nobody reads a page again. How quick it is, `python -m benchmarks live` measures."""
    colleague = second_doctor(scene)
    first, second = sit_down(scene.cast.receptionist), sit_down(scene.admin)
    for desk in (first, second):
        open_board(desk)
    for number in range(ROUNDS):
        at = scene.today_at(12 + number)
        book_by_hand(first, 12 + number, ("Amelia", "Chioma")[number % 2])
        visit = newest(scene)
        expect(card(second, visit, scene.cast.doctor)).to_have_count(1)
        card(first, visit).focus()
        first.page.keyboard.press("Enter")
        first.page.locator("#panel [data-key=c]").click()
        for desk in (first, second):
            expect(card(desk, visit)).to_have_class(_having("CONFIRMED"))
        first.page.keyboard.press("Escape")
        expect(free(first, colleague, at)).to_have_count(1)
        card(first, visit).focus()
        first.page.keyboard.press("x")
        free(first, colleague, at).focus()
        first.page.keyboard.press("v")
        for desk in (first, second):
            expect(card(desk, visit, colleague)).to_have_count(1)
        first.page.keyboard.press("Escape")
    become_as_served(first)
    become_as_served(second)
    second.shot("board-after-three-rounds")


def test_an_answer_that_failed_is_asked_for_again(sit_down: Sit, scene: Scene) -> None:
    """A busy server refuses a board its columns: the change is not lost until the next one."""
    desk = sit_down(scene.cast.receptionist, expected=(EXPECTED, "503"))
    open_board(desk)
    become_as_served(desk)
    refused: list[str] = []

    def refuse_once(route: Any) -> None:
        if refused:
            route.continue_()
        else:
            refused.append(route.request.url)
            route.fulfill(status=503, body="busy")

    desk.page.route("**/columns*", refuse_once)
    visit = scene.book(scene.patients[0], scene.today_at(14))
    expect(card(desk, visit)).to_have_count(1)
    assert refused


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
