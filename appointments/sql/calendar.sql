-- The calendar kernel: what is free and why not, and who gets in. These are the functions as they are
-- today: a migration that changes one of them drops its old signature and runs this file again.

GRANT SELECT ON clinics_clinic, clinics_doctor, clinics_location, clinics_service, clinics_membership,
    clinics_scheduletemplate, clinics_scheduletemplate_services, clinics_scheduleexception,
    appointments_appointment, appointments_busytime TO kairos_definer;
GRANT INSERT, UPDATE, DELETE ON appointments_busytime TO kairos_definer;

-- How many visits of a doctor count on the local days [p_first, p_last): everything but cancellations
-- in good time, in whichever clinic.
CREATE OR REPLACE FUNCTION appointments_counted(
    p_doctor uuid, p_first date, p_last date, p_zone text, p_moving uuid[]
) RETURNS integer
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN (
        SELECT count(*) FROM appointments_appointment a
        WHERE a.doctor_id = p_doctor
          AND a.starts_at >= core_instant(p_first::timestamp, p_zone)
          AND a.starts_at < core_instant(p_last::timestamp, p_zone)
          AND (a.status <> 'CANCELLED' OR a.late_cancellation)
          AND (p_moving IS NULL OR a.id <> ALL (p_moving)));
END
$$;
ALTER FUNCTION appointments_counted(uuid, date, date, text, uuid[]) OWNER TO kairos_definer;
REVOKE EXECUTE ON FUNCTION appointments_counted(uuid, date, date, text, uuid[]) FROM PUBLIC;

-- The hours in which the given doctors work on the local days that [p_from, p_to] touches: the weekly
-- ones, unless other hours replace them that day. Local wall-clock times; minutes for `step`. Plain
-- SQL with its caller's rights, so that the planner takes it into the query that asks.
CREATE OR REPLACE FUNCTION appointments_hours(
    p_clinics uuid[], p_doctors uuid[], p_location uuid, p_service uuid, p_mode text,
    p_from timestamptz, p_to timestamptz
) RETURNS TABLE (
    doctor_id uuid, clinic_id uuid, location_id uuid, zone text, day date, start_time time,
    end_time time, step integer, capacity integer
)
LANGUAGE sql STABLE AS $$
    SELECT t.doctor_id, t.clinic_id, t.location_id, l.timezone::text AS zone, d.day::date AS day,
           t.start_time, t.end_time, t.slot_minutes::int AS step, t.capacity::int AS capacity
    FROM clinics_scheduletemplate t
    JOIN clinics_location l ON l.id = t.location_id AND l.is_active
    CROSS JOIN LATERAL generate_series(
        (p_from AT TIME ZONE l.timezone)::date::timestamp,
        (p_to AT TIME ZONE l.timezone)::date::timestamp, interval '1 day') AS d(day)
    WHERE t.doctor_id = ANY (p_doctors) AND t.clinic_id = ANY (p_clinics)
      AND (p_location IS NULL OR t.location_id = p_location)
      AND (p_mode IS NULL OR p_mode = ANY (t.modes))
      AND extract(isodow FROM d.day) = t.weekday
      AND (t.valid_from IS NULL OR t.valid_from <= d.day::date)
      AND (t.valid_to IS NULL OR t.valid_to >= d.day::date)
      AND (p_service IS NULL
           OR NOT EXISTS (SELECT FROM clinics_scheduletemplate_services ts
                          WHERE ts.scheduletemplate_id = t.id)
           OR EXISTS (SELECT FROM clinics_scheduletemplate_services ts
                      WHERE ts.scheduletemplate_id = t.id AND ts.service_id = p_service))
      AND NOT EXISTS (SELECT FROM clinics_scheduleexception e
                      WHERE e.doctor_id = t.doctor_id AND e.location_id = t.location_id
                        AND e.kind = 'HOURS' AND e.clinic_id = t.clinic_id
                        AND d.day::date BETWEEN e.start_date AND e.end_date)
    UNION ALL
    SELECT e.doctor_id, e.clinic_id, e.location_id, l.timezone::text, d.day::date,
           e.start_time, e.end_time, e.slot_minutes::int, e.capacity::int
    FROM clinics_scheduleexception e
    JOIN clinics_location l ON l.id = e.location_id AND l.is_active
    CROSS JOIN LATERAL generate_series(
        (p_from AT TIME ZONE l.timezone)::date::timestamp,
        (p_to AT TIME ZONE l.timezone)::date::timestamp, interval '1 day') AS d(day)
    WHERE e.kind = 'HOURS' AND e.doctor_id = ANY (p_doctors) AND e.clinic_id = ANY (p_clinics)
      AND (p_location IS NULL OR e.location_id = p_location)
      AND (p_mode IS NULL OR p_mode = ANY (e.modes))
      AND d.day::date BETWEEN e.start_date AND e.end_date
$$;

-- What closes those hours on one local day: closures, and the doctor's leave, as instants.
CREATE OR REPLACE FUNCTION appointments_off(
    p_clinic uuid, p_doctor uuid, p_location uuid, p_day date, p_zone text
) RETURNS TABLE (closed tstzmultirange, leave tstzmultirange)
LANGUAGE sql STABLE AS $$
    SELECT range_agg(x.during) FILTER (WHERE x.kind = 'CLOSED'),
           range_agg(x.during) FILTER (WHERE x.kind = 'LEAVE')
    FROM (
        SELECT e.kind, tstzrange(
            core_instant(p_day + COALESCE(e.start_time, '00:00'), p_zone),
            core_instant(CASE WHEN e.end_time IS NULL OR e.end_time = '00:00'
                              THEN p_day + interval '1 day' ELSE p_day + e.end_time END,
                         p_zone)) AS during
        FROM clinics_scheduleexception e
        WHERE e.kind IN ('CLOSED', 'LEAVE') AND e.clinic_id = p_clinic
          AND (e.doctor_id = p_doctor OR e.doctor_id IS NULL)
          AND (e.location_id = p_location OR e.location_id IS NULL)
          AND p_day BETWEEN e.start_date AND e.end_date
    ) x
$$;

-- What occupies the given doctors' time besides visits that the caller can read: of the clinics given
-- holds and leave, of others only that the doctor is not free (kind BUSY). The clinics are an argument
-- that callers take from their own scope, the doctors those of that clinic.
CREATE OR REPLACE FUNCTION appointments_busy(
    p_clinics uuid[], p_doctors uuid[], p_from timestamptz, p_to timestamptz, p_now timestamptz
) RETURNS TABLE (
    doctor_id uuid, kind text, busy_from timestamptz, busy_to timestamptz,
    visit_from timestamptz, visit_to timestamptz, claim uuid, holder uuid, expires_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT b.doctor_id,
           CASE WHEN own.it THEN b.kind ELSE 'BUSY' END,
           lower(b.period), upper(b.period),
           lower(CASE WHEN own.it THEN b.visit ELSE b.period END),
           upper(CASE WHEN own.it THEN b.visit ELSE b.period END),
           CASE WHEN own.it THEN b.id END, CASE WHEN own.it THEN b.holder END,
           CASE WHEN own.it THEN b.expires_at END
    FROM appointments_busytime b
    CROSS JOIN LATERAL (SELECT b.clinic_id = ANY (p_clinics) AS it) own
    WHERE b.doctor_id = ANY (p_doctors) AND b.period && tstzrange(p_from, p_to)
      AND (b.kind <> 'HELD' OR b.expires_at > p_now)
      AND NOT (own.it AND b.kind = 'BOOKED')
    ORDER BY b.doctor_id, lower(b.period), b.id
$$;
ALTER FUNCTION appointments_busy(uuid[], uuid[], timestamptz, timestamptz, timestamptz) OWNER TO kairos_definer;
REVOKE EXECUTE ON FUNCTION appointments_busy(uuid[], uuid[], timestamptz, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION appointments_busy(uuid[], uuid[], timestamptz, timestamptz, timestamptz) TO kairos_app;

-- Free (and, to explain, not free) starts of the given doctors between two instants.
--
-- Working hours - exceptions - busy times, on the grid of the hours; or, with p_exact, the very visits
-- asked about, which need not be on the grid. A row with a null reason is free: `remaining` lanes, the
-- lowest of them `lane`. Otherwise the reason is the error code that a booking would get. Without
-- p_explain only the free rows come back. The clinics are an argument that callers take from their
-- own scope: busy times are read across clinics, because a doctor has one calendar.
CREATE OR REPLACE FUNCTION appointments_slots(
    p_clinics uuid[],
    p_doctors uuid[],
    p_location uuid,        -- null: any
    p_service uuid,         -- null: none; then p_minutes, and no buffers
    p_minutes integer,      -- null: the service's duration; without one, a slot of the hours
    p_mode text,            -- null: any
    p_from timestamptz,
    p_to timestamptz,
    p_now timestamptz,
    p_patient_rules boolean, -- true: the notice that patients keep; false: the present moment
    p_exact tstzrange[],
    p_moving uuid[],        -- appointments whose own claims are about to be given up
    p_hold uuid,            -- a hold about to be used
    p_explain boolean,
    p_until timestamptz,    -- a later horizon than the clinic's, for what is planned far ahead; or null
    p_limit integer
) RETURNS TABLE (
    doctor_id uuid, clinic_id uuid, location_id uuid, starts_at timestamptz, ends_at timestamptz,
    timezone text, remaining integer, lane integer, reason text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off AS $$
#variable_conflict use_column
DECLARE
    v_minutes integer := p_minutes;
    v_before interval := '0';
    v_after interval := '0';
    v_capacity integer;
    v_notice integer;
    v_horizon integer;
    v_length interval;
BEGIN
    IF p_service IS NOT NULL THEN
        SELECT COALESCE(p_minutes, s.duration_minutes), make_interval(mins => s.buffer_before_minutes),
               make_interval(mins => s.buffer_after_minutes), s.capacity, s.min_notice_minutes,
               s.horizon_days
        INTO v_minutes, v_before, v_after, v_capacity, v_notice, v_horizon
        FROM clinics_service s WHERE s.id = p_service AND s.clinic_id = ANY (p_clinics);
    END IF;
    v_length := make_interval(mins => v_minutes);

    RETURN QUERY
    WITH hours AS (
        SELECT * FROM appointments_hours(
            p_clinics, p_doctors, p_location, p_service, p_mode, p_from, p_to)
    ),
    windows AS (
        SELECT h.doctor_id, h.clinic_id, h.location_id, h.zone, h.day, h.step,
               COALESCE(v_length, make_interval(mins => h.step)) AS length,
               LEAST(h.capacity, COALESCE(v_capacity, h.capacity)) AS capacity,
               core_instant(h.day + h.start_time, h.zone) AS opens,
               core_instant(CASE WHEN h.end_time = '00:00' THEN h.day + interval '1 day'
                                 ELSE h.day + h.end_time END, h.zone) AS closes,
               CASE WHEN p_patient_rules
                    THEN p_now + make_interval(mins => COALESCE(v_notice, c.min_notice_minutes::int))
                    ELSE p_now END AS earliest,
               GREATEST(p_until, p_now + make_interval(
                   days => COALESCE(v_horizon, c.horizon_days::int))) AS latest,
               doc.max_daily_appointments AS day_cap, doc.max_weekly_appointments AS week_cap
        FROM hours h
        JOIN clinics_clinic c ON c.id = h.clinic_id AND c.is_active
        JOIN clinics_doctor doc ON doc.id = h.doctor_id AND doc.is_active
        WHERE EXISTS (SELECT FROM clinics_membership m
                      WHERE m.user_id = doc.user_id AND m.clinic_id = h.clinic_id AND m.is_active
                        AND m.role IN ('DOCTOR', 'THERAPIST', 'COUNSELOR'))
    ),
    -- Of the hours between the first and the last visit asked about, those in which one lies.
    wanted AS (
        SELECT w.*, NULL::tstzrange AS exact FROM windows w WHERE p_exact IS NULL
        UNION ALL
        SELECT w.*, x.exact FROM windows w
        JOIN unnest(p_exact) AS x(exact) ON x.exact <@ tstzrange(w.opens, w.closes)
    ),
    furnished AS (
        SELECT w.*, off.closed, off.leave, lanes.busy,
               -- Functions, so that who has no cap does not pay for the partitions behind them.
               CASE WHEN w.day_cap IS NOT NULL THEN w.day_cap <= appointments_counted(
                   w.doctor_id, w.day, w.day + 1, w.zone, p_moving) ELSE false END AS day_full,
               CASE WHEN w.week_cap IS NOT NULL THEN w.week_cap <= appointments_counted(
                   w.doctor_id, date_trunc('week', w.day::timestamp)::date,
                   date_trunc('week', w.day::timestamp)::date + 7, w.zone, p_moving)
                   ELSE false END AS week_full
        FROM wanted w
        CROSS JOIN LATERAL appointments_off(
            w.clinic_id, w.doctor_id, w.location_id, w.day, w.zone) AS off
        CROSS JOIN LATERAL (
            SELECT array_agg(of_lane.busy ORDER BY of_lane.number) AS busy FROM (
                SELECT l.number, range_agg(b.period) AS busy
                FROM generate_series(0, w.capacity - 1) AS l(number)
                LEFT JOIN appointments_busytime b
                  ON b.doctor_id = w.doctor_id
                 AND b.period && tstzrange(w.opens - v_before, w.closes + v_after)
                 AND (b.kind = 'BLOCKED' OR b.lane = l.number)
                 AND (b.kind <> 'HELD' OR b.expires_at > p_now)
                 AND (p_moving IS NULL OR b.appointment_id IS NULL
                      OR b.appointment_id <> ALL (p_moving))
                 AND (p_hold IS NULL OR b.id <> p_hold)
                GROUP BY l.number
            ) of_lane
        ) lanes
    ),
    starts AS (
        SELECT f.*, s.at AS starts_at, s.at + f.length AS ends_at
        FROM furnished f
        CROSS JOIN LATERAL generate_series(
            f.opens, f.closes - f.length, make_interval(mins => f.step)) AS s(at)
        WHERE p_exact IS NULL AND s.at >= p_from AND s.at < p_to
        UNION ALL
        SELECT f.*, lower(f.exact), upper(f.exact)
        FROM furnished f
        WHERE p_exact IS NOT NULL
    ),
    judged AS (
        SELECT s.doctor_id, s.clinic_id, s.location_id, s.starts_at, s.ends_at, s.zone,
               free.remaining, free.lane,
               CASE WHEN s.starts_at < s.earliest THEN 'TOO_SOON'
                    WHEN s.starts_at > s.latest THEN 'BEYOND_HORIZON'
                    WHEN s.closed && tstzrange(s.starts_at, s.ends_at) THEN 'OUTSIDE_WORKING_HOURS'
                    WHEN s.leave && tstzrange(s.starts_at, s.ends_at) THEN 'DOCTOR_ON_LEAVE'
                    WHEN s.day_full THEN 'DAILY_CAP_REACHED'
                    WHEN s.week_full THEN 'WEEKLY_CAP_REACHED'
                    WHEN free.remaining = 0 THEN 'SCHEDULING_CONFLICT'
               END AS reason
        FROM starts s
        CROSS JOIN LATERAL (
            SELECT count(*)::int AS remaining, (min(b.number) - 1)::int AS lane
            FROM unnest(s.busy) WITH ORDINALITY AS b(periods, number)
            WHERE b.periods IS NULL
               OR NOT b.periods && tstzrange(s.starts_at - v_before, s.ends_at + v_after)
        ) free
    )
    SELECT j.doctor_id, j.clinic_id, j.location_id, j.starts_at, j.ends_at, j.zone,
           CASE WHEN j.reason IS NULL THEN j.remaining ELSE 0 END, j.lane, j.reason
    FROM judged j
    WHERE p_explain OR j.reason IS NULL
    ORDER BY j.starts_at, j.doctor_id
    LIMIT p_limit;

    IF p_explain AND p_exact IS NULL THEN
        -- Days on which the doctor has no hours, so that an explanation leaves no day out.
        RETURN QUERY
        SELECT doc.id, l.clinic_id, l.id, core_instant(d.day, l.timezone),
               core_instant(d.day + interval '1 day', l.timezone), l.timezone::text, 0, NULL::integer,
               'OUTSIDE_WORKING_HOURS'
        FROM clinics_doctor doc
        JOIN clinics_location l ON l.clinic_id = ANY (p_clinics) AND l.is_active
             AND (p_location IS NULL OR l.id = p_location)
        CROSS JOIN LATERAL generate_series(
            (p_from AT TIME ZONE l.timezone)::date::timestamp,
            ((p_to - interval '1 microsecond') AT TIME ZONE l.timezone)::date::timestamp,
            interval '1 day') AS d(day)
        WHERE doc.id = ANY (p_doctors)
          AND EXISTS (SELECT FROM clinics_scheduletemplate t
                      WHERE t.doctor_id = doc.id AND t.location_id = l.id)
          AND NOT EXISTS (SELECT FROM clinics_scheduletemplate t
                          WHERE t.doctor_id = doc.id AND t.location_id = l.id
                            AND t.weekday = extract(isodow FROM d.day)
                            AND (t.valid_from IS NULL OR t.valid_from <= d.day::date)
                            AND (t.valid_to IS NULL OR t.valid_to >= d.day::date))
          AND NOT EXISTS (SELECT FROM clinics_scheduleexception e
                          WHERE e.doctor_id = doc.id AND e.location_id = l.id AND e.kind = 'HOURS'
                            AND d.day::date BETWEEN e.start_date AND e.end_date)
        ORDER BY 4, 1
        LIMIT p_limit;
    END IF;
END
$$;

-- Let one visit in, or say why not: takes the locks, removes expired holds in the way, and judges
-- the visit by the same rules as the slots. Each statement here sees what was committed before the
-- locks were had. With p_override only what is physically impossible is refused: the answer is then
-- the lowest lane in which nothing overlaps, however many there are.
CREATE OR REPLACE FUNCTION appointments_admit(
    p_keys text[], p_lock_ms integer,
    p_clinics uuid[], p_doctor uuid, p_location uuid, p_service uuid, p_mode text,
    p_visit tstzrange, p_period tstzrange, p_patient uuid, p_now timestamptz,
    p_patient_rules boolean, p_moving uuid[], p_hold uuid, p_override boolean
) RETURNS TABLE (admitted_lane integer, refusal text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    taken integer[];
BEGIN
    PERFORM core_lock(p_keys, p_lock_ms);
    DELETE FROM appointments_busytime b
    WHERE b.doctor_id = p_doctor AND b.period && p_period
      AND b.kind = 'HELD' AND b.expires_at <= p_now AND b.id IS DISTINCT FROM p_hold;
    IF p_patient IS NOT NULL THEN
        DELETE FROM appointments_busytime b
        WHERE b.patient_id = p_patient AND b.visit && p_visit
          AND b.kind = 'HELD' AND b.expires_at <= p_now AND b.id IS DISTINCT FROM p_hold;
    END IF;
    IF p_override THEN
        -- Into leave nobody is booked; another clinic learns only that the time is taken.
        RETURN QUERY
        SELECT NULL::integer, CASE WHEN b.clinic_id = ANY (p_clinics) THEN 'DOCTOR_ON_LEAVE'
                                   ELSE 'SCHEDULING_CONFLICT' END
        FROM appointments_busytime b
        WHERE b.doctor_id = p_doctor AND b.period && p_period AND b.kind = 'BLOCKED'
        LIMIT 1;
        IF FOUND THEN
            RETURN;
        END IF;
        taken := ARRAY(SELECT b.lane FROM appointments_busytime b
                       WHERE b.doctor_id = p_doctor AND b.period && p_period
                         AND (p_moving IS NULL OR b.appointment_id IS NULL
                              OR b.appointment_id <> ALL (p_moving))
                         AND b.id IS DISTINCT FROM p_hold);
        RETURN QUERY
        SELECT min(n)::integer, NULL::text
        FROM generate_series(0, COALESCE(array_length(taken, 1), 0)) AS n
        WHERE n <> ALL (taken);
        RETURN;
    END IF;
    IF lower(p_visit) < p_now THEN  -- whatever the hours of that day were
        RETURN QUERY SELECT NULL::integer, 'TOO_SOON'::text;
        RETURN;
    END IF;
    RETURN QUERY
    SELECT s.lane, s.reason
    FROM appointments_slots(
        p_clinics, ARRAY[p_doctor], p_location, p_service,
        (extract(epoch FROM upper(p_visit) - lower(p_visit)) / 60)::integer, p_mode,
        lower(p_visit), upper(p_visit), p_now, p_patient_rules, ARRAY[p_visit], p_moving, p_hold, true,
        NULL, 1
    ) s
    -- A window that fits is better than one that says no.
    ORDER BY s.reason IS NOT NULL
    LIMIT 1;
    IF NOT FOUND THEN
        RETURN QUERY SELECT NULL::integer, 'OUTSIDE_WORKING_HOURS'::text;
    END IF;
END
$$;

-- Let several visits in, or say of each why not: the locks are taken once for all of them, and each is
-- judged by the same rules as the slots. Visits of one batch count against a doctor's caps together.
-- With no keys nothing is locked and nothing removed: then it is a preview. Rooms and patients are
-- looked at too, so that a refusal can be told before a constraint says it. `number` counts from 1 in
-- the order of the arrays.
CREATE OR REPLACE FUNCTION appointments_admit_all(
    p_keys text[], p_lock_ms integer, p_clinics uuid[],
    p_doctors uuid[], p_locations uuid[], p_services uuid[], p_modes text[],
    p_visits tstzrange[], p_periods tstzrange[], p_patients uuid[], p_rooms uuid[],
    p_now timestamptz, p_patient_rules boolean, p_moving uuid[], p_until timestamptz
) RETURNS TABLE (number integer, admitted_lane integer, refusal text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = public, pg_temp
SET jit = off AS $$
#variable_conflict use_column
BEGIN
    IF cardinality(p_keys) > 0 THEN
        PERFORM core_lock(p_keys, p_lock_ms);
        DELETE FROM appointments_busytime b
        USING unnest(p_doctors, p_periods, p_patients, p_visits) AS a(doctor, period, patient, visit)
        WHERE b.kind = 'HELD' AND b.expires_at <= p_now
          AND ((b.doctor_id = a.doctor AND b.period && a.period)
               OR (b.patient_id = a.patient AND b.visit && a.visit));
    END IF;
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT a.*, (extract(epoch FROM upper(a.visit) - lower(a.visit)) / 60)::integer AS minutes
        FROM unnest(p_doctors, p_locations, p_services, p_modes, p_visits, p_periods, p_patients,
                    p_rooms)
            WITH ORDINALITY AS a(doctor, location, service, mode, visit, period, patient, room, place)
    ),
    kinds AS (
        SELECT a.doctor, a.location, a.service, a.mode, a.minutes, array_agg(a.visit) AS visits,
               min(lower(a.visit)) AS first, max(upper(a.visit)) AS last
        FROM asked a GROUP BY 1, 2, 3, 4, 5
    ),
    offered AS (
        -- A window that fits is better than one that says no.
        SELECT DISTINCT ON (k.doctor, s.starts_at, s.ends_at)
               k.doctor, s.starts_at, s.ends_at, s.timezone, s.lane, s.reason
        FROM kinds k
        CROSS JOIN LATERAL appointments_slots(
            p_clinics, ARRAY[k.doctor], k.location, k.service, k.minutes, k.mode, k.first, k.last,
            p_now, p_patient_rules, k.visits, p_moving, NULL, true, p_until,
            10 * cardinality(k.visits)) s
        ORDER BY k.doctor, s.starts_at, s.ends_at, s.reason IS NOT NULL
    ),
    judged AS (
        SELECT a.place, a.doctor, lower(a.visit) AS starts_at, o.lane,
               (lower(a.visit) AT TIME ZONE o.timezone)::date AS day, o.timezone AS zone,
               CASE WHEN lower(a.visit) < p_now THEN 'TOO_SOON'
                    WHEN o.doctor IS NULL THEN 'OUTSIDE_WORKING_HOURS'
                    WHEN o.reason IS NOT NULL THEN o.reason
                    WHEN EXISTS (
                        SELECT FROM appointments_busytime b
                        WHERE b.patient_id = a.patient AND b.visit && a.visit
                          AND (b.kind <> 'HELD' OR b.expires_at > p_now)
                          AND (p_moving IS NULL OR b.appointment_id IS NULL
                               OR b.appointment_id <> ALL (p_moving))) THEN 'PATIENT_CONFLICT'
                    WHEN EXISTS (
                        SELECT FROM appointments_busytime b
                        WHERE b.room_id = a.room AND b.doctor_id <> a.doctor AND b.period && a.period
                          AND (b.kind <> 'HELD' OR b.expires_at > p_now)
                          AND (p_moving IS NULL OR b.appointment_id IS NULL
                               OR b.appointment_id <> ALL (p_moving))) THEN 'ROOM_CONFLICT'
               END AS reason
        FROM asked a
        LEFT JOIN offered o ON o.doctor = a.doctor AND o.starts_at = lower(a.visit)
             AND o.ends_at = upper(a.visit)
    ),
    by_day AS (
        SELECT j.*, doc.max_weekly_appointments AS week_cap,
               CASE WHEN j.reason IS NULL AND doc.max_daily_appointments IS NOT NULL
                     AND row_number() OVER (
                             PARTITION BY j.doctor, j.day, j.reason IS NULL ORDER BY j.starts_at)
                         + appointments_counted(j.doctor, j.day, j.day + 1, j.zone, p_moving)
                         > doc.max_daily_appointments
                    THEN 'DAILY_CAP_REACHED' ELSE j.reason END AS told
        FROM judged j JOIN clinics_doctor doc ON doc.id = j.doctor
    ),
    by_week AS (
        SELECT d.*,
               CASE WHEN d.told IS NULL AND d.week_cap IS NOT NULL
                     AND row_number() OVER (
                             PARTITION BY d.doctor, date_trunc('week', d.day::timestamp),
                                          d.told IS NULL ORDER BY d.starts_at)
                         + appointments_counted(
                             d.doctor, date_trunc('week', d.day::timestamp)::date,
                             date_trunc('week', d.day::timestamp)::date + 7, d.zone, p_moving)
                         > d.week_cap
                    THEN 'WEEKLY_CAP_REACHED' ELSE d.told END AS said
        FROM by_day d
    )
    SELECT w.place::integer, CASE WHEN w.said IS NULL THEN w.lane END, w.said
    FROM by_week w ORDER BY w.place;
END
$$;

-- The time that an exception closes, as instants: one range for whole days, one a day for parts.
-- Local days are those of its location, or of the clinic when it has none.
CREATE OR REPLACE FUNCTION appointments_spans(p_exception uuid) RETURNS tstzmultirange
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT CASE WHEN e.start_time IS NULL
        THEN tstzmultirange(tstzrange(core_instant(e.start_date::timestamp, z.zone),
                                      core_instant(e.end_date + interval '1 day', z.zone)))
        ELSE (SELECT range_agg(tstzrange(
                  core_instant(d.day + e.start_time, z.zone),
                  core_instant(CASE WHEN e.end_time = '00:00' THEN d.day + interval '1 day'
                                    ELSE d.day + e.end_time END, z.zone)))
              FROM generate_series(e.start_date::timestamp, e.end_date::timestamp,
                                   interval '1 day') AS d(day))
        END
    FROM clinics_scheduleexception e
    JOIN clinics_clinic c ON c.id = e.clinic_id
    LEFT JOIN clinics_location l ON l.id = e.location_id
    CROSS JOIN LATERAL (SELECT COALESCE(l.timezone, c.timezone)::text) AS z(zone)
    WHERE e.id = p_exception
$$;

-- Claim for the doctor's leaves whatever of `p_during` nobody has claimed, in every lane. Should
-- somebody claim it at the same moment, the exclusion constraint decides. The rows belong to the leave's clinic, whichever clinic's visit made room; their
-- ids are random ones, since they are made here.
CREATE OR REPLACE FUNCTION appointments_block(p_doctor uuid, p_during tstzrange) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    leave record;
BEGIN
    FOR leave IN
        SELECT e.id, e.clinic_id, e.reason FROM clinics_scheduleexception e
        WHERE e.doctor_id = p_doctor AND e.kind = 'LEAVE'
          AND e.end_date >= (lower(p_during) - interval '2 days')::date
          AND e.start_date <= (upper(p_during) + interval '2 days')::date
        ORDER BY e.id
    LOOP
        INSERT INTO appointments_busytime (id, clinic_id, doctor_id, lane, period, visit, kind,
                                           exception_id, reason, created_at)
        SELECT gen_random_uuid(), leave.clinic_id, p_doctor, NULL, free, free, 'BLOCKED',
               leave.id, leave.reason, now()
        FROM unnest(
            appointments_spans(leave.id) * tstzmultirange(p_during)
            - COALESCE((SELECT range_agg(b.period) FROM appointments_busytime b
                        WHERE b.doctor_id = p_doctor AND b.period && p_during), '{}')
        ) AS free;
    END LOOP;
END
$$;

-- Take back what a leave has claimed, in whichever clinic's scope.
CREATE OR REPLACE FUNCTION appointments_unblock(p_exception uuid) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM appointments_busytime b WHERE b.exception_id = p_exception AND b.kind = 'BLOCKED'
$$;

-- Give an appointment's time back; what of it lies in the doctor's leave becomes the leave's.
CREATE OR REPLACE FUNCTION appointments_release(p_appointment uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    freed record;
BEGIN
    DELETE FROM appointments_busytime b WHERE b.appointment_id = p_appointment
    RETURNING b.doctor_id, b.period INTO freed;
    IF FOUND AND upper(freed.period) > now() THEN
        PERFORM appointments_block(freed.doctor_id, freed.period);
    END IF;
END
$$;

-- Give the time of several appointments back, as appointments_release does with one.
CREATE OR REPLACE FUNCTION appointments_release_all(p_appointments uuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    doctors uuid[];
    periods tstzrange[];
BEGIN
    -- Two steps: what is blocked has to see that the claims are gone.
    WITH gone AS (
        DELETE FROM appointments_busytime b WHERE b.appointment_id = ANY (p_appointments)
        RETURNING b.doctor_id, b.period
    )
    SELECT array_agg(g.doctor_id), array_agg(g.period) INTO doctors, periods
    FROM gone g WHERE upper(g.period) > now();
    PERFORM appointments_block(f.doctor, f.period)
    FROM unnest(doctors, periods) AS f(doctor, period)
    WHERE EXISTS (SELECT FROM clinics_scheduleexception e
                  WHERE e.doctor_id = f.doctor AND e.kind = 'LEAVE'
                    AND e.end_date >= (lower(f.period) - interval '2 days')::date
                    AND e.start_date <= (upper(f.period) + interval '2 days')::date);
END
$$;

-- Remove what has had its time: expired holds, or claims that ended before an instant.
CREATE OR REPLACE FUNCTION appointments_sweep(p_holds_before timestamptz, p_over_before timestamptz)
RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    gone integer;
BEGIN
    DELETE FROM appointments_busytime b
    WHERE (b.kind = 'HELD' AND b.expires_at <= p_holds_before)
       OR upper(b.period) <= p_over_before;
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;

ALTER FUNCTION appointments_slots(uuid[], uuid[], uuid, uuid, integer, text, timestamptz, timestamptz,
    timestamptz, boolean, tstzrange[], uuid[], uuid, boolean, timestamptz, integer) OWNER TO kairos_definer;
ALTER FUNCTION appointments_admit(text[], integer, uuid[], uuid, uuid, uuid, text, tstzrange, tstzrange,
    uuid, timestamptz, boolean, uuid[], uuid, boolean) OWNER TO kairos_definer;
ALTER FUNCTION appointments_admit_all(text[], integer, uuid[], uuid[], uuid[], uuid[], text[], tstzrange[],
    tstzrange[], uuid[], uuid[], timestamptz, boolean, uuid[], timestamptz) OWNER TO kairos_definer;
ALTER FUNCTION appointments_release(uuid) OWNER TO kairos_definer;
ALTER FUNCTION appointments_sweep(timestamptz, timestamptz) OWNER TO kairos_definer;
ALTER FUNCTION appointments_spans(uuid) OWNER TO kairos_definer;
ALTER FUNCTION appointments_block(uuid, tstzrange) OWNER TO kairos_definer;
ALTER FUNCTION appointments_unblock(uuid) OWNER TO kairos_definer;
REVOKE EXECUTE ON FUNCTION appointments_slots(uuid[], uuid[], uuid, uuid, integer, text, timestamptz,
    timestamptz, timestamptz, boolean, tstzrange[], uuid[], uuid, boolean, timestamptz, integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION appointments_admit(text[], integer, uuid[], uuid, uuid, uuid, text, tstzrange,
    tstzrange, uuid, timestamptz, boolean, uuid[], uuid, boolean) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION appointments_admit_all(text[], integer, uuid[], uuid[], uuid[], uuid[], text[], tstzrange[],
    tstzrange[], uuid[], uuid[], timestamptz, boolean, uuid[], timestamptz) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION appointments_release(uuid) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION appointments_sweep(timestamptz, timestamptz) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION appointments_spans(uuid) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION appointments_block(uuid, tstzrange) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION appointments_unblock(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION appointments_slots(uuid[], uuid[], uuid, uuid, integer, text, timestamptz,
    timestamptz, timestamptz, boolean, tstzrange[], uuid[], uuid, boolean, timestamptz, integer) TO kairos_app;
GRANT EXECUTE ON FUNCTION appointments_admit(text[], integer, uuid[], uuid, uuid, uuid, text, tstzrange,
    tstzrange, uuid, timestamptz, boolean, uuid[], uuid, boolean) TO kairos_app;
GRANT EXECUTE ON FUNCTION appointments_admit_all(text[], integer, uuid[], uuid[], uuid[], uuid[], text[], tstzrange[],
    tstzrange[], uuid[], uuid[], timestamptz, boolean, uuid[], timestamptz) TO kairos_app;
GRANT EXECUTE ON FUNCTION appointments_release(uuid) TO kairos_app;
GRANT EXECUTE ON FUNCTION appointments_sweep(timestamptz, timestamptz) TO kairos_app;
GRANT EXECUTE ON FUNCTION appointments_spans(uuid) TO kairos_app;
GRANT EXECUTE ON FUNCTION appointments_block(uuid, tstzrange) TO kairos_app;
GRANT EXECUTE ON FUNCTION appointments_unblock(uuid) TO kairos_app;
ALTER FUNCTION appointments_release_all(uuid[]) OWNER TO kairos_definer;
REVOKE EXECUTE ON FUNCTION appointments_release_all(uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION appointments_release_all(uuid[]) TO kairos_app;
