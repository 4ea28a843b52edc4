"""Forms of the waitlist: what a patient would come for, what is listed, why it is taken off."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from django import forms
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext_lazy as _

from appointments.models import Priority
from appointments.selectors.booking import Offer
from clinics.models import Doctor, Service, VisitMode
from followups.models import WaitlistStatus


def _day(label: Any, help_text: Any = "") -> forms.DateField:
    return forms.DateField(
        label=label,
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        help_text=help_text,
    )


def _time(label: Any) -> forms.TimeField:
    return forms.TimeField(
        label=label,
        required=False,
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
    )


class WaitlistFilter(forms.Form):
    """What the list is narrowed to; empty is everything."""

    use_required_attribute = False

    service = forms.TypedChoiceField(
        label=_("Service"), coerce=UUID, required=False, empty_value=None
    )
    doctor = forms.TypedChoiceField(
        label=_("Doctor"), coerce=UUID, required=False, empty_value=None
    )
    status = forms.ChoiceField(
        label=_("Show"),
        required=False,
        choices=[
            ("", WaitlistStatus.WAITING.label),
            *((one.value, one.label) for one in WaitlistStatus if one != WaitlistStatus.WAITING),
        ],
    )

    def __init__(
        self, data: Mapping[str, Any], *, services: Iterable[Service], doctors: Iterable[Doctor]
    ) -> None:
        super().__init__(data, auto_id="waitlist-%s")
        service: Any = self.fields["service"]
        service.choices = [("", _("All services")), *((str(one.id), one.name) for one in services)]
        doctor: Any = self.fields["doctor"]
        doctor.choices = [
            ("", _("All doctors")),
            *((str(one.id), one.display_name) for one in doctors),
        ]


class WishForm(forms.Form):
    """What the patient would come for. `once` makes the same form, sent twice, enter one wish."""

    use_required_attribute = False

    once = forms.UUIDField(widget=forms.HiddenInput)
    appointment = forms.UUIDField(widget=forms.HiddenInput, required=False)
    service = forms.TypedChoiceField(label=_("Service"), coerce=UUID)
    mode = forms.ChoiceField(label=_("How"), choices=VisitMode.choices)
    location = forms.TypedChoiceField(
        label=_("Place"), coerce=UUID, required=False, empty_value=None
    )
    urgency = forms.ChoiceField(
        label=_("Urgency"), choices=Priority.choices, initial=Priority.NORMAL
    )
    earliest = _day(_("From"))
    latest = _day(_("Until"), _("Empty: as far ahead as is booked."))
    time_from = _time(_("Not before"))
    time_to = _time(_("Over by"))
    weekdays = forms.TypedMultipleChoiceField(
        label=_("Weekdays"),
        required=False,
        coerce=int,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None ticked: any day."),
    )
    doctors = forms.TypedMultipleChoiceField(
        label=_("Doctors"),
        required=False,
        coerce=UUID,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None ticked: any doctor."),
    )
    note = forms.CharField(label=_("Note"), required=False, max_length=500)

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        offer: Offer,
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=dict(initial or {}), auto_id="wish-%s")
        choices: dict[str, list[tuple[str, Any]]] = {
            "service": [(str(one.id), one.name) for one in offer.services],
            "location": [("", _("Any")), *((str(one.id), one.name) for one in offer.locations)],
            "doctors": [(str(one.id), one.display_name) for one in offer.doctors],
            "weekdays": [(str(number + 1), name) for number, name in WEEKDAYS_ABBR.items()],
        }
        for name, rows in choices.items():
            field: Any = self.fields[name]
            field.choices = rows
        if len(offer.locations) < 2:
            self.fields["location"].widget = forms.HiddenInput()
        if len(offer.doctors) < 2:
            del self.fields["doctors"]

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        first, last = found.get("earliest"), found.get("latest")
        if isinstance(first, date) and isinstance(last, date) and last < first:
            self.add_error("latest", _("The last day is not before the first."))
        begin, end = found.get("time_from"), found.get("time_to")
        if begin is not None and end is not None and end <= begin:
            self.add_error("time_to", _("The time of day ends after it begins."))
        return found

    def wishes(self) -> dict[str, Any]:
        """Of a form that is valid: what the service takes."""
        given = {name: value for name, value in self.cleaned_data.items() if name != "once"}
        return given | {"doctors": given.get("doctors", [])}
