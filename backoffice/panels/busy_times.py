"""What occupies doctors' time: visits, holds, blocks."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import SimpleListFilter, register
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import display

from accounts.roles import Permission
from accounts.selectors import names_of
from appointments.models import BusyTime, Claim
from appointments.services.holds import hold_release
from backoffice.access import access_of
from backoffice.base import Panel, Tool
from backoffice.filters import RelationFilter
from backoffice.site import site
from core import clock


class WhenFilter(SimpleListFilter):
    """What is over matters to nobody for long."""

    title = _("when")
    parameter_name = "when"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("all", _("Past ones too"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "all":
            return queryset
        return queryset.filter(period__endswith__gt=clock.now())

    def choices(self, changelist: Any) -> Any:
        first, *rest = super().choices(changelist)
        return [{**first, "display": _("To come")}, *rest]


@register(BusyTime, site=site)
class BusyTimePanel(Panel):
    """Claims on time, read-only; a hold can be given back."""

    reads = Permission.SCHEDULE_READ
    doctor_field = "doctor_id"
    list_display = ("kind", "doctor", "day", "hours", "room", "expires_at", "reason")
    list_filter = (WhenFilter, "kind", ("doctor", RelationFilter))
    list_select_related = ("doctor", "room")
    search_fields = ("doctor__display_name",)
    search_help_text = _("The doctor's name")
    ordering = ("-id",)
    fieldsets = (
        (
            None,
            {
                "fields": [
                    ("kind", "doctor"),
                    ("day", "hours"),
                    ("room", "location"),
                    ("service", "lane"),
                    ("holder_name", "expires_at"),
                    ("appointment", "reason"),
                ]
            },
        ),
    )
    readonly_fields = ("day", "hours", "holder_name")

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> BusyTime | None:
        """With everything that its page names, in one statement."""
        rows = self.get_queryset(request).select_related(
            "clinic", "doctor", "room", "location", "service", "appointment"
        )
        try:
            return rows.filter(pk=UUID(object_id)).first()
        except ValueError:
            return None

    @display(description=_("day"))
    def day(self, row: BusyTime) -> Any:
        return timezone.localtime(row.visit.lower).date()

    @display(description=_("hours"))
    def hours(self, row: BusyTime) -> str:
        start, end = (timezone.localtime(at) for at in (row.visit.lower, row.visit.upper))
        return f"{start:%H:%M}–{end:%H:%M}"

    @display(description=_("held by"))
    def holder_name(self, row: BusyTime) -> str:
        return names_of([row.holder]).get(row.holder, "") if row.holder else ""

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        return [
            path(
                "<uuid:hold_id>/release/",
                guarded(require_POST(self.release)),
                name="appointments_busytime_release",
            ),
            *super().get_urls(),
        ]

    def release(self, request: HttpRequest, hold_id: Any) -> HttpResponse:
        """Give a hold's time back."""
        hold_release(by=access_of(request).principal, hold_id=hold_id)
        messages.success(request, _("The time is free again."))
        return redirect(self.link("changelist"))

    def tools(self, request: HttpRequest, row: BusyTime) -> list[Tool]:
        if row.kind != Claim.HELD:
            return []
        return [Tool(_("Give it back"), self.link("release", row.pk), "lock_open", version=0)]
