-- The roles postpay knows, made by whoever migrates first. Roles belong to the whole server, so another database may have
-- made them before, or may be making them now. People and services log in under roles of their own, made members of
-- these: GRANT postpay_worker TO … (docs/storage.md, Roles).
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['postpay_owner', 'postpay_worker', 'postpay_auditor', 'postpay_ops'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- made by another database's migration just now
            END;
        END IF;
    END LOOP;
    IF NOT pg_has_role(current_user, 'postpay_owner', 'MEMBER') THEN
        EXECUTE format('GRANT postpay_owner TO %I', current_user);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'postpay') THEN
        CREATE SCHEMA postpay AUTHORIZATION postpay_owner;
    END IF;
END $$;
