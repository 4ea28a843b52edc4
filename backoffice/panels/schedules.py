"""Working hours, and the dates that are not as they say."""

from collections.abc import Mapping
from typing import Any

from django.contrib.admin import register
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from accounts.roles import Permission
from appointments.selectors.leave import exception_affected
from appointments.services.leave import (
    exception_create,
    exception_preview,
    exception_remove,
)
from backoffice.access import access_of
from backoffice.base import Panel
from backoffice.filters import RelationFilter
from backoffice.forms import RowForm
from backoffice.site import site
from clinics.models import ScheduleException, ScheduleTemplate
from clinics.services.schedules import template_create, template_remove, template_update
from core.errors import ErrorCode, KairosError

_SHOWN = 50


@register(ScheduleTemplate, site=site)
class TemplatePanel(Panel):
    """Weekly hours, one row each. A doctor's week as a whole is on the doctor's page."""

    reads = Permission.SCHEDULE_READ
    adds = changes = removes = Permission.SCHEDULE_WRITE
    doctor_field = "doctor_id"
    fieldsets = (
        (None, {"fields": ["doctor", "location", "weekday", ("start_time", "end_time")]}),
        (_("Booking"), {"fields": [("slot_minutes", "capacity"), "modes", "services"]}),
        (_("Only for a time"), {"fields": [("valid_from", "valid_to")]}),
    )
    fixed = ("doctor",)
    list_display = ("doctor", "weekday", "hours", "location", "slot_minutes", "capacity", "valid")
    list_filter = (("doctor", RelationFilter), "weekday")
    list_select_related = ("doctor", "location")
    search_fields = ("doctor__display_name",)
    search_help_text = _("The doctor's name")
    ordering = ("doctor__display_name", "weekday", "start_time", "id")

    @display(description=_("hours"))
    def hours(self, row: ScheduleTemplate) -> str:
        return f"{row.start_time:%H:%M}–{row.end_time:%H:%M}"

    @display(description=_("valid"))
    def valid(self, row: ScheduleTemplate) -> str:
        if row.valid_from is None and row.valid_to is None:
            return str(_("always"))
        return f"{row.valid_from or '…'} – {row.valid_to or '…'}"

    def row_create(
        self, request: HttpRequest, clinic: Any, fields: Mapping[str, Any]
    ) -> ScheduleTemplate:
        values = dict(fields)
        location, doctor = values.pop("location"), values.pop("doctor")
        if location.clinic_id != clinic.id:
            raise KairosError(ErrorCode.NOT_FOUND, errors={"location": [str(_("not found"))]})
        return template_create(location=location, doctor=doctor, fields=_with_ids(values))

    def row_change(
        self, request: HttpRequest, row: Any, fields: Mapping[str, Any], version: int | None
    ) -> ScheduleTemplate:
        return template_update(template=row, fields=_with_ids(fields), expected_version=version)

    def row_remove(self, request: HttpRequest, row: Any) -> None:
        template_remove(template_id=row.id, expected_version=None)


def _with_ids(fields: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(fields)
    if "services" in values:
        values["services"] = [service.id for service in values["services"]]
    return values


class ExceptionForm(RowForm):
    class Meta:
        model = ScheduleException
        fields = "__all__"


@register(ScheduleException, site=site)
class ExceptionPanel(Panel):
    """Leave, closed days, other hours. Whom it affects is shown before it is saved."""

    reads = Permission.SCHEDULE_READ
    adds = removes = Permission.SCHEDULE_WRITE
    doctor_field = "doctor_id"
    form = ExceptionForm
    fieldsets = (
        (None, {"fields": ["kind", "doctor", "location"]}),
        (_("When"), {"fields": [("start_date", "end_date"), ("start_time", "end_time")]}),
        (_("Other hours"), {"fields": [("slot_minutes", "capacity"), "modes"]}),
        (None, {"fields": ["reason"]}),
    )
    list_display = ("kind", "doctor", "location", "start_date", "end_date", "hours", "reason")
    list_filter = ("kind", ("doctor", RelationFilter))
    list_select_related = ("doctor", "location")
    search_fields = ("doctor__display_name", "reason")
    ordering = ("-start_date", "id")
    change_form_outer_before_template = "backoffice/affected.html"

    @display(description=_("hours"))
    def hours(self, row: ScheduleException) -> str:
        if row.start_time is None or row.end_time is None:
            return str(_("all day"))
        return f"{row.start_time:%H:%M}–{row.end_time:%H:%M}"

    def row_create(
        self, request: HttpRequest, clinic: Any, fields: Mapping[str, Any]
    ) -> ScheduleException:
        values = dict(fields)
        principal = access_of(request).principal
        if "_affected_seen" not in request.POST:
            affected = exception_preview(by=principal, clinic=clinic, limit=_SHOWN + 1, **values)
            if affected:
                request.affected = affected  # type: ignore[attr-defined]
                raise KairosError(
                    ErrorCode.CONFLICT,
                    str(
                        _("Visits are booked in this time. Look at them, tick the box, save again.")
                    ),
                )
        return exception_create(by=principal, clinic=clinic, **values)

    def row_remove(self, request: HttpRequest, row: Any) -> None:
        exception_remove(by=access_of(request).principal, exception_id=row.id)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs.get("obj")
        found = getattr(request, "affected", None)
        if found is None and row is not None:
            found = list(exception_affected(row).select_related("patient", "doctor")[: _SHOWN + 1])
        context["affected"] = (found or [])[:_SHOWN]
        context["affected_more"] = len(found or []) > _SHOWN
        context["affected_before_saving"] = row is None
        return super().render_change_form(request, context, *args, **kwargs)
