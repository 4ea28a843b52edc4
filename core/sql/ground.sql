-- The ground of the database: roles, rights, and the functions every other migration builds on.

DO $$
BEGIN
    -- Roles belong to the whole server: another database of it may have made them already.
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kairos_app') THEN
        BEGIN
            CREATE ROLE kairos_app NOLOGIN NOSUPERUSER NOBYPASSRLS;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kairos_definer') THEN
        BEGIN
            CREATE ROLE kairos_definer NOLOGIN NOSUPERUSER NOBYPASSRLS;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
    -- Who migrates must be able to act as both: to hand functions over, and to test the runtime.
    IF NOT pg_has_role(current_user, 'kairos_app', 'SET') THEN
        EXECUTE format('GRANT kairos_app TO %I', current_user);
    END IF;
    IF NOT pg_has_role(current_user, 'kairos_definer', 'SET') THEN
        EXECUTE format('GRANT kairos_definer TO %I', current_user);
    END IF;
END
$$;

GRANT USAGE ON SCHEMA public TO kairos_app, kairos_definer;
-- A function's owner must be able to have it in the schema.
GRANT CREATE ON SCHEMA public TO kairos_definer;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO kairos_app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO kairos_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO kairos_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO kairos_app;

-- The clinics in scope. '*' is asked for separately, so it is no list here. After a local setting
-- has ended its value is '', not NULL.
CREATE FUNCTION core_scope() RETURNS uuid[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN current_setting('app.clinics', true) = '*' THEN '{}'::uuid[]
           ELSE COALESCE(string_to_array(NULLIF(current_setting('app.clinics', true), ''), ','),
                         '{}')::uuid[] END
$$;

-- Advisory locks in the order given (the caller sorts), waiting at most `wait_ms` for each.
CREATE FUNCTION core_lock(keys text[], wait_ms integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    before text := current_setting('lock_timeout');
    key text;
BEGIN
    PERFORM set_config('lock_timeout', wait_ms::text, true);
    FOREACH key IN ARRAY keys LOOP
        PERFORM pg_advisory_xact_lock(hashtextextended(key, 7));
    END LOOP;
    PERFORM set_config('lock_timeout', before, true);
END
$$;

-- The first instant at which a wall clock in `zone` shows `wall`. A time that exists twice takes the
-- first; one that does not exist moves forward by the gap (both happen at a change of clocks).
CREATE FUNCTION core_instant(wall timestamp, zone text) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN ((wall AT TIME ZONE zone) - interval '1 hour') AT TIME ZONE zone = wall
            THEN (wall AT TIME ZONE zone) - interval '1 hour'
        WHEN ((wall AT TIME ZONE zone) - interval '30 minutes') AT TIME ZONE zone = wall
            THEN (wall AT TIME ZONE zone) - interval '30 minutes'
        ELSE wall AT TIME ZONE zone END
$$;

-- Take an idempotency key for this transaction and look for its stored answer: one round trip. Each
-- statement in here sees what was committed before it, so the look is younger than the lock. No row:
-- the key is free. `taken` is false while another transaction holds the key.
CREATE FUNCTION core_idempotency_claim(p_actor uuid, p_key text, p_since timestamptz)
RETURNS TABLE (taken boolean, fingerprint bytea, status integer, headers text, body bytea)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended(p_actor::text || ':' || p_key, 11)) THEN
        RETURN QUERY SELECT false, NULL::bytea, NULL::integer, NULL::text, NULL::bytea;
        RETURN;
    END IF;
    RETURN QUERY
    SELECT true, r.fingerprint, r.status::integer, r.headers::text, r.body
    FROM core_idempotencyrecord r
    WHERE r.actor_id = p_actor AND r.key = p_key AND r.created_at > p_since;
END
$$;

CREATE FUNCTION core_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$$;

-- The smallest UUIDv7 of an instant: the bound of a partition.
CREATE FUNCTION core_uuid7_floor(at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
            || '70008000000000000000')::uuid
$$;

-- Which tables are partitioned by month, and how many months their rows are kept (null: for ever).
CREATE TABLE core_partitioned (
    parent name PRIMARY KEY,
    keep_months integer CHECK (keep_months > 0)
);
REVOKE INSERT, UPDATE, DELETE ON core_partitioned FROM kairos_app;

-- Make the partitions of the month of `since` and of `ahead` months after it; returns their names.
-- Owned by the owner of the tables and callable by the runtime: it can do this and nothing else.
CREATE FUNCTION core_partitions_ensure(parent_table name, since timestamptz, ahead integer)
RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    month timestamp;
    part text;
    low uuid;
    high uuid;
    -- What can be written: a generated column is made anew in the partition.
    columns text := (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
                     WHERE attrelid = to_regclass(format('public.%I', parent_table))
                       AND attnum > 0 AND NOT attisdropped AND attgenerated = '');
BEGIN
    IF NOT EXISTS (SELECT FROM core_partitioned WHERE parent = parent_table) THEN
        RAISE EXCEPTION '% is not partitioned by month', parent_table;
    END IF;
    IF ahead < 0 OR ahead > 120 THEN
        RAISE EXCEPTION 'between 0 and 120 months ahead, not %', ahead;
    END IF;
    -- Two maintainers at once: the second waits and finds the work done.
    PERFORM pg_advisory_xact_lock(hashtextextended('partitions:' || parent_table, 7));
    FOR step IN 0..ahead LOOP
        month := date_trunc('month', since AT TIME ZONE 'UTC') + make_interval(months => step);
        part := format('%s_p%s', parent_table, to_char(month, 'YYYYMM'));
        CONTINUE WHEN to_regclass(format('public.%I', part)) IS NOT NULL;
        low := core_uuid7_floor(month AT TIME ZONE 'UTC');
        high := core_uuid7_floor((month + interval '1 month') AT TIME ZONE 'UTC');
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS'
                       ' INCLUDING GENERATED)', part, parent_table);
        EXECUTE format('REVOKE ALL ON %I FROM PUBLIC, kairos_app', part);
        -- Rows that came before their month was ready wait in the default partition: take them along.
        EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent_table, parent_table || '_rest');
        EXECUTE format('INSERT INTO %I (%s) SELECT %s FROM %I WHERE id >= %L AND id < %L',
                       part, columns, columns, parent_table || '_rest', low, high);
        EXECUTE format('ALTER TABLE %I DISABLE TRIGGER USER', parent_table || '_rest');
        EXECUTE format('DELETE FROM %I WHERE id >= %L AND id < %L', parent_table || '_rest', low, high);
        EXECUTE format('ALTER TABLE %I ENABLE TRIGGER USER', parent_table || '_rest');
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                       parent_table, part, low, high);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I DEFAULT',
                       parent_table, parent_table || '_rest');
        RETURN NEXT part;
    END LOOP;
END
$$;

-- Detach (never drop) the partitions whose month ended before the table's keeping time; returns them.
CREATE FUNCTION core_partitions_expire(parent_table name, at timestamptz) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    keep integer := (SELECT keep_months FROM core_partitioned WHERE parent = parent_table);
    part text;
BEGIN
    IF keep IS NULL THEN
        RETURN;
    END IF;
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = to_regclass(format('public.%I', parent_table))
          AND c.relname ~ '_p[0-9]{6}$'
          AND to_date(right(c.relname, 6), 'YYYYMM') + make_interval(months => keep + 1)
              <= (at AT TIME ZONE 'UTC')
        ORDER BY c.relname
    LOOP
        EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent_table, part);
        RETURN NEXT part;
    END LOOP;
END
$$;

REVOKE EXECUTE ON FUNCTION core_partitions_ensure(name, timestamptz, integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION core_partitions_expire(name, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core_partitions_ensure(name, timestamptz, integer) TO kairos_app;
GRANT EXECUTE ON FUNCTION core_partitions_expire(name, timestamptz) TO kairos_app;
