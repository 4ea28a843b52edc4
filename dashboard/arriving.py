"""What the desk says of an arrival."""

from typing import Any
from zoneinfo import ZoneInfo

from django.utils.formats import time_format
from django.utils.translation import gettext as _

from appointments.models import Appointment, Verb
from checkin.models import CheckIn
from checkin.selectors.tokens import tokens_of
from dashboard.steps import SAID


def checked_in_said(visit: Appointment) -> str:
    """That it is done, with the token where there is a queue."""
    token = tokens_of([visit.id]).get(visit.id)
    if token is None:
        return str(SAID[Verb.CHECK_IN])
    return _("Checked in. Token %(token)s.") % {"token": token}


def arrival_said(arrival: CheckIn, zone: ZoneInfo) -> list[tuple[str, str]]:
    """When and how somebody was checked in, for a list of facts."""
    at = arrival.checked_in_at.astimezone(zone).time()
    found = {"time": time_format(at, "TIME_FORMAT"), "how": arrival.get_method_display()}
    by: Any = arrival.by or arrival.device
    if by is not None:
        said = _("%(time)s · %(how)s · %(by)s") % {**found, "by": by}
    else:
        said = _("%(time)s · %(how)s") % found
    facts = [(_("Checked in"), said)]
    if arrival.forced:
        facts.append((_("Past the window"), arrival.reason))
    if arrival.outside_geofence:
        facts.append((_("Where"), _("From outside the geofence")))
    return facts
