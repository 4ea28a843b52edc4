"""Clients of the live calendar: what they hear, and how the door closes on them."""

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.test import Client
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from accounts.models import User
from tests.appointments.scene import House, Person

SOON = 5.0


class Ear:
    """One open socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def next(self, timeout: float = SOON) -> dict[str, Any]:
        """What is heard next. Raises TimeoutError, ConnectionClosed."""
        return json.loads(self.socket.recv(timeout=timeout))

    def until(self, kind: str, timeout: float = SOON) -> dict[str, Any]:
        """The next message of that type; others before it are dropped."""
        deadline = time.monotonic() + timeout
        while True:
            message = self.next(max(deadline - time.monotonic(), 0.001))
            if message["type"] == kind:
                return message

    def changes(self, count: int = 1) -> list[dict[str, Any]]:
        """So many changes, in however many messages. Nothing but changes may come."""
        heard: list[dict[str, Any]] = []
        while len(heard) < count:
            message = self.next()
            assert message["type"] == "changed", message
            heard += message["changes"]
        assert len(heard) == count, heard
        return heard

    def closed(self, timeout: float = SOON) -> int:
        """The code with which the server closes, whatever comes before."""
        deadline = time.monotonic() + timeout
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.next(max(deadline - time.monotonic(), 0.001))
        code = self.socket.close_code
        assert code is not None
        return code


def cookie_of(user: User) -> str:
    """The cookie of a page session, made without the sign-in page."""
    client = Client()
    client.force_login(user, settings.AUTHENTICATION_BACKENDS[0])
    return client.cookies[settings.SESSION_COOKIE_NAME].value


@contextlib.contextmanager
def opened(
    base: str,
    clinic: UUID | str,
    *,
    by: Person | None = None,
    token: str | None = None,
    cookie: str | None = None,
    origin: str | None = "same",
    path: str = "/ws/appointments/{clinic}",
) -> Iterator[Ear]:
    """A socket of the clinic's calendar, by a person's token or by a page's cookie."""
    host = urlsplit(base).netloc
    token = by.token if by else token
    headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}"} if cookie else {}
    with connect(
        f"ws://{host}{path.format(clinic=clinic)}",
        origin=f"http://{host}" if origin == "same" else origin,  # type: ignore[arg-type]
        subprotocols=["bearer", token] if token else None,  # type: ignore[list-item]
        additional_headers=headers,
    ) as socket:
        yield Ear(socket)


@contextlib.contextmanager
def listening(base: str, house: House, by: Person | None = None) -> Iterator[Ear]:
    """A socket of the house's calendar that hears; by default the receptionist's."""
    with opened(base, house.clinic.id, by=by or house.reception) as ear:
        assert ear.next()["type"] == "snapshot"
        yield ear
