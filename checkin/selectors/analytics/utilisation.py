"""How much of the doctors' working time is booked, and how much of it patients came for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from checkin.selectors.analytics.grouping import Report, grouped
from checkin.selectors.analytics.question import Question

GROUPS: Final = ("day", "week", "weekday", "location", "doctor")


@dataclass(frozen=True, slots=True)
class Use:
    """Minutes of doctors' time. Several patients at one time take it once.

    `working` are the hours without closures and leave. `booked` and `attended` are the visits in
    them, buffers not counted, cancelled ones left out; `outside` are visits outside of them. The
    rates are shares of `working`, from 0 to 1. Hours are taken as they stand now.
    """

    working: float
    booked: float
    attended: float
    outside: float
    booked_rate: float | None
    attended_rate: float | None


def _minutes(span: str) -> str:
    return (
        "(SELECT COALESCE(sum(extract(epoch FROM upper(r) - lower(r))), 0) / 60"
        f" FROM unnest({span}) AS r)"
    )


# A multirange that is missing counts as an empty one.
_NONE: Final = "'{}'::tstzmultirange"
_FACTS: Final = f"""
WITH hours AS MATERIALIZED (
    SELECT h.doctor_id AS doctor, h.day, h.location_id AS location, range_agg(open.works) AS works
    FROM appointments_hours(
        ARRAY[%(clinic)s::uuid],
        COALESCE(%(doctors)s::uuid[], ARRAY(
            SELECT doctor_id FROM clinics_scheduletemplate WHERE clinic_id = %(clinic)s
            UNION
            SELECT doctor_id FROM clinics_scheduleexception
            WHERE clinic_id = %(clinic)s AND kind = 'HOURS' AND doctor_id IS NOT NULL)),
        %(location)s::uuid, NULL, NULL,
        %(first)s::date - interval '1 day', %(last)s::date + interval '2 days') AS h
    CROSS JOIN LATERAL appointments_off(
        h.clinic_id, h.doctor_id, h.location_id, h.day, h.zone) AS off
    CROSS JOIN LATERAL (
        SELECT tstzmultirange(tstzrange(
            core_instant(h.day + h.start_time, h.zone),
            core_instant(CASE WHEN h.end_time = '00:00' THEN h.day + interval '1 day'
                              ELSE h.day + h.end_time END, h.zone)))
            - COALESCE(off.closed, {_NONE}) - COALESCE(off.leave, {_NONE}) AS works) AS open
    WHERE h.day BETWEEN %(first)s AND %(last)s
    GROUP BY h.doctor_id, h.day, h.location_id
), days AS (
    SELECT doctor, day, range_agg(works) AS works FROM hours GROUP BY doctor, day
), visits AS (
    SELECT a.doctor_id AS doctor, a.local_day AS day, a.location_id AS location,
           range_agg(tstzrange(a.starts_at, a.ends_at)) AS booked,
           COALESCE(range_agg(tstzrange(a.starts_at, a.ends_at)) FILTER (
               WHERE a.status IN ('CHECKED_IN', 'IN_PROGRESS', 'COMPLETED')), {_NONE}) AS attended
    FROM appointments_appointment a
    WHERE a.clinic_id = %(clinic)s AND a.local_day BETWEEN %(first)s AND %(last)s
      AND a.status <> 'CANCELLED'
      AND (%(location)s::uuid IS NULL OR a.location_id = %(location)s::uuid)
      AND (%(doctors)s::uuid[] IS NULL OR a.doctor_id = ANY (%(doctors)s::uuid[]))
    GROUP BY a.doctor_id, a.local_day, a.location_id
)
SELECT f.*, date_trunc('week', f.day)::date AS week, extract(isodow FROM f.day)::int AS weekday
FROM (
    SELECT doctor, day, location, {_minutes("works")} AS working, 0 AS booked, 0 AS attended,
           0 AS outside
    FROM hours
    UNION ALL
    SELECT v.doctor, v.day, v.location, 0,
           {_minutes(f"v.booked * COALESCE(d.works, {_NONE})")},
           {_minutes(f"v.attended * COALESCE(d.works, {_NONE})")},
           {_minutes(f"v.booked - COALESCE(d.works, {_NONE})")}
    FROM visits v LEFT JOIN days d ON d.doctor = v.doctor AND d.day = v.day
) f
"""
_SUM: Final = "round(COALESCE(sum({what}), 0), 1)::float8"
_RATE: Final = "round(sum({what}) / nullif(sum(working), 0), 4)::float8"
_MEASURES: Final = {
    **{what: _SUM.format(what=what) for what in ("working", "booked", "attended", "outside")},
    "booked_rate": _RATE.format(what="booked"),
    "attended_rate": _RATE.format(what="attended"),
}


def utilisation(question: Question, groups: Sequence[str] = ()) -> Report[Use]:
    """The use of the working hours of these days. Groups: `GROUPS`.

    Raises VALIDATION_ERROR for another group.
    """
    return grouped(
        Use,
        facts=_FACTS,
        measures=_MEASURES,
        dimensions=GROUPS,
        question=question,
        groups=groups,
    )
