-- What a lane is: its claim, its input offsets, its batches and their outputs. docs/protocol.md tells how they are
-- used.

CREATE TABLE identity (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    database_id uuid NOT NULL DEFAULT gen_random_uuid(),
    lanes integer NOT NULL CHECK (lanes > 0),
    cluster_id text,
    prefix text,
    consumer_group text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE identity IS
    'One row: which database this is, and the Kafka cluster, topic prefix and group it belongs to.';

CREATE TABLE terms (
    digest bytea PRIMARY KEY,
    document jsonb NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE terms IS 'Every terms document a lane has had, by the SHA-256 of its canonical form.';

-- A lane's row is rewritten with every batch: room on its page keeps each version there (heap-only updates).
CREATE TABLE lane (
    lane integer PRIMARY KEY,
    epoch bigint NOT NULL DEFAULT 0,
    owner text,
    backend_pid integer,
    claimed_at timestamptz,
    batch_seq bigint NOT NULL DEFAULT 0,
    chain_hash bytea NOT NULL,
    lane_time timestamptz,
    next_seq bigint NOT NULL DEFAULT 1,
    terms_digest bytea NOT NULL REFERENCES terms
) WITH (fillfactor = 10);
COMMENT ON COLUMN lane.next_seq IS 'Number of the lane''s next decision; decisions are numbered without a hole.';

CREATE TABLE lane_offset (
    lane integer NOT NULL REFERENCES lane,
    topic text NOT NULL,
    next_offset bigint NOT NULL,
    last_fingerprint bytea,
    settled_records bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (lane, topic)
) WITH (fillfactor = 10);
COMMENT ON COLUMN lane_offset.settled_records IS 'Records of the topic that got their outcome on this lane.';
COMMENT ON COLUMN lane_offset.last_fingerprint IS 'Of the record before next_offset, to notice a topic made anew.';

-- A hint for operators only, apart from the lane row because the relay must not wait for a batch in progress.
CREATE TABLE lane_relay (
    lane integer PRIMARY KEY REFERENCES lane,
    relayed_batch_seq bigint NOT NULL DEFAULT 0,
    relayed_at timestamptz
) WITH (fillfactor = 10);

CREATE TABLE batch (
    lane integer NOT NULL,
    batch_seq bigint NOT NULL,
    chain_hash bytea NOT NULL,
    lane_time timestamptz NOT NULL,
    first_seq bigint NOT NULL,
    decisions integer NOT NULL,
    topics text[] NOT NULL,
    next_offsets bigint[] NOT NULL,
    committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (lane, batch_seq)
);
COMMENT ON COLUMN batch.decisions IS 'How many decisions, numbered from first_seq, are in the chain hash.';

-- Four parts in turn, one for each day: yesterday's rows stay readable, older parts are emptied whole by TRUNCATE.
-- Fixed parts need no DDL while workers run, and a row never lacks its part.
CREATE TABLE outbox (
    lane integer NOT NULL,
    batch_seq bigint NOT NULL,
    part integer NOT NULL,
    turn integer NOT NULL,
    lane_time timestamptz NOT NULL,
    chain_hash bytea NOT NULL,
    messages bytea NOT NULL,
    PRIMARY KEY (lane, batch_seq, part, turn)
) PARTITION BY LIST (turn);
CREATE TABLE outbox_turn_0 PARTITION OF outbox FOR VALUES IN (0);
CREATE TABLE outbox_turn_1 PARTITION OF outbox FOR VALUES IN (1);
CREATE TABLE outbox_turn_2 PARTITION OF outbox FOR VALUES IN (2);
CREATE TABLE outbox_turn_3 PARTITION OF outbox FOR VALUES IN (3);
-- Encoded messages are packed densely already, and are read once.
ALTER TABLE outbox_turn_0 ALTER COLUMN messages SET STORAGE EXTERNAL;
ALTER TABLE outbox_turn_1 ALTER COLUMN messages SET STORAGE EXTERNAL;
ALTER TABLE outbox_turn_2 ALTER COLUMN messages SET STORAGE EXTERNAL;
ALTER TABLE outbox_turn_3 ALTER COLUMN messages SET STORAGE EXTERNAL;

CREATE FUNCTION outbox_turn(at timestamptz) RETURNS integer LANGUAGE sql IMMUTABLE AS
$$ SELECT mod(floor(extract(epoch FROM at) / 86400)::bigint, 4)::integer $$;

-- What account lanes handed to merchant lanes and what these took over: the rest is in flight, and is merchant_transit.
CREATE TABLE activity_total (
    lane integer NOT NULL,
    currency text NOT NULL,
    sent_messages bigint NOT NULL DEFAULT 0,
    sent_minor bigint NOT NULL DEFAULT 0,
    received_messages bigint NOT NULL DEFAULT 0,
    received_minor bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (lane, currency)
) WITH (fillfactor = 10);

CREATE TABLE platform_balance (
    lane integer NOT NULL,
    ledger_account text NOT NULL,
    currency text NOT NULL,
    balance_minor bigint NOT NULL,
    PRIMARY KEY (lane, ledger_account, currency)
) WITH (fillfactor = 10);
