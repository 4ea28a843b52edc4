"""The days of a rule such as `FREQ=WEEKLY;BYDAY=MO;COUNT=10` (RFC 5545, RRULE). Pure: no database.

Of the RFC what a clinic needs: days, weeks, months. The days are counted out here rather than by
dateutil, which looks for the next day of a rule that has none until the year 9999, and does not
say which days a month lacks; the tests hold both against one another. Nothing here looks further
than two years.
"""

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from appointments.models import MAX_SERIES_VISITS
from core.errors import KairosError, invalid

MAX_TEXT: Final = 300
#: How long a series may be.
LONGEST: Final = timedelta(days=731)
_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_BY_DAY: Final = re.compile(r"([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,3}")
_PART: Final = re.compile(r"([A-Z]+)=([A-Z0-9,+-]+)")
_KNOWN: Final = frozenset({"FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY", "BYSETPOS", "COUNT", "UNTIL"})


class Frequency(StrEnum):
    """Of the RFC's seven, those that a series may have."""

    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"


def instant(day: date, wall: time, zone: str) -> datetime:
    """When the clocks of `zone` show `wall` that day, in UTC; as `core_instant` in the database.

    A time that the clocks skip moves forward by what they skip; of one that comes twice it is the
    first.
    """
    return datetime.combine(day, wall, tzinfo=ZoneInfo(zone)).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that was understood, and what it begins with.

    `by_day` pairs an ordinal (0: every) with a weekday from Monday 0. `last` is the last day on
    which a date may lie, None for a rule until further notice. `count` stops it earlier.
    """

    text: str
    start: date
    last: date | None
    frequency: Frequency
    interval: int = 1
    by_day: tuple[tuple[int, int], ...] = ()
    by_month_day: tuple[int, ...] = ()
    by_position: tuple[int, ...] = ()
    count: int | None = None

    @property
    def open_ended(self) -> bool:
        return self.last is None

    def dates(self, *, after: date | None = None, until: date | None = None) -> list[date]:
        """The days of the rule in order, those later than `after` and not later than `until`.

        A rule until further notice is asked for at most two years at once.
        """
        first = self.start if after is None else max(self.start, after + timedelta(days=1))
        last = min(one for one in (self.last, until, _later(first, LONGEST)) if one is not None)
        if self.count is None:
            return list(self._days(first, last))
        counted = zip(range(self.count), self._days(self.start, last), strict=False)
        return [day for _number, day in counted if day >= first]

    @property
    def left_out(self) -> list[str]:
        """What the rule asks for and the calendar does not have, between its dates: `2035-02-30`.

        Of days counted from the front of a month; such a day is left out, as the RFC says.
        """
        if self.frequency != Frequency.MONTHLY or self.by_day or self.by_position:
            return []
        dates = self.dates()
        if not dates or self.by_month_day == ():
            return []
        last = dates[-1] if self.count is not None else self.last or dates[-1]
        missing = []
        for days in self._periods(self.start, last):
            length = days[-1].day
            missing += [
                f"{days[0]:%Y-%m}-{number:02}"
                for number in sorted(set(self.by_month_day))
                if number > length and days[-1] <= last
            ]
        return missing

    def shifted(self, days: int) -> "Rule":
        """The rule with all its dates so many days later (or earlier).

        Raises VALIDATION_ERROR where no such rule can be written: by days of the month, or where
        some of the weekdays would go into a week that the rule leaves out.
        """
        if self.by_month_day or self.frequency == Frequency.MONTHLY:
            raise invalid("shift_days", _("Give a new rule: this one goes by days of the month."))
        weeks = {(weekday + days) // 7 for _ordinal, weekday in self.by_day}
        if self.frequency == Frequency.WEEKLY and self.interval > 1 and len(weeks) > 1:
            raise invalid("shift_days", _("Give a new rule: these days would fall apart."))
        if self.by_position and weeks != {0}:
            raise invalid("shift_days", _("Give a new rule: these days would fall apart."))
        moved = replace(
            self,
            start=self.start + timedelta(days=days),
            last=None if self.last is None else self.last + timedelta(days=days),
            by_day=tuple(sorted((0, (weekday + days) % 7) for _ordinal, weekday in self.by_day)),
        )
        return replace(moved, text=moved._written())

    def ending(self, last: date | None) -> "Rule":
        """The same rule with another last day (None: until further notice), however it ended."""
        other = replace(self, last=last, count=None)
        return replace(other, text=other._written())

    def _written(self) -> str:
        """As text. Its end, but for a count, is kept beside it (`last`)."""
        parts = [f"FREQ={self.frequency}"]
        if self.interval > 1:
            parts.append(f"INTERVAL={self.interval}")
        if self.by_day:
            parts.append(
                "BYDAY=" + ",".join(f"{n or ''}{_DAYS[weekday]}" for n, weekday in self.by_day)
            )
        for name, numbers in (("BYMONTHDAY", self.by_month_day), ("BYSETPOS", self.by_position)):
            if numbers:
                parts.append(f"{name}={','.join(map(str, numbers))}")
        if self.count is not None:
            parts.append(f"COUNT={self.count}")
        return ";".join(parts)

    def _days(self, first: date, last: date) -> Iterator[date]:
        for days in self._periods(first, last):
            chosen = [day for day in days if self._fits(day, days)]
            if self.by_position:
                places = {n - 1 if n > 0 else len(chosen) + n for n in self.by_position}
                chosen = [day for place, day in enumerate(chosen) if place in places]
            yield from (day for day in chosen if first <= day <= last)

    def _periods(self, first: date, last: date) -> Iterator[list[date]]:
        """The days, weeks or months of the rule's interval that reach into [first, last]."""
        first = max(first, self.start)
        match self.frequency:
            case Frequency.DAILY:
                ahead = -(-(first - self.start).days // self.interval) * self.interval
                for number in range(self.start.toordinal() + ahead, last.toordinal() + 1):
                    if (number - self.start.toordinal()) % self.interval == 0:
                        yield [date.fromordinal(number)]
            case Frequency.WEEKLY:
                monday = self.start.toordinal() - self.start.weekday()
                step = 7 * self.interval
                begin = monday + (first.toordinal() - monday) // step * step
                for number in range(begin, last.toordinal() + 1, step):
                    yield [date.fromordinal(number + day) for day in range(7)]
            case Frequency.MONTHLY:
                origin = _month(self.start)
                begin = origin + (_month(first) - origin) // self.interval * self.interval
                for number in range(begin, _month(last) + 1, self.interval):
                    year, month = divmod(number, 12)
                    length = monthrange(year, month + 1)[1]
                    yield [date(year, month + 1, day) for day in range(1, length + 1)]

    def _fits(self, day: date, period: list[date]) -> bool:
        if self.by_month_day:
            length = monthrange(day.year, day.month)[1]
            if not {day.day, day.day - length - 1} & set(self.by_month_day):
                return False
        if not self.by_day:
            return True
        nth = {0}
        if self.frequency == Frequency.MONTHLY:
            nth |= {(day.day - 1) // 7 + 1, -((len(period) - day.day) // 7 + 1)}
        return any(weekday == day.weekday() and n in nth for n, weekday in self.by_day)


def parse(text: str, *, start: date, end: date | None = None, open_ended: bool = False) -> Rule:
    """Understand a rule whose first date is not before `start`.

    It ends by COUNT, UNTIL or `end` (the last day), whichever is first, or is `open_ended`.
    Raises VALIDATION_ERROR on `rrule` (on `end_date`, `open_ended` for those): for what is not
    offered, and for a rule without an end, without a date, of more than two years or of more than
    `MAX_SERIES_VISITS` dates.
    """
    parts = _parts(text)
    rule = _with_days(parts, start)
    count, until = _end(parts)
    if end is not None and end < start:
        raise invalid("end_date", _("The last day comes after the first."))
    if until is not None and until < start:
        raise _refused(_("The rule ends before the series starts."))
    if open_ended:
        if end is not None or until is not None or count is not None:
            raise invalid("open_ended", _("A series until further notice has no last day."))
        if not rule.dates():
            raise _refused(_("The rule has no date."))
        return rule
    last = min((one for one in (end, until) if one is not None), default=None)
    if last is None and count is None:
        raise _refused(_("The rule never ends: give a last day or a number of visits."))
    if last is not None and last > _later(start, LONGEST):
        raise _refused(_("A series lasts two years at most."))
    rule = replace(rule, last=last or _later(start, LONGEST), count=count)
    dates = rule.dates()
    if not dates:
        raise _refused(_("The rule has no date."))
    if len(dates) > MAX_SERIES_VISITS:
        raise _too_many()
    if count is not None and last is None and len(dates) < count:
        raise _refused(_("A series lasts two years at most."))
    return rule


def _parts(text: str) -> dict[str, str]:
    if len(text) > MAX_TEXT:
        raise _refused(_("The rule is too long."))
    parts: dict[str, str] = {}
    for piece in text.strip().upper().removeprefix("RRULE:").removesuffix(";").split(";"):
        found = _PART.fullmatch(piece)
        if found is None or found[1] in parts:
            raise _refused(_("This is not a rule such as FREQ=WEEKLY;BYDAY=MO;COUNT=10."))
        parts[found[1]] = found[2]
    if {"BYHOUR", "BYMINUTE", "BYSECOND"} & parts.keys():
        raise _refused(_("The time of day stands beside the rule, not in it."))
    return parts


def _with_days(parts: dict[str, str], start: date) -> Rule:
    frequency = parts.get("FREQ")
    if frequency == "YEARLY":
        raise _refused(_("Yearly visits are not a series: plan a follow-up instead."))
    if frequency in {"HOURLY", "MINUTELY", "SECONDLY"}:
        raise _refused(_("A series has one visit a day at most."))
    if frequency not in set(Frequency):
        raise _refused(_("FREQ is DAILY, WEEKLY or MONTHLY."))
    unknown = sorted(parts.keys() - _KNOWN)
    if unknown:
        raise _refused(_("Not offered in a rule: %(part)s.") % {"part": unknown[0]})
    chosen = Frequency(frequency)
    by_day = _weekdays(parts.get("BYDAY"), chosen)
    by_month_day = _numbers(parts, "BYMONTHDAY", 31)
    by_position = _numbers(parts, "BYSETPOS", 31)
    if by_month_day and chosen == Frequency.WEEKLY:
        raise _refused(_("A weekly rule has no days of the month."))
    if by_position and (chosen == Frequency.DAILY or not (by_day or by_month_day)):
        raise _refused(_("BYSETPOS chooses among the days of a week or month that are given."))
    if not by_day and not by_month_day:
        if chosen == Frequency.WEEKLY:
            by_day = ((0, start.weekday()),)
        elif chosen == Frequency.MONTHLY:
            by_month_day = (start.day,)
    rule = Rule(
        "",
        start,
        None,
        chosen,
        interval=_one_number(parts, "INTERVAL", 366) or 1,
        by_day=by_day,
        by_month_day=by_month_day,
        by_position=by_position,
    )
    text = ";".join(f"{name}={value}" for name, value in parts.items())
    return replace(rule, text=text)


def _end(parts: dict[str, str]) -> tuple[int | None, date | None]:
    """COUNT and UNTIL."""
    if "COUNT" in parts and "UNTIL" in parts:
        raise _refused(_("A rule ends by COUNT or by UNTIL, not by both."))
    until = None
    if "UNTIL" in parts:
        try:
            if re.fullmatch("[0-9]{8}", parts["UNTIL"]) is None:
                raise ValueError
            until = datetime.strptime(parts["UNTIL"], "%Y%m%d").date()  # noqa: DTZ007 - a day
        except ValueError:
            raise _refused(_("UNTIL is a day that exists, such as 20301231.")) from None
    if len(parts.get("COUNT", "")) > 3 and parts["COUNT"].isdigit():
        raise _too_many()
    count = _one_number(parts, "COUNT", 999)
    if count is not None and count > MAX_SERIES_VISITS:
        raise _too_many()
    return count, until


def _weekdays(text: str | None, frequency: Frequency) -> tuple[tuple[int, int], ...]:
    if text is None:
        return ()
    found = [_BY_DAY.fullmatch(part) for part in text.split(",")]
    days = [(int(one[1] or 0), _DAYS.index(one[2])) for one in found if one is not None]
    if len(days) != len(found):
        raise _refused(_("BYDAY names weekdays, such as MO,TH or 2TU."))
    if frequency != Frequency.MONTHLY and any(ordinal for ordinal, _weekday in days):
        raise _refused(_("Only a monthly rule counts weekdays, as in 2TU."))
    return tuple(sorted(set(days)))


def _numbers(parts: dict[str, str], name: str, most: int) -> tuple[int, ...]:
    if name not in parts:
        return ()
    pieces = parts[name].split(",")
    numbers = [int(piece) for piece in pieces if _NUMBER.fullmatch(piece)]
    if len(numbers) != len(pieces) or any(not 1 <= abs(number) <= most for number in numbers):
        raise _refused(
            _("%(name)s is made of numbers from 1 to %(most)d, or from -%(most)d to -1.")
            % {"name": name, "most": most}
        )
    return tuple(sorted(set(numbers)))


def _one_number(parts: dict[str, str], name: str, most: int) -> int | None:
    if name not in parts:
        return None
    number = int(parts[name]) if re.fullmatch("[0-9]{1,3}", parts[name]) else 0
    if not 1 <= number <= most:
        raise _refused(_("%(name)s is a number from 1 to %(most)d.") % {"name": name, "most": most})
    return number


def _month(day: date) -> int:
    return day.year * 12 + day.month - 1


def _later(day: date, by: timedelta) -> date:
    return date.max if day > date.max - by else day + by


def _too_many() -> KairosError:
    return _refused(_("A series has %(most)d visits at most.") % {"most": MAX_SERIES_VISITS})


def _refused(sentence: str) -> KairosError:
    return invalid("rrule", sentence)
