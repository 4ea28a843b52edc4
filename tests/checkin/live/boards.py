"""Sockets of a waiting room's board, and people who come and are called."""

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from websockets.sync.client import connect

from checkin.models import CheckInDevice, DeviceKind, QueueEntry
from checkin.services.devices import device_make, device_pair
from checkin.services.queue import call_next, entry_add, entry_call, entry_done, entry_start
from core import tenancy
from tests.appointments.scene import House
from tests.live.ears import Ear

#: A name that must never be heard.
SECRET = "Undisclosed"
_numbers = itertools.count(1)


@contextlib.contextmanager
def board(
    base: str,
    location: UUID | str,
    *,
    shown: tuple[str, ...] = (),
    cookies: dict[str, str] | None = None,
    path: str = "/ws/queue/{location}",
) -> Iterator[Ear]:
    """A socket of the location's board; `shown` are its sub-protocols."""
    host = urlsplit(base).netloc
    kept = "; ".join(f"{name}={value}" for name, value in (cookies or {}).items())
    with connect(
        f"ws://{host}{path.format(location=location)}",
        origin=f"http://{host}",  # type: ignore[arg-type]
        subprotocols=list(shown) or None,  # type: ignore[arg-type]
        additional_headers={"Cookie": kept} if kept else {},
    ) as socket:
        yield Ear(socket)


@contextlib.contextmanager
def watching(base: str, house: House, token: str | None = None) -> Iterator[Ear]:
    """A socket that has had its first board; by default the receptionist's."""
    shown = ("bearer", house.reception.token) if token is None else ("device", token)
    with board(base, house.location.id, shown=shown) as ear:
        assert ear.next()["type"] == "snapshot"
        yield ear


def page_cookie(value: str) -> dict[str, str]:
    return {settings.SESSION_COOKIE_NAME: value}


def paired(
    house: House, kind: str = DeviceKind.WALL, location: Any = None, **more: Any
) -> tuple[CheckInDevice, str]:
    """A device that is paired, and its token."""
    with tenancy.scope(()):
        by = house.admin.principal()
        _, code = device_make(
            by=by,
            clinic=house.clinic,
            location=location or house.location,
            kind=kind,
            name=f"Screen {next(_numbers)}",
            **more,
        )
    return device_pair(pairing_code=code)


def comes(house: House, **more: Any) -> QueueEntry:
    """Somebody walks in."""
    with tenancy.scope(()):
        return entry_add(
            by=house.reception.principal(),
            location=house.location.id,
            guest_name=f"{SECRET} {next(_numbers)}",
            **more,
        )


def called(house: House, entry: QueueEntry | None = None) -> QueueEntry:
    """The receptionist calls somebody, by default whoever is next, to the house's room."""
    with tenancy.scope(()):
        by = house.reception.principal()
        if entry is not None:
            return entry_call(by=by, entry_id=entry.id, room=house.room.id)
        found = call_next(by=by, location=house.location.id, room=house.room.id)
    assert found is not None
    return found


def served(house: House, entry: QueueEntry) -> None:
    """Somebody who was called is seen, and goes."""
    with tenancy.scope(()):
        by = house.reception.principal()
        entry_start(by=by, entry_id=entry.id)
        entry_done(by=by, entry_id=entry.id)


def tokens(message: dict[str, Any], part: str = "waiting") -> list[str]:
    return [one["token"] for one in message["queue"][part]]


def until_waiting(ear: Ear, *wanted: str, timeout: float = 5) -> dict[str, Any]:
    """The first board from here on, on which exactly these wait, in this order."""
    while True:
        message = ear.next(timeout)
        if "queue" in message and tokens(message) == list(wanted):
            return message
