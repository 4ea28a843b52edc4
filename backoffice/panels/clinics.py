"""Clinics with their policy, and what stands in them: locations, rooms, services."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.admin import register
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminEmailInputWidget

from accounts.roles import Permission
from accounts.services.users import user_get_or_invite
from backoffice.access import access_of
from backoffice.base import INSTALLATION, STAFF, Panel
from backoffice.forms import RowForm
from backoffice.site import site
from clinics.models import Clinic, Location, Room, Service
from clinics.services.changes import (
    apply_changes,
    create_row,
    remove_row,
    require_same_clinic,
)
from clinics.services.clinics import clinic_open, clinic_update
from clinics.services.places import room_create, room_update

_OWN = (
    (None, {"fields": ["name", "slug", "is_active"]}),
    (
        _("Contact"),
        {"fields": [("country", "timezone"), ("phone", "email"), "website"]},
    ),
    (_("Branding"), {"fields": [("colour", "logo_url")]}),
    (
        _("Booking"),
        {
            "fields": [
                ("min_notice_minutes", "horizon_days"),
                ("cancel_cutoff_minutes", "requires_approval"),
                ("hold_minutes", "max_holds_per_patient"),
                ("public_slots", "guest_booking"),
                "reception_may_override",
            ]
        },
    ),
    (
        _("Arrival and the day"),
        {
            "fields": [
                ("checkin_opens_minutes", "checkin_closes_minutes"),
                ("late_grace_minutes", "auto_no_show"),
                ("wait_room_privacy", "shared_calendars"),
            ]
        },
    ),
)


class NewClinicForm(RowForm):
    """A clinic with whoever is to administer it."""

    admin_email = forms.EmailField(
        label=_("First administrator's email"),
        help_text=_("Becomes a user if there is none of this address."),
        widget=UnfoldAdminEmailInputWidget,
    )


@register(Clinic, site=site)
class ClinicPanel(Panel):
    """The clinic itself: its name, its look, its policy."""

    reads = Permission.CLINIC_MANAGE
    adds = INSTALLATION
    changes = Permission.CLINIC_MANAGE
    clinic_field = "id"
    fieldsets = _OWN
    list_display = ("name", "slug", "timezone", "country", "is_active")
    search_fields = ("name", "slug")
    sortable_by = ("name", "slug")
    ordering = ("name", "id")

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None:
            kwargs["form"] = NewClinicForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        parts = super().get_fieldsets(request, obj)
        if obj is None:
            return [(None, {"fields": ["admin_email"]}), *parts]
        return parts

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        fixed = super().get_readonly_fields(request, obj)
        if not access_of(request).principal.is_super_admin:
            fixed += ["is_active", "slug"]
        return fixed

    def row_create(self, request: HttpRequest, clinic: Any, fields: Mapping[str, Any]) -> Clinic:
        values = dict(fields)
        admin, _new = user_get_or_invite(email=values.pop("admin_email"))
        return clinic_open(admin=admin, **values)

    def row_change(
        self, request: HttpRequest, row: Any, fields: Mapping[str, Any], version: int | None
    ) -> Clinic:
        return clinic_update(clinic=row, expected_version=version, **fields)


class _ClinicRows(Panel):
    """Rows that every member of the staff may read, and whoever manages the clinic may write."""

    reads = STAFF
    adds = changes = removes = Permission.CLINIC_MANAGE
    noun = ""
    list_filter: tuple[str, ...] = ("is_active",)

    def seen(self, rows: QuerySet[Any], access: Any, permission: Any) -> QuerySet[Any]:
        return access.limited(rows, None)

    def row_create(self, request: HttpRequest, clinic: Any, fields: Mapping[str, Any]) -> Any:
        return create_row(self.model, {"clinic": clinic, **fields}, action=f"{self.noun}.created")

    def row_change(
        self, request: HttpRequest, row: Any, fields: Mapping[str, Any], version: int | None
    ) -> Any:
        return apply_changes(
            self.model,
            row.id,
            fields,
            expected_version=version,
            action=f"{self.noun}.changed",
        )

    def row_remove(self, request: HttpRequest, row: Any) -> None:
        remove_row(self.model, row.id, expected_version=None, action=f"{self.noun}.removed")


@register(Location, site=site)
class LocationPanel(_ClinicRows):
    noun = "location"
    fieldsets = (
        (None, {"fields": ["name", ("address", "city"), "timezone", "is_active"]}),
        (_("Place"), {"fields": [("latitude", "longitude"), "geofence_metres"]}),
    )
    list_display = ("name", "address", "city", "timezone", "is_active")
    search_fields = ("name", "city")
    ordering = ("name", "id")

    def choice_label(self, row: Location) -> str:
        return f"{row.name}, {row.city}" if row.city else row.name


@register(Room, site=site)
class RoomPanel(_ClinicRows):
    noun = "room"
    fieldsets = ((None, {"fields": ["location", "name", "is_active"]}),)
    list_display = ("name", "location", "is_active")
    list_select_related = ("location",)
    search_fields = ("name",)
    ordering = ("name", "id")

    def choice_label(self, row: Room) -> str:
        return f"{row.name} · {row.location}"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("location", "clinic")

    def row_create(self, request: HttpRequest, clinic: Any, fields: Mapping[str, Any]) -> Room:
        values = dict(fields)
        location = values.pop("location")
        require_same_clinic(clinic.id, location=location)
        return room_create(location=location, **values)

    def row_change(
        self, request: HttpRequest, row: Any, fields: Mapping[str, Any], version: int | None
    ) -> Room:
        return room_update(
            room_id=row.id, clinic_id=row.clinic_id, fields=fields, expected_version=version
        )


@register(Service, site=site)
class ServicePanel(_ClinicRows):
    noun = "service"
    fieldsets = (
        (None, {"fields": ["name", "description", ("is_active", "is_public"), "colour"]}),
        (
            _("Length"),
            {
                "fields": [
                    ("duration_minutes", "capacity"),
                    ("buffer_before_minutes", "buffer_after_minutes"),
                    "modes",
                ]
            },
        ),
        (
            _("Instead of the clinic's policy"),
            {"fields": [("min_notice_minutes", "horizon_days")]},
        ),
    )
    list_display = ("name", "length", "capacity", "is_public", "is_active")
    list_filter = ("is_active", "is_public")
    search_fields = ("name",)
    ordering = ("name", "id")

    @display(description=_("length"))
    def length(self, row: Service) -> str:
        before, after = row.buffer_before_minutes, row.buffer_after_minutes
        buffers = f" (+{before}/{after})" if before or after else ""
        return f"{row.duration_minutes} min{buffers}"
