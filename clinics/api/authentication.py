"""Proof of who is asking: a bearer token, or the session cookie of our own pages."""

from typing import Any
from uuid import UUID

from django.contrib.auth import SESSION_KEY, get_user
from django.middleware.csrf import CsrfViewMiddleware
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from accounts import tokens
from clinics.principal import Principal, principal_open
from core.errors import ErrorCode, KairosError

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <access token>`. Raises TOKEN_EXPIRED and TOKEN_REVOKED.

    The device's session is asked of the database, so a sign-out holds from the next request on.
    """

    def authenticate(self, request: Request) -> tuple[Principal, Principal] | None:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            return None
        claims = tokens.read_access(token.strip())
        principal = principal_open(
            claims.user_id, claims.session_id, write=request.method not in _SAFE
        )
        if principal is None:
            raise KairosError(
                ErrorCode.TOKEN_REVOKED,
                headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            )
        return principal, principal

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class _Csrf(CsrfViewMiddleware):
    def _reject(self, request: Any, reason: str) -> str:
        return reason


class PageSessionAuthentication(BaseAuthentication):
    """The cookie of a user signed in on our pages; writes must carry the CSRF token."""

    def authenticate(self, request: Request) -> tuple[Principal, Principal] | None:
        session = getattr(request._request, "session", None)
        if session is None or SESSION_KEY not in session:
            return None
        user = get_user(request._request)  # checks the session's auth hash too
        if not user.is_authenticated:
            return None
        if request.method not in _SAFE:
            check = _Csrf(lambda _: None)  # type: ignore[arg-type]
            check.process_request(request._request)
            reason = check.process_view(request._request, None, (), {})  # type: ignore[arg-type]
            if reason:
                raise PermissionDenied(f"CSRF: {reason}")
        principal = principal_open(UUID(str(user.pk)), None, write=request.method not in _SAFE)
        return (principal, principal) if principal is not None else None


class _BearerScheme(OpenApiAuthenticationExtension):
    target_class = BearerAuthentication
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class _SessionScheme(OpenApiAuthenticationExtension):
    target_class = PageSessionAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
