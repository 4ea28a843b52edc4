"""Token numbers: one after the other, for each location, letter and local day."""

from datetime import date
from typing import Final
from uuid import UUID

from django.db import connection

from core import ids

VISIT: Final = "A"
WALK_IN: Final = "W"


def token_take(*, clinic: UUID, location: UUID, day: date, prefix: str) -> int:
    """The next number, from 1. The counter's row is locked until the transaction ends, so that a
    number is given out once, and a transaction that fails gives its number back: no gaps.

    Take every appointment's lock before it, and no lock of a queue entry before it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO checkin_tokencounter AS counter"
            " (id, clinic_id, location_id, local_day, prefix, last)"
            " VALUES (%s, %s, %s, %s, %s, 1)"
            " ON CONFLICT (location_id, local_day, prefix) DO UPDATE SET last = counter.last + 1"
            " RETURNING last",
            [ids.uuid7(), clinic, location, day, prefix],
        )
        (number,) = cursor.fetchone()
    return int(number)
