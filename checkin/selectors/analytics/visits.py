"""What the reports over visits share: their rows, and the classes of time."""

from typing import Final

#: The class of a check-in, `late` being minutes after the visit's time. Keys as in `TIMINGS`.
TIMING: Final = (
    "CASE WHEN {late} IS NULL THEN NULL WHEN {late} < -30 THEN 'EARLY_30'"
    " WHEN {late} < -15 THEN 'EARLY_15' WHEN {late} < -5 THEN 'EARLY_5'"
    " WHEN {late} <= 5 THEN 'ON_TIME' WHEN {late} <= 15 THEN 'LATE_5' ELSE 'LATE_15' END"
)
_DAYS: Final = "(a.local_day - (a.created_at AT TIME ZONE a.timezone)::date)"
_LATE: Final = "(extract(epoch FROM a.checked_in_at - a.starts_at) / 60)"

#: Visits of the days asked for. `lead` is unknown for a visit written down after it began.
VISITS: Final = f"""
SELECT a.local_day AS day, date_trunc('week', a.local_day)::date AS week,
       extract(isodow FROM a.local_day)::int AS weekday,
       extract(hour FROM a.starts_at AT TIME ZONE a.timezone)::int AS hour,
       a.location_id AS location, a.doctor_id AS doctor, a.patient_id AS person, a.status,
       a.late_cancellation,
       a.status IN ('CHECKED_IN', 'IN_PROGRESS', 'COMPLETED') AS attended,
       COALESCE({TIMING.format(late=_LATE)}, 'NONE') AS timing,
       CASE WHEN a.created_at <= a.starts_at THEN {_DAYS} END AS days,
       CASE WHEN a.created_at > a.starts_at THEN NULL
            WHEN {_DAYS} < 1 THEN '0' WHEN {_DAYS} <= 3 THEN '1-3' WHEN {_DAYS} <= 7 THEN '4-7'
            WHEN {_DAYS} <= 14 THEN '8-14' WHEN {_DAYS} <= 30 THEN '15-30'
            WHEN {_DAYS} <= 90 THEN '31-90' ELSE '91+' END AS lead
FROM appointments_appointment a
WHERE a.clinic_id = %(clinic)s AND a.local_day BETWEEN %(first)s AND %(last)s
  AND (%(location)s::uuid IS NULL OR a.location_id = %(location)s::uuid)
  AND (%(doctors)s::uuid[] IS NULL OR a.doctor_id = ANY (%(doctors)s::uuid[]))
"""
