-- What became of every input record and timer: one row each, here or in a receipt, dead letter or parked row.

CREATE TABLE decision (
    lane integer NOT NULL,
    seq bigint NOT NULL,
    batch_seq bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('input', 'timer')),
    topic text,
    partition integer,
    record_offset bigint,
    party_kind text,
    party_id text,
    event_id text,
    timer_id text,
    event_hash bytea,
    fingerprint bytea,
    type text NOT NULL,
    occurred_at timestamptz NOT NULL,
    decided_at timestamptz NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('applied', 'declined')),
    reason text,
    reasons text NOT NULL,
    outputs text NOT NULL,
    raw bytea,
    PRIMARY KEY (lane, seq)
) PARTITION BY LIST (lane);
COMMENT ON COLUMN decision.timer_id IS 'What caused the decision of a timer, as event_id does for an input.';
COMMENT ON COLUMN decision.reasons IS 'All reasons, separated by spaces; the first is `reason`.';
COMMENT ON COLUMN decision.outputs IS
    '`type event_id` of each output message, a line each; their bodies are in the topics.';
-- Also how a repeated event is recognised. Timers have no hash and are left out.
CREATE UNIQUE INDEX decision_event ON decision (lane, event_hash) WHERE event_hash IS NOT NULL;
-- For operators, who look for a party's history or for an event_id: filters over ranges of pages. A tree over either
-- would cost every batch a third more here (measured: 3 of 11 ms for 1,000 rows), and ever more with its size. Ranges
-- are small, because vacuum makes the filter of the last one while rows still come into it.
CREATE INDEX decision_search ON decision USING brin (
    event_id text_bloom_ops (n_distinct_per_range = 256, false_positive_rate = 0.001),
    party_id text_bloom_ops (n_distinct_per_range = 256, false_positive_rate = 0.001)
) WITH (pages_per_range = 16, autosummarize = on);

CREATE TABLE posting (
    lane integer NOT NULL,
    seq bigint NOT NULL,
    n integer NOT NULL,
    party_id text NOT NULL,
    debit text NOT NULL,
    credit text NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    PRIMARY KEY (lane, seq, n)
) PARTITION BY LIST (lane);
COMMENT ON TABLE posting IS 'The n-th movement of decision seq; accounts of a party are those of party_id.';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % refused: decisions and postings are never changed, a correction is a new entry',
        TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
-- Row triggers are inherited by partitions; those of TRUNCATE are not, make_lanes sets them on each.
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON decision FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON posting FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON decision FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON posting FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE receipt (
    lane integer NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    batch_seq bigint NOT NULL,
    party_kind text,
    party_id text,
    event_id text NOT NULL,
    event_hash bytea NOT NULL,
    fingerprint bytea NOT NULL,
    type text NOT NULL,
    occurred_at timestamptz NOT NULL,
    decided_at timestamptz NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('duplicate', 'conflict')),
    holds_event_id boolean NOT NULL,
    raw bytea,
    PRIMARY KEY (lane, topic, partition, record_offset)
);
COMMENT ON COLUMN receipt.holds_event_id IS
    'A duplicate by its content took its event_id, as a decision does; a repeated event did not.';
-- Also how a repeated event is recognised; the rest are in decision.
CREATE UNIQUE INDEX receipt_event ON receipt (lane, event_hash) WHERE holds_event_id;
CREATE INDEX receipt_search ON receipt
    USING brin (event_id text_bloom_ops (n_distinct_per_range = 512, false_positive_rate = 0.001))
    WITH (pages_per_range = 8, autosummarize = on);
COMMENT ON COLUMN receipt.raw IS 'Of conflicts only: a duplicate''s content is that of the decision.';

CREATE TABLE dead_letter (
    lane integer NOT NULL,
    dead_letter_id text NOT NULL,
    batch_seq bigint NOT NULL,
    topic text,
    partition integer,
    record_offset bigint,
    key bytea,
    event_id text,
    timer_id text,
    type text,
    occurred_at timestamptz,
    decided_at timestamptz NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    raw bytea,
    headers bytea,
    PRIMARY KEY (lane, dead_letter_id)
);
COMMENT ON COLUMN dead_letter.dead_letter_id IS '`topic/partition/offset` of the record, or the id of the timer.';
COMMENT ON COLUMN dead_letter.headers IS 'msgpack list of [name, value]; NULL when there were none.';

CREATE TABLE parked (
    lane integer NOT NULL,
    event_hash bytea NOT NULL,
    batch_seq bigint NOT NULL,
    n integer NOT NULL,
    party_kind text NOT NULL,
    party_id text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    event_id text NOT NULL,
    fingerprint bytea NOT NULL,
    type text NOT NULL,
    occurred_at timestamptz NOT NULL,
    raw bytea NOT NULL,
    traceparent text,
    waits_for text NOT NULL,
    parked_at timestamptz NOT NULL,
    PRIMARY KEY (lane, event_hash)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
COMMENT ON COLUMN parked.n IS 'With batch_seq, the order of arrival among the party''s parked inputs.';
CREATE INDEX parked_party ON parked (lane, party_id);

CREATE TABLE declined_subject (
    lane integer NOT NULL,
    party_kind text NOT NULL,
    party_id text NOT NULL,
    subject text NOT NULL,
    PRIMARY KEY (lane, party_kind, party_id, subject)
);
COMMENT ON TABLE declined_subject IS
    'Orders, returns … whose creating message was declined: their steps are declined too.';

-- Rows come and go, so it is vacuumed early: dead entries at the head of timer_due would be walked over by every batch.
CREATE TABLE timer (
    lane integer NOT NULL,
    party_kind text NOT NULL,
    party_id text NOT NULL,
    kind text NOT NULL,
    subject_id text NOT NULL,
    due_at timestamptz NOT NULL,
    PRIMARY KEY (lane, party_kind, party_id, kind, subject_id)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX timer_due ON timer (lane, due_at);

-- The partitions of a new database; called once, with the number of lanes it is made for.
CREATE PROCEDURE make_lanes(count integer, genesis bytea[], first_terms bytea) LANGUAGE plpgsql AS $$
BEGIN
    FOR k IN 0 .. count - 1 LOOP
        INSERT INTO lane (lane, chain_hash, terms_digest) VALUES (k, genesis[k + 1], first_terms);
        INSERT INTO lane_relay (lane) VALUES (k);
        EXECUTE format('CREATE TABLE %I PARTITION OF decision FOR VALUES IN (%s)', 'decision_lane_' || k, k);
        EXECUTE format('CREATE TABLE %I PARTITION OF posting FOR VALUES IN (%s)', 'posting_lane_' || k, k);
        EXECUTE format('CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT'
                       ' EXECUTE FUNCTION refuse_change()', 'decision_lane_' || k);
        EXECUTE format('CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT'
                       ' EXECUTE FUNCTION refuse_change()', 'posting_lane_' || k);
    END LOOP;
END $$;
