"""JSON in, with a size limit that holds before anything is read."""

from collections.abc import Mapping
from typing import IO, Any

import orjson
from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from core.errors import ErrorCode, KairosError


class JSONParser(BaseParser):
    """An object in UTF-8. Raises VALIDATION_ERROR (413 when larger than MAX_BODY_KB)."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        raw = stream.read()
        if not raw:
            return {}
        try:
            data = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise ParseError(f"not JSON: {error}") from None
        if not isinstance(data, dict):
            raise ParseError("a JSON object is expected")
        return data


def read_body(request: Any) -> bytes:
    """The body of a Django request, kept on it as Django keeps it, so that it can be read twice.

    Raises VALIDATION_ERROR with status 413 past the limit, without reading what is past it.
    """
    if hasattr(request, "_body"):
        return bytes(request.body)
    limit = settings.MAX_BODY_BYTES
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdigit() and int(length) > limit:
        raise too_large(limit)
    try:
        body: bytes = request.read(limit + 1)
    except OSError as error:
        raise ParseError("the body ended early") from error
    if len(body) > limit:
        raise too_large(limit)
    request._body = body
    return body


def too_large(limit: int) -> KairosError:
    return KairosError(
        ErrorCode.VALIDATION_ERROR, f"a body may have at most {limit // 1024} KiB", status=413
    )
