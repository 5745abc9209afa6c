-- Whatever operators change is on record: who, when, what, why, before and after. Rows are chained by hashes and never
-- change; number, time, log-in and hash are the database's own, so nobody can make them up.

CREATE TABLE operator_log (
    entry bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    operator text NOT NULL CHECK (operator <> ''),
    database_user text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('intended', 'done', 'failed')),
    follows bigint,
    reason text NOT NULL,
    before text,
    after text,
    entry_hash bytea NOT NULL
);
COMMENT ON TABLE operator_log IS 'What operators did, entries 1, 2, 3 … without a hole: docs/operations.md, Operator log.';
COMMENT ON COLUMN operator_log.outcome IS
'What is done in the database is done at once; what is sent is intended first, then done or failed.';
COMMENT ON COLUMN operator_log.follows IS 'The intention that this entry tells the outcome of.';
COMMENT ON COLUMN operator_log.before IS 'JSON, kept as the text it came as: the hash covers it.';
-- What was done to one thing; and the latest actions of one kind.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX operator_log_subject ON operator_log (action, subject, entry);

-- Who holds this may append; everybody else waits, so numbers and hashes follow one another.
CREATE FUNCTION lock_operator_log() RETURNS void LANGUAGE sql AS
$$ SELECT pg_advisory_xact_lock(hashtextextended('postpay.operator_log', 0)) $$;

-- SHA-256 of the hash before and of all fields, each as `length:text` and a comma, `-` for none.
CREATE FUNCTION operator_log_hash(previous bytea, entered operator_log) RETURNS bytea LANGUAGE sql STABLE AS $$
SELECT sha256(previous || string_agg(
    coalesce(octet_length(convert_to(field, 'UTF8'))::text::bytea || ':'::bytea || convert_to(field, 'UTF8'), '-'::bytea)
    || ','::bytea, ''::bytea ORDER BY n))
FROM unnest(ARRAY[
    entered.entry::text, to_char(entered.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), entered.operator,
    entered.database_user, entered.action, entered.subject, entered.outcome, entered.follows::text, entered.reason,
    entered.before, entered.after
]) WITH ORDINALITY AS fields (field, n)
$$;

CREATE FUNCTION chain_operator_log() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = postpay, pg_temp AS $$
DECLARE
    last operator_log;
BEGIN
    PERFORM lock_operator_log();
    SELECT * INTO last FROM operator_log ORDER BY entry DESC LIMIT 1;
    NEW.entry := coalesce(last.entry, 0) + 1;
    NEW.at := clock_timestamp();
    NEW.database_user := session_user;
    NEW.entry_hash := operator_log_hash(coalesce(last.entry_hash, sha256('postpay operator log'::bytea)), NEW);
    RETURN NEW;
END $$;
CREATE TRIGGER chain_operator_log BEFORE INSERT ON operator_log FOR EACH ROW EXECUTE FUNCTION chain_operator_log();

CREATE FUNCTION refuse_change_of_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % refused: what operators did stays on record', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON operator_log
FOR EACH ROW EXECUTE FUNCTION refuse_change_of_log();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON operator_log
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_log();

-- The only way in which an operator moves a position, so that none is moved without an entry. Gives the position before.
CREATE FUNCTION accept_gap(on_lane integer, of_topic text, first_offset bigint, who text, why text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = postpay, pg_temp AS $$
DECLARE
    position_before bigint;
BEGIN
    PERFORM FROM lane WHERE lane = on_lane FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no lane %', on_lane USING ERRCODE = 'no_data_found';
    END IF;
    SELECT next_offset INTO position_before FROM lane_offset WHERE lane = on_lane AND topic = of_topic;
    INSERT INTO lane_offset (lane, topic, next_offset) VALUES (on_lane, of_topic, first_offset)
    ON CONFLICT (lane, topic) DO UPDATE SET next_offset = excluded.next_offset, last_fingerprint = NULL;
    INSERT INTO operator_log (operator, action, subject, outcome, reason, before, after)
    VALUES (
        who, 'accept_gap', format('%s/%s', of_topic, on_lane), 'done', why,
        jsonb_build_object('next_offset', coalesce(position_before, 0))::text,
        jsonb_build_object('next_offset', first_offset)::text
    );
    RETURN coalesce(position_before, 0);
END $$;

GRANT SELECT ON operator_log TO postpay_worker, postpay_auditor, postpay_ops;
GRANT INSERT (operator, action, subject, outcome, follows, reason, before, after) ON operator_log TO postpay_ops;
REVOKE INSERT, UPDATE ON lane_offset, untracked_payout FROM postpay_ops;
REVOKE EXECUTE ON FUNCTION accept_gap(integer, text, bigint, text, text) FROM public;
GRANT EXECUTE ON FUNCTION accept_gap(integer, text, bigint, text, text) TO postpay_ops;
