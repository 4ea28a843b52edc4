"""Whose language a page speaks: the user's everywhere, a visitor's by a cookie or the browser.

The language cookie is what Django reads. It is kept in step with the user's own choice, so that no
request has to ask the database for a language.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from accounts.models import User

Handler = Callable[[HttpRequest], HttpResponse]


def is_known(language: str) -> bool:
    """Whether the pages speak it."""
    return language in dict(settings.LANGUAGES)


def language_keep(response: HttpResponse, language: str) -> None:
    """Let the device remember `language`, one of the settings' LANGUAGES."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        path=settings.LANGUAGE_COOKIE_PATH,
        domain=settings.LANGUAGE_COOKIE_DOMAIN,
        secure=bool(settings.LANGUAGE_COOKIE_SECURE),
        httponly=bool(settings.LANGUAGE_COOKIE_HTTPONLY),
        samesite=settings.LANGUAGE_COOKIE_SAMESITE,  # type: ignore[arg-type]  # a plain str
    )


class LanguageOfUserMiddleware:
    """Let the language cookie say what the signed-in user has chosen, here or on another device.

    Only a user whom the page has read anyway is looked at. Who signs in is such a user.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        user = _read_user(request)
        if (
            user is not None
            and is_known(user.locale)
            and request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME) != user.locale
            and settings.LANGUAGE_COOKIE_NAME not in response.cookies
        ):
            language_keep(response, user.locale)
        return response


def _read_user(request: HttpRequest) -> User | None:
    """The user, if one was read in this request; asking `request.user` itself would read one."""
    # The type, since `isinstance` looks through Django's lazy object and wakes it.
    user = request.__dict__.get("user")
    if type(user) is not User:
        user = getattr(request, "_cached_user", None)
    return user if type(user) is User else None
