"""Days and times as people write them, and which of the ways a column follows."""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, time
from functools import lru_cache

from backoffice.models import DateStyle

_ISO = re.compile(r"(\d{4})-(\d\d?)-(\d\d?)")
_YEAR_FIRST = re.compile(r"(\d{4})[/.](\d\d?)[/.](\d\d?)")
_YEAR_LAST = re.compile(r"(\d\d?)([/.\-])(\d\d?)\2(\d{4})")
_MOMENT = re.compile(r"(?P<day>[\d/.\-]{8,10})[T ,]+(?P<clock>\d\d?:\d\d.*)")
_MIDNIGHT = re.compile(r"0?0:00(:00(\.0+)?)?(Z|[+-]00:?00)?")
_CLOCK = re.compile(r"(\d\d?)(?:[:.h](\d\d)|h)?(?::(\d\d))?\s*([AaPp])?\.?[Mm]?\.?")


# A file has many lines and few days.
@lru_cache(maxsize=4096)
def day_read(text: str, style: str) -> date | None:
    """The day that `text` names, or None. ISO 8601 and dotted dates (day first) in any style.

    A midnight after it is passed over: that is how spreadsheets write a day.
    """
    moment = _MOMENT.fullmatch(text)
    if moment is not None and _MIDNIGHT.fullmatch(moment["clock"]):
        text = moment["day"]
    try:
        if match := (_ISO.fullmatch(text) or _YEAR_FIRST.fullmatch(text)):
            return date(int(match[1]), int(match[2]), int(match[3]))
        match = _YEAR_LAST.fullmatch(text)
        if match is None:
            return None
        first, between, second, year = int(match[1]), match[2], int(match[3]), int(match[4])
        if between == ".":
            return date(year, second, first)
        if style == DateStyle.DAY_FIRST:
            return date(year, second, first)
        if style == DateStyle.MONTH_FIRST:
            return date(year, first, second)
    except ValueError:
        return None
    return None


def moment_read(text: str, style: str) -> str | None:
    """The moment that `text` names in ISO 8601, with its offset if it has one; or None.

    A day without a time is no moment.
    """
    try:
        if ":" not in text:
            return None
        return datetime.fromisoformat(text).isoformat()
    except ValueError:
        pass
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    day, clock = day_read(match["day"], style), clock_read(match["clock"])
    if day is None or clock is None:
        return None
    return datetime.combine(day, clock).isoformat()


def clock_read(text: str) -> time | None:
    """A time of day such as 9:00, 09:00:00, 9.00, 9h, 9 am; or None."""
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        return None
    hour, minute = int(match[1]), int(match[2] or 0)
    if match[4]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if match[4] in "Pp" else 0)
    if hour == 24 and minute == 0:
        hour = 0
    try:
        return time(hour, minute, int(match[3] or 0))
    except ValueError:
        return None


def style_found(texts: Iterable[str]) -> DateStyle | None:
    """The style that the cells follow; None when they could be read either way.

    Cells that are no days are passed over: they are refused one by one later. When both styles
    occur, the one of more cells is taken, and the others are refused.
    """
    seen: Counter[DateStyle] = Counter()
    undecided = False
    for text in texts:
        match = _YEAR_LAST.match(text.strip())
        if match is None or match[2] == ".":
            continue
        first, second = int(match[1]), int(match[3])
        if first > 12 >= second:
            seen[DateStyle.DAY_FIRST] += 1
        elif second > 12 >= first:
            seen[DateStyle.MONTH_FIRST] += 1
        else:
            undecided = True
    if seen:
        return seen.most_common(1)[0][0]
    return None if undecided else DateStyle.ISO
