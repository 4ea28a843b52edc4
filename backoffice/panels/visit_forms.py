"""Forms of a visit's steps. They check shapes; what a step means is the service's to judge."""

from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib.admin.widgets import AutocompleteSelect
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    INPUT_CLASSES,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from appointments.models import Appointment, Priority
from clinics.models import VisitMode

_INPUT = {"class": " ".join(INPUT_CLASSES)}


def instant_at(day: date, at: time, zone: str) -> datetime:
    """A wall-clock time in `zone`; one that exists twice takes the first."""
    return datetime.combine(day, at, ZoneInfo(zone))


class _Relation(forms.ModelChoiceField):
    """A row chosen by typing, out of what the chooser may see."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        self.relation = Appointment._meta.get_field(name)
        super().__init__(
            queryset=self.relation.related_model._default_manager.none(),  # type: ignore[union-attr]
            label=kwargs.pop("label", None) or self.relation.related_model._meta.verbose_name,  # type: ignore[union-attr]
            **kwargs,
        )


class _VisitForm(forms.Form):
    """Gives each relation the choices that the panel of its table shows this person."""

    def __init__(self, *args: Any, panel: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field, _Relation):
                related: Any = field.relation.related_model
                of_relation = panel.admin_site.get_model_admin(related)
                field.queryset = of_relation.get_queryset(request)
                field.widget = AutocompleteSelect(
                    field.relation, panel.admin_site, attrs={"class": "unfold-admin-autocomplete"}
                )
                field.widget.choices = field.choices


def _day() -> forms.DateField:
    return forms.DateField(
        label=_("day"), widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date", **_INPUT})
    )


def _time() -> forms.TimeField:
    return forms.TimeField(
        label=_("time"),
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time", **_INPUT}),
        help_text=_("In the location's own time."),
    )


def _minutes(*, required: bool) -> forms.IntegerField:
    return forms.IntegerField(
        label=_("minutes"),
        required=required,
        min_value=5,
        max_value=720,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="" if required else _("Empty: as long as the service says."),
    )


def _text(label: Any, limit: int, *, rows: int = 0, help_text: Any = "") -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=limit,
        widget=UnfoldAdminTextareaWidget({"rows": rows}) if rows else UnfoldAdminTextInputWidget(),
        help_text=help_text,
    )


def _override() -> forms.CharField:
    return _text(
        _("why past the rules"),
        500,
        help_text=_("Only to book outside working hours or over capacity."),
    )


def _version() -> forms.IntegerField:
    return forms.IntegerField(widget=forms.HiddenInput)


class BookForm(_VisitForm):
    patient = _Relation("patient")
    doctor = _Relation("doctor")
    service = _Relation("service", required=False)
    type = forms.ChoiceField(
        label=_("type"), choices=VisitMode.choices, widget=UnfoldAdminSelectWidget
    )
    location = _Relation("location", required=False)
    room = _Relation("room", required=False)
    day = _day()
    time = _time()
    minutes = _minutes(required=False)
    reason = _text(_("reason for the visit"), 500)
    notes = _text(_("notes"), 4000, rows=3)
    priority = forms.ChoiceField(
        label=_("priority"),
        choices=Priority.choices,
        initial=Priority.NORMAL,
        widget=UnfoldAdminSelectWidget,
    )
    override_reason = _override()


class RescheduleForm(_VisitForm):
    version = _version()
    day = _day()
    time = _time()
    minutes = _minutes(required=True)
    doctor = _Relation("doctor")
    location = _Relation("location", required=False)
    room = _Relation("room", required=False)
    reason = _text(_("why it is moved"), 500)
    override_reason = _override()


class ReasonForm(forms.Form):
    version = _version()
    reason = _text(_("reason"), 500, rows=2)


class EditForm(forms.Form):
    version = _version()
    reason = _text(_("reason for the visit"), 500)
    notes = _text(_("notes"), 4000, rows=6)
    priority = forms.ChoiceField(
        label=_("priority"), choices=Priority.choices, widget=UnfoldAdminSelectWidget
    )
