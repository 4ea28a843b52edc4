"""Forms of the queue. They check shapes; what an act means is the service's to judge."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from appointments.models import Priority
from clinics.models import Doctor, Location, Room, Service
from dashboard.forms.visits import ReasonForm, StepForm

#: What is said most often when somebody leaves.
LEFT: Final[tuple[str | Promise, ...]] = (
    _("Could not wait any longer"),
    _("Did not answer the calls"),
    _("Was sent elsewhere"),
    _("Entered by mistake"),
)
_LONGEST_LEFT: Final = 200


class LeftForm(ReasonForm):
    """Why somebody left without being seen."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, usual=LEFT, **kwargs)

    def clean(self) -> dict[str, Any]:
        found = super().clean()
        found["why"] = found["why"][:_LONGEST_LEFT]
        return found


class PriorityForm(StepForm):
    """How urgent somebody is."""

    priority = forms.ChoiceField(label=_("Priority"), choices=Priority.choices)


class TransferForm(StepForm):
    """To another doctor, room or location."""

    doctor = forms.TypedChoiceField(
        label=_("Doctor"), coerce=UUID, required=False, empty_value=None
    )
    room = forms.TypedChoiceField(label=_("Room"), coerce=UUID, required=False, empty_value=None)
    location = forms.TypedChoiceField(
        label=_("Location"), coerce=UUID, required=False, empty_value=None
    )

    def __init__(
        self,
        *args: Any,
        doctors: Iterable[Doctor],
        rooms: Iterable[Room],
        locations: Iterable[Location],
        here: UUID,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        choices_set(
            self,
            "doctor",
            [("", _("Whoever is free"))],
            ((one.id, one.display_name) for one in doctors),
        )
        places = list(locations)
        names = {place.id: place.name for place in places}
        several = len(places) > 1
        rows = sorted(rooms, key=lambda room: room.location_id != here)  # those of this place first
        choices_set(
            self,
            "room",
            [("", _("No room"))],
            (
                (one.id, f"{names[one.location_id]} · {one.name}" if several else one.name)
                for one in rows
                if one.location_id in names
            ),
        )
        choices_set(self, "location", [], ((place.id, place.name) for place in places))
        if not several:
            del self.fields["location"]


class WalkInForm(forms.Form):
    """Somebody who came without a visit; who it is stands in the part beside it.

    `once` makes the same form, sent twice, add one entry.
    """

    use_required_attribute = False

    once = forms.UUIDField(widget=forms.HiddenInput({"autocomplete": "off"}))
    guest_name = forms.CharField(
        label=_("Name"),
        required=False,
        max_length=200,
        widget=forms.TextInput({"autocomplete": "off", "dir": "auto"}),
        help_text=_("The staff see it. The wall screen shows the token alone."),
    )
    doctor = forms.TypedChoiceField(
        label=_("Doctor"), coerce=UUID, required=False, empty_value=None
    )
    service = forms.TypedChoiceField(
        label=_("Service"), coerce=UUID, required=False, empty_value=None
    )
    priority = forms.ChoiceField(
        label=_("Priority"), choices=Priority.choices, initial=Priority.NORMAL
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        doctors: Iterable[Doctor],
        services: Iterable[Service],
        anybody: bool,
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=dict(initial or {}), auto_id="book-%s")
        free = [("", _("Whoever is free"))] if anybody else []
        choices_set(self, "doctor", free, ((one.id, one.display_name) for one in doctors))
        choices_set(
            self, "service", [("", _("Not said"))], ((one.id, one.name) for one in services)
        )


def choices_set(
    form: forms.Form,
    name: str,
    first: list[tuple[str, Any]],
    rows: Iterable[tuple[UUID, str]],
) -> None:
    """Give a field its choices: `first`, then the rows."""
    field: Any = form.fields[name]
    field.choices = [*first, *((str(key), label) for key, label in rows)]
    field.error_messages["invalid_choice"] = _("Choose one of these.")
