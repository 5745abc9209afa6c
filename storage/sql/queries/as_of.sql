-- A session in which the tables' names mean what was there at a time: docs/replay.md, As of a time. What changes stands in temporary
-- tables, which hide those of the schema from this session alone; what only grows is cut off by views.

-- name: clocks
-- The database's clock, and the latest time that a lane has come to.
SELECT clock_timestamp() AS now, max(lane_time) AS latest
FROM lane;

-- name: last_batches
-- Of these lanes the last batch by a time, NULLs where there was none yet, and when the first one was. A lane that was split off
-- another goes on from a batch of that one; from when on lanes are split is `split_at`.
SELECT lane.lane, coalesce(last.batch_seq, split.batch_seq) AS batch_seq,
    coalesce(last.chain_hash, split.chain_hash) AS chain_hash, coalesce(last.lane_time, split.lane_time) AS lane_time,
    coalesce(first.lane_time, split.lane_time) AS first_at, split.lane_time AS split_at
FROM lane
LEFT JOIN LATERAL (
    SELECT batch_seq, chain_hash, lane_time
    FROM lane_branch
    WHERE lane_branch.lane = lane.lane AND lane_branch.lane_time IS NOT NULL
    ORDER BY from_lanes DESC
    LIMIT 1
) AS split ON true
LEFT JOIN LATERAL (
    SELECT batch_seq, chain_hash, lane_time
    FROM batch
    WHERE batch.lane = lane.lane AND batch.lane_time <= $2
    ORDER BY batch.batch_seq DESC
    LIMIT 1
) AS last ON true
LEFT JOIN batch AS first ON first.lane = lane.lane AND first.batch_seq = 1
WHERE lane.lane = ANY($1::integer[])
ORDER BY lane.lane;

-- name: choose_tables
-- Which tables `hide_tables` and `analyze` are about.
SELECT set_config('postpay.as_of', $1, false);

-- name: hide_tables
-- Empty ones like those of the schema, in their place.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY string_to_array(current_setting('postpay.as_of'), ' ') LOOP
        EXECUTE format('CREATE TEMPORARY TABLE %1$I (LIKE postpay.%1$I INCLUDING ALL)', name);
    END LOOP;
END $$;

-- name: cut_batch
-- Of what only grows, what was there after the last batch of each lane that is shown.
CREATE TEMPORARY VIEW batch AS
SELECT recorded.*
FROM postpay.batch AS recorded JOIN pg_temp.lane USING (lane)
WHERE recorded.batch_seq <= lane.batch_seq;

-- name: cut_decision
CREATE TEMPORARY VIEW decision AS
SELECT recorded.*
FROM postpay.decision AS recorded JOIN pg_temp.lane USING (lane)
WHERE recorded.seq < lane.next_seq;

-- name: cut_posting
CREATE TEMPORARY VIEW posting AS
SELECT recorded.*
FROM postpay.posting AS recorded JOIN pg_temp.lane USING (lane)
WHERE recorded.seq < lane.next_seq;

-- name: cut_receipt
CREATE TEMPORARY VIEW receipt AS
SELECT recorded.*
FROM postpay.receipt AS recorded JOIN pg_temp.lane USING (lane)
WHERE recorded.batch_seq <= lane.batch_seq;

-- name: cut_dead_letter
CREATE TEMPORARY VIEW dead_letter AS
SELECT recorded.*
FROM postpay.dead_letter AS recorded JOIN pg_temp.lane USING (lane)
WHERE recorded.batch_seq <= lane.batch_seq;

-- name: put_lane
INSERT INTO pg_temp.lane (lane, batch_seq, chain_hash, lane_time, next_seq, terms_digest)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: analyze
-- Statistics for the planner: COPY makes none.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY string_to_array(current_setting('postpay.as_of'), ' ') LOOP
        EXECUTE format('ANALYZE pg_temp.%I', name);
    END LOOP;
END $$;
