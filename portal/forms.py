"""What patients fill in. Rules are the services'; these are about what was typed."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext, override
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from clinics.models import Patient
from core import clock
from portal.words import CANCEL_REASONS

_OLDEST_YEARS = 130
#: The fields of a new chart that are typed.
PERSON = ("given_name", "family_name", "phone", "email")


def _number(autocomplete: str, digits: int) -> forms.TextInput:
    return forms.TextInput(
        attrs={"inputmode": "numeric", "autocomplete": autocomplete, "maxlength": digits}
    )


class ReasonForm(forms.Form):
    """For a patient with one chart: there is nothing to say but why."""

    reason = forms.CharField(
        label=_("What is it about?"),
        help_text=_("Leave it empty if you would rather not say."),
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class ForWhomForm(ReasonForm):
    """For somebody who acts for others too."""

    patient = forms.ChoiceField(label=_("For whom?"), widget=forms.RadioSelect)
    field_order = ["patient", "reason"]

    def __init__(self, *args: Any, patients: Sequence[Patient], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["patient"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - for the type checker
        field.choices = [(str(patient.id), patient.full_name) for patient in patients]


class PersonForm(ReasonForm):
    """For somebody new to the clinic."""

    given_name = forms.CharField(
        label=_("Given name"),
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "given-name"}),
    )
    family_name = forms.CharField(
        label=_("Family name"),
        help_text=_("Leave it empty if you have one name only."),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "family-name"}),
    )
    birth_day = forms.IntegerField(label=_("Day"), required=False, widget=_number("bday-day", 2))
    birth_month = forms.IntegerField(
        label=_("Month"), required=False, widget=_number("bday-month", 2)
    )
    birth_year = forms.IntegerField(label=_("Year"), required=False, widget=_number("bday-year", 4))
    phone = forms.CharField(
        label=_("Phone"),
        help_text=_("A phone or an email is enough."),
        max_length=40,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "tel", "type": "tel", "dir": "ltr"}),
    )
    email = forms.EmailField(
        label=_("Email"),
        required=False,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "dir": "ltr"}),
    )
    field_order = [
        "given_name",
        "family_name",
        "birth_day",
        "birth_month",
        "birth_year",
        "phone",
        "email",
        "reason",
    ]

    @property
    def birth_parts(self) -> list[forms.BoundField]:
        """Day, month and year, to be drawn side by side."""
        return [self[name] for name in ("birth_day", "birth_month", "birth_year")]

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or self.cleaned_data
        year, month, day = (found.get(f"birth_{part}") for part in ("year", "month", "day"))
        if year is not None and month is not None and day is not None:
            try:
                found["birth_date"] = _birth_date(year, month, day)
            except ValueError as error:
                self.add_error("birth_day", str(error))
        elif not {"birth_day", "birth_month", "birth_year"} & set(self.errors):
            self.add_error("birth_day", gettext("Write the day, the month and the year."))
        wrong = {"phone", "email"} & set(self.errors)
        if not wrong and not found.get("phone") and not found.get("email"):
            self.add_error("phone", gettext("Give a phone number or an email address."))
        return found

    def person(self) -> dict[str, Any]:
        """The fields of the chart."""
        values = {name: self.cleaned_data[name] for name in PERSON}
        return {**values, "birth_date": self.cleaned_data["birth_date"]}


def person_of(user: User) -> dict[str, Any]:
    """What is known of a user, to begin with."""
    return {name: getattr(user, name) or "" for name in PERSON}


class CancelForm(forms.Form):
    """Why a visit is cancelled: one of a few reasons, and words where none fits."""

    why = forms.ChoiceField(
        label=_("Why?"), choices=list(CANCEL_REASONS.items()), widget=forms.RadioSelect
    )
    words = forms.CharField(
        label=_("Anything else the clinic should know"),
        max_length=400,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def reason(self) -> str:
        """As the clinic reads it: in the installation's language, with the patient's own words."""
        with override(settings.LANGUAGE_CODE):
            said = str(CANCEL_REASONS[self.cleaned_data["why"]])
        own = self.cleaned_data["words"].strip()
        return f"{said}: {own}" if own else said


def _birth_date(year: int, month: int, day: int) -> date:
    """Raises ValueError with a sentence for a person."""
    today = clock.now().date()
    try:
        found = date(year, month, day)
    except (ValueError, OverflowError):
        raise ValueError(gettext("There is no such date.")) from None
    if found > today:
        raise ValueError(gettext("This day is still to come."))
    if found.year < today.year - _OLDEST_YEARS:
        raise ValueError(gettext("Write the year with four digits."))
    return found
