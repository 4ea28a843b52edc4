"""How and when patients check in, and what is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from checkin.selectors.analytics.grouping import Report, enough, grouped
from checkin.selectors.analytics.question import Question
from checkin.selectors.analytics.visits import TIMING

GROUPS: Final = (
    "day",
    "week",
    "weekday",
    "hour",
    "location",
    "doctor",
    "method",
    "reason",
    "timing",
)


@dataclass(frozen=True, slots=True)
class CheckIns:
    """Check-ins that stand, and attempts that were refused.

    `early_median`: minutes before the visit's time, less than nothing when late. `refused` counts
    attempts, so somebody who tried twice counts twice; what came of an unknown code belongs to no
    clinic and is not here.
    """

    checked_in: int
    forced: int
    outside_geofence: int
    early_median: float | None
    refused: int


_FACTS: Final = f"""
SELECT (f.at AT TIME ZONE f.zone)::date AS day,
       date_trunc('week', f.at AT TIME ZONE f.zone)::date AS week,
       extract(isodow FROM f.at AT TIME ZONE f.zone)::int AS weekday,
       extract(hour FROM f.at AT TIME ZONE f.zone)::int AS hour,
       f.location, f.doctor, f.method, f.reason, f.came, f.forced, f.outside, f.person,
       f.early, {TIMING.format(late="-f.early")} AS timing
FROM (
    SELECT c.checked_in_at AS at, l.timezone AS zone, c.location_id AS location,
           a.doctor_id AS doctor, c.method, NULL AS reason, true AS came, c.forced,
           c.outside_geofence AS outside, c.patient_id AS person,
           extract(epoch FROM a.starts_at - c.checked_in_at) / 60 AS early
    FROM clinics_location l
    JOIN checkin_checkin c ON c.location_id = l.id
     AND c.checked_in_at >= core_instant(%(first)s::date::timestamp, l.timezone)
     AND c.checked_in_at < core_instant(%(last)s::date + interval '1 day', l.timezone)
     -- The same again without a zone, so that the planner knows how many rows are meant.
     AND c.checked_in_at BETWEEN %(first)s::date - interval '1 day'
                             AND %(last)s::date + interval '2 days'
    JOIN appointments_appointment a ON a.id = c.appointment_id
    WHERE l.clinic_id = %(clinic)s AND c.clinic_id = %(clinic)s AND c.undone_at IS NULL
      AND a.clinic_id = %(clinic)s
    UNION ALL
    SELECT t.at, COALESCE(l.timezone, k.timezone), t.location_id, a.doctor_id, t.method,
           t.reason_code, false, false, false, t.patient_id, NULL
    FROM checkin_checkinattempt t
    JOIN clinics_clinic k ON k.id = t.clinic_id
    LEFT JOIN clinics_location l ON l.id = t.location_id
    LEFT JOIN appointments_appointment a
      ON a.id = t.appointment_id AND a.clinic_id = %(clinic)s
    WHERE t.clinic_id = %(clinic)s AND t.outcome = 'REFUSED'
      AND t.received_at >= %(first)s::date - interval '2 days'
      AND (t.at AT TIME ZONE COALESCE(l.timezone, k.timezone))::date
          BETWEEN %(first)s AND %(last)s
) f
WHERE (%(location)s::uuid IS NULL OR f.location = %(location)s::uuid)
  AND (%(doctors)s::uuid[] IS NULL OR f.doctor = ANY (%(doctors)s::uuid[]))
"""
_MEASURES: Final = {
    "checked_in": "count(*) FILTER (WHERE came)",
    "forced": "count(*) FILTER (WHERE forced)",
    "outside_geofence": "count(*) FILTER (WHERE outside)",
    "early_median": enough(
        "percentile_cont(0.5) WITHIN GROUP (ORDER BY early)", "early IS NOT NULL", digits=1
    ),
    "refused": "count(*) FILTER (WHERE NOT came)",
}


def check_ins(question: Question, groups: Sequence[str] = ()) -> Report[CheckIns]:
    """Check-ins and refusals of these days. Groups: `GROUPS`; `reason` is that of a refusal.

    Raises VALIDATION_ERROR for another group.
    """
    return grouped(
        CheckIns,
        facts=_FACTS,
        measures=_MEASURES,
        dimensions=GROUPS,
        question=question,
        groups=groups,
    )
