"""The forms of a series: its rule, put together from what people say, and what is to change."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final
from uuid import UUID

from django import forms
from django.http import QueryDict
from django.utils.dates import WEEKDAYS, WEEKDAYS_ABBR
from django.utils.translation import gettext_lazy as _

from appointments.models import MAX_SERIES_VISITS, ClashPolicy
from appointments.selectors.booking import Offer
from appointments.services.context import MAX_MINUTES, MIN_MINUTES
from clinics.models import VisitMode

DAILY, WEEKLY, MONTHLY = "DAILY", "WEEKLY", "MONTHLY"
ON_DAY, ON_LAST, ON_WEEKDAY = "day", "last", "weekday"
COUNT, UNTIL, OPEN = "count", "until", "open"
THIS, FOLLOWING, ALL = "this", "following", "all"
#: Weekdays as RFC 5545 writes them, Monday first.
DAY_CODES: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_MOST_APART: Final = 52
_REASON: Final = 500
#: What a change takes.
_CHANGED: Final = (
    "local_time",
    "duration_minutes",
    "shift_days",
    "end_date",
    "doctor",
    "location",
)


def _day(label: Any, *, required: bool = True) -> forms.DateField:
    return forms.DateField(
        label=label,
        required=required,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )


def _time(label: Any, *, required: bool = True) -> forms.TimeField:
    return forms.TimeField(
        label=label,
        required=required,
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
    )


def _policy() -> forms.ChoiceField:
    return forms.ChoiceField(
        label=_("When a date is taken"),
        choices=ClashPolicy.choices,
        widget=forms.RadioSelect({"form": "series-form"}),  # it stands beside the form
        required=False,
        initial=ClashPolicy.ALL_OR_NOTHING,
    )


def _with_policy(data: QueryDict | None) -> QueryDict | None:
    """Who has not seen the dates yet was not asked what to do with those that are taken."""
    if data is None or data.get("policy"):
        return data
    found = data.copy()
    found["policy"] = ClashPolicy.ALL_OR_NOTHING
    return found


class SeriesForm(forms.Form):
    """A new series. `said` tells whether the preview that somebody saw is still the one."""

    use_required_attribute = False

    once = forms.UUIDField(widget=forms.HiddenInput, required=False)
    doctor = forms.TypedChoiceField(label=_("Doctor"), coerce=UUID)
    service = forms.TypedChoiceField(
        label=_("Service"), coerce=UUID, required=False, empty_value=None
    )
    location = forms.TypedChoiceField(
        label=_("Place"), coerce=UUID, required=False, empty_value=None
    )
    mode = forms.ChoiceField(label=_("How"), choices=VisitMode.choices)
    minutes = forms.IntegerField(
        label=_("Minutes"), required=False, min_value=MIN_MINUTES, max_value=MAX_MINUTES
    )
    freq = forms.ChoiceField(
        label=_("Repeat by"),
        choices=[(DAILY, _("Days")), (WEEKLY, _("Weeks")), (MONTHLY, _("Months"))],
        widget=forms.RadioSelect,
        initial=WEEKLY,
    )
    interval = forms.IntegerField(
        label=_("Every"), min_value=1, max_value=_MOST_APART, initial=1, required=False
    )
    weekday = forms.MultipleChoiceField(
        label=_("On"), required=False, widget=forms.CheckboxSelectMultiple
    )
    month_by = forms.ChoiceField(
        label=_("Day of the month"),
        required=False,
        choices=[
            (ON_DAY, _("The same date")),
            (ON_LAST, _("The last day")),
            (ON_WEEKDAY, _("A weekday")),
        ],
        widget=forms.RadioSelect,
        initial=ON_DAY,
    )
    month_day = forms.IntegerField(label=_("Date"), min_value=1, max_value=31, required=False)
    nth = forms.ChoiceField(
        label=_("Which"),
        required=False,
        choices=[
            ("1", _("First")),
            ("2", _("Second")),
            ("3", _("Third")),
            ("4", _("Fourth")),
            ("-1", _("Last")),
        ],
    )
    nth_weekday = forms.ChoiceField(label=_("Weekday"), required=False)
    start_date = _day(_("First day"))
    local_time = _time(_("Time"))
    ends = forms.ChoiceField(
        label=_("Ends"),
        choices=[
            (COUNT, _("After a number of visits")),
            (UNTIL, _("On a date")),
            (OPEN, _("Until further notice")),
        ],
        widget=forms.RadioSelect,
        initial=COUNT,
    )
    count = forms.IntegerField(
        label=_("Visits"), min_value=1, max_value=MAX_SERIES_VISITS, required=False, initial=10
    )
    until = _day(_("Last day"), required=False)
    reason = forms.CharField(label=_("Reason for the visits"), required=False, max_length=_REASON)
    policy = _policy()

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        offer: Offer,
        clinical: bool,
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(_with_policy(data), initial=dict(initial or {}), auto_id="series-%s")
        places_set(self, offer)
        days: Any = self.fields["weekday"]
        days.choices = list(zip(DAY_CODES, WEEKDAYS_ABBR.values(), strict=True))
        weekday: Any = self.fields["nth_weekday"]
        weekday.choices = list(zip(DAY_CODES, WEEKDAYS.values(), strict=True))
        if not clinical:  # who may not read it does not write it either
            del self.fields["reason"]

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        start = found.get("start_date")
        if found.get("ends") == COUNT and found.get("count") is None:
            self._missing("count", _("Say how many visits."))
        if found.get("ends") == UNTIL:
            until = found.get("until")
            if until is None:
                self._missing("until", _("Say the last day."))
            elif start is not None and until < start:
                self.add_error("until", _("The last day comes after the first."))
        if not found.get("service") and found.get("minutes") is None:
            self._missing("minutes", _("Say how long: there is no service that says it."))
        return found

    def _missing(self, name: str, sentence: Any) -> None:
        if name not in self.errors:
            self.add_error(name, sentence)

    def wish(self, patient: UUID) -> dict[str, Any]:
        """Of a form that is valid: what the services take."""
        given = self.cleaned_data
        return {
            "patient": patient,
            "doctor": given["doctor"],
            "location": given["location"],
            "service": given["service"],
            "mode": given["mode"],
            "rrule": self.rule(),
            "start_date": given["start_date"],
            "end_date": given["until"] if given["ends"] == UNTIL else None,
            "local_time": given["local_time"].replace(second=0, microsecond=0),
            "duration_minutes": given["minutes"],
            "reason": given.get("reason", ""),
            "open_ended": given["ends"] == OPEN,
        }

    def rule(self) -> str:
        """The days as an RRULE (RFC 5545)."""
        given = self.cleaned_data
        parts = [f"FREQ={given['freq']}"]
        if (given["interval"] or 1) > 1:
            parts.append(f"INTERVAL={given['interval']}")
        parts += self._days(given["freq"], given["start_date"])
        if given["ends"] == COUNT:
            parts.append(f"COUNT={given['count']}")
        return ";".join(parts)

    def _days(self, freq: str, start: date) -> list[str]:
        given = self.cleaned_data
        if freq == WEEKLY:
            chosen = given["weekday"] or [DAY_CODES[start.weekday()]]
            return [f"BYDAY={','.join(code for code in DAY_CODES if code in chosen)}"]
        if freq != MONTHLY:
            return []
        if given["month_by"] == ON_LAST:
            return ["BYMONTHDAY=-1"]
        if given["month_by"] == ON_WEEKDAY:
            weekday = given["nth_weekday"] or DAY_CODES[start.weekday()]
            return [f"BYDAY={given['nth'] or 1}{weekday}"]
        return [f"BYMONTHDAY={given['month_day'] or start.day}"]

    def said(self, patient: UUID) -> str:
        """What was filled in, in short: to notice that it is not what was looked at."""
        return "|".join(str(one or "") for one in self.wish(patient).values())


class ChangeForm(forms.Form):
    """What is to be another way, and for which visits of the series. Empty stays as it is."""

    use_required_attribute = False

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2**31 - 1)
    scope = forms.ChoiceField(label=_("Which visits"), widget=forms.RadioSelect)
    visit = forms.UUIDField(widget=forms.HiddenInput, required=False)
    local_time = _time(_("Time"), required=False)
    duration_minutes = forms.IntegerField(
        label=_("Minutes"), required=False, min_value=MIN_MINUTES, max_value=MAX_MINUTES
    )
    shift_days = forms.IntegerField(
        label=_("Days later"),
        required=False,
        min_value=-31,
        max_value=31,
        help_text=_("Below zero: earlier."),
    )
    end_date = _day(_("Last day of the series"), required=False)
    doctor = forms.TypedChoiceField(
        label=_("Doctor"), coerce=UUID, required=False, empty_value=None
    )
    location = forms.TypedChoiceField(
        label=_("Place"), coerce=UUID, required=False, empty_value=None
    )
    policy = _policy()

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        offer: Offer,
        scopes: Iterable[tuple[str, Any]],
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(_with_policy(data), initial=dict(initial or {}), auto_id="change-%s")
        places_set(self, offer, keep=_("As it is"))
        scope: Any = self.fields["scope"]
        scope.choices = list(scopes)

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("end_date") and found.get("scope") == THIS:
            self.add_error("end_date", _("One visit alone has no last day."))
        if not self.errors and not self._given(found):
            self.add_error(None, _("Say what is to change."))
        return found

    def changes(self) -> dict[str, Any]:
        """Of a form that is valid: the fields that were filled in."""
        return self._given(self.cleaned_data)

    @staticmethod
    def _given(found: Mapping[str, Any]) -> dict[str, Any]:
        given = {name: found[name] for name in _CHANGED if found.get(name) is not None}
        if given.get("shift_days") == 0:
            del given["shift_days"]
        return given

    def said(self) -> str:
        """As `SeriesForm.said`."""
        given = self.cleaned_data
        return "|".join(str(one) for one in (given["scope"], *self.changes().items()))


class CancelForm(forms.Form):
    """Which visits of the series do not take place, and why."""

    use_required_attribute = False

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2**31 - 1)
    scope = forms.ChoiceField(label=_("Which visits"), widget=forms.RadioSelect)
    visit = forms.UUIDField(widget=forms.HiddenInput, required=False)
    reason = forms.CharField(
        label=_("Why"), max_length=_REASON, error_messages={"required": _("Say why.")}
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        scopes: Iterable[tuple[str, Any]],
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=dict(initial or {}), auto_id="cancel-%s")
        scope: Any = self.fields["scope"]
        scope.choices = list(scopes)


def places_set(form: forms.Form, offer: Offer, *, keep: Any = None) -> None:
    """Doctors, places and services that may be chosen; `keep` is the choice of none of them."""
    rows: dict[str, list[tuple[str, Any]]] = {
        "doctor": [(str(one.id), one.display_name) for one in offer.doctors],
        "location": [(str(one.id), one.name) for one in offer.locations],
        "service": [(str(one.id), one.name) for one in offer.services],
    }
    for name, choices in rows.items():
        if name not in form.fields:
            continue
        field: Any = form.fields[name]
        field.error_messages["invalid_choice"] = _("Choose one of these.")
        field.choices = [("", keep), *choices] if keep is not None else choices
        if len(choices) == 1 and keep is None:
            field.widget, field.initial = forms.HiddenInput(), choices[0][0]
        elif not choices:
            field.choices = [("", keep or _("None"))]
