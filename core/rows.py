"""Many columns for a hot list, without the price of naming them to the ORM each time.

Django compiles every column of a SELECT anew for each query; for a list of visits that costs more
than fetching it. Here the ORM compiles the query for the key alone (its filters, order and limit),
and the columns, which never change, are put in its place.
"""

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Model, QuerySet
from psycopg.types.datetime import TimestamptzLoader


def load_instants_fast(cursor: Any) -> None:
    """Let this cursor read timestamptz with psycopg's compiled loader.

    Django's own is Python, some six microseconds a value, to convert to the connection's zone; that
    is UTC here, as the server's answer is.
    """
    cursor.cursor.adapters.register_loader("timestamptz", TimestamptzLoader)


class Columns:
    """The concrete columns of a model, fetched as named tuples (`attname`s)."""

    def __init__(self, model: type[Model]) -> None:
        meta = model._meta
        table = connection.ops.quote_name(meta.db_table)
        names = [field.attname for field in meta.concrete_fields]
        make: Any = namedtuple  # the names are data, so no class can say them
        self._row = make(f"{model.__name__}Row", names)
        #: The columns, qualified, for a SELECT of one's own.
        self.select = ", ".join(
            f"{table}.{connection.ops.quote_name(field.column)}" for field in meta.concrete_fields
        )

    def fetch(self, queryset: QuerySet[Any]) -> list[Any]:
        """The rows of `queryset`, which must be one of whole rows (no values, no annotations)."""
        try:
            sql, params = queryset.values_list("pk").query.sql_with_params()
        except EmptyResultSet:  # the filters already say that there is nothing
            return []
        _, _, rest = sql.partition(" FROM ")
        with connection.cursor() as cursor:
            load_instants_fast(cursor)
            cursor.execute(f"SELECT {self.select} FROM {rest}", params)
            return [self.row(values) for values in cursor.fetchall()]

    def row(self, values: Sequence[Any]) -> Any:
        """The named tuple of one row's values, in the order of `select`."""
        return self._row._make(values)
