"""What every request gets: an id, one log line, and a content security policy."""

import re
import time
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from core import context, ids, views
from core.api.problems import as_kairos_error, wants_problem
from core.errors import ErrorCode, KairosError

log = structlog.get_logger("kairos.request")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{8,64}")
Handler = Callable[[HttpRequest], HttpResponse]


def client_address(request: HttpRequest) -> str | None:
    """The client's address: the peer, or what our own proxies say of it.

    `TRUSTED_PROXIES` is how many proxies of ours stand in front; anything further left in
    `X-Forwarded-For` was written by the client and is not believed.
    """
    if settings.TRUSTED_PROXIES:
        hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        if len(hops) >= settings.TRUSTED_PROXIES and hops[-settings.TRUSTED_PROXIES]:
            return str(hops[-settings.TRUSTED_PROXIES])
    return request.META.get("REMOTE_ADDR") or None


class RequestContextMiddleware:
    """Give the request an id (or keep the caller's), and write one line about it at the end."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else str(ids.uuid7())
        here = context.begin(request_id, client_address(request))
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        response = self.get_response(request)
        response["X-Request-ID"] = request_id
        log.info(
            "request",
            method=request.method,
            # A page whose address is a secret says what stands in the log instead.
            path=getattr(request, "path_shown", request.path),
            status=response.status_code,
            ms=round((time.perf_counter() - started) * 1000, 1),
            user=str(here.actor_id) if here.actor_id else None,
        )
        return response


class ErrorPageMiddleware:
    """Errors that a view did not answer itself, in the one form that the caller can read.

    Also with DEBUG: an API client gets a problem document, never Django's page of traces.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if (
            response.status_code >= 400
            and wants_problem(request)
            and "json" not in response.headers.get("Content-Type", "")
        ):
            return _as_problem(request, response.status_code)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """What is known to be nobody's fault is answered; other errors go on to Django's 500."""
        error = as_kairos_error(exception)
        if error is None or error.status < 500:
            return None
        return views.error_page(request, error)


def _as_problem(request: HttpRequest, status: int) -> HttpResponse:
    match status:
        case 404:
            return views.not_found(request)
        case 403:
            return views.forbidden(request)
        case _ if status >= 500:
            return views.broken(request)
        case _:
            return views.error_page(request, KairosError(ErrorCode.VALIDATION_ERROR, status=status))


class ContentSecurityPolicyMiddleware:
    """Scripts and styles come from us and stand in files. A view may set its own header first."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if "Content-Security-Policy" not in response:
            response["Content-Security-Policy"] = settings.CONTENT_SECURITY_POLICY
        return response
