"""Widgets for values that are chosen, not typed."""

from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.db.models import Field
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminColorInputWidget, UnfoldAdminSelect2Widget

from accounts.timezones import validate_timezone
from clinics.models.clinic import validate_colour


@cache
def _zones() -> list[tuple[str, Any]]:
    return [("", _("Choose"))] + [(zone, zone) for zone in sorted(available_timezones())]


def widget_for(field: "Field[Any, Any]") -> forms.Widget | None:
    """The widget for a field whose validators say what kind of value it is; None for others."""
    validators = getattr(field, "validators", [])
    if validate_timezone in validators or field.name == "timezone":
        return UnfoldAdminSelect2Widget(choices=_zones())
    if validate_colour in validators:
        return UnfoldAdminColorInputWidget()
    return None
