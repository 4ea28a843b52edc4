"""Whether a time is one that somebody waits for, and when they may be asked. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from appointments.models import Priority

#: The more urgent, the smaller; who waits longest comes first among equals.
RANK: Final[dict[str, int]] = {
    Priority.URGENT: 0,
    Priority.HIGH: 1,
    Priority.NORMAL: 2,
    Priority.LOW: 3,
}
#: An offer that nobody answers is over after this, even if its time is far away.
GOOD_FOR: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Start:
    """A visit that could be booked; `timezone` is the zone of the place."""

    doctor: UUID
    location: UUID | None
    starts_at: datetime
    ends_at: datetime
    timezone: str


@dataclass(frozen=True, slots=True)
class Wish:
    """When and with whom somebody would come. Empty means any; see `WaitlistEntry`."""

    earliest: date
    latest: date
    doctors: Collection[UUID] = ()
    location: UUID | None = None
    weekdays: Collection[int] = ()
    time_from: time | None = None
    time_to: time | None = None


def fits(wish: Wish, start: Start) -> bool:
    """Whether the wish is for this visit, by the local wall clock of its place.

    `time_to` is when the visit has to be over, on the day on which it began.
    """
    zone = ZoneInfo(start.timezone)
    begins, ends = start.starts_at.astimezone(zone), start.ends_at.astimezone(zone)
    if wish.doctors and start.doctor not in wish.doctors:
        return False
    if wish.location is not None and start.location != wish.location:
        return False
    if not wish.earliest <= begins.date() <= wish.latest:
        return False
    if wish.weekdays and begins.isoweekday() not in wish.weekdays:
        return False
    if wish.time_from is not None and begins.time() < wish.time_from:
        return False
    return wish.time_to is None or (ends.date() == begins.date() and ends.time() <= wish.time_to)


def sending_moment(now: datetime, *, zone: str, begin: time, end: time) -> datetime:
    """`now` inside the sending hours [begin, end) of a local day, else when they next begin.

    A beginning that the clocks skip is moved on by what they skip; of one that comes twice the
    first counts.
    """
    local = now.astimezone(ZoneInfo(zone))
    if begin <= local.time() < end:
        return now
    day = local.date() if local.time() < begin else local.date() + timedelta(days=1)
    opens = datetime.combine(day, begin, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    # Between two passes of an hour that comes twice the hours have begun already.
    return max(opens, now)


def last_answer(starts_at: datetime, *, stop_minutes: int) -> datetime:
    """Until when a time is offered: so long before its start."""
    return starts_at - timedelta(minutes=stop_minutes)


def good_until(now: datetime, starts_at: datetime, *, stop_minutes: int) -> datetime:
    """Until when an offer made now can be accepted: `GOOD_FOR`, or the last answer if earlier.

    One made inside the stop (by hand: the desk has the patient on the phone) is good until the
    visit begins.
    """
    last = last_answer(starts_at, stop_minutes=stop_minutes)
    return min(last if last > now else starts_at, now + GOOD_FOR)
