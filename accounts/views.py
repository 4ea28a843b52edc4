"""Signing in and out on our pages, with a session cookie."""

from django.conf import settings
from django.contrib.auth import login as begin_page_session
from django.contrib.auth import logout as end_page_session
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts.forms import SignInForm, WelcomeForm
from accounts.live import rights_changed
from accounts.models import User
from accounts.resume import forget_foreign, forget_user, leads_to_unsent, remember_user
from accounts.services.attempts import sign_in_attempt
from accounts.services.invitations import invitation_accept, invitation_find
from accounts.services.sessions import credentials_check, page_session_record
from accounts.targets import own_page
from core import context, tenancy
from core.errors import ErrorCode, KairosError
from core.views import error_page


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in page. Tries are counted together with the API's, and refused alike."""
    target = own_page(request, settings.LOGIN_REDIRECT_URL)
    if request.method != "POST":
        if request.user.is_authenticated:
            return redirect(target)
        return _page(request, SignInForm(), target)
    form = SignInForm(request.POST)
    if not form.is_valid():
        return _page(request, form, target, status=400)
    login = form.cleaned_data["login"]
    try:
        sign_in_attempt(login=login, address=context.current().address)
        with tenancy.scope(()):
            user = credentials_check(login=login, password=form.cleaned_data["password"])
            if user is not None:
                begin_page_session(request, user)
                forget_foreign(request, user)
                page_session_record(user=user, action="page_session.opened")
    except KairosError as error:
        return _page(request, form, target, error=error)
    if user is None:
        refusal = KairosError(
            ErrorCode.INVALID_CREDENTIALS,
            _("This email or phone number and this password do not go together. Try again."),
        )
        return _page(request, form, target, error=refusal)
    response = redirect(target)
    remember_user(response, user)
    return response


@never_cache
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the page's session."""
    if isinstance(request.user, User):
        with tenancy.scope(()):
            page_session_record(user=request.user, action="page_session.closed")
            rights_changed(request.user.id)
            end_page_session(request)
    response = redirect(settings.LOGOUT_REDIRECT_URL)
    forget_user(response)
    return response


@never_cache
@sensitive_post_parameters("password", "again")
@require_http_methods(["GET", "HEAD", "POST"])
def welcome(request: HttpRequest) -> HttpResponse:
    """Where an invitation leads: choose the first password. Signing in comes after it.

    The secret stands in the query, which the log does not keep.
    """
    secret = request.GET.get("s", "")
    form = WelcomeForm(request.POST or None)
    try:
        sign_in_attempt(login=secret.partition(".")[0], address=context.current().address)
        with tenancy.scope(()):
            user = invitation_find(secret=secret)
            if request.method == "POST" and form.is_valid():
                invitation_accept(secret=secret, password=form.cleaned_data["password"])
                return redirect(settings.LOGIN_URL)
    except KairosError as error:
        if error.code != ErrorCode.VALIDATION_ERROR:
            return error_page(request, error)
        for sentence in (error.errors or {}).get("password", []):
            form.add_error("password", sentence)
    return render(
        request,
        "accounts/welcome.html",
        {"form": form, "invited": user.full_name or user, "login": user.email or user.phone},
        status=400 if form.is_bound else 200,
    )


def _page(
    request: HttpRequest,
    form: SignInForm,
    target: str,
    *,
    error: KairosError | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page, saying what was wrong; the password is never sent back."""
    if error is not None:
        form.add_error(None, error.detail)
        status = error.status
        form.fields["login"].widget.attrs.pop("autofocus", None)
        form.fields["password"].widget.attrs["autofocus"] = True
    found = {"form": form, "next": target, "resumes": leads_to_unsent(request, target)}
    response = render(request, "accounts/sign_in.html", found, status=status)
    for name, value in error.headers.items() if error else ():
        response.headers[name] = value
    return response
