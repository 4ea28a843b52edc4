"""Dates, times and numbers in the four languages of the pages."""

from datetime import datetime

import pytest
from django.conf import settings
from django.forms import DateField, DateInput
from django.utils import formats, translation

LANGUAGES = [code for code, _name in settings.LANGUAGES]
MORNING = datetime(2026, 3, 5, 9, 5)  # noqa: DTZ001 - what is shown is local time already
EVENING = datetime(2026, 3, 5, 21, 30)  # noqa: DTZ001 - same
KINDS = [name for name in formats.FORMAT_SETTINGS if name.endswith("_FORMAT")]


@pytest.mark.parametrize("language", LANGUAGES)
def test_hours_are_those_of_a_whole_day(language: str) -> None:
    with translation.override(language):
        assert formats.time_format(MORNING.time()) == "09:05"
        for kind in ("DATETIME_FORMAT", "SHORT_DATETIME_FORMAT"):
            assert formats.date_format(MORNING, kind).endswith("09:05")
            assert formats.date_format(EVENING, kind).endswith("21:30")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_format_is_that_of_another_country(language: str, kind: str) -> None:
    """What a language leaves out is filled in by Django as Americans write it."""
    with translation.override(language):
        written = formats.get_format(kind)
    assert "N" not in written.replace("\\N", "")
    assert "P" not in written
    assert "m/d" not in written


@pytest.mark.parametrize(
    ("language", "date", "number"),
    [
        ("en", "5 Mar 2026", "1234.5"),
        ("es", "5 de marzo de 2026", "1234,5"),
        ("hi", "5 मार्च 2026", "1234.5"),
        ("ar", "5 مارس، 2026", "1234,5"),
    ],
)
def test_dates_and_numbers(language: str, date: str, number: str) -> None:
    with translation.override(language):
        assert formats.date_format(MORNING) == date
        assert formats.number_format(1234.5) == number


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_date_field_says_what_the_browser_understands(language: str) -> None:
    with translation.override(language):
        html = DateInput(attrs={"type": "date"}).render("day", MORNING.date())
        assert 'value="2026-03-05"' in html
        assert DateField().clean("05/03/2026") == MORNING.date(), "the day comes first"
