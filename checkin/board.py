"""The board of a waiting room: tokens, rooms, doctors and waits, as everybody may see them.

Never a patient's name or id. Sockets are pushed it (`checkin.feeds`); over HTTP it is read once a
second in each process, however many ask.
"""

import threading
from datetime import datetime
from time import monotonic, time
from typing import Any, Final
from uuid import UUID

import orjson
from django.contrib.staticfiles.storage import staticfiles_storage
from django.db import connection

from checkin.models import QueueState
from checkin.selectors.queue import Place, queue_of
from core import clock, tenancy

_KEPT_SECONDS: Final = 1.0
_KEPT_AT_MOST: Final = 500

_turn = threading.Lock()
_kept: dict[UUID, "_Kept"] = {}


class _Kept:
    """The last reading of one location's board in this process."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.until = 0.0
        self.text = b""


def board_read(location: UUID, *, clinic: UUID) -> bytes:
    """The location's board as it is now, as JSON: `{"called": […], "waiting": […], "served": n}`.

    `called` begins with the last call: `{"token", "room", "doctor", "at", "calls"}`, `at` in
    seconds since 1970. `waiting` is in order: `{"token", "position", "doctor", "from", "to"}`, the
    wait in minutes, null where nobody can tell. `served` counts those of today who were seen.
    """
    with tenancy.scope((clinic,)):
        places = queue_of(location)
        served = _served(location)
    called = [
        (place.called_at, place)
        for place in places
        if place.state == QueueState.CALLED and place.called_at is not None
    ]
    called.sort(key=lambda pair: (pair[0], pair[1].token), reverse=True)
    waiting = [place for place in places if place.state == QueueState.WAITING]
    return orjson.dumps(
        {
            "called": [_called(at, place) for at, place in called],
            "waiting": list(map(_waiting, waiting)),
            "served": served,
        }
    )


def board_of(location: UUID, *, clinic: UUID) -> dict[str, Any]:
    """The board for who asks over HTTP: `{"at", "build", "queue"}`, at most a second old.

    `at`: when it was read, in milliseconds since 1970; `build`: which scripts belong to it.
    """
    found: dict[str, Any] = orjson.loads(board_json(location, clinic=clinic))
    return found


def board_json(location: UUID, *, clinic: UUID) -> bytes:
    """`board_of`, as it is sent."""
    with _turn:
        kept = _kept.get(location)
        if kept is None:
            _forget_old()
            kept = _kept[location] = _Kept()
    with kept.turn:
        if monotonic() >= kept.until:
            queue = board_read(location, clinic=clinic)
            kept.until = monotonic() + _KEPT_SECONDS
            head = orjson.dumps({"at": int(time() * 1000), "build": build()})
            kept.text = head[:-1] + b',"queue":' + queue + b"}"
        return kept.text


def build() -> str:
    """What changes when scripts, styles or pictures do; empty while they are served as edited."""
    return str(getattr(staticfiles_storage, "manifest_hash", ""))


def _forget_old() -> None:
    """Called under `_turn`."""
    if len(_kept) >= _KEPT_AT_MOST:
        now = monotonic()
        for location in [location for location, kept in _kept.items() if kept.until < now]:
            del _kept[location]


_SERVED = """
SELECT count(*) FROM checkin_queueentry e JOIN clinics_location l ON l.id = e.location_id
WHERE e.location_id = %s AND e.state = 'DONE'
  AND e.local_day = (%s AT TIME ZONE l.timezone)::date
"""


def _served(location: UUID) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_SERVED, [location, clock.now()])
        return int(cursor.fetchone()[0])


def _called(at: datetime, place: Place) -> dict[str, Any]:
    return {
        "token": place.token,
        "room": place.room,
        "doctor": place.doctor,
        "at": int(at.timestamp()),
        "calls": place.calls,
    }


def _waiting(place: Place) -> dict[str, Any]:
    return {
        "token": place.token,
        "position": place.position,
        "doctor": place.doctor,
        "from": place.wait.low if place.wait else None,
        "to": place.wait.high if place.wait else None,
    }
