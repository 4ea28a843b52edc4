"""Signing in and out, and one's own user."""

from typing import Any, ClassVar

from django.contrib.auth import logout as end_page_session
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.serializers import (
    LoginSerializer,
    RefreshSerializer,
    SignedInSerializer,
    TokenPairSerializer,
    UserSerializer,
)
from accounts.models import User
from accounts.resume import forget_user
from accounts.selectors import roles_of
from accounts.services.attempts import refresh_attempt, sign_in_attempt
from accounts.services.sessions import (
    TokenPair,
    page_session_record,
    session_close,
    session_open,
    session_refresh,
)
from accounts.services.users import user_update_own
from core import context
from core.api.filters import refuse_unknown
from core.api.resources import checked_body
from core.api.views import Endpoint
from core.errors import ErrorCode, KairosError


class SignIn(Endpoint):
    """Tokens for a device. Open to anyone, and limited more tightly than anything else."""

    serializer_class = LoginSerializer
    authentication_classes: ClassVar[list[Any]] = []
    public = frozenset({"login", "refresh"})
    idempotent = frozenset()

    def check_limits(self, request: Request) -> None:
        """Tries are counted by name and by address, and refused where they cannot be counted."""
        address = context.current().address
        if self.action == "refresh":
            self.allowance = refresh_attempt(
                refresh=_text(request.data, "refresh"), address=address
            )
        elif self.action == "login":
            login = _text(request.data, "email") or _text(request.data, "phone")
            self.allowance = sign_in_attempt(login=login, address=address)

    @extend_schema(request=LoginSerializer, responses=SignedInSerializer)
    @action(detail=False, methods=["post"])
    def login(self, request: Request) -> Response:
        """Sign a device in with email or phone. A wrong name and a wrong password look the same."""
        fields = checked_body(request, LoginSerializer)
        outcome = session_open(
            login=fields.get("email") or fields["phone"],
            password=fields["password"],
            device_name=fields.get("device_name", ""),
            user_agent=request.headers.get("User-Agent", ""),
        )
        if outcome.user is None or outcome.pair is None:
            return self.refusal(outcome.refusal or KairosError(ErrorCode.INVALID_CREDENTIALS))
        return Response(_pair(outcome.pair) | {"user": _user(outcome.user)})

    @extend_schema(request=RefreshSerializer, responses=TokenPairSerializer)
    @action(detail=False, methods=["post"])
    def refresh(self, request: Request) -> Response:
        """Exchange a refresh token for a new pair, once; one used again ends the session."""
        fields = checked_body(request, RefreshSerializer)
        outcome = session_refresh(refresh=fields["refresh"])
        if outcome.pair is None:
            return self.refusal(outcome.refusal or KairosError(ErrorCode.TOKEN_REVOKED))
        return Response(_pair(outcome.pair))


class SignOut(Endpoint):
    """The end of a device's session."""

    needs = {"logout": None}
    idempotent = frozenset()

    @extend_schema(request=None, responses={204: OpenApiResponse(description="Signed out.")})
    @action(detail=False, methods=["post"])
    def logout(self, request: Request) -> Response:
        """Sign this device out; its tokens stop working at once."""
        principal = request.auth
        response = Response(status=204)
        if principal.session_id is None:
            page_session_record(
                user=User.objects.get(pk=principal.user_id), action="page_session.closed"
            )
            end_page_session(request._request)
            forget_user(response)
        else:
            session_close(session_id=principal.session_id, user_id=principal.user_id)
        return response


class Users(Endpoint):
    """Users; for now only oneself."""

    serializer_class = UserSerializer
    needs = {"me": None, "update_me": None}

    @extend_schema(responses=UserSerializer)
    @action(detail=False, methods=["get"])
    def me(self, request: Request) -> Response:
        """Who is signed in, with their roles."""
        refuse_unknown(request, frozenset())
        return Response(_user(User.objects.get(pk=request.auth.user_id)))

    @extend_schema(request=UserSerializer, responses=UserSerializer)
    @me.mapping.patch
    def update_me(self, request: Request) -> Response:
        """Change one's own names, language and time zone."""
        fields = checked_body(request, UserSerializer, partial=True)
        return Response(_user(user_update_own(user_id=request.auth.user_id, fields=fields)))


def _text(data: Any, name: str) -> str:
    """A text member of a body not checked yet, or ''."""
    value = data.get(name)
    return value if isinstance(value, str) else ""


def _pair(pair: TokenPair) -> dict[str, Any]:
    return {"access": pair.access, "refresh": pair.refresh, "expires_in": pair.expires_in}


def _user(user: User) -> dict[str, Any]:
    return dict(UserSerializer(user, context={"roles": roles_of(user.id)}).data)
