"""The form of a follow-up plan."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldBooleanSwitchWidget

from backoffice.forms import RowForm, may_be_empty
from followups.models import FollowUpPlan

LISTS = ("medications", "tests", "restrictions")


class LinesField(forms.CharField):
    """Several short texts, one a line."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=UnfoldAdminTextareaWidget({"rows": 3}), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [line for raw in (value or "").splitlines() if (line := raw.strip())]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (initial or []) != self.to_python(data)

    def run_validators(self, value: Any) -> None:
        """How many, and how long each may be, is the service's to say."""


class PlanForm(RowForm):
    """A plan follows a visit, or names its patient and doctor; its day is a date or a distance."""

    left_to_service = ("phone", *LISTS)
    book = forms.BooleanField(
        label=_("Book the visit at once"),
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_("When the doctor is free then. Otherwise the plan waits, and says why."),
    )

    class Meta:
        model = FollowUpPlan
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.fields.pop("book", None)
            return
        empty = {
            "patient": _("Empty: whose visit it follows."),
            "doctor": _("Empty: with whom that visit was."),
            "scheduled_for": _("Empty: so many days after the visit."),
            "mode": _("Empty: as that visit was."),
        }
        may_be_empty(self, empty)
