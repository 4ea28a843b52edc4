"""What a patient reads when a scan is refused: what is the matter, and what to do next."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import clock
from core.errors import ErrorCode

_RECEPTION: Final = gettext_lazy("Please go to the reception.")
#: By code: what is the matter, and what to do.
_WORDS: Final[dict[ErrorCode, tuple[Promise, Promise]]] = {
    ErrorCode.INVALID_QR_CODE: (
        gettext_lazy("This is not a check-in code"),
        gettext_lazy("Scan the code on the clinic's poster or screen, or go to the reception."),
    ),
    ErrorCode.QR_CODE_EXPIRED: (
        gettext_lazy("This code is no longer used"),
        gettext_lazy("Scan the code that hangs or is shown here now, or go to the reception."),
    ),
    ErrorCode.LOCATION_INACTIVE: (
        gettext_lazy("Nobody can check in here at the moment"),
        _RECEPTION,
    ),
    ErrorCode.NO_APPOINTMENT_FOUND: (
        gettext_lazy("We found no visit of yours here today"),
        gettext_lazy("Check the day of your visit, or go to the reception."),
    ),
    ErrorCode.WRONG_LOCATION: (gettext_lazy("Your visit is at another place"), _RECEPTION),
    ErrorCode.APPOINTMENT_EXPIRED: (gettext_lazy("This visit is over"), _RECEPTION),
    ErrorCode.TOO_EARLY: (
        gettext_lazy("It is too early to check in"),
        gettext_lazy("Come back later, and scan the code again."),
    ),
    ErrorCode.TOO_LATE: (
        gettext_lazy("It is too late to check in here"),
        gettext_lazy("Please go to the reception. They will see what can be done."),
    ),
    ErrorCode.OUTSIDE_GEOFENCE: (
        gettext_lazy("Your phone does not say that you are here"),
        gettext_lazy("Let it say where it is, and try again. Or go to the reception."),
    ),
    ErrorCode.VIDEO_APPOINTMENT: (
        gettext_lazy("This visit is not at the clinic"),
        gettext_lazy(
            "It is by video, by phone or at your home. There is nothing to check in here."
        ),
    ),
    ErrorCode.INVALID_TRANSITION: (
        gettext_lazy("You cannot check in for this visit"),
        gettext_lazy("It may be cancelled, or not confirmed yet. Please go to the reception."),
    ),
    ErrorCode.ALREADY_CHECKED_IN: (
        gettext_lazy("You are checked in already"),
        gettext_lazy("Please wait until your number is called."),
    ),
    ErrorCode.IDEMPOTENCY_MISMATCH: (
        gettext_lazy("This page was used before"),
        gettext_lazy("Scan the code again."),
    ),
}


@dataclass(frozen=True, slots=True)
class About:
    """The visit that a refusal is about, its own patient's; `where` is its location's name."""

    starts_at: datetime
    opens_at: datetime | None
    timezone: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """`title` is what is the matter, `advice` what to do next."""

    title: str
    advice: str


def said_of(code: ErrorCode, about: About | None = None) -> Said:
    """The words for a code."""
    title, advice = map(str, _WORDS.get(code, (code.label, _RECEPTION)))
    if about is not None and code == ErrorCode.TOO_EARLY and about.opens_at is not None:
        advice = _(
            "Your visit is at %(starts)s. You can check in from %(opens)s:"
            " scan the code again then."
        ) % {
            "starts": _moment(about.starts_at, about.timezone),
            "opens": _moment(about.opens_at, about.timezone),
        }
    if about is not None and code == ErrorCode.WRONG_LOCATION and about.where:
        advice = _("It is at %(place)s. Please go there, or ask at the reception here.") % {
            "place": about.where
        }
    return Said(title, advice)


def _moment(moment: datetime, timezone: str) -> str:
    """In that time zone; with its date when that is not today."""
    local = moment.astimezone(ZoneInfo(timezone))
    is_today = local.date() == clock.now().astimezone(local.tzinfo).date()
    return date_format(local, "TIME_FORMAT" if is_today else "DATETIME_FORMAT")
