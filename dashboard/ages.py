"""How old somebody is, as one says it."""

from datetime import date

from django.utils.translation import ngettext

#: Children younger than this many months are so many months old.
_INFANT_MONTHS = 24


def age_said(born: date, today: date) -> str:
    """Whole years, of infants months. Empty for a birth date to come."""
    months = (today.year - born.year) * 12 + today.month - born.month - (today.day < born.day)
    if months < 0:
        return ""
    if months < _INFANT_MONTHS:
        return ngettext("%(count)d month", "%(count)d months", months) % {"count": months}
    years = months // 12
    return ngettext("%(count)d year", "%(count)d years", years) % {"count": years}
