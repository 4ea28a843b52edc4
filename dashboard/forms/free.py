"""The question for the next free times."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django import forms
from django.http import QueryDict
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext_lazy as _

from appointments.selectors.booking import Offer
from clinics.models import Service, VisitMode

MORNING, AFTERNOON = "morning", "afternoon"
Choices = list[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Question:
    """None and empty: any. `weekdays` are ISO numbers, Monday is 1; noon parts the day. Without
    `minutes` a visit is as long as its service says."""

    first: date
    service: Service | None
    doctor: UUID | None
    location: UUID | None
    mode: str | None
    part: str
    weekdays: frozenset[int]
    patient: UUID | None
    minutes: int | None = None


class FreeForm(forms.Form):
    """Every field may be left out."""

    use_required_attribute = False

    service = forms.ChoiceField(label=_("Service"), required=False)
    doctor = forms.ChoiceField(label=_("Doctor"), required=False)
    location = forms.ChoiceField(label=_("Place"), required=False)
    mode = forms.ChoiceField(
        label=_("How"), required=False, choices=[("", _("Any")), *VisitMode.choices]
    )
    day = forms.DateField(
        label=_("From"),
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    part = forms.ChoiceField(
        label=_("Part of the day"),
        required=False,
        choices=[("", _("Any")), (MORNING, _("Morning")), (AFTERNOON, _("Afternoon"))],
    )
    weekday = forms.MultipleChoiceField(
        label=_("Weekdays"), required=False, widget=forms.CheckboxSelectMultiple
    )
    patient = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: QueryDict, *, offer: Offer, today: date) -> None:
        self.typed = data.copy()
        self.typed.setdefault("day", today.isoformat())
        super().__init__(self.typed, auto_id="next-%s")
        self.offer, self.today = offer, today
        any_: Choices = [("", _("Any"))]
        self._choices("doctor", any_, [(str(one.id), one.display_name) for one in offer.doctors])
        self._choices("location", any_, [(str(one.id), one.name) for one in offer.locations])
        self._choices("service", [], [(str(one.id), one.name) for one in offer.services])
        weekdays: Any = self.fields["weekday"]
        weekdays.choices = [(str(number + 1), name) for number, name in WEEKDAYS_ABBR.items()]
        modes = {mode for one in offer.services for mode in one.modes}
        if len(modes) == 1:
            self.fields["mode"].widget = forms.HiddenInput()

    def _choices(self, name: str, first: Choices, rows: Choices) -> None:
        field: Any = self.fields[name]
        field.choices = first + rows
        if len(rows) < 2:
            field.widget = forms.HiddenInput()

    @property
    def asked_service(self) -> Service | None:
        """The service asked for."""
        return self.offer.service(_uuid(self.typed.get("service")))

    @property
    def asked_patient(self) -> UUID | None:
        """For whom the time is looked for, if that is known."""
        return _uuid(self.typed.get("patient"))

    def default_service(self, service: Service | None) -> None:
        """Asked for unless another is."""
        self.typed["service"] = str(service.id) if service is not None else ""

    def question(self) -> Question:
        """Of a form that is valid. A day that is past is today."""
        values = self.cleaned_data
        return Question(
            first=max(values["day"] or self.today, self.today),
            service=self.asked_service,
            doctor=_uuid(values["doctor"]),
            location=_uuid(values["location"]),
            mode=values["mode"] or None,
            part=values["part"],
            weekdays=frozenset(int(one) for one in values["weekday"]),
            patient=self.asked_patient,
        )


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
