"""Where patients arrive: check-in locations, the devices that stand there, what looked odd."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import SimpleListFilter, register
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import display

from accounts.roles import Permission
from backoffice.access import Access, access_of
from backoffice.base import Panel, Tool
from backoffice.filters import RelationFilter
from backoffice.forms import version_sent
from backoffice.site import site
from checkin.models import AlertKind, CheckInAlert, CheckInDevice, CheckInLocation, PointMode
from checkin.selectors.devices import device_state
from checkin.services.alerts import alert_see
from checkin.services.devices import (
    PAIRING_LASTS,
    code_shown,
    device_code_renew,
    device_make,
    device_revoke,
)
from checkin.services.points import point_delete, point_make, point_rotate, point_update
from clinics.models import Clinic
from core import clock
from core.errors import ErrorCode, KairosError

#: How the state of a device looks, besides its words: the theme's colours.
LOOKS = {
    "live": "success",
    "waiting": "info",
    "late": "warning",
    "over": "default",
    "revoked": "danger",
}
STATES = {
    "live": _("Paired"),
    "waiting": _("Waits to be paired"),
    "late": _("Not paired: its code ran out"),
    "over": _("Its time is over"),
    "revoked": _("Revoked"),
}


def attempts_of(subject: UUID) -> Tool:
    """The link to the attempts of a source, or those for a visit."""
    address = reverse("admin:checkin_checkinattempt_changelist")
    return Tool(_("Its attempts"), f"{address}?{urlencode({'q': subject})}", "history")


class _Places(Panel):
    """What `CHECKIN_PLACES_READ` shows, with buttons that say their act in the address."""

    reads = Permission.CHECKIN_PLACES_READ
    #: Everything that the list and the page name, read in one statement.
    named: tuple[str, ...] = ()
    buttons: tuple[str, ...] = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("clinic", *self.named)

    def get_urls(self) -> list[URLPattern]:
        meta = self.model._meta
        own = [
            path(
                f"<uuid:row_id>/{name}/",
                self.admin_site.admin_view(require_POST(getattr(self, name))),
                name=f"{meta.app_label}_{meta.model_name}_{name}",
            )
            for name in self.buttons
        ]
        return [*own, *super().get_urls()]

    def _require_in_sight(self, request: HttpRequest, row_id: UUID) -> None:
        """Raises NOT_FOUND for a row that the list would not show."""
        self.require_view(request)
        if not self.get_queryset(request).filter(pk=row_id).exists():
            raise KairosError(ErrorCode.NOT_FOUND)


@register(CheckInLocation, site=site)
class CheckInLocationPanel(_Places):
    """An entrance with its poster or screen. Those taken away are not shown any more."""

    adds = changes = removes = Permission.CHECKIN_PLACES_WRITE
    fixed = ("location",)
    named = ("location",)
    buttons = ("turn",)
    list_display = ("name", "location", "mode", "rotated_at", "valid_until", "is_active")
    list_filter = (("location", RelationFilter), "mode", "is_active")
    search_fields = ("name",)
    ordering = ("name", "id")
    fieldsets = (
        (None, {"fields": ["location", "name", ("mode", "is_active"), "valid_until"]}),
        (
            _("Where one has to be"),
            {"fields": [("latitude", "longitude"), ("geofence_metres", "geofence_policy")]},
        ),
        (
            _("Instead of the clinic's policy"),
            {"fields": [("opens_minutes", "closes_minutes")]},
        ),
    )

    def seen(self, rows: QuerySet[Any], access: Access, permission: Any) -> QuerySet[Any]:
        return super().seen(rows.filter(deleted_at=None), access, permission)

    def choice_label(self, row: CheckInLocation) -> str:
        return f"{row.name} · {row.location}"

    def row_create(
        self, request: HttpRequest, clinic: Clinic, fields: Mapping[str, Any]
    ) -> CheckInLocation:
        return point_make(by=access_of(request).principal, clinic=clinic, **fields)

    def row_change(
        self, request: HttpRequest, row: Any, fields: Mapping[str, Any], version: int | None
    ) -> CheckInLocation:
        by = access_of(request).principal
        return point_update(by=by, point_id=row.id, fields=fields, expected_version=version)

    def row_remove(self, request: HttpRequest, row: Any) -> None:
        point_delete(by=access_of(request).principal, point_id=row.id)

    def turn(self, request: HttpRequest, row_id: UUID) -> HttpResponse:
        """A new code: posters printed before are of no use any more."""
        self._require_in_sight(request, row_id)
        by = access_of(request).principal
        point_rotate(by=by, point_id=row_id, expected_version=version_sent(request))
        said = _("The code is new. Print the poster again; the old one no longer works.")
        messages.success(request, said)
        return redirect(self.link("change", row_id))

    def tools(self, request: HttpRequest, row: CheckInLocation) -> list[Tool]:
        if row.mode != PointMode.STATIC:
            return []
        poster = reverse("checkin-poster", args=[row.location_id])
        picture = reverse("checkin-qr-code", args=[row.location_id])
        found = [
            Tool(_("Poster, A4"), f"{poster}?size=a4&point={row.pk}", "print"),
            Tool(_("Poster, A5"), f"{poster}?size=a5&point={row.pk}", "print"),
            Tool(_("Code as a picture"), f"{picture}?format=png&point={row.pk}", "qr_code_2"),
        ]
        if self.has_change_permission(request, row):
            label = _("Turn the code over: posters printed before stop working")
            turn = self.link("turn", row.pk)
            found.append(Tool(label, turn, "autorenew", version=row.version, is_danger=True))
        return found


class InUseFilter(SimpleListFilter):
    """Phones are lent every day: what has ended is looked for on purpose."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("ended", _("Ended")), ("all", _("All"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        ended = Q(revoked_at__isnull=False) | Q(expires_at__lte=clock.now())
        match self.value():
            case "all":
                return queryset
            case "ended":
                return queryset.filter(ended)
            case _:
                return queryset.exclude(ended)

    def choices(self, changelist: Any) -> Any:
        first, *rest = super().choices(changelist)
        return [{**first, "display": _("In use")}, *rest]


@register(CheckInDevice, site=site)
class CheckInDevicePanel(_Places):
    """Scanners, kiosks and wall screens: made, paired, revoked; never changed."""

    adds = Permission.CHECKIN_PLACES_WRITE
    named = ("location", "point", "paired_by", "revoked_by")
    buttons = ("renew", "revoke")
    list_display = ("name", "kind", "location", "state", "last_seen_at", "paired_by")
    list_filter = (InUseFilter, "kind", ("location", RelationFilter))
    search_fields = ("name",)
    ordering = ("name", "id")
    readonly_fields = ("state_word",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        asked = ["location", ("kind", "name"), "point"]
        if obj is None:
            found: list[Any] = [(None, {"fields": asked})]
        else:
            found = [
                (None, {"fields": ["state_word", *asked]}),
                (
                    _("Since when"),
                    {
                        "fields": [
                            ("paired_at", "paired_by"),
                            ("pairing_expires_at", "expires_at"),
                            ("last_seen_at", "last_address"),
                            "slowed_until",
                            ("revoked_at", "revoked_by"),
                        ]
                    },
                ),
            ]
        if access_of(request).clinic is None:
            found.insert(0, (None, {"fields": ["clinic"]}))
        return found

    @display(description=_("state"), label=LOOKS)
    def state(self, row: CheckInDevice) -> tuple[str, str]:
        found = device_state(row, clock.now())
        return found, str(STATES[found])

    @display(description=_("state"))
    def state_word(self, row: CheckInDevice) -> str:
        return self.state(row)[1]

    def row_create(
        self, request: HttpRequest, clinic: Clinic, fields: Mapping[str, Any]
    ) -> CheckInDevice:
        device, code = device_make(by=access_of(request).principal, clinic=clinic, **fields)
        self._tell(request, code)
        return device

    def _tell(self, request: HttpRequest, code: str) -> None:
        """The pairing code, on the next page and nowhere after it."""
        said = _(
            "Pairing code: %(code)s. Open %(address)s on the device and type it within"
            " %(minutes)d minutes. It is shown only now."
        )
        messages.warning(
            request,
            said
            % {
                "code": code_shown(code),
                "address": request.build_absolute_uri(reverse("pair")),
                "minutes": int(PAIRING_LASTS.total_seconds() // 60),
            },
        )

    def renew(self, request: HttpRequest, row_id: UUID) -> HttpResponse:
        """A new pairing code; the device stays paired until it is used."""
        self._require_in_sight(request, row_id)
        by = access_of(request).principal
        _device, code = device_code_renew(
            by=by, device_id=row_id, expected_version=version_sent(request)
        )
        self._tell(request, code)
        return redirect(self.link("change", row_id))

    def revoke(self, request: HttpRequest, row_id: UUID) -> HttpResponse:
        """End it: it is let in no more, from its next request on."""
        self._require_in_sight(request, row_id)
        device_revoke(by=access_of(request).principal, device_id=row_id)
        messages.success(request, _("The device is revoked. It checks nobody in any more."))
        return redirect(self.link("change", row_id))

    def tools(self, request: HttpRequest, row: CheckInDevice) -> list[Tool]:
        found = [attempts_of(row.pk)]
        who = access_of(request).principal
        if row.revoked_at is not None or not who.may_for(
            Permission.CHECKIN_PLACES_WRITE, row.clinic_id
        ):
            return found
        if row.expires_at is None:
            renew = self.link("renew", row.pk)
            found.append(Tool(_("New pairing code"), renew, "key", version=row.version))
        revoke = self.link("revoke", row.pk)
        found.append(
            Tool(_("Revoke"), revoke, "block", version=row.version, is_danger=True),
        )
        return found


class UnseenFilter(SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("Nobody looked yet")), ("seen", _("Looked at"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() in {"open", "seen"}:
            return queryset.filter(seen_at__isnull=self.value() == "open")
        return queryset


@register(CheckInAlert, site=site)
class CheckInAlertPanel(_Places):
    """What looked odd about a source of scans, until an administrator has looked at it."""

    named = ("device", "seen_by")
    buttons = ("see",)
    list_display = ("last_at", "kind", "state", "device", "count", "about")
    list_filter = (UnseenFilter, "kind")
    search_fields = ("id__exact",)
    ordering = ("-id",)
    fieldsets = (
        (
            None,
            {
                "fields": [
                    ("kind", "state_word"),
                    ("device", "count"),
                    "about",
                    ("created_at", "last_at"),
                    ("seen_at", "seen_by"),
                ]
            },
        ),
    )
    readonly_fields = ("state_word", "about")

    @display(description=_("state"), label={"open": "warning", "seen": "success"})
    def state(self, row: CheckInAlert) -> tuple[str, Any]:
        if row.seen_at is None:
            return "open", _("Nobody looked yet")
        return "seen", _("Looked at")

    @display(description=_("state"))
    def state_word(self, row: CheckInAlert) -> str:
        return str(self.state(row)[1])

    @display(description=_("what happened"))
    def about(self, row: CheckInAlert) -> str:
        if row.kind == AlertKind.IMPOSSIBLE_DISTANCE:
            said = _("One patient at two places %(km)d km apart within %(minutes)d minutes")
            return said % {
                "km": int(row.details.get("metres") or 0) // 1000,
                "minutes": int(row.details.get("minutes") or 0),
            }
        labels = dict(ErrorCode.choices)
        often = sorted((row.details.get("codes") or {}).items(), key=lambda item: -int(item[1]))
        return " · ".join(f"{labels.get(code, code)}: {count}" for code, count in often)

    def see(self, request: HttpRequest, row_id: UUID) -> HttpResponse:
        """Somebody looked; the source is answered at full speed again."""
        self._require_in_sight(request, row_id)
        alert_see(by=access_of(request).principal, alert_id=row_id)
        messages.success(request, _("It is marked as looked at."))
        return redirect(self.link("changelist"))

    def tools(self, request: HttpRequest, row: CheckInAlert) -> list[Tool]:
        found = [attempts_of(row.source_id)]
        who = access_of(request).principal
        if row.seen_at is None and who.may_for(Permission.CHECKIN_PLACES_WRITE, row.clinic_id):
            see = self.link("see", row.pk)
            found.append(Tool(_("Mark as looked at"), see, "done", version=0, is_main=True))
        return found
