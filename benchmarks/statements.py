"""The SQL of a request: how many statements, which, and what each costs on its own."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

import psycopg
from django.db import connection

from benchmarks.asking import Asking, ask


class Recording:
    """Every statement that Django sends in this process, as literal SQL. BEGIN and COMMIT, which
    the driver sends by itself, are not seen here."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        raw = context["connection"].connection
        text = psycopg.ClientCursor(raw).mogrify(sql, params) if params else sql
        self.statements.append(text)
        return execute(sql, params, many, context)


def statements_of(asking: Asking) -> list[str]:
    """The statements of one request, in order, from BEGIN to COMMIT."""
    recording = Recording()
    with connection.execute_wrapper(recording):
        ask(asking)
    return ["BEGIN", *recording.statements, "COMMIT"]


def statements_a_request(askings: Sequence[Asking]) -> float:
    """How many on average, the transaction's own two included; the first request only warms up."""
    ask(askings[0])
    return mean(len(statements_of(asking)) for asking in askings[1:])


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds a statement takes, as the client sees it on an idle server; medians."""

    statement: str
    milliseconds: float


def costs_of(asking: Asking, *, rounds: int = 200) -> list[Cost]:
    """The statements of `asking`, replayed in transactions that are rolled back.

    The request itself must not have been made before, if it can be made only once; after this it
    still can.
    """
    recorded: list[str] = []
    _record_and_undo(asking, recorded)
    spent: list[list[float]] = [[] for _ in recorded]
    raw = connection.connection
    for _ in range(rounds):
        cursor = raw.cursor()
        cursor.execute("BEGIN") if raw.autocommit else None
        for number, statement in enumerate(recorded):
            started = time.perf_counter()
            cursor.execute(statement)
            if cursor.description:
                cursor.fetchall()
            spent[number].append(time.perf_counter() - started)
        cursor.execute("ROLLBACK")
    return [
        Cost(statement, median(times) * 1000)
        for statement, times in zip(recorded, spent, strict=True)
    ]


def _record_and_undo(asking: Asking, into: list[str]) -> None:
    """Make the request, note its statements, and roll it back."""
    from django.db import transaction  # noqa: PLC0415

    recording = Recording()
    try:
        with transaction.atomic(), connection.execute_wrapper(recording):
            ask(asking)
            raise _Undo
    except _Undo:
        into.extend(recording.statements)


class _Undo(Exception):
    pass
