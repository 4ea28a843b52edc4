-- What a status may become, and that no appointment stands without its claim.

-- Which status may follow which. The same table as appointments/lifecycle.py (a test compares them).
-- A step back is an undo, which says so in a local setting; an accidental UPDATE does not.
CREATE TABLE appointments_transition (
    from_status text NOT NULL,
    to_status text NOT NULL,
    undo boolean NOT NULL,
    PRIMARY KEY (from_status, to_status, undo)
);
REVOKE INSERT, UPDATE, DELETE ON appointments_transition FROM kairos_app;
GRANT SELECT ON appointments_transition TO kairos_definer;
INSERT INTO appointments_transition (from_status, to_status, undo) VALUES
    ('PENDING', 'SCHEDULED', false), ('PENDING', 'CANCELLED', false),
    ('SCHEDULED', 'CONFIRMED', false), ('SCHEDULED', 'CHECKED_IN', false),
    ('SCHEDULED', 'IN_PROGRESS', false), ('SCHEDULED', 'NO_SHOW', false),
    ('SCHEDULED', 'CANCELLED', false),
    ('CONFIRMED', 'CHECKED_IN', false), ('CONFIRMED', 'IN_PROGRESS', false),
    ('CONFIRMED', 'NO_SHOW', false), ('CONFIRMED', 'CANCELLED', false),
    ('CHECKED_IN', 'IN_PROGRESS', false), ('CHECKED_IN', 'CANCELLED', false),
    ('IN_PROGRESS', 'COMPLETED', false),
    ('NO_SHOW', 'CHECKED_IN', false);
INSERT INTO appointments_transition (from_status, to_status, undo)
    SELECT to_status, from_status, true FROM appointments_transition WHERE NOT undo;

CREATE FUNCTION appointments_guard_status() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM appointments_transition t
        WHERE t.from_status = OLD.status AND t.to_status = NEW.status
          AND t.undo = (COALESCE(current_setting('app.undo', true), '') = NEW.id::text)
    ) THEN
        RAISE EXCEPTION 'an appointment cannot go from % to %', OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'appointments_transition';
    END IF;
    -- NO_SHOW -> CHECKED_IN is a late arrival; a type that is started without checking in is remote.
    IF NEW.status = 'IN_PROGRESS' AND OLD.status IN ('SCHEDULED', 'CONFIRMED')
       AND NEW.type NOT IN ('VIDEO_CALL', 'PHONE') THEN
        RAISE EXCEPTION 'only a call may start without checking in'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'appointments_transition';
    END IF;
    RETURN NEW;
END
$$;
ALTER FUNCTION appointments_guard_status() OWNER TO kairos_definer;
CREATE TRIGGER appointments_status BEFORE UPDATE OF status ON appointments_appointment
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION appointments_guard_status();

-- No appointment without its claim: at commit an open visit that is not over owns the busy time of
-- exactly its doctor and its time, and a cancelled one owns none.
CREATE FUNCTION appointments_guard_claim() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    a record;
BEGIN
    SELECT * INTO a FROM appointments_appointment WHERE id = NEW.id;
    IF a.status IN ('PENDING', 'SCHEDULED', 'CONFIRMED', 'CHECKED_IN', 'IN_PROGRESS')
       AND a.ends_at > now()
       AND NOT EXISTS (SELECT FROM appointments_busytime b
                       WHERE b.appointment_id = a.id AND b.doctor_id = a.doctor_id
                         AND b.clinic_id = a.clinic_id
                         AND b.visit = tstzrange(a.starts_at, a.ends_at)) THEN
        RAISE EXCEPTION 'appointment % has no claim on its time', a.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'appointments_claim';
    END IF;
    IF a.status = 'CANCELLED'
       AND EXISTS (SELECT FROM appointments_busytime b WHERE b.appointment_id = a.id) THEN
        RAISE EXCEPTION 'cancelled appointment % still claims its time', a.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'appointments_claim';
    END IF;
    RETURN NULL;
END
$$;
ALTER FUNCTION appointments_guard_claim() OWNER TO kairos_definer;
CREATE CONSTRAINT TRIGGER appointments_claim
    AFTER INSERT OR UPDATE OF status, starts_at, ends_at, doctor_id ON appointments_appointment
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.status NOT IN ('COMPLETED', 'NO_SHOW')) EXECUTE FUNCTION appointments_guard_claim();
