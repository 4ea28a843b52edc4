"""Freed times and the ledger of their offers: read here, worked by the jobs and the desk."""

from datetime import datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.contrib.admin import register
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format, time_format
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from accounts.roles import Permission
from backoffice.access import Access, access_of
from backoffice.base import Panel, Tool
from backoffice.filters import RelationFilter
from backoffice.panels.recall import SENT_BY
from backoffice.records import Records, at_the_desk
from backoffice.site import site
from followups.models import WaitlistOffer, WaitlistOpening
from followups.selectors.waitlist import offers_visible_to

OPENINGS = {"OPEN": "info", "TAKEN": "success", "CLOSED": "default", "GONE": "warning"}
OFFERS = {
    "OPEN": "info",
    "ACCEPTED": "success",
    "DECLINED": "danger",
    "LOST": "warning",
    "EXPIRED": "default",
    "WITHDRAWN": "default",
}


def _hours(starts_at: datetime, ends_at: datetime, zone: str) -> str:
    """A time on the clocks where it is."""
    start, end = (moment.astimezone(ZoneInfo(zone)) for moment in (starts_at, ends_at))
    return f"{date_format(start, 'D j M Y, H:i')}–{time_format(end, 'H:i')}"


@register(WaitlistOpening, site=site)
class WaitlistOpeningPanel(Panel):
    """What became free, why, and how far it has been offered."""

    reads = Permission.APPOINTMENT_BOOK
    doctor_field = "doctor_id"
    list_display = ("when", "doctor", "location", "cause", "state", "batch", "next_batch_at")
    list_display_links = ("when",)
    list_filter: ClassVar[tuple[Any, ...]] = ("status", "cause", ("doctor", RelationFilter))
    list_select_related = ("doctor", "location")
    search_fields = ("doctor__display_name",)
    search_help_text = _("The doctor's name")
    ordering = ("-id",)
    fieldsets = (
        (
            None,
            {
                "fields": [
                    ("when", "state_word"),
                    ("doctor", "location"),
                    ("cause", "created_at"),
                    ("batch", "next_batch_at"),
                    "taken_by",
                ]
            },
        ),
    )
    readonly_fields = ("when", "state_word", "created_at")

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request)
        return rows.select_related("clinic", "doctor", "location", "taken_by")

    @display(description=_("when"))
    def when(self, row: WaitlistOpening) -> str:
        return _hours(row.starts_at, row.ends_at, row.timezone)

    @display(description=_("status"), label=OPENINGS)
    def state(self, row: WaitlistOpening) -> tuple[str, str]:
        return row.status, str(row.get_status_display())

    @display(description=_("status"))
    def state_word(self, row: WaitlistOpening) -> str:
        return self.state(row)[1]

    def tools(self, request: HttpRequest, row: WaitlistOpening) -> list[Tool]:
        offers = reverse("admin:followups_waitlistoffer_changelist")
        return [
            at_the_desk("desk-waitlist-opening", row),
            Tool(_("Its offers"), f"{offers}?opening__id__exact={row.pk}", "history"),
        ]


@register(WaitlistOffer, site=site)
class WaitlistOfferPanel(Records):
    """The ledger: every offer that was made, to whom, and what came of it."""

    reads = Permission.APPOINTMENT_BOOK
    patient_path = "entry__patient_id"
    named = ("opening__doctor", "opening__location", "entry__patient", "entry__service")
    shown_as = ("waitlist_offer.read", "followups.waitlistoffer")
    list_display = (
        "when",
        "doctor",
        "person",
        "service",
        "state",
        "batch",
        "place",
        "sent",
        "expires_at",
        "answered_at",
    )
    list_display_links = ("when", "person")
    list_filter: ClassVar[tuple[Any, ...]] = (
        "status",
        "by_staff",
        ("opening", RelationFilter),
        ("entry", RelationFilter),
    )
    search_help_text = _("The patient's name, record number, birth date or phone")
    ordering = ("-id",)
    fieldsets = (
        (
            None,
            {
                "fields": [
                    ("when", "state_word"),
                    ("doctor", "location"),
                    ("person", "service"),
                    ("opening", "entry"),
                ]
            },
        ),
        (
            _("Asked"),
            {
                "fields": [
                    ("batch", "place"),
                    ("sent", "sent_at"),
                    ("expires_at", "answered_at"),
                    "by_staff",
                ]
            },
        ),
    )
    readonly_fields = (
        "when",
        "state_word",
        "doctor",
        "location",
        "person",
        "service",
        "sent",
    )

    def seen(self, rows: QuerySet[Any], access: Access, permission: Any) -> QuerySet[Any]:
        seen = offers_visible_to(access.principal)
        return seen if access.clinic is None else seen.filter(clinic_id=access.clinic.id)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # A clinician sees what was offered to who waits for them: the query says which.
        return access_of(request).may(Permission.APPOINTMENT_BOOK)

    @display(description=_("when"))
    def when(self, row: WaitlistOffer) -> str:
        return _hours(row.starts_at, row.ends_at, row.opening.timezone)

    @display(description=_("doctor"))
    def doctor(self, row: WaitlistOffer) -> str:
        return str(row.opening.doctor)

    @display(description=_("location"))
    def location(self, row: WaitlistOffer) -> str:
        return str(row.opening.location or "")

    @display(description=_("patient"))
    def person(self, row: WaitlistOffer) -> str:
        return row.entry.patient.full_name

    @display(description=_("service"))
    def service(self, row: WaitlistOffer) -> str:
        return str(row.entry.service)

    @display(description=_("status"), label=OFFERS)
    def state(self, row: WaitlistOffer) -> tuple[str, str]:
        return row.status, str(row.get_status_display())

    @display(description=_("status"))
    def state_word(self, row: WaitlistOffer) -> str:
        return self.state(row)[1]

    @display(description=_("sent by"))
    def sent(self, row: WaitlistOffer) -> str:
        return str(SENT_BY.get(row.sent_by, _("Not sent: to be told by the desk")))
