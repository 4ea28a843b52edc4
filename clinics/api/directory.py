"""Answers of the public directory: cacheable by anyone, and not sent again when unchanged."""

import hashlib

from rest_framework.request import Request
from rest_framework.response import Response

from core.api.rendering import encode

_SHARED = "public, max-age=60, stale-while-revalidate=300"


def directory_answer(request: Request, response: Response) -> Response:
    """`response` with its validators, or 304 when the caller has it already (RFC 9110, 13.1.2).

    An answer to someone who signed in may hold more, so only an anonymous one may be shared.
    """
    tag = (
        response.headers.get("ETag")
        or f'"{hashlib.sha256(encode(response.data)).hexdigest()[:32]}"'
    )
    headers = {
        "ETag": tag,
        "Cache-Control": _SHARED if request.auth is None else "private, no-cache",
        "Vary": "Authorization, Cookie",
    }
    held = request.headers.get("If-None-Match", "")
    if tag in {part.strip().removeprefix("W/") for part in held.split(",")}:
        return Response(status=304, headers=headers)
    for name, value in headers.items():
        response.headers[name] = value
    return response
