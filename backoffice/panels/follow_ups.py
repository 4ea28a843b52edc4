"""Follow-up plans: what is to come next for a patient, and whether it has its visit."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import register
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.roles import Permission
from appointments.selectors.appointments import shows_clinical_text
from backoffice.access import Access, access_of
from backoffice.base import Tool
from backoffice.filters import FirstDayFilter, LastDayFilter, PresetFilter, RelationFilter
from backoffice.forms import given, ids_of
from backoffice.panels.plan_form import LISTS, LinesField, PlanForm
from backoffice.panels.visit_forms import ReasonForm
from backoffice.records import Records, at_the_desk
from backoffice.site import site
from core.errors import ErrorCode
from core.forms import attempt
from followups.models import (
    MAX_ITEM_LENGTH,
    WAITING,
    ContactAttempt,
    FollowUpInvitation,
    FollowUpPlan,
    PlanStatus,
)
from followups.selectors.plans import plans_visible_to
from followups.services.plan_changes import plan_cancel, plan_update
from followups.services.planning import PlanMade
from followups.services.plans import plan_create

LOOKS = {"scheduled": "info", "overdue": "danger", "completed": "success", "cancelled": "default"}
#: What only who reads clinical text may read and write.
CLINICAL = ("instructions", *LISTS)
#: Attempts and invitations that the page of a plan lists.
_SHOWN = 10


class WaitingFilter(PresetFilter):
    """What waits for its visit."""

    title = _("status")
    parameter_name = "status"
    preset = "waiting"
    searches = ("q", "from", "to")

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("waiting", _("Waiting for a visit")), *PlanStatus.choices, ("all", _("All"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        asked = self.asked()
        if asked == "waiting":
            return queryset.filter(status__in=WAITING)
        return queryset.filter(status=asked) if asked in PlanStatus.values else queryset


class SinceFilter(FirstDayFilter):
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(scheduled_for__gte=self.day()) if self.day() else queryset


class UntilFilter(LastDayFilter):
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(scheduled_for__lte=self.day()) if self.day() else queryset


@register(FollowUpPlan, site=site)
class FollowUpPlanPanel(Records):
    """Plans: written by doctors, booked and chased at the desk."""

    reads = Permission.FOLLOWUP_READ
    adds = changes = Permission.FOLLOWUP_WRITE
    doctor_field = "doctor_id"
    form = PlanForm
    fixed = ("patient", "appointment")
    named = (
        "patient",
        "doctor",
        "service",
        "location",
        "appointment",
        "follow_up_appointment",
        "created_by",
    )
    shown_as = ("follow_up_plan.read", "followups.followupplan")
    list_display = (
        "scheduled_for",
        "person",
        "doctor",
        "follow_up_type",
        "state",
        "priority",
        "attempts",
        "contact_on",
        "why",
    )
    list_display_links = ("scheduled_for", "person")
    list_filter: ClassVar[tuple[Any, ...]] = (
        WaitingFilter,
        "follow_up_type",
        "priority",
        ("doctor", RelationFilter),
        SinceFilter,
        UntilFilter,
    )
    search_help_text = _("The patient's name, record number, birth date or phone")
    change_form_outer_after_template = "backoffice/plan_asked.html"
    readonly_fields = (
        "state_word",
        "why",
        "maker",
        "follow_up_appointment",
        "attempts",
        "contacted_at",
        "contact_on",
        "escalated_at",
        "declined_at",
        "cancel_reason",
    )

    @display(description=_("patient"))
    def person(self, row: FollowUpPlan) -> str:
        return row.patient.full_name

    @display(description=_("status"), label=LOOKS)
    def state(self, row: FollowUpPlan) -> tuple[str, str]:
        return row.status, str(row.get_status_display())

    @display(description=_("status"))
    def state_word(self, row: FollowUpPlan) -> str:
        return self.state(row)[1]

    @display(description=_("why not booked"))
    def why(self, row: FollowUpPlan) -> str:
        if not row.is_waiting or not row.waiting_code:
            return ""
        return str(dict(ErrorCode.choices).get(row.waiting_code, row.waiting_code))

    @display(description=_("made by"))
    def maker(self, row: FollowUpPlan) -> str:
        return str(row.created_by or "")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        # Of one clinic the index of what waits is in this order; of all only the ids are.
        is_waiting = (request.GET.get("status") or "waiting") == "waiting"
        if access_of(request).clinic is None or not is_waiting:
            return ("-id",)
        return ("rank", "scheduled_for", "id")

    def seen(self, rows: QuerySet[Any], access: Access, permission: Any) -> QuerySet[Any]:
        seen = plans_visible_to(access.principal)
        return seen if access.clinic is None else seen.filter(clinic_id=access.clinic.id)

    # --- The form -------------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        whose: list[Any] = ["appointment", ("patient", "doctor")]
        what: list[Any] = [
            ("follow_up_type", "priority"),
            ("service", "location"),
            ("mode", "duration_minutes"),
        ]
        if obj is None:
            when: list[Any] = [("scheduled_for", "days_after"), "book"]
        else:
            when = ["scheduled_for"]
            whose.insert(0, ("state_word", "follow_up_appointment"))
        parts: list[Any] = [
            (None, {"fields": whose}),
            (_("The visit"), {"fields": [*when, *what]}),
        ]
        who = access_of(request).principal
        if obj is None or shows_clinical_text(who, obj):
            parts.append((_("Until then"), {"fields": list(CLINICAL)}))
        if obj is not None:
            asked = [
                ("attempts", "contacted_at"),
                "contact_on",
                ("escalated_at", "declined_at"),
                ("why", "maker"),
            ]
            parts.append((_("Asked"), {"fields": asked}))
            if obj.cancel_reason:
                parts.append((_("Cancelled"), {"fields": ["cancel_reason"]}))
        if obj is not None and access_of(request).clinic is None:
            parts.insert(0, (None, {"fields": ["clinic"]}))
        return parts

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in LISTS:
            return LinesField(
                label=db_field.verbose_name.capitalize(),
                required=False,
                help_text=_("One a line, %(letters)d letters at most.")
                % {"letters": MAX_ITEM_LENGTH},
            )
        if db_field.name == "instructions":
            kwargs["widget"] = UnfoldAdminTextareaWidget({"rows": 4})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is not None and obj.status == PlanStatus.CANCELLED:
            return False
        return super().has_change_permission(request, obj)

    def _clinic_for(self, request: HttpRequest, fields: dict[str, Any]) -> None:
        """Visit or patient say the clinic, and the service who may write for it."""

    def row_create(
        self, request: HttpRequest, clinic: None, fields: Mapping[str, Any]
    ) -> FollowUpPlan:
        asked = given(fields)
        if "appointment" in asked:
            asked["appointment_id"] = asked.pop("appointment")
        made = plan_create(by=access_of(request).principal, **asked)
        _tell(request, made)
        return made.plan

    def row_change(
        self, request: HttpRequest, row: Any, fields: Mapping[str, Any], version: int | None
    ) -> FollowUpPlan:
        return plan_update(
            by=access_of(request).principal,
            plan_id=row.id,
            expected_version=version,
            **ids_of(fields),
        )

    # --- Cancelling, and what was asked ---------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                "<uuid:plan_id>/cancel/",
                self.admin_site.admin_view(self.cancel),
                name="followups_followupplan_cancel",
            ),
            *super().get_urls(),
        ]

    def tools(self, request: HttpRequest, row: FollowUpPlan) -> list[Tool]:
        found = [at_the_desk("desk-recall-plan", row)]
        who = access_of(request).principal
        if row.is_waiting and who.may_for(
            Permission.FOLLOWUP_WRITE, row.clinic_id, doctor_id=row.doctor_id
        ):
            cancel = self.link("cancel", row.pk)
            found.append(Tool(_("Cancel the plan"), cancel, "event_busy", is_danger=True))
        return found

    def cancel(self, request: HttpRequest, plan_id: UUID) -> HttpResponse:
        """No follow-up any more, with a reason."""
        self.require_view(request)
        row = self.get_queryset(request).filter(pk=plan_id).first()
        if row is None:
            raise Http404
        by = access_of(request).principal
        by.require(Permission.FOLLOWUP_WRITE, row.clinic_id, doctor_id=row.doctor_id)
        form = ReasonForm(request.POST or None, initial={"version": row.version})
        if request.method == "POST" and form.is_valid():
            asked = form.cleaned_data
            cancelled = attempt(
                form,
                lambda: plan_cancel(
                    by=by,
                    plan_id=plan_id,
                    reason=asked["reason"],
                    expected_version=asked["version"],
                ),
            )
            if cancelled is not None:
                messages.success(request, _("The plan is cancelled."))
                return redirect(self.link("change", plan_id))
        self.opened(request, row)
        return site.page(
            request,
            "backoffice/form_page.html",
            {
                "title": _("Cancel the plan"),
                "form": form,
                "verb": _("Cancel the plan"),
                "back": self.link("change", plan_id),
                "visit": row,
                "visit_when": date_format(row.scheduled_for, "SHORT_DATE_FORMAT"),
            },
            status=400 if form.errors else 200,
        )

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs.get("obj")
        if row is not None:
            attempts = ContactAttempt.objects.filter(plan_id=row.pk).select_related("by")
            context["contacts"] = list(attempts.order_by("-id")[:_SHOWN])
            invitations = FollowUpInvitation.objects.filter(plan_id=row.pk)
            context["invitations"] = list(invitations.order_by("-id")[:_SHOWN])
        return super().render_change_form(request, context, *args, **kwargs)


def _tell(request: HttpRequest, made: PlanMade) -> None:
    """Whether the visit was booked with the plan, or why not."""
    if made.appointment is not None:
        messages.success(request, _("The visit is booked."))
    elif made.code:
        why = dict(ErrorCode.choices).get(made.code, made.code)
        messages.warning(request, _("The plan waits for a visit: %(why)s.") % {"why": why})
