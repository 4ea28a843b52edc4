"""Staff, their roles, and their signed-in devices; users for the installation's administrators."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import register
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import display
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminTextInputWidget

from accounts.models import RefreshSession, User
from accounts.phones import normalise_phone
from accounts.roles import Permission
from accounts.services.users import user_deactivate, user_reactivate, user_update_own
from backoffice.access import Access, access_of
from backoffice.base import INSTALLATION, Panel, Tool
from backoffice.forms import RowForm
from backoffice.site import site
from clinics.models import Membership
from clinics.services.invitations import member_invitation_make
from clinics.services.memberships import (
    member_add,
    member_session_revoke,
    membership_add,
    membership_end,
)
from core import clock, versions
from core.errors import ErrorCode, KairosError


class InviteForm(RowForm):
    """Whoever has this email or phone becomes a member; a user is made where there is none."""

    email = forms.EmailField(label=_("email"), required=False, widget=UnfoldAdminEmailInputWidget)
    phone = forms.CharField(
        label=_("phone"), required=False, max_length=30, widget=UnfoldAdminTextInputWidget
    )
    given_name = forms.CharField(
        label=_("given name"),
        required=False,
        max_length=100,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Only used for somebody new."),
    )
    family_name = forms.CharField(
        label=_("family name"), required=False, max_length=100, widget=UnfoldAdminTextInputWidget
    )

    class Meta:
        model = Membership
        fields = ["role"]

    def clean(self) -> dict[str, Any] | None:
        found = super().clean() or {}
        if not self.errors and not (found.get("email") or found.get("phone")):
            self.add_error("email", _("Give an email or a phone number."))
        return found


@register(Membership, site=site)
class MembershipPanel(Panel):
    """Who works here, as what. A role is taken away by making it inactive; history stays."""

    reads = adds = changes = Permission.STAFF_MANAGE
    fieldsets = ((None, {"fields": [("person", "contact"), "role", "is_active"]}),)
    add_fieldsets = (
        (None, {"fields": ["role"]}),
        (_("Who"), {"fields": [("email", "phone"), ("given_name", "family_name")]}),
    )
    readonly_fields = ("person", "contact")
    list_display = ("person", "contact", "role", "is_active", "since")
    list_filter = ("is_active", "role")
    list_select_related = ("user",)
    search_fields = ("user__email", "user__given_name", "user__family_name")
    search_help_text = _("Name or email")
    ordering = ("user__family_name", "user__given_name", "id")

    @display(description=_("person"))
    def person(self, row: Membership) -> str:
        return str(row.user)

    @display(description=_("reached at"))
    def contact(self, row: Membership) -> str:
        return row.user.email or row.user.phone or ""

    @display(description=_("since"))
    def since(self, row: Membership) -> Any:
        return row.created_at.date()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("user", "clinic")

    def choice_label(self, row: Membership) -> str:
        return f"{row.user} · {row.get_role_display()}"

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None:
            kwargs["form"] = InviteForm
        return super().get_form(request, obj, change, **kwargs)

    def row_create(
        self, request: HttpRequest, clinic: Any, fields: Mapping[str, Any]
    ) -> Membership:
        values = dict(fields)
        return member_add(
            clinic=clinic,
            role=values["role"],
            email=values.get("email") or None,
            phone=values.get("phone") or None,
            given_name=values.get("given_name", ""),
            family_name=values.get("family_name", ""),
        )

    def row_change(
        self, request: HttpRequest, row: Any, fields: Mapping[str, Any], version: int | None
    ) -> Membership:
        """Another role is a new membership, and the old one's end: each keeps its history."""
        held = (
            Membership.objects.select_for_update().select_related("user", "clinic").get(pk=row.pk)
        )
        versions.require(held, version)
        if "role" in fields and fields["role"] != held.role:
            given = membership_add(clinic=held.clinic, user=held.user, role=fields["role"])
            membership_end(clinic=held.clinic, membership_id=held.id)
            return given
        if "is_active" in fields:
            if fields["is_active"]:
                return membership_add(clinic=held.clinic, user=held.user, role=held.role)
            return membership_end(clinic=held.clinic, membership_id=held.id)
        return held

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        return [
            path(
                "<uuid:membership_id>/invitation/",
                guarded(require_POST(self.invitation)),
                name="clinics_membership_invitation",
            ),
            *super().get_urls(),
        ]

    def invitation(self, request: HttpRequest, membership_id: Any) -> HttpResponse:
        """The link to a first password, to be handed over."""
        try:
            secret = member_invitation_make(
                by=access_of(request).principal, membership_id=membership_id
            )
        except KairosError as refusal:
            if refusal.code != ErrorCode.CONFLICT:
                raise
            messages.error(request, refusal.detail)
            return redirect(self.link("change", membership_id))
        row = self.get_queryset(request).get(pk=membership_id)
        return self.admin_site.page(
            request,
            "backoffice/invitation.html",
            {
                "title": _("Invitation"),
                "person": row.user,
                "link": request.build_absolute_uri(f"{reverse('welcome')}?s={secret}"),
                "days": settings.PASSWORD_RESET_TIMEOUT // 86400,
                "back": self.link("change", membership_id),
            },
        )

    def tools(self, request: HttpRequest, row: Membership) -> list[Tool]:
        if row.user.has_usable_password() or not row.is_active:
            return []
        return [
            Tool(
                _("Link to a first password"),
                self.link("invitation", row.pk),
                "key",
                version=0,
                is_main=True,
            )
        ]


@register(User, site=site)
class UserPanel(Panel):
    """Everyone who signs in, for the installation's administrators."""

    reads = changes = INSTALLATION
    clinic_field = None
    fieldsets = (
        (None, {"fields": [("given_name", "family_name"), ("email", "phone")]}),
        (None, {"fields": [("locale", "timezone"), ("is_superuser", "last_login")]}),
    )
    readonly_fields = ("email", "phone", "is_superuser", "last_login")
    list_display = ("__str__", "email", "phone", "is_active", "is_superuser", "last_login")
    list_filter = ("is_active", "is_superuser")
    search_help_text = _("Whole email or phone number, or the start of a family name")
    ordering = ("-id",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        asked = search_term.strip()
        if not asked:
            return queryset, False
        wanted = Q(email__iexact=asked) | Q(family_name__istartswith=asked)
        if number := normalise_phone(asked):
            wanted |= Q(phone=number)
        return queryset.filter(wanted), False

    def row_change(
        self, request: HttpRequest, row: Any, fields: Mapping[str, Any], version: int | None
    ) -> User:
        return user_update_own(user_id=row.id, fields=fields)

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        return [
            path(
                "<uuid:user_id>/active/",
                guarded(require_POST(self.switch)),
                name="accounts_user_switch",
            ),
            *super().get_urls(),
        ]

    def switch(self, request: HttpRequest, user_id: Any) -> HttpResponse:
        """Close an account, or open it again."""
        row = self.get_queryset(request).filter(pk=user_id).first()
        if row is None:
            raise Http404
        if row.id == access_of(request).principal.user_id:
            raise KairosError(ErrorCode.CONFLICT, str(_("You cannot close your own account.")))
        if row.is_active:
            user_deactivate(user_id=row.id)
            messages.success(request, _("The account is closed, and signed out everywhere."))
        else:
            user_reactivate(user_id=row.id)
            messages.success(request, _("The account is open again."))
        return redirect(self.link("change", row.pk))

    def tools(self, request: HttpRequest, row: User) -> list[Tool]:
        label = _("Close the account") if row.is_active else _("Open the account again")
        return [
            Tool(label, self.link("switch", row.pk), "block", version=0, is_danger=row.is_active)
        ]


@register(RefreshSession, site=site)
class SessionPanel(Panel):
    """Signed-in devices of the staff; for the installation's administrators of everyone."""

    reads = Permission.AUDIT_READ
    clinic_field = None
    list_display = ("person", "device", "address", "created_at", "last_used_at", "state")
    list_display_links = ("person",)
    readonly_fields = ("person",)
    list_select_related = ("user",)
    search_fields = ("user__email",)
    search_help_text = _("Email")
    ordering = ("-id",)
    fieldsets = (
        (
            None,
            {
                "fields": [
                    "person",
                    ("device_name", "address"),
                    "user_agent",
                    ("created_at", "last_used_at"),
                    ("expires_at", "revoked_at"),
                ]
            },
        ),
    )

    @display(description=_("person"))
    def person(self, row: RefreshSession) -> str:
        return str(row.user)

    @display(description=_("device"))
    def device(self, row: RefreshSession) -> str:
        return row.device_name or row.user_agent[:60]

    @display(description=_("state"), label={"in": "success", "out": "default"})
    def state(self, row: RefreshSession) -> tuple[str, Any]:
        if row.revoked_at is None and row.expires_at > clock.now():
            return "in", _("signed in")
        return "out", _("signed out")

    def seen(self, rows: QuerySet[Any], access: Access, permission: Any) -> QuerySet[Any]:
        if access.principal.is_super_admin and access.clinic is None:
            return rows
        members = access.limited(Membership.objects.filter(is_active=True), permission)
        return rows.filter(user_id__in=members.values("user_id"))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Which sessions are in sight is said by the list's own query.
        return access_of(request).may(Permission.AUDIT_READ)

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        return [
            path(
                "<uuid:session_id>/sign-out/",
                guarded(require_POST(self.sign_out)),
                name="accounts_refreshsession_sign_out",
            ),
            *super().get_urls(),
        ]

    def sign_out(self, request: HttpRequest, session_id: Any) -> HttpResponse:
        """Sign a member's device out, at once."""
        member_session_revoke(by=access_of(request).principal, session_id=session_id)
        messages.success(request, _("The device is signed out."))
        return redirect(self.link("change", session_id))

    def tools(self, request: HttpRequest, row: RefreshSession) -> list[Tool]:
        if row.revoked_at is not None or not access_of(request).may(Permission.STAFF_MANAGE):
            return []
        return [
            Tool(_("Sign out"), self.link("sign_out", row.pk), "logout", version=0, is_danger=True)
        ]
