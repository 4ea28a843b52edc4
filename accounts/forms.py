"""Forms of the sign-in pages, and of one's own account."""

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts.timezones import timezone_choices
from core.theme import THEMES


class SignInForm(forms.Form):
    """An email or phone number, and the password."""

    login = forms.CharField(
        label=_("Email or phone"),
        max_length=254,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "username",
                "autocapitalize": "none",
                "autofocus": True,
                "dir": "ltr",  # a phone number's plus stays at its front
            }
        ),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=1024,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


def _new_password(label: Any, **attrs: Any) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=1024,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", **attrs}),
        help_text=_("At least 10 characters; a few words are easier to keep than a riddle."),
    )


class _ChosenTwiceForm(forms.Form):
    """A new password in the field `chosen`, and once more in `again`."""

    chosen: ClassVar[str]
    again = forms.CharField(
        label=_("The same again"),
        max_length=1024,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any] | None:
        found = super().clean() or {}
        if found.get(self.chosen) and found.get(self.chosen) != found.get("again"):
            self.add_error("again", _("This is not the same."))
        return found


class WelcomeForm(_ChosenTwiceForm):
    """A first password, twice."""

    chosen = "password"
    password = _new_password(_("Password"), autofocus=True)


class AccountForm(forms.Form):
    """What one may choose for oneself. Language and zone go with the user, the theme does not."""

    locale = forms.ChoiceField(label=_("Language"), choices=settings.LANGUAGES)
    timezone = forms.ChoiceField(label=_("Time zone"))
    theme = forms.ChoiceField(
        label=_("Colours"),
        choices=list(THEMES.items()),
        widget=forms.RadioSelect,
        help_text=_("This device remembers them; other devices have their own."),
    )

    def __init__(self, *args: Any, present_zone: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = timezone_choices(get_language() or settings.LANGUAGE_CODE, present_zone)
        self.fields["timezone"].choices = zones  # type: ignore[attr-defined]  # a ChoiceField


class PasswordForm(_ChosenTwiceForm):
    """The old password, and a new one twice."""

    chosen = "new"
    old = forms.CharField(
        label=_("Your password now"),
        max_length=1024,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )
    new = _new_password(_("New password"))
