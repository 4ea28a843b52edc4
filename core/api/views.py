"""The base of every endpoint: one transaction, one scope, limits, idempotency."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.conf import settings
from django.http import HttpRequest
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from core import context, idempotency, limits, tenancy
from core.api import parsing
from core.api.problems import PROBLEM, document
from core.api.rendering import encode
from core.errors import ErrorCode, KairosError

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Endpoint(GenericViewSet):
    """A set of actions on one resource.

    `needs` maps each action to the permission it takes; an action that is not in it is refused, so
    that forgetting fails closed. None means: signed in is enough. `public` lists actions open to
    anyone. `idempotent` lists POST actions that honour `Idempotency-Key`.

    The whole request is one transaction: authentication opens the caller's scope in it, and any
    refusal rolls everything back.
    """

    needs: ClassVar[Mapping[str, str | None]] = {}
    public: ClassVar[frozenset[str]] = frozenset()
    idempotent: ClassVar[frozenset[str]] = frozenset({"create"})
    limit_class: ClassVar[Mapping[str, str]] = {}

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        self.args, self.kwargs = args, kwargs
        self.allowance: limits.Allowance | None = None
        drf_request = self.initialize_request(request, *args, **kwargs)
        self.request = drf_request
        self.headers = self.default_response_headers
        try:
            with tenancy.scope(()):
                self.initial(drf_request, *args, **kwargs)
                handler: Any = getattr(
                    self, (request.method or "").lower(), self.http_method_not_allowed
                )
                response = self._once(handler, drf_request, *args, **kwargs)
        except Exception as exc:  # noqa: BLE001 - DRF's own contract: the handler sorts them out
            response = self.handle_exception(exc)
        self.response = self.finalize_response(drf_request, response, *args, **kwargs)
        if self.allowance is not None:
            for name, value in self.allowance.headers().items():
                self.response.headers.setdefault(name, value)
        if "Cache-Control" not in self.response.headers:
            self.response.headers["Cache-Control"] = "private, no-store"
        return self.response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.format_kwarg = None
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(
            request
        )
        if request.method not in SAFE:
            parsing.read_body(request._request)
        self.perform_authentication(request)
        if request.auth is not None:
            context.current().actor_id = request.auth.user_id
        self.check_limits(request)
        self.check_permissions(request)

    def check_limits(self, request: Request) -> None:
        """Count the request against its user (or address), its address, and its clinic.

        A clinic is counted for who works in just one; the few who work in several are not its load.
        """
        name = self.limit_class.get(self.action or "") or (
            "read" if request.method in SAFE else "write"
        )
        address = context.current().address or "unknown"
        if request.auth is None:
            who, count = (
                f"ip:{address}",
                min(settings.RATE_LIMITS[name], settings.RATE_LIMITS["public"]),
            )
        else:
            who, count = f"user:{request.auth.user_id}", settings.RATE_LIMITS[name]
        counted = [
            limits.Limit(f"{name}:{who}", count),
            limits.Limit(f"address:{address}", settings.RATE_LIMITS["address"]),
        ]
        if request.auth is not None and len(request.auth.clinics) == 1:
            (clinic,) = request.auth.clinics
            counted.append(limits.Limit(f"clinic:{clinic}", settings.RATE_LIMITS["clinic"]))
        self.allowance = limits.consume(counted)

    def check_permissions(self, request: Request) -> None:
        if self.action in self.public or self.action is None:
            return
        if request.auth is None:
            raise NotAuthenticated
        if self.action not in self.needs:
            raise KairosError(ErrorCode.PERMISSION_DENIED)
        permission = self.needs[self.action]
        if permission is not None and not request.auth.may_somewhere(permission):
            raise KairosError(ErrorCode.PERMISSION_DENIED)

    def refusal(self, error: KairosError) -> Response:
        """Answer no, and keep what the request has written (an attempt in the trail, say)."""
        response = Response(document(error), status=error.status, headers=error.headers)
        response.content_type = PROBLEM
        return response

    def _once(
        self, handler: Callable[..., Response], request: Request, *a: Any, **k: Any
    ) -> Response:
        """Run the handler, or give the answer it gave before to the same `Idempotency-Key`."""
        key = request.headers.get("Idempotency-Key")
        if (
            key is None
            or request.method != "POST"
            or request.auth is None
            or self.action not in self.idempotent
        ):
            return handler(request, *a, **k)
        print_ = idempotency.fingerprint("POST", request.path, parsing.read_body(request._request))
        actor = request.auth.user_id
        stored = idempotency.claim(actor, key, print_)
        if stored is not None:
            return Response(
                stored.body,
                status=stored.status,
                headers={**stored.headers, "Idempotent-Replayed": "true"},
            )
        response = handler(request, *a, **k)
        body = encode(response.data)
        response.data = body
        kept = {name: value for name, value in response.headers.items() if name in _KEPT_HEADERS}
        idempotency.store(
            actor, key, print_, idempotency.StoredAnswer(response.status_code, kept, body)
        )
        return response


_KEPT_HEADERS = frozenset({"ETag", "Location"})
