"""The audit trail, sign-ins among it: read-only, by patient, actor, act and time."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django.apps import apps
from django.contrib.admin import register
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import TextFilter
from unfold.decorators import display

from accounts.roles import Permission
from accounts.selectors import names_of, user_by_login
from backoffice.access import access_of
from backoffice.base import Panel
from backoffice.filters import FirstDayFilter, LastDayFilter
from backoffice.site import site
from clinics.models import Patient
from core import ids
from core.models import AuditEvent
from core.selectors import audit_search

_DEEP = 1000


class PatientFilter(TextFilter):
    """Every act that concerns a patient, found by name, record number or birth date."""

    title = _("patient")
    parameter_name = "patient"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        asked = (self.value() or "").strip()
        if not asked:
            return queryset
        panel: Any = site.get_model_admin(Patient)
        charts = panel.ids_found(request, asked)
        if len(charts) > 1:  # a record number may be the beginning of others
            exact = Patient.objects.filter(id__in=charts, mrn=asked).values_list("id", flat=True)
            charts = list(exact) or charts
        if len(charts) != 1:
            request.list_hint = (  # type: ignore[attr-defined]
                _("Nobody fits: %(asked)s") if not charts else _("Several patients fit: %(asked)s")
            ) % {"asked": asked}
            return queryset.none()
        access = access_of(request)
        clinics = (
            None
            if access.principal.is_super_admin and access.clinic is None
            else [access.clinic.id]
            if access.clinic is not None
            else sorted(access.principal.clinics_with(Permission.AUDIT_READ))
        )
        found = audit_search(clinics=clinics, subject=charts[0], limit=_DEEP)
        return queryset.filter(id__in=[entry.id for entry in found])


class ActorFilter(TextFilter):
    title = _("actor's email or phone")
    parameter_name = "actor"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        asked = (self.value() or "").strip()
        if not asked:
            return queryset
        user = user_by_login(asked)
        return queryset.filter(actor_id=user.id) if user is not None else queryset.none()


class ActFilter(TextFilter):
    title = _("act, or its beginning")
    parameter_name = "act"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        asked = (self.value() or "").strip()
        return queryset.filter(action__startswith=asked) if asked else queryset


class SinceFilter(FirstDayFilter):
    """Ids are ordered by time, so a day is a range of ids: only its month's partition is read."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        day = self.day()
        return queryset.filter(id__gte=ids.floor(_midnight(day))) if day else queryset


class UntilFilter(LastDayFilter):
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        day = self.day()
        if day is None:
            return queryset
        return queryset.filter(id__lt=ids.floor(_midnight(day + timedelta(days=1))))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), timezone.get_current_timezone())


@register(AuditEvent, site=site)
class AuditPanel(Panel):
    """Who did what, or looked at whose data. Sign-ins belong to no clinic: the installation's."""

    reads = Permission.AUDIT_READ
    list_display = ("at", "actor", "action", "table", "patients", "address")
    list_display_links = ("at",)
    list_filter = (PatientFilter, ActorFilter, ActFilter, SinceFilter, UntilFilter)
    search_help_text = _("The id of a row, or of a request")
    search_fields = ("entity_id__exact",)
    ordering = ("-id",)
    fieldsets = (
        (
            None,
            {
                "fields": [
                    ("at", "actor"),
                    ("action", "about"),
                    ("patients", "address"),
                    ("request_id", "id"),
                    "changes",
                ]
            },
        ),
    )
    readonly_fields = ("actor", "about", "patients", "id")

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return list(self.list_display)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        asked = search_term.strip()
        if not asked:
            return queryset, False
        try:
            return queryset.filter(entity_id=ids.UUID(asked)), False
        except ValueError:
            return queryset.none(), False

    def listed(self, request: HttpRequest, rows: list[Any]) -> None:
        """One query for the names of everyone on the page."""
        names = names_of(row.actor_id for row in rows)
        shown = {one for row in rows for one in row.subjects[:3]}
        charts = {
            chart.id: chart.full_name
            for chart in Patient.objects.filter(id__in=shown).only(
                "id", "given_name", "family_name"
            )
        }
        for row in rows:
            row.actor_name = names.get(row.actor_id, "")
            row.patient_names = [charts[one] for one in row.subjects[:3] if one in charts]

    def opened(self, request: HttpRequest, row: Any) -> None:
        self.listed(request, [row])

    @display(description=_("who"))
    def actor(self, row: Any) -> str:
        if row.actor_id is None:
            return str(_("the system"))
        return getattr(row, "actor_name", "") or str(row.actor_id)

    @display(description=_("what"))
    def table(self, row: AuditEvent) -> str:
        try:
            return str(apps.get_model(row.entity)._meta.verbose_name)
        except (LookupError, ValueError):
            return row.entity

    @display(description=_("what"))
    def about(self, row: AuditEvent) -> str:
        return f"{row.entity} {row.entity_id or ''}".strip()

    @display(description=_("patients"))
    def patients(self, row: Any) -> str:
        names = getattr(row, "patient_names", [])
        more = len(row.subjects) - len(names)
        parts = [*names, f"+{more}"] if more > 0 else names
        return ", ".join(parts)
