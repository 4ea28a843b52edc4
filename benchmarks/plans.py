"""The plans that real requests get, with those of the statements inside functions.

Taken by auto_explain on the runtime's own connection, under row security. Sequential scans of large
tables are flagged.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from django.db import connection

from benchmarks.asking import Asking, ask
from benchmarks.cases import CASES, People

#: A table is large from this many rows on; below, reading it whole is right.
LARGE = 5_000
#: Functions keep a generic plan from the sixth call on.
WARM_UP = 8
_PREPARE = (
    "SET ROLE NONE",
    "LOAD 'auto_explain'",
    "SET auto_explain.log_min_duration = 0",
    "SET auto_explain.log_analyze = on",
    "SET auto_explain.log_buffers = on",
    "SET auto_explain.log_nested_statements = on",
    "SET auto_explain.log_level = 'notice'",
    "SET client_min_messages = 'notice'",
    "SET ROLE kairos_app",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """One executed statement. `scanned` names the large tables that were read whole."""

    statement: str
    milliseconds: float
    text: str
    scanned: tuple[str, ...]


class Explaining:
    """Collects the plans of everything that this process's connection executes."""

    def __init__(self, large: frozenset[str]) -> None:
        self.large = large
        self.plans: list[Plan] = []
        connection.ensure_connection()
        self._raw: psycopg.Connection = connection.connection
        self._raw.add_notice_handler(self._noticed)
        with connection.cursor() as cursor:
            for statement in _PREPARE:
                cursor.execute(statement)
        self.plans.clear()

    def close(self) -> None:
        """Give the connection up: it is not like the runtime's any more."""
        self._raw.remove_notice_handler(self._noticed)
        connection.close()

    def _noticed(self, notice: psycopg.errors.Diagnostic) -> None:
        message = notice.message_primary or ""
        found = re.match(r"duration: ([\d.]+) ms\s+plan:\s+Query Text: (.*)", message, re.DOTALL)
        if found is None or "Scan" not in found[2]:  # a call of a function reads no table itself
            return
        statement, plan = _split(found[2])
        scanned = tuple(sorted(self.large.intersection(_seq_scans(plan))))
        self.plans.append(Plan(statement, float(found[1]), plan, scanned))


def _split(text: str) -> tuple[str, str]:
    """The statement and its plan: the plan begins at the first line with a cost."""
    found = re.search(r"^\S.*\(cost=.*$", text, re.MULTILINE)
    at = found.start() if found else len(text)
    return " ".join(text[:at].split()), text[at:].rstrip()


def _seq_scans(plan: str) -> list[str]:
    """Tables scanned whole; those below a node that never ran are not counted."""
    return [
        name
        for name, rest in re.findall(r"Seq Scan on (\S+)([^\n]*)", plan)
        if "never executed" not in rest
    ]


def large_tables(people: People) -> frozenset[str]:
    """Tables and partitions with LARGE rows or more, by the planner's statistics."""
    return frozenset(
        name
        for (name,) in people.database.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples >= %s"
            " AND relnamespace = 'public'::regnamespace",
            [LARGE],
        )
    )


def plans_of(askings: list[Asking], large: frozenset[str]) -> list[Plan]:
    """The plans of the last of these requests, after the others have warmed everything up."""
    explaining = Explaining(large)
    try:
        for asking in askings:
            explaining.plans.clear()
            ask(asking)
        return list(explaining.plans)
    finally:
        explaining.close()


def plans_report(people: People, names: list[str], say: Callable[[str], None]) -> bool:
    """Print every case's statements with their plans; whether no large table was read whole."""
    large = large_tables(people)
    clean = True
    for name in names:
        case = CASES[name]
        say(f"\n=== {case.what}")
        for plan in plans_of(case.make(people, 1)[: WARM_UP + 1], large):
            flag = f"   SEQ SCAN OF {', '.join(plan.scanned)}" if plan.scanned else ""
            clean = clean and not plan.scanned
            say(f"\n--- {plan.milliseconds:.3f} ms{flag}\n{plan.statement[:600]}\n{plan.text}")
    say("\nno large table is read whole" if clean else "\nLARGE TABLES ARE READ WHOLE, see above")
    return clean
