"""Sign-in with email or phone."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from accounts.models import User
from accounts.selectors import user_by_login


class EmailOrPhoneBackend(ModelBackend):
    """As Django's, but the name is an email (any case) or a phone number.

    Spends the same time on an unknown name as on a wrong password.
    """

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        login = username or kwargs.get("email") or kwargs.get("phone")
        if not login or password is None:
            return None
        user = user_by_login(login)
        if user is None:
            User().set_password(password)
            return None
        if user.check_password(password) and self.user_can_authenticate(user):
            return user
        return None
