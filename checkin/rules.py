"""The rules of checking in, once, for every way in. Pure: what was read goes in, a code comes out.

A visit is checked in on its own day, at its own location, from some minutes before its time to some
minutes after it; only visits in person are. Everything is judged at the moment at which somebody
stood there, which for a scan made offline lies back; so scans may reach us in any order.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from appointments.models import Appointment, AppointmentStatus
from checkin.geo import Coordinates, distance_metres, is_inside
from checkin.models import CheckIn, CheckInLocation, GeofencePolicy
from clinics.models import VisitMode
from core.errors import ErrorCode

ARRIVED: Final = frozenset(
    {
        AppointmentStatus.CHECKED_IN.value,
        AppointmentStatus.IN_PROGRESS.value,
        AppointmentStatus.COMPLETED.value,
    }
)
#: From these a visit is checked in. A no-show who comes after all is let in by staff.
EXPECTED: Final = frozenset(
    {
        AppointmentStatus.SCHEDULED.value,
        AppointmentStatus.CONFIRMED.value,
        AppointmentStatus.NO_SHOW.value,
    }
)
#: A device's clock may be wrong by this much and is still taken at its word.
CLOCK_TOLERANCE: Final = timedelta(minutes=2)
#: What a scan without the time of sending may lie back; beyond it the clock is not believed.
LONGEST_OFFLINE: Final = timedelta(hours=72)
#: No device keeps a scan longer than its answer is kept; such a pair of times says nothing.
LONGEST_KEPT: Final = timedelta(days=90)


def is_on_day_of(visit: Appointment, moment: datetime) -> bool:
    """Whether the visit begins on the day that the moment is of, by the clock of its location."""
    zone = ZoneInfo(visit.timezone)
    return visit.starts_at.astimezone(zone).date() == moment.astimezone(zone).date()


@dataclass(frozen=True, slots=True)
class Window:
    """When a visit is checked in."""

    opens_at: datetime
    closes_at: datetime


def window_of(visit: Appointment, point: CheckInLocation | None = None) -> Window:
    """The point's own minutes, where it has some; else the clinic's."""
    before, after = visit.clinic.checkin_opens_minutes, visit.clinic.checkin_closes_minutes
    if point is not None:
        before = before if point.opens_minutes is None else point.opens_minutes
        after = after if point.closes_minutes is None else point.closes_minutes
    return Window(
        visit.starts_at - timedelta(minutes=before), visit.starts_at + timedelta(minutes=after)
    )


def refusal(
    visit: Appointment,
    *,
    at: datetime,
    window: Window,
    here: UUID | None,
    by_staff: bool,
    arrival: CheckIn | None = None,
) -> ErrorCode | None:
    """Why the visit is not checked in at that moment; None when it is.

    `here` is the location at which somebody stands, None when nobody knows. `by_staff`: a person
    or device of the clinic looks on, not the patient alone.
    """
    if visit.type != VisitMode.IN_PERSON:
        return ErrorCode.VIDEO_APPOINTMENT
    if visit.status in ARRIVED:
        return ErrorCode.ALREADY_CHECKED_IN
    if visit.status not in EXPECTED:
        return ErrorCode.INVALID_TRANSITION
    if arrival is not None and arrival.undone_at is not None and at <= arrival.undone_at:
        return ErrorCode.INVALID_TRANSITION
    if here is not None and visit.location_id != here:
        return ErrorCode.WRONG_LOCATION
    if at < window.opens_at:
        return ErrorCode.TOO_EARLY
    if at > window.closes_at:
        # Past its window, a moment of another day is of a later one.
        over = not is_on_day_of(visit, at)
        return ErrorCode.APPOINTMENT_EXPIRED if over else ErrorCode.TOO_LATE
    if visit.status == AppointmentStatus.NO_SHOW and not by_staff:
        return ErrorCode.TOO_LATE
    return None


@dataclass(frozen=True, slots=True)
class Seen:
    """Where a phone was seen: how far away, and whether that is outside the geofence."""

    distance_metres: int | None
    outside: bool
    refused: bool


NOT_ASKED: Final = Seen(None, outside=False, refused=False)


def seen_from(point: CheckInLocation, coordinates: Coordinates | None) -> Seen:
    """Judge where a patient's own phone is, if the point or its location has a geofence."""
    radius = point.geofence_metres or point.location.geofence_metres
    latitude, longitude = point.latitude, point.longitude
    if latitude is None or longitude is None:
        latitude, longitude = point.location.latitude, point.location.longitude
    if radius is None or latitude is None or longitude is None:
        return NOT_ASKED
    must = point.geofence_policy == GeofencePolicy.REFUSE
    if coordinates is None:
        return Seen(None, outside=True, refused=must)
    metres = distance_metres(
        float(latitude), float(longitude), coordinates.latitude, coordinates.longitude
    )
    outside = not is_inside(metres, radius=radius, accuracy=coordinates.accuracy)
    return Seen(round(metres), outside=outside, refused=outside and must)


def happened_at(
    *, scanned_at: datetime | None, sent_at: datetime | None, received_at: datetime
) -> datetime:
    """When somebody stood there, by our own clock.

    A device tells when it scanned and when it sent, both by its own clock: what lies between is
    right even when the clock is not.
    """
    if scanned_at is None:
        return received_at
    if sent_at is None:
        believed = received_at - LONGEST_OFFLINE <= scanned_at
        return min(scanned_at, received_at) if believed else received_at
    if abs(sent_at - scanned_at) > LONGEST_KEPT:
        return received_at
    skew = received_at - sent_at
    at = scanned_at + skew if abs(skew) > CLOCK_TOLERANCE else scanned_at
    return min(at, received_at)
