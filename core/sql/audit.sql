-- Reading the trail: the ids of the events that fit, newest first.
--
-- The operators of arrays are not leakproof, so under row security their index would not be used:
-- hence the definer's rights. The clinics are an argument that callers take from their own scope
-- (null: every clinic, and the installation's own events), and only ids come back, whose rows are
-- read under row security. Each branch is the filter with the best index; the rest is looked at row
-- by row. An event's id is made up to a moment after its `at`, so ids bound the partitions loosely and
-- `at` decides.
CREATE FUNCTION core_audit_search(
    p_clinics uuid[], p_subject uuid, p_actor uuid, p_action text,
    p_from timestamptz, p_to timestamptz, p_before uuid, p_limit integer
) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_low uuid := COALESCE(core_uuid7_floor(p_from - interval '1 second'),
                           '00000000-0000-0000-0000-000000000000');
    v_high uuid := COALESCE(LEAST(p_before, core_uuid7_floor(p_to + interval '1 minute')),
                            'ffffffff-ffff-ffff-ffff-ffffffffffff');
    -- Of the search by patient: the window, and how much is still wanted.
    v_since timestamp := date_trunc('month', LEAST(p_to, now()) AT TIME ZONE 'UTC');
    v_months integer := 1;
    v_from uuid;
    v_oldest uuid;
    v_left integer := p_limit;
    v_found integer;
BEGIN
    IF p_subject IS NOT NULL THEN
        -- That index knows no order. So month by month backwards, in growing steps: a page of a
        -- chart with years of history reads the newest months and no more.
        SELECT a.id INTO v_oldest FROM core_auditevent a WHERE a.id >= v_low ORDER BY a.id LIMIT 1;
        LOOP
            v_from := GREATEST(v_low, core_uuid7_floor(v_since AT TIME ZONE 'UTC'));
            -- Planned for its very window: a plan for any would read the whole months' ids too, to
            -- make sure of the window. And OFFSET 0: first find, then sort; never walk the ids in
            -- the hope of a match.
            RETURN QUERY EXECUTE
                'SELECT found.id FROM (
                     SELECT a.id FROM core_auditevent a
                     WHERE a.subjects @> ARRAY[$2] AND a.id >= $7 AND a.id < $9
                       AND ($1 IS NULL OR a.clinic_id = ANY ($1))
                       AND ($3 IS NULL OR a.actor_id = $3) AND ($4 IS NULL OR a.action = $4)
                       AND ($5 IS NULL OR a.at >= $5) AND ($6 IS NULL OR a.at < $6)
                     OFFSET 0
                 ) AS found ORDER BY found.id DESC LIMIT $8'
                USING p_clinics, p_subject, p_actor, p_action, p_from, p_to, v_from, v_left, v_high;
            GET DIAGNOSTICS v_found = ROW_COUNT;
            v_left := v_left - v_found;
            EXIT WHEN v_left <= 0 OR v_oldest IS NULL OR v_from <= v_oldest;
            v_high := LEAST(v_high, v_from);  -- with p_before, the newest windows lie above it
            v_months := v_months * 2;
            v_since := v_since - make_interval(months => v_months);
        END LOOP;
    ELSIF p_actor IS NOT NULL THEN
        RETURN QUERY
        SELECT a.id FROM core_auditevent a
        WHERE a.actor_id = p_actor AND a.id >= v_low AND a.id < v_high
          AND (p_clinics IS NULL OR a.clinic_id = ANY (p_clinics))
          AND (p_action IS NULL OR a.action = p_action)
          AND (p_from IS NULL OR a.at >= p_from) AND (p_to IS NULL OR a.at < p_to)
        ORDER BY a.id DESC LIMIT p_limit;
    ELSIF p_clinics IS NOT NULL THEN
        -- Each clinic's newest, and the newest of those.
        RETURN QUERY
        SELECT newest.id FROM unnest(p_clinics) AS c(id)
        CROSS JOIN LATERAL (
            SELECT a.id FROM core_auditevent a
            WHERE a.clinic_id = c.id AND a.id >= v_low AND a.id < v_high
              AND (p_action IS NULL OR a.action = p_action)
              AND (p_from IS NULL OR a.at >= p_from) AND (p_to IS NULL OR a.at < p_to)
            ORDER BY a.id DESC LIMIT p_limit
        ) AS newest
        ORDER BY newest.id DESC LIMIT p_limit;
    ELSE
        RETURN QUERY
        SELECT a.id FROM core_auditevent a
        WHERE a.id >= v_low AND a.id < v_high
          AND (p_action IS NULL OR a.action = p_action)
          AND (p_from IS NULL OR a.at >= p_from) AND (p_to IS NULL OR a.at < p_to)
        ORDER BY a.id DESC LIMIT p_limit;
    END IF;
END
$$;
ALTER FUNCTION core_audit_search(uuid[], uuid, uuid, text, timestamptz, timestamptz, uuid, integer)
    OWNER TO kairos_definer;
REVOKE EXECUTE ON FUNCTION core_audit_search(uuid[], uuid, uuid, text, timestamptz, timestamptz,
    uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core_audit_search(uuid[], uuid, uuid, text, timestamptz, timestamptz,
    uuid, integer) TO kairos_app;
