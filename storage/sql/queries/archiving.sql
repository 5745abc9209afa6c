-- Moving old decisions and postings out of a lane's partition: what is kept is copied into a table beside it while workers go on,
-- for rows never change; then that takes the partition's place, and the partition goes with all that is in files by then.

-- name: last_before
-- The last of a lane's own batches before a time, up to a number.
SELECT batch_seq, first_seq + decisions AS next_seq, lane_time
FROM batch
WHERE lane = $1 AND lane_time < $2 AND batch_seq <= $3
ORDER BY batch_seq DESC
LIMIT 1;

-- name: last_archived
-- The last of a lane's own batches that is in a file.
SELECT max(last_batch_seq)
FROM archive_file
WHERE lane = $1;

-- name: going
-- How many decisions and postings of a lane are to go, and which are the last of them.
SELECT
    (SELECT count(*) FROM decision WHERE lane = $1 AND seq < $2) AS decisions,
    (SELECT count(*) FROM posting WHERE lane = $1 AND seq < $2) AS postings,
    (SELECT coalesce(max(seq), 0) FROM decision WHERE lane = $1 AND seq < $2) AS last_decision,
    (SELECT coalesce(max(seq), 0) FROM posting WHERE lane = $1 AND seq < $2) AS last_posting;

-- name: act_as_owner
SET ROLE postpay_owner;

-- name: forget_unfinished
-- What an archiving has carried forward that did not come to its end.
WITH reached AS (
    SELECT coalesce(max(next_seq), 0) AS next_seq
    FROM archive_end
    WHERE lane = $1
), balances AS (
    DELETE FROM archived_balance AS carried
    USING reached
    WHERE carried.lane = $1 AND carried.next_seq > reached.next_seq
), outcomes AS (
    DELETE FROM archived_outcome AS carried
    USING reached
    WHERE carried.lane = $1 AND carried.next_seq > reached.next_seq
)
DELETE FROM archived_lowering AS carried
USING reached
WHERE carried.lane = $1 AND carried.next_seq > reached.next_seq;

-- name: carry_events
-- Of decisions from a number to below another. Some may be there already, of an archiving that did not come to its end.
INSERT INTO archived_event (lane, event_hash, fingerprint, seq)
SELECT lane, event_hash, fingerprint, seq
FROM decision
WHERE lane = $1 AND seq >= $2 AND seq < $3 AND event_hash IS NOT NULL
ON CONFLICT (lane, event_hash) DO NOTHING;

-- name: carry_balances
-- Of decisions below a number; $3: ledger accounts of the platform.
INSERT INTO archived_balance (lane, next_seq, party_id, ledger_account, currency, debit_minor)
SELECT $1, $2, moved.*
FROM (
    SELECT CASE WHEN side.ledger_account = ANY($3::text[]) THEN '' ELSE party_id END AS party_id, side.ledger_account,
        currency, sum(side.minor) AS debit_minor
    FROM posting CROSS JOIN LATERAL (
        VALUES (debit, amount_minor), (credit, -amount_minor)
    ) AS side (ledger_account, minor)
    WHERE lane = $1 AND seq < $2
    GROUP BY 1, 2, 3
    HAVING sum(side.minor) <> 0
) AS moved;

-- name: carry_outcomes
INSERT INTO archived_outcome (lane, next_seq, topic, partition, outcome, records, last_offset)
SELECT $1, $2, topic, partition, outcome, count(*), max(record_offset)
FROM decision
WHERE lane = $1 AND seq < $2 AND kind = 'input'
GROUP BY topic, partition, outcome;

-- name: carry_lowerings
-- $3: types of messages that may leave less than nothing available.
INSERT INTO archived_lowering (lane, next_seq, account_id)
SELECT DISTINCT $1::integer, $2::bigint, party_id
FROM decision
WHERE lane = $1 AND seq < $2 AND party_kind = 'account' AND outcome = 'applied' AND type = ANY($3::text[]);

-- name: choose_rows
-- The lane, and from which number to below which other: what the statements below are about.
SELECT set_config('postpay.archive_lane', $1, false), set_config('postpay.archive_from', $2, false),
    set_config('postpay.archive_until', $3, false);

-- name: drop_kept
-- What was copied by an archiving that did not come to its end.
DO $$
DECLARE
    kept text;
BEGIN
    FOR kept IN
        SELECT relname FROM pg_class
        WHERE relnamespace = 'postpay'::regnamespace AND relkind = 'r' AND NOT relispartition
            AND relname ~ '^(decision|posting)_lane_[0-9]+_kept$'
    LOOP
        EXECUTE format('DROP TABLE %I', kept);
    END LOOP;
END $$;

-- name: make_kept
-- Empty tables like the partitions, without indexes.
DO $$
DECLARE
    lane text := current_setting('postpay.archive_lane');
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['decision', 'posting'] LOOP
        EXECUTE format(
            'CREATE TABLE %I (LIKE %I INCLUDING ALL EXCLUDING INDEXES,'
            ' CONSTRAINT of_its_lane CHECK (lane IS NOT NULL AND lane = %s))',
            name || '_lane_' || lane || '_kept', name, lane
        );
    END LOOP;
END $$;

-- name: keep_rows
DO $$
DECLARE
    lane text := current_setting('postpay.archive_lane');
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['decision', 'posting'] LOOP
        EXECUTE format(
            'INSERT INTO %I SELECT * FROM %I WHERE lane = %s AND seq >= %s AND seq < %s',
            name || '_lane_' || lane || '_kept', name, lane, current_setting('postpay.archive_from'),
            current_setting('postpay.archive_until')
        );
    END LOOP;
END $$;

-- name: index_kept
-- The indexes that every partition has, and what the planner needs.
DO $$
DECLARE
    lane text := current_setting('postpay.archive_lane');
    name text;
    definition text;
BEGIN
    FOREACH name IN ARRAY ARRAY['decision', 'posting'] LOOP
        FOR definition IN
            SELECT CASE WHEN indisprimary
                THEN format('ALTER TABLE %I ADD ', name || '_lane_' || lane || '_kept') || pg_get_constraintdef(pg_constraint.oid)
                ELSE regexp_replace(
                    pg_get_indexdef(indexrelid), ' INDEX \S+ ON (ONLY )?\S+ USING ',
                    format(' INDEX ON %I USING ', name || '_lane_' || lane || '_kept')
                ) END
            FROM pg_index LEFT JOIN pg_constraint ON conindid = indexrelid AND conrelid = indrelid AND contype = 'p'
            WHERE indrelid = name::regclass
        LOOP
            EXECUTE definition;
        END LOOP;
        EXECUTE format('ANALYZE %I', name || '_lane_' || lane || '_kept');
    END LOOP;
END $$;

-- name: next_seq
-- Which number the lane's next decision has.
SELECT next_seq
FROM lane
WHERE lane = $1;

-- name: hold
-- Nobody settles on these lanes until the end of the transaction.
SELECT lane, next_seq
FROM lane
WHERE lane = ANY($1::integer[])
ORDER BY lane
FOR UPDATE;

-- name: close_tables
-- Nobody reads or writes any decision until the end of the transaction, which is a moment. Other lanes' partitions are left alone: who
-- vacuums one of them need not end.
LOCK TABLE ONLY decision, ONLY posting IN ACCESS EXCLUSIVE MODE;

-- name: exchange
-- The partition goes, and what was kept of it takes its place, with the names and triggers that make_lanes gives.
DO $$
DECLARE
    lane text := current_setting('postpay.archive_lane');
    name text;
    part text;
    made text;
BEGIN
    FOREACH name IN ARRAY ARRAY['decision', 'posting'] LOOP
        part := name || '_lane_' || lane;
        EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', name, part);
        EXECUTE format('DROP TABLE %I', part);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES IN (%s)', name, part || '_kept', lane);
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT of_its_lane', part || '_kept');
        EXECUTE format('ALTER TABLE %I RENAME TO %I', part || '_kept', part);
        FOR made IN SELECT indexrelid::regclass FROM pg_index WHERE indrelid = part::regclass LOOP
            EXECUTE format('ALTER INDEX %s RENAME TO %I', made, replace(made, part || '_kept', part));
        END LOOP;
        EXECUTE format(
            'CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', part
        );
    END LOOP;
END $$;

-- name: put_end
INSERT INTO archive_end (lane, next_seq, lane_time, decisions, postings, last_decision, last_posting, archived_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp())
ON CONFLICT (lane) DO UPDATE SET
    next_seq = excluded.next_seq,
    lane_time = excluded.lane_time,
    decisions = archive_end.decisions + excluded.decisions,
    postings = archive_end.postings + excluded.postings,
    last_decision = greatest(archive_end.last_decision, excluded.last_decision),
    last_posting = greatest(archive_end.last_posting, excluded.last_posting),
    archived_at = excluded.archived_at;

-- name: put_file
INSERT INTO archive_file (lane, first_batch_seq, last_batch_seq, decisions, postings, name, size_bytes, sha256)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);
