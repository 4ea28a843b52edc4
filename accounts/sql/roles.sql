-- A user's own roles span clinics, so they are read outside any scope: by this function only.
GRANT SELECT ON auth_group, accounts_user, accounts_user_groups TO kairos_definer;

CREATE FUNCTION accounts_roles_of(p_user uuid) RETURNS TABLE (clinic_id uuid, role text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT g.clinic_id, g.role::text
    FROM accounts_user_groups ug
    JOIN accounts_rolegroup g ON g.group_id = ug.group_id
    WHERE ug.user_id = p_user
    ORDER BY g.clinic_id, g.role
$$;
ALTER FUNCTION accounts_roles_of(uuid) OWNER TO kairos_definer;
REVOKE EXECUTE ON FUNCTION accounts_roles_of(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION accounts_roles_of(uuid) TO kairos_app;
