"""Forms of arrival: check-in locations, devices, and lending a phone."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from checkin.models import CheckInLocation, DeviceKind
from clinics.models import Location

_FIRST: Final = ("name", "mode")
_NEARNESS: Final = ("geofence_metres", "geofence_policy", "latitude", "longitude")
_TIMES: Final = ("opens_minutes", "closes_minutes", "valid_until")
_OF_PLACE: Final = (*_FIRST, *_NEARNESS, *_TIMES, "is_active")


class PlaceForm(forms.Form):
    """A check-in location. Its location is chosen once: posters hang there."""

    location = forms.ChoiceField(label=_("Location"))
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        locations: Sequence[Location],
        point: CheckInLocation | None = None,
    ) -> None:
        said = {} if point is None else {name: getattr(point, name) for name in _OF_PLACE}
        version = None if point is None else point.version
        super().__init__(data, initial={**said, "version": version})
        self._locations = {str(one.id): one for one in locations}
        self.fields |= forms.fields_for_model(CheckInLocation, _OF_PLACE)
        self.fields["valid_until"].widget = forms.DateTimeInput(
            format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"}
        )
        if point is None:
            del self.fields["is_active"]
            self.fields["location"] = forms.ChoiceField(
                label=_("Location"), choices=_choices(self._locations)
            )
        else:
            del self.fields["location"]

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if ("latitude" in found and "longitude" in found) and (
            (found["latitude"] is None) != (found["longitude"] is None)
        ):
            missing = "latitude" if found["latitude"] is None else "longitude"
            self.add_error(missing, _("Latitude and longitude go together."))
        return found

    def chosen_location(self) -> Location:
        """Of a new check-in location."""
        return self._locations[self.cleaned_data["location"]]

    def details(self) -> dict[str, Any]:
        """What was filled in, for the services."""
        return {name: self.cleaned_data[name] for name in _OF_PLACE if name in self.fields}

    def first(self) -> list[forms.BoundField]:
        """What every check-in location needs."""
        names = ("location", *_FIRST, "is_active")
        return [self[name] for name in names if name in self.fields]

    def nearness(self) -> list[forms.BoundField]:
        """How near a phone has to be."""
        return [self[name] for name in _NEARNESS]

    def times(self) -> list[forms.BoundField]:
        """When it is open."""
        return [self[name] for name in _TIMES]


class DeviceForm(forms.Form):
    """A device that is to be paired."""

    name = forms.CharField(
        label=_("Name"),
        max_length=120,
        help_text=_("What people here call it, such as: tablet at the entrance."),
    )
    kind = forms.ChoiceField(label=_("Kind"), choices=DeviceKind.choices)
    location = forms.ChoiceField(label=_("Location"))
    once = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        locations: Sequence[Location],
        points: Sequence[CheckInLocation],
        once: UUID,
    ) -> None:
        super().__init__(data, initial={"once": once})
        self._locations = {str(one.id): one for one in locations}
        self._points = {str(one.id): one for one in points}
        self.fields["location"] = forms.ChoiceField(
            label=_("Location"), choices=_choices(self._locations)
        )
        if self._points:
            shown = [(key, f"{one.location} · {one}") for key, one in self._points.items()]
            self.fields["point"] = forms.ChoiceField(
                label=_("Changing code on its screen"),
                required=False,
                choices=[("", _("None")), *shown],
                help_text=_("Only for a screen that shows the changing code of a place."),
            )

    def asked(self) -> dict[str, Any]:
        """What was filled in, for the service."""
        found = self.cleaned_data
        return {
            "name": found["name"],
            "kind": found["kind"],
            "location": self._locations[found["location"]],
            "point": self._points.get(found.get("point", "")),
        }


class LendForm(forms.Form):
    """Where the phone scans."""

    location = forms.ChoiceField(label=_("Location"))

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, locations: Sequence[Location]
    ) -> None:
        super().__init__(data)
        self._locations = {str(one.id): one for one in locations}
        self.fields["location"] = forms.ChoiceField(
            label=_("Location"), choices=_choices(self._locations)
        )

    def chosen_location(self) -> Location:
        return self._locations[self.cleaned_data["location"]]


def _choices(rows: Mapping[str, Location]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [(key, one.name) for key, one in rows.items()]
    return found if len(found) == 1 else [("", _("Choose")), *found]
