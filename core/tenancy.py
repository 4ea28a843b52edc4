"""Who may see which clinic's rows: one context manager, enforced by PostgreSQL.

Tables of a clinic carry row-level security on the transaction-local setting ``app.clinics``.
Unset or empty shows nothing; ``*`` is the system's own scope. Requests, tasks, consumers and
commands all go through `scope`; filters and permissions in the application stand on top of it.

The setting is always transaction-local: a session-level one would leak through a connection pool
to the next request.
"""

import select
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Literal
from uuid import UUID

from django.db import connection, transaction

SYSTEM: Final = "*"
Clinics = Iterable[UUID] | Literal["*"]

_setting: ContextVar[str] = ContextVar("app.clinics", default="")


def _as_setting(clinics: Clinics) -> str:
    if isinstance(clinics, str):
        if clinics != SYSTEM:
            raise ValueError("a scope is a list of clinic ids, or tenancy.SYSTEM")
        return SYSTEM
    return ",".join(sorted(str(UUID(str(clinic))) for clinic in clinics))


@contextmanager
def scope(clinics: Clinics, *, statement_timeout_ms: int | None = None) -> Iterator[None]:
    """Open a transaction that sees `clinics` only, and commit it at the end.

    Nested, it narrows or widens for the inner block (a savepoint) and restores the outer scope
    after it. `statement_timeout_ms` replaces the connection's limit until the outermost
    transaction ends: 30 000 for reports, 60 000 for jobs. Raises whatever the block raises, after
    rolling it back.
    """
    value = _as_setting(clinics)
    nested = connection.in_atomic_block
    if not nested:
        drop_dead_connection()
    outer = _setting.get()
    token = _setting.set(value)
    try:
        with transaction.atomic():
            if value or nested or statement_timeout_ms is not None:
                _set(value, statement_timeout_ms)
            yield
            if nested:
                # The savepoint's release keeps a local setting; give the outer block its own back.
                _set(outer, None)
    finally:
        _setting.reset(token)


def assume(clinics: Clinics) -> None:
    """Tell Python what a SQL function has just set, for the rest of the surrounding `scope`."""
    _setting.set(_as_setting(clinics))


def narrow(clinics: Clinics) -> None:
    """Leave only `clinics` in sight, for the rest of the surrounding `scope`."""
    value = _as_setting(clinics)
    _setting.set(value)
    _set(value, None)


def is_active() -> bool:
    """Whether any clinic is in scope; outside it the tables of clinics are empty."""
    return bool(_setting.get())


def _set(value: str, statement_timeout_ms: int | None) -> None:
    with connection.cursor() as cursor:
        if statement_timeout_ms is None:
            cursor.execute("SELECT set_config('app.clinics', %s, true)", [value])
        else:
            cursor.execute(
                "SELECT set_config('app.clinics', %s, true),"
                " set_config('statement_timeout', %s, true)",
                [value, str(statement_timeout_ms)],
            )


def drop_dead_connection() -> None:
    """Close an idle connection whose server has gone, so that the next statement opens a new one.

    An idle connection with something to read has been told good-bye (or lost its peer). Looking at
    the socket costs a microsecond; a health check would cost a round trip for every request.
    """
    raw = connection.connection
    if raw is None or connection.in_atomic_block:
        return
    if raw.closed or select.select([raw.fileno()], [], [], 0)[0]:
        connection.close()
