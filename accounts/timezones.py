"""Names of the IANA time zone database (https://www.iana.org/time-zones)."""

from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

_TIMEZONES = frozenset(available_timezones())


def validate_timezone(value: str) -> None:
    """Raises ValidationError unless `value` is an IANA time zone name."""
    if value not in _TIMEZONES:
        raise ValidationError(_("Not a time zone of the IANA database."))
