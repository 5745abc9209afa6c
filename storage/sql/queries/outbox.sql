-- name: read_after
-- The next batches to relay, each whole, up to a bound in bytes but at least one. Sizes are read without the messages;
-- the last batch among the parts looked at may be counted too small, never fetched in part.
WITH next_part AS (
    SELECT batch_seq, octet_length(messages) AS bytes
    FROM outbox
    WHERE lane = $1 AND batch_seq > $2
    ORDER BY batch_seq, part
    LIMIT 256
), next_batch AS (
    SELECT batch_seq, sum(sum(bytes)) OVER (ORDER BY batch_seq) AS bytes_so_far,
        row_number() OVER (ORDER BY batch_seq) AS place
    FROM next_part
    GROUP BY batch_seq
)
SELECT found.*
FROM next_batch CROSS JOIN LATERAL (
    SELECT batch_seq, lane_time, chain_hash, messages, part
    FROM outbox
    WHERE lane = $1 AND outbox.batch_seq = next_batch.batch_seq
    OFFSET 0
) AS found
WHERE place = 1 OR bytes_so_far <= $3
ORDER BY batch_seq, part;

-- name: batch_exists
-- Among them the one that the lane goes on from, where it was split off another.
SELECT chain_hash
FROM batch
WHERE lane = $1 AND batch_seq = $2
UNION
SELECT chain_hash
FROM lane_branch
WHERE lane = $1 AND batch_seq = $2;

-- name: relayed
-- A hint for operators and for emptying old parts; the lane-log says what was sent.
UPDATE lane_relay
SET relayed_batch_seq = greatest(relayed_batch_seq, $2), relayed_at = statement_timestamp()
WHERE lane = $1;

-- name: stale_turns
-- The part of the day before yesterday, if it holds rows and all of them are relayed. Tomorrow's part is left alone,
-- old rows or not: a batch may write to it the moment midnight comes.
SELECT turn
FROM outbox JOIN lane_relay USING (lane)
WHERE turn = outbox_turn(now() - interval '2 days')
GROUP BY turn
HAVING bool_and(batch_seq <= relayed_batch_seq)
ORDER BY turn;

-- name: empty_turn_0
TRUNCATE outbox_turn_0;

-- name: empty_turn_1
TRUNCATE outbox_turn_1;

-- name: empty_turn_2
TRUNCATE outbox_turn_2;

-- name: empty_turn_3
TRUNCATE outbox_turn_3;
