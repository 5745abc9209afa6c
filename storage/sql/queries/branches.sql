-- Where lanes were split, and on which lanes lies what was decided before.

-- name: branches
-- All there are.
SELECT lane, from_lane, from_lanes, batch_seq, chain_hash, next_seq, lane_time
FROM lane_branch
ORDER BY from_lanes, lane;

-- name: begins
-- The batch that a lane goes on from, if it has not been there from the beginning.
SELECT lane, from_lane, from_lanes, batch_seq, chain_hash, next_seq, lane_time
FROM lane_branch
WHERE lane = $1 AND from_lane <> $1;

-- name: families
-- Up to which of a lane's own batches its decisions lie on which lanes, the first split first.
SELECT batch_seq, (SELECT array_agg(lane.lane ORDER BY lane.lane) FROM lane WHERE lane.lane % from_lanes = $1) AS lanes
FROM lane_branch
WHERE lane = $1 AND from_lane = $1
ORDER BY from_lanes;
