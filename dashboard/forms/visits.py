"""Forms of a visit's steps. They check shapes; what a step means is the service's to judge."""

from typing import Any, Final

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from appointments.models import Priority, Verb
from followups.models import MAX_ITEM_LENGTH, MAX_ITEMS, FollowUpType
from followups.services.wishes import LISTS, MOST_DAYS, FollowUpWish

#: What is said most often; stored as it stands, in the language of who chose it.
USUAL: Final[dict[Verb, tuple[str | Promise, ...]]] = {
    Verb.CANCEL: (
        _("The patient cannot come"),
        _("The patient feels better"),
        _("The doctor is not available"),
        _("Booked by mistake"),
    ),
    Verb.NO_SHOW: (
        _("Did not come"),
        _("Came too late to be seen"),
        _("Left before being seen"),
    ),
    Verb.UNDO: (
        _("Pressed by mistake"),
        _("It was another patient"),
    ),
}
DECLINE: Final = (
    _("The time is needed for another visit"),
    _("Please see another doctor for this"),
    _("Please phone us first"),
    _("Asked for twice"),
)
_LONGEST_REASON = 500


def version_field() -> forms.IntegerField:
    """The version at which the form was opened."""
    return forms.IntegerField(
        widget=forms.HiddenInput,
        min_value=1,
        max_value=2**31 - 1,
        error_messages={
            "required": _("This form does not say what it was opened at: open it again."),
            "invalid": _("This form does not say what it was opened at: open it again."),
        },
    )


def text_area(label: Any, limit: int, *, rows: int, help_text: Any = "") -> forms.CharField:
    """A text that may be left out."""
    return forms.CharField(
        label=label,
        required=False,
        max_length=limit,
        widget=forms.Textarea({"rows": rows}),
        help_text=help_text,
    )


def _lines(label: Any) -> forms.CharField:
    return text_area(label, MAX_ITEMS * (MAX_ITEM_LENGTH + 2), rows=2, help_text=_("One a line."))


class StepForm(forms.Form):
    """A step that needs no words."""

    version = version_field()


class ReasonForm(StepForm):
    """A step that is made only with a reason: one of the usual ones, own words, or both."""

    # Words like any other, so that a change of language between two pages refuses nothing.
    usual = forms.CharField(label=_("Why"), required=False, max_length=90, widget=forms.Select)
    reason = forms.CharField(
        label=_("In your own words"),
        required=False,
        max_length=400,
        widget=forms.TextInput({"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, usual: tuple[str | Promise, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        widget = self.fields["usual"].widget
        assert isinstance(widget, forms.Select)  # noqa: S101 - tells mypy what it declares
        said = [(str(one), str(one)) for one in usual]
        widget.choices = [("", _("Choose a reason")), *said]

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        parts = [found.get("usual", ""), found.get("reason", "").strip()]
        if not any(parts) and "reason" not in self.errors and "usual" not in self.errors:
            self.add_error("usual", _("Choose a reason, or write one."))
        found["why"] = " – ".join(part for part in parts if part)[:_LONGEST_REASON]
        return found


class CompleteForm(StepForm):
    """The end of a visit, with what is to follow. Lists have one entry a line."""

    notes = text_area(_("Notes"), 4000, rows=4, help_text=_("Added to the visit's notes."))
    follow_up_required = forms.BooleanField(label=_("A follow-up is needed"), required=False)
    follow_up_date = forms.DateField(
        label=_("Not before"),
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    follow_up_days_after = forms.IntegerField(
        label=_("Or after so many days"), required=False, min_value=1, max_value=MOST_DAYS
    )
    follow_up_type = forms.ChoiceField(
        label=_("Kind"), required=False, choices=FollowUpType.choices, initial=FollowUpType.ROUTINE
    )
    follow_up_priority = forms.ChoiceField(
        label=_("Priority"), required=False, choices=Priority.choices, initial=Priority.NORMAL
    )
    follow_up_instructions = text_area(_("Instructions"), 4000, rows=3)
    follow_up_medications = _lines(_("Medications"))
    follow_up_tests = _lines(_("Tests"))
    follow_up_restrictions = _lines(_("Restrictions"))

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("follow_up_date") and found.get("follow_up_days_after"):
            self.add_error("follow_up_days_after", _("A day or a number of days, not both."))
        return found

    def follow_up(self) -> FollowUpWish | None:
        """What is to follow; None when nothing is asked for."""
        given = self.cleaned_data
        medications, tests, restrictions = (
            _split(given.get(f"follow_up_{name}", "")) for name in LISTS
        )
        on, days = given.get("follow_up_date"), given.get("follow_up_days_after")
        words = given.get("follow_up_instructions", "")
        lists = (medications, tests, restrictions)
        if not any((given.get("follow_up_required"), on, days, words, *lists)):
            return None
        return FollowUpWish(
            scheduled_for=on,
            days_after=days,
            follow_up_type=given.get("follow_up_type") or FollowUpType.ROUTINE,
            priority=given.get("follow_up_priority") or Priority.NORMAL,
            instructions=words,
            medications=medications,
            tests=tests,
            restrictions=restrictions,
        )


def _split(text: str) -> list[str]:
    """The lines that say something."""
    return [line.strip() for line in text.splitlines() if line.strip()]


class EditForm(StepForm):
    """What is written about a visit."""

    reason = forms.CharField(label=_("Reason for the visit"), required=False, max_length=500)
    notes = text_area(_("Notes"), 4000, rows=6)
    priority = forms.ChoiceField(label=_("Priority"), choices=Priority.choices)
