"""Facts into groups, in the database: one statement for the total and every grouping asked for.

**Few persons.** A middle or a rate over fewer than five persons says more about them than about
the clinic, and figures leave the house as files and on paper. Such a figure is withheld (None).
Plain counts stay: whoever may read a report may read each of the visits behind it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, Generic, TypeVar

from django.db import connection
from django.utils.translation import gettext as _

from checkin.selectors.analytics.dimensions import DIMENSIONS, names_of, place_of_key
from checkin.selectors.analytics.question import Question
from core import tenancy
from core.errors import invalid

#: Distinct persons under which middles and rates are withheld.
FEW: Final = 5
TIMEOUT_MS: Final = 30_000

F = TypeVar("F")


@dataclass(frozen=True, slots=True)
class Group(Generic[F]):
    """One group: `key` for programs, `label` for people. Key None: rows that have none of it."""

    key: str | None
    label: str
    figures: F


@dataclass(frozen=True, slots=True)
class Report(Generic[F]):
    """The figures of everything asked for, and of its groups by dimension, in order."""

    total: F
    groups: dict[str, list[Group[F]]] = field(default_factory=dict)


def middles(name: str, value: str) -> dict[str, str]:
    """The columns `name_median`, `name_p90` and `name_mean` of an expression over the facts."""
    return {
        f"{name}_{kind}": enough(what, f"{value} IS NOT NULL", digits=1)
        for kind, what in (
            ("median", f"percentile_cont(0.5) WITHIN GROUP (ORDER BY {value})"),
            ("p90", f"percentile_cont(0.9) WITHIN GROUP (ORDER BY {value})"),
            ("mean", f"avg({value})"),
        )
    }


def enough(what: str, which: str, *, digits: int) -> str:
    """`what`, rounded, where the facts for which `which` holds are of enough persons."""
    return (
        f"CASE WHEN count(DISTINCT person) FILTER (WHERE {which}) >= {FEW}"
        f" THEN round(({what})::numeric, {digits})::float8 END"
    )


def grouped(
    made: type[F],
    *,
    facts: str,
    measures: Mapping[str, str],
    dimensions: Sequence[str],
    question: Question,
    groups: Sequence[str],
) -> Report[F]:
    """Run one report.

    `facts` is a SELECT whose columns are those that `measures` use and one for each of the
    report's `dimensions`; `measures` maps each field of the dataclass `made` to its expression.
    Raises VALIDATION_ERROR for a group that is not among the dimensions.
    """
    unknown = [name for name in groups if name not in dimensions]
    if unknown:
        raise invalid("group", _("Choose one of: %(names)s.") % {"names": ", ".join(dimensions)})
    columns = ", ".join(measures[one.name] for one in fields(made))  # type: ignore[arg-type]  # a dataclass
    sets = ", ".join(["()", *(f"({name})" for name in groups)])
    sql = (
        f"SELECT {''.join(f'GROUPING({name}), {name}::text, ' for name in groups)}{columns}"
        f" FROM ({facts}) AS facts GROUP BY GROUPING SETS ({sets})"
    )
    with tenancy.scope([question.clinic], statement_timeout_ms=TIMEOUT_MS):
        with connection.cursor() as cursor:
            cursor.execute(sql, question.params())
            rows = cursor.fetchall()
        return _report(made, rows, groups)


def _report(made: type[F], rows: list[tuple[Any, ...]], groups: Sequence[str]) -> Report[F]:
    width = 2 * len(groups)
    total = None
    keyed: dict[str, dict[str | None, F]] = {name: {} for name in groups}
    for row in rows:
        figures = made(*row[width:])
        of = next((place for place in range(len(groups)) if row[2 * place] == 0), None)
        if of is None:
            total = figures
        else:
            keyed[groups[of]][row[2 * of + 1]] = figures
    if total is None:  # cannot be: the empty set has a row even without facts
        raise RuntimeError("a report without its total")
    return Report(total, {name: _ordered(name, found) for name, found in keyed.items()})


def _ordered(dimension: str, found: dict[str | None, F]) -> list[Group[F]]:
    names: dict[str | None, str] = {}
    names.update(names_of(dimension, (key for key in found if key is not None)))
    empty = DIMENSIONS[dimension].empty
    if None in found and empty is not None:
        names[None] = str(empty)
    made = [Group(key, names[key], figures) for key, figures in found.items() if key in names]
    return sorted(made, key=lambda one: place_of_key(dimension, one.key, one.label))
