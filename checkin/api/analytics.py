"""Figures over HTTP, as JSON and as CSV."""

import csv
import dataclasses
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, ClassVar, Final, NamedTuple, TypeVar
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from checkin.models import QueueEntry
from checkin.selectors.analytics.check_ins import GROUPS as CHECK_IN_GROUPS
from checkin.selectors.analytics.check_ins import CheckIns, check_ins
from checkin.selectors.analytics.grouping import Report
from checkin.selectors.analytics.lead_times import GROUPS as LEAD_GROUPS
from checkin.selectors.analytics.lead_times import Leads, lead_times
from checkin.selectors.analytics.no_shows import GROUPS as NO_SHOW_GROUPS
from checkin.selectors.analytics.no_shows import NoShows, no_shows
from checkin.selectors.analytics.question import question_of
from checkin.selectors.analytics.utilisation import GROUPS as USE_GROUPS
from checkin.selectors.analytics.utilisation import Use, utilisation
from checkin.selectors.analytics.wait_times import GROUPS as WAIT_GROUPS
from checkin.selectors.analytics.wait_times import Waits, wait_times
from core.api.filters import refuse_unknown
from core.api.views import Endpoint
from core.errors import ErrorCode, KairosError, invalid
from core.formulas import guarded

T = TypeVar("T")
_KNOWN: Final = frozenset({"clinic", "from", "to", "location", "doctor", "group", "format"})


class _Kind(NamedTuple):
    """A report as the address names it; any of `needs` is enough."""

    run: Callable[..., Report[Any]]
    figures: type[Any]
    groups: tuple[str, ...]
    needs: tuple[Permission, ...]


REPORTS: Final[dict[str, _Kind]] = {
    "wait_times": _Kind(wait_times, Waits, WAIT_GROUPS, (Permission.ANALYTICS_OPERATIONS,)),
    "check_ins": _Kind(check_ins, CheckIns, CHECK_IN_GROUPS, (Permission.ANALYTICS_OPERATIONS,)),
    "no_shows": _Kind(
        no_shows,
        NoShows,
        NO_SHOW_GROUPS,
        (Permission.ANALYTICS_OPERATIONS, Permission.ANALYTICS_BUSINESS),
    ),
    "utilisation": _Kind(utilisation, Use, USE_GROUPS, (Permission.ANALYTICS_BUSINESS,)),
    "lead_times": _Kind(lead_times, Leads, LEAD_GROUPS, (Permission.ANALYTICS_BUSINESS,)),
}
#: One figure: a whole number, or a number that is null when there is too little to say it.
_NUMBERS: Final = {
    int: serializers.IntegerField,
    float: serializers.FloatField,
    float | None: lambda: serializers.FloatField(
        allow_null=True, help_text="Null when it would be of fewer than five persons."
    ),
}


def _shape(name: str, figures: type[Any]) -> Any:
    """The answer of a report, for the schema."""
    numbers = {one.name: _NUMBERS[one.type]() for one in dataclasses.fields(figures)}  # type: ignore[index]  # no strings: nothing postpones annotations
    total = type(f"{name}FiguresSerializer", (serializers.Serializer,), dict(numbers))
    named = {
        "key": serializers.CharField(allow_null=True, help_text="Null: those that have none."),
        "label": serializers.CharField(),
    }
    numbers = {one.name: _NUMBERS[one.type]() for one in dataclasses.fields(figures)}  # type: ignore[index]  # the same
    group = type(f"{name}GroupSerializer", (serializers.Serializer,), named | numbers)
    fields = {
        "clinic": serializers.UUIDField(),
        "from": serializers.DateField(),
        "to": serializers.DateField(),
        "group": serializers.CharField(allow_null=True),
        "total": total(),
        "results": group(many=True),
    }
    return type(f"{name}Serializer", (serializers.Serializer,), fields)


def _documented(action: str, name: str) -> Callable[[Any], Any]:
    kind = REPORTS[action]
    return extend_schema(
        operation_id=f"analytics_{action}_retrieve",
        parameters=[
            OpenApiParameter("clinic", UUID, required=True),
            OpenApiParameter("from", date, required=True, description="A local day, counted."),
            OpenApiParameter(
                "to", date, required=True, description="Counted too; 366 days at the most."
            ),
            OpenApiParameter("location", UUID),
            OpenApiParameter("doctor", UUID),
            OpenApiParameter("group", str, enum=kind.groups),
            OpenApiParameter("format", str, enum=["json", "csv"], default="json"),
        ],
        responses={
            (200, "application/json"): _shape(name, kind.figures),
            (200, "text/csv"): OpenApiTypes.BINARY,
        },
        filters=False,
    )


class Analytics(Endpoint):
    """Figures of arrival and attendance. Who reaches only their own gets their own."""

    queryset = QueueEntry.objects.none()
    needs: ClassVar[Mapping[str, str | None]] = {
        "wait_times": Permission.ANALYTICS_OPERATIONS,
        "check_ins": Permission.ANALYTICS_OPERATIONS,
        "no_shows": None,  # either right is enough; see `check_permissions`
        "utilisation": Permission.ANALYTICS_BUSINESS,
        "lead_times": Permission.ANALYTICS_BUSINESS,
    }
    limit_class: ClassVar[Mapping[str, str]] = dict.fromkeys(REPORTS, "search")

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        kind = REPORTS.get(self.action or "")
        if kind and not any(request.auth.may_somewhere(one) for one in kind.needs):
            raise KairosError(ErrorCode.PERMISSION_DENIED)

    @_documented("wait_times", "WaitTimes")
    def wait_times(self, request: Request) -> Response | HttpResponse:
        """From arriving to being called and to being seen, in minutes."""
        return self._report(request)

    @_documented("check_ins", "CheckIns")
    def check_ins(self, request: Request) -> Response | HttpResponse:
        """How and when patients check in, what was forced, and what was refused."""
        return self._report(request)

    @_documented("no_shows", "NoShows")
    def no_shows(self, request: Request) -> Response | HttpResponse:
        """Who did not come, out of those whose time came."""
        return self._report(request)

    @_documented("utilisation", "Utilisation")
    def utilisation(self, request: Request) -> Response | HttpResponse:
        """Booked and attended minutes of the working time."""
        return self._report(request)

    @_documented("lead_times", "LeadTimes")
    def lead_times(self, request: Request) -> Response | HttpResponse:
        """How many days before their visit patients book."""
        return self._report(request)

    def _report(self, request: Request) -> Response | HttpResponse:
        refuse_unknown(request, _KNOWN)
        kind, query = REPORTS[self.action or ""], request.query_params
        form = query.get("format", "json")
        if form not in {"json", "csv"}:
            raise invalid("format", "json or csv")
        clinic = _wanted(_uuid(query, "clinic"), "clinic")
        first, last = (_wanted(_day(query, name), name) for name in ("from", "to"))
        question = question_of(
            by=request.auth,
            needs=kind.needs,
            clinic=clinic,
            first=first,
            last=last,
            location=_uuid(query, "location"),
            doctor=_uuid(query, "doctor"),
        )
        group = query.get("group") or None
        report = kind.run(question, [group] if group else [])
        total = dataclasses.asdict(report.total)
        rows = [
            {"key": one.key, "label": one.label, **dataclasses.asdict(one.figures)}
            for one in (report.groups[group] if group else ())
        ]
        if form == "csv":
            name = f"{(self.action or '').replace('_', '-')}-{first}-{last}.csv"
            return _csv(rows if group else [total], _columns(kind, group), name)
        return Response(
            {
                "clinic": clinic,
                "from": first,
                "to": last,
                "group": group,
                "total": total,
                "results": rows,
            }
        )


def _columns(kind: _Kind, group: str | None) -> list[str]:
    names = [one.name for one in dataclasses.fields(kind.figures)]
    return ["key", "label", *names] if group else names


def _csv(rows: Sequence[Mapping[str, Any]], columns: list[str], name: str) -> HttpResponse:
    """A file for spreadsheets: what a person has named is never read as a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow(_cell(row[column]) for column in columns)
    return HttpResponse(
        f"\ufeff{out.getvalue()}",
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return guarded(value) if isinstance(value, str) else value


def _uuid(query: Mapping[str, str], name: str) -> UUID | None:
    raw = query.get(name)
    if not raw:
        return None
    try:
        return UUID(raw)
    except ValueError:
        raise invalid(name, "an id") from None


def _day(query: Mapping[str, str], name: str) -> date | None:
    raw = query.get(name)
    if not raw:
        return None
    try:
        return date.fromisoformat(raw)
    except ValueError:
        raise invalid(name, "a day, as 2030-12-31") from None


def _wanted(value: T | None, name: str) -> T:
    if value is None:
        raise invalid(name, "This field is required.")
    return value
