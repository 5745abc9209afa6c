-- name: claim
-- A new owner: everyone with an older epoch is refused from now on. Waits for a batch in progress.
UPDATE lane
SET epoch = epoch + 1, owner = $2, backend_pid = pg_backend_pid(), claimed_at = statement_timestamp()
FROM terms
WHERE lane.lane = $1 AND terms.digest = lane.terms_digest
RETURNING epoch, batch_seq, chain_hash, lane_time, next_seq, terms_digest, terms.document AS terms_document;

-- name: look
-- What a claim would give, without one.
SELECT epoch, batch_seq, chain_hash, lane_time, next_seq, terms_digest, terms.document AS terms_document,
    clock_timestamp() AS now
FROM lane JOIN terms ON terms.digest = lane.terms_digest
WHERE lane = $1;

-- name: lock
-- The one lock of a batch: whoever holds the lane's row may write the lane's tables.
SELECT epoch, owner, batch_seq, chain_hash, lane_time, next_seq, clock_timestamp() AS now
FROM lane
WHERE lane = $1
FOR UPDATE;

-- name: lock_at_once
-- The same, or an error where somebody else holds the row.
SELECT epoch, owner, batch_seq, chain_hash, lane_time, next_seq, clock_timestamp() AS now
FROM lane
WHERE lane = $1
FOR UPDATE NOWAIT;

-- name: positions
-- How far each topic is settled. A statement of its own: a snapshot taken before the wait for the lane's row would show
-- positions from before the batch that was waited for.
SELECT topic, next_offset, last_fingerprint
FROM lane_offset
WHERE lane = $1;

-- name: totals
-- What the lane keeps one sum of: balances of the platform, and what it handed to merchant lanes and took over.
SELECT ledger_account AS name, currency, balance_minor AS minor
FROM platform_balance
WHERE lane = $1
UNION ALL
SELECT sums.name, currency, sums.minor
FROM activity_total CROSS JOIN LATERAL (VALUES ($2::text, sent_minor), ($3::text, received_minor)) AS sums (name, minor)
WHERE lane = $1;
