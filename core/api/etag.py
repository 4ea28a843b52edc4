"""Conditional writes (RFC 9110, section 13): the ETag of a resource is its version."""

from rest_framework.request import Request

from core.errors import ErrorCode, KairosError


def etag(version: int) -> str:
    """The strong entity tag of a version."""
    return f'"{version}"'


def expected_version(request: Request) -> int | None:
    """The version that `If-Match` demands; None when it demands nothing (absent or `*`).

    The service compares it under the row lock. Raises PRECONDITION_FAILED for a tag that is not
    one of ours: it cannot match.
    """
    value = request.headers.get("If-Match")
    if value is None or value.strip() == "*":
        return None
    # Compression makes the tags it passes weak; the version inside is as good as before.
    tag = value.strip().removeprefix("W/")
    if len(tag) > 2 and tag[0] == tag[-1] == '"' and tag[1:-1].isdigit() and len(tag) < 14:
        return int(tag[1:-1])
    raise KairosError(ErrorCode.PRECONDITION_FAILED)
