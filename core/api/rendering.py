"""JSON out, through orjson: UUIDs as text, instants as RFC 3339 in UTC."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson
from django.utils.encoding import force_str
from django.utils.functional import Promise
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_PASSTHROUGH_SUBCLASS


def _other(value: Any) -> Any:
    match value:
        case Promise():
            return force_str(value)
        case Decimal():
            return str(value)
        case str():
            return str.__str__(value)
        case dict() | Mapping():
            return dict(value)
        case list():
            return list(value)
        case int():
            return int(value)
        case _:
            raise TypeError(f"{type(value).__name__} cannot be answered as JSON")


def encode(data: Any) -> bytes:
    """`data` as UTF-8 JSON. Raises TypeError for what has no JSON form."""
    return orjson.dumps(data, default=_other, option=_OPTIONS)


class JSONRenderer(BaseRenderer):
    """The API's only renderer."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if data is None:
            return b""
        return data if isinstance(data, bytes) else encode(data)


class JSONNegotiation(BaseContentNegotiation):
    """One representation: who asks for another still gets it, as RFC 9110 allows."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser | None:
        content_type = (request.content_type or "").split(";")[0].strip().lower()
        for parser in parsers:
            if content_type == parser.media_type:
                return parser
        return None

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type
