"""Forms of a visit's steps. They check shapes; what a step means is the service's to judge."""

from typing import Any, Final

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from appointments.models import Priority, Verb

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
FOLLOW_UP_TYPES: Final = (
    ("routine", _("Routine")),
    ("urgent", _("Urgent")),
    ("specialist", _("Specialist")),
    ("therapy", _("Therapy")),
    ("surgery", _("Surgery")),
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
    """The end of a visit, with what is to follow."""

    notes = text_area(_("Notes"), 4000, rows=4, help_text=_("Added to the visit's notes."))
    follow_up_required = forms.BooleanField(label=_("A follow-up is needed"), required=False)
    follow_up_date = forms.DateField(
        label=_("On"),
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    follow_up_type = forms.ChoiceField(
        label=_("Kind"), required=False, choices=FOLLOW_UP_TYPES, initial="routine"
    )
    follow_up_instructions = text_area(_("Instructions"), 4000, rows=3)

    def follow_up(self) -> dict[str, Any] | None:
        """What the service takes; None when no follow-up is asked for."""
        given = self.cleaned_data
        on, words = given.get("follow_up_date"), given.get("follow_up_instructions", "")
        if not (given.get("follow_up_required") or on or words):
            return None
        found: dict[str, Any] = {
            "required": True,
            "type": given.get("follow_up_type") or "routine",
            "date": on,
            "instructions": words,
        }
        return {name: value for name, value in found.items() if value}


class EditForm(StepForm):
    """What is written about a visit."""

    reason = forms.CharField(label=_("Reason for the visit"), required=False, max_length=500)
    notes = text_area(_("Notes"), 4000, rows=6)
    priority = forms.ChoiceField(label=_("Priority"), choices=Priority.choices)
