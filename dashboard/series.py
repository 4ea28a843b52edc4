"""A series of visits in words: its rule, its end, and what each date of a preview would bring."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.utils.dates import WEEKDAYS
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from appointments.models import AppointmentSeries
from appointments.services.series_dates import LEFT_OUT, SeriesDate, SeriesPreview
from core.errors import ErrorCode
from dashboard.forms.series import ALL, DAILY, DAY_CODES, FOLLOWING, MONTHLY, THIS, WEEKLY

SCOPES: Final = (
    (THIS, gettext_lazy("This visit only")),
    (FOLLOWING, gettext_lazy("This one and all that follow")),
    (ALL, gettext_lazy("All visits to come")),
)
#: What would become of a visit in a change.
_ACTS: Final = {
    "book": gettext_lazy("new"),
    "move": gettext_lazy("moved"),
    "edit": gettext_lazy("changed"),
    "cancel": gettext_lazy("cancelled"),
    "keep": gettext_lazy("stays as it is"),
}
_OTHERS: Final = 3
_ORDINAL: Final = re.compile(r"(?P<nth>-?\d+)?(?P<day>MO|TU|WE|TH|FR|SA|SU)")
_NTH: Final = {
    1: gettext_lazy("first %(weekday)s"),
    2: gettext_lazy("second %(weekday)s"),
    3: gettext_lazy("third %(weekday)s"),
    4: gettext_lazy("fourth %(weekday)s"),
    5: gettext_lazy("fifth %(weekday)s"),
    -1: gettext_lazy("last %(weekday)s"),
}


@dataclass(frozen=True, slots=True)
class Date:
    """One date of a preview, on the clock of its place. Without `why` it can be had.

    `others` are the nearest free starts instead. In a change `was` is where the visit is now, and
    `kept` says that it stays there.
    """

    sequence: int
    local: datetime
    why: str
    others: tuple[datetime, ...]
    was: datetime | None = None
    kept: bool = False
    act: str = ""

    @property
    def is_free(self) -> bool:
        return not self.why


@dataclass(frozen=True, slots=True)
class Dates:
    """Every date of a preview; `left_out` are dates that the calendar does not have."""

    rows: tuple[Date, ...]
    left_out: tuple[str, ...]

    @property
    def free(self) -> int:
        return sum(1 for row in self.rows if row.is_free)

    @property
    def taken(self) -> int:
        return sum(1 for row in self.rows if not row.is_free and not row.kept)

    @property
    def said(self) -> str:
        """How it stands, in a sentence."""
        total = len(self.rows)
        if not self.taken:
            return ngettext("The date is free.", "All %(n)d dates are free.", total) % {"n": total}
        return ngettext(
            "%(taken)d of %(total)d date cannot be had.",
            "%(taken)d of %(total)d dates cannot be had.",
            total,
        ) % {"taken": self.taken, "total": total}


def dates_of(preview: SeriesPreview, *, changes: bool = False) -> Dates:
    """A preview as it is shown; `changes`: of a series that is there."""
    zone = ZoneInfo(preview.timezone)
    rows = tuple(
        Date(
            sequence=one.sequence,
            local=local(one.starts_at, zone),
            why=why_said(one.code),
            others=tuple(local(slot.starts_at, zone) for slot in one.alternatives[:_OTHERS]),
            was=_was(one, zone),
            kept=one.act == "keep",
            act=str(_ACTS.get(one.act, "")) if one.appointment is not None or changes else "",
        )
        for one in preview.dates
    )
    return Dates(rows, tuple(_no_day(text) for text in preview.left_out))


def _was(one: SeriesDate, zone: ZoneInfo) -> datetime | None:
    if one.was is None or one.was == one.starts_at:
        return None
    return local(one.was, zone)


def _no_day(text: str) -> str:
    """A day that no calendar has (`2035-02-30`), in words."""
    year, month, day = (int(part) for part in text.split("-"))
    return _("%(month)s: no %(day)d") % {
        "month": date_format(date(year, month, 1), "YEAR_MONTH_FORMAT"),
        "day": day,
    }


def why_said(code: str | None) -> str:
    """Why a date cannot be had, in words; empty when it can."""
    if not code:
        return ""
    return _("Left out by hand") if code == LEFT_OUT else str(ErrorCode(code).label)


def local(moment: datetime, zone: ZoneInfo) -> datetime:
    """On the clock of the place, and bare: templates would turn it to the reader's zone."""
    return moment.astimezone(zone).replace(tzinfo=None)


def rule_said(rrule: str) -> str:
    """The days of a rule in words; the rule itself where there are none for it."""
    parts = dict(one.split("=", 1) for one in rrule.split(";") if "=" in one)
    every = int(parts.get("INTERVAL", "1"))
    said = {DAILY: _daily, WEEKLY: _weekly, MONTHLY: _monthly}.get(parts.get("FREQ", ""))
    return (said(parts, every) if said is not None else "") or rrule


def _daily(parts: Mapping[str, str], every: int) -> str:
    if "BYDAY" in parts:
        return ""
    return ngettext("Every day", "Every %(n)d days", every) % {"n": every}


def _weekly(parts: Mapping[str, str], every: int) -> str:
    days = parts.get("BYDAY", "")
    if not days:
        return ngettext("Every week", "Every %(n)d weeks", every) % {"n": every}
    names = [_weekday(code) for code in DAY_CODES if code in days.split(",")]
    return ngettext("Every week: %(days)s", "Every %(n)d weeks: %(days)s", every) % {
        "n": every,
        "days": ", ".join(names),
    }


def _monthly(parts: Mapping[str, str], every: int) -> str:
    which = _day_of_month(parts)
    if not which:
        return ""
    return ngettext("Every month: %(which)s", "Every %(n)d months: %(which)s", every) % {
        "n": every,
        "which": which,
    }


def _day_of_month(parts: Mapping[str, str]) -> str:
    if "BYSETPOS" in parts:
        return ""
    if day := parts.get("BYMONTHDAY"):
        if day == "-1":
            return _("the last day")
        return _("day %(day)s") % {"day": day.replace(",", ", ")} if "-" not in day else ""
    names = []
    for code in parts.get("BYDAY", "").split(","):
        found = _ORDINAL.fullmatch(code)
        if found is None or int(found["nth"] or 0) not in _NTH:
            return ""
        names.append(str(_NTH[int(found["nth"])]) % {"weekday": _weekday(found["day"])})
    return ", ".join(names)


def _weekday(code: str) -> str:
    return str(WEEKDAYS[DAY_CODES.index(code)])


def end_said(series: AppointmentSeries) -> str:
    """Until when it goes on."""
    if series.open_ended:
        return _("until further notice, booked up to %(day)s") % {
            "day": date_format(series.booked_until, "DATE_FORMAT")
        }
    last = series.end_date or series.booked_until
    return _("until %(day)s") % {"day": date_format(last, "DATE_FORMAT")}


def scopes_for(*, of_one: bool) -> Sequence[tuple[str, Any]]:
    """What an act may reach; without a visit that it was asked from, only all of them."""
    return SCOPES if of_one else SCOPES[2:]
