"""What somebody had typed when their page session ended, kept until they have signed in again.

A form sent without a session is kept in the anonymous session that Django opens for the sign-in:
on the server, for half an hour, without secrets and files. It belongs to the user who signed in
last on this device, as a signed cookie says, and nobody else ever sees it: without that cookie it
is not kept, and a sign-in of another user drops it. Signing out takes the cookie away, since
whoever types after that is not known.
"""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import resolve_url

from accounts.models import User
from core import clock

COOKIE = "last_user"
FLAG = "resume"
KEPT_FOR = timedelta(minutes=30)
MAX_BYTES = 64 * 1024
_SALT = "kairos.last-user"
#: A page may lie open over a weekend before its form is sent.
_COOKIE_SECONDS = 7 * 24 * 3600
_SLOT = "unsent_forms"
_NEVER_KEPT = frozenset({"csrfmiddlewaretoken", "old", "new", "again", "otp", "pin"})
_SECRET_PARTS = ("password", "passwd", "secret", "token")


def keep_unsent(request: HttpRequest, *, at: str | None = None) -> str:
    """Keep the form of a POST whose sender is not signed in any more; the sign-in to go to.

    After signing in the user comes to the form's own address with `?resume=1`, where `unsent` gives
    the form back. `at` is the path of the page to come back to, where the form's address is none.
    What cannot be kept (no form, more than 64 kB, nobody known) is not, and the address of the
    sign-in then leads back without the flag. Call it after the CSRF check: what is kept is shown to
    the user as their own.
    """
    path = at or request.path
    query = request.GET.copy()
    query.pop(FLAG, None)
    if request.method == "POST" and _kept(request, path):
        query[FLAG] = "1"
    back = f"{path}?{query.urlencode()}" if query else path
    return f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': back})}"


def unsent(request: HttpRequest) -> QueryDict | None:
    """The form that the signed-in user could not send from this page, to be shown once more.

    None without the flag in the address, for another page, another user, or after half an hour. It
    can be asked for as often as the page is drawn, until `forget_unsent`.
    """
    if request.method not in {"GET", "HEAD"} or request.GET.get(FLAG) != "1":
        return None
    if not isinstance(request.user, User) or _SLOT not in request.session:
        return None
    for form in _fresh(request):
        if form["user"] == str(request.user.pk) and form["path"] == request.path:
            return QueryDict(form["body"])
    return None


def leads_to_unsent(request: HttpRequest, target: str) -> bool:
    """Whether a form is kept for whom signs in now and then goes on to the address `target`."""
    path = urlsplit(target).path
    return any(form["path"] == path for form in _fresh(request))


def forget_unsent(request: HttpRequest, *, at: str | None = None) -> None:
    """The form of this address (or of the page `at`) was sent: forget what was kept of it."""
    if _SLOT in request.session:
        path = at or request.path
        _store(request, [form for form in _fresh(request) if form["path"] != path])


def forget_foreign(request: HttpRequest, user: User) -> None:
    """`user` has just signed in: drop what somebody else had typed."""
    if _SLOT in request.session:
        _store(request, [form for form in _fresh(request) if form["user"] == str(user.pk)])
        request.session.set_expiry(None)


def remember_user(response: HttpResponse, user: User) -> None:
    """Note on the device who signed in last."""
    response.set_signed_cookie(
        COOKIE,
        str(user.pk),
        salt=_SALT,
        max_age=_COOKIE_SECONDS,
        secure=bool(settings.SESSION_COOKIE_SECURE),
        httponly=True,
        samesite="Lax",
    )


def forget_user(response: HttpResponse) -> None:
    """Somebody signed out: who types next is not known."""
    response.delete_cookie(COOKIE, samesite="Lax")


def _kept(request: HttpRequest, path: str) -> bool:
    owner = request.get_signed_cookie(COOKIE, default=None, salt=_SALT, max_age=_COOKIE_SECONDS)
    if owner is None or request.user.is_authenticated:
        return False
    typed = request.POST.copy()
    for name in list(typed):
        if name in _NEVER_KEPT or any(part in name.lower() for part in _SECRET_PARTS):
            del typed[name]
    body = typed.urlencode()
    if not body or len(body) > MAX_BYTES:
        return False
    others = [form for form in _fresh(request) if form["user"] == owner and form["path"] != path]
    while others and sum(len(form["body"]) for form in others) + len(body) > MAX_BYTES:
        others.pop(0)
    mine = {"user": owner, "path": path, "body": body, "at": clock.now().timestamp()}
    _store(request, [*others, mine])
    # Who does not come back leaves nothing behind: the session ends with what it keeps.
    request.session.set_expiry(KEPT_FOR)
    return True


def _fresh(request: HttpRequest) -> list[dict[str, Any]]:
    since = (clock.now() - KEPT_FOR).timestamp()
    return [form for form in request.session.get(_SLOT, []) if form["at"] >= since]


def _store(request: HttpRequest, forms: list[dict[str, Any]]) -> None:
    if forms:
        request.session[_SLOT] = forms
    else:
        request.session.pop(_SLOT, None)
