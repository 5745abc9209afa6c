-- Decisions and postings that were moved to files: where those that are left begin, which files hold the others, and what of them
-- is still needed. A lane's rows are carried forward before they go, and count from the moment in which `archive_end` names their
-- `next_seq`: what an archiving leaves that did not come to its end counts for nothing.

CREATE TABLE archive_end (
    lane integer PRIMARY KEY,
    next_seq bigint NOT NULL,
    lane_time timestamptz NOT NULL,
    decisions bigint NOT NULL,
    postings bigint NOT NULL,
    last_decision bigint NOT NULL,
    last_posting bigint NOT NULL,
    archived_at timestamptz NOT NULL
);
COMMENT ON TABLE archive_end IS
'Decisions of a lane with lower numbers than next_seq, and their postings, are in files; so many were on it in all.';
COMMENT ON COLUMN archive_end.lane_time IS 'Of the last batch among them.';
COMMENT ON COLUMN archive_end.last_decision IS 'The highest number among them: those between may be on another lane.';
COMMENT ON COLUMN archive_end.last_posting IS 'The highest number of a decision with postings among them; 0: none had any.';

CREATE TABLE archive_file (
    lane integer NOT NULL,
    first_batch_seq bigint NOT NULL,
    last_batch_seq bigint NOT NULL,
    decisions bigint NOT NULL,
    postings bigint NOT NULL,
    name text NOT NULL,
    size_bytes bigint NOT NULL,
    sha256 bytea NOT NULL,
    PRIMARY KEY (lane, first_batch_seq)
);
COMMENT ON TABLE archive_file IS 'All decisions and postings of batches that a lane has settled.';

CREATE TABLE archived_event (
    lane integer NOT NULL,
    event_hash bytea NOT NULL,
    fingerprint bytea NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (lane, event_hash)
);
COMMENT ON TABLE archived_event IS 'How a repeated event is recognised whose decision is in a file.';

CREATE TABLE archived_balance (
    lane integer NOT NULL,
    next_seq bigint NOT NULL,
    party_id text NOT NULL,
    ledger_account text NOT NULL,
    currency text NOT NULL,
    debit_minor bigint NOT NULL,
    PRIMARY KEY (lane, next_seq, party_id, ledger_account, currency)
);
COMMENT ON TABLE archived_balance IS
'What the postings of each archiving have moved: debits less credits. The platform''s accounts are those of nobody.';

CREATE TABLE archived_outcome (
    lane integer NOT NULL,
    next_seq bigint NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    outcome text NOT NULL,
    records bigint NOT NULL,
    last_offset bigint NOT NULL,
    PRIMARY KEY (lane, next_seq, topic, partition, outcome)
);
COMMENT ON TABLE archived_outcome IS 'How many input records the decisions of each archiving were the outcome of.';

CREATE TABLE archived_lowering (
    lane integer NOT NULL,
    next_seq bigint NOT NULL,
    account_id text NOT NULL,
    PRIMARY KEY (lane, next_seq, account_id)
);
COMMENT ON TABLE archived_lowering IS
'Accounts with a decision, in the files of each archiving, that may leave less than nothing available.';

GRANT SELECT ON
archive_end, archive_file, archived_event, archived_balance, archived_outcome, archived_lowering
TO postpay_worker, postpay_auditor, postpay_ops;
