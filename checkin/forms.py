"""What patients fill in when they arrive."""

from django import forms
from django.utils.translation import gettext_lazy as _


class PhoneForm(forms.Form):
    """A phone number that a code is sent to."""

    phone = forms.CharField(
        label=_("Your phone number"),
        help_text=_("The one that the clinic has of you, or of the person you came with."),
        max_length=40,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel", "dir": "ltr"}),
    )


class CodeForm(forms.Form):
    """The code that was sent."""

    digits = forms.CharField(
        label=_("The 6 digits"),
        max_length=40,
        widget=forms.TextInput(
            attrs={
                "inputmode": "numeric",
                "autocomplete": "one-time-code",
                "dir": "ltr",
                "class": "one-time-code",
            }
        ),
    )
