"""Forms of leave: entering it, and choosing where its visits go."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from appointments.selectors.rebooking import Place, Suggestion
from appointments.services.rebooking import Choice
from clinics.models import Doctor, ExceptionKind, ScheduleException
from core.errors import ErrorCode, KairosError

KEEP, CANCEL = "keep", "cancel"
_OF_LEAVE = ("doctor", "start_date", "end_date", "start_time", "end_time", "reason")


class LeaveForm(forms.Form):
    """Who is away, and when: whole days, or the same hours of each."""

    doctor = forms.ChoiceField(label=_("Doctor"))
    start_date = forms.DateField(
        label=_("First day"), widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )
    end_date = forms.DateField(
        label=_("Last day"), widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )
    start_time = forms.TimeField(
        label=_("From (time)"),
        required=False,
        help_text=_("Leave both times empty for whole days."),
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
    )
    end_time = forms.TimeField(
        label=_("To (time)"),
        required=False,
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
    )
    once = forms.UUIDField(required=False, widget=forms.HiddenInput)
    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=200,
        help_text=_("Staff see it; patients do not."),
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        doctors: Sequence[Doctor],
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=dict(initial or {}))
        self._doctors = {str(doctor.id): doctor for doctor in doctors}
        choices: list[tuple[str, Any]] = [
            (key, doctor.display_name) for key, doctor in self._doctors.items()
        ]
        if len(choices) != 1:
            choices.insert(0, ("", _("Choose")))
        self.fields["doctor"] = forms.ChoiceField(label=_("Doctor"), choices=choices)

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        start, end = found.get("start_date"), found.get("end_date")
        if start and end and end < start:
            self.add_error("end_date", _("The last day comes after the first."))
        if "start_time" in found and "end_time" in found:
            self._check_times(found["start_time"], found["end_time"])
        return found

    def _check_times(self, start: Any, end: Any) -> None:
        if (start is None) != (end is None):
            self.add_error("end_time" if end is None else "start_time", _("Give both times."))
        elif start is not None and end <= start and end.isoformat() != "00:00:00":
            self.add_error("end_time", _("The end comes after the start."))

    def exception(self) -> dict[str, Any]:
        """The fields of the leave, for the services."""
        fields = {name: self.cleaned_data[name] for name in _OF_LEAVE}
        fields["doctor"] = self._doctors[fields["doctor"]]
        return {**fields, "kind": ExceptionKind.LEAVE}

    def said(self) -> str:
        """What was filled in, in short: to notice that it is not what was looked at."""
        return "|".join(str(self.cleaned_data[name] or "") for name in _OF_LEAVE)

    def shown(self) -> list[forms.BoundField]:
        """The fields to be filled in."""
        return self.visible_fields()


@dataclass(frozen=True, slots=True)
class Option:
    """One place that a visit could go to, as a choice of the form."""

    value: str
    place: Place
    is_same: bool
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One visit of the list, with its choices. `refused` says why the last choice was not done."""

    suggestion: Suggestion
    options: list[Option]
    chosen: str
    may_move: bool
    refused: str = ""


def row_of(
    suggestion: Suggestion, *, may_move: bool, prefer: str, chosen: str = "", refused: str = ""
) -> Row:
    """The choices of one visit. `chosen` (typed before) counts while it is still offered; else
    `prefer` says: `same` doctor, `other` doctor, or keep."""
    places = [("same", suggestion.same), ("other", suggestion.other)]
    offered = {name: value_of(place) for name, place in places if place is not None}
    allowed = {KEEP, CANCEL, *offered.values()}
    picked = chosen if chosen in allowed else offered.get(prefer, KEEP)
    options = [
        Option(offered[name], place, name == "same", offered[name] == picked)
        for name, place in places
        if place is not None
    ]
    return Row(suggestion, options, picked, may_move and suggestion.is_movable, refused)


def value_of(place: Place) -> str:
    """A place as the value of a choice."""
    return f"{place.starts_at.isoformat()}|{place.doctor.id}|{place.location or ''}"


def choices_in(data: Mapping[str, Any]) -> list[Choice]:
    """What was chosen, of every visit that is to change. Raises VALIDATION_ERROR."""
    found = []
    for name, value in data.items():
        if not name.startswith("to-") or value == KEEP:
            continue
        try:
            visit = UUID(name.removeprefix("to-"))
            version = int(data[f"version-{visit}"])
            if value == CANCEL:
                found.append(Choice(visit, version))
                continue
            at, doctor, location = value.split("|")
            starts_at = datetime.fromisoformat(at)
            if starts_at.tzinfo is None:
                raise ValueError("without offset")
            found.append(
                Choice(
                    visit, version, starts_at, UUID(doctor), UUID(location) if location else None
                )
            )
        except (ValueError, KeyError):
            raise KairosError(ErrorCode.VALIDATION_ERROR) from None
    return found


def days_said(exception: ScheduleException) -> tuple[Any, Any]:
    """The first and the last day, the last None when it is the same."""
    last = exception.end_date if exception.end_date != exception.start_date else None
    return exception.start_date, last
