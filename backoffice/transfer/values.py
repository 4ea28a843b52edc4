"""Cells as values and values as cells: the widgets of the columns (django-import-export).

`clean` is given stripped text that is not empty, and raises `BadCell`; `render` gives what `clean`
understands.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

import phonenumbers
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import models
from django.utils.translation import gettext as _
from import_export.widgets import Widget

from accounts.phones import normalise_phone
from appointments.importing.refusals import Refusal
from backoffice.models import DateStyle
from backoffice.transfer.dates import clock_read, day_read, moment_read
from backoffice.transfer.faults import BadCell, FaultCode
from backoffice.transfer.headers import folded

_SHOWN = 40
_YES = frozenset({"1", "yes", "y", "true", "x", "on", "active", "si", "sim", "s", "verdadero"})
_NO = frozenset({"0", "no", "n", "false", "off", "inactive", "nao", "falso"})


@dataclass(frozen=True, slots=True)
class Reading:
    """How the cells of one file are to be read. `country` is ISO 3166, or ''."""

    style: str = DateStyle.ISO
    country: str = ""


class Text(Widget):
    """A text of at most `longest` characters."""

    def __init__(self, longest: int = 200) -> None:
        super().__init__()
        self.longest = longest

    def clean(self, value: str, row: Any = None, **kwargs: Any) -> Any:
        if len(value) > self.longest:
            raise BadCell(
                _("longer than %(longest)s characters") % {"longest": self.longest},
                Refusal.TEXT_TOO_LONG,
            )
        return value


class Email(Text):
    """An email address."""

    def __init__(self) -> None:
        super().__init__(254)

    def clean(self, value: str, row: Any = None, **kwargs: Any) -> str:
        try:
            validate_email(super().clean(value))
        except ValidationError:
            raise BadCell(_("%(text)s is no email address") % _shown(value)) from None
        return value


class Phone(Widget):
    """A phone number, in E.164 form."""

    def clean(self, value: str, row: Any = None, *, reading: Reading, **kwargs: Any) -> str:
        # A spreadsheet that took the number for an amount.
        text = value.removesuffix(".0") if re.fullmatch(r"\d+\.0", value) else value
        number = normalise_phone(text, reading.country or None)
        if number is not None:
            return number
        if not reading.country and not text.startswith("+"):
            raise BadCell(
                _("%(text)s has no country; write it like +14155550123, or choose the country")
                % _shown(value),
                FaultCode.PHONE_WITHOUT_COUNTRY,
            )
        raise BadCell(_("%(text)s is no phone number") % _shown(value))


class Day(Widget):
    """A day; ISO 8601 when rendered."""

    def clean(self, value: str, row: Any = None, *, reading: Reading, **kwargs: Any) -> date:
        found = day_read(value, reading.style)
        if found is None:
            raise BadCell(
                _("%(text)s is no day, with the %(style)s")
                % _shown(value, style=DateStyle(reading.style).label),
                Refusal.BAD_DATE,
            )
        return found

    def render(self, value: date | None, obj: Any = None, **kwargs: Any) -> str:
        return value.isoformat() if value is not None else ""


class Moment(Widget):
    """A moment: ISO 8601 text, with its offset if it was written with one."""

    def clean(self, value: str, row: Any = None, *, reading: Reading, **kwargs: Any) -> str:
        found = moment_read(value, reading.style)
        if found is None:
            raise BadCell(
                _("%(text)s is no day with a time, with the %(style)s")
                % _shown(value, style=DateStyle(reading.style).label),
                Refusal.BAD_DATE,
            )
        return found

    def render(self, value: datetime | None, obj: Any = None, **kwargs: Any) -> str:
        return value.isoformat(timespec="seconds") if value is not None else ""


class Clock(Widget):
    """A time of day; HH:MM when rendered."""

    def clean(self, value: str, row: Any = None, **kwargs: Any) -> time:
        found = clock_read(value)
        if found is None:
            raise BadCell(_("%(text)s is no time of day") % _shown(value))
        return found

    def render(self, value: time | None, obj: Any = None, **kwargs: Any) -> str:
        return value.isoformat(timespec="minutes") if value is not None else ""


class Number(Widget):
    """A whole number that is not negative. What is a sensible one, the model says."""

    def clean(self, value: str, row: Any = None, **kwargs: Any) -> int:
        if not re.fullmatch(r"\d{1,9}(\.0+)?", value):
            raise BadCell(_("%(text)s is no whole number") % _shown(value))
        return int(value.partition(".")[0])

    def render(self, value: int | None, obj: Any = None, **kwargs: Any) -> str:
        return "" if value is None else str(value)


class Flag(Widget):
    """Yes or no."""

    def clean(self, value: str, row: Any = None, **kwargs: Any) -> bool:
        said = folded(value)
        if said in _YES:
            return True
        if said in _NO:
            return False
        raise BadCell(_("%(text)s is neither yes nor no") % _shown(value))

    def render(self, value: bool | None, obj: Any = None, **kwargs: Any) -> str:
        return "yes" if value else "no"


class Choice(Widget):
    """One of a set: its value, its label, or another word for it (`also`)."""

    def __init__(
        self,
        choices: type[models.Choices],
        *,
        also: Mapping[str, Iterable[str]] | None = None,
        code: Refusal = Refusal.BAD_VALUE,
    ) -> None:
        super().__init__()
        self.code = code
        self.choices = choices
        self._found: dict[str, Any] = {}
        for one in choices:
            for word in (str(one.value), one.name, *(also or {}).get(one.name, ())):
                self._found[folded(word)] = one.value

    def clean(self, value: str, row: Any = None, **kwargs: Any) -> Any:
        said = folded(value)
        if said in self._found:
            return self._found[said]
        for one in self.choices:
            if folded(str(one.label)) == said:
                return one.value
        raise BadCell(
            _("%(text)s is none of %(choices)s")
            % _shown(value, choices=", ".join(str(one.value) for one in self.choices)),
            self.code,
        )


class Words(Widget):
    """Several texts in a cell, between semicolons; `each` reads one of them."""

    def __init__(self, each: Widget | None = None) -> None:
        super().__init__()
        self.each = each or Text(80)

    def clean(self, value: str, row: Any = None, **kwargs: Any) -> list[Any]:
        parts = (part.strip() for part in re.split(r"[;|\n]", value))
        # Once each, in the order given.
        return list(dict.fromkeys(self.each.clean(part, **kwargs) for part in parts if part))

    def render(self, value: Iterable[Any] | None, obj: Any = None, **kwargs: Any) -> str:
        return "; ".join(str(one) for one in value or ())


def country_known(code: str) -> bool:
    """Whether ISO 3166 `code` has phone numbers."""
    return code in phonenumbers.SUPPORTED_REGIONS


def _shown(text: str, **more: Any) -> dict[str, Any]:
    return {"text": f"“{text[:_SHOWN]}{'…' if len(text) > _SHOWN else ''}”", **more}
