"""Names of the IANA time zone database (https://www.iana.org/time-zones)."""

from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo, available_timezones

from babel.dates import get_timezone_location
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core import clock

_TIMEZONES = frozenset(available_timezones())
#: The database's own parts of the world, in the order of its names.
_REGIONS = {
    "Africa": _("Africa"),
    "America": _("America"),
    "Antarctica": _("Antarctica"),
    "Arctic": _("Arctic"),
    "Asia": _("Asia"),
    "Atlantic": _("Atlantic"),
    "Australia": _("Australia"),
    "Europe": _("Europe"),
    "Indian": _("Indian Ocean"),
    "Pacific": _("Pacific"),
}
Choice = tuple[str, str]


def validate_timezone(value: str) -> None:
    """Raises ValidationError unless `value` is an IANA time zone name."""
    if value not in _TIMEZONES:
        raise ValidationError(_("Not a time zone of the IANA database."))


def timezone_choices(language: str, present: str) -> list[Choice | tuple[str, list[Choice]]]:
    """Zones to choose from, by part of the world, with the city's name in `language` and the
    distance from UTC at this moment. `present` is among them also when it is an old name.
    """
    now = clock.now()
    regions: dict[str, list[Choice]] = {name: [] for name in _REGIONS}
    others: list[Choice] = []
    for name in sorted({*_listed(), present} - {"UTC"}):
        region, _slash, _city = name.partition("/")
        choice = (name, f"{_city_name(name, language)} ({_distance(name, now)})")
        regions.get(region, others).append(choice)
    grouped = [
        (str(_REGIONS[region]), sorted(choices, key=lambda choice: choice[1]))
        for region, choices in regions.items()
        if choices
    ]
    return [("UTC", gettext("Coordinated universal time (UTC)")), *others, *grouped]


@lru_cache
def _listed() -> tuple[str, ...]:
    """One name for each zone of a country: the database's old spellings are left out."""
    table = (files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8")
    lines = (line.split("\t") for line in table.splitlines() if not line.startswith("#"))
    return tuple(fields[2] for fields in lines if fields[2] in _TIMEZONES)


@lru_cache(maxsize=4096)
def _city_name(name: str, language: str) -> str:
    if name not in _TIMEZONES:
        return name
    return get_timezone_location(name, locale=language, return_city=True)


def _distance(name: str, at: datetime) -> str:
    """Such as UTC+05:30; the same in every language."""
    if name not in _TIMEZONES:
        return "?"
    offset = at.astimezone(ZoneInfo(name)).strftime("%z")
    return f"UTC{offset[:3]}:{offset[3:5]}"
