"""The waitlist: who waits, what became free, and every offer that was made."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin import register
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.formats import time_format
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from accounts.roles import Permission
from backoffice.access import Access, access_of
from backoffice.base import Tool
from backoffice.filters import PresetFilter, RelationFilter
from backoffice.forms import RowForm, given, ids_of, may_be_empty, version_sent
from backoffice.records import Records, at_the_desk
from backoffice.site import site
from clinics.models import Doctor, Weekday
from core.errors import ErrorCode, KairosError
from followups.models import WaitlistEntry, WaitlistOpening, WaitlistStatus
from followups.selectors.waitlist import entries_visible_to
from followups.services.waitlist import entry_change, entry_create, entry_withdraw

ENTRIES = {"WAITING": "info", "BOOKED": "success", "WITHDRAWN": "default", "EXPIRED": "warning"}


class DoctorsField(forms.ModelMultipleChoiceField):
    """Several doctors, chosen by typing; the row keeps their ids."""

    def __init__(self, **kwargs: Any) -> None:
        # Any relation to a doctor says where the choices are asked for.
        relation = WaitlistOpening._meta.get_field("doctor")
        widget = AutocompleteSelectMultiple(
            relation, site, attrs={"class": "unfold-admin-autocomplete"}
        )
        super().__init__(widget=widget, **kwargs)

    def clean(self, value: Any) -> Any:
        return [doctor.pk for doctor in super().clean(value)]


class EntryForm(RowForm):
    """What a patient would come for; a visit that is to be moved says most of it."""

    class Meta:
        model = WaitlistEntry
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance._state.adding:
            empty = {
                "appointment": _("Kept until a better time is won. It says patient and service."),
                "patient": _("Empty: whose visit is to be moved."),
                "service": _("Empty: that of the visit."),
                "mode": _("Empty: as the visit, or in person."),
                "earliest": _("Empty: from today on."),
                "latest": _("Empty: the visit's day, or as far ahead as is booked."),
            }
            may_be_empty(self, empty)


class WaitingFilter(PresetFilter):
    """Who waits."""

    title = _("status")
    parameter_name = "status"
    preset = WaitlistStatus.WAITING.value

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*WaitlistStatus.choices, ("all", _("All"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        asked = self.asked()
        return queryset.filter(status=asked) if asked in WaitlistStatus.values else queryset


@register(WaitlistEntry, site=site)
class WaitlistEntryPanel(Records):
    """Who waits for an earlier time, and for which."""

    reads = adds = changes = Permission.APPOINTMENT_BOOK
    form = EntryForm
    fixed = ("patient", "service", "appointment")
    named = ("patient", "service", "location", "appointment", "booked", "created_by")
    shown_as = ("waitlist_entry.read", "followups.waitlistentry")
    list_display = (
        "person",
        "service",
        "state",
        "urgency",
        "earliest",
        "latest",
        "times",
        "location",
        "created_at",
    )
    list_display_links = ("person",)
    list_filter: ClassVar[tuple[Any, ...]] = (
        WaitingFilter,
        "urgency",
        ("service", RelationFilter),
        ("location", RelationFilter),
    )
    search_help_text = _("The patient's name, record number, birth date or phone")
    ordering = ("-id",)
    readonly_fields = ("state_word", "booked", "maker", "closed_at", "created_at")

    @display(description=_("patient"))
    def person(self, row: WaitlistEntry) -> str:
        return row.patient.full_name

    @display(description=_("status"), label=ENTRIES)
    def state(self, row: WaitlistEntry) -> tuple[str, str]:
        return row.status, str(row.get_status_display())

    @display(description=_("status"))
    def state_word(self, row: WaitlistEntry) -> str:
        return self.state(row)[1]

    @display(description=_("times"))
    def times(self, row: WaitlistEntry) -> str:
        """The days of the week and the time of day, as far as they were chosen."""
        found = [str(WEEKDAYS_ABBR[day - 1]) for day in sorted(row.weekdays)]
        if row.time_from is not None or row.time_to is not None:
            ends = (time_format(at, "H:i") if at else "…" for at in (row.time_from, row.time_to))
            found.append("–".join(ends))
        return " ".join(found) or str(_("any"))

    @display(description=_("entered by"))
    def maker(self, row: WaitlistEntry) -> str:
        return str(_("the patient")) if row.by_patient else str(row.created_by or "")

    def seen(self, rows: QuerySet[Any], access: Access, permission: Any) -> QuerySet[Any]:
        seen = entries_visible_to(access.principal)
        return seen if access.clinic is None else seen.filter(clinic_id=access.clinic.id)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # A clinician sees the entries that name them: the query says which.
        return access_of(request).may(Permission.APPOINTMENT_BOOK)

    def _doctor_of(self, row: Any) -> UUID | None:
        """Whose entry it is to change, besides the desk's: that of the only doctor it names."""
        doctors: list[UUID] = row.doctors
        return doctors[0] if len(doctors) == 1 else None

    # --- The form -------------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        whose: list[Any] = [("patient", "service"), ("mode", "location"), "appointment"]
        if obj is not None:
            whose.insert(0, ("state_word", "booked"))
        parts: list[Any] = [
            (None, {"fields": [*whose, ("urgency", "note")]}),
            (
                _("Would come"),
                {"fields": [("earliest", "latest"), ("time_from", "time_to"), "weekdays"]},
            ),
            (None, {"fields": ["doctors"]}),
        ]
        if obj is not None:
            parts.append((_("Entered"), {"fields": [("created_at", "maker"), "closed_at"]}))
        if obj is not None and access_of(request).clinic is None:
            parts.insert(0, (None, {"fields": ["clinic"]}))
        return parts

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "weekdays":
            return forms.TypedMultipleChoiceField(
                label=_("Days of the week"),
                coerce=int,
                required=False,
                choices=Weekday.choices,
                widget=UnfoldAdminCheckboxSelectMultipleWidget,
                help_text=_("None chosen: any."),
            )
        if db_field.name == "doctors":
            return DoctorsField(
                label=_("Doctors"),
                queryset=self.admin_site.get_model_admin(Doctor).get_queryset(request),
                required=False,
                help_text=_("None chosen: any."),
            )
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is not None and obj.status != WaitlistStatus.WAITING:
            return False
        return super().has_change_permission(request, obj)

    def _clinic_for(self, request: HttpRequest, fields: dict[str, Any]) -> None:
        """Visit or patient say the clinic, and the service who may put them on its list."""

    def row_create(
        self, request: HttpRequest, clinic: None, fields: Mapping[str, Any]
    ) -> WaitlistEntry:
        return entry_create(by=access_of(request).principal, **given(fields))

    def row_change(
        self, request: HttpRequest, row: Any, fields: Mapping[str, Any], version: int | None
    ) -> WaitlistEntry:
        return entry_change(
            by=access_of(request).principal,
            entry_id=row.id,
            expected_version=version,
            **ids_of(fields),
        )

    # --- Withdrawing ----------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                "<uuid:entry_id>/withdraw/",
                self.admin_site.admin_view(require_POST(self.withdraw)),
                name="followups_waitlistentry_withdraw",
            ),
            *super().get_urls(),
        ]

    def tools(self, request: HttpRequest, row: WaitlistEntry) -> list[Tool]:
        offers = reverse("admin:followups_waitlistoffer_changelist")
        found = [
            at_the_desk("desk-waitlist-entry", row),
            Tool(_("Its offers"), f"{offers}?entry__id__exact={row.pk}", "history"),
        ]
        if self.has_change_permission(request, row):
            withdraw = self.link("withdraw", row.pk)
            found.append(
                Tool(
                    _("Take off the list"),
                    withdraw,
                    "person_remove",
                    version=row.version,
                    is_danger=True,
                )
            )
        return found

    def withdraw(self, request: HttpRequest, entry_id: UUID) -> HttpResponse:
        """Nothing is offered to them any more; offers that are open end."""
        self.require_view(request)
        if not self.get_queryset(request).filter(pk=entry_id).exists():
            raise KairosError(ErrorCode.NOT_FOUND)
        entry_withdraw(
            by=access_of(request).principal,
            entry_id=entry_id,
            expected_version=version_sent(request),
        )
        messages.success(request, _("Taken off the list."))
        return redirect(self.link("change", entry_id))
