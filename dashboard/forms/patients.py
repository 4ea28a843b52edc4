"""The form of a patient's contact data."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from clinics.models import Channel, Patient

_WANTED: dict[str, bool] = {"yes": True, "no": False}
_CHANNEL = "channel_"


class ContactForm(forms.ModelForm):
    """Who the patient is and how to reach them; ways to be reached are asked one by one."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    # As people write it; the service keeps it in E.164 form.
    phone = forms.CharField(
        label=_("Phone"),
        max_length=40,
        required=False,
        widget=forms.TextInput(attrs={"type": "tel", "dir": "ltr"}),
    )

    class Meta:
        model = Patient
        fields = (
            "given_name",
            "family_name",
            "birth_date",
            "sex",
            "phone",
            "email",
            "language",
            "insurance",
        )
        widgets = {"birth_date": forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})}

    def __init__(self, data: Mapping[str, Any] | None = None, *, patient: Patient) -> None:
        super().__init__(data, instance=patient, initial={"version": patient.version})
        self.fields["language"] = forms.ChoiceField(
            label=_("Language"), required=False, choices=_languages(patient.language)
        )
        wanted = {value: word for word, value in _WANTED.items()}
        for channel in Channel:
            self.fields[_CHANNEL + channel.value] = forms.ChoiceField(
                label=channel.label,
                required=False,
                choices=[("", _("Not asked")), ("yes", _("Wanted")), ("no", _("Not wanted"))],
                initial=wanted.get(patient.contact_preferences.get(channel.value), ""),
            )

    def channels(self) -> list[forms.BoundField]:
        """The fields of the ways to reach the patient."""
        return [self[name] for name in self.fields if name.startswith(_CHANNEL)]

    def details(self) -> list[forms.BoundField]:
        """The other fields that are shown."""
        return [
            self[name]
            for name in self.fields
            if name != "version" and not name.startswith(_CHANNEL)
        ]

    def changes(self) -> dict[str, Any]:
        """What the service is to write. Ways that the form does not know stay as they are."""
        values = {name: self.cleaned_data[name] for name in self.Meta.fields}
        preferences = dict(self.initial_preferences)
        for channel in Channel:
            word = self.cleaned_data[_CHANNEL + channel.value]
            if word:
                preferences[channel.value] = _WANTED[word]
            else:
                preferences.pop(channel.value, None)
        return {**values, "contact_preferences": preferences}

    @property
    def initial_preferences(self) -> dict[str, Any]:
        """The ways to reach the patient, as they were read."""
        return self.instance.contact_preferences

    def _post_clean(self) -> None:
        """The service writes and checks: the row read for the page stays as it was read."""


def _languages(now: str) -> list[tuple[str, Any]]:
    known = list(settings.LANGUAGES)
    if now and now not in dict(known):
        known.append((now, now))
    return [("", _("Not known")), *known]
