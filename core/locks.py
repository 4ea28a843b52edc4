"""Advisory locks that keep a queue orderly. The guarantee is always a constraint, never the lock.

Without them, many writers on one doctor's day deadlock on the exclusion constraint instead of
waiting in line.
"""

from collections.abc import Iterable

from django.db import connection

LOCK_TIMEOUT_MS = 3000


def advisory(keys: Iterable[str], *, timeout_ms: int = LOCK_TIMEOUT_MS) -> None:
    """Take a transaction-long lock on each key, in sorted order, waiting at most `timeout_ms`.

    Sorting is what keeps two callers with overlapping keys from deadlocking. Raises
    RuntimeError outside a transaction (the lock would be gone at once) and
    `django.db.OperationalError` (55P03, answered as LOCK_TIMEOUT) when the wait is too long.
    """
    ordered = sorted(set(keys))
    if not connection.in_atomic_block:
        raise RuntimeError("a lock needs a transaction; outside one it is released at once")
    if not ordered:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT core_lock(%s::text[], %s)", [ordered, timeout_ms])
