"""The OpenAPI document and its readers; nothing of it comes from another host."""

from typing import Any, ClassVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import (
    SpectacularAPIView,
    SpectacularRedocView,
    SpectacularSwaggerSplitView,
)
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import ErrorCode, KairosError

# Both readers make style elements at run time. Scripts stay in files of ours.
_READER_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'"
)


class Open:
    """For anyone, in the format they ask for."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]
    content_negotiation_class = DefaultContentNegotiation


class Schema(Open, SpectacularAPIView):
    """The OpenAPI document; `?format=json` or `Accept` chooses the form."""

    # It follows from the code alone, and making it takes about a second.
    _made: ClassVar[dict[str, Any]] = {}

    def _get_schema_response(self, request: Request) -> Response:
        language = get_language()
        if language not in dict(settings.LANGUAGES):
            language = settings.LANGUAGE_CODE
        if language not in self._made:
            generator = self.generator_class(urlconf=self.urlconf, api_version=self.api_version)
            self._made[language] = generator.get_schema(request=None, public=True)
        return Response(
            data=self._made[language],
            headers={
                "Content-Disposition": f'inline; filename="{self._get_filename(request, "1")}"',
                "Cache-Control": "public, max-age=300",
                "Vary": "Accept, Accept-Language",
            },
        )


class Swagger(Open, SpectacularSwaggerSplitView):
    url_name = "schema"
    template_name = "docs/swagger.html"
    title = "Kairos API"

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return _with_policy(super().get(request, *args, **kwargs))


class Redoc(Open, SpectacularRedocView):
    url_name = "schema"
    template_name = "docs/redoc.html"
    title = "Kairos API"

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return _with_policy(super().get(request, *args, **kwargs))


@require_safe
def errors(request: HttpRequest) -> HttpResponse:
    """The catalogue to which each problem's `type` points."""
    codes = [(code, KairosError(code).status) for code in ErrorCode]
    return render(request, "docs/errors.html", {"codes": codes})


def _with_policy(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = _READER_POLICY
    return response
