"""Charts, appointments, claims and history of a shape: straight into the tables, as the owner.

Triggers and foreign keys are off while the rows go in, since a million checks one by one would take
most of the time; what they guarantee is checked at the end, over the whole set.
"""

from collections.abc import Callable

import psycopg

from appointments.demo.names import AUSTRALIA, INDIA, UNITED_STATES
from benchmarks.shape import LONG_SHARE, SHIFT_PAIRS, Shape, fill_share

_PARTITIONED = (
    "SELECT core_partitions_ensure(parent, now() - interval '4 months', 7) FROM core_partitioned"
)

_PATIENTS = """
INSERT INTO clinics_patient (id, version, created_at, updated_at, clinic_id, mrn, given_name,
    family_name, birth_date, sex, phone, email, region, insurance, language, contact_preferences,
    notes, is_active)
SELECT uuidv7(-(interval '300 days' * random())), 1, now(), now(), c.id,
       'K' || lpad((n * 7 + c.place)::text, 7, '0'),
       (%(given)s::text[])[1 + floor(power(random(), 1.5) * %(givens)s)::int],
       (%(family)s::text[])[1 + floor(power(random(), 1.5) * %(families)s)::int],
       date '1935-01-01' + (random() * 32000)::int,
       CASE WHEN random() < 0.5 THEN 'female' ELSE 'male' END,
       '+1' || (2000000000 + floor(random() * 7999999999)::bigint),
       '', 'R' || (n %% 8), 'Plan ' || (n %% 5), 'en', '{}', '', true
FROM (SELECT id, row_number() OVER (ORDER BY slug) AS place FROM clinics_clinic) c,
     generate_series(1, %(each)s) AS n
ORDER BY random()
"""

_ACCOUNTS = """
UPDATE clinics_patient p SET user_id = u.id
FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM accounts_user
      WHERE email LIKE 'patient-%%') u
JOIN (SELECT id, row_number() OVER (ORDER BY md5(id::text)) AS n FROM clinics_patient) chosen
  ON chosen.n = u.n
WHERE p.id = chosen.id
"""

# The cells of the grid that are filled: 20 minutes each; a long visit takes a pair of them.
_CELLS = f"""
CREATE TEMP TABLE cell AS
WITH pairs AS (
    SELECT t.doctor_id, t.clinic_id, t.location_id, l.timezone,
           d.day::date + t.start_time + n * interval '40 minutes' AS wall, random() AS kind
    FROM clinics_scheduletemplate t
    JOIN clinics_location l ON l.id = t.location_id
    JOIN generate_series(current_date - 7 * %(weeks)s, current_date + 7 * %(weeks)s - 1,
                         interval '1 day') AS d(day) ON extract(isodow FROM d.day) = t.weekday
    CROSS JOIN generate_series(0, {SHIFT_PAIRS - 1}) AS n
),
cells AS (
    SELECT p.*, wall AT TIME ZONE timezone AS starts_at, true AS long
    FROM pairs p WHERE kind < {LONG_SHARE}
    UNION ALL
    SELECT p.*, (wall + half * interval '20 minutes') AT TIME ZONE timezone, false
    FROM pairs p CROSS JOIN generate_series(0, 1) AS half
    WHERE kind >= {LONG_SHARE} AND random() < %(share)s
),
chosen AS (SELECT * FROM cells ORDER BY random() LIMIT %(count)s)
SELECT c.*,
       row_number() OVER (PARTITION BY clinic_id ORDER BY starts_at, doctor_id)
           * 1597 %% %(each)s AS turn,
       CASE WHEN long THEN 4 ELSE 1 + floor(power(random(), 2) * 3)::int END AS offer,
       random() AS fate,
       least(starts_at, now()) - interval '28 days' * power(random(), 2) AS created_at
FROM chosen c
"""

_OFFERS = """
CREATE TEMP TABLE offer AS
SELECT clinic_id, id, duration_minutes AS minutes, buffer_after_minutes AS after, modes[1] AS type,
       row_number() OVER (PARTITION BY clinic_id
           ORDER BY duration_minutes > 20, duration_minutes DESC, name)::int AS number
FROM clinics_service
"""

_TURNS = """
CREATE TEMP TABLE turn AS
SELECT clinic_id, row_number() OVER (PARTITION BY clinic_id ORDER BY id) - 1 AS number, id
FROM clinics_patient
"""

# One row a visit. Patients take turns, so that nobody is in two places at once.
_VISITS = """
CREATE TEMP TABLE visit AS
SELECT c.doctor_id, c.clinic_id, c.location_id, c.timezone, c.starts_at, c.created_at,
       c.starts_at + make_interval(mins => o.minutes) AS ends_at,
       c.starts_at + make_interval(mins => o.minutes + o.after) AS free_at,
       o.id AS service_id, o.type, t.id AS patient_id,
       uuidv7(c.created_at - clock_timestamp()) AS id,
       CASE WHEN c.starts_at + make_interval(mins => o.minutes) <= now() THEN
                CASE WHEN fate < 0.86 THEN 'COMPLETED' WHEN fate < 0.93 THEN 'NO_SHOW'
                     ELSE 'CANCELLED' END
            ELSE CASE WHEN fate < 0.68 THEN 'SCHEDULED' WHEN fate < 0.92 THEN 'CONFIRMED'
                      WHEN fate < 0.94 THEN 'PENDING' ELSE 'CANCELLED' END
       END AS status
FROM cell c
JOIN offer o ON o.clinic_id = c.clinic_id AND o.number = c.offer
JOIN turn t ON t.clinic_id = c.clinic_id AND t.number = c.turn
"""

_APPOINTMENTS = """
INSERT INTO appointments_appointment (id, version, created_at, updated_at, clinic_id, location_id,
    doctor_id, patient_id, service_id, type, status, starts_at, ends_at, timezone, reason, notes,
    priority, source, override_reason, cancel_reason, cancelled_at, late_cancellation, confirmed_at,
    checked_in_at, started_at, completed_at, is_follow_up, follow_up_reason)
SELECT id, 1, created_at, created_at, clinic_id, location_id, doctor_id, patient_id, service_id,
       type, status, starts_at, ends_at, timezone, 'Persistent cough', '', 'NORMAL', 'STAFF', '',
       CASE WHEN status = 'CANCELLED' THEN 'Not feeling like it' ELSE '' END,
       CASE WHEN status = 'CANCELLED' THEN created_at END, false,
       CASE WHEN status = 'CONFIRMED' THEN created_at END,
       CASE WHEN status = 'COMPLETED' AND type = 'IN_PERSON' THEN starts_at END,
       CASE WHEN status = 'COMPLETED' THEN starts_at END,
       CASE WHEN status = 'COMPLETED' THEN ends_at END, false, ''
FROM visit ORDER BY id
"""

_CLAIMS = """
INSERT INTO appointments_busytime (id, clinic_id, doctor_id, lane, patient_id, period, visit, kind,
    appointment_id, service_id, location_id, reason, created_at)
SELECT uuidv7(created_at - clock_timestamp()), clinic_id, doctor_id, 0, patient_id,
       tstzrange(starts_at, free_at), tstzrange(starts_at, ends_at), 'BOOKED', id, service_id,
       location_id, '', created_at
FROM visit
WHERE status IN ('PENDING', 'SCHEDULED', 'CONFIRMED') AND ends_at > now() - interval '1 hour'
ORDER BY created_at
"""

_LEAVE = """
WITH away AS (
    INSERT INTO clinics_scheduleexception (id, version, created_at, updated_at, clinic_id,
        doctor_id, kind, start_date, end_date, slot_minutes, capacity, modes, reason)
    SELECT uuidv7(), 1, now(), now(), t.clinic_id, t.doctor_id, 'LEAVE',
           current_date + 7 * %(weeks)s + 1, current_date + 7 * %(weeks)s + 5, 30, 1,
           '{IN_PERSON}', ''
    FROM (SELECT DISTINCT clinic_id, doctor_id FROM clinics_scheduletemplate) t
    WHERE abs(hashtext(t.doctor_id::text)) %% 10 = 0
    RETURNING id, clinic_id, doctor_id, start_date, end_date
)
INSERT INTO appointments_busytime (id, clinic_id, doctor_id, period, visit, kind, exception_id,
    reason, created_at)
SELECT uuidv7(), clinic_id, doctor_id, tstzrange(start_date, end_date + 1),
       tstzrange(start_date, end_date + 1), 'BLOCKED', id, '', now()
FROM away
"""

_EVENTS = """
INSERT INTO appointments_appointmentevent (id, clinic_id, appointment_id, verb, from_status,
    to_status, at, reason, changes)
SELECT uuidv7(at - clock_timestamp()), clinic_id, id, verb, from_status, to_status, at, '', '{}'
FROM (
    SELECT clinic_id, id, 'book' AS verb, '' AS from_status, 'SCHEDULED' AS to_status,
           created_at AS at FROM visit
    UNION ALL
    SELECT clinic_id, id, CASE status WHEN 'COMPLETED' THEN 'complete' WHEN 'NO_SHOW' THEN 'no_show'
               WHEN 'CONFIRMED' THEN 'confirm' ELSE 'cancel' END, 'SCHEDULED', status,
           least(ends_at, now()) FROM visit
    WHERE status NOT IN ('SCHEDULED', 'PENDING')
) AS told
ORDER BY at
"""

_TRAIL = """
INSERT INTO core_auditevent (id, clinic_id, at, actor_id, action, entity, entity_id, subjects,
    changes, request_id)
SELECT uuidv7(v.created_at - clock_timestamp()), v.clinic_id, v.created_at, d.user_id,
       'appointment.booked', 'appointments.appointment', v.id, ARRAY[v.patient_id],
       '{"status": [null, "SCHEDULED"]}', v.id::text
FROM visit v JOIN clinics_doctor d ON d.id = v.doctor_id
ORDER BY v.created_at
"""

_OUTBOX = """
INSERT INTO core_outboxevent (id, clinic_id, topic, payload, request_id, created_at, attempts,
    next_attempt_at, delivered_at, last_error)
SELECT uuidv7(created_at - clock_timestamp()), clinic_id, 'appointment.booked',
       jsonb_build_object('appointment', id, 'doctor', doctor_id, 'patient', patient_id), id::text,
       created_at, 1, created_at, created_at + interval '1 second', ''
FROM visit
ORDER BY created_at
"""

#: What the triggers would have refused; each must count nothing.
_FAULTS = {
    "open visits without their claim": """
        SELECT count(*) FROM appointments_appointment a
        WHERE a.status IN ('PENDING', 'SCHEDULED', 'CONFIRMED') AND a.ends_at > now()
          AND NOT EXISTS (SELECT FROM appointments_busytime b
                          WHERE b.appointment_id = a.id AND b.doctor_id = a.doctor_id
                            AND b.clinic_id = a.clinic_id
                            AND b.visit = tstzrange(a.starts_at, a.ends_at))""",
    "cancelled visits with a claim": """
        SELECT count(*) FROM appointments_appointment a
        JOIN appointments_busytime b ON b.appointment_id = a.id WHERE a.status = 'CANCELLED'""",
    "visits of foreign patients, places or services": """
        SELECT count(*) FROM appointments_appointment a
        LEFT JOIN clinics_patient p ON p.id = a.patient_id AND p.clinic_id = a.clinic_id
        LEFT JOIN clinics_location l ON l.id = a.location_id AND l.clinic_id = a.clinic_id
        LEFT JOIN clinics_service s ON s.id = a.service_id AND s.clinic_id = a.clinic_id
        WHERE p.id IS NULL OR l.id IS NULL OR s.id IS NULL""",
    "appointments outside the months' partitions": """
        SELECT count(*) FROM appointments_appointment_rest""",
}


def fill(url: str, shape: Shape, say: Callable[[str], None]) -> None:
    """Fill the database at `url`, in which `people_create` has run.

    Raises RuntimeError when a check finds a fault.
    """
    names = (UNITED_STATES, AUSTRALIA, INDIA)
    given = sorted({name for one in names for name in (*one.women, *one.men)})
    family = sorted({name for one in names for name in one.families})
    values = {
        "given": given,
        "givens": len(given),
        "family": family,
        "families": len(family),
        "each": shape.patients_each,
        "weeks": shape.weeks,
        "share": fill_share(shape),
        "count": shape.appointments,
    }
    steps = {
        "partitions": _PARTITIONED,
        "patients": _PATIENTS,
        "accounts": _ACCOUNTS,
        "filled cells": _CELLS,
        "services on offer": _OFFERS,
        "patients' turns": _TURNS,
        "visits": _VISITS,
        "appointments": _APPOINTMENTS,
        "claims": _CLAIMS,
        "leave": _LEAVE,
        "history": _EVENTS,
        "audit trail": _TRAIL,
        "outbox": _OUTBOX,
    }
    with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute("SET synchronous_commit = off")
        owner.execute("SET work_mem = '256MB'")
        owner.execute("SELECT setseed(0.42)")
        for what, statement in steps.items():
            if what == "visits":
                owner.execute("ANALYZE cell, offer, turn")  # temporary: nobody else does
            say(f"{what} ({max(0, owner.execute(statement, values).rowcount):,})")
        owner.execute("SET session_replication_role = origin")
        owner.execute("ANALYZE")
        for what, question in _FAULTS.items():
            row = owner.execute(question).fetchone()
            if row is None or row[0]:
                raise RuntimeError(f"the data has {row and row[0]} {what}")
        say("checked")
        owner.execute("VACUUM (ANALYZE)")
        owner.execute("CHECKPOINT")
        say("vacuumed")
