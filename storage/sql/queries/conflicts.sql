-- Conflicts as operators look at them: known ids with other content, of which nothing was settled.

-- name: newest
-- $1 … $6 and $13 are what they must agree with, each may be NULL; $7 … $11 the place they come before. The reason is
-- which id was known: an earlier message had the event_id, or else the business id was taken.
SELECT *
FROM (
    SELECT receipt.*, CASE
        WHEN EXISTS (
            SELECT FROM decision
            WHERE decision.lane = receipt.lane AND decision.event_hash = receipt.event_hash
                AND (decision.record_offset < receipt.record_offset OR decision.decided_at < receipt.decided_at)
        )
        OR EXISTS (
            SELECT FROM archived_event
            WHERE archived_event.lane = receipt.lane AND archived_event.event_hash = receipt.event_hash
                AND archived_event.seq < coalesce(receipt.next_seq, archived_event.seq + 1)
        )
        OR EXISTS (
            SELECT FROM receipt AS holder
            WHERE holder.lane = receipt.lane AND holder.event_hash = receipt.event_hash AND holder.holds_event_id
        )
        OR EXISTS (SELECT FROM parked WHERE parked.lane = receipt.lane AND parked.event_hash = receipt.event_hash)
        THEN 'same_event_id'
        ELSE 'same_business_id'
    END AS reason
    FROM receipt
    WHERE outcome = 'conflict'
        AND ($1::text IS NULL OR topic = $1)
        AND ($2::text IS NULL OR party_id = $2)
        AND ($3::text IS NULL OR event_id = $3)
        AND decided_at >= coalesce($5::timestamptz, '-infinity')
        AND decided_at < coalesce($6::timestamptz, 'infinity')
        AND ($13::text IS NULL OR (position(decode($13, 'escape') IN raw) > 0 AND producer_of(raw) = $13))
        AND (decided_at, lane, topic, record_offset, partition)
        < (coalesce($7::timestamptz, 'infinity'), $8::integer, $9::text, $10::bigint, $11::integer)
    ORDER BY decided_at DESC, lane DESC, topic DESC, record_offset DESC, partition DESC
) AS conflict
WHERE $4::text IS NULL OR reason = $4
LIMIT $12;

-- name: groups
-- How many of the newest $8 are of each reason (found as above), topic, producer and day. $1 … $7 are what they must agree with.
SELECT reason, topic, producer, day, count(*) AS number
FROM (
    SELECT
        topic, producer_of(raw) AS producer, (decided_at AT TIME ZONE 'Asia/Shanghai')::date AS day,
        CASE
            WHEN EXISTS (
                SELECT FROM decision
                WHERE decision.lane = receipt.lane AND decision.event_hash = receipt.event_hash
                    AND (decision.record_offset < receipt.record_offset OR decision.decided_at < receipt.decided_at)
            )
            OR EXISTS (
                SELECT FROM archived_event
                WHERE archived_event.lane = receipt.lane AND archived_event.event_hash = receipt.event_hash
                    AND archived_event.seq < coalesce(receipt.next_seq, archived_event.seq + 1)
            )
            OR EXISTS (
                SELECT FROM receipt AS holder
                WHERE holder.lane = receipt.lane AND holder.event_hash = receipt.event_hash AND holder.holds_event_id
            )
            OR EXISTS (SELECT FROM parked WHERE parked.lane = receipt.lane AND parked.event_hash = receipt.event_hash)
            THEN 'same_event_id'
            ELSE 'same_business_id'
        END AS reason
    FROM receipt
    WHERE outcome = 'conflict'
        AND ($1::text IS NULL OR topic = $1)
        AND ($2::text IS NULL OR party_id = $2)
        AND ($3::text IS NULL OR event_id = $3)
        AND decided_at >= coalesce($5::timestamptz, '-infinity')
        AND decided_at < coalesce($6::timestamptz, 'infinity')
        AND ($7::text IS NULL OR (position(decode($7, 'escape') IN raw) > 0 AND producer_of(raw) = $7))
    ORDER BY decided_at DESC, lane DESC, topic DESC, record_offset DESC, partition DESC
    LIMIT $8
) AS newest
WHERE $4::text IS NULL OR reason = $4
GROUP BY reason, topic, producer, day;

-- name: conflict
SELECT receipt.*
FROM lane JOIN receipt USING (lane)
WHERE outcome = 'conflict' AND topic = $1 AND partition = $2 AND record_offset = $3;

-- name: of_event
-- What had the event_id first: decided, or still waiting.
SELECT topic, partition, record_offset, party_kind, party_id, event_id, type, occurred_at, decided_at, outcome, raw
FROM decision
WHERE lane = $1 AND event_hash = $2 AND (record_offset < $3 OR decided_at < $4)
UNION ALL
SELECT topic, partition, record_offset, party_kind, party_id, event_id, type, occurred_at, parked_at, 'parked', raw
FROM parked
WHERE lane = $1 AND event_hash = $2
LIMIT 1;

-- name: is_of_archived_event
-- Whether a decision had the event_id first that is archived.
SELECT EXISTS (
    SELECT FROM receipt JOIN archived_event USING (lane, event_hash)
    WHERE lane = $1 AND topic = $2 AND partition = $3 AND record_offset = $4
        AND archived_event.seq < coalesce(receipt.next_seq, archived_event.seq + 1)
);

-- name: naming
-- Earlier decisions on messages of the same type and party whose text has an id in it, the first of them first.
SELECT topic, partition, record_offset, party_kind, party_id, event_id, type, occurred_at, decided_at, outcome, raw
FROM decision
WHERE lane = $1 AND party_id = $2 AND type = $3 AND topic = $4 AND kind = 'input' AND decided_at <= $5
    AND position($6::bytea IN raw) > 0
ORDER BY seq
LIMIT $7;
