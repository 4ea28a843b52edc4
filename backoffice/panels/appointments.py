"""Visits: read here, moved along and moved about through the services, never by editing a field."""

from datetime import timedelta
from typing import Any

from django.contrib.admin import SimpleListFilter, register
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from accounts.roles import Permission
from accounts.selectors import names_of
from appointments.models import Appointment
from appointments.selectors.appointments import (
    appointments_visible_to,
    history,
    shows_clinical_text,
)
from backoffice.access import Access, access_of
from backoffice.filters import FirstDayFilter, LastDayFilter, RelationFilter
from backoffice.panels.visit_forms import BookForm
from backoffice.panels.visit_steps import VisitSteps
from backoffice.site import site
from clinics.models import Patient
from core import clock, journal

#: How a status looks, besides its word: the theme's colours.
LOOKS = {
    "PENDING": "warning",
    "SCHEDULED": "info",
    "CONFIRMED": "primary",
    "CHECKED_IN": "primary",
    "IN_PROGRESS": "success",
    "COMPLETED": "success",
    "NO_SHOW": "danger",
    "CANCELLED": "default",
}


class DayFilter(SimpleListFilter):
    """Today, unless another day is asked for or something is searched."""

    title = _("day")
    parameter_name = "day"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        self.is_search = any(request.GET.get(name) for name in ("q", "from", "to"))
        return [
            ("today", _("Today")),
            ("tomorrow", _("Tomorrow")),
            ("week", _("The next 7 days")),
            ("past", _("The past 7 days")),
            ("all", _("All")),
        ]

    def asked(self) -> str:
        return self.value() or ("all" if self.is_search else "today")

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        today = timezone.localdate(clock.now())
        if not self.value() and not self.is_search:
            request.list_hint = _("Visits of today. Filter or search for others.")  # type: ignore[attr-defined]
        match self.asked():
            case "today":
                return queryset.filter(local_day=today)
            case "tomorrow":
                return queryset.filter(local_day=today + timedelta(days=1))
            case "week":
                return queryset.filter(local_day__range=(today, today + timedelta(days=7)))
            case "past":
                return queryset.filter(local_day__range=(today - timedelta(days=7), today))
            case _:
                return queryset

    def choices(self, changelist: Any) -> Any:
        for value, title in self.lookup_choices:
            yield {
                "selected": self.asked() == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": title,
            }


class SinceFilter(FirstDayFilter):
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(local_day__gte=self.day()) if self.day() else queryset


class UntilFilter(LastDayFilter):
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(local_day__lte=self.day()) if self.day() else queryset


@register(Appointment, site=site)
class AppointmentPanel(VisitSteps):
    """Visits, with every step of their life as a button and their history below."""

    reads = Permission.APPOINTMENT_READ
    adds = Permission.APPOINTMENT_BOOK
    doctor_field = "doctor_id"
    list_display = ("time", "day", "person", "doctor", "service", "state", "type", "location")
    list_display_links = ("time", "person")
    list_filter = (
        DayFilter,
        "status",
        ("doctor", RelationFilter),
        SinceFilter,
        UntilFilter,
        "type",
        "source",
    )
    list_select_related = ("doctor", "patient", "service", "location")
    search_help_text = _("The patient's name, record number, birth date or phone")
    change_form_outer_after_template = "backoffice/visit_history.html"
    readonly_fields = ("when", "booker", "canceller")
    actions = ("approve_selected", "confirm_selected")

    @display(description=_("day"))
    def day(self, row: Appointment) -> Any:
        return row.local_day

    @display(description=_("booked by"))
    def booker(self, row: Appointment) -> str:
        return str(row.booked_by or "")

    @display(description=_("cancelled by"))
    def canceller(self, row: Appointment) -> str:
        return str(row.cancelled_by or "")

    @display(description=_("patient"))
    def person(self, row: Appointment) -> str:
        return row.patient.full_name

    @display(description=_("status"), label=LOOKS)
    def state(self, row: Appointment) -> tuple[str, str]:
        return row.status, str(row.get_status_display())

    # --- Reading --------------------------------------------------------------------------------

    def seen(self, rows: QuerySet[Any], access: Access, permission: Any) -> QuerySet[Any]:
        seen = appointments_visible_to(access.principal)
        return seen if access.clinic is None else seen.filter(clinic_id=access.clinic.id)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Which visits are in sight (shared calendars among them) is said by the query.
        return access_of(request).may(Permission.APPOINTMENT_READ)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        if access_of(request).clinic is None and not request.GET:
            return ("starts_at", "id")  # a day of all clinics is short
        asked = request.GET.get("day")
        searched = bool(request.GET.get("q")) and not asked
        if asked in {"all", "past"} or searched:
            # Over several clinics only the id has an index that keeps this order.
            return ("-id",) if access_of(request).clinic is None else ("-starts_at", "-id")
        return ("starts_at", "id")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        asked = search_term.strip()
        if not asked:
            return queryset, False
        panel: Any = self.admin_site.get_model_admin(Patient)
        return queryset.filter(patient_id__in=panel.ids_found(request, asked)), False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": list(BookForm.base_fields)})]
        parts: list[Any] = [
            (None, {"fields": [("status", "when"), ("patient", "doctor"), ("service", "type")]}),
            (None, {"fields": [("location", "room"), ("priority", "source"), "booker"]}),
        ]
        who = access_of(request).principal
        if shows_clinical_text(who, obj):
            parts.append((_("What it is about"), {"fields": ["reason", "notes"]}))
        if obj.cancelled_at:
            parts.append(
                (_("Cancelled"), {"fields": [("cancelled_at", "canceller"), "cancel_reason"]})
            )
        if obj.override_reason:
            parts.append((None, {"fields": ["override_reason"]}))
        if access_of(request).clinic is None:
            parts.insert(0, (None, {"fields": ["clinic"]}))
        return parts

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found = super().get_queryset(request)
        match = request.resolver_match
        if match is not None and (match.url_name or "").endswith("_change"):
            return found.select_related(
                "patient",
                "doctor",
                "service",
                "location",
                "room",
                "booked_by",
                "cancelled_by",
                "clinic",
            )
        return found

    def opened(self, request: HttpRequest, row: Any) -> None:
        journal.record(
            journal.Act(
                "appointment.read",
                "appointments.appointment",
                row.id,
                row.clinic_id,
                (row.patient_id,),
            )
        )

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs.get("obj")
        if row is not None:
            clinical = shows_clinical_text(access_of(request).principal, row)
            events = list(history(row.id))
            context["history"] = events
            context["shows_reasons"] = clinical
            context["names"] = names_of(event.actor_id for event in events)
        return super().render_change_form(request, context, *args, **kwargs)
