"""What patients fill in to be told of a freed time. Rules are the waitlist's own."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from django import forms
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext_lazy as _

from clinics.models import Doctor, Location, Patient, Service

#: ISO weekdays, from Monday, by their names.
_DAYS = [(str(number), WEEKDAYS[number - 1]) for number in range(1, 8)]


def _time(label: Any) -> forms.TimeField:
    return forms.TimeField(
        label=label, required=False, widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"})
    )


def _date(label: Any, help_text: Any = "") -> forms.DateField:
    return forms.DateField(
        label=label,
        help_text=help_text,
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )


class EarlierForm(forms.Form):
    """When somebody with a visit would come earlier: everything may be left as it is."""

    doctors = forms.MultipleChoiceField(
        label=_("With"),
        help_text=_("Choose nobody if anybody will do."),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    weekdays = forms.MultipleChoiceField(
        label=_("On these days"),
        help_text=_("Choose none if every day will do."),
        choices=_DAYS,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    time_from = _time(_("Not before"))
    time_to = _time(_("Over by"))
    earliest = _date(_("First day"), _("Leave it empty for today."))
    note = forms.CharField(
        label=_("Anything else the clinic should know"),
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, *args: Any, doctors: Sequence[Doctor], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _choose(self, "doctors", [(str(one.id), one.display_name) for one in doctors])

    @property
    def time_parts(self) -> list[forms.BoundField]:
        """From and to, to be drawn side by side."""
        return [self["time_from"], self["time_to"]]

    @property
    def day_parts(self) -> list[forms.BoundField]:
        """The first day and, where it is asked for, the last."""
        return [self[name] for name in ("earliest", "latest") if name in self.fields]

    def wishes(self) -> dict[str, Any]:
        """As `entry_create` takes them."""
        given = self.cleaned_data
        return {
            "doctors": [UUID(one) for one in given["doctors"]],
            "weekdays": [int(one) for one in given["weekdays"]],
            "time_from": given["time_from"],
            "time_to": given["time_to"],
            "earliest": given["earliest"],
            "note": given["note"].strip(),
        }


class WishForm(EarlierForm):
    """What somebody without a visit waits for."""

    patient = forms.ChoiceField(label=_("For whom?"), widget=forms.RadioSelect)
    service = forms.ChoiceField(label=_("What for"), widget=forms.RadioSelect)
    location = forms.ChoiceField(label=_("Where"), required=False)
    latest = _date(_("Last day"), _("Leave it empty if any day will do."))
    field_order = [
        "patient",
        "service",
        "doctors",
        "location",
        "weekdays",
        "time_from",
        "time_to",
        "earliest",
        "latest",
        "note",
    ]

    def __init__(
        self,
        *args: Any,
        patients: Sequence[Patient],
        services: Sequence[Service],
        locations: Sequence[Location],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if len(patients) > 1:
            _choose(self, "patient", [(str(one.id), one.full_name) for one in patients])
        else:
            del self.fields["patient"]
        _choose(self, "service", [(str(one.id), one.name) for one in services])
        if len(locations) > 1:
            places = [(str(one.id), one.name) for one in locations]
            _choose(self, "location", [("", _("Any place")), *places])
        else:
            del self.fields["location"]

    def wishes(self) -> dict[str, Any]:
        given = self.cleaned_data
        latest: date | None = given["latest"]
        return {
            **super().wishes(),
            "service": UUID(given["service"]),
            "location": UUID(given["location"]) if given.get("location") else None,
            "latest": latest,
        }


def _choose(form: forms.Form, name: str, choices: Sequence[tuple[str, Any]]) -> None:
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)  # noqa: S101 - for the type checker
    field.choices = list(choices)
