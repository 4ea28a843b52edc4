"""The SQL of a request: how many statements, which, and what each costs by itself."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

import psycopg
from django.db import connection

from benchmarks.asking import Asking, ask

_PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?([st%])")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as Django was given it, cut at its parameters: a piece, a value, a piece, …"""

    pieces: tuple[str, ...]
    values: tuple[Any, ...]

    def literal(self) -> str:
        """With its values written out."""
        written = [literal(value) for value in self.values]
        return "".join(
            piece + value for piece, value in zip(self.pieces, [*written, ""], strict=True)
        )


def literal(value: Any) -> str:
    """A value as it is written in SQL."""
    return psycopg.ClientCursor(connection.connection).mogrify("%s", [value])


def _statement(sql: str, params: Any) -> Statement:
    if not params:
        return Statement((sql.replace("%%", "%") if params is not None else sql,), ())
    pieces, values, piece, at = [], [], "", 0
    for found in _PLACEHOLDER.finditer(sql):
        piece += sql[at : found.start()]
        at = found.end()
        if found[2] == "%":
            piece += "%"
            continue
        pieces.append(piece)
        piece = ""
        values.append(params[found[1]] if isinstance(params, Mapping) else params[len(values)])
    return Statement((*pieces, piece + sql[at:]), tuple(values))


@contextmanager
def recording() -> Iterator[list[Statement]]:
    """Every statement that Django sends in this process.

    BEGIN and COMMIT, which the driver sends by itself, are not seen.
    """
    seen: list[Statement] = []

    def record(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append(_statement(sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(record):
        yield seen


def statements_of(asking: Asking) -> list[Statement]:
    """The statements of one request, in order, without its BEGIN and COMMIT."""
    with recording() as seen:
        ask(asking)
    return seen


def statements_a_request(askings: Sequence[Asking]) -> float:
    """How many on average, the transaction's own two included; the first request only warms up."""
    ask(askings[0])
    return mean(len(statements_of(asking)) + 2 for asking in askings[1:])


@dataclass(frozen=True, slots=True)
class Cost:
    """Median microseconds from sending a statement to having its rows, over `calls` of them."""

    text: str
    microseconds: float
    calls: int


def costs_of(askings: Sequence[Asking]) -> list[Cost]:
    """What each kind of statement costs in these requests, most expensive first."""
    spent: dict[str, list[float]] = {}

    def timed(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            kind = re.sub(r'"s\d+_x\d+"', "…", sql)
            spent.setdefault(kind, []).append((time.perf_counter() - started) * 1e6)

    with connection.execute_wrapper(timed):
        for asking in askings:
            ask(asking)
    costs = [Cost(" ".join(sql.split()), median(times), len(times)) for sql, times in spent.items()]
    return sorted(costs, key=lambda cost: -cost.microseconds * cost.calls)
