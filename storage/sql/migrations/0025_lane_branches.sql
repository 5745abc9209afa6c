-- Where the lanes of today come from, once there are more than the database was made for: each splits into several, which go on
-- from its last batch side by side. What was decided before stays in the batches of the lane that was split, and lies on the
-- lanes that its parties are on now.

CREATE TABLE lane_branch (
    lane integer NOT NULL,
    from_lane integer NOT NULL,
    from_lanes integer NOT NULL,
    batch_seq bigint NOT NULL,
    chain_hash bytea NOT NULL,
    next_seq bigint NOT NULL,
    lane_time timestamptz,
    PRIMARY KEY (lane, from_lanes)
);
COMMENT ON TABLE lane_branch IS
'From which batch of which of so many lanes a lane goes on; one that keeps its number has such a row as well.';

GRANT SELECT ON lane_branch TO postpay_worker, postpay_auditor, postpay_ops;
