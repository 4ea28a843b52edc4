"""The present of these tests, and the moments around it."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

BERLIN = ZoneInfo("Europe/Berlin")
#: A Monday, 07:00 in Berlin: an hour before the doors open.
NOW = datetime(2035, 6, 4, 7, 0, tzinfo=BERLIN)


def berlin(days: int = 1, hour: int = 9, minute: int = 0) -> datetime:
    """A wall-clock time in Berlin some days from today; Tuesday 09:00 unless said."""
    day = NOW + timedelta(days=days)
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=BERLIN)
