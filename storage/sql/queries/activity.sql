-- What lanes have been doing of late, by the minute in which they committed it. Read from where the last look ended, so
-- that a look costs what has come since, however long the history is.

-- name: places
-- How far each lane is: its next decision, its last batch, its time, and its next offsets.
SELECT lane.lane, lane.next_seq, lane.batch_seq, lane.lane_time,
    ARRAY(SELECT topic FROM lane_offset WHERE lane_offset.lane = lane.lane ORDER BY topic) AS topics,
    ARRAY(SELECT next_offset FROM lane_offset WHERE lane_offset.lane = lane.lane ORDER BY topic) AS next_offsets
FROM lane
ORDER BY lane.lane;

-- name: since
-- Of a lane ($1) what came after a place: decisions from a number on ($2), repeats and contradictions from the offsets of
-- its topics on ($3, $4), dead letters from an instant of its time on ($5), all of batches after one ($6). Records that
-- came by way of another lane and repeat something are not counted.
SELECT date_trunc('minute', committed_at) AS minute, what, sum(records)::bigint AS records, sum(outputs)::bigint AS outputs
FROM (
    SELECT batch_seq, CASE kind WHEN 'input' THEN outcome ELSE 'timer' END AS what, 1 AS records,
        CASE outputs WHEN '' THEN 0 ELSE 1 + length(outputs) - length(replace(outputs, E'\n', '')) END AS outputs
    FROM decision
    WHERE lane = $1 AND seq >= $2
    UNION ALL
    SELECT receipt.batch_seq, outcome, 1, 0
    FROM unnest($3::text[], $4::bigint[]) AS position (topic, next_offset)
    JOIN receipt ON receipt.lane = $1 AND receipt.topic = position.topic AND receipt.partition = $1
        AND receipt.record_offset >= position.next_offset
    UNION ALL
    SELECT batch_seq, 'dead_lettered', 1, 1
    FROM dead_letter
    WHERE decided_at >= $5 AND lane = $1 AND batch_seq > $6
) AS happened
JOIN batch ON batch.lane = $1 AND batch.batch_seq = happened.batch_seq AND batch.batch_seq > $6
GROUP BY minute, what;

-- name: trouble
-- Dead letters and conflicts from an instant of the lanes' time on, at most so many are counted.
SELECT
    (
        SELECT count(*) FROM (
            SELECT FROM dead_letter WHERE decided_at >= $1 ORDER BY decided_at DESC LIMIT $2
        ) AS dead
    ) AS dead_letters,
    (
        SELECT count(*) FROM (
            SELECT FROM receipt WHERE outcome = 'conflict' AND decided_at >= $1 ORDER BY decided_at DESC LIMIT $2
        ) AS contradicting
    ) AS conflicts;
