"""How long before their visit patients book."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from checkin.selectors.analytics.grouping import Report, grouped, middles
from checkin.selectors.analytics.question import Question
from checkin.selectors.analytics.visits import VISITS

GROUPS: Final = ("day", "week", "weekday", "hour", "location", "doctor", "lead")


@dataclass(frozen=True, slots=True)
class Leads:
    """Of the visits that were not cancelled: whole local days from the booking to the visit.

    Visits that were written down after they began are left out.
    """

    booked: int
    lead_median: float | None
    lead_p90: float | None
    lead_mean: float | None


_FACTS: Final = f"SELECT * FROM ({VISITS}) v WHERE status <> 'CANCELLED' AND lead IS NOT NULL"
_MEASURES: Final = {"booked": "count(*)", **middles("lead", "days")}


def lead_times(question: Question, groups: Sequence[str] = ()) -> Report[Leads]:
    """Lead times of the visits of these days. Groups: `GROUPS`; `lead` gives the distribution.

    Raises VALIDATION_ERROR for another group.
    """
    return grouped(
        Leads,
        facts=_FACTS,
        measures=_MEASURES,
        dimensions=GROUPS,
        question=question,
        groups=groups,
    )
