"""Figures of arrival and attendance: what is said of some days, and its files."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.roles import Permission
from checkin.selectors.analytics.check_ins import check_ins
from checkin.selectors.analytics.lead_times import lead_times
from checkin.selectors.analytics.no_shows import no_shows
from checkin.selectors.analytics.question import Question, question_of, reach_of
from checkin.selectors.analytics.utilisation import utilisation
from checkin.selectors.analytics.wait_times import wait_times
from clinics.models import Location
from clinics.selectors.directory import doctors_working_at
from core import clock
from core.errors import ErrorCode, KairosError
from core.forms import attempt
from dashboard import figures
from dashboard.access import Desk, DeskRequest, desk_page
from dashboard.figures import Figure, Tile
from dashboard.forms.analytics import FiguresForm

Days = tuple[date, date]
_OPERATIONS: Final = (Permission.ANALYTICS_OPERATIONS,)
_BUSINESS: Final = (Permission.ANALYTICS_BUSINESS,)
_EITHER: Final = _OPERATIONS + _BUSINESS
#: Days that are chosen with one click; the present day is not whole, and stands alone.
_RANGES: Final[tuple[tuple[int, str | Promise], ...]] = (
    (0, gettext_lazy("Today")),
    (7, gettext_lazy("Last 7 days")),
    (28, gettext_lazy("Last 28 days")),
    (90, gettext_lazy("Last 90 days")),
)
_USUAL: Final = 28
#: With more days than these, a chart has a bar for each week.
_MOST_BARS: Final = 100


@dataclass(frozen=True, slots=True)
class Part:
    """Some figures under one heading."""

    title: str
    figures: tuple[Figure, ...]

    @property
    def key(self) -> str:
        return self.figures[0].key


@desk_page()
def analytics(request: DeskRequest) -> HttpResponse:
    """The figures of some days; by default of the last 28 whole ones."""
    desk = request.desk
    reaches_all = reach_of(desk.principal, desk.clinic.id, _EITHER)
    today = clock.now().astimezone(ZoneInfo(desk.clinic.timezone)).date()
    usual = _days(today, _USUAL)
    form = FiguresForm(
        request.GET.dict(),
        locations=list(Location.objects.filter(clinic_id=desk.clinic.id).order_by("name", "id")),
        doctors=list(doctors_working_at(desk.clinic.id)) if reaches_all else None,
        days=usual,
    )
    asked: Question | None = None
    if form.is_valid():
        asked = attempt(form, lambda: _question(desk, form.cleaned_data, _EITHER))
    words = form.cleaned_data if asked else {"from": usual[0], "to": usual[1]}
    question = asked or _question(desk, words, _EITHER)
    tiles, parts = _read(desk, words, question)
    shown = {
        "desk": desk,
        "section": "figures",
        "form": form,
        "about": _about(form, words),
        "first": question.first,
        "last": question.last,
        "only_own": not reaches_all,
        "ranges": _ranges(question, today),
        "tiles": tiles,
        "parts": parts,
        "file_query": urlencode({"clinic": desk.clinic.id, **_query(question), "format": "csv"}),
    }
    status = 400 if form.errors else 200
    return TemplateResponse(request, "dashboard/analytics/page.html", shown, status=status)


def _question(desk: Desk, asked: dict[str, Any], needs: tuple[Permission, ...]) -> Question:
    return question_of(
        by=desk.principal,
        needs=needs,
        clinic=desk.clinic.id,
        first=asked["from"],
        last=asked["to"],
        location=asked.get("location"),
        doctor=asked.get("doctor"),
    )


def _held(desk: Desk, asked: dict[str, Any], needs: tuple[Permission, ...]) -> Question | None:
    """The question as far as this right reaches, which may be less far than another; None: not."""
    try:
        return _question(desk, asked, needs)
    except KairosError as error:
        if error.code != ErrorCode.PERMISSION_DENIED:
            raise
        return None


def _read(desk: Desk, asked: dict[str, Any], question: Question) -> tuple[list[Tile], list[Part]]:
    """Everything that the person's rights open: a statement for each report."""
    tiles: list[Tile] = []
    parts: list[Part] = []
    of_operations, of_business = (_held(desk, asked, one) for one in (_OPERATIONS, _BUSINESS))
    if of_operations is not None:
        found, figures_of = _operations(of_operations)
        tiles += found
        parts.append(Part(_("Arrival and waiting"), figures_of))
    missed = no_shows(question, ["lead", "weekday", "hour"])
    tiles.append(figures.tile_no_shows(missed.total))
    parts.append(
        Part(
            _("Visits that were missed"),
            (
                figures.no_shows_by(missed, "lead", _("By time booked ahead"), _("Booked ahead")),
                figures.no_shows_by(missed, "weekday", _("By day of the week"), _("Day")),
                figures.no_shows_by(missed, "hour", _("By hour of the visit"), _("Hour")),
            ),
        )
    )
    if of_business is not None:
        found, figures_of = _business(of_business)
        tiles += found
        parts.append(Part(_("Working time"), figures_of))
    return tiles, parts


def _operations(question: Question) -> tuple[list[Tile], tuple[Figure, ...]]:
    by_day = "day" if (question.last - question.first).days < _MOST_BARS else "week"
    waits = wait_times(question, ["hour", "doctor", "location"])
    came = check_ins(question, [by_day, "hour", "method", "reason", "timing"])
    shown = [
        figures.waits_by_hour(waits),
        figures.check_ins_by_hour(came),
        figures.check_ins_by_day(came, by_day),
        figures.waits_by(waits, "doctor", _("Waits by doctor"), _("Doctor")),
        figures.methods(came),
        figures.timing(came),
        figures.refusals(came),
    ]
    if len(waits.groups["location"]) > 1:
        shown.insert(4, figures.waits_by(waits, "location", _("Waits by location"), _("Location")))
    tiles = [
        figures.tile_checked_in(came.total),
        figures.tile_wait(waits.total),
        figures.tile_left(waits.total),
        figures.tile_refused(came.total),
    ]
    return tiles, tuple(shown)


def _business(question: Question) -> tuple[list[Tile], tuple[Figure, ...]]:
    use = utilisation(question, ["doctor", "weekday"])
    leads = lead_times(question, ["lead"])
    return [figures.tile_use(use.total), figures.tile_lead(leads.total)], (
        figures.use_by(use, "doctor", _("Use by doctor"), _("Doctor")),
        figures.use_by(use, "weekday", _("Use by day of the week"), _("Day")),
        figures.lead_distribution(leads),
    )


def _about(form: FiguresForm, asked: dict[str, Any]) -> list[str]:
    """Which location and doctor were chosen, in words: for paper, where no form is."""
    chosen = []
    for name in ("location", "doctor"):
        if asked.get(name) is not None:
            choices: Any = form.fields[name]
            chosen.append(str(dict(choices.choices)[str(asked[name])]))
    return chosen


def _days(today: date, count: int) -> Days:
    """So many whole days that end with yesterday; 0: today."""
    if not count:
        return today, today
    return today - timedelta(days=count), today - timedelta(days=1)


def _ranges(question: Question, today: date) -> list[dict[str, Any]]:
    found = []
    for count, label in _RANGES:
        first, last = _days(today, count)
        found.append(
            {
                "label": label,
                "query": urlencode(_query(question) | {"from": first, "to": last}),
                "is_shown": (first, last) == (question.first, question.last),
            }
        )
    return found


def _query(question: Question) -> dict[str, Any]:
    asked: dict[str, Any] = {"from": question.first, "to": question.last}
    if question.location:
        asked["location"] = question.location
    if question.doctors:
        asked["doctor"] = question.doctors[0]
    return asked


urlpatterns: list[URLPattern] = [path("analytics", analytics, name="desk-analytics")]
