"""Who did not come."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from checkin.selectors.analytics.grouping import Report, enough, grouped
from checkin.selectors.analytics.question import Question
from checkin.selectors.analytics.visits import VISITS

GROUPS: Final = ("day", "week", "weekday", "hour", "location", "doctor", "lead", "timing")


@dataclass(frozen=True, slots=True)
class NoShows:
    """Of the visits whose time came and of which somebody said what became of them.

    `rate` is `no_shows` out of both, from 0 to 1. `late_cancelled` stand beside them: cancelled
    inside the cut-off, too late for anybody else to come instead.
    """

    attended: int
    no_shows: int
    rate: float | None
    late_cancelled: int


_TOLD: Final = "attended OR status = 'NO_SHOW'"
_MEASURES: Final = {
    "attended": "count(*) FILTER (WHERE attended)",
    "no_shows": "count(*) FILTER (WHERE status = 'NO_SHOW')",
    "rate": enough(
        "count(*) FILTER (WHERE status = 'NO_SHOW')::numeric"
        f" / nullif(count(*) FILTER (WHERE {_TOLD}), 0)",
        _TOLD,
        digits=4,
    ),
    "late_cancelled": "count(*) FILTER (WHERE status = 'CANCELLED' AND late_cancellation)",
}
_FACTS: Final = (
    f"SELECT * FROM ({VISITS}) v WHERE {_TOLD} OR (status = 'CANCELLED' AND late_cancellation)"
)


def no_shows(question: Question, groups: Sequence[str] = ()) -> Report[NoShows]:
    """No-shows of these days. Groups: `GROUPS`.

    `hour` is that of the visit, `lead` how long before it was booked, `timing` when the patient
    checked in. Raises VALIDATION_ERROR for another group.
    """
    return grouped(
        NoShows,
        facts=_FACTS,
        measures=_MEASURES,
        dimensions=GROUPS,
        question=question,
        groups=groups,
    )
