"""Keyset pagination: a page starts after the last row seen, never at an OFFSET, with no count."""

import base64
import binascii
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db.models import Model, Q, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import invalid

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


class KeysetPagination(BasePagination):
    """`?limit=&cursor=` → `{"results", "next_cursor", "has_more"}`.

    The view's `ordering` names its fields, the last of them unique, all ascending or all with a
    leading minus. The cursor holds the last row's values; it is opaque, not secret.
    A view with `columns` gets plain rows instead of objects (see `core.rows`).
    """

    def paginate_queryset(
        self, queryset: QuerySet[Any], request: Request, view: Any = None
    ) -> list[Any]:
        ordering: tuple[str, ...] = view.get_ordering()
        limit = self.page_size(request)
        self._fields = [name.lstrip("-") for name in ordering]
        self._next: str | None = None
        cursor = request.query_params.get("cursor")
        if cursor:
            queryset = queryset.filter(
                self._after(
                    queryset.model, self._decode(cursor), descending=ordering[0].startswith("-")
                )
            )
        wanted = queryset.order_by(*ordering)[: limit + 1]
        columns = getattr(view, "columns", None)
        rows = list(wanted) if columns is None else columns.fetch(wanted)
        if len(rows) > limit:
            rows.pop()
            self._next = self._encode(rows[-1])
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response(self.envelope(data))

    def envelope(self, data: Any) -> dict[str, Any]:
        return {
            "results": data,
            "next_cursor": self._next,
            "has_more": self._next is not None,
        }

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["results", "next_cursor", "has_more"],
            "properties": {
                "results": schema,
                "next_cursor": {
                    "type": ["string", "null"],
                    "description": "For `cursor`, to read on; null on the last page.",
                },
                "has_more": {"type": "boolean"},
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            {
                "name": "limit",
                "in": "query",
                "required": False,
                "description": "Rows a page.",
                "schema": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_LIMIT,
                    "default": DEFAULT_LIMIT,
                },
            },
            {
                "name": "cursor",
                "in": "query",
                "required": False,
                "description": "`next_cursor` of the page before.",
                "schema": {"type": "string"},
            },
        ]

    @staticmethod
    def page_size(request: Request) -> int:
        """How many rows the request asks for. Raises VALIDATION_ERROR."""
        raw = request.query_params.get("limit")
        if raw is None:
            return DEFAULT_LIMIT
        if not raw.isascii() or not raw.isdigit() or not 1 <= int(raw[:9]) <= MAX_LIMIT:
            raise invalid("limit", f"a whole number from 1 to {MAX_LIMIT}")
        return int(raw)

    def _encode(self, row: Any) -> str:
        values = [getattr(row, name) for name in self._fields]
        return base64.urlsafe_b64encode(orjson.dumps(values)).decode().rstrip("=")

    def _decode(self, cursor: str) -> list[str]:
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            values = orjson.loads(raw)
        except (binascii.Error, ValueError):
            raise invalid("cursor", "not a cursor of this list") from None
        if (
            not isinstance(values, list)
            or len(values) != len(self._fields)
            or not all(isinstance(value, str) for value in values)
        ):
            raise invalid("cursor", "not a cursor of this list")
        return values

    def _after(self, model: type[Model], values: list[str], *, descending: bool) -> Q:
        """(a, b) > (x, y), written so that an index on (a, b) is used from its right end."""
        beyond, edge = ("lt", "lte") if descending else ("gt", "gte")
        typed = [
            self._typed(model, name, value)
            for name, value in zip(self._fields, values, strict=True)
        ]
        condition = Q()
        for number, name in enumerate(self._fields):
            same = {self._fields[i]: typed[i] for i in range(number)}
            condition |= Q(**same, **{f"{name}__{beyond}": typed[number]})
        return Q(**{f"{self._fields[0]}__{edge}": typed[0]}) & condition

    @staticmethod
    def _typed(model: type[Model], name: str, value: str) -> Any:
        field: Any = model._meta.get_field(name)
        kind = field.get_internal_type()
        try:
            match kind:
                case "DateTimeField":
                    moment = datetime.fromisoformat(value)
                    if moment.tzinfo is None:
                        raise ValueError("without offset")
                    return moment
                case "UUIDField":
                    return UUID(value)
                case _:
                    if "\x00" in value:
                        raise ValueError("a null character")
                    return value
        except ValueError:
            raise invalid("cursor", "not a cursor of this list") from None
