"""What the OpenAPI document says of every endpoint beyond its own shape."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from core.errors import ErrorCode

_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_ANSWERS = {
    "400": "The request is not valid.",
    "401": "Not signed in, or no longer.",
    "403": "Not allowed.",
    "404": "Not found, or not yours to see.",
    "405": "The method is not offered here.",
    "409": "It clashes with something that exists.",
    "410": "It has expired.",
    "412": "It has changed since you read it.",
    "413": "The body is too large.",
    "415": "Not a type that is read here.",
    "422": "The Idempotency-Key was used for another request.",
    "429": "Too many requests.",
    "503": "Not available at the moment; try again.",
}


class KairosSchema(AutoSchema):
    """Adds the conventions' headers, and takes an operation's tag from its first path segment."""

    def get_override_parameters(self) -> list[Any]:
        parameters: list[OpenApiParameter] = []
        action = getattr(self.view, "action", None)
        if self.method == "POST" and action in getattr(self.view, "idempotent", ()):
            parameters.append(
                OpenApiParameter(
                    "Idempotency-Key",
                    str,
                    OpenApiParameter.HEADER,
                    description="Same key and body: the stored answer. Kept 24 hours.",
                )
            )
        if self.method in {"PUT", "PATCH", "DELETE"} or (
            self.method == "POST" and getattr(self.view, "detail", False)
        ):
            parameters.append(
                OpenApiParameter(
                    "If-Match",
                    str,
                    OpenApiParameter.HEADER,
                    description='The ETag read before, such as "3"; another version is a 412.',
                )
            )
        return parameters

    def get_tags(self) -> list[str]:
        parts = [part for part in self.path.split("/") if part]
        return [parts[2] if len(parts) > 2 else parts[-1]]

    def get_filter_backends(self) -> list[Any]:
        return getattr(self.view, "filter_backends", []) if self._is_list_view() else []


def add_problem_responses(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Every operation may answer with a problem document; its `code` is the closed list."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas["ErrorCode"] = {
        "type": "string",
        "enum": list(ErrorCode.values),
        "description": "\n".join(f"* `{code.value}`: {code.label}" for code in ErrorCode),
    }
    schemas["Problem"] = {
        "type": "object",
        "description": "RFC 9457 problem details.",
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"$ref": "#/components/schemas/ErrorCode"},
            "request_id": {"type": "string"},
            "errors": {
                "type": "object",
                "additionalProperties": {"type": "array", "items": {"type": "string"}},
            },
            "alternatives": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/Slot"},
                "description": "With SCHEDULING_CONFLICT: the nearest free slots.",
            },
        },
    }
    for path in result.get("paths", {}).values():
        for operation in path.values():
            if isinstance(operation, dict) and "responses" in operation:
                for code, description in _ANSWERS.items():
                    operation["responses"].setdefault(
                        code, {"description": description, "content": _PROBLEM}
                    )
    return result


def drop_trailing_slashes(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """The slash at a path's end is optional; the document writes it without."""
    result["paths"] = {path.rstrip("/"): item for path, item in result["paths"].items()}
    return result
