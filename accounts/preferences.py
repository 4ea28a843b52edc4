"""The pages of one's own account: language, time zone, colours, password."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts.forms import AccountForm, PasswordForm
from accounts.language import is_known, language_keep
from accounts.models import User
from accounts.resume import forget_unsent, keep_unsent, unsent
from accounts.services.attempts import sign_in_attempt
from accounts.services.passwords import password_change
from accounts.services.users import user_update_own
from accounts.targets import own_page
from core import context, limits, tenancy
from core.errors import ErrorCode, KairosError, invalid
from core.theme import THEMES, theme_keep, theme_of
from core.views import error_page

View = Callable[[HttpRequest, User], HttpResponse]


def _signed_in(view: View) -> Callable[[HttpRequest], HttpResponse]:
    """`view` for whoever is signed in, in their language; others sign in first."""

    def guarded(request: HttpRequest) -> HttpResponse:
        if not isinstance(request.user, User):
            return redirect(keep_unsent(request))
        user = request.user
        context.current().actor_id = user.id
        # The cookie may not know yet what was chosen on another device.
        if is_known(user.locale):
            translation.activate(user.locale)
        try:
            return view(request, user)
        except KairosError as error:
            return error_page(request, error)

    return never_cache(guarded)


@require_POST
@never_cache
def language(request: HttpRequest) -> HttpResponse:
    """Choose a language, or light and dark, from the foot of any page; for everyone.

    Without an account the device remembers; a signed-in user's language goes with the user.
    """
    chosen, theme = request.POST.get("language"), request.POST.get("theme")
    user = request.user if isinstance(request.user, User) else None
    try:
        _count(user)
        if chosen is not None and not is_known(chosen):
            raise invalid("language", _("This language is not offered."))
        if theme is not None and theme not in THEMES:
            raise invalid("theme", _("Choose light, dark, or as the device."))
        if chosen is not None and user is not None:
            context.current().actor_id = user.id
            with tenancy.scope(()):
                user_update_own(user_id=user.id, fields={"locale": chosen})
    except KairosError as error:
        return error_page(request, error)
    response = redirect(own_page(request, settings.LOGOUT_REDIRECT_URL))
    if chosen is not None:
        language_keep(response, chosen)
    if theme is not None:
        theme_keep(response, theme)
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@_signed_in
def account(request: HttpRequest, user: User) -> HttpResponse:
    """Who one is, and how the pages speak and look to one."""
    if request.method != "POST":
        present: dict[str, Any] = {"locale": user.locale, "timezone": user.timezone}
        present["theme"] = theme_of(request)
        kept = unsent(request)
        if kept is not None:
            present |= {name: kept[name] for name in present if name in kept}
        return _account_page(
            request, user, AccountForm(initial=present, present_zone=user.timezone)
        )
    _count(user)
    form = AccountForm(request.POST, present_zone=user.timezone)
    if not form.is_valid():
        return _account_page(request, user, form, status=400)
    chosen = form.cleaned_data
    with tenancy.scope(()):
        user_update_own(
            user_id=user.id, fields={name: chosen[name] for name in ("locale", "timezone")}
        )
    forget_unsent(request)
    with translation.override(chosen["locale"]):
        messages.success(request, _("Your choices are kept."))
    response = redirect("account")
    language_keep(response, chosen["locale"])
    theme_keep(response, chosen["theme"])
    return response


@sensitive_post_parameters("old", "new", "again")
@require_http_methods(["GET", "HEAD", "POST"])
@_signed_in
def password(request: HttpRequest, user: User) -> HttpResponse:
    """Change the password. Every other page and device of the user is signed out by it."""
    form = PasswordForm(request.POST or None)
    if request.method != "POST":
        return _password_page(request, user, form)
    if not form.is_valid():
        return _password_page(request, user, form, status=400)
    try:
        sign_in_attempt(login=user.email or user.phone or "", address=context.current().address)
        with tenancy.scope(()):
            changed = password_change(
                user_id=user.id, old=form.cleaned_data["old"], new=form.cleaned_data["new"]
            )
            if changed is not None:
                update_session_auth_hash(request, changed)
    except KairosError as error:
        if error.code != ErrorCode.VALIDATION_ERROR:
            form.add_error(None, error.detail)
        for sentence in (error.errors or {}).get("new", []):
            form.add_error("new", sentence)
        return _password_page(request, user, form, status=error.status, headers=error.headers)
    if changed is None:
        form.add_error("old", _("This is not your password."))
        return _password_page(request, user, form, status=400)
    messages.success(
        request, _("The new password holds. Your other devices and pages are signed out.")
    )
    return redirect("account")


def _account_page(
    request: HttpRequest, user: User, form: AccountForm, status: int = 200
) -> HttpResponse:
    return render(request, "accounts/account.html", {"form": form, "account": user}, status=status)


def _password_page(
    request: HttpRequest,
    user: User,
    form: PasswordForm,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> HttpResponse:
    response = render(
        request, "accounts/password.html", {"form": form, "account": user}, status=status
    )
    for name, value in (headers or {}).items():
        response.headers[name] = value
    return response


def _count(user: User | None) -> None:
    """Count a write, as the API does. Raises RATE_LIMIT_EXCEEDED."""
    if user is not None:
        counted = limits.Limit(f"write:user:{user.pk}", settings.RATE_LIMITS["write"])
    else:
        address = context.current().address or "unknown"
        counted = limits.Limit(f"write:ip:{address}", settings.RATE_LIMITS["public"])
    limits.consume([counted])
