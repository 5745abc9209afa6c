-- Changed entities, one statement for each table: one array literal per column (storage/arrays.py). Rows are looked up key by
-- key, as in load.sql, and then found by their place; their lane is named again for a database that is distributed by it.

-- name: account
UPDATE account SET
    score = new.score, card_linked = new.card_linked, identity_verified = new.identity_verified, freeze_reasons =
    new.freeze_reasons::jsonb, lifted_freezes = new.lifted_freezes::jsonb, closed_at = new.closed_at, entities_made
    = new.entities_made, limit_minor = new.limit_minor, available_minor = new.available_minor, held_minor =
    new.held_minor, used_minor = new.used_minor, receivable_minor = new.receivable_minor, fee_receivable_minor =
    new.fee_receivable_minor, penalty_receivable_minor = new.penalty_receivable_minor, customer_credit_minor =
    new.customer_credit_minor, granted_minor = new.granted_minor, overdue_until = new.overdue_until, cleared_at =
    new.cleared_at, appeal_upheld = new.appeal_upheld, cash_out_on = new.cash_out_on, cash_out_day_minor =
    new.cash_out_day_minor, overdue_since = new.overdue_since, paid_until = new.paid_until, penalty_noticed_on =
    new.penalty_noticed_on, penalty_unnoticed_minor = new.penalty_unnoticed_minor, charged_off_minor =
    new.charged_off_minor, recovered_minor = new.recovered_minor, charged_off_at = new.charged_off_at, charged_off_no =
    new.charged_off_no
FROM unnest(
    $2::text::text[], $3::text::bigint[], $4::text::boolean[], $5::text::boolean[], $6::text::text[],
    $7::text::text[], $8::text::timestamptz[], $9::text::bigint[], $10::text::bigint[], $11::text::bigint[],
    $12::text::bigint[], $13::text::bigint[], $14::text::bigint[], $15::text::bigint[], $16::text::bigint[],
    $17::text::bigint[], $18::text::bigint[], $19::text::timestamptz[], $20::text::timestamptz[],
    $21::text::boolean[], $22::text::date[], $23::text::bigint[], $24::text::timestamptz[],
    $25::text::timestamptz[], $26::text::date[], $27::text::bigint[], $28::text::bigint[], $29::text::bigint[],
    $30::text::timestamptz[], $31::text::bigint[]
) AS new (
    account_id, score, card_linked, identity_verified, freeze_reasons, lifted_freezes, closed_at, entities_made,
    limit_minor, available_minor, held_minor, used_minor, receivable_minor, fee_receivable_minor,
    penalty_receivable_minor, customer_credit_minor, granted_minor, overdue_until, cleared_at, appeal_upheld,
    cash_out_on, cash_out_day_minor, overdue_since, paid_until, penalty_noticed_on, penalty_unnoticed_minor,
    charged_off_minor, recovered_minor, charged_off_at, charged_off_no
)
CROSS JOIN LATERAL (
    SELECT ctid AS place
    FROM account
    WHERE lane = $1 AND account_id = new.account_id
    OFFSET 0
) AS found
WHERE account.lane = $1 AND account.ctid = found.place;

-- name: purchase_order
UPDATE purchase_order SET
    status = new.status, amount_minor = new.amount_minor, returned_minor = new.returned_minor,
    under_return_minor = new.under_return_minor, received_at = new.received_at, kept_at = new.kept_at,
    captured_at = new.captured_at, due_on = new.due_on, obligation_ids = new.obligation_ids::jsonb,
    open_return_ids = new.open_return_ids::jsonb, extension_days = new.extension_days,
    credited_minor = new.credited_minor
FROM unnest(
    $2::text::text[], $3::text::text[], $4::text::text[], $5::text::bigint[], $6::text::bigint[], $7::text::bigint[],
    $8::text::timestamptz[], $9::text::timestamptz[], $10::text::timestamptz[], $11::text::date[], $12::text::text[],
    $13::text::text[], $14::text::bigint[], $15::text::bigint[]
) AS new (
    account_id, order_id, status, amount_minor, returned_minor, under_return_minor, received_at, kept_at, captured_at,
    due_on, obligation_ids, open_return_ids, extension_days, credited_minor
)
CROSS JOIN LATERAL (
    SELECT ctid AS place
    FROM purchase_order
    WHERE lane = $1 AND account_id = new.account_id AND order_id = new.order_id
    OFFSET 0
) AS found
WHERE purchase_order.lane = $1 AND purchase_order.ctid = found.place;

-- name: obligation
UPDATE obligation SET
    due_on = new.due_on, status = new.status, principal_minor = new.principal_minor, fee_minor = new.fee_minor,
    penalty_minor = new.penalty_minor, paid_principal_minor = new.paid_principal_minor, paid_fee_minor =
    new.paid_fee_minor, paid_penalty_minor = new.paid_penalty_minor, billed_on = new.billed_on, in_instalments =
    new.in_instalments, overdue_principal_minor = new.overdue_principal_minor, penalty_runs =
    new.penalty_runs::jsonb, split_no = new.split_no, lowered_bps = new.lowered_bps, falls = new.falls::jsonb,
    changes = new.changes::jsonb, paid_at = new.paid_at, asks = new.asks::jsonb, exhausted = new.exhausted,
    plan_id = new.plan_id, charged_off_principal_minor = new.charged_off_principal_minor, charged_off_fee_minor =
    new.charged_off_fee_minor, charged_off_penalty_minor = new.charged_off_penalty_minor
FROM unnest(
    $2::text::text[], $3::text::text[], $4::text::date[], $5::text::text[], $6::text::bigint[], $7::text::bigint[],
    $8::text::bigint[], $9::text::bigint[], $10::text::bigint[], $11::text::bigint[], $12::text::date[],
    $13::text::boolean[], $14::text::bigint[], $15::text::text[], $16::text::bigint[], $17::text::bigint[],
    $18::text::text[], $19::text::text[], $20::text::timestamptz[], $21::text::text[], $22::text::boolean[],
    $23::text::text[], $24::text::bigint[], $25::text::bigint[], $26::text::bigint[]
) AS new (
    account_id, obligation_id, due_on, status, principal_minor, fee_minor, penalty_minor, paid_principal_minor,
    paid_fee_minor, paid_penalty_minor, billed_on, in_instalments, overdue_principal_minor, penalty_runs, split_no,
    lowered_bps, falls, changes, paid_at, asks, exhausted, plan_id, charged_off_principal_minor, charged_off_fee_minor,
    charged_off_penalty_minor
)
CROSS JOIN LATERAL (
    SELECT ctid AS place
    FROM obligation
    WHERE lane = $1 AND account_id = new.account_id AND obligation_id = new.obligation_id
    OFFSET 0
) AS found
WHERE obligation.lane = $1 AND obligation.ctid = found.place;

-- name: debit
UPDATE debit SET
    amount_minor = new.amount_minor, status = new.status, obligation_ids = new.obligation_ids::jsonb, unanswered_at
    = new.unanswered_at
FROM unnest(
    $2::text::text[], $3::text::text[], $4::text::bigint[], $5::text::text[], $6::text::text[],
    $7::text::timestamptz[]
) AS new (
    account_id, debit_id, amount_minor, status, obligation_ids, unanswered_at
)
CROSS JOIN LATERAL (
    SELECT ctid AS place
    FROM debit
    WHERE lane = $1 AND account_id = new.account_id AND debit_id = new.debit_id
    OFFSET 0
) AS found
WHERE debit.lane = $1 AND debit.ctid = found.place;

-- name: return_request
UPDATE return_request SET
    status = new.status, amount_minor = new.amount_minor, review = new.review
FROM unnest(
    $2::text::text[], $3::text::text[], $4::text::text[], $5::text::bigint[], $6::text::text[]
) AS new (
    account_id, return_id, status, amount_minor, review
)
CROSS JOIN LATERAL (
    SELECT ctid AS place
    FROM return_request
    WHERE lane = $1 AND account_id = new.account_id AND return_id = new.return_id
    OFFSET 0
) AS found
WHERE return_request.lane = $1 AND return_request.ctid = found.place;

-- name: repayment
UPDATE repayment SET
    shares = new.shares::jsonb, credit_minor = new.credit_minor, reversed_at = new.reversed_at, reinstated =
    new.reinstated, recovered_minor = new.recovered_minor
FROM unnest(
    $2::text::text[], $3::text::text[], $4::text::text[], $5::text::bigint[], $6::text::timestamptz[],
    $7::text::boolean[], $8::text::bigint[]
) AS new (
    account_id, repayment_id, shares, credit_minor, reversed_at, reinstated, recovered_minor
)
CROSS JOIN LATERAL (
    SELECT ctid AS place
    FROM repayment
    WHERE lane = $1 AND account_id = new.account_id AND repayment_id = new.repayment_id
    OFFSET 0
) AS found
WHERE repayment.lane = $1 AND repayment.ctid = found.place;

-- name: cash_out
UPDATE cash_out SET
    obligation_ids = new.obligation_ids::jsonb
FROM unnest(
    $2::text::text[], $3::text::text[], $4::text::text[]
) AS new (
    account_id, cash_out_id, obligation_ids
)
CROSS JOIN LATERAL (
    SELECT ctid AS place
    FROM cash_out
    WHERE lane = $1 AND account_id = new.account_id AND cash_out_id = new.cash_out_id
    OFFSET 0
) AS found
WHERE cash_out.lane = $1 AND cash_out.ctid = found.place;

-- name: appeal
UPDATE appeal SET
    no = new.no, outcome = new.outcome, decided_at = new.decided_at, fingerprint = new.fingerprint
FROM unnest(
    $2::text::text[], $3::text::text[], $4::text::bigint[], $5::text::text[], $6::text::timestamptz[],
    $7::text::bytea[]
) AS new (
    account_id, appeal_id, no, outcome, decided_at, fingerprint
)
CROSS JOIN LATERAL (
    SELECT ctid AS place
    FROM appeal
    WHERE lane = $1 AND account_id = new.account_id AND appeal_id = new.appeal_id
    OFFSET 0
) AS found
WHERE appeal.lane = $1 AND appeal.ctid = found.place;

-- name: merchant
UPDATE merchant SET
    registered_on = new.registered_on, currency = new.currency, settlement_cycle_days = new.settlement_cycle_days,
    fingerprint = new.fingerprint, entities_made = new.entities_made, open_promotions = new.open_promotions,
    open_disputes = new.open_disputes, open_after_sales = new.open_after_sales, open_violations = new.open_violations,
    cycle_from = new.cycle_from
FROM unnest(
    $2::text::text[], $3::text::date[], $4::text::text[], $5::text::bigint[], $6::text::bytea[], $7::text::bigint[],
    $8::text::bigint[], $9::text::bigint[], $10::text::bigint[], $11::text::bigint[], $12::text::date[]
) AS new (
    merchant_id, registered_on, currency, settlement_cycle_days, fingerprint, entities_made, open_promotions,
    open_disputes, open_after_sales, open_violations, cycle_from
)
CROSS JOIN LATERAL (
    SELECT ctid AS place
    FROM merchant
    WHERE lane = $1 AND merchant_id = new.merchant_id
    OFFSET 0
) AS found
WHERE merchant.lane = $1 AND merchant.ctid = found.place;

-- name: merchant_balance
UPDATE merchant_balance SET
    payable_minor = new.payable_minor, shop_balance_minor = new.shop_balance_minor, deposit_minor = new.deposit_minor
FROM unnest(
    $2::text::text[], $3::text::text[], $4::text::bigint[], $5::text::bigint[], $6::text::bigint[]
) AS new (
    merchant_id, currency, payable_minor, shop_balance_minor, deposit_minor
)
CROSS JOIN LATERAL (
    SELECT ctid AS place
    FROM merchant_balance
    WHERE lane = $1 AND merchant_id = new.merchant_id AND currency = new.currency
    OFFSET 0
) AS found
WHERE merchant_balance.lane = $1 AND merchant_balance.ctid = found.place;

-- name: merchant_case
UPDATE merchant_case SET
    kind = new.kind, is_open = new.is_open, fingerprint = new.fingerprint
FROM unnest(
    $2::text::text[], $3::text::text[], $4::text::text[], $5::text::boolean[], $6::text::bytea[]
) AS new (
    merchant_id, case_key, kind, is_open, fingerprint
)
CROSS JOIN LATERAL (
    SELECT ctid AS place
    FROM merchant_case
    WHERE lane = $1 AND merchant_id = new.merchant_id AND case_key = new.case_key
    OFFSET 0
) AS found
WHERE merchant_case.lane = $1 AND merchant_case.ctid = found.place;

-- name: deposit
UPDATE deposit SET
    no = new.no, route = new.route, currency = new.currency, amount_minor = new.amount_minor,
    left_minor = new.left_minor, paid_at = new.paid_at, frozen_until = new.frozen_until,
    open_request_id = new.open_request_id, fingerprint = new.fingerprint
FROM unnest(
    $2::text::text[], $3::text::text[], $4::text::bigint[], $5::text::text[], $6::text::text[], $7::text::bigint[],
    $8::text::bigint[], $9::text::timestamptz[], $10::text::date[], $11::text::text[], $12::text::bytea[]
) AS new (
    merchant_id, deposit_id, no, route, currency, amount_minor, left_minor, paid_at, frozen_until, open_request_id,
    fingerprint
)
CROSS JOIN LATERAL (
    SELECT ctid AS place
    FROM deposit
    WHERE lane = $1 AND merchant_id = new.merchant_id AND deposit_id = new.deposit_id
    OFFSET 0
) AS found
WHERE deposit.lane = $1 AND deposit.ctid = found.place;

-- name: deposit_refund
UPDATE deposit_refund SET
    no = new.no, deposit_id = new.deposit_id, currency = new.currency, amount_minor = new.amount_minor,
    refund_to = new.refund_to, status = new.status, reasons = new.reasons::jsonb, urgent = new.urgent,
    urgency = new.urgency, reason = new.reason, contact = new.contact, requested_at = new.requested_at,
    review_due_on = new.review_due_on, fingerprint = new.fingerprint, opinion = new.opinion
FROM unnest(
    $2::text::text[], $3::text::text[], $4::text::bigint[], $5::text::text[], $6::text::text[], $7::text::bigint[],
    $8::text::text[], $9::text::text[], $10::text::text[], $11::text::boolean[], $12::text::text[], $13::text::text[],
    $14::text::text[], $15::text::timestamptz[], $16::text::date[], $17::text::bytea[], $18::text::text[]
) AS new (
    merchant_id, request_id, no, deposit_id, currency, amount_minor, refund_to, status, reasons, urgent, urgency,
    reason, contact, requested_at, review_due_on, fingerprint, opinion
)
CROSS JOIN LATERAL (
    SELECT ctid AS place
    FROM deposit_refund
    WHERE lane = $1 AND merchant_id = new.merchant_id AND request_id = new.request_id
    OFFSET 0
) AS found
WHERE deposit_refund.lane = $1 AND deposit_refund.ctid = found.place;

-- name: shop_withdrawal
UPDATE shop_withdrawal SET
    no = new.no, amount_minor = new.amount_minor, currency = new.currency, requested_at = new.requested_at,
    fingerprint = new.fingerprint
FROM unnest(
    $2::text::text[], $3::text::text[], $4::text::bigint[], $5::text::bigint[], $6::text::text[],
    $7::text::timestamptz[], $8::text::bytea[]
) AS new (
    merchant_id, withdrawal_id, no, amount_minor, currency, requested_at, fingerprint
)
CROSS JOIN LATERAL (
    SELECT ctid AS place
    FROM shop_withdrawal
    WHERE lane = $1 AND merchant_id = new.merchant_id AND withdrawal_id = new.withdrawal_id
    OFFSET 0
) AS found
WHERE shop_withdrawal.lane = $1 AND shop_withdrawal.ctid = found.place;

-- name: account_payout
UPDATE account_payout SET
    status = new.status, answered_at = new.answered_at
FROM unnest(
    $2::text::text[], $3::text::text[], $4::text::text[], $5::text::timestamptz[]
) AS new (
    account_id, payout_id, status, answered_at
)
CROSS JOIN LATERAL (
    SELECT ctid AS place
    FROM account_payout
    WHERE lane = $1 AND account_id = new.account_id AND payout_id = new.payout_id
    OFFSET 0
) AS found
WHERE account_payout.lane = $1 AND account_payout.ctid = found.place;

-- name: merchant_payout
UPDATE merchant_payout SET
    status = new.status, answered_at = new.answered_at
FROM unnest(
    $2::text::text[], $3::text::text[], $4::text::text[], $5::text::timestamptz[]
) AS new (
    merchant_id, payout_id, status, answered_at
)
CROSS JOIN LATERAL (
    SELECT ctid AS place
    FROM merchant_payout
    WHERE lane = $1 AND merchant_id = new.merchant_id AND payout_id = new.payout_id
    OFFSET 0
) AS found
WHERE merchant_payout.lane = $1 AND merchant_payout.ctid = found.place;

-- name: shop_settings
UPDATE shop_settings SET
    enabled = new.enabled, plans = new.plans::jsonb, max_order_minor = new.max_order_minor, currency = new.currency,
    changed_at = new.changed_at
FROM unnest(
    $2::text::text[], $3::text::boolean[], $4::text::text[], $5::text::bigint[], $6::text::text[],
    $7::text::timestamptz[]
) AS new (
    merchant_id, enabled, plans, max_order_minor, currency, changed_at
)
CROSS JOIN LATERAL (
    SELECT ctid AS place
    FROM shop_settings
    WHERE lane = $1 AND merchant_id = new.merchant_id
    OFFSET 0
) AS found
WHERE shop_settings.lane = $1 AND shop_settings.ctid = found.place;

-- name: suspense_entry
UPDATE suspense_entry SET
    released_at = new.released_at, reason = new.reason
FROM unnest(
    $2::text::text[], $3::text::text[], $4::text::timestamptz[], $5::text::text[]
) AS new (
    account_id, suspense_id, released_at, reason
)
CROSS JOIN LATERAL (
    SELECT ctid AS place
    FROM suspense_entry
    WHERE lane = $1 AND account_id = new.account_id AND suspense_id = new.suspense_id
    OFFSET 0
) AS found
WHERE suspense_entry.lane = $1 AND suspense_entry.ctid = found.place;

-- name: concession
UPDATE concession SET
    amount_minor = new.amount_minor
FROM unnest(
    $2::text::text[], $3::text::text[], $4::text::bigint[]
) AS new (
    account_id, concession_key, amount_minor
)
CROSS JOIN LATERAL (
    SELECT ctid AS place
    FROM concession
    WHERE lane = $1 AND account_id = new.account_id AND concession_key = new.concession_key
    OFFSET 0
) AS found
WHERE concession.lane = $1 AND concession.ctid = found.place;
