-- Dead letters as operators look at them, and as they are redriven.

-- name: newest
-- $1 … $6 are what they must agree with, each may be NULL; $7 … $11 the place they come before.
SELECT *
FROM dead_letter
WHERE ($1::text IS NULL OR topic = $1)
    AND ($2::bytea IS NULL OR key = $2)
    AND ($3::text IS NULL OR event_id = $3)
    AND ($4::text IS NULL OR reason = $4)
    AND decided_at >= coalesce($5::timestamptz, '-infinity')
    AND decided_at < coalesce($6::timestamptz, 'infinity')
    AND (decided_at, lane, coalesce(topic, ''), coalesce(record_offset, -1), dead_letter_id)
    < (coalesce($7::timestamptz, 'infinity'), $8::integer, $9::text, $10::bigint, $11::text)
ORDER BY decided_at DESC, lane DESC, coalesce(topic, '') DESC, coalesce(record_offset, -1) DESC, dead_letter_id DESC
LIMIT $12;

-- name: oldest
-- Of records, up to a batch of each lane ($13, by lane): what comes later, for instance from sending these, is left out.
SELECT *
FROM dead_letter
WHERE ($1::text IS NULL OR topic = $1)
    AND ($2::bytea IS NULL OR key = $2)
    AND ($3::text IS NULL OR event_id = $3)
    AND ($4::text IS NULL OR reason = $4)
    AND decided_at >= coalesce($5::timestamptz, '-infinity')
    AND decided_at < coalesce($6::timestamptz, 'infinity')
    AND (decided_at, lane, coalesce(topic, ''), coalesce(record_offset, -1), dead_letter_id)
    > (coalesce($7::timestamptz, '-infinity'), $8::integer, $9::text, $10::bigint, $11::text)
    AND topic IS NOT NULL
    AND batch_seq <= ($13::bigint[])[lane + 1]
ORDER BY decided_at, lane, coalesce(topic, ''), coalesce(record_offset, -1), dead_letter_id
LIMIT $12;

-- name: counted
-- How many `oldest` would give altogether.
SELECT count(*)
FROM dead_letter
WHERE ($1::text IS NULL OR topic = $1)
    AND ($2::bytea IS NULL OR key = $2)
    AND ($3::text IS NULL OR event_id = $3)
    AND ($4::text IS NULL OR reason = $4)
    AND decided_at >= coalesce($5::timestamptz, '-infinity')
    AND decided_at < coalesce($6::timestamptz, 'infinity')
    AND topic IS NOT NULL
    AND batch_seq <= ($7::bigint[])[lane + 1];

-- name: batches
-- How far each lane has come, in order.
SELECT batch_seq
FROM lane
ORDER BY lane;

-- name: dead_letter
SELECT dead_letter.*
FROM lane JOIN dead_letter USING (lane)
WHERE dead_letter_id = $1;

-- name: taken
-- Which of some event ids, by lane and hash, a message has taken since: decided, a duplicate of something, or waiting.
SELECT wanted.event_hash
FROM unnest($1::integer[], $2::bytea[]) AS wanted (lane, event_hash)
WHERE EXISTS (SELECT FROM decision WHERE lane = wanted.lane AND event_hash = wanted.event_hash)
    OR EXISTS (
        SELECT FROM receipt
        WHERE lane = wanted.lane AND event_hash = wanted.event_hash AND holds_event_id
    )
    OR EXISTS (SELECT FROM parked WHERE lane = wanted.lane AND event_hash = wanted.event_hash);
