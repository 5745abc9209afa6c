-- Dead letters as operators look at them, and as they are redriven.

-- name: newest
-- $1 … $6 and $14 are what they must agree with, each may be NULL; $7 … $11 the place they come before; $13 whether they are
-- open, NULL for all.
SELECT *
FROM dead_letter
WHERE ($1::text IS NULL OR topic = $1)
    AND ($2::bytea IS NULL OR key = $2)
    AND ($3::text IS NULL OR event_id = $3)
    AND ($4::text IS NULL OR reason = $4)
    AND decided_at >= coalesce($5::timestamptz, '-infinity')
    AND decided_at < coalesce($6::timestamptz, 'infinity')
    AND ($13::boolean IS NULL OR (closed_entry IS NULL) = $13)
    AND ($14::text IS NULL OR (position(decode($14, 'escape') IN raw) > 0 AND producer_of(raw) = $14))
    AND (decided_at, lane, coalesce(topic, ''), coalesce(record_offset, -1), dead_letter_id)
    < (coalesce($7::timestamptz, 'infinity'), $8::integer, $9::text, $10::bigint, $11::text)
ORDER BY decided_at DESC, lane DESC, coalesce(topic, '') DESC, coalesce(record_offset, -1) DESC, dead_letter_id DESC
LIMIT $12;

-- name: groups
-- How many of the newest $9 are of each reason, topic, producer and day. $1 … $6 and $8 are what they must agree with, $7 whether
-- they are open.
SELECT reason, topic, producer, day, count(*) AS number
FROM (
    SELECT
        reason, topic, producer_of(raw) AS producer, (decided_at AT TIME ZONE 'Asia/Shanghai')::date AS day
    FROM dead_letter
    WHERE ($1::text IS NULL OR topic = $1)
        AND ($2::bytea IS NULL OR key = $2)
        AND ($3::text IS NULL OR event_id = $3)
        AND ($4::text IS NULL OR reason = $4)
        AND decided_at >= coalesce($5::timestamptz, '-infinity')
        AND decided_at < coalesce($6::timestamptz, 'infinity')
        AND ($7::boolean IS NULL OR (closed_entry IS NULL) = $7)
        AND ($8::text IS NULL OR (position(decode($8, 'escape') IN raw) > 0 AND producer_of(raw) = $8))
    ORDER BY decided_at DESC, lane DESC, coalesce(topic, '') DESC, coalesce(record_offset, -1) DESC, dead_letter_id DESC
    LIMIT $9
) AS newest
GROUP BY reason, topic, producer, day;

-- name: open_count
-- Open ones, at most so many ($1).
SELECT count(*) FROM (
    SELECT FROM dead_letter WHERE closed_entry IS NULL ORDER BY decided_at DESC LIMIT $1
) AS newest;

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
    AND ($14::text IS NULL OR (position(decode($14, 'escape') IN raw) > 0 AND producer_of(raw) = $14))
    AND ($15::boolean IS NULL OR (closed_entry IS NULL) = $15)
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
    AND ($8::text IS NULL OR (position(decode($8, 'escape') IN raw) > 0 AND producer_of(raw) = $8))
    AND ($9::boolean IS NULL OR (closed_entry IS NULL) = $9)
    AND topic IS NOT NULL
    AND batch_seq <= ($7::bigint[])[lane + 1];

-- name: batches
-- How far each lane has come, in order.
SELECT batch_seq
FROM lane
ORDER BY lane;

-- name: dead_letter
SELECT *
FROM dead_letter
WHERE dead_letter_id = $1;

-- name: taken
-- Which of some event ids of a lane a message has taken since: decided, a duplicate of something, or waiting.
SELECT event_hash FROM decision WHERE lane = $1 AND event_hash = ANY($2::bytea[])
UNION
SELECT event_hash FROM archived_event WHERE lane = $1 AND event_hash = ANY($2::bytea[])
UNION
SELECT event_hash FROM receipt WHERE lane = $1 AND event_hash = ANY($2::bytea[]) AND holds_event_id
UNION
SELECT event_hash FROM parked WHERE lane = $1 AND event_hash = ANY($2::bytea[]);

-- name: closed
-- What was the end of some dead letters, of those that are done with.
SELECT found.*
FROM unnest($1::text[]) AS wanted (dead_letter_id)
CROSS JOIN LATERAL (
    SELECT dead_letter_id, closed_entry
    FROM dead_letter
    WHERE dead_letter_id = wanted.dead_letter_id AND closed_entry IS NOT NULL
    OFFSET 0
) AS found;
