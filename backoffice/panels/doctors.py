"""Everyone who can be booked."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any
from uuid import UUID

from django import forms
from django.contrib.admin import register
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.roles import BOOKABLE_ROLES, Permission
from backoffice.access import Access, access_of
from backoffice.base import STAFF, Panel, Tool
from backoffice.forms import RowForm
from backoffice.panels.week import week
from backoffice.site import site
from clinics.models import Doctor, Membership
from clinics.selectors.directory import doctors_managed_by
from clinics.services.doctors import doctor_create, doctor_update
from core.errors import ErrorCode, KairosError


class MemberChoice(forms.ModelChoiceField):
    """Members who could be booked, and cannot yet."""

    def label_from_instance(self, obj: Membership) -> str:
        return f"{obj.user} · {obj.get_role_display()} · {obj.clinic}"


class NewDoctorForm(RowForm):
    member = MemberChoice(
        label=_("member of the staff"),
        queryset=Membership.objects.none(),
        widget=UnfoldAdminSelectWidget,
        help_text=_("Doctors, therapists and counselors who have no calendar yet."),
    )


@register(Doctor, site=site)
class DoctorPanel(Panel):
    """A doctor's entry, in however many clinics they work."""

    reads = STAFF
    adds = changes = Permission.STAFF_MANAGE
    clinic_field = None
    fieldsets = (
        (None, {"fields": ["display_name", ("profession", "is_active")]}),
        (
            _("Found by"),
            {
                "description": _("Words with commas between them."),
                "fields": [
                    ("specialties", "languages"),
                    ("licensed_regions", "accepted_insurances"),
                ],
            },
        ),
        (_("Caps"), {"fields": [("max_daily_appointments", "max_weekly_appointments")]}),
    )
    list_display = ("display_name", "profession", "words", "contact", "is_active")
    list_filter = ("is_active", "profession")
    list_select_related = ("user",)
    search_fields = ("display_name", "user__email")
    search_help_text = _("Name or email")
    ordering = ("display_name", "id")

    @display(description=_("specialties"))
    def words(self, row: Doctor) -> str:
        return ", ".join(row.specialties)

    @display(description=_("signs in as"))
    def contact(self, row: Doctor) -> str:
        return row.user.email or row.user.phone or ""

    def seen(self, rows: QuerySet[Any], access: Access, permission: Any) -> QuerySet[Any]:
        """Doctors with a bookable membership in a clinic in sight."""
        if access.principal.is_super_admin and access.clinic is None:
            return rows
        members = access.limited(
            Membership.objects.filter(role__in=BOOKABLE_ROLES, is_active=True), None
        )
        return rows.filter(user_id__in=members.values("user_id"))

    def choice_label(self, row: Doctor) -> str:
        return f"{row.display_name} · {row.get_profession_display()}"

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True  # any member of the staff; which doctors, says the query

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        access = access_of(request)
        if obj is None:
            return access.may(Permission.STAFF_MANAGE)
        if not hasattr(obj, "is_managed"):  # Django asks several times for one page
            obj.is_managed = obj.id in doctors_managed_by(access.principal, [obj])
        managed: bool = obj.is_managed
        return managed

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is not None:
            return super().get_form(request, obj, change, **kwargs)
        made = super().get_form(request, obj, change, form=NewDoctorForm, **kwargs)
        # A copy: the form class's own field is one for all requests of this process.
        made.base_fields["member"] = member = deepcopy(made.base_fields["member"])
        member.queryset = (
            access_of(request)
            .limited(Membership.objects.all(), Permission.STAFF_MANAGE)
            .filter(user__doctor=None, is_active=True, role__in=BOOKABLE_ROLES)
            .select_related("user", "clinic")
            .order_by("user__family_name", "id")
        )
        return made

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        parts = super().get_fieldsets(request, obj)
        return parts if obj is not None else [(None, {"fields": ["member"]}), *parts]

    def row_create(self, request: HttpRequest, clinic: Any, fields: Mapping[str, Any]) -> Doctor:
        values = dict(fields)
        member: Membership = values.pop("member")
        access_of(request).principal.require(Permission.STAFF_MANAGE, member.clinic_id)
        return doctor_create(clinic=member.clinic, user=member.user, fields=values)

    def row_change(
        self, request: HttpRequest, row: Any, fields: Mapping[str, Any], version: int | None
    ) -> Doctor:
        return doctor_update(doctor_id=row.id, fields=fields, expected_version=version)

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                "<uuid:doctor_id>/hours/",
                self.admin_site.admin_view(self.hours),
                name="clinics_doctor_hours",
            ),
            *super().get_urls(),
        ]

    def hours(self, request: HttpRequest, doctor_id: UUID) -> HttpResponse:
        """The doctor's week."""
        row = self.get_queryset(request).filter(pk=doctor_id).first()
        if row is None:
            raise Http404
        if not self._sees_hours(request, row):
            raise KairosError(ErrorCode.PERMISSION_DENIED)
        found = week(request, row)
        if isinstance(found, HttpResponse):
            return found
        return self.admin_site.page(
            request,
            "backoffice/week.html",
            {
                "title": _("Working hours of %(name)s") % {"name": row},
                "doctor": row,
                "back": self.link("change", row.pk),
                **found,
            },
            status=400 if found["has_errors"] else 200,
        )

    def _sees_hours(self, request: HttpRequest, row: Doctor) -> bool:
        access = access_of(request)
        own = row.id == access.principal.doctor_id and access.may(Permission.SCHEDULE_READ)
        return own or access.may_whole(Permission.SCHEDULE_READ)

    def tools(self, request: HttpRequest, row: Doctor) -> list[Tool]:
        if not self._sees_hours(request, row):
            return []
        return [Tool(_("Working hours"), self.link("hours", row.pk), "calendar_view_week")]
