"""By what figures are grouped, in which order the groups stand, and what people read for each."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any, Final
from uuid import UUID

from django.utils.dates import WEEKDAYS
from django.utils.formats import date_format, time_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from checkin.models import CheckInMethod
from clinics.models import Doctor, Location
from core.errors import ErrorCode

#: How long before the visit it was booked, in whole local days; the last is open.
LEADS: Final[dict[str, str | Promise]] = {
    "0": gettext_lazy("The same day"),
    "1-3": gettext_lazy("1 to 3 days"),
    "4-7": gettext_lazy("4 to 7 days"),
    "8-14": gettext_lazy("8 to 14 days"),
    "15-30": gettext_lazy("15 to 30 days"),
    "31-90": gettext_lazy("31 to 90 days"),
    "91+": gettext_lazy("More than 90 days"),
}
#: When somebody checked in, measured from the visit's time.
TIMINGS: Final[dict[str, str | Promise]] = {
    "EARLY_30": gettext_lazy("More than 30 minutes early"),
    "EARLY_15": gettext_lazy("15 to 30 minutes early"),
    "EARLY_5": gettext_lazy("5 to 15 minutes early"),
    "ON_TIME": gettext_lazy("On time, give or take 5 minutes"),
    "LATE_5": gettext_lazy("5 to 15 minutes late"),
    "LATE_15": gettext_lazy("More than 15 minutes late"),
    "NONE": gettext_lazy("Not checked in"),
}


@dataclass(frozen=True, slots=True)
class Dimension:
    """One way to group. `order` lists its keys where they are few and known.

    `empty`: what to call rows that have none of it; None leaves them out.
    """

    word: Callable[[str], str]
    order: tuple[str, ...] = ()
    empty: str | Promise | None = None


def _day(key: str) -> str:
    return date_format(date.fromisoformat(key), "SHORT_DATE_FORMAT")


def _hour(key: str) -> str:
    return time_format(time(int(key)), "TIME_FORMAT")


def _weekday(key: str) -> str:
    return str(WEEKDAYS[int(key) - 1])


def _from(words: Mapping[str, str | Promise]) -> Callable[[str], str]:
    return lambda key: str(words.get(key, key))


_METHODS: Final = {one.value: one.label for one in CheckInMethod}
_REASONS: Final = {one.value: one.label for one in ErrorCode}

DIMENSIONS: Final[dict[str, Dimension]] = {
    "day": Dimension(_day),
    "week": Dimension(_day),
    "weekday": Dimension(_weekday, tuple("1234567")),
    "hour": Dimension(_hour, tuple(str(hour) for hour in range(24))),
    "location": Dimension(str, empty=gettext_lazy("Without a location")),
    "doctor": Dimension(str, empty=gettext_lazy("Whoever is free")),
    "method": Dimension(_from(_METHODS), tuple(_METHODS)),
    "reason": Dimension(_from(_REASONS)),
    "timing": Dimension(_from(TIMINGS), tuple(TIMINGS)),
    "lead": Dimension(_from(LEADS), tuple(LEADS), empty=gettext_lazy("Not known")),
}
_NAMED: Final[dict[str, tuple[Any, str]]] = {
    "location": (Location, "name"),
    "doctor": (Doctor, "display_name"),
}


def names_of(dimension: str, keys: Iterable[str]) -> dict[str, str]:
    """What to call the keys of a dimension. One statement for doctors and for locations."""
    wanted = list(keys)
    if dimension in _NAMED:
        model, column = _NAMED[dimension]
        rows = model.objects.filter(pk__in=[UUID(key) for key in wanted])
        found = {str(pk): name for pk, name in rows.values_list("pk", column)}
        return {key: found.get(key, _("Unknown")) for key in wanted}
    return {key: DIMENSIONS[dimension].word(key) for key in wanted}


def place_of_key(dimension: str, key: str | None, name: str) -> tuple[int, int, str]:
    """Where a group stands among the others of its dimension."""
    order = DIMENSIONS[dimension].order
    if key is None:
        return 2, 0, ""
    if order:
        return 0, order.index(key) if key in order else len(order), key
    return 1, 0, name.casefold() if dimension in {*_NAMED, "reason"} else key
