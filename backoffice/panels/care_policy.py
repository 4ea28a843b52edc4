"""How a clinic chases follow-ups and offers freed time: one row a clinic, or the defaults."""

from collections.abc import Mapping
from typing import Any

from django.contrib.admin import register
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.formats import time_format
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from accounts.roles import Permission
from backoffice.access import access_of
from backoffice.base import Panel
from backoffice.site import site
from clinics.models import Clinic
from core.errors import ErrorCode, KairosError
from followups.models import CarePolicy
from followups.services.policy import DEFAULTS, policy_save


@register(CarePolicy, site=site)
class CarePolicyPanel(Panel):
    """The rules of continuing care, for who runs the clinic."""

    reads = adds = changes = Permission.CLINIC_MANAGE
    list_display = ("of", "hours", "offer_batch_size", "offer_delay_minutes", "recall_lead_days")
    search_fields = ("clinic__name",)
    ordering = ("-id",)
    fieldsets = (
        (
            _("Offers of freed time"),
            {
                "fields": [
                    ("offer_batch_size", "offer_delay_minutes"),
                    ("offer_from", "offer_until"),
                    ("offer_stop_minutes", "offers_per_week"),
                ]
            },
        ),
        (
            _("Recall"),
            {"fields": ["recall_lead_days", ("escalate_after_attempts", "escalate_after_days")]},
        ),
        (
            _("Invitations to choose a time"),
            {"fields": [("invitation_days", "invitation_times")]},
        ),
    )

    @display(description=_("clinic"))
    def of(self, row: CarePolicy) -> str:
        return str(row.clinic)

    @display(description=_("offers are sent"))
    def hours(self, row: CarePolicy) -> str:
        return f"{time_format(row.offer_from, 'H:i')}–{time_format(row.offer_until, 'H:i')}"

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """The clinic is the row's name: it stands there once, whatever is in sight."""
        return [name for name in super().get_list_display(request) if name != "clinic"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("clinic")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        hint = _("A clinic that is not listed has the defaults. Add it to change them.")
        request.list_hint = hint  # type: ignore[attr-defined]
        answer: HttpResponse = super().changelist_view(request, extra_context)
        return answer

    def row_create(
        self, request: HttpRequest, clinic: Clinic, fields: Mapping[str, Any]
    ) -> CarePolicy:
        by = access_of(request).principal
        try:
            return policy_save(by=by, clinic_id=clinic.id, expected_version=DEFAULTS, **fields)
        except KairosError as refusal:
            if refusal.code != ErrorCode.PRECONDITION_FAILED:
                raise
            said = _("The clinic has its rules already: open them to change them.")
            raise KairosError(ErrorCode.CONFLICT, str(said)) from refusal

    def row_change(
        self, request: HttpRequest, row: Any, fields: Mapping[str, Any], version: int | None
    ) -> CarePolicy:
        return policy_save(
            by=access_of(request).principal,
            clinic_id=row.clinic_id,
            expected_version=version,
            **fields,
        )
