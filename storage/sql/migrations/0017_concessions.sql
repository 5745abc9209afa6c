-- What the platform gave up: discounts on orders, and what it did for buyers in hardship.

CREATE TABLE concession (
    lane integer NOT NULL,
    account_id text NOT NULL,
    concession_key text NOT NULL,
    no bigint NOT NULL,
    kind text NOT NULL,
    amount_minor bigint NOT NULL,
    reason text NOT NULL,
    order_id text,
    approved_by text,
    decided_at timestamptz NOT NULL,
    fingerprint bytea NOT NULL,
    PRIMARY KEY (lane, account_id, concession_key)
);
COMMENT ON COLUMN concession.concession_key IS '`kind:id`: each kind has ids of its own.';

ALTER TABLE purchase_order ADD COLUMN credited_minor bigint NOT NULL DEFAULT 0;

GRANT SELECT ON concession TO postpay_worker, postpay_auditor, postpay_ops;
GRANT INSERT, UPDATE ON concession TO postpay_worker;
