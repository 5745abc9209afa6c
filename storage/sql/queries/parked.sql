-- Inputs that wait for what they name.

-- name: parked
-- All that waits for something of these parties, in arrival order.
SELECT found.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (party_kind, party_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM parked
    WHERE lane = $1 AND party_id = named.party_id AND party_kind = named.party_kind
    OFFSET 0
) AS found
ORDER BY batch_seq, n;

-- name: newest
-- Of all lanes; $1 … $6 and $14 are what they must agree with, each may be NULL, $7 the least time they have waited by their lane's
-- clock; $8 … $12 the place they come before. What is waited for is given whole or by its kind.
SELECT parked.*, timer.due_at AS until
FROM parked
JOIN lane USING (lane)
LEFT JOIN timer
    ON timer.lane = parked.lane AND timer.party_kind = parked.party_kind AND timer.party_id = parked.party_id
    AND timer.kind = 'parking_expiry' AND timer.subject_id = encode(parked.event_hash, 'hex')
WHERE ($1::text IS NULL OR topic = $1)
    AND ($2::text IS NULL OR parked.party_id = $2)
    AND ($3::text IS NULL OR event_id = $3)
    AND ($4::text IS NULL OR waits_for = $4 OR split_part(waits_for, ':', 1) = $4)
    AND parked_at >= coalesce($5::timestamptz, '-infinity')
    AND parked_at < coalesce($6::timestamptz, 'infinity')
    AND ($7::interval IS NULL OR parked_at <= lane.lane_time - $7)
    AND ($14::text IS NULL OR (position(decode($14, 'escape') IN raw) > 0 AND producer_of(raw) = $14))
    AND (parked_at, parked.lane, topic, record_offset, partition)
    < (coalesce($8::timestamptz, 'infinity'), $9::integer, $10::text, $11::bigint, $12::integer)
ORDER BY parked_at DESC, parked.lane DESC, topic DESC, record_offset DESC, partition DESC
LIMIT $13;

-- name: groups
-- How many of the newest $9 wait for each kind of thing, and are of each topic, producer and day; $1 … $8 as $1 … $7 and $14 above.
SELECT reason, topic, producer, day, count(*) AS number
FROM (
    SELECT
        split_part(waits_for, ':', 1) AS reason, topic, producer_of(raw) AS producer,
        (parked_at AT TIME ZONE 'Asia/Shanghai')::date AS day
    FROM parked
    JOIN lane USING (lane)
    WHERE ($1::text IS NULL OR topic = $1)
        AND ($2::text IS NULL OR party_id = $2)
        AND ($3::text IS NULL OR event_id = $3)
        AND ($4::text IS NULL OR waits_for = $4 OR split_part(waits_for, ':', 1) = $4)
        AND parked_at >= coalesce($5::timestamptz, '-infinity')
        AND parked_at < coalesce($6::timestamptz, 'infinity')
        AND ($7::interval IS NULL OR parked_at <= lane.lane_time - $7)
        AND ($8::text IS NULL OR (position(decode($8, 'escape') IN raw) > 0 AND producer_of(raw) = $8))
    ORDER BY parked_at DESC, parked.lane DESC, topic DESC, record_offset DESC, partition DESC
    LIMIT $9
) AS newest
GROUP BY reason, topic, producer, day;
