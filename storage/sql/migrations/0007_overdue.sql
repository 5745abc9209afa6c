-- What follows an unpaid due date (overdue, penalties, reclaimed limit, payments undone), bills in instalments, cash-outs
-- and appeals. Of rows from before nothing was overdue or reclaimed: all that is granted is the limit. Obligations with a
-- fee were those of instalment orders. What a repayment from before has paid is not known: should it be reversed, all of it
-- is owed anew.

ALTER TABLE account
    ADD COLUMN granted_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN overdue_until timestamptz,
    ADD COLUMN cleared_at timestamptz,
    ADD COLUMN appeal_upheld boolean NOT NULL DEFAULT false,
    ADD COLUMN cash_out_on date,
    ADD COLUMN cash_out_day_minor bigint NOT NULL DEFAULT 0;
UPDATE account SET granted_minor = limit_minor;

ALTER TABLE obligation
    ADD COLUMN debit_on date,
    ADD COLUMN in_instalments boolean NOT NULL DEFAULT false,
    ADD COLUMN overdue_principal_minor bigint,
    ADD COLUMN penalty_runs jsonb NOT NULL DEFAULT '[]';
UPDATE obligation SET in_instalments = true
FROM purchase_order
WHERE purchase_order.lane = obligation.lane
    AND purchase_order.account_id = obligation.account_id
    AND purchase_order.order_id = obligation.order_id
    AND purchase_order.plan_kind = 'instalment';

ALTER TABLE repayment
    ADD COLUMN shares jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN credit_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN reversed_at timestamptz;

CREATE TABLE cash_out (
    lane integer NOT NULL,
    account_id text NOT NULL,
    cash_out_id text NOT NULL,
    no bigint NOT NULL,
    amount_minor bigint NOT NULL,
    requested_at timestamptz NOT NULL,
    obligation_ids jsonb NOT NULL,
    fingerprint bytea NOT NULL,
    PRIMARY KEY (lane, account_id, cash_out_id)
);

CREATE TABLE appeal (
    lane integer NOT NULL,
    account_id text NOT NULL,
    appeal_id text NOT NULL,
    no bigint NOT NULL,
    outcome text NOT NULL,
    decided_at timestamptz NOT NULL,
    fingerprint bytea NOT NULL,
    PRIMARY KEY (lane, account_id, appeal_id)
);

GRANT SELECT ON cash_out, appeal TO postpay_worker, postpay_auditor, postpay_ops;
GRANT INSERT, UPDATE ON cash_out, appeal TO postpay_worker;
