"""A form that creates something does so once, however often it is sent."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from core import idempotency, locks
from dashboard.access import Desk


def done_once(desk: Desk, what: str, once: UUID, said: Any, act: Callable[[], UUID]) -> UUID:
    """The id of what `act` made, now or when this form (`once`) was sent before.

    The second of two that come at the same time waits for the first. `said` is what the form asked
    for. Raises IDEMPOTENCY_MISMATCH when it has made something else already, LOCK_TIMEOUT, and
    whatever `act` raises, which leaves nothing behind.
    """
    return UUID(told_once(desk, what, once, said, lambda: str(act())))


def told_once(desk: Desk, what: str, once: UUID, said: Any, act: Callable[[], str]) -> str:
    """As `done_once`, for an act that has something to tell: its words are kept for a day."""
    user = desk.principal.user_id
    key = _key(what, once)
    print_ = idempotency.fingerprint("POST", what, repr(said).encode())
    locks.advisory([f"{key}:{user}"])
    stored = idempotency.claim(user, key, print_)
    if stored is not None:
        return stored.body.decode()
    told = act()
    idempotency.store(user, key, print_, idempotency.StoredAnswer(201, {}, told.encode()))
    return told


def told_before(desk: Desk, what: str, once: UUID) -> str | None:
    """What that form's act told, to who sent it; None when it was never sent."""
    stored = idempotency.kept(desk.principal.user_id, _key(what, once))
    return stored.body.decode() if stored is not None else None


def _key(what: str, once: UUID) -> str:
    return f"{what}:{once}"
