-- The schema that a rebuild fills, and how it takes the place of the one in use. Renaming a schema is seen by other sessions with
-- the COMMIT, not before.

-- name: present
-- Whether there is a schema in use, and whether it has the tables that say what it is.
SELECT to_regnamespace('postpay') IS NOT NULL AS has_schema,
    to_regclass('postpay.identity') IS NOT NULL AND to_regclass('postpay.lane') IS NOT NULL
    AND to_regclass('postpay.terms') IS NOT NULL AND to_regclass('postpay.batch') IS NOT NULL
    AND to_regclass('postpay.dead_letter') IS NOT NULL AS has_tables;

-- name: lanes
-- Which epoch each lane has, and up to where it is settled.
SELECT lane, epoch, batch_seq, chain_hash
FROM postpay.lane
ORDER BY lane;

-- name: workers
-- Workers that are connected to this database.
SELECT DISTINCT application_name
FROM pg_stat_activity
WHERE datname = current_database() AND starts_with(application_name, 'postpay worker ')
ORDER BY application_name;

-- name: act_as_myself
RESET ROLE;

-- name: drop_rebuilt
-- What a rebuild left that did not come to its end.
DROP SCHEMA IF EXISTS postpay_rebuilt CASCADE;

-- name: set_aside
ALTER SCHEMA postpay RENAME TO postpay_aside;

-- name: call_rebuilt
ALTER SCHEMA postpay RENAME TO postpay_rebuilt;

-- name: put_back
ALTER SCHEMA postpay_aside RENAME TO postpay;

-- name: write_to_rebuilt
-- The session's tables are those of the new schema from here on.
SELECT set_config('search_path', 'postpay_rebuilt', false);

-- name: write_to_used
-- They are those of the schema in use again.
SELECT set_config('search_path', 'postpay', false);

-- name: analyze
-- Statistics for the planner: COPY makes none, and audit and workers come at once.
DO $$
DECLARE
    filled regclass;
BEGIN
    FOR filled IN
        SELECT oid FROM pg_class
        WHERE relnamespace = 'postpay_rebuilt'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    LOOP
        EXECUTE format('ANALYZE %s', filled);
    END LOOP;
END $$;

-- name: close_to_claims
-- From here to the COMMIT nobody claims a lane of the schema in use, or settles under a claim.
LOCK TABLE postpay.lane IN ACCESS EXCLUSIVE MODE;

-- name: rest_as_long_as_need_be
-- The transaction may rest for as long as brokers take.
SET LOCAL idle_in_transaction_session_timeout = 0;

-- name: hold_claims_up
-- As `close_to_claims`, but lanes' rows can be read.
LOCK TABLE postpay.lane IN SHARE MODE;

-- name: raise_epochs
-- Whoever still believes to have a lane is refused.
UPDATE postpay_rebuilt.lane
SET epoch = greatest(lane.epoch, used.epoch) + 1
FROM unnest($1::integer[], $2::bigint[]) AS used (lane, epoch)
WHERE lane.lane = used.lane;

-- name: keep_as
SELECT set_config('postpay.kept_as', $1, true);

-- name: keep
-- The schema that was in use, under a name of its own.
DO $$ BEGIN EXECUTE format('ALTER SCHEMA postpay RENAME TO %I', current_setting('postpay.kept_as')); END $$;

-- name: put_in_use
ALTER SCHEMA postpay_rebuilt RENAME TO postpay;

-- name: created_at
-- What no topic holds: when the database was made.
UPDATE postpay_rebuilt.identity
SET created_at = old.created_at
FROM postpay.identity AS old
WHERE old.database_id = identity.database_id;

-- name: stored_at
-- When terms came into force here, of those that are the same.
UPDATE postpay_rebuilt.terms
SET stored_at = old.stored_at
FROM postpay.terms AS old
WHERE old.digest = terms.digest;

-- name: committed_at
-- When batches were committed, of those that are the same; figures are drawn over it.
SELECT batch_seq, committed_at
FROM postpay.batch
WHERE lane = $1 AND batch_seq >= $2 AND batch_seq <= $3;

-- name: first_terms
-- The terms that lanes began with.
SELECT document
FROM postpay.terms
ORDER BY stored_at, digest
LIMIT 1;

-- name: identity
SELECT database_id, lanes, cluster_id, prefix, consumer_group
FROM postpay.identity;

-- name: failures
-- What a defect of postpay has made of records and timers, as recorded.sql says.
SELECT lane, dead_letter_id, event_id, timer_id, reason, detail
FROM postpay.dead_letter
WHERE reason = 'internal_error' OR starts_with(detail, $1);

-- name: finish_lane
UPDATE lane
SET epoch = $2, batch_seq = $3, chain_hash = $4, lane_time = $5, next_seq = $6, terms_digest = $7
WHERE lane = $1;

-- name: note_relayed
-- All of it is in the lane-log.
UPDATE lane_relay
SET relayed_batch_seq = $2, relayed_at = clock_timestamp()
WHERE lane = $1;

-- name: store_terms
INSERT INTO terms (digest, document)
VALUES ($1, $2)
ON CONFLICT DO NOTHING;

-- name: store_branch
INSERT INTO lane_branch (lane, from_lane, from_lanes, batch_seq, chain_hash, next_seq, lane_time)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: rebuilt_lanes
SELECT lane
FROM postpay_rebuilt.lane
ORDER BY lane;

-- name: act_as_owner
SET ROLE postpay_owner;

-- name: has_operator_log
SELECT to_regclass('postpay.operator_log') IS NOT NULL;

-- name: close_operator_log_in_use
LOCK TABLE postpay.operator_log IN SHARE ROW EXCLUSIVE MODE;

-- name: open_operator_log
-- Entries keep their numbers, times and hashes: they are no new ones.
ALTER TABLE postpay_rebuilt.operator_log
DISABLE TRIGGER chain_operator_log, DISABLE TRIGGER note_end_of_dead_letter, DISABLE TRIGGER require_second_person;

-- name: carry_operator_log
INSERT INTO postpay_rebuilt.operator_log (
    entry, at, operator, database_user, action, subject, outcome, follows, reason, before, after, entry_hash
)
SELECT entry, at, operator, database_user, action, subject, outcome, follows, reason, before, after, entry_hash
FROM postpay.operator_log
ORDER BY entry;

-- name: close_operator_log
ALTER TABLE postpay_rebuilt.operator_log
ENABLE TRIGGER chain_operator_log, ENABLE TRIGGER note_end_of_dead_letter, ENABLE TRIGGER require_second_person;

-- name: carry_ends
-- Which dead letters are done with, as the log has it; one that was carried over may have been reopened since.
UPDATE postpay_rebuilt.dead_letter
SET closed_entry = CASE WHEN ended.action <> 'reopen_dead_letter' THEN ended.entry END
FROM (
    SELECT DISTINCT ON (subject) subject, action, entry
    FROM postpay_rebuilt.operator_log
    WHERE outcome = 'done' AND action IN ('redrive', 'close_dead_letter', 'reopen_dead_letter')
    ORDER BY subject, entry DESC
) AS ended
WHERE dead_letter_id = ended.subject;
