"""Who arrived, who tried to, and the queue: read here, run at the desk."""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.contrib.admin import SimpleListFilter, register
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from accounts.roles import Permission
from backoffice.access import access_of
from backoffice.base import Tool
from backoffice.filters import FirstDayFilter, LastDayFilter, RelationFilter
from backoffice.panels.checkin_places import attempts_of
from backoffice.records import Records
from backoffice.site import site
from checkin.models import CheckIn, CheckInAttempt, CheckInDevice, QueueEntry
from clinics.models import Location, Patient
from core import clock
from core.errors import ErrorCode

#: How things look, besides their words: the theme's colours.
OUTCOMES = {"CHECKED_IN": "success", "REFUSED": "danger", "CHOOSE": "info"}
STATES = {
    "WAITING": "info",
    "CALLED": "primary",
    "IN_SERVICE": "success",
    "DONE": "default",
    "SKIPPED": "warning",
    "LEFT": "danger",
}
#: What a scan is refused with.
REFUSALS = (
    ErrorCode.NO_APPOINTMENT_FOUND,
    ErrorCode.ALREADY_CHECKED_IN,
    ErrorCode.WRONG_LOCATION,
    ErrorCode.APPOINTMENT_EXPIRED,
    ErrorCode.TOO_EARLY,
    ErrorCode.TOO_LATE,
    ErrorCode.INVALID_QR_CODE,
    ErrorCode.QR_CODE_EXPIRED,
    ErrorCode.LOCATION_INACTIVE,
    ErrorCode.OUTSIDE_GEOFENCE,
    ErrorCode.VIDEO_APPOINTMENT,
    ErrorCode.MULTIPLE_APPOINTMENTS,
    ErrorCode.INVALID_TRANSITION,
    ErrorCode.PERMISSION_DENIED,
)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), timezone.get_current_timezone())


def _within(rows: QuerySet[Any], column: str, first: date | None, last: date | None) -> Any:
    """The rows of those days, of a column of moments or of local days; None: no end."""
    is_day = column.endswith("_day")
    if first is not None:
        rows = rows.filter(**{f"{column}__gte": first if is_day else _midnight(first)})
    if last is not None:
        after = last + timedelta(days=1)
        rows = rows.filter(**{f"{column}__lt": after if is_day else _midnight(after)})
    return rows


class LatelyFilter(SimpleListFilter):
    """Today, unless other days are asked for or something is searched."""

    title = _("day")
    parameter_name = "day"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        self.is_search = any(request.GET.get(name) for name in ("q", "from", "to"))
        return [
            ("today", _("Today")),
            ("yesterday", _("Yesterday")),
            ("week", _("The past 7 days")),
            ("month", _("The past 31 days")),
        ]

    def asked(self) -> str:
        return self.value() or ("" if self.is_search else "today")

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value() and not self.is_search:
            request.list_hint = _("Only today. Filter or search for other days.")  # type: ignore[attr-defined]
        today = timezone.localdate(clock.now())
        before = {"today": (0, 0), "yesterday": (1, 1), "week": (7, 0), "month": (31, 0)}
        found = before.get(self.asked())
        if found is None:
            return queryset
        first, last = (today - timedelta(days=days) for days in found)
        return _within(queryset, _day_column(queryset), first, last)

    def choices(self, changelist: Any) -> Any:
        for value, title in self.lookup_choices:
            yield {
                "selected": self.asked() == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": title,
            }


class SinceFilter(FirstDayFilter):
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return _within(queryset, _day_column(queryset), self.day(), None)


class UntilFilter(LastDayFilter):
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return _within(queryset, _day_column(queryset), None, self.day())


_DAYS: dict[type[Any], str] = {
    CheckIn: "checked_in_at",
    CheckInAttempt: "received_at",
    QueueEntry: "local_day",
}


def _day_column(rows: QuerySet[Any]) -> str:
    return _DAYS[rows.model]


@register(CheckIn, site=site)
class CheckInPanel(Records):
    """Arrivals as they were written down. Visits are checked in at the desk, or on their page."""

    reads = Permission.CHECKIN_RUN
    named = ("patient", "location", "appointment__doctor", "by", "device", "point")
    shown_as = ("checkin.read", "checkin.checkin")
    list_display = ("checked_in_at", "person", "doctor", "location", "method", "marks")
    list_display_links = ("checked_in_at", "person")
    list_filter = (
        LatelyFilter,
        "method",
        "forced",
        "outside_geofence",
        ("location", RelationFilter),
        SinceFilter,
        UntilFilter,
    )
    search_help_text = _("The patient's name, record number, birth date or phone")
    search_fields = ("pk__exact",)
    ordering = ("-checked_in_at", "-pk")
    fieldsets = (
        (
            None,
            {
                "fields": [
                    ("patient", "doctor"),
                    ("appointment", "location"),
                    ("checked_in_at", "recorded_at"),
                    ("method", "by"),
                    ("device", "point"),
                ]
            },
        ),
        (
            _("What is special about it"),
            {
                "fields": [
                    ("forced", "reason"),
                    ("outside_geofence", "distance_metres"),
                    "undone_at",
                ]
            },
        ),
    )
    readonly_fields = ("doctor",)

    @display(description=_("patient"))
    def person(self, row: CheckIn) -> str:
        return row.patient.full_name

    @display(description=_("doctor"))
    def doctor(self, row: CheckIn) -> str:
        return str(row.appointment.doctor)

    @display(description=_("marks"))
    def marks(self, row: CheckIn) -> str:
        found = [
            (row.undone_at is not None, _("taken back")),
            (row.forced, _("forced")),
            (row.outside_geofence, _("from outside the geofence")),
        ]
        return " · ".join(str(word) for holds, word in found if holds)

    def tools(self, request: HttpRequest, row: CheckIn) -> list[Tool]:
        panel: Any = self.admin_site.get_model_admin(CheckInAttempt)
        return [attempts_of(row.pk)] if panel.has_view_permission(request) else []


class CodeFilter(SimpleListFilter):
    title = _("code")
    parameter_name = "code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(code.value, code.label) for code in REFUSALS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        asked = self.value()
        return queryset.filter(reason_code=asked) if asked else queryset


@register(CheckInAttempt, site=site)
class CheckInAttemptPanel(Records):
    """Every attempt, refused ones too, with the address it came from: for those who look after the
    devices. What nobody could say the clinic of is the installation's.
    """

    reads = Permission.CHECKIN_PLACES_READ
    shown_as = ("checkin.read", "checkin.checkinattempt")
    list_display = ("received_at", "result", "reason_code", "person", "method", "source", "place")
    list_display_links = ("received_at",)
    list_filter = ("outcome", CodeFilter, "method", "source_kind", SinceFilter, UntilFilter)
    search_help_text = _("The id of an appointment, a device or another source")
    fieldsets = (
        (
            None,
            {
                "fields": [
                    ("outcome", "reason_code"),
                    ("at", "received_at"),
                    ("person", "visit"),
                    ("method", "source"),
                    ("place", "distance_metres"),
                    ("forced", "address"),
                    "nonce",
                ]
            },
        ),
    )
    readonly_fields = ("person", "visit", "source", "place")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        # Of one clinic its index is in this order; of all only the ids are.
        if access_of(request).clinic is None:
            return ("-id",)
        return ("-received_at", "-id")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        asked = search_term.strip()
        if not asked:
            return queryset, False
        try:
            subject = UUID(asked)
        except ValueError:
            return queryset.none(), False
        return queryset.filter(appointment_id=subject) | queryset.filter(source_id=subject), False

    def listed(self, request: HttpRequest, rows: list[Any]) -> None:
        """One query each for the patients, places and devices of the page."""
        charts = {
            chart.id: chart.full_name
            for chart in Patient.objects.filter(id__in={row.patient_id for row in rows}).only(
                "id", "given_name", "family_name"
            )
        }
        places = _names(Location, (row.location_id for row in rows))
        devices = _names(CheckInDevice, (row.source_id for row in rows))
        for row in rows:
            row.person_name = charts.get(row.patient_id, "")
            row.place_name = places.get(row.location_id, "")
            row.device_name = devices.get(row.source_id, "")
        super().listed(request, rows)

    @display(description=_("outcome"), label=OUTCOMES)
    def result(self, row: CheckInAttempt) -> tuple[str, str]:
        return row.outcome, str(row.get_outcome_display())

    @display(description=_("patient"))
    def person(self, row: Any) -> str:
        return str(row.person_name)

    @display(description=_("appointment"))
    def visit(self, row: CheckInAttempt) -> str | SafeString:
        if row.appointment_id is None:
            return ""
        address = reverse("admin:appointments_appointment_change", args=[row.appointment_id])
        return format_html('<a href="{}">{}</a>', address, _("Open the appointment"))

    @display(description=_("source"))
    def source(self, row: Any) -> str:
        return str(row.device_name or row.get_source_kind_display())

    @display(description=_("location"))
    def place(self, row: Any) -> str:
        return str(row.place_name)


def _names(model: type[Any], wanted: Iterable[UUID | None]) -> dict[UUID, str]:
    return dict(model._default_manager.filter(id__in=set(wanted)).values_list("id", "name"))


@register(QueueEntry, site=site)
class QueueEntryPanel(Records):
    """Who waited, for whom and how long. The desk runs the queue; here nothing is moved."""

    reads = Permission.QUEUE_READ
    doctor_field = "doctor_id"
    named = ("patient", "location", "doctor", "service", "room", "appointment", "called_by")
    shown_as = ("queue.read", "checkin.queueentry")
    list_display = (
        "number_shown",
        "person",
        "doctor",
        "location",
        "step",
        "priority",
        "arrived_at",
        "called_at",
        "started_at",
        "done_at",
    )
    list_display_links = ("number_shown", "person")
    list_filter = (
        LatelyFilter,
        "state",
        "priority",
        ("location", RelationFilter),
        ("doctor", RelationFilter),
        SinceFilter,
        UntilFilter,
    )
    search_help_text = _("The patient's name, record number, birth date or phone")
    ordering = ("-arrived_at", "-id")
    fieldsets = (
        (
            None,
            {
                "fields": [
                    ("number_shown", "state"),
                    ("person", "appointment"),
                    ("doctor", "service"),
                    ("location", "room"),
                    ("priority", "local_day"),
                ]
            },
        ),
        (
            _("When"),
            {
                "fields": [
                    ("due_at", "arrived_at"),
                    ("called_at", "called_by"),
                    ("calls", "skips"),
                    ("started_at", "done_at"),
                    ("left_reason", "swept"),
                ]
            },
        ),
    )
    readonly_fields = ("number_shown", "person")

    @display(description=_("token"))
    def number_shown(self, row: QueueEntry) -> str:
        return row.token

    @display(description=_("patient"))
    def person(self, row: QueueEntry) -> str:
        return row.patient.full_name if row.patient is not None else row.guest_name

    @display(description=_("state"), label=STATES)
    def step(self, row: QueueEntry) -> tuple[str, str]:
        return row.state, str(row.get_state_display())
