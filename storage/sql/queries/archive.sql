-- Which decisions and postings are in files, and no more in the database.

-- name: ends
-- Lanes of which anything was archived.
SELECT lane, next_seq, lane_time, decisions, postings, archived_at
FROM archive_end
ORDER BY lane;

-- name: kept_from
-- The number from which on the decisions of these lanes are all there.
SELECT coalesce(max(next_seq), 1)
FROM archive_end
WHERE lane = ANY($1::integer[]);

-- name: files
-- All files, each lane's in order.
SELECT lane, first_batch_seq, last_batch_seq, decisions, postings, name, size_bytes, sha256
FROM archive_file
ORDER BY lane, first_batch_seq;

-- name: hashes
-- Of a lane's batches from a number up to another.
SELECT batch_seq, lane_time, chain_hash
FROM batch
WHERE lane = $1 AND batch_seq BETWEEN $2 AND $3;

-- name: recognised
-- How many of some events are known on one of these lanes, with this content and by the decision of this number.
SELECT count(*)
FROM unnest($2::bytea[], $3::bytea[], $4::bigint[]) AS taken (event_hash, fingerprint, seq)
JOIN archived_event USING (event_hash, fingerprint, seq)
WHERE lane = ANY($1::integer[]);

-- name: moved
-- What the postings in all files have moved: debits less credits, by ledger account and currency.
SELECT ledger_account, currency, sum(debit_minor)::bigint AS debit_minor
FROM archived_balance JOIN archive_end USING (lane)
WHERE archived_balance.next_seq <= archive_end.next_seq
GROUP BY ledger_account, currency
HAVING sum(debit_minor) <> 0;

-- name: events
-- How many events the decisions in all files took.
SELECT count(*)
FROM archived_event JOIN archive_end USING (lane)
WHERE seq < next_seq;
