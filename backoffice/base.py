"""The base of every panel: rights come from the roles, writes go to services."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import messages
from django.contrib.postgres.fields import ArrayField
from django.db.models import Model, QuerySet, URLField
from django.forms import Field, MultipleChoiceField
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from accounts.roles import Permission
from accounts.selectors import names_of
from backoffice.access import SAFE, Access, access_of
from backoffice.forms import RowForm
from backoffice.lists import CappedChangeList, CappedPaginator
from backoffice.widgets import widget_for
from core.api.problems import as_kairos_error
from core.errors import ErrorCode, KairosError
from core.models import AuditEvent

#: Any member of a clinic's staff.
STAFF = "staff"
#: Administrators of the installation only.
INSTALLATION = "installation"
Right = Permission | str | None
_HISTORY = 200
#: How a filter may put its question.
_ASKED = frozenset({"id", "exact", "in", "isnull", "gte", "lte", "lt", "gt"})


@dataclass(frozen=True, slots=True)
class Tool:
    """Something that can be done with a row: a link, or (`version` given) a button that does it."""

    label: Any
    href: str
    icon: str = ""
    version: int | None = None
    is_main: bool = False
    is_danger: bool = False


class Panel(ModelAdmin):
    """A table in the back office.

    `reads`, `adds`, `changes` and `removes` name the permission that each takes: a `Permission`,
    `STAFF`, `INSTALLATION`, or None for nobody. `clinic_field` and `doctor_field` are the columns
    that say whose a row is. What the form may do goes through `row_create`, `row_change` and
    `row_remove`, which call services; a refusal comes back as an error of the form.
    """

    reads: ClassVar[Right] = None
    adds: ClassVar[Right] = None
    changes: ClassVar[Right] = None
    removes: ClassVar[Right] = None
    clinic_field: ClassVar[str | None] = "clinic_id"
    doctor_field: ClassVar[str | None] = None
    #: Fields that only a new row may be given.
    fixed: ClassVar[Sequence[str]] = ()
    #: What a row is asked to show in a list, and nothing else, is fetched with it.
    form: type[Any] = RowForm
    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 0
    sortable_by: Sequence[str] = ()
    search_fields: Sequence[str] = ("id__exact",)
    actions: Sequence[str] | None = None
    list_filter_submit = True
    list_fullwidth = True
    warn_unsaved_form = True
    list_before_template = "backoffice/list_before.html"
    change_form_outer_before_template = "backoffice/tools.html"
    change_form_before_template = "backoffice/version.html"
    object_history_template = "backoffice/history.html"
    view_on_site = False

    class Media:
        js = ("backoffice/comboboxes.js",)

    # --- Rights ---------------------------------------------------------------------------------

    def _holds(self, request: HttpRequest, right: Right, row: Model | None) -> bool:
        access = access_of(request)
        if right is None:
            return False
        if access.principal.is_super_admin:
            return True
        if right == INSTALLATION:
            return False
        if right == STAFF:
            return row is None or self._clinic_of(row) in access.principal.roles
        permission = Permission(right)
        if row is None:
            return access.may(permission)
        clinic = self._clinic_of(row)
        return clinic is not None and access.principal.may_for(
            permission, clinic, doctor_id=self._doctor_of(row)
        )

    def _clinic_of(self, row: Model) -> UUID | None:
        found: UUID | None = getattr(row, self.clinic_field) if self.clinic_field else None
        return found

    def _doctor_of(self, row: Model) -> UUID | None:
        found: UUID | None = getattr(row, self.doctor_field) if self.doctor_field else None
        return found

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._holds(request, self.reads, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._holds(request, self.adds, None)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._holds(request, self.changes, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._holds(request, self.removes, obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def require_view(self, request: HttpRequest) -> None:
        """Raises PERMISSION_DENIED; for pages that Django does not guard itself."""
        if not self.has_view_permission(request):
            raise KairosError(ErrorCode.PERMISSION_DENIED)

    # --- Reading --------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The rows in sight. Row security says the same of the clinics; this is said on top."""
        rows = self.model._default_manager.all()
        access = access_of(request)
        if self.reads is None:
            return rows.none()
        if self.reads == INSTALLATION:
            return rows if access.principal.is_super_admin else rows.none()
        permission = None if self.reads == STAFF else Permission(self.reads)
        return self.seen(rows, access, permission).order_by(*self.get_ordering(request))

    def seen(
        self, rows: QuerySet[Any], access: Access, permission: Permission | None
    ) -> QuerySet[Any]:
        """`rows` as far as `permission` reaches; panels of other shape say it their way."""
        if self.clinic_field is None:
            return rows
        return access.limited(rows, permission, clinic=self.clinic_field, doctor=self.doctor_field)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[CappedChangeList]:
        return CappedChangeList

    def listed(self, request: HttpRequest, rows: list[Any]) -> None:
        """Called with the rows of a list that is about to be shown: where reading is recorded."""

    def opened(self, request: HttpRequest, row: Any) -> None:
        """Called with a row that is about to be shown: where reading is recorded."""

    def choice_label(self, row: Any) -> str:
        """How a row is named among the choices of another form."""
        return str(row)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        shown = list(super().get_list_display(request))
        if "clinic" in self._columns() and access_of(request).clinic is None:
            shown.append("clinic")
        return shown

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Only what a filter of the list offers. Django lets any column of the row be asked, and so
        tells by the number of rows what stands in texts that the asker may not read.
        """
        name, *rest = lookup.split("__")
        for offered in self.get_list_filter(request):
            field = offered[0] if isinstance(offered, tuple | list) else offered
            if name == getattr(field, "parameter_name", field):
                return set(rest) <= _ASKED
        return False

    def get_list_select_related(self, request: HttpRequest) -> Any:
        related = super().get_list_select_related(request)
        if "clinic" in self._columns() and isinstance(related, tuple | list):
            return [*related, "clinic"]
        return related

    def _columns(self) -> set[str]:
        return {field.name for field in self.model._meta.fields}

    # --- The form -------------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """As declared; with the clinic in front where more than one is in sight."""
        parts = list(super().get_fieldsets(request, obj))
        if access_of(request).clinic is None and "clinic" in self._columns():
            return [(None, {"fields": ["clinic"]}), *parts]
        return parts

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        fixed = list(super().get_readonly_fields(request, obj))
        if obj is not None:
            fixed += [name for name in ("clinic", *self.fixed) if name in self._columns()]
        return fixed

    def get_autocomplete_fields(self, request: HttpRequest) -> list[str]:
        """Every relation is chosen by typing: no form reads a whole table for its choices."""
        return [
            field.name
            for field in (*self.model._meta.fields, *self.model._meta.many_to_many)
            if field.is_relation and field.related_model in self.admin_site._registry
        ]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["queryset"] = self._choices(db_field, request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["queryset"] = self._choices(db_field, request)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def _choices(self, db_field: Any, request: HttpRequest) -> QuerySet[Any]:
        """What may be chosen is what may be seen; a foreign id is an unknown one."""
        panel = self.admin_site._registry.get(db_field.related_model)
        if panel is None or not panel.has_view_permission(request):
            return db_field.related_model._default_manager.none()
        return panel.get_queryset(request)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if isinstance(db_field, ArrayField) and db_field.base_field.choices:
            return MultipleChoiceField(
                choices=db_field.base_field.choices,
                initial=db_field.get_default(),
                label=capfirst(db_field.verbose_name),
                help_text=db_field.help_text,
                widget=UnfoldAdminCheckboxSelectMultipleWidget,
            )
        if isinstance(db_field, URLField):
            kwargs["assume_scheme"] = "https"
        widget = widget_for(db_field)
        if widget is not None:
            kwargs["widget"] = widget
        field: Field | None = super().formfield_for_dbfield(db_field, request, **kwargs)
        return field

    def get_form(
        self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        made = super().get_form(request, obj, change, **kwargs)
        made.refusal = getattr(request, "refusal", None)
        return made

    # --- Writing --------------------------------------------------------------------------------

    def row_create(self, request: HttpRequest, clinic: Any, fields: Mapping[str, Any]) -> Model:
        """Create through a service. `clinic` is the one chosen (None for rows without a clinic)."""
        raise KairosError(ErrorCode.PERMISSION_DENIED)

    def row_change(
        self, request: HttpRequest, row: Any, fields: Mapping[str, Any], version: int | None
    ) -> Model:
        """Change through a service."""
        raise KairosError(ErrorCode.PERMISSION_DENIED)

    def row_remove(self, request: HttpRequest, row: Any) -> None:
        """Remove through a service."""
        raise KairosError(ErrorCode.PERMISSION_DENIED)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        fields = form.changes()
        if change:
            saved = self.row_change(request, obj, fields, form.version())
        else:
            saved = self.row_create(request, self._clinic_for(request, fields), fields)
        obj.__dict__.update(saved.__dict__)

    def _clinic_for(self, request: HttpRequest, fields: dict[str, Any]) -> Any:
        """The clinic a new row is for, in which whoever adds it may do so."""
        if "clinic" not in self._columns():
            return None
        access = access_of(request)
        clinic = fields.pop("clinic", None) or access.clinic
        if clinic is None:
            raise KairosError(
                ErrorCode.VALIDATION_ERROR, errors={"clinic": [str(_("Choose a clinic."))]}
            )
        if self.adds not in {STAFF, INSTALLATION}:
            doctor = fields.get("doctor")
            access.principal.require(
                Permission(str(self.adds)), clinic.id, doctor_id=doctor.id if doctor else None
            )
        return clinic

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Relations are the service's to save, with the row."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """The form; after a service's refusal (rolled back) once more, saying what was refused."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Exception as exc:
            refusal = as_kairos_error(exc)
            if refusal is None or request.method in SAFE or isinstance(exc, Http404):
                raise
            if refusal.code == ErrorCode.PERMISSION_DENIED or refusal.status >= 500:
                raise
            request.refusal = refusal  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs.get("obj")
        if row is not None:
            self.opened(request, row)
        context["tools"] = self.tools(request, row) if row is not None else []
        return super().render_change_form(request, context, *args, **kwargs)

    def tools(self, request: HttpRequest, row: Any) -> list[Tool]:
        """Links to what else can be done with the row."""
        return []

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, *args: Any) -> HttpResponse:
        """A foreign row and none at all look alike: the page for what is not there."""
        raise Http404

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except Exception as exc:
            refusal = as_kairos_error(exc)
            if refusal is None or refusal.status not in {400, 409, 412}:
                raise
            messages.error(request, refusal.detail)
            return redirect(self.link("change", object_id))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Just the row: the service refuses while anything refers to it, without reading it all."""
        return [str(row) for row in objs], {}, set(), []

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.row_remove(request, obj)

    def link(self, page: str, *args: Any) -> str:
        """The address of one of this panel's pages."""
        meta = self.model._meta
        return reverse(f"admin:{meta.app_label}_{meta.model_name}_{page}", args=args)

    # --- History --------------------------------------------------------------------------------

    def log_addition(self, *args: Any) -> None:
        """The trail is the services'; Django's own log would keep names outside row security."""

    log_change = log_deletions = log_addition

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What the audit trail says of the row, newest first."""
        row = self.get_object(request, object_id)
        if row is None or not self.has_view_permission(request, row):
            raise Http404
        access = access_of(request)
        clinic = self._clinic_of(row)
        if not access.may_whole(Permission.AUDIT_READ):
            raise KairosError(ErrorCode.PERMISSION_DENIED)
        if clinic is not None:  # of several, it may be one whose trail is not theirs to read
            access.principal.require(Permission.AUDIT_READ, clinic)
        entries = list(
            access.limited(AuditEvent.objects.filter(entity_id=row.pk), Permission.AUDIT_READ)
            .exclude(action__endswith=".read")
            .order_by("-id")[:_HISTORY]
        )
        return self.admin_site.page(
            request,
            self.object_history_template,
            {
                "title": _("History of %(name)s") % {"name": row},
                "entries": entries,
                "names": names_of(entry.actor_id for entry in entries),
                "opts": self.model._meta,
                "original": row,
                "back": self.link("change", object_id),
            },
        )
