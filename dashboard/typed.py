"""Days and times of day as people type them."""

import re
from dataclasses import dataclass
from datetime import date, time, timedelta

from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _

from clinics.selectors.patients import parse_birth_date

_TIME = re.compile(r"(?P<hour>[01]?\d|2[0-3])[:.](?P<minute>[0-5]\d)")
_FIRST, _LAST = date(2000, 1, 1), date(2099, 12, 31)


@dataclass(frozen=True, slots=True)
class Moment:
    """What was typed: a day, a time of day, or both."""

    day: date | None
    at: time | None


def moment_in(text: str, today: date) -> Moment | None:
    """`tomorrow`, `Friday 14:30`, `2026-12-01`, `9:15`; None when it is no day and no time.

    A weekday is the next one of that name, today included. Days lie between 2000 and 2099.
    """
    words = text.casefold().split()
    at: time | None = None
    if words and (found := _TIME.fullmatch(words[-1])):
        at = time(int(found["hour"]), int(found["minute"]))
        words.pop()
    if not words:
        return Moment(None, at) if at is not None else None
    day = _day(" ".join(words), today)
    return Moment(day, at) if day is not None else None


def _day(text: str, today: date) -> date | None:
    near = {_("today"): 0, _("tomorrow"): 1, _("yesterday"): -1}
    for word, days in near.items():
        if text == word.casefold():
            return today + timedelta(days=days)
    for number, name in WEEKDAYS.items():
        if text == str(name).casefold():
            return today + timedelta(days=(number - today.weekday()) % 7)
    found = parse_birth_date(text)
    return found if found is not None and _FIRST <= found <= _LAST else None
