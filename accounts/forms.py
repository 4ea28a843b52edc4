"""Forms of the sign-in pages."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _


class SignInForm(forms.Form):
    """An email or phone number, and the password."""

    login = forms.CharField(
        label=_("Email or phone"),
        max_length=254,
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "autofocus": True}
        ),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=1024,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class WelcomeForm(forms.Form):
    """A first password, twice."""

    password = forms.CharField(
        label=_("Password"),
        max_length=1024,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "autofocus": True}),
        help_text=_("At least 10 characters; a few words are easier to keep than a riddle."),
    )
    again = forms.CharField(
        label=_("The same again"),
        max_length=1024,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any] | None:
        found = super().clean() or {}
        if found.get("password") and found.get("password") != found.get("again"):
            self.add_error("again", _("This is not the same."))
        return found
