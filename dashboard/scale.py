"""Where a time stands on the board.

The policy against inline styles forbids to write a position into an element. So a position is
said in classes, whose lengths are in static/dashboard/scale.css: `h9 m30` begins nine and a half
hours after the day did, `lh0 lm45` lasts three quarters of an hour. Times are those that have
passed since local midnight, so that a day of 23 or 25 hours is drawn as long as it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

MAX_HOURS = 25
#: Columns of visits beside one another; further ones stand on top of the last.
MAX_LANES = 6


@dataclass(frozen=True, slots=True)
class Scale:
    """A local day of which the hours from `first` to `last` are shown, counted from its start."""

    start: datetime
    end: datetime
    first: int
    last: int

    def minutes(self, moment: datetime) -> int:
        """Whole minutes from the day's start, within the day."""
        # As instants: between two moments of one zone Python counts by the clock on the wall.
        start = self.start.timestamp()
        inside = min(max(moment.timestamp(), start), self.end.timestamp())
        return int((inside - start) // 60)

    def place(self, starts: datetime, ends: datetime) -> str:
        """The classes of what lasts from `starts` to `ends`."""
        top = self.minutes(starts)
        length = max(self.minutes(ends) - top, 1)
        hour, minute = divmod(top, 60)
        hours, minutes = divmod(length, 60)
        return f"h{hour} m{minute} lh{hours} lm{minutes}"

    @property
    def range_class(self) -> str:
        return f"from-{self.first} to-{self.last}"

    def marks(self) -> list[tuple[str, str]]:
        """Every hour of the day: class, and the local time as a wall clock says it."""
        start = self.start.timestamp()
        return [
            (
                f"h{hour} m0",
                f"{datetime.fromtimestamp(start + hour * 3600, self.start.tzinfo):%H:%M}",
            )
            for hour in range(-(-self.minutes(self.end) // 60))
        ]


def scale_of(
    start: datetime,
    end: datetime,
    spans: Iterable[tuple[datetime, datetime]],
    *,
    usual: tuple[int, int] = (8, 18),
) -> Scale:
    """The scale on which all of `spans` are to be seen; without any, the usual hours."""
    whole = Scale(start, end, 0, MAX_HOURS)
    first, last = MAX_HOURS, 0
    for from_, to in spans:
        if to <= start or from_ >= end:
            continue
        first = min(first, whole.minutes(from_) // 60)
        last = max(last, -(-whole.minutes(to) // 60))
    if first >= last:
        first, last = usual
    return Scale(start, end, first, last)


def lanes(spans: list[tuple[datetime, datetime]]) -> list[tuple[int, int]]:
    """For spans in order of their start: in which of how many columns each stands.

    Those that overlap, directly or through others, share the width.
    """
    found: list[tuple[int, int]] = [(0, 1)] * len(spans)
    cluster: list[tuple[int, int]] = []
    ends: list[datetime] = []
    until: datetime | None = None

    def close() -> None:
        for number, lane in cluster:
            found[number] = (min(lane, MAX_LANES - 1), min(len(ends), MAX_LANES))

    for number, (starts, stops) in enumerate(spans):
        if until is not None and starts >= until:
            close()
            cluster, ends, until = [], [], None
        lane = next((n for n, end in enumerate(ends) if end <= starts), len(ends))
        if lane == len(ends):
            ends.append(stops)
        else:
            ends[lane] = stops
        cluster.append((number, lane))
        until = stops if until is None else max(until, stops)
    close()
    return found
