"""A network of clinicians for the pair search: one clinic with places in several zones.

Most calendars have hours here and there, some are full; one in ten is away for a week, half have
caps. All that it takes is written in a few statements.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from accounts.models import RefreshSession, User
from accounts.roles import Role
from benchmarks.population import Staff
from clinics.models import Clinic, Location, Service
from clinics.services.changes import create_row
from clinics.services.clinics import clinic_create
from clinics.services.memberships import membership_add
from core import clock, ids, tenancy

ZONES = ("America/New_York", "America/Chicago", "America/Los_Angeles", "Europe/London")
REGIONS, INSURANCES = 12, 8

_CLINICIANS = """
WITH made AS MATERIALIZED (
    SELECT n, uuidv7() AS user_id, uuidv7() AS doctor_id FROM generate_series(1, %(count)s) AS n
),
users AS (
    INSERT INTO accounts_user (id, password, is_superuser, email, given_name, family_name, locale,
        timezone, is_active, is_staff, created_at)
    SELECT user_id, '!', false, 'clinician-' || n || '-' || %(slug)s || '@example.test',
           'Clinician', n::text, 'en', 'UTC', true, false, now()
    FROM made
),
posts AS (
    INSERT INTO clinics_membership (id, version, created_at, updated_at, clinic_id, user_id, role,
        is_active)
    SELECT uuidv7(), 1, now(), now(), %(clinic)s, user_id, 'THERAPIST', true FROM made
)
INSERT INTO clinics_doctor (id, version, created_at, updated_at, user_id, display_name, profession,
    specialties, licensed_regions, accepted_insurances, languages, max_daily_appointments,
    max_weekly_appointments, is_active)
SELECT doctor_id, 1, now(), now(), user_id, 'Dr. Number ' || n,
       CASE WHEN n %% 5 < 2 THEN 'PSYCHOLOGIST' WHEN n %% 5 = 2 THEN 'PSYCHIATRIST'
            ELSE 'THERAPIST' END,
       '{}',
       ARRAY['R' || n %% %(regions)s, 'R' || n * 7 / 3 %% %(regions)s],
       ARRAY['Plan ' || n * 3 %% %(insurances)s, 'Plan ' || (n / 11) %% %(insurances)s,
             'Plan ' || (n / 17 + 2) %% %(insurances)s],
       '{en}', CASE WHEN n %% 2 = 0 THEN 7 END, CASE WHEN n %% 4 = 0 THEN 32 END, true
FROM made
"""

# Two shifts of four hours; one clinician in five works three days a week, one in ten spends the
# afternoons at another place of the same zone.
_HOURS = """
INSERT INTO clinics_scheduletemplate (id, version, created_at, updated_at, clinic_id, doctor_id,
    location_id, weekday, start_time, end_time, slot_minutes, capacity, modes)
SELECT uuidv7(), 1, now(), now(), %(clinic)s, d.id,
       (%(places)s::uuid[])[1 + d.n %% 4 + CASE WHEN d.n %% 10 = 0 AND shift = 1 THEN 4 ELSE 0 END],
       weekday, time '08:00' + shift * interval '5 hours',
       time '12:00' + shift * interval '5 hours', 30, 1, '{IN_PERSON,VIDEO_CALL}'
FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM clinics_doctor WHERE id = ANY (
          SELECT d.id FROM clinics_doctor d JOIN clinics_membership m USING (user_id)
          WHERE m.clinic_id = %(clinic)s)) d,
     generate_series(1, 5) AS weekday, generate_series(0, 1) AS shift
WHERE d.n %% 5 > 0 OR weekday <= 3
"""

# An hour of the grid is taken with a probability of the clinician's own; a sixth of them are full.
_VISITS = """
CREATE TEMP TABLE turn AS
SELECT id, row_number() OVER (ORDER BY id) - 1 AS number FROM clinics_patient
WHERE clinic_id = %(clinic)s;
CREATE TEMP TABLE taken ON COMMIT DROP AS
SELECT v.*, t.id AS patient_id FROM (
    SELECT t.doctor_id, t.location_id, l.timezone, uuidv7() AS id, at,
           at + interval '60 minutes' AS over, row_number() OVER (ORDER BY at, t.doctor_id) AS turn
    FROM clinics_scheduletemplate t
    JOIN clinics_location l ON l.id = t.location_id
    CROSS JOIN generate_series(date_trunc('week', current_date), current_date + 32,
                               interval '1 day') AS day
    CROSS JOIN generate_series(0, 3) AS hour
    CROSS JOIN LATERAL (SELECT (day::date + t.start_time + hour * interval '1 hour')
                        AT TIME ZONE l.timezone AS at) cell
    CROSS JOIN LATERAL (SELECT abs(hashtext(t.doctor_id::text)) %% 6 AS kind) k
    WHERE t.clinic_id = %(clinic)s AND extract(isodow FROM day) = t.weekday
      AND random() < CASE kind WHEN 0 THEN 1.0 WHEN 1 THEN 0.9 WHEN 2 THEN 0.8 WHEN 3 THEN 0.75
                               WHEN 4 THEN 0.6 ELSE 0.4 END
                     * CASE WHEN kind = 0 THEN 1 ELSE 1.05 - (day::date - current_date) / 350.0 END
) v
JOIN turn t ON t.number = v.turn %% %(patients)s;
INSERT INTO appointments_appointment (id, version, created_at, updated_at, clinic_id, location_id,
    doctor_id, patient_id, type, status, starts_at, ends_at, timezone, reason, notes, priority,
    source, override_reason, cancel_reason, late_cancellation, is_follow_up, follow_up_reason)
SELECT id, 1, now(), now(), %(clinic)s, location_id, doctor_id, patient_id, 'IN_PERSON',
       CASE WHEN at < now() THEN 'COMPLETED' ELSE 'SCHEDULED' END, at, over, timezone, '', '',
       'NORMAL', 'STAFF', '', '', false, false, ''
FROM taken
"""
_EXCLUSIONS = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = 'appointments_busytime'::regclass AND contype = 'x'
"""
_CLAIMS = """
INSERT INTO appointments_busytime (id, clinic_id, doctor_id, lane, patient_id, period, visit, kind,
    appointment_id, location_id, reason, created_at)
SELECT uuidv7(), %(clinic)s, doctor_id, 0, patient_id, tstzrange(at, over), tstzrange(at, over),
       'BOOKED', id, location_id, '', now()
FROM taken WHERE over > now() - interval '1 hour' ORDER BY at
"""

_PATIENTS = """
INSERT INTO clinics_patient (id, version, created_at, updated_at, clinic_id, mrn, given_name,
    family_name, sex, phone, email, region, insurance, language, contact_preferences, notes,
    is_active)
SELECT uuidv7(), 1, now(), now(), %(clinic)s, 'N' || n, 'Given' || n, 'Familyname' || n, 'unknown',
       '', '', 'R' || n %% %(regions)s, 'Plan ' || n / 3 %% %(insurances)s, 'en', '{}', '', true
FROM generate_series(1, %(patients)s) AS n
"""

_LEAVE = """
WITH away AS (
    INSERT INTO clinics_scheduleexception (id, version, created_at, updated_at, clinic_id,
        doctor_id, kind, start_date, end_date, slot_minutes, capacity, modes, reason)
    SELECT uuidv7(), 1, now(), now(), %(clinic)s, d.doctor_id, 'LEAVE', d.day, d.day + 6, 30, 1,
           '{IN_PERSON}', ''
    FROM (SELECT DISTINCT doctor_id,
                 current_date + abs(hashtext(doctor_id::text)) / 100 %% 25 AS day
          FROM clinics_scheduletemplate WHERE clinic_id = %(clinic)s) d
    WHERE abs(hashtext(d.doctor_id::text)) / 7 %% 10 = 0
    RETURNING id, clinic_id, doctor_id, start_date, end_date
)
INSERT INTO appointments_busytime (id, clinic_id, doctor_id, period, visit, kind, exception_id,
    reason, created_at)
SELECT uuidv7(), a.clinic_id, a.doctor_id, free, free, 'BLOCKED', a.id, '', now()
FROM away a
CROSS JOIN LATERAL unnest(
    tstzmultirange(tstzrange(a.start_date, a.end_date + 1)) - COALESCE(
        (SELECT range_agg(b.period) FROM appointments_busytime b WHERE b.doctor_id = a.doctor_id),
        '{}')) AS free
"""


@dataclass(frozen=True, slots=True)
class Network:
    """The clinic made for the measurement, a front desk of it and some of its patients."""

    clinic: UUID
    service: UUID
    places: list[UUID]
    desk: Staff
    clinicians: int
    patients: list[UUID]


def network_made(database: psycopg.Connection[Any], clinicians: int) -> Network:
    """Build it in the database that Django is connected to, as `database`'s owner."""
    slug = f"network-{ids.uuid7().hex[-8:]}"
    with tenancy.scope(tenancy.SYSTEM, statement_timeout_ms=60_000):
        clinic = clinic_create(name="Network", slug=slug, timezone=ZONES[0], country="US")
        places = [_place(clinic, number) for number in range(2 * len(ZONES))]
        service = create_row(
            Service,
            {"clinic": clinic, "name": "Assessment", "duration_minutes": 90},
            action="service.created",
        )
        desk = User.objects.create_user(f"{slug}@example.test", None, given_name="Desk")
        membership_add(clinic=clinic, user=desk, role=Role.RECEPTIONIST)
        session = RefreshSession.objects.create(
            user=desk,
            token_hash=RefreshSession.hash_token(slug),
            expires_at=clock.now().replace(year=clock.now().year + 1),
        )
    patients = max(2_000, clinicians * 10)
    values = {
        "clinic": clinic.id,
        "slug": slug,
        "count": clinicians,
        "places": places,
        "regions": REGIONS,
        "insurances": INSURANCES,
        "patients": patients,
    }
    client = psycopg.ClientCursor(database)
    with database.transaction():
        client.execute("SET LOCAL session_replication_role = replica")
        for sql in (_PATIENTS, _CLINICIANS, _HOURS, _VISITS):
            client.execute(sql, values)
        client.execute("DROP TABLE turn")
        # Built at once and not row by row: minutes less for a million claims.
        constraints = client.execute(_EXCLUSIONS).fetchall()
        for name, _ in constraints:
            client.execute(f"ALTER TABLE appointments_busytime DROP CONSTRAINT {name}")
        client.execute(_CLAIMS, values)
        for name, definition in constraints:
            client.execute(f"ALTER TABLE appointments_busytime ADD CONSTRAINT {name} {definition}")
        client.execute(_LEAVE, values)
    database.execute("VACUUM ANALYZE")
    charts = database.execute(
        "SELECT id FROM clinics_patient WHERE clinic_id = %s ORDER BY md5(id::text) LIMIT 400",
        [clinic.id],
    )
    return Network(
        clinic.id,
        service.id,
        places,
        Staff(desk.id, session.id, clinic.id),
        clinicians,
        [row[0] for row in charts],
    )


def _place(clinic: Clinic, number: int) -> UUID:
    zone = ZONES[number % len(ZONES)]
    return create_row(
        Location,
        {"clinic": clinic, "name": f"Place {number}", "timezone": zone},
        action="location.created",
    ).id
