"""The installation's own machinery: events on their way, and scheduled jobs."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import SimpleListFilter, register
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from django_celery_beat.models import PeriodicTask
from unfold.decorators import display

from backoffice.base import INSTALLATION, Panel, Tool
from backoffice.services import job_run, job_switch
from backoffice.site import site
from core.models import OutboxEvent
from core.services import outbox_retry


class StateFilter(SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("waiting", _("Waiting")), ("failed", _("Given up")), ("done", _("Delivered"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "waiting":
                return queryset.filter(delivered_at=None, failed_at=None)
            case "failed":
                return queryset.filter(delivered_at=None, failed_at__isnull=False)
            case "done":
                return queryset.filter(delivered_at__isnull=False)
            case _:
                return queryset


@register(OutboxEvent, site=site)
class OutboxPanel(Panel):
    """Events on their way to their listeners. What was given up can be tried again."""

    reads = INSTALLATION
    list_display = ("created_at", "topic", "state", "attempts", "next_attempt_at", "fault")
    list_filter = (StateFilter,)
    search_help_text = _("The beginning of a topic, or an id")
    ordering = ("-id",)
    fieldsets = (
        (
            None,
            {
                "fields": [
                    ("topic", "state_word"),
                    ("created_at", "delivered_at"),
                    ("attempts", "next_attempt_at"),
                    ("failed_at", "request_id"),
                    "last_error",
                    "payload",
                ]
            },
        ),
    )
    readonly_fields = ("state_word",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        asked = search_term.strip()
        return (queryset.filter(topic__startswith=asked) if asked else queryset), False

    @display(
        description=_("state"),
        label={"done": "success", "waiting": "info", "failed": "danger"},
    )
    def state(self, row: OutboxEvent) -> tuple[str, Any]:
        if row.delivered_at is not None:
            return "done", _("delivered")
        if row.failed_at is not None:
            return "failed", _("given up")
        return "waiting", _("waiting")

    @display(description=_("state"))
    def state_word(self, row: OutboxEvent) -> str:
        return str(self.state(row)[1])

    @display(description=_("last error"))
    def fault(self, row: OutboxEvent) -> str:
        return row.last_error[:80]

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        return [
            path(
                "<uuid:event_id>/retry/",
                guarded(require_POST(self.retry)),
                name="core_outboxevent_retry",
            ),
            *super().get_urls(),
        ]

    def retry(self, request: HttpRequest, event_id: Any) -> HttpResponse:
        """Put the event back in line."""
        self.require_view(request)
        outbox_retry(event_id=event_id)
        messages.success(request, _("It is first in line again."))
        return redirect(self.link("change", event_id))

    def tools(self, request: HttpRequest, row: OutboxEvent) -> list[Tool]:
        if row.delivered_at is not None:
            return []
        return [Tool(_("Try again now"), self.link("retry", row.pk), "replay", version=0)]


class JobForm(forms.ModelForm):
    refusal = None

    class Meta:
        model = PeriodicTask
        fields = ["enabled"]

    def changes(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in self.changed_data}

    def version(self) -> None:
        return None


@register(PeriodicTask, site=site)
class JobPanel(Panel):
    """What runs by the clock. The times stand in the settings; here a job is paused, or run now."""

    reads = changes = INSTALLATION
    clinic_field = None
    form = JobForm
    list_display = ("name", "task", "when", "enabled", "last_run_at", "total_run_count")
    list_filter = ("enabled",)
    search_fields = ("name", "task")
    list_select_related = ("interval", "crontab", "solar", "clocked")
    ordering = ("name",)
    fieldsets = (
        (None, {"fields": ["name", "task", "when", "enabled", "last_run_at", "total_run_count"]}),
    )
    readonly_fields = ("name", "task", "when", "last_run_at", "total_run_count")

    @display(description=_("when"))
    def when(self, row: PeriodicTask) -> str:
        return str(row.scheduler)

    def row_change(
        self, request: HttpRequest, row: Any, fields: Mapping[str, Any], version: int | None
    ) -> PeriodicTask:
        if "enabled" not in fields:
            return row
        return job_switch(job_id=row.pk, enabled=fields["enabled"])

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        return [
            path(
                "<int:job_id>/run/",
                guarded(require_POST(self.run)),
                name="django_celery_beat_periodictask_run",
            ),
            *super().get_urls(),
        ]

    def run(self, request: HttpRequest, job_id: int) -> HttpResponse:
        """Hand the job to a worker now."""
        self.require_view(request)
        if not self.get_queryset(request).filter(pk=job_id).exists():
            raise Http404
        job_run(job_id=job_id)
        messages.success(request, _("A worker was asked to run it."))
        return redirect(self.link("change", job_id))

    def tools(self, request: HttpRequest, row: PeriodicTask) -> list[Tool]:
        return [Tool(_("Run now"), self.link("run", row.pk), "play_arrow", version=0)]
