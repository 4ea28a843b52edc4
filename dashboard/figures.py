"""Reports as the page of figures shows them: tiles, and drawings with their tables."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.urls import reverse
from django.utils.formats import date_format, number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from checkin.selectors.analytics.check_ins import CheckIns
from checkin.selectors.analytics.dimensions import names_of
from checkin.selectors.analytics.grouping import Group, Report
from checkin.selectors.analytics.lead_times import Leads
from checkin.selectors.analytics.no_shows import NoShows
from checkin.selectors.analytics.utilisation import Use
from checkin.selectors.analytics.wait_times import Waits
from dashboard.charts import Columns, Point, Rect, bar, columns

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure in large, and what goes with it."""

    title: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure in a table; None where there is none, or too little to say one."""

    text: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table, with its bar if it has one; `part` is drawn within it."""

    label: str
    cells: tuple[Cell, ...]
    bar: Rect | None = None
    part: Rect | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """One drawing and its table, or one table with bars. `csv`: report and group of its file.

    `legend` names what is drawn: the bar, and the part within it.
    """

    title: Text
    note: Text
    head: Text
    heads: tuple[Text, ...]
    rows: tuple[Row, ...]
    csv: tuple[str, str]
    chart: Columns | None = None
    legend: tuple[Text, ...] = ()

    @property
    def key(self) -> str:
        """What its parts are known by within the page."""
        return "-".join(self.csv).replace("_", "-")

    @property
    def file(self) -> str:
        """The address of its file, to which the days and the clinic are added."""
        report, group = self.csv
        return reverse("analytics-" + report.replace("_", "-")) + f"?group={group}"


def number(value: float | None, digits: int = 0) -> str | None:
    """As people write it, with as many decimals as it needs."""
    if value is None:
        return None
    said = round(value, digits)
    return number_format(said, digits if said % 1 else 0, use_l10n=True, force_grouping=True)


def percent(rate: float | None) -> str | None:
    """A share from 0 to 1, in percent."""
    if rate is None:
        return None
    return _("%(number)s%%") % {"number": number(100 * rate, 1)}


def hours(minutes: float) -> str:
    """Minutes as whole hours."""
    return number(minutes / 60) or "0"


def _none(text: str | None) -> str:
    return text if text is not None else "–"


# --- Tiles ----------------------------------------------------------------------------------------
def tile_checked_in(found: CheckIns) -> Tile:
    forced = ngettext("%(n)s of them by force", "%(n)s of them by force", found.forced)
    return Tile(_("Checked in"), number(found.checked_in) or "0", forced % _n(found.forced))


def tile_wait(found: Waits) -> Tile:
    wait = number(found.wait_median)
    value = _none(None if wait is None else _("%(n)s min") % {"n": wait})
    most = number(found.wait_p90)
    if most is None:
        return Tile(_("Usual wait"), value, _("Too few people for a figure"))
    return Tile(_("Usual wait"), value, _("Nine in ten: %(n)s min at most") % {"n": most})


def tile_left(found: Waits) -> Tile:
    arrived = ngettext("of %(n)s who arrived", "of %(n)s who arrived", found.arrived)
    return Tile(
        _("Left without being seen"), number(found.left) or "0", arrived % _n(found.arrived)
    )


def tile_no_shows(found: NoShows) -> Tile:
    told = found.attended + found.no_shows
    said = ngettext("%(missed)s of %(n)s visit", "%(missed)s of %(n)s visits", told)
    note = said % (_n(told) | {"missed": number(found.no_shows)})
    return Tile(_("Did not come"), _none(percent(found.rate)), note)


def tile_refused(found: CheckIns) -> Tile:
    return Tile(_("Refused"), number(found.refused) or "0", _("Attempts to check in"))


def tile_use(found: Use) -> Tile:
    came = percent(found.attended_rate)
    note = _("No working hours") if came is None else _("Attended: %(share)s") % {"share": came}
    return Tile(_("Working time booked"), _none(percent(found.booked_rate)), note)


def tile_lead(found: Leads) -> Tile:
    days = found.lead_median
    if days is None:
        return Tile(_("Usually booked ahead"), "–", _("Too few people for a figure"))
    value = ngettext("%(n)s day", "%(n)s days", int(days)) % {"n": number(days, 1)}
    note = _("Nine in ten: %(n)s days at most") % {"n": number(found.lead_p90)}
    return Tile(_("Usually booked ahead"), value, note)


def _n(count: int) -> dict[str, Any]:
    return {"n": number(count)}


# --- Figures --------------------------------------------------------------------------------------
def waits_by_hour(report: Report[Waits]) -> Figure:
    shown = _every_hour(report.groups["hour"])
    return Figure(
        title=_("Waits through the day"),
        note=_("Minutes from arriving to being seen, by the hour of arrival."),
        head=_("Arrived"),
        heads=_WAIT_HEADS,
        rows=tuple(Row(label, _wait_cells(found)) for label, found in shown if found),
        csv=("wait_times", "hour"),
        chart=columns(
            [
                Point(label, found and found.wait_p90, found and found.wait_median)
                for label, found in shown
            ]
        ),
        legend=(_("Nine in ten waited at most"), _("Half waited at most")),
    )


def waits_by(report: Report[Waits], group: str, title: str, head: str) -> Figure:
    groups = report.groups[group]
    top = max((one.figures.wait_p90 or 0 for one in groups), default=0)
    return Figure(
        title=title,
        note=_(
            "Minutes from arriving to being seen. The delay is the part after the planned time."
        ),
        head=head,
        heads=_WAIT_HEADS,
        rows=tuple(
            Row(
                one.label,
                _wait_cells(one.figures),
                bar(_share(one.figures.wait_p90, top)),
                bar(_share(one.figures.wait_median, top)),
            )
            for one in groups
        ),
        csv=("wait_times", group),
        legend=(_("Nine in ten waited at most"), _("Half waited at most")),
    )


_WAIT_HEADS: tuple[Text, ...] = (
    gettext_lazy("Seen"),
    gettext_lazy("Half within"),
    gettext_lazy("9 in 10 within"),
    gettext_lazy("Delay"),
)


def _wait_cells(found: Waits) -> tuple[Cell, ...]:
    return _cells(found.seen, found.wait_median, found.wait_p90, found.delay_median)


def check_ins_by_hour(report: Report[CheckIns]) -> Figure:
    shown = _every_hour(report.groups["hour"])
    return Figure(
        title=_("Check-ins through the day"),
        note=_("All days together, by the hour of the check-in."),
        head=_("Hour"),
        heads=(_("Checked in"), _("Refused")),
        rows=tuple(
            Row(label, _cells(found.checked_in, found.refused)) for label, found in shown if found
        ),
        csv=("check_ins", "hour"),
        chart=columns([Point(label, found.checked_in if found else 0) for label, found in shown]),
    )


def check_ins_by_day(report: Report[CheckIns], group: str) -> Figure:
    groups = report.groups[group]
    return Figure(
        title=_("Check-ins by day") if group == "day" else _("Check-ins by week"),
        note="" if group == "day" else _("Each week by the Monday on which it begins."),
        head=_("Day") if group == "day" else _("Week"),
        heads=(_("Checked in"), _("By force"), _("Refused")),
        rows=tuple(
            Row(
                one.label,
                _cells(one.figures.checked_in, one.figures.forced, one.figures.refused),
            )
            for one in groups
        ),
        csv=("check_ins", group),
        chart=columns([Point(_short(one.key), one.figures.checked_in) for one in groups]),
    )


def _short(day: str | None) -> str:
    return date_format(date.fromisoformat(day), "j M") if day else ""


def methods(report: Report[CheckIns]) -> Figure:
    return _counted(
        report.groups["method"],
        lambda found: found.checked_in,
        title=_("How patients checked in"),
        head=_("Way"),
        heads=(_("Checked in"), _("Share")),
        csv=("check_ins", "method"),
    )


def refusals(report: Report[CheckIns]) -> Figure:
    return _counted(
        sorted(report.groups["reason"], key=lambda one: -one.figures.refused),
        lambda found: found.refused,
        title=_("Why check-ins were refused"),
        head=_("Reason"),
        heads=(_("Attempts"), _("Share")),
        csv=("check_ins", "reason"),
    )


def timing(report: Report[CheckIns]) -> Figure:
    return _counted(
        report.groups["timing"],
        lambda found: found.checked_in,
        title=_("How early patients come"),
        head=_("Against the planned time"),
        heads=(_("Checked in"), _("Share")),
        csv=("check_ins", "timing"),
    )


def lead_distribution(report: Report[Leads]) -> Figure:
    return _counted(
        report.groups["lead"],
        lambda found: found.booked,
        title=_("How long ahead visits are booked"),
        head=_("Booked ahead"),
        heads=(_("Visits"), _("Share")),
        csv=("lead_times", "lead"),
    )


def no_shows_by(report: Report[NoShows], group: str, title: str, head: str) -> Figure:
    groups = report.groups[group]
    top = max((one.figures.rate or 0 for one in groups), default=0)
    return Figure(
        title=title,
        note=_("Out of the visits that took place or were missed."),
        head=head,
        heads=(_("Came"), _("Did not come"), _("Rate")),
        rows=tuple(
            Row(
                one.label,
                (
                    *_cells(one.figures.attended, one.figures.no_shows),
                    Cell(percent(one.figures.rate)),
                ),
                bar(_share(one.figures.rate, top)),
            )
            for one in groups
            if one.figures.attended + one.figures.no_shows
        ),
        csv=("no_shows", group),
    )


def use_by(report: Report[Use], group: str, title: str, head: str) -> Figure:
    return Figure(
        title=title,
        note=_("How much of the working hours was booked, and for how much of them patients came."),
        head=head,
        heads=(_("Hours"), _("Booked"), _("Attended"), _("Hours outside")),
        rows=tuple(
            Row(
                one.label,
                (
                    Cell(hours(one.figures.working)),
                    Cell(percent(one.figures.booked_rate)),
                    Cell(percent(one.figures.attended_rate)),
                    Cell(hours(one.figures.outside)),
                ),
                bar(one.figures.booked_rate),
                bar(one.figures.attended_rate),
            )
            for one in report.groups[group]
        ),
        csv=("utilisation", group),
        legend=(_("Booked"), _("Attended")),
    )


def _counted(
    groups: Iterable[Group[Any]],
    count: Callable[[Any], int],
    *,
    title: str,
    head: str,
    heads: tuple[Text, ...],
    csv: tuple[str, str],
) -> Figure:
    """A table of counts and shares; groups of which there is none are left out."""
    counted = [(one.label, count(one.figures)) for one in groups]
    whole = sum(n for _label, n in counted)
    most = max((n for _label, n in counted), default=0)
    return Figure(
        title=title,
        note="",
        head=head,
        heads=heads,
        rows=tuple(
            Row(label, (Cell(number(n)), Cell(percent(n / whole))), bar(_share(n, most)))
            for label, n in counted
            if n
        ),
        csv=csv,
    )


def _cells(*values: float | None) -> tuple[Cell, ...]:
    return tuple(Cell(number(value)) for value in values)


def _share(value: float | None, whole: float) -> float | None:
    return value / whole if value is not None and whole else None


def _every_hour(groups: list[Group[Any]]) -> list[tuple[str, Any]]:
    """From the first hour that has any to the last, with those between that have none."""
    found = {int(one.key): one.figures for one in groups if one.key is not None}
    if not found:
        return []
    return [
        (names_of("hour", [str(hour)])[str(hour)], found.get(hour))
        for hour in range(min(found), max(found) + 1)
    ]
