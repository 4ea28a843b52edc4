"""The parts of an `Endpoint` that every resource shares: list, read, and answers with an ETag."""

import threading
from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from core.api.etag import etag
from core.api.filters import StrictFilterBackend, refuse_unknown
from core.api.pagination import KeysetPagination
from core.api.views import Endpoint
from core.errors import ErrorCode, KairosError
from core.models import Entity
from core.rows import Columns


class Resource(Endpoint):
    """An endpoint over one kind of entity. `ordering` is the stable order of its list."""

    ordering: ClassVar[tuple[str, ...]] = ("id",)
    columns: ClassVar[Columns | None] = None
    filter_backends = [StrictFilterBackend]
    pagination_class = KeysetPagination
    missing: ClassVar[ErrorCode] = ErrorCode.NOT_FOUND
    # A path that cannot be an id is not found, like any other path that is not there.
    lookup_value_regex = (
        "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
    )

    def get_ordering(self) -> tuple[str, ...]:
        return self.ordering

    def page(self, queryset: Any, request: Request, *, serialize: Any = None) -> Response:
        """One page of `queryset`, filtered by the request."""
        rows = self.paginate_queryset(self.filter_queryset(queryset))
        data = (
            serialize(rows) if serialize is not None else self.get_serializer(rows, many=True).data
        )
        return self.get_paginated_response(data)

    def one(self, queryset: Any, **lookup: Any) -> Any:
        """The row, or a 404 that is the same for a foreign row and one that never was."""
        refuse_unknown(self.request, frozenset())
        row = queryset.filter(**(lookup or {"pk": self.kwargs["pk"]})).first()
        if row is None:
            raise KairosError(self.missing)
        return row

    def answer(
        self,
        entity: Entity,
        *,
        status: int = 200,
        data: Mapping[str, Any] | None = None,
    ) -> Response:
        """The entity with its ETag."""
        body = data if data is not None else self.get_serializer(entity).data
        return Response(body, status=status, headers={"ETag": etag(entity.version)})

    def checked(self, *, partial: bool = False, serializer: Any = None) -> dict[str, Any]:
        """The request's body after validation. Raises VALIDATION_ERROR, for unknown fields too."""
        return checked_body(
            self.request, serializer or self.get_serializer_class(), partial=partial
        )


def checked_body(request: Request, form: Any, *, partial: bool = False) -> dict[str, Any]:
    """The body validated by the serializer class `form`. Raises VALIDATION_ERROR."""
    bound = _prepared(form)
    bound.initial_data = request.data
    bound.partial = partial
    unknown = request.data.keys() - bound.fields.keys()
    if unknown:
        raise KairosError(
            ErrorCode.VALIDATION_ERROR,
            errors={name: ["unknown field"] for name in sorted(unknown)},
        )
    bound.is_valid(raise_exception=True)
    return dict(bound.validated_data)


_kept = threading.local()


def _prepared(form: Any) -> Any:
    """An empty serializer of this thread's, used again: making one copies every field each time."""
    kept = _kept.__dict__.setdefault("forms", {})
    bound = kept.get(form)
    if bound is None:
        bound = kept[form] = form(data={})
    for outcome in ("_validated_data", "_errors", "_data"):
        bound.__dict__.pop(outcome, None)
    return bound
