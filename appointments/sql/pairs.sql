-- Two sessions with one clinician: which pairs of days could be booked. What is free is asked of
-- `appointments_slots`, as for any visit; here its answers are only put together.

-- The starts that a doctor could have at the earliest, one a day and place: in working hours, on their
-- grid, beside what is claimed and within what caps leave. Cheap, for many doctors at once, and only a
-- guess: nothing free is earlier than what this says, but what it says need not be free (part of a day
-- may be closed, say). No row: no two days near enough, there is no pair. Lengths and buffers as the
-- service has them; `p_elsewhere` is when the patient is, and `p_earliest` and `p_latest` bound the starts.
CREATE OR REPLACE FUNCTION appointments_pairs_likely(
    p_clinics uuid[], p_doctors uuid[], p_location uuid, p_service uuid, p_mode text,
    p_length interval, p_before interval, p_after interval, p_elsewhere tstzmultirange,
    p_now timestamptz, p_earliest timestamptz, p_latest timestamptz, p_end timestamptz, p_apart integer
) RETURNS TABLE (doctor_id uuid, starts timestamptz[])
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH closed AS MATERIALIZED (
        SELECT e.clinic_id, e.doctor_id, e.location_id, e.start_date, e.end_date
        FROM clinics_scheduleexception e
        WHERE e.kind = 'CLOSED' AND e.start_time IS NULL AND e.clinic_id = ANY (p_clinics)
          AND e.end_date >= (p_now - interval '1 day')::date
          AND e.start_date <= (p_end + interval '1 day')::date
          AND (e.doctor_id IS NULL OR e.doctor_id = ANY (p_doctors))
    ),
    hours AS MATERIALIZED (
        SELECT * FROM appointments_hours(
            p_clinics, p_doctors, p_location, p_service, p_mode, p_now, p_end)
    ),
    -- Walls of clocks are made instants once a day and zone, where that day has its 24 hours.
    days AS MATERIALIZED (
        SELECT d.zone, d.day, m.midnight,
               core_instant(d.day + interval '1 day', d.zone) = m.midnight + interval '24 hours' AS even
        FROM (SELECT DISTINCT h.zone, h.day FROM hours h) d
        CROSS JOIN LATERAL (SELECT core_instant(d.day::timestamp, d.zone) AS midnight) m
    ),
    windows AS MATERIALIZED (
        SELECT h.doctor_id, h.clinic_id, h.location_id, h.zone, h.day, h.step, h.capacity,
               CASE WHEN d.even THEN d.midnight + h.start_time::interval
                    ELSE core_instant(h.day + h.start_time, h.zone) END AS opens,
               CASE WHEN d.even AND h.end_time = '00:00' THEN d.midnight + interval '24 hours'
                    WHEN d.even THEN d.midnight + h.end_time::interval
                    WHEN h.end_time = '00:00' THEN core_instant(h.day + interval '1 day', h.zone)
                    ELSE core_instant(h.day + h.end_time, h.zone) END AS closes
        FROM hours h
        JOIN days d USING (zone, day)
        WHERE NOT EXISTS (
            SELECT FROM closed c
            WHERE c.clinic_id = h.clinic_id AND h.day BETWEEN c.start_date AND c.end_date
              AND (c.doctor_id IS NULL OR c.doctor_id = h.doctor_id)
              AND (c.location_id IS NULL OR c.location_id = h.location_id))
    ),
    working AS MATERIALIZED (
        SELECT w.doctor_id, range_agg(tstzrange(w.opens - p_before, w.closes + p_after)) AS hours,
               max(w.capacity) AS capacity, min(w.zone) AS zone, min(w.zone) = max(w.zone) AS same,
               max(d.max_daily_appointments) AS day_cap, max(d.max_weekly_appointments) AS week_cap
        FROM windows w JOIN clinics_doctor d ON d.id = w.doctor_id
        GROUP BY w.doctor_id
    ),
    claims AS MATERIALIZED (
        SELECT b.doctor_id, b.kind, b.period, lower(b.visit) AS at
        FROM appointments_busytime b
        WHERE b.doctor_id = ANY (p_doctors)
          AND b.period && tstzrange(p_now - interval '8 days', p_end + interval '8 days')
          AND (b.kind <> 'HELD' OR b.expires_at > p_now)
    ),
    taken AS MATERIALIZED (
        -- Where several patients fit, only what blocks all of them counts.
        SELECT c.doctor_id, range_agg(c.period) AS periods
        FROM claims c JOIN working w USING (doctor_id)
        WHERE w.capacity = 1 OR c.kind = 'BLOCKED'
        GROUP BY c.doctor_id
    ),
    gaps AS MATERIALIZED (
        SELECT w.doctor_id, lower(g.free) AS since, upper(g.free) AS until
        FROM working w
        LEFT JOIN taken t USING (doctor_id)
        CROSS JOIN LATERAL unnest(
            w.hours - COALESCE(t.periods, '{}') - COALESCE(p_elsewhere, '{}')) AS g(free)
        WHERE upper(g.free) - lower(g.free) >= p_length + p_before + p_after
    ),
    fitting AS MATERIALIZED (
        SELECT w.doctor_id, w.clinic_id, w.location_id, w.zone, w.day, min(s.at) AS at
        FROM gaps g
        JOIN windows w ON w.doctor_id = g.doctor_id AND w.opens < g.until AND w.closes > g.since
        CROSS JOIN LATERAL (
            SELECT w.opens + make_interval(mins => w.step) * ceil(GREATEST(
                0, extract(epoch FROM GREATEST(g.since + p_before, p_earliest) - w.opens)
                   / (60 * w.step))) AS at
        ) s
        WHERE s.at + p_length <= LEAST(w.closes, g.until - p_after)
          AND s.at < p_end AND s.at <= p_latest
        GROUP BY w.doctor_id, w.clinic_id, w.location_id, w.zone, w.day
    ),
    -- Claims are at most what counts against a cap.
    of_day AS MATERIALIZED (
        SELECT c.doctor_id, (c.at AT TIME ZONE w.zone)::date AS day, count(*) AS count
        FROM claims c JOIN working w USING (doctor_id)
        WHERE c.kind = 'BOOKED' AND w.same AND (w.day_cap IS NOT NULL OR w.week_cap IS NOT NULL)
        GROUP BY 1, 2
    ),
    of_week AS MATERIALIZED (
        SELECT o.doctor_id, date_trunc('week', o.day::timestamp) AS week, sum(o.count) AS count
        FROM of_day o GROUP BY 1, 2
    ),
    likely AS MATERIALIZED (
        SELECT f.doctor_id, f.clinic_id, f.location_id, f.day, f.at
        FROM fitting f
        JOIN working w USING (doctor_id)
        LEFT JOIN of_day c ON c.doctor_id = f.doctor_id AND c.day = f.day
        LEFT JOIN of_week k ON k.doctor_id = f.doctor_id
             AND k.week = date_trunc('week', f.day::timestamp)
        WHERE (w.day_cap IS NULL OR COALESCE(c.count, 0) < w.day_cap)
          AND (w.week_cap IS NULL OR COALESCE(k.count, 0) < w.week_cap)
    ),
    near AS (
        SELECT l.doctor_id, l.at,
               l.day - lag(l.day) OVER place <= p_apart AS has_near
        FROM likely l
        WINDOW place AS (PARTITION BY l.doctor_id, l.clinic_id, l.location_id ORDER BY l.day)
    )
    SELECT n.doctor_id, array_agg(DISTINCT n.at ORDER BY n.at)
    FROM near n
    GROUP BY n.doctor_id
    HAVING bool_or(n.has_near);
END
$$;

-- The first pairs of one doctor, at most three, each beginning on another day: the first start of that
-- day, and the earliest second one on another local day of the same place, at most `p_apart` days later,
-- that the doctor's weekly cap leaves room for beside the first. All at one place: the one of the
-- earliest pair.
--
-- With `p_asked` only those starts are asked about, the likely ones of each day before `p_to`; should one
-- of them not be free, there is no row. Otherwise every start before `p_to` is looked at. Unless that
-- is all there is to look at (`p_whole`), no row means that more of the calendar is needed.
CREATE OR REPLACE FUNCTION appointments_pairs_of(
    p_clinics uuid[], p_doctor uuid, p_week_cap integer, p_location uuid, p_service uuid,
    p_minutes integer, p_mode text, p_gap interval, p_taken tstzmultirange, p_now timestamptz,
    p_to timestamptz, p_asked timestamptz[], p_apart integer, p_whole boolean,
    p_patient_rules boolean
) RETURNS TABLE (
    clinic_id uuid, location_id uuid, timezone text,
    first_starts_at timestamptz, first_ends_at timestamptz, first_remaining integer,
    second_starts_at timestamptz, second_ends_at timestamptz, second_remaining integer
)
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    v_length interval := make_interval(mins => p_minutes);
    v_exact tstzrange[];
BEGIN
    IF p_asked IS NOT NULL THEN
        v_exact := ARRAY(SELECT tstzrange(a.at, a.at + v_length) FROM unnest(p_asked) AS a(at));
    END IF;
    RETURN QUERY
    WITH offered AS MATERIALIZED (
        SELECT s.clinic_id, s.location_id, s.timezone, s.starts_at, s.ends_at, s.remaining,
               (s.starts_at AT TIME ZONE s.timezone)::date AS day
        FROM appointments_slots(
            p_clinics, ARRAY[p_doctor], p_location, p_service, p_minutes, p_mode,
            COALESCE(p_asked[1], p_now), COALESCE(p_asked[cardinality(p_asked)] + v_length, p_to),
            p_now, p_patient_rules, v_exact, NULL, NULL, false, NULL, 100000) s
        WHERE p_taken IS NULL OR NOT p_taken && tstzrange(s.starts_at, s.ends_at)
    ),
    days AS MATERIALIZED (
        SELECT DISTINCT ON (o.clinic_id, o.location_id, o.day)
               o.*, date_trunc('week', o.day::timestamp)::date AS week
        FROM offered o
        ORDER BY o.clinic_id, o.location_id, o.day, o.starts_at, o.remaining DESC
    ),
    -- Weeks that cannot take two more.
    tight AS MATERIALIZED (
        SELECT w.timezone, w.week
        FROM (SELECT DISTINCT d.timezone, d.week FROM days d WHERE p_week_cap IS NOT NULL) w
        WHERE appointments_counted(p_doctor, w.week, w.week + 7, w.timezone, NULL) + 2 > p_week_cap
    ),
    paired AS MATERIALIZED (
        SELECT f.*, s.starts_at AS second_at
        FROM days f
        LEFT JOIN LATERAL (
            SELECT CASE
                WHEN d.starts_at >= f.ends_at + p_gap THEN d.starts_at
                -- Around midnight the first start of the next day may be too near.
                ELSE (SELECT min(o.starts_at) FROM offered o
                      WHERE o.location_id = f.location_id AND o.clinic_id = f.clinic_id
                        AND o.day = d.day AND o.starts_at >= f.ends_at + p_gap)
                END AS starts_at
            FROM days d
            WHERE d.location_id = f.location_id AND d.clinic_id = f.clinic_id
              AND d.day BETWEEN f.day + 1 AND f.day + p_apart
              AND (d.week <> f.week OR NOT EXISTS (
                       SELECT FROM tight t WHERE t.week = f.week AND t.timezone = f.timezone))
            ORDER BY 1
            LIMIT 1
        ) s ON true
    ),
    best AS (
        SELECT p.clinic_id, p.location_id FROM paired p
        WHERE p.second_at IS NOT NULL
        ORDER BY p.starts_at, p.second_at, p.location_id
        LIMIT 1
    ),
    chosen AS MATERIALIZED (
        SELECT p.* FROM paired p JOIN best b USING (clinic_id, location_id)
        WHERE p.second_at IS NOT NULL
        ORDER BY p.starts_at
        LIMIT 3
    )
    SELECT c.clinic_id, c.location_id, c.timezone, c.starts_at, c.ends_at, c.remaining,
           s.starts_at, s.ends_at, s.remaining
    FROM chosen c
    CROSS JOIN LATERAL (
        SELECT o.* FROM offered o
        WHERE o.clinic_id = c.clinic_id AND o.location_id = c.location_id
          AND o.starts_at = c.second_at
        ORDER BY o.remaining DESC
        LIMIT 1
    ) s
    WHERE (p_asked IS NULL OR (
        (SELECT count(*) FROM offered) = cardinality(p_asked)
        -- A later start of the next day was not asked about.
        AND (p_gap = '0' OR NOT EXISTS (
            SELECT FROM days f JOIN days d USING (clinic_id, location_id)
            WHERE d.day = f.day + 1 AND d.starts_at < f.ends_at + p_gap))))
      AND (p_whole OR (
        (SELECT count(*) FROM chosen) = 3
        -- No earlier day whose second one may still lie beyond what was looked at.
        AND NOT EXISTS (
            SELECT FROM paired p
            WHERE p.second_at IS NULL AND p.ends_at + make_interval(days => p_apart + 1) > p_to
              AND p.starts_at <= (SELECT max(l.starts_at) FROM chosen l))))
    ORDER BY c.starts_at;
END
$$;

-- Clinicians with their first pairs, in the order of their ids, after `p_after`. Who has none is passed
-- over; at most `p_look` are looked at. A last row without a pair says that there is more to find: read
-- on after its doctor; where the page is full, one clinician more than `p_limit` comes before that row.
-- The clinics are an argument that callers take from their own scope, the patient one of them; the time
-- that this patient has given away already is left out.
--
-- Whoever has no two likely days is passed over for little; of the others the likely starts are asked
-- about, the first few of them before all; and the whole calendar only where one was not free.
CREATE OR REPLACE FUNCTION appointments_pairs(
    p_clinics uuid[],
    p_region text,          -- null: wherever
    p_insurance text,       -- null: whichever
    p_profession text,      -- null: any
    p_doctor uuid,          -- null: whoever
    p_after uuid,           -- null: from the first
    p_location uuid, p_service uuid, p_minutes integer, p_mode text,
    p_patient uuid,         -- null: nobody in particular
    p_now timestamptz, p_days integer, p_apart integer, p_patient_rules boolean, p_limit integer,
    p_look integer
) RETURNS TABLE (
    doctor_id uuid, clinic_id uuid, location_id uuid, timezone text,
    first_starts_at timestamptz, first_ends_at timestamptz, first_remaining integer,
    second_starts_at timestamptz, second_ends_at timestamptz, second_remaining integer
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off AS $$
#variable_conflict use_column
DECLARE
    c_few CONSTANT integer := 6;
    v_end timestamptz := p_now + p_days * interval '24 hours';
    v_minutes integer := p_minutes;
    v_before interval := '0';
    v_after interval := '0';
    v_notice integer;
    v_horizon integer;
    v_earliest timestamptz := p_now;
    v_latest timestamptz;
    v_taken tstzmultirange;
    v_elsewhere tstzmultirange;
    v_batch uuid[];
    v_left integer := p_look;
    v_found integer := 0;
    v_last uuid;            -- of the clinicians found
    v_seen uuid := p_after; -- of those looked at
    v_more boolean := false;
    one record;
BEGIN
    IF p_service IS NOT NULL THEN
        SELECT COALESCE(p_minutes, s.duration_minutes), make_interval(mins => s.buffer_before_minutes),
               make_interval(mins => s.buffer_after_minutes), s.min_notice_minutes, s.horizon_days
        INTO v_minutes, v_before, v_after, v_notice, v_horizon
        FROM clinics_service s WHERE s.id = p_service AND s.clinic_id = ANY (p_clinics);
    END IF;
    -- The widest bounds of all the clinics: each one's own are judged with the starts.
    SELECT p_now + make_interval(days => COALESCE(v_horizon, max(c.horizon_days)::integer)),
           CASE WHEN p_patient_rules
                THEN p_now + make_interval(
                    mins => COALESCE(v_notice, min(c.min_notice_minutes)::integer))
                ELSE p_now END
    INTO v_latest, v_earliest
    FROM clinics_clinic c WHERE c.id = ANY (p_clinics);
    IF p_patient IS NOT NULL THEN
        -- A buffer may lie in the patient's other visit: what keeps the doctor's buffers out of it
        -- is that much less than the visit.
        SELECT range_agg(b.visit),
               range_agg(tstzrange(lower(b.visit) + v_after, upper(b.visit) - v_before))
                   FILTER (WHERE lower(b.visit) + v_after < upper(b.visit) - v_before)
        INTO v_taken, v_elsewhere
        FROM appointments_busytime b
        WHERE b.patient_id = p_patient AND b.visit && tstzrange(p_now, v_end + interval '1 day')
          AND (b.kind <> 'HELD' OR b.expires_at > p_now);
    END IF;
    <<pages>>
    LOOP
        v_batch := ARRAY(
            SELECT d.id
            FROM clinics_doctor d
            WHERE d.is_active
              AND (p_profession IS NULL OR d.profession = p_profession)
              AND (p_region IS NULL OR d.licensed_regions @> ARRAY[p_region]::varchar[])
              AND (p_insurance IS NULL OR d.accepted_insurances @> ARRAY[p_insurance]::varchar[])
              AND (p_doctor IS NULL OR d.id = p_doctor)
              AND (v_seen IS NULL OR d.id > v_seen)
              AND EXISTS (SELECT FROM clinics_membership m
                          WHERE m.user_id = d.user_id AND m.clinic_id = ANY (p_clinics)
                            AND m.is_active)
            ORDER BY d.id
            -- As many as it takes when a third has no pair.
            LIMIT LEAST(v_left + 1, 2 + (p_limit - v_found) * 3 / 2));
        EXIT WHEN cardinality(v_batch) = 0;
        FOR one IN
            SELECT b.id, d.max_weekly_appointments::integer AS week_cap, l.starts
            FROM unnest(v_batch) AS b(id)
            JOIN clinics_doctor d ON d.id = b.id
            LEFT JOIN appointments_pairs_likely(
                p_clinics, v_batch, p_location, p_service, p_mode, make_interval(mins => v_minutes),
                v_before, v_after, v_elsewhere, p_now, v_earliest, v_latest, v_end, p_apart) l
              ON l.doctor_id = b.id
            ORDER BY b.id
        LOOP
            v_more := v_left = 0;
            EXIT pages WHEN v_more;
            v_left := v_left - 1;
            v_seen := one.id;
            CONTINUE WHEN one.starts IS NULL;
            RETURN QUERY SELECT one.id, p.* FROM appointments_pairs_of(
                p_clinics, one.id, one.week_cap, p_location, p_service, v_minutes, p_mode,
                v_before + v_after, v_taken, p_now, one.starts[c_few + 1], one.starts[:c_few],
                p_apart, cardinality(one.starts) <= c_few, p_patient_rules) p;
            IF NOT FOUND AND cardinality(one.starts) > c_few THEN
                RETURN QUERY SELECT one.id, p.* FROM appointments_pairs_of(
                    p_clinics, one.id, one.week_cap, p_location, p_service, v_minutes, p_mode,
                    v_before + v_after, v_taken, p_now, v_end, one.starts, p_apart, true,
                    p_patient_rules) p;
            END IF;
            IF NOT FOUND THEN
                RETURN QUERY SELECT one.id, p.* FROM appointments_pairs_of(
                    p_clinics, one.id, one.week_cap, p_location, p_service, v_minutes, p_mode,
                    v_before + v_after, v_taken, p_now, v_end, NULL, p_apart, true,
                    p_patient_rules) p;
            END IF;
            CONTINUE WHEN NOT FOUND;
            v_found := v_found + 1;
            v_more := v_found > p_limit;
            EXIT pages WHEN v_more;
            v_last := one.id;
        END LOOP;
    END LOOP;
    IF v_more THEN
        RETURN QUERY SELECT CASE WHEN v_found > p_limit THEN v_last ELSE v_seen END, NULL::uuid,
            NULL::uuid, NULL::text, NULL::timestamptz, NULL::timestamptz, NULL::integer,
            NULL::timestamptz, NULL::timestamptz, NULL::integer;
    END IF;
END
$$;

ALTER FUNCTION appointments_pairs_likely(uuid[], uuid[], uuid, uuid, text, interval, interval, interval,
    tstzmultirange, timestamptz, timestamptz, timestamptz, timestamptz, integer) OWNER TO kairos_definer;
ALTER FUNCTION appointments_pairs_of(uuid[], uuid, integer, uuid, uuid, integer, text, interval,
    tstzmultirange, timestamptz, timestamptz, timestamptz[], integer, boolean, boolean)
    OWNER TO kairos_definer;
ALTER FUNCTION appointments_pairs(uuid[], text, text, text, uuid, uuid, uuid, uuid, integer, text, uuid,
    timestamptz, integer, integer, boolean, integer, integer) OWNER TO kairos_definer;
REVOKE EXECUTE ON FUNCTION appointments_pairs_likely(uuid[], uuid[], uuid, uuid, text, interval, interval,
    interval, tstzmultirange, timestamptz, timestamptz, timestamptz, timestamptz, integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION appointments_pairs_of(uuid[], uuid, integer, uuid, uuid, integer, text,
    interval, tstzmultirange, timestamptz, timestamptz, timestamptz[], integer, boolean, boolean)
    FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION appointments_pairs(uuid[], text, text, text, uuid, uuid, uuid, uuid, integer,
    text, uuid, timestamptz, integer, integer, boolean, integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION appointments_pairs(uuid[], text, text, text, uuid, uuid, uuid, uuid, integer,
    text, uuid, timestamptz, integer, integer, boolean, integer, integer) TO kairos_app;
