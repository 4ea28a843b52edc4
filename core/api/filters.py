"""Filters that refuse what they do not know: a mistyped filter must not show everything."""

from typing import Any

from django.core.exceptions import ValidationError as FormError
from django_filters import rest_framework as filters
from rest_framework.request import Request

from core.errors import ErrorCode, KairosError

ALWAYS = frozenset({"limit", "cursor", "expand"})


class StrictFilterSet(filters.FilterSet):
    """A FilterSet whose unknown or unreadable parameters are a 400.

    `apply` cleans and applies only the filters that the request names. Django-filter's own way
    copies every field into a form for each request, which costs more than the query.
    """

    @classmethod
    def apply(cls, request: Request, queryset: Any) -> Any:
        """The filtered queryset. Raises VALIDATION_ERROR with one entry a bad parameter."""
        self = cls.__new__(cls)
        self.request = request
        errors: dict[str, list[str]] = {}
        for name in request.query_params:
            one = cls.base_filters.get(name)
            if one is None:
                continue
            raw = request.query_params[name]
            try:
                value = one.field.clean(raw)
            except FormError as error:
                errors[name] = [str(message) for message in error.messages]
                continue
            if one.method:
                queryset = getattr(self, one.method)(queryset, one.field_name or name, value)
            else:
                queryset = one.filter(queryset, value)
        if errors:
            raise KairosError(ErrorCode.VALIDATION_ERROR, errors=errors)
        return queryset


class StrictFilterBackend(filters.DjangoFilterBackend):
    """Applies a view's `filterset_class`; raises VALIDATION_ERROR naming each unknown parameter."""

    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        filterset_class = getattr(view, "filterset_class", None)
        known = set(filterset_class.base_filters) if filterset_class else set()
        refuse_unknown(request, known | set(getattr(view, "extra_parameters", ())))
        if filterset_class is None or not request.query_params:
            return queryset
        return filterset_class.apply(request, queryset)


def refuse_unknown(request: Request, known: set[str] | frozenset[str]) -> None:
    """Raises VALIDATION_ERROR for query parameters that are not in `known` (or always allowed)."""
    unknown = set(request.query_params) - known - ALWAYS
    if unknown:
        raise KairosError(
            ErrorCode.VALIDATION_ERROR,
            errors={name: ["unknown parameter"] for name in sorted(unknown)},
        )
