"""A chain: an appointment's root and everything that followed it, as a tree, in one query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection

from appointments.models import Appointment
from appointments.selectors.appointments import appointments_visible_to
from clinics.principal import Principal
from core.errors import ErrorCode, KairosError, invalid
from core.rows import Columns, load_instants_fast

LIMIT: Final = 100
_COLUMNS: Final = Columns(Appointment)

# The chain comes from the index on the root, in whichever months its visits were booked. A page of
# it is cut by the ids, which are in the order of booking: a parent comes before what follows it, on
# an earlier page or on this. Where each stands in the tree is found from the ids and parents of all
# of them, which come with the first row of the page. (A recursive query reads the chain once for
# each generation, which for a line of 1,000 is a million rows.)
_SQL: Final = """
WITH asked AS MATERIALIZED (
    SELECT COALESCE(original_appointment_id, id) AS root FROM appointments_appointment
    WHERE id = %s AND {seen}
),
chain AS MATERIALIZED (
    SELECT {columns}, {seen} AS seen FROM appointments_appointment
    WHERE id = (SELECT root FROM asked)
    UNION ALL
    SELECT {columns}, {seen} FROM appointments_appointment
    WHERE original_appointment_id = (SELECT root FROM asked)
),
bones AS (
    SELECT array_agg(id) AS ids, array_agg(parent_appointment_id) AS parents,
           array_agg(id) FILTER (WHERE NOT seen) AS hidden
    FROM chain
),
page AS MATERIALIZED (
    SELECT row_number() OVER (ORDER BY id) AS place, * FROM chain
    WHERE seen AND (%s::uuid IS NULL OR id > %s::uuid)
    ORDER BY id LIMIT %s
)
SELECT CASE WHEN place = 1 THEN (SELECT ids FROM bones) END,
       CASE WHEN place = 1 THEN (SELECT parents FROM bones) END,
       CASE WHEN place = 1 THEN (SELECT hidden FROM bones) END,
       page.*
FROM asked LEFT JOIN page ON true
ORDER BY place
"""
#: What stands before the visit's own columns in a row: the bones and the place; and after: `seen`.
_BEFORE: Final = 4


@dataclass(frozen=True, slots=True)
class ChainNode:
    """One visit of a chain. `row` has the attributes of an `Appointment`.

    `parent` is the visit that it follows, the nearest that the reader may see; None for the first.
    """

    row: Any
    depth: int
    parent: UUID | None


@dataclass(frozen=True, slots=True)
class ChainPage:
    """Some of a chain, in the order in which it was booked. `next` is where to read on, None at
    the end."""

    nodes: Sequence[ChainNode]
    next: str | None


def chain_page(
    *, by: Principal, appointment_id: UUID, after: str | None = None, limit: int = LIMIT
) -> ChainPage:
    """The chain to which a visit belongs, as far as `by` may read it, in one query.

    Raises APPOINTMENT_NOT_FOUND for a visit that `by` may not read, VALIDATION_ERROR for an `after`
    that is no place of a chain.
    """
    seen, params = _seen_by(by)
    last = _place(after)
    sql = _SQL.format(seen=seen, columns=_COLUMNS.select)
    with connection.cursor() as cursor:
        load_instants_fast(cursor)
        cursor.execute(sql, [appointment_id, *params, *params, *params, last, last, limit + 1])
        rows = cursor.fetchall()
    if not rows:
        raise KairosError(ErrorCode.APPOINTMENT_NOT_FOUND)
    if rows[0][0] is None:  # past the end of the chain there is no visit
        return ChainPage([], None)
    ids, parents, hidden = rows[0][:3]
    tree = _Tree(dict(zip(ids, parents, strict=True)), frozenset(hidden or ()))
    visits = [_COLUMNS.row(values[_BEFORE:-1]) for values in rows[:limit]]
    nodes = [ChainNode(visit, *tree.place(visit.id)) for visit in visits]
    return ChainPage(nodes, str(visits[-1].id) if len(rows) > limit else None)


class _Tree:
    """Where the visits of a chain stand: how deep, and under which one that the reader may see.

    One that they may not see stands for nothing: what follows it hangs on what is above it.
    """

    def __init__(self, parents: Mapping[UUID, UUID | None], hidden: frozenset[UUID]) -> None:
        self._parents = parents
        self._hidden = hidden
        #: Of each visit that was looked at: the depth of what hangs on it, and on what that hangs.
        self._below: dict[UUID, tuple[int, UUID | None]] = {}

    def place(self, visit: UUID) -> tuple[int, UUID | None]:
        """Its depth, and its parent."""
        path: list[UUID] = []
        above = self._parents.get(visit)
        while above is not None and above not in self._below and above in self._parents:
            path.append(above)
            above = self._parents[above]
        depth, parent = self._below.get(above, (0, None)) if above is not None else (0, None)
        for one in reversed(path):
            if one not in self._hidden:
                depth, parent = depth + 1, one
            self._below[one] = depth, parent
        return depth, parent


def _seen_by(by: Principal) -> tuple[str, Sequence[Any]]:
    """The condition under which a row of the table is one that `by` may read."""
    try:
        sql, params = (
            appointments_visible_to(by, at_once=True).values_list("pk").query.sql_with_params()
        )
    except EmptyResultSet:
        return "false", ()
    _, where, condition = sql.partition(" WHERE ")
    return (f"({condition})", params) if where else ("true", ())


def _place(after: str | None) -> UUID | None:
    """The last visit of the page before."""
    if after is None:
        return None
    try:
        return UUID(after)
    except ValueError:
        raise invalid("cursor", "not a cursor of this list") from None
