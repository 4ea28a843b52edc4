"""Pages of the ground floor: what to answer when something is wrong, and the health pages."""

import sys
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from core import context, health
from core.api.parsing import too_large
from core.api.problems import as_kairos_error, problem_response, wants_problem
from core.api.rendering import encode
from core.errors import ErrorCode, KairosError


@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """The process answers. Looks at nothing else, so that a slow database restarts nobody."""
    return _json({"status": "ok"}, 200)


@require_safe
def detailed(request: HttpRequest) -> HttpResponse:
    """Every part with what was found; 503 when one of them fails."""
    report = health.watch.report()
    return _json(report.as_dict(), 200 if report.ok else 503)


def _json(body: dict[str, Any], status: int) -> HttpResponse:
    return HttpResponse(
        encode(body),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def error_page(request: HttpRequest, error: KairosError) -> HttpResponse:
    """The refusal as a problem document, or as a page where people look.

    Inside a page that is open (htmx) it is a notice above the content, which stays as it is.
    """
    if wants_problem(request):
        return problem_response(error)
    part = request.headers.get("HX-Request") == "true"
    response = render(
        request,
        "components/refusal.html" if part else "error.html",
        {
            "title": error.code.label,
            "detail": error.detail if error.detail != str(error.code.label) else "",
            "status": error.status,
            "request_id": context.current().request_id,
        },
        status=error.status,
    )
    if part:
        response.headers["HX-Retarget"] = "#notices"
        response.headers["HX-Reswap"] = "innerHTML"
    for name, value in error.headers.items():
        response.headers[name] = value
    return response


def broken(request: HttpRequest) -> HttpResponse:
    """A fault of ours: the log has the trace, the answer has the request's id to find it by."""
    return error_page(request, KairosError(ErrorCode.SERVICE_UNAVAILABLE, status=500))


@csrf_exempt
def not_found(request: HttpRequest, exception: Exception | None = None, **_kw: Any) -> HttpResponse:
    return error_page(request, KairosError(ErrorCode.NOT_FOUND))


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return error_page(request, KairosError(ErrorCode.PERMISSION_DENIED))


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return error_page(request, too_large(settings.MAX_BODY_BYTES))
    return error_page(request, KairosError(ErrorCode.VALIDATION_ERROR))


def server_error(request: HttpRequest) -> HttpResponse:
    error = sys.exc_info()[1]
    known = as_kairos_error(error) if isinstance(error, Exception) else None
    return error_page(request, known) if known is not None else broken(request)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Most often a page that was open since before the last sign-in."""
    return error_page(
        request,
        KairosError(
            ErrorCode.PERMISSION_DENIED,
            _("The form was too old, or cookies are blocked. Go back, reload the page, try again."),
        ),
    )
