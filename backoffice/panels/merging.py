"""Making two charts one, with a preview; and the merges that were made, to part them again."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin import register
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.roles import Permission
from accounts.selectors import names_of
from appointments.models import PatientMerge
from appointments.selectors.merging import MergePreview
from appointments.services.merging import merge_preview, merge_undo, patients_merge
from backoffice.access import access_of
from backoffice.base import Panel, Tool
from backoffice.site import site
from clinics.models import Patient
from core.forms import attempt


class ChooseForm(forms.Form):
    """The chart that is to go into the other."""

    duplicate = forms.ModelChoiceField(
        label=_("the duplicate chart"), queryset=Patient.objects.none()
    )

    def __init__(self, *args: Any, charts: QuerySet[Patient], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice: Any = self.fields["duplicate"]
        choice.queryset = charts
        choice.widget = AutocompleteSelect(PatientMerge._meta.get_field("duplicate"), site)
        choice.widget.choices = choice.choices


class MergeForm(forms.Form):
    """What is taken from the duplicate, and why the two are one person."""

    kept_version = forms.IntegerField(widget=forms.HiddenInput)
    duplicate_version = forms.IntegerField(widget=forms.HiddenInput)
    take = forms.MultipleChoiceField(required=False)
    reason = forms.CharField(
        label=_("why they are one person"),
        max_length=500,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
    )

    def __init__(self, *args: Any, names: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice: Any = self.fields["take"]
        choice.choices = [(name, name) for name in names]


class UndoForm(forms.Form):
    reason = forms.CharField(
        label=_("why they are two people"),
        max_length=500,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
    )


def merge_page(request: HttpRequest, kept: Patient, back: str) -> HttpResponse:
    """Choose the duplicate, look at both charts, merge."""
    who = access_of(request).principal
    panel: Any = site.get_model_admin(Patient)
    charts = panel.get_queryset(request).filter(clinic_id=kept.clinic_id).exclude(pk=kept.pk)
    choose = ChooseForm(request.GET if "duplicate" in request.GET else None, charts=charts)
    preview: MergePreview | None = None
    form: MergeForm | None = None
    if choose.is_bound and choose.is_valid():
        duplicate = choose.cleaned_data["duplicate"]
        preview = attempt(
            choose, lambda: merge_preview(by=who, keep=kept.pk, duplicate=duplicate.pk)
        )
    if preview is not None:
        form = _merge_form(request, preview)
        if request.method == "POST" and form.is_valid():
            merge = _merge(request, preview, form)
            if merge is not None:
                messages.success(request, _("The two charts are one now. It can be undone."))
                return redirect("admin:appointments_patientmerge_change", merge.pk)
    return site.page(
        request,
        "backoffice/merge.html",
        {
            "title": _("Merge a duplicate into %(name)s") % {"name": kept},
            "kept": kept,
            "choose": choose,
            "preview": preview,
            "rows": _rows(preview, form) if preview is not None and form is not None else [],
            "form": form,
            "back": back,
            "media": panel.media + choose.media,
        },
        status=400 if form is not None and form.is_bound else 200,
    )


def _merge_form(request: HttpRequest, preview: MergePreview) -> MergeForm:
    return MergeForm(
        request.POST if request.method == "POST" else None,
        names=[pair.name for pair in preview.fields],
        initial={
            "kept_version": preview.kept.version,
            "duplicate_version": preview.duplicate.version,
            "take": [pair.name for pair in preview.fields if pair.taken],
        },
    )


def _rows(preview: MergePreview, form: MergeForm) -> list[dict[str, Any]]:
    """The fields that differ, each with whether the duplicate's is to be taken."""
    chosen = set(form["take"].value() or ())
    return [
        {
            "name": pair.name,
            "label": Patient._meta.get_field(pair.name).verbose_name,  # type: ignore[union-attr]
            "kept": pair.kept,
            "duplicate": pair.duplicate,
            "taken": pair.name in chosen,
        }
        for pair in preview.fields
        if pair.kept != pair.duplicate
    ]


def _merge(request: HttpRequest, preview: MergePreview, form: MergeForm) -> PatientMerge | None:
    given = form.cleaned_data
    return attempt(
        form,
        lambda: patients_merge(
            by=access_of(request).principal,
            keep=preview.kept.pk,
            duplicate=preview.duplicate.pk,
            take=given["take"],
            reason=given["reason"],
            expected_versions={
                preview.kept.pk: given["kept_version"],
                preview.duplicate.pk: given["duplicate_version"],
            },
        ),
    )


@register(PatientMerge, site=site)
class MergePanel(Panel):
    """Merges that were made, and the way back."""

    reads = Permission.PATIENT_WRITE
    list_display = ("kept", "was", "created_at", "by", "reason", "undone_at")
    list_display_links = ("kept",)
    list_select_related = ("kept", "duplicate", "merged_by")
    search_help_text = _("The patient's name or record number")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": [("kept", "duplicate"), ("created_at", "by"), "reason"]}),
        (_("What went over"), {"fields": [("visits", "took")]}),
    )
    readonly_fields = ("created_at", "by", "undoer", "visits", "took")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        parts = list(super().get_fieldsets(request, obj))
        if obj is not None and obj.undone_at is not None:
            undone = [("undone_at", "undoer"), "undo_reason", "not_restored"]
            parts.append((_("Undone"), {"fields": undone}))
        return parts

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("kept", "duplicate", "merged_by")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        asked = search_term.strip()
        if not asked:
            return queryset, False
        panel: Any = self.admin_site.get_model_admin(Patient)
        return queryset.filter(kept_id__in=panel.ids_found(request, asked)), False

    @display(description=_("merged into it"))
    def was(self, row: PatientMerge) -> str:
        return f"{row.duplicate} · {row.duplicate.mrn}"

    @display(description=_("by"))
    def by(self, row: PatientMerge) -> str:
        return str(row.merged_by)

    @display(description=_("undone by"))
    def undoer(self, row: PatientMerge) -> str:
        return names_of([row.undone_by_id]).get(row.undone_by_id, "") if row.undone_by_id else ""

    @display(description=_("visits"))
    def visits(self, row: PatientMerge) -> int:
        return len(row.appointments)

    @display(description=_("fields taken"))
    def took(self, row: PatientMerge) -> str:
        return ", ".join(row.taken)

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                "<uuid:merge_id>/undo/",
                self.admin_site.admin_view(self.undo),
                name="appointments_patientmerge_undo",
            ),
            *super().get_urls(),
        ]

    def tools(self, request: HttpRequest, row: PatientMerge) -> list[Tool]:
        if row.undone_at is not None:
            return []
        return [Tool(_("Part the two charts again"), self.link("undo", row.pk), "undo")]

    def undo(self, request: HttpRequest, merge_id: UUID) -> HttpResponse:
        """Part the two charts, with a reason."""
        row = self.get_queryset(request).filter(pk=merge_id).first()
        if row is None:
            raise Http404
        form = UndoForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            undone = attempt(
                form,
                lambda: merge_undo(
                    by=access_of(request).principal,
                    merge=merge_id,
                    reason=form.cleaned_data["reason"],
                ),
            )
            if undone is not None:
                if undone.not_restored:
                    messages.warning(
                        request, _("Parted; what was changed since then was left as it is.")
                    )
                else:
                    messages.success(request, _("They are two charts again."))
                return redirect(reverse("admin:clinics_patient_change", args=[row.duplicate_id]))
        return site.page(
            request,
            "backoffice/form_page.html",
            {
                "title": _("Part the two charts again"),
                "form": form,
                "verb": _("Part them"),
                "back": self.link("change", merge_id),
            },
            status=400 if form.errors else 200,
        )
