"""Filters that more than one list has."""

from datetime import date
from typing import Any, ClassVar

from django import forms
from django.contrib.admin import SimpleListFilter
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, TextFilter
from unfold.contrib.filters.forms import AutocompleteDropdownForm
from unfold.widgets import INPUT_CLASSES

from clinics.selectors.patients import parse_birth_date


class _ChoiceForm(AutocompleteDropdownForm):
    """Shows the chosen row only to who may see it: a foreign id in an address stays a number."""

    def __init__(
        self, *, request: HttpRequest, name: str, field: Any, model_admin: Any, **kwargs: Any
    ) -> None:
        super().__init__(request=request, name=name, field=field, model_admin=model_admin, **kwargs)
        panel = model_admin.admin_site.get_model_admin(field.remote_field.model)
        choice: Any = self.fields[name]
        choice.queryset = panel.get_queryset(request)


class RelationFilter(AutocompleteSelectFilter):
    """Filters by a related row, chosen by typing."""

    form_class = _ChoiceForm


class PresetFilter(SimpleListFilter):
    """Some of the rows, unless others are asked for or something is searched.

    `preset` is the choice of a list that is just opened; `all` is the choice of every row.
    `searches` are what an address asks with besides.
    """

    preset: ClassVar[str] = ""
    searches: ClassVar[tuple[str, ...]] = ("q",)

    def __init__(self, request: HttpRequest, *args: Any) -> None:
        self.is_search = any(request.GET.get(name) for name in self.searches)
        super().__init__(request, *args)

    def asked(self) -> str:
        """The choice that holds."""
        return self.value() or ("all" if self.is_search else self.preset)

    def choices(self, changelist: Any) -> Any:
        for value, title in self.lookup_choices:
            yield {
                "selected": self.asked() == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": title,
            }


#: Years in which anything can have happened here; others are slips, and too far for a moment.
_FIRST, _LAST = 1970, 9999


class DayForm(forms.Form):
    """One date, chosen in the browser's own way."""

    def __init__(self, name: str, label: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[name] = forms.CharField(
            label=label,
            required=False,
            widget=forms.DateInput(attrs={"type": "date", "class": " ".join(INPUT_CLASSES)}),
        )


class DayFilter(TextFilter):
    """A day as one end of a range; what is no day filters nothing."""

    form_class = DayForm

    def day(self) -> date | None:
        found = parse_birth_date(self.value() or "")
        return found if found is not None and _FIRST <= found.year < _LAST else None


class FirstDayFilter(DayFilter):
    title = _("first day")
    parameter_name = "from"


class LastDayFilter(DayFilter):
    title = _("last day")
    parameter_name = "to"
