"""What the forms of the back office share: the version that was read."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from core.errors import ErrorCode, KairosError
from core.forms import refusal_show

VERSION = "version_read"
_LONGEST_VERSION = 9


def version_sent(request: HttpRequest) -> int:
    """The version that a button was drawn for. Raises VALIDATION_ERROR without one."""
    sent = request.POST.get("version", "")
    if not (sent.isascii() and sent.isdecimal()) or len(sent) > _LONGEST_VERSION:
        raise KairosError(ErrorCode.VALIDATION_ERROR)
    return int(sent)


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """As `ids_of`, without what was left empty: of a new row that the service completes."""
    return {name: value for name, value in ids_of(fields).items() if value not in (None, "")}


def may_be_empty(form: forms.BaseForm, said: Mapping[str, Any]) -> None:
    """Let fields of a new row be left empty; `said` is what each then means."""
    for name, help_text in said.items():
        field: Any = form.fields[name]
        field.required, field.help_text = False, help_text
        if isinstance(field, forms.TypedChoiceField):
            offered: Any = field.choices
            field.choices = [("", "---------"), *offered]
            form.initial[name] = ""


def ids_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A form's fields with ids in the place of rows, as services take them."""
    return {name: value.pk if isinstance(value, Model) else value for name, value in fields.items()}


def _left_to_the_service(exclude: Any = None) -> None:
    """In place of a model's own look at its constraints."""


class RowForm(forms.ModelForm):
    """A row's form. It carries the version it was opened at, and shows what a service refused."""

    #: What the service completes or rewrites, it checks.
    left_to_service: tuple[str, ...] = ("phone",)
    refusal: KairosError | None = None
    version_read = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        version = getattr(self.instance, "version", None)
        if version is not None and not self.instance._state.adding:
            self.initial.setdefault(VERSION, version)
        else:
            self.fields.pop(VERSION, None)
        if "phone" in self.fields:
            # The service reads it in the clinic's country, and says what is wrong with it.
            self.fields["phone"] = forms.CharField(
                label=self.fields["phone"].label,
                required=False,
                max_length=30,
                widget=UnfoldAdminTextInputWidget,
                help_text=_("With its country, or as written in the clinic's own."),
            )

    def _get_validation_exclusions(self) -> set[str]:
        ours: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]  # not in stubs
        return {*ours, *self.left_to_service}

    def clean(self) -> dict[str, Any] | None:
        found = super().clean()
        if VERSION in self.fields and self.cleaned_data.get(VERSION) is None:
            self.add_error(None, _("This form does not say what it was opened at: open it again."))
        if self.refusal is not None:
            refusal_show(self, self.refusal)
        return found

    def validate_unique(self) -> None:
        """Left to the constraint, whose sentence the service shows."""

    def _post_clean(self) -> None:
        """Constraints are left to the database too; Django asks them within the instance's check,
        where a range that ends before it begins is an error of the database instead of a sentence.
        """
        self.instance.validate_constraints = _left_to_the_service
        try:
            super()._post_clean()  # type: ignore[misc]
        finally:
            del self.instance.validate_constraints

    def changes(self) -> dict[str, Any]:
        """The fields that were changed (for a new row: all), without the version."""
        adding = self.instance._state.adding
        return {
            name: value
            for name, value in self.cleaned_data.items()
            if name != VERSION and (adding or name in self.changed_data)
        }

    def version(self) -> int | None:
        """The version at which the form was opened."""
        version: int | None = self.cleaned_data.get(VERSION)
        return version
