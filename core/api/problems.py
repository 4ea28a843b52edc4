"""Errors become RFC 9457 problem documents, here and nowhere else."""

from collections.abc import Mapping
from typing import Any

import psycopg
import structlog
from django.core.exceptions import PermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response

from core import context
from core.api.rendering import encode
from core.errors import ErrorCode, KairosError

log = structlog.get_logger(__name__)
PROBLEM = "application/problem+json"


def document(error: KairosError) -> dict[str, Any]:
    """The members of the problem document; `type` is a relative reference to the catalogue."""
    body: dict[str, Any] = {
        "type": f"/api/docs/errors#{error.code.value}",
        "title": str(error.code.label),
        "status": error.status,
        "detail": error.detail,
        "code": error.code.value,
        "request_id": context.current().request_id,
    }
    if error.errors:
        body["errors"] = error.errors
    body.update(error.extra)
    return body


def exception_handler(exc: Exception, _context: Mapping[str, Any]) -> Response | None:
    """DRF's hook. None (a programming fault) goes on to Django's own 500 handling."""
    error = as_kairos_error(exc)
    if error is None:
        return None
    response = Response(document(error), status=error.status, headers=error.headers)
    response.content_type = PROBLEM
    return response


def problem_response(error: KairosError) -> HttpResponse:
    """The same document for code that stands outside DRF."""
    return HttpResponse(
        encode(document(error)),
        status=error.status,
        content_type=PROBLEM,
        headers=error.headers,
    )


def as_kairos_error(exc: Exception) -> KairosError | None:
    """What `exc` means to a client; None when it is a fault of ours."""
    match exc:
        case KairosError():
            return exc
        case exceptions.ValidationError():
            return KairosError(ErrorCode.VALIDATION_ERROR, errors=_field_errors(exc.detail))
        case DjangoValidationError():
            errors = exc.message_dict if hasattr(exc, "error_dict") else {"non_field": exc.messages}
            return KairosError(ErrorCode.VALIDATION_ERROR, errors=errors)
        case exceptions.ParseError():
            return KairosError(ErrorCode.VALIDATION_ERROR, str(exc.detail))
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return KairosError(ErrorCode.NOT_AUTHENTICATED, headers={"WWW-Authenticate": "Bearer"})
        case exceptions.PermissionDenied() | PermissionDenied():
            return KairosError(ErrorCode.PERMISSION_DENIED)
        case exceptions.NotFound() | Http404():
            return KairosError(ErrorCode.NOT_FOUND)
        case exceptions.MethodNotAllowed():
            return KairosError(ErrorCode.VALIDATION_ERROR, str(exc.detail), status=405)
        case exceptions.NotAcceptable():
            return KairosError(ErrorCode.VALIDATION_ERROR, str(exc.detail), status=406)
        case exceptions.UnsupportedMediaType():
            return KairosError(ErrorCode.VALIDATION_ERROR, str(exc.detail), status=415)
        case IntegrityError() | OperationalError() | InterfaceError():
            return _database_error(exc)
        case DatabaseError() if isinstance(exc.__cause__, psycopg.errors.InsufficientResources):
            return _unavailable(exc)
        case DataError():
            # A value that passed validation but that PostgreSQL cannot hold (a NUL inside JSON).
            return KairosError(ErrorCode.VALIDATION_ERROR)
        case psycopg.OperationalError():
            return _unavailable(exc)
        case _:
            return None


def _database_error(exc: Exception) -> KairosError | None:
    match exc.__cause__:
        case psycopg.errors.LockNotAvailable():
            return KairosError(ErrorCode.LOCK_TIMEOUT, headers={"Retry-After": "1"})
        case psycopg.errors.DeadlockDetected() | psycopg.errors.SerializationFailure():
            return KairosError(ErrorCode.LOCK_TIMEOUT, headers={"Retry-After": "1"})
        case psycopg.errors.UniqueViolation() | psycopg.errors.ExclusionViolation():
            return KairosError(ErrorCode.CONFLICT)
        case psycopg.errors.ForeignKeyViolation() | psycopg.errors.RestrictViolation():
            return KairosError(ErrorCode.CONFLICT, "It is still referred to.")
        case psycopg.errors.CheckViolation() | psycopg.errors.NotNullViolation():
            return KairosError(ErrorCode.VALIDATION_ERROR)
        case _ if isinstance(exc, IntegrityError):
            return None
        case _:
            return _unavailable(exc)


def _unavailable(exc: Exception) -> KairosError:
    log.error("database unavailable", error=type(exc.__cause__ or exc).__name__)
    return KairosError(ErrorCode.SERVICE_UNAVAILABLE, headers={"Retry-After": "2"})


def _field_errors(detail: Any, prefix: str = "") -> dict[str, list[str]]:
    """DRF's nested details, flattened: `override.reason`, `doctors.0`, `non_field`."""
    if isinstance(detail, Mapping):
        flat: dict[str, list[str]] = {}
        for name, value in detail.items():
            part = "non_field" if name == "non_field_errors" else str(name)
            flat.update(_field_errors(value, f"{prefix}.{part}" if prefix else part))
        return flat
    if isinstance(detail, list) and any(isinstance(item, Mapping | list) for item in detail):
        flat = {}
        for number, item in enumerate(detail):
            if item:
                flat.update(_field_errors(item, f"{prefix}.{number}" if prefix else str(number)))
        return flat
    messages = detail if isinstance(detail, list) else [detail]
    return {prefix or "non_field": [str(message) for message in messages]}


def wants_problem(request: HttpRequest) -> bool:
    """Whether an error page for `request` should be a problem document."""
    return request.path.startswith(("/api/", "/health"))
