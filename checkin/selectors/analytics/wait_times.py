"""How long patients wait between arriving and being seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from checkin.selectors.analytics.grouping import Report, grouped, middles
from checkin.selectors.analytics.question import Question

GROUPS: Final = ("day", "week", "weekday", "hour", "location", "doctor")


@dataclass(frozen=True, slots=True)
class Waits:
    """Of the people in the queue; times in minutes.

    `wait` is from arriving to being seen. `call` is from arriving to the last call. `delay` is the
    part of the wait after the visit's time, which coming early does not lengthen. `left` went
    without being seen.
    """

    arrived: int
    seen: int
    left: int
    wait_median: float | None
    wait_p90: float | None
    wait_mean: float | None
    call_median: float | None
    call_p90: float | None
    call_mean: float | None
    delay_median: float | None
    delay_p90: float | None
    delay_mean: float | None


_MINUTES: Final = "greatest(extract(epoch FROM {until} - {since}) / 60, 0)"
_FACTS: Final = f"""
SELECT q.local_day AS day, date_trunc('week', q.local_day)::date AS week,
       extract(isodow FROM q.local_day)::int AS weekday,
       extract(hour FROM q.arrived_at AT TIME ZONE l.timezone)::int AS hour,
       q.location_id AS location, q.doctor_id AS doctor, COALESCE(q.patient_id, q.id) AS person,
       q.started_at, q.state = 'LEFT' AND NOT q.swept AS gone,
       {_MINUTES.format(until="q.started_at", since="q.arrived_at")} AS waited,
       {_MINUTES.format(until="q.called_at", since="q.arrived_at")} AS called,
       {_MINUTES.format(until="q.started_at", since="greatest(q.arrived_at, q.due_at)")} AS delayed
FROM clinics_location l
JOIN checkin_queueentry q
  ON q.location_id = l.id AND q.local_day BETWEEN %(first)s AND %(last)s
WHERE l.clinic_id = %(clinic)s AND q.clinic_id = %(clinic)s
  AND (%(location)s::uuid IS NULL OR l.id = %(location)s::uuid)
  AND (%(doctors)s::uuid[] IS NULL OR q.doctor_id = ANY (%(doctors)s::uuid[]))
"""
_MEASURES: Final = {
    "arrived": "count(*)",
    "seen": "count(started_at)",
    "left": "count(*) FILTER (WHERE gone)",
    **middles("wait", "waited"),
    **middles("call", "called"),
    **middles("delay", "delayed"),
}


def wait_times(question: Question, groups: Sequence[str] = ()) -> Report[Waits]:
    """Waits of who arrived on these days. Groups: `GROUPS`; the hour is that of the arrival.

    Raises VALIDATION_ERROR for another group.
    """
    return grouped(
        Waits,
        facts=_FACTS,
        measures=_MEASURES,
        dimensions=GROUPS,
        question=question,
        groups=groups,
    )
