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
-- Which of some event ids of a lane a message has taken since: decided, a duplicate of something, or waiting.
SELECT event_hash FROM decision WHERE lane = $1 AND event_hash = ANY($2::bytea[])
UNION
SELECT event_hash FROM receipt WHERE lane = $1 AND event_hash = ANY($2::bytea[]) AND holds_event_id
UNION
SELECT event_hash FROM parked WHERE lane = $1 AND event_hash = ANY($2::bytea[]);
