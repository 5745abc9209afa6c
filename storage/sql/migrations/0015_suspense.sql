-- Money of accounts that did not become known in time: kept by its lane until it is released.

CREATE TABLE suspense_entry (
    lane integer NOT NULL,
    account_id text NOT NULL,
    suspense_id text NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    channel text NOT NULL,
    purpose text NOT NULL,
    order_id text,
    debit_id text,
    event_id text NOT NULL,
    received_at timestamptz NOT NULL,
    suspended_at timestamptz NOT NULL,
    fingerprint bytea NOT NULL,
    released_at timestamptz,
    reason text,
    PRIMARY KEY (lane, account_id, suspense_id)
);
COMMENT ON COLUMN suspense_entry.account_id IS 'As the money came for it: nobody knew it when the wait was over.';
CREATE INDEX suspense_entry_open ON suspense_entry (lane, suspended_at) WHERE released_at IS NULL;

GRANT SELECT ON suspense_entry TO postpay_worker, postpay_auditor, postpay_ops;
GRANT INSERT, UPDATE ON suspense_entry TO postpay_worker;
