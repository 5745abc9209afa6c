-- One table for each class of settlement/entities.py: its fields, led by the lane. Rows that change with nearly every
-- message about them get room on their page, so that an update touches no index. Lists of texts are JSON arrays.

CREATE TABLE account (
    lane integer NOT NULL,
    account_id text NOT NULL,
    programme text NOT NULL,
    currency text NOT NULL,
    opened_at timestamptz NOT NULL,
    fingerprint bytea NOT NULL,
    score bigint,
    card_linked boolean NOT NULL,
    identity_verified boolean NOT NULL,
    freeze_reasons jsonb NOT NULL,
    lifted_freezes jsonb NOT NULL,
    closed_at timestamptz,
    entities_made bigint NOT NULL,
    limit_minor bigint NOT NULL,
    available_minor bigint NOT NULL,
    held_minor bigint NOT NULL,
    used_minor bigint NOT NULL,
    receivable_minor bigint NOT NULL,
    fee_receivable_minor bigint NOT NULL,
    penalty_receivable_minor bigint NOT NULL,
    customer_credit_minor bigint NOT NULL,
    PRIMARY KEY (lane, account_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE purchase_order (
    lane integer NOT NULL,
    account_id text NOT NULL,
    order_id text NOT NULL,
    no bigint NOT NULL,
    merchant_id text NOT NULL,
    plan_kind text NOT NULL,
    plan_days bigint,
    plan_periods bigint,
    status text NOT NULL,
    amount_minor bigint NOT NULL,
    returned_minor bigint NOT NULL,
    under_return_minor bigint NOT NULL,
    placed_at timestamptz NOT NULL,
    received_at timestamptz,
    kept_at timestamptz,
    captured_at timestamptz,
    due_on date,
    terms_from date NOT NULL,
    obligation_ids jsonb NOT NULL,
    open_return_ids jsonb NOT NULL,
    fingerprint bytea NOT NULL,
    PRIMARY KEY (lane, account_id, order_id)
) WITH (fillfactor = 70);

CREATE TABLE obligation (
    lane integer NOT NULL,
    account_id text NOT NULL,
    obligation_id text NOT NULL,
    no bigint NOT NULL,
    order_id text,
    due_on date NOT NULL,
    status text NOT NULL,
    principal_minor bigint NOT NULL,
    fee_minor bigint NOT NULL,
    penalty_minor bigint NOT NULL,
    paid_principal_minor bigint NOT NULL,
    paid_fee_minor bigint NOT NULL,
    paid_penalty_minor bigint NOT NULL,
    debit_id text,
    PRIMARY KEY (lane, account_id, obligation_id)
) WITH (fillfactor = 70);
-- What an account owes, in the order it is paid.
CREATE INDEX obligation_open ON obligation (lane, account_id, due_on, no) WHERE status IN ('open', 'overdue');

CREATE TABLE debit (
    lane integer NOT NULL,
    account_id text NOT NULL,
    debit_id text NOT NULL,
    no bigint NOT NULL,
    amount_minor bigint NOT NULL,
    due_on date NOT NULL,
    attempt bigint NOT NULL,
    reason text NOT NULL,
    status text NOT NULL,
    first_requested_at timestamptz NOT NULL,
    obligation_ids jsonb NOT NULL,
    PRIMARY KEY (lane, account_id, debit_id)
) WITH (fillfactor = 70);

CREATE TABLE return_request (
    lane integer NOT NULL,
    account_id text NOT NULL,
    return_id text NOT NULL,
    no bigint NOT NULL,
    order_id text NOT NULL,
    status text NOT NULL,
    amount_minor bigint NOT NULL,
    reason text NOT NULL,
    evidence jsonb NOT NULL,
    description text,
    requested_at timestamptz NOT NULL,
    fingerprint bytea NOT NULL,
    PRIMARY KEY (lane, account_id, return_id)
) WITH (fillfactor = 70);

CREATE TABLE repayment (
    lane integer NOT NULL,
    account_id text NOT NULL,
    repayment_id text NOT NULL,
    no bigint NOT NULL,
    amount_minor bigint NOT NULL,
    purpose text NOT NULL,
    order_id text,
    debit_id text,
    channel text NOT NULL,
    received_at timestamptz NOT NULL,
    fingerprint bytea NOT NULL,
    PRIMARY KEY (lane, account_id, repayment_id)
);

CREATE TABLE merchant (
    lane integer NOT NULL,
    merchant_id text NOT NULL,
    registered_on date,
    currency text,
    settlement_cycle_days bigint,
    fingerprint bytea,
    entities_made bigint NOT NULL,
    open_promotions bigint NOT NULL,
    open_disputes bigint NOT NULL,
    open_after_sales bigint NOT NULL,
    open_violations bigint NOT NULL,
    PRIMARY KEY (lane, merchant_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE merchant_balance (
    lane integer NOT NULL,
    merchant_id text NOT NULL,
    currency text NOT NULL,
    payable_minor bigint NOT NULL,
    shop_balance_minor bigint NOT NULL,
    deposit_minor bigint NOT NULL,
    PRIMARY KEY (lane, merchant_id, currency)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE merchant_case (
    lane integer NOT NULL,
    merchant_id text NOT NULL,
    case_key text NOT NULL,
    kind text NOT NULL,
    is_open boolean NOT NULL,
    fingerprint bytea NOT NULL,
    PRIMARY KEY (lane, merchant_id, case_key)
) WITH (fillfactor = 80);

CREATE TABLE deposit (
    lane integer NOT NULL,
    merchant_id text NOT NULL,
    deposit_id text NOT NULL,
    no bigint NOT NULL,
    route text NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL,
    left_minor bigint NOT NULL,
    paid_at timestamptz NOT NULL,
    frozen_until date NOT NULL,
    open_request_id text,
    fingerprint bytea NOT NULL,
    PRIMARY KEY (lane, merchant_id, deposit_id)
) WITH (fillfactor = 80);

CREATE TABLE deposit_refund (
    lane integer NOT NULL,
    merchant_id text NOT NULL,
    request_id text NOT NULL,
    no bigint NOT NULL,
    deposit_id text NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL,
    refund_to text NOT NULL,
    status text NOT NULL,
    reasons jsonb NOT NULL,
    urgent boolean NOT NULL,
    urgency text,
    reason text NOT NULL,
    contact text NOT NULL,
    requested_at timestamptz NOT NULL,
    review_due_on date,
    fingerprint bytea,
    PRIMARY KEY (lane, merchant_id, request_id)
) WITH (fillfactor = 80);
