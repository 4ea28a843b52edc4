-- Finding patients, and opening the scope of whoever signs in.

-- Names without case and accents. The dictionary is named, so that the function may be immutable.
CREATE FUNCTION clinics_fold(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT lower(public.unaccent('public.unaccent'::regdictionary, value))
$$;

CREATE FUNCTION clinics_digits(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT regexp_replace(value, '[^0-9]', '', 'g')
$$;

-- Clinic first in each: a search reads its own clinic's part of the index.
CREATE INDEX clinics_patient_fold ON clinics_patient
    USING gin (clinic_id, (clinics_fold(given_name || ' ' || family_name)) gin_trgm_ops);
CREATE INDEX clinics_patient_phone_end ON clinics_patient
    (clinic_id, reverse(clinics_digits(phone)) text_pattern_ops) WHERE phone <> '';
CREATE INDEX clinics_patient_mrn_fold ON clinics_patient
    (clinic_id, lower(mrn) text_pattern_ops);

-- The chart that a chart has become: itself, or where the merges lead that it has been through.
CREATE FUNCTION clinics_chart_kept(p_patient uuid) RETURNS uuid
LANGUAGE sql STABLE AS $$
    WITH RECURSIVE way(id, next) AS (
        SELECT p.id, p.merged_into_id FROM clinics_patient p WHERE p.id = p_patient
        UNION
        SELECT p.id, p.merged_into_id FROM way w JOIN clinics_patient p ON p.id = w.next
    )
    SELECT w.id FROM way w WHERE w.next IS NULL
$$;

-- Patients of the given clinics that fit what was typed: part of a name (with typos), the end of a
-- phone number, the start of a record number, a birth date. Best first. A record number stays good
-- after a merge: it finds the chart that was kept. The operators used here are
-- not leakproof, so under row security their indexes would not be used: hence the definer's rights,
-- and the clinics as an argument, which the caller takes from its own scope.
CREATE FUNCTION clinics_patient_search(
    p_clinics uuid[], p_text text, p_digits text, p_birth date, p_limit integer
) RETURNS TABLE (id uuid, rank real)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
SET pg_trgm.word_similarity_threshold = 0.38 AS $$
DECLARE
    folded text := clinics_fold(COALESCE(p_text, ''));
BEGIN
    RETURN QUERY
    SELECT found.id, max(found.rank)::real FROM (
        SELECT p.id, 3::real AS rank FROM clinics_patient p
        WHERE p_birth IS NOT NULL AND p.clinic_id = ANY (p_clinics) AND p.birth_date = p_birth
          AND p.merged_into_id IS NULL
        UNION ALL
        (SELECT p.id, 2.5 FROM clinics_patient p
        WHERE length(p_digits) >= 3 AND p.clinic_id = ANY (p_clinics) AND p.phone <> ''
          AND reverse(clinics_digits(p.phone)) LIKE reverse(p_digits) || '%'
          AND p.merged_into_id IS NULL
        LIMIT 200)
        UNION ALL
        (SELECT CASE WHEN p.merged_into_id IS NULL THEN p.id ELSE clinics_chart_kept(p.id) END,
                CASE WHEN lower(p.mrn) = lower(p_text) THEN 4 ELSE 2 END
        FROM clinics_patient p
        WHERE p_text <> '' AND p.clinic_id = ANY (p_clinics)
          AND lower(p.mrn) LIKE replace(replace(replace(lower(p_text), '\', '\\'), '%', '\%'), '_', '\_') || '%'
        LIMIT 200)
        UNION ALL
        (SELECT p.id, word_similarity(folded, clinics_fold(p.given_name || ' ' || p.family_name))
        FROM clinics_patient p
        WHERE folded <> '' AND p_digits = '' AND p.clinic_id = ANY (p_clinics)
          AND folded <% clinics_fold(p.given_name || ' ' || p.family_name)
          AND p.merged_into_id IS NULL
        ORDER BY 2 DESC
        LIMIT 200)
    ) AS found
    GROUP BY found.id
    ORDER BY 2 DESC, 1
    LIMIT p_limit;
END
$$;
ALTER FUNCTION clinics_patient_search(uuid[], text, text, date, integer) OWNER TO kairos_definer;
REVOKE EXECUTE ON FUNCTION clinics_patient_search(uuid[], text, text, date, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION clinics_patient_search(uuid[], text, text, date, integer) TO kairos_app;

GRANT SELECT ON auth_permission, accounts_refreshsession, clinics_doctor, clinics_clinic,
    clinics_clinicgrouppermission, clinics_scheduletemplate_services TO kairos_definer;

-- Who the caller is and what they may do, and with it their scope for this transaction: one round
-- trip a request. No row: no such user, not active, or the device's session has ended. For staff the
-- scope is the clinics of their roles; for patients the clinics of their charts; for a super admin
-- all. `grants` lists [clinic, role, codenames], `charts` lists [clinic, patient]. A read need not
-- wait for the disk when it commits (its only write is its own audit event); a write may wait for a
-- lock (3 s) and must then still have its 2 s.
CREATE FUNCTION clinics_open_scope(p_user uuid, p_session uuid, p_now timestamptz, p_write boolean)
RETURNS TABLE (
    is_superuser boolean, locale text, timezone text, doctor_id uuid, grants jsonb, charts jsonb
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    staff_of text;
    patient_of text;
BEGIN
    SELECT u.is_superuser, u.locale::text, u.timezone::text, d.id
    INTO is_superuser, locale, timezone, doctor_id
    FROM accounts_user u
    LEFT JOIN clinics_doctor d ON d.user_id = u.id AND d.is_active
    LEFT JOIN accounts_refreshsession s ON s.id = p_session AND s.user_id = u.id
         AND s.revoked_at IS NULL AND s.expires_at > p_now
    WHERE u.id = p_user AND u.is_active AND (p_session IS NULL OR s.id IS NOT NULL);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT jsonb_agg(jsonb_build_array(g.clinic_id, g.role, held.codenames)),
           string_agg(g.clinic_id::text, ',')
    INTO grants, staff_of
    FROM accounts_user_groups ug
    JOIN accounts_rolegroup g ON g.group_id = ug.group_id
    JOIN clinics_clinic c ON c.id = g.clinic_id AND c.is_active
    CROSS JOIN LATERAL (
        SELECT array_agg(p.codename) AS codenames
        FROM clinics_clinicgrouppermission o
        JOIN auth_permission p ON p.id = o.permission_id
        WHERE o.group_id = g.group_id AND o.content_object_id = g.clinic_id
    ) held
    WHERE ug.user_id = p_user;
    SELECT jsonb_agg(jsonb_build_array(own.clinic_id, own.id)), string_agg(own.clinic_id::text, ',')
    INTO charts, patient_of
    FROM (
        SELECT p.clinic_id, p.id FROM clinics_patient p
        WHERE p.user_id = p_user AND p.is_active AND p.merged_into_id IS NULL
        UNION ALL
        SELECT x.clinic_id, x.patient_id FROM clinics_patientproxy x
        JOIN clinics_patient p ON p.id = x.patient_id AND p.is_active AND p.merged_into_id IS NULL
        WHERE x.user_id = p_user AND (x.valid_until IS NULL OR x.valid_until >= p_now::date)
    ) own
    JOIN clinics_clinic c ON c.id = own.clinic_id AND c.is_active;
    PERFORM set_config('app.clinics', CASE WHEN is_superuser THEN '*'
                                           ELSE concat_ws(',', staff_of, patient_of) END, true);
    IF p_write THEN
        PERFORM set_config('statement_timeout', '5000', true);
    ELSE
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    RETURN NEXT;
END
$$;
ALTER FUNCTION clinics_open_scope(uuid, uuid, timestamptz, boolean) OWNER TO kairos_definer;
REVOKE EXECUTE ON FUNCTION clinics_open_scope(uuid, uuid, timestamptz, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION clinics_open_scope(uuid, uuid, timestamptz, boolean) TO kairos_app;

-- In which clinics a doctor works (an active membership that can be booked), for the directory.
CREATE FUNCTION clinics_of_doctors(p_doctors uuid[])
RETURNS TABLE (doctor_id uuid, clinic_id uuid, timezone text, public_slots boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT DISTINCT d.id, c.id, c.timezone::text, c.public_slots
    FROM clinics_doctor d
    JOIN clinics_membership m ON m.user_id = d.user_id AND m.is_active
         AND m.role IN ('DOCTOR', 'THERAPIST', 'COUNSELOR')
    JOIN clinics_clinic c ON c.id = m.clinic_id AND c.is_active
    WHERE d.id = ANY (p_doctors) AND d.is_active;
END
$$;
ALTER FUNCTION clinics_of_doctors(uuid[]) OWNER TO kairos_definer;
REVOKE EXECUTE ON FUNCTION clinics_of_doctors(uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION clinics_of_doctors(uuid[]) TO kairos_app;
