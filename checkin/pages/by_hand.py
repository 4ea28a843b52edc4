"""Checking in by hand, as the desk and the back office do it: tried, and why not, in words."""

from datetime import datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils.formats import date_format, time_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.roles import Permission
from appointments.models import Appointment
from checkin.services.arrival import FORCEABLE, check_in_by_hand
from clinics.principal import Principal
from core.errors import KairosError
from core.forms import attempted

#: What is said most often when somebody is checked in outside the window.
USUAL: Final = (
    gettext_lazy("Arrived early"),
    gettext_lazy("Arrived late"),
    gettext_lazy("Asked by the doctor"),
)


def attempted_by_hand(
    *, visit: UUID, by: Principal, expected_version: int | None, reason: str = ""
) -> tuple[Appointment | None, KairosError | None]:
    """Check the visit in, with a reason also outside the window; or why not.

    As `core.forms.attempted`, but that somebody tried outside the window stays written down.
    """

    def act() -> Appointment | KairosError:
        try:
            return check_in_by_hand(
                appointment_id=visit, by=by, expected_version=expected_version, reason=reason
            )
        except KairosError as refusal:
            if refusal.code in FORCEABLE:
                return refusal
            raise

    found, refusal = attempted(act)
    if isinstance(found, KairosError):
        return None, found
    return found, refusal


def may_force(by: Principal, refusal: KairosError, *, clinic: UUID) -> bool:
    """Whether to offer this person to check in all the same."""
    return refusal.code in FORCEABLE and by.may(Permission.CHECKIN_FORCE, clinic)


def window_said(refusal: KairosError, zone: ZoneInfo) -> str:
    """Why not, and when check-in is open, on the clock of the place."""
    opens, closes = refusal.extra.get("opens_at"), refusal.extra.get("closes_at")
    if refusal.code not in FORCEABLE or opens is None or closes is None:
        return str(refusal.code.label)
    return _("%(why)s. It is open on %(day)s from %(opens)s to %(closes)s.") % {
        "why": refusal.code.label,
        "day": date_format(opens.astimezone(zone), "D j M"),
        "opens": _clock(opens, zone),
        "closes": _clock(closes, zone),
    }


def _clock(moment: datetime, zone: ZoneInfo) -> str:
    return time_format(moment.astimezone(zone).time(), "TIME_FORMAT")
