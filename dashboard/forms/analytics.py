"""What figures are asked for: days, and whose."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from clinics.models import Doctor, Location


def _day(label: Any) -> forms.DateField:
    return forms.DateField(
        label=label, widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )


class FiguresForm(forms.Form):
    """Read from the address. The names of its fields are those of the API."""

    location = forms.TypedChoiceField(
        label=_("Location"), coerce=UUID, required=False, empty_value=None
    )
    doctor = forms.TypedChoiceField(
        label=_("Doctor"), coerce=UUID, required=False, empty_value=None
    )

    def __init__(
        self,
        data: Mapping[str, Any],
        *,
        locations: Sequence[Location],
        doctors: Sequence[Doctor] | None,
        days: tuple[date, date],
    ) -> None:
        """`days` are shown unless the address says others. `doctors` None: only their own."""
        given = {"from": days[0].isoformat(), "to": days[1].isoformat()}
        super().__init__(given | {name: data[name] for name in data if data[name]})
        self.fields = {
            "from": _day(_("From")),
            "to": _day(pgettext_lazy("end of a range of dates", "To")),
            **self.fields,
        }
        if len(locations) > 1:
            self._choices("location", _("All locations"), ((one.id, one.name) for one in locations))
        else:
            del self.fields["location"]
        if doctors is not None:
            self._choices(
                "doctor", _("All doctors"), ((one.id, one.display_name) for one in doctors)
            )
        else:
            del self.fields["doctor"]

    def _choices(self, name: str, nobody: Any, rows: Any) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.TypedChoiceField)  # noqa: S101 - for the type checker
        field.choices = [("", nobody), *((str(key), label) for key, label in rows)]
