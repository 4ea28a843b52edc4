"""Forms of the recall list: what it shows, and what became of an attempt."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from clinics.models import Doctor
from dashboard.forms.visits import version_field
from followups.models import ContactChannel, ContactOutcome, FollowUpType

EVERYTHING, OVERDUE, ESCALATED = "", "overdue", "escalated"
#: Outcomes that are written by hand; the others follow from a booking and an invitation.
_BY_HAND: Final = tuple(
    outcome
    for outcome in ContactOutcome
    if outcome not in {ContactOutcome.BOOKED, ContactOutcome.INVITED}
)


class RecallFilter(forms.Form):
    """What the list is narrowed to; empty is everything."""

    use_required_attribute = False

    doctor = forms.TypedChoiceField(
        label=_("Doctor"), coerce=UUID, required=False, empty_value=None
    )
    kind = forms.ChoiceField(
        label=_("Kind"), required=False, choices=[("", _("All kinds")), *FollowUpType.choices]
    )
    only = forms.ChoiceField(
        label=_("Show"),
        required=False,
        choices=[
            (EVERYTHING, _("Due and overdue")),
            (OVERDUE, _("Overdue")),
            (ESCALATED, _("Doctor told")),
        ],
    )

    def __init__(self, data: Mapping[str, Any], *, doctors: Iterable[Doctor]) -> None:
        super().__init__(data, auto_id="recall-%s")
        field: Any = self.fields["doctor"]
        field.choices = [
            ("", _("All doctors")),
            *((str(one.id), one.display_name) for one in doctors),
        ]


class AttemptForm(forms.Form):
    """Somebody asked the patient: how, and what became of it."""

    use_required_attribute = False

    version = version_field()
    channel = forms.ChoiceField(
        label=_("How"), choices=ContactChannel.choices, initial=ContactChannel.PHONE
    )
    outcome = forms.ChoiceField(
        label=_("What happened"),
        choices=[("", _("Choose")), *((one.value, one.label) for one in _BY_HAND)],
        error_messages={"required": _("Say what happened.")},
    )
    again_on = forms.DateField(
        label=_("Ask again on"),
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    note = forms.CharField(
        label=_("Note"),
        required=False,
        max_length=500,
        widget=forms.TextInput({"autocomplete": "off"}),
    )


class TimesForm(forms.Form):
    """For whose free times to look, and from which day on."""

    use_required_attribute = False

    doctor = forms.TypedChoiceField(
        label=_("Doctor"), coerce=UUID, required=False, empty_value=None
    )
    day = forms.DateField(
        label=_("From"),
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )

    def __init__(
        self, data: Mapping[str, Any], *, doctors: Iterable[Doctor], doctor: UUID | None, day: date
    ) -> None:
        kept = {"doctor": str(doctor or ""), "day": day.isoformat()}
        super().__init__(kept | dict(data.items()), auto_id="times-%s")
        field: Any = self.fields["doctor"]
        field.choices = [
            ("", _("Anybody")),
            *((str(one.id), one.display_name) for one in doctors),
        ]

    def question(self, earliest: date) -> tuple[date, UUID | None]:
        """The first day to look at, not before `earliest`, and the doctor; None is anybody.

        What cannot be asked for is as good as not asked.
        """
        self.is_valid()
        day = self.cleaned_data.get("day")
        return max(day or earliest, earliest), self.cleaned_data.get("doctor")


class PickForm(forms.Form):
    """A free time that was picked: `pick` is a doctor, a place and a start, in one."""

    use_required_attribute = False

    version = version_field()
    pick = forms.CharField(max_length=120, error_messages={"required": _("Choose a time.")})
    early_reason = forms.CharField(
        label=_("Why earlier than planned"), required=False, max_length=500
    )
