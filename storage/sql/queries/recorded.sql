-- What the database recorded of a lane, read again to be compared: by the audit with its own hashes, by a replay with what
-- it decides.

-- name: lanes
-- Every lane, and where it stands.
SELECT lane, batch_seq, chain_hash
FROM lane
ORDER BY lane;

-- name: batches
-- The next batches.
SELECT batch_seq, chain_hash, lane_time, first_seq, decisions, topics, next_offsets
FROM batch
WHERE lane = $1 AND batch_seq > $2 AND batch_seq <= $3
ORDER BY batch_seq
LIMIT $4;

-- name: decisions
-- Fields in the order of outcomes.DecisionRow; a batch's rows lie on several lanes where its own was split since.
SELECT seq, kind, topic, partition, record_offset, party_kind, party_id, event_id, timer_id, event_hash, fingerprint,
    type,
    occurred_at, decided_at, outcome, reason, reasons, outputs, raw
FROM decision
WHERE lane = ANY($1::integer[]) AND seq >= $2 AND seq < $3
ORDER BY seq;

-- name: postings
-- Fields in the order of outcomes.PostingRow.
SELECT seq, n, party_id, debit, credit, currency, amount_minor
FROM posting
WHERE lane = ANY($1::integer[]) AND seq >= $2 AND seq < $3
ORDER BY seq, n;

-- name: be_patient
-- In the snapshot of a lane's end a few batches are decided, which takes longer than a worker's session may rest.
SELECT set_config('idle_in_transaction_session_timeout', '120s', true);

-- name: hold_partitions
-- Before the snapshot is taken: what it sees of a lane's decisions is to be there until its end (docs/storage.md, Archive).
LOCK TABLE decision, posting IN ACCESS SHARE MODE;

-- name: standing
-- Where a lane stands now, in the words of its row.
SELECT batch_seq, chain_hash, lane_time, next_seq, terms_digest
FROM lane
WHERE lane = $1;

-- name: terms
-- Every terms document, the one that lanes began with first.
SELECT digest, document
FROM terms
ORDER BY stored_at, digest;

-- name: failures
-- What a defect of postpay has made of records and timers. One that failed to be decoded has no event_id; $2 begins the
-- detail of those that the database did not take. Those from before a lane was split lie on all that came of it.
SELECT lane, batch_seq, dead_letter_id, event_id, timer_id, reason, detail
FROM dead_letter
WHERE lane = ANY($1::integer[]) AND batch_seq > $3 AND batch_seq <= $4
    AND (reason = 'internal_error' OR starts_with(detail, $2));

-- name: receipts
-- Fields in the order of outcomes.ReceiptRow, after the batch.
SELECT batch_seq, topic, partition, record_offset, party_kind, party_id, event_id, event_hash, fingerprint, type,
    occurred_at, decided_at, outcome, holds_event_id, raw, next_seq, n
FROM receipt
WHERE lane = $1;

-- name: dead_letters
-- Fields in the order of outcomes.DeadLetterRow, after the batch.
SELECT batch_seq, dead_letter_id, topic, partition, record_offset, key, event_id, timer_id, type, occurred_at,
    decided_at, reason, detail, raw, headers, next_seq, n
FROM dead_letter
WHERE lane = $1;

-- name: decided_numbers
-- How many decisions and postings a lane has, and the highest number among them; those that are archived count.
WITH archived AS (
    SELECT coalesce(max(decisions), 0) AS decisions, coalesce(max(postings), 0) AS postings,
        nullif(max(last_decision), 0) AS last_decision, nullif(max(last_posting), 0) AS last_posting
    FROM archive_end
    WHERE lane = $1
)
SELECT
    (SELECT count(*) FROM decision WHERE lane = $1) + decisions AS decisions,
    coalesce((SELECT max(seq) FROM decision WHERE lane = $1), last_decision) AS last_decision,
    (SELECT count(*) FROM posting WHERE lane = $1) + postings AS postings,
    coalesce((SELECT max(seq) FROM posting WHERE lane = $1), last_posting) AS last_posting,
    (SELECT count(*) FROM batch WHERE lane = $1) AS batches,
    (SELECT max(batch_seq) FROM batch WHERE lane = $1) AS last_batch
FROM archived;

-- name: parked
-- What waits, each party's in the order in which it came.
SELECT party_kind, party_id, event_hash, topic, partition, record_offset, event_id, fingerprint, type, occurred_at, raw,
    traceparent, waits_for, parked_at
FROM parked
WHERE lane = $1
ORDER BY party_id, party_kind, batch_seq, n;

-- name: timers
SELECT party_kind, party_id, kind, subject_id, due_at
FROM timer
WHERE lane = $1
ORDER BY party_kind, party_id;

-- name: declined_subjects
SELECT party_kind, party_id, subject
FROM declined_subject
WHERE lane = $1
ORDER BY party_kind, party_id;

-- name: platform_balances
SELECT ledger_account, currency, balance_minor
FROM platform_balance
WHERE lane = $1;

-- name: activity_totals
SELECT currency, sent_messages, sent_minor, received_messages, received_minor
FROM activity_total
WHERE lane = $1;

-- name: offsets
SELECT topic, next_offset, last_fingerprint, settled_records
FROM lane_offset
WHERE lane = $1;

-- name: unsent
-- The parts of a batch's outputs, as long as they are kept.
SELECT batch_seq, messages
FROM outbox
WHERE lane = $1 AND batch_seq > $2 AND batch_seq <= $3
ORDER BY batch_seq, part;

-- name: choose_rows
-- Which table and lane `open_rows` is about, and by which column its rows are sorted.
SELECT set_config('postpay.rows_of', $1, true), set_config('postpay.rows_lane', $2, true),
    set_config('postpay.rows_by', $3, true);

-- name: open_rows
-- A cursor over a lane's rows of one table, whichever was chosen: a class of entities needs no statement of its own here.
DO $$
BEGIN
    EXECUTE format(
        'DECLARE lane_rows NO SCROLL CURSOR FOR SELECT * FROM %I WHERE lane = %L::integer ORDER BY %I',
        current_setting('postpay.rows_of'), current_setting('postpay.rows_lane'), current_setting('postpay.rows_by')
    );
END $$;

-- name: next_rows
FETCH 2000 FROM lane_rows;

-- name: close_rows
CLOSE lane_rows;
