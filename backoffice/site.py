"""The site: every page of the back office runs in one transaction, in the scope of who asks."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.template.response import SimpleTemplateResponse, TemplateResponse
from django.urls import URLPattern, URLResolver, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST
from unfold.sites import UnfoldAdminSite

from accounts.models import User
from accounts.views import sign_out
from backoffice.access import CHOICE, SAFE, Access, access_of, access_open, clinics_choosable
from backoffice.start import overview
from clinics.principal import principal_open
from core import context, limits, tenancy
from core.api.problems import as_kairos_error
from core.errors import ErrorCode, KairosError
from core.views import error_page

View = Callable[..., HttpResponse]
_SHOWN = 50


class Autocomplete(AutocompleteJsonView):
    """Choices with what tells two people of one name apart."""

    model_admin: Any

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.shown: list[Any] = []
        response = super().get(request, *args, **kwargs)
        self.model_admin.listed(request, self.shown)
        return response

    def serialize_result(self, obj: Any, to_field_name: str) -> dict[str, str]:
        self.shown.append(obj)
        found = super().serialize_result(obj, to_field_name)  # type: ignore[misc]  # not in stubs
        return {**found, "text": self.model_admin.choice_label(obj)}


class BackOffice(UnfoldAdminSite):
    """Django admin, entered by role, seen through row security."""

    site_title = "Kairos"
    site_header = "Kairos"
    index_title = _("Today")
    index_template = "backoffice/start.html"
    enable_nav_sidebar = True
    final_catch_all_view = False  # the installation's own page for what is not there
    empty_value_display = "–"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.disable_action("delete_selected")
        self._mounted: list[URLPattern | URLResolver] = []

    def mount(self, prefix: str, pages: Iterable[URLPattern]) -> None:
        """Add pages that belong to no table, each guarded like the site's own."""
        self._mounted += [
            path(f"{prefix}{page.pattern}", self.admin_view(page.callback), name=page.name or "")
            for page in pages
        ]

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """`view` for staff, in their scope; a rule's refusal becomes a page that says why."""
        guarded = csrf_protect(self._guarded(view))
        return guarded if cacheable else never_cache(guarded)

    def _guarded(self, view: View) -> View:
        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not isinstance(request.user, User):
                return redirect(
                    f"{resolve_url(settings.LOGIN_URL)}?next={request.get_full_path()}"
                    if request.method in SAFE
                    else resolve_url(settings.LOGIN_URL)
                )
            context.current().actor_id = request.user.id
            try:
                _count(request)
                with tenancy.scope(()):
                    response = self._inside(view, request, *args, **kwargs)
            except Exception as exc:
                error = as_kairos_error(exc)
                if error is None:
                    raise
                response = error_page(request, error)
            response.headers.setdefault(
                "Content-Security-Policy", settings.BACK_OFFICE_CONTENT_SECURITY_POLICY
            )
            return response

        return inner

    def _inside(self, view: View, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        access = access_open(request)
        if access is None:
            raise KairosError(ErrorCode.PERMISSION_DENIED, str(_("The back office is for staff.")))
        request.back_office = access  # type: ignore[attr-defined]
        zone = access.clinic.timezone if access.clinic else access.principal.timezone
        with timezone.override(zone):
            response = view(request, *args, **kwargs)
            if isinstance(response, SimpleTemplateResponse):
                response.render()  # lists are read while they are drawn, which is done in scope
        return response

    def has_permission(self, request: HttpRequest) -> bool:
        return hasattr(request, "back_office")

    # --- Pages of the site itself --------------------------------------------------------------

    def extra_urls(self) -> list[URLPattern | URLResolver]:
        """Pages that belong to no single table; they come first.

        Signing in and out is the installation's own, where tries are counted.
        """
        return [
            path("login/", self._sign_in, name="login"),
            path("logout/", require_POST(self._sign_out), name="logout"),
            path("clinic/", self.admin_view(self.clinic_switch), name="clinic_switch"),
            *self._mounted,
        ]

    def _sign_in(self, request: HttpRequest) -> HttpResponse:
        return redirect(settings.LOGIN_URL)

    def _sign_out(self, request: HttpRequest) -> HttpResponse:
        return sign_out(request)

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Today at a glance."""
        found = overview(access_of(request))
        return super().index(request, {**(extra_context or {}), "overview": found, "app_list": []})

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Django's page: the installation's own counts tries and signs other devices out."""
        return redirect("account-password")

    def app_index(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Django's page of an app's tables: here the sidebar is that."""
        return redirect("admin:index")

    def search(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The theme's search among pages: the sidebar is that, and it is not kept in step."""
        raise Http404

    def autocomplete_view(self, request: HttpRequest) -> Any:
        return Autocomplete.as_view(admin_site=self)(request)

    def clinic_switch(self, request: HttpRequest) -> HttpResponse:
        """Choose the clinic to work in, or all of one's own."""
        whole = principal_open(access_of(request).principal.user_id, None, write=False)
        if whole is None:
            raise Http404
        offered = clinics_choosable(whole)
        if request.method == "POST":
            raw = request.POST.get("clinic", "")
            if not raw:
                request.session.pop(CHOICE, None)
            elif offered.filter(id=_as_id(raw)).exists():
                request.session[CHOICE] = raw
            else:
                raise Http404
            return redirect("admin:index")
        asked = request.GET.get("q", "").strip()
        found = offered.filter(name__icontains=asked) if asked else offered
        return self.page(
            request,
            "backoffice/clinic_switch.html",
            {
                "title": _("Work in another clinic"),
                "found": list(found[: _SHOWN + 1])[:_SHOWN],
                "is_cut": found.count() > _SHOWN,
                "asked": asked,
            },
        )

    # --- What every page shows -----------------------------------------------------------------

    def page(
        self, request: HttpRequest, template: str, found: dict[str, Any], *, status: int = 200
    ) -> TemplateResponse:
        """A page of ours in the site's frame."""
        request.current_app = self.name
        return TemplateResponse(
            request, template, {**self.each_context(request), **found}, status=status
        )

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        found = super().each_context(request)
        access: Access | None = getattr(request, "back_office", None)
        return {**found, "access": access}


def _count(request: HttpRequest) -> None:
    """The same limits as the API's. Raises RATE_LIMIT_EXCEEDED."""
    name = "read" if request.method in SAFE else "write"
    limits.consume([limits.Limit(f"{name}:user:{request.user.pk}", settings.RATE_LIMITS[name])])


def _as_id(raw: str) -> UUID:
    try:
        return UUID(raw)
    except ValueError:
        raise Http404 from None


site = BackOffice(name="admin")
