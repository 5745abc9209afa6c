-- The story of what became of an event.

-- name: decisions_of_event
-- An event_id counts within its topic and key, so several parties may have one.
SELECT *
FROM decision
WHERE event_id = $2 AND topic = $1
ORDER BY decided_at, lane;

-- name: postings
SELECT debit, credit, currency, amount_minor
FROM posting
WHERE lane = $1 AND seq = $2
ORDER BY n;

-- name: parked_of_event
SELECT *
FROM parked
WHERE topic = $1 AND event_id = $2
ORDER BY parked_at, lane;

-- name: dead_letters_of_event
SELECT *
FROM dead_letter
WHERE topic = $1 AND event_id = $2
ORDER BY decided_at, lane;

-- name: receipts_of_event
-- And whether it repeats an event whose decision is archived.
SELECT receipt.*, EXISTS (
    SELECT FROM archived_event
    WHERE archived_event.lane = receipt.lane AND archived_event.event_hash = receipt.event_hash
        AND archived_event.seq < coalesce(receipt.next_seq, archived_event.seq + 1)
) AS repeats_archived
FROM receipt
WHERE event_id = $2 AND topic = $1
ORDER BY decided_at, lane;

-- name: decision
SELECT *
FROM decision
WHERE lane = $1 AND seq = $2;

-- name: raw
-- A message as it came, by the position of its record ($2 … $4) and the number of its decision ($5), if it has one.
SELECT raw FROM decision WHERE lane = $1 AND seq = $5
UNION ALL
SELECT raw FROM receipt WHERE lane = $1 AND topic = $2 AND partition = $3 AND record_offset = $4 AND raw IS NOT NULL
UNION ALL
SELECT raw FROM dead_letter WHERE lane = $1 AND dead_letter_id = $2 || '/' || $3::text || '/' || $4::text
UNION ALL
SELECT raw FROM parked WHERE lane = $1 AND topic = $2 AND partition = $3 AND record_offset = $4
LIMIT 1;
