"""Fitting visits together: which free starts of several items make one bundle. Pure.

What is searched are states: which items are left, and when the one before is over. Each is worked
out once and remembered, whichever way it was reached, so there are at most as many as subsets of
the items (`2^6`) times the distinct ends of their starts. Where neither a longest gap nor buffers
stand against it, the first start of an item that fits is as good as any later one (it leaves all
that a later one would leave, and more), so that a state takes at most one step for each item left.
With them every start inside the gap may be tried; `MOST_STEPS` then ends the search, and it says
how far it came.

Whom a visit is with matters to the others through buffers and caps only. So what follows is found
first as if it did not matter, and then somebody is chosen who is not in its way. Only when each of
them is, which are then no more than there are items left, they are tried one by one. For the same
reason `MOST_SEATS` doctors at a start are as good as any number: the other visits take five.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

#: Starts tried before a search gives up: well under a second.
MOST_STEPS = 60_000
#: Doctors that need to be known of a start.
MOST_SEATS = 6
_NONE = timedelta()


@dataclass(frozen=True, slots=True)
class Seat:
    """With whom and where a visit could be."""

    doctor: UUID
    location: UUID | None
    timezone: str


@dataclass(frozen=True, slots=True)
class Start:
    """A free start of an item, on a local day, with everyone who is free then."""

    starts_at: datetime
    ends_at: datetime
    day: date
    seats: tuple[Seat, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One of the visits wanted: its free starts, earliest first, and the buffers around it."""

    starts: Sequence[Start]
    before: timedelta = _NONE
    after: timedelta = _NONE


@dataclass(frozen=True, slots=True)
class Spacing:
    """How visits stand to one another. Gaps are from the end of one to the start of the next."""

    in_order: bool = True
    same_day: bool = True
    min_gap: timedelta = _NONE
    max_gap: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """An item of a bundle at its start, with its seat."""

    item: int
    start: Start
    seat: Seat


Chain = tuple[Placed, ...]
#: Doctors whose time is taken, with their buffers, beyond the end of the visit before.
Held = tuple[tuple[UUID, datetime], ...]
_Key = tuple[int, datetime, date | None, Held]


class TooLong(Exception):
    """The search has taken `MOST_STEPS`."""


@dataclass(slots=True)
class Fitting:
    """The search over some items.

    `once` are local days, first and last, in which a doctor can have no more than one visit of a
    bundle, because the day or the week has no room for two.
    """

    items: Sequence[Item]
    spacing: Spacing
    once: set[tuple[UUID, date, date]] = field(default_factory=set)
    steps: int = 0
    _known: dict[_Key, Chain | None] = field(default_factory=dict)
    _moments: list[list[datetime]] = field(default_factory=list)
    _lengths: list[timedelta] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._moments = [[start.starts_at for start in item.starts] for item in self.items]
        self._lengths = [
            min((start.ends_at - start.starts_at for start in item.starts), default=_NONE)
            for item in self.items
        ]

    def beginnings(self) -> list[datetime]:
        """The moments at which a bundle could begin, earliest first."""
        if not all(self._moments):  # of one there is none
            return []
        of = self._moments[:1] if self.spacing.in_order else self._moments
        return sorted({moment for moments in of for moment in moments})

    def bundle_at(self, moment: datetime) -> Chain | None:
        """The bundle that begins then and is over first. Raises TooLong."""
        best: Chain | None = None
        everything = (1 << len(self.items)) - 1
        for number in self._next(everything):
            starts, at = self.items[number].starts, bisect_left(self._moments[number], moment)
            while at < len(starts) and starts[at].starts_at == moment:
                best = self._with(number, starts[at], everything, (), best)
                at += 1
        return best

    def only_once(self, doctor: UUID, first: date, last: date) -> None:
        """From now on at most one visit with that doctor on those days."""
        self.once.add((doctor, first, last))
        self._known.clear()

    @property
    def _has_buffers(self) -> bool:
        return bool(self.once) or any(item.before or item.after for item in self.items)

    def _next(self, left: int) -> list[int]:
        """The items that may come next."""
        found = self._left(left)
        return found[:1] if self.spacing.in_order else found

    def _rest(self, left: int, end: datetime, day: date, held: Held) -> Chain | None:
        """What is left, after a visit that ends then: the way that is over first."""
        if not left:
            return ()
        key = (left, end, day if self.spacing.same_day else None, held)
        if key not in self._known:
            best: Chain | None = None
            for number in self._next(left):
                best = self._item(number, left, (end, day), held, best)
            self._known[key] = best
        return self._known[key]

    def _item(
        self, number: int, left: int, after: tuple[datetime, date], held: Held, best: Chain | None
    ) -> Chain | None:
        end, day = after
        spacing, starts = self.spacing, self.items[number].starts
        latest = None if spacing.max_gap is None else end + spacing.max_gap
        first_will_do = latest is None and not self._has_buffers
        others = self._left(left & ~(1 << number))
        still = sum((self._lengths[other] + spacing.min_gap for other in others), _NONE)
        for at in range(bisect_left(self._moments[number], end + spacing.min_gap), len(starts)):
            start = starts[at]
            if latest is not None and start.starts_at > latest:
                break
            if best is not None and start.ends_at + still >= best[-1].start.ends_at:
                break
            if spacing.same_day and start.day != day:
                if start.day > day:
                    break
                continue
            best = self._with(number, start, left, held, best)
            if first_will_do:
                break
        return best

    def _with(
        self, number: int, start: Start, left: int, held: Held, best: Chain | None
    ) -> Chain | None:
        """The better one of `best` and what follows from this start."""
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise TooLong
        rest_of = left & ~(1 << number)
        free = self._free(number, start, held)
        if not free:
            return best
        # As if it did not matter with whom: nothing can be over earlier.
        rest = self._rest(rest_of, start.ends_at, start.day, self._lasting(start, held))
        if rest is None or not _is_better((Placed(number, start, free[0]), *rest), best):
            return best
        for seat in free:
            if not self._has_buffers or not self._in_the_way(number, start, seat, rest):
                return (Placed(number, start, seat), *rest)
        for seat in free:
            taken = (*held, (seat.doctor, self._until(number, start, seat)))
            rest = self._rest(rest_of, start.ends_at, start.day, self._lasting(start, taken))
            if rest is not None and _is_better((Placed(number, start, seat), *rest), best):
                best = (Placed(number, start, seat), *rest)
        return best

    def _free(self, number: int, start: Start, held: Held) -> Sequence[Seat]:
        """Who is not taken by a visit before."""
        if not held:
            return start.seats
        claimed_from = start.starts_at - self.items[number].before
        taken = {doctor for doctor, until in held if claimed_from < until}
        return [seat for seat in start.seats if seat.doctor not in taken]

    def _in_the_way(self, number: int, start: Start, seat: Seat, rest: Chain) -> bool:
        """Whether the doctor is needed again before this visit lets them go."""
        until = self._until(number, start, seat)
        return any(
            later.seat.doctor == seat.doctor
            and later.start.starts_at - self.items[later.item].before < until
            for later in rest
        )

    def _until(self, number: int, start: Start, seat: Seat) -> datetime:
        """Until when the visit takes its doctor's time."""
        return max([start.ends_at + self.items[number].after, *self._full_until(start, seat)])

    def _lasting(self, start: Start, held: Held) -> Held:
        """What of it can still be in the way of a visit after this one."""
        if not held:
            return held
        longest = max(item.before for item in self.items)
        soonest = start.ends_at + self.spacing.min_gap - longest
        latest: dict[UUID, datetime] = {}
        for doctor, until in held:
            if until > soonest:
                latest[doctor] = max(until, latest.get(doctor, until))
        return tuple(sorted(latest.items()))

    def _full_until(self, start: Start, seat: Seat) -> list[datetime]:
        """When the days end in which the doctor can have no second visit."""
        zone = ZoneInfo(seat.timezone)
        return [
            datetime.combine(last + timedelta(days=1), time(0), tzinfo=zone)
            for doctor, first, last in self.once
            if doctor == seat.doctor and first <= start.day <= last
        ]

    def _left(self, left: int) -> list[int]:
        return [number for number in range(len(self.items)) if left >> number & 1]


def _is_better(chain: Chain, best: Chain | None) -> bool:
    return best is None or chain[-1].start.ends_at < best[-1].start.ends_at
