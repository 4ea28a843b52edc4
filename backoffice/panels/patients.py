"""Patients' charts, and who acts for them. Every chart shown is written into the trail."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.contrib.admin import register
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.roles import Permission
from backoffice.access import access_of
from backoffice.base import Panel, Tool
from backoffice.forms import RowForm
from backoffice.panels.merging import merge_page
from backoffice.site import site
from clinics.models import Patient, PatientProxy
from clinics.selectors.patients import clinical_text_of, patients_search
from clinics.services.patients import patient_create, patient_update, patients_read
from clinics.services.proxies import proxy_add, proxy_change, proxy_end
from core.errors import ErrorCode, KairosError

_FOUND = 200
_OFFERED = 20


class PatientForm(RowForm):
    """Empty means: not known."""

    left_to_service = ("phone", "mrn", "external_id")

    class Meta:
        model = Patient
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "mrn" in self.fields:
            self.fields["mrn"].required = not self.instance._state.adding
            if self.instance._state.adding:
                self.fields["mrn"].help_text = _("Leave it empty to have one made.")


@register(Patient, site=site)
class PatientPanel(Panel):
    """A person's chart in one clinic."""

    reads = Permission.PATIENT_READ
    adds = changes = Permission.PATIENT_WRITE
    form = PatientForm
    fieldsets = (
        (None, {"fields": [("given_name", "family_name"), ("birth_date", "sex"), "mrn"]}),
        (
            _("Contact"),
            {"fields": [("phone", "email"), ("language", "region"), "contact_preferences"]},
        ),
        (_("Administration"), {"fields": [("insurance", "external_id"), "is_active", "account"]}),
        (_("Notes of the staff"), {"fields": ["notes"]}),
    )
    readonly_fields = ("account",)
    list_display = ("name", "birth_date", "sex", "mrn", "phone", "email", "is_active")
    list_filter = ("is_active",)
    search_help_text = _("Name, record number, birth date, or the end of a phone number")

    @display(description=_("name"))
    def name(self, row: Patient) -> str:
        return f"{row.family_name}, {row.given_name}" if row.family_name else row.given_name

    @display(description=_("account"))
    def account(self, row: Patient) -> str:
        if row.merged_into_id is not None:
            return str(_("merged into another chart"))
        return str(row.user) if row.user_id else ""

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        # The index by name begins with the clinic: over several, newest charts first.
        if access_of(request).clinic is None:
            return ("-id",)
        return ("family_name", "given_name", "id")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Through the search function, whose indexes row security would leave unused."""
        asked = search_term.strip()
        if not asked:
            return queryset, False
        return queryset.filter(id__in=self.ids_found(request, asked)), False

    def ids_found(self, request: HttpRequest, asked: str) -> list[Any]:
        """The charts that fit what was typed, as far as the searcher may read them."""
        access = access_of(request)
        clinics = access.principal.search_scope(Permission.PATIENT_READ)
        if access.clinic is not None:
            clinics = [clinic for clinic in clinics if clinic == access.clinic.id]
        limit = _OFFERED if request.path.endswith("/autocomplete/") else _FOUND
        return [chart.id for chart in patients_search(clinics, asked[:100], limit=limit)]

    def listed(self, request: HttpRequest, rows: list[Any]) -> None:
        patients_read(rows, action="patient.listed")

    def opened(self, request: HttpRequest, row: Any) -> None:
        patients_read([row], action="patient.read")

    def choice_label(self, row: Patient) -> str:
        born = f"{row.birth_date:%d.%m.%Y}" if row.birth_date else ""
        return " · ".join(part for part in (row.full_name, born, row.mrn) if part)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Without the staff's notes for those who may not read clinical text."""
        parts = super().get_fieldsets(request, obj)
        who = access_of(request).principal
        if obj is not None:
            reads_notes = bool(clinical_text_of(who, [obj])) or who.is_super_admin
        else:
            reads_notes = who.may_somewhere(Permission.APPOINTMENT_CLINICAL)
        if reads_notes:
            return parts
        return [part for part in parts if "notes" not in part[1]["fields"]]

    def row_create(self, request: HttpRequest, clinic: Any, fields: Mapping[str, Any]) -> Patient:
        return patient_create(clinic=clinic, fields=fields)

    def row_change(
        self, request: HttpRequest, row: Any, fields: Mapping[str, Any], version: int | None
    ) -> Patient:
        return patient_update(
            patient=row, fields=fields, expected_version=version, contact_only=False
        )

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                "<uuid:patient_id>/merge/",
                self.admin_site.admin_view(self.merge),
                name="clinics_patient_merge",
            ),
            *super().get_urls(),
        ]

    def merge(self, request: HttpRequest, patient_id: UUID) -> HttpResponse:
        """Merge a duplicate into this chart."""
        row = self.get_queryset(request).filter(pk=patient_id).first()
        if row is None:
            raise Http404
        if not access_of(request).principal.may(Permission.PATIENT_WRITE, row.clinic_id):
            raise KairosError(ErrorCode.PERMISSION_DENIED)
        return merge_page(request, row, self.link("change", row.pk))

    def tools(self, request: HttpRequest, row: Patient) -> list[Tool]:
        writes = access_of(request).principal.may(Permission.PATIENT_WRITE, row.clinic_id)
        visits = urlencode({"q": row.mrn, "day": "all"})
        merge = Tool(_("Merge a duplicate"), self.link("merge", row.pk), "merge")
        return [
            *([merge] if writes and row.is_active else []),
            Tool(
                _("Appointments"),
                f"{reverse('admin:appointments_appointment_changelist')}?{visits}",
                "event",
            ),
        ]


class ProxyForm(RowForm):
    """Who acts for the patient, by the name they sign in with."""

    login = forms.CharField(
        label=_("email or phone of the person"),
        max_length=254,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("They must have an account."),
    )

    class Meta:
        model = PatientProxy
        fields = ["patient", "relation", "valid_until"]


@register(PatientProxy, site=site)
class ProxyPanel(Panel):
    """A parent for a child, a carer: who may act for a patient."""

    reads = Permission.PATIENT_WRITE
    adds = changes = removes = Permission.PATIENT_WRITE
    fieldsets = ((None, {"fields": ["patient", "person", "relation", "valid_until"]}),)
    add_fieldsets = ((None, {"fields": ["patient", "login", "relation", "valid_until"]}),)
    fixed = ("patient", "relation")
    readonly_fields = ("person",)
    list_display = ("patient", "person", "relation", "valid_until")
    list_select_related = ("patient", "user")
    list_filter = ("relation",)
    search_help_text = _("The patient's name or record number")
    ordering = ("-id",)

    @display(description=_("person"))
    def person(self, row: PatientProxy) -> str:
        return str(row.user)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("patient", "user", "clinic")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        asked = search_term.strip()
        if not asked:
            return queryset, False
        panel: Any = self.admin_site.get_model_admin(Patient)
        return queryset.filter(patient_id__in=panel.ids_found(request, asked)), False

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None:
            kwargs["form"] = ProxyForm
        return super().get_form(request, obj, change, **kwargs)

    def row_create(
        self, request: HttpRequest, clinic: Any, fields: Mapping[str, Any]
    ) -> PatientProxy:
        return proxy_add(clinic=clinic, **fields)

    def row_change(
        self, request: HttpRequest, row: Any, fields: Mapping[str, Any], version: int | None
    ) -> PatientProxy:
        return proxy_change(proxy_id=row.id, fields=fields, expected_version=version)

    def row_remove(self, request: HttpRequest, row: Any) -> None:
        proxy_end(proxy_id=row.id)
