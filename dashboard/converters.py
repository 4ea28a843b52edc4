"""Parts of addresses."""

from datetime import date

from django.urls import register_converter


class DayConverter:
    """A calendar day, `2026-12-01`. Other centuries have addresses, for the first and the last day
    link to them, but no pages."""

    regex = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"

    def to_python(self, value: str) -> date:
        day = date.fromisoformat(value)
        if day.year not in range(2000, 2100):
            raise ValueError(value)
        return day

    def to_url(self, value: date | str) -> str:
        return str(value)


register_converter(DayConverter, "day")
