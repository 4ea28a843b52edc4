"""Series of visits: read here; they are made and changed at the desk, with a preview."""

from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.contrib.admin import register
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.formats import date_format, time_format
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from accounts.roles import Permission
from appointments.models import Appointment, AppointmentSeries, SeriesSkip, SeriesStatus
from appointments.selectors.appointments import shows_clinical_text
from appointments.selectors.series import series_visible_to
from backoffice.access import Access, access_of
from backoffice.base import Tool
from backoffice.filters import PresetFilter, RelationFilter
from backoffice.records import Records, at_the_desk
from backoffice.site import site
from core import clock
from core.errors import ErrorCode

LOOKS = {"ACTIVE": "success", "ENDED": "default", "CANCELLED": "danger"}
#: Dates of a series that its page lists: the next visits, and the newest of those left out.
_SHOWN = 20


class GoingOnFilter(PresetFilter):
    """Series that go on."""

    title = _("status")
    parameter_name = "status"
    preset = SeriesStatus.ACTIVE.value

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*SeriesStatus.choices, ("all", _("All"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        asked = self.asked()
        return queryset.filter(status=asked) if asked in SeriesStatus.values else queryset


@register(AppointmentSeries, site=site)
class AppointmentSeriesPanel(Records):
    """What comes again, by which rule, and what of it could not be booked."""

    reads = Permission.APPOINTMENT_READ
    named = ("patient", "doctor", "location", "room", "service", "created_by")
    shown_as = ("appointment_series.read", "appointments.appointmentseries")
    list_display = ("person", "doctor", "service", "rrule", "at", "start_date", "last", "state")
    list_display_links = ("person",)
    list_filter: ClassVar[tuple[Any, ...]] = (
        GoingOnFilter,
        ("doctor", RelationFilter),
        "open_ended",
    )
    search_help_text = _("The patient's name, record number, birth date or phone")
    ordering = ("-id",)
    change_form_outer_after_template = "backoffice/series_dates.html"
    readonly_fields = ("at", "last", "maker")

    def seen(self, rows: QuerySet[Any], access: Access, permission: Any) -> QuerySet[Any]:
        seen = series_visible_to(access.principal)
        return seen if access.clinic is None else seen.filter(clinic_id=access.clinic.id)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Which series are in sight (shared calendars among them) is said by the query.
        return access_of(request).may(Permission.APPOINTMENT_READ)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        request.list_hint = _("Series are made, changed and cancelled at the desk.")  # type: ignore[attr-defined]
        answer: HttpResponse = super().changelist_view(request, extra_context)
        return answer

    @display(description=_("patient"))
    def person(self, row: AppointmentSeries) -> str:
        return row.patient.full_name

    @display(description=_("time of day"))
    def at(self, row: AppointmentSeries) -> str:
        return f"{time_format(row.local_time, 'H:i')} ({row.timezone})"

    @display(description=_("last day"))
    def last(self, row: AppointmentSeries) -> str:
        if row.end_date is None:
            return str(_("Until further notice"))
        return date_format(row.end_date, "SHORT_DATE_FORMAT")

    @display(description=_("status"), label=LOOKS)
    def state(self, row: AppointmentSeries) -> tuple[str, str]:
        return row.status, str(row.get_status_display())

    @display(description=_("made by"))
    def maker(self, row: AppointmentSeries) -> str:
        return str(row.created_by or "")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        parts: list[Any] = [
            (None, {"fields": [("patient", "doctor"), ("service", "type"), ("location", "room")]}),
            (
                _("When"),
                {
                    "fields": [
                        ("rrule", "status"),
                        ("at", "duration_minutes"),
                        ("start_date", "last"),
                        ("booked_until", "policy"),
                        ("priority", "maker"),
                    ]
                },
            ),
        ]
        if obj is not None and shows_clinical_text(access_of(request).principal, obj):
            texts = ["reason", "notes"] + (["cancel_reason"] if obj.cancel_reason else [])
            parts.append((_("What it is about"), {"fields": texts}))
        if access_of(request).clinic is None:
            parts.insert(0, (None, {"fields": ["clinic"]}))
        return parts

    def tools(self, request: HttpRequest, row: AppointmentSeries) -> list[Tool]:
        return [at_the_desk("desk-series", row)]

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs.get("obj")
        if row is not None:
            zone, labels = ZoneInfo(row.timezone), dict(ErrorCode.choices)
            context["coming"] = [
                (visit, visit.starts_at.astimezone(zone)) for visit in self._next(request, row)
            ]
            context["left_out"] = [
                (
                    skip,
                    skip.starts_at.astimezone(zone),
                    labels.get(skip.code, _("Left out on purpose")),
                )
                for skip in _left_out(row)
            ]
        return super().render_change_form(request, context, *args, **kwargs)

    def _next(self, request: HttpRequest, row: AppointmentSeries) -> QuerySet[Appointment]:
        """As far as the reader sees the visits: one may have been moved to another doctor."""
        visits: QuerySet[Appointment] = self.admin_site.get_model_admin(Appointment).get_queryset(
            request
        )
        coming = visits.filter(series_id=row.pk, starts_at__gte=clock.now())
        return coming.select_related("doctor").order_by("series_sequence")[:_SHOWN]


def _left_out(row: AppointmentSeries) -> QuerySet[SeriesSkip]:
    skips = SeriesSkip.objects.filter(series_id=row.pk).select_related("made_up_by")
    return skips.order_by("-sequence")[:_SHOWN]
