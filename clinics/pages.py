"""The base of every server-rendered page outside the back office.

A page runs in one transaction, in the scope of who asks: row security shows it what they may see
and nothing else. A rule's refusal becomes a page that says why, and everything is undone.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.template.response import SimpleTemplateResponse
from django.utils import timezone, translation
from django.views.decorators.cache import never_cache

from accounts.language import is_known
from accounts.models import User
from accounts.resume import forget_unsent, keep_unsent
from clinics.principal import Principal, principal_open
from core import context, limits, tenancy
from core.api.problems import as_kairos_error
from core.errors import ErrorCode, KairosError
from core.views import error_page

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
P = ParamSpec("P")


class PageRequest(HttpRequest):
    """A request inside a page: `principal` is who asks, None for somebody not signed in."""

    principal: Principal | None
    htmx: Any


View = Callable[Concatenate[PageRequest, P], HttpResponse]


def page(*, public: bool = False, limit: str | None = None) -> Callable[[View[P]], View[P]]:
    """Make a view a page. Only `public` ones open for who is not signed in.

    `limit` names the rate limit (`settings.RATE_LIMITS`) that counts it; by default `read` or
    `write`. The view runs in the principal's scope; a template response is rendered in it.
    """

    def decorate(view: View[P]) -> View[P]:
        @never_cache
        @wraps(view)
        def inner(request: PageRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if not public and not isinstance(request.user, User):
                return to_sign_in(request)
            try:
                _count(request, limit)
                with tenancy.scope(()):
                    request.principal = _principal(request)
                    if request.principal is None and not public:
                        return to_sign_in(request)
                    with timezone.override(_zone(request)):
                        response = view(request, *args, **kwargs)
                        if isinstance(response, SimpleTemplateResponse):
                            response.render()
                    sent = request.method not in SAFE and response.status_code < 400
                    if sent and request.principal is not None:  # else it may just have been kept
                        forget_unsent(request)
                return response
            except Exception as exc:
                error = as_kairos_error(exc)
                if error is None:
                    raise
                return error_page(request, error)

        return inner

    return decorate


def who(request: PageRequest) -> Principal:
    """The principal of a page that is not public."""
    if request.principal is None:
        raise KairosError(ErrorCode.NOT_AUTHENTICATED)
    return request.principal


def to_sign_in(request: HttpRequest) -> HttpResponse:
    """To the sign-in page and, after it, back to where the person was.

    What a form has sent is kept for them (`accounts.resume`) and is shown again there.
    """
    if request.method not in SAFE:
        target = keep_unsent(request)
    else:
        came_from = request.get_full_path()
        if request.headers.get("HX-Request"):  # a part of a page: back to the page
            address = urlsplit(request.headers.get("HX-Current-URL", ""))
            came_from = f"{address.path}?{address.query}" if address.query else address.path
            if not came_from.startswith("/"):  # no browser says so
                came_from = "/"
        target = f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': came_from})}"
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": target})
    return redirect(target)


def _principal(request: PageRequest) -> Principal | None:
    if not isinstance(request.user, User):
        return None
    found = principal_open(request.user.id, None, write=request.method not in SAFE)
    if found is not None:
        context.current().actor_id = found.user_id
        if is_known(found.locale):
            translation.activate(found.locale)
    return found


def _zone(request: PageRequest) -> str:
    return request.principal.timezone if request.principal is not None else settings.TIME_ZONE


def _count(request: HttpRequest, limit: str | None) -> None:
    """The same limits as the API's. Raises RATE_LIMIT_EXCEEDED."""
    name = limit or ("read" if request.method in SAFE else "write")
    address = context.current().address or "unknown"
    count = settings.RATE_LIMITS[name]
    if isinstance(request.user, User):
        counted = limits.Limit(f"{name}:user:{request.user.id}", count)
    else:
        counted = limits.Limit(f"{name}:ip:{address}", min(count, settings.RATE_LIMITS["public"]))
    limits.consume([counted, limits.Limit(f"address:{address}", settings.RATE_LIMITS["address"])])
