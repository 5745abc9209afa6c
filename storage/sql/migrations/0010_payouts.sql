-- Payouts, remembered until they are answered and after. Those that were asked for before are not known: what they have left
-- on payout_clearing stays there, and is kept here for the audit.

CREATE TABLE account_payout (
    lane integer NOT NULL,
    account_id text NOT NULL,
    payout_id text NOT NULL,
    no bigint NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    route text NOT NULL,
    reason text NOT NULL,
    status text NOT NULL,
    requested_at timestamptz NOT NULL,
    source_id text,
    answered_at timestamptz,
    PRIMARY KEY (lane, account_id, payout_id)
) WITH (fillfactor = 80);
CREATE INDEX account_payout_open ON account_payout (lane, requested_at) WHERE status = 'requested';

CREATE TABLE merchant_payout (
    lane integer NOT NULL,
    merchant_id text NOT NULL,
    payout_id text NOT NULL,
    no bigint NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    route text NOT NULL,
    reason text NOT NULL,
    status text NOT NULL,
    requested_at timestamptz NOT NULL,
    source_id text,
    answered_at timestamptz,
    PRIMARY KEY (lane, merchant_id, payout_id)
) WITH (fillfactor = 80);
CREATE INDEX merchant_payout_open ON merchant_payout (lane, requested_at) WHERE status = 'requested';

CREATE TABLE untracked_payout (
    lane integer NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL,
    PRIMARY KEY (lane, currency)
);
COMMENT ON TABLE untracked_payout IS
'What was asked to be paid out before payouts were remembered, and so is never answered: docs/operations.md.';
INSERT INTO untracked_payout (lane, currency, amount_minor)
SELECT lane, currency, balance_minor
FROM platform_balance
WHERE ledger_account = 'payout_clearing' AND balance_minor <> 0;

GRANT SELECT ON account_payout, merchant_payout, untracked_payout TO postpay_worker, postpay_auditor, postpay_ops;
GRANT INSERT, UPDATE ON account_payout, merchant_payout TO postpay_worker;
GRANT INSERT, UPDATE ON untracked_payout TO postpay_ops;
