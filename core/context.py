"""The request of the moment: its id, the signed-in user, the client's address.

Audit rows, outbox events and log lines take them from here, so that no service has to pass them on.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID


@dataclass(slots=True)
class RequestContext:
    """`actor_id` is None for the system itself (tasks, commands)."""

    request_id: str = ""
    actor_id: UUID | None = None
    address: str | None = None


_current: ContextVar[RequestContext | None] = ContextVar("request_context", default=None)


def current() -> RequestContext:
    """The context of this request or task; a blank one where nobody has set it."""
    value = _current.get()
    if value is None:
        value = RequestContext()
        _current.set(value)
    return value


def begin(request_id: str, address: str | None = None) -> RequestContext:
    """Start a new context, replacing whatever this thread or task had."""
    value = RequestContext(request_id=request_id, address=address)
    _current.set(value)
    return value
