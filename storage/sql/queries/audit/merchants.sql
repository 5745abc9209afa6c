-- What must always hold of merchants.
-- Each statement returns one row (subject, expected, found) for each thing that is wrong, at most $1 of them; $2 is the
-- lane where there is one.

-- name: merchants
-- A merchant's counts of open cases and its deposits agree with their rows.
WITH opened AS (
    SELECT merchant_id,
        count(*) FILTER (WHERE kind = 'promotion') AS promotions,
        count(*) FILTER (WHERE kind = 'dispute') AS disputes,
        count(*) FILTER (WHERE kind = 'violation') AS violations
    FROM merchant_case
    WHERE lane = $2 AND is_open
    GROUP BY merchant_id
), deposited AS (
    SELECT merchant_id, currency, sum(left_minor) AS minor
    FROM deposit
    WHERE lane = $2
    GROUP BY merchant_id, currency
)
SELECT 'merchant ' || merchant_id AS subject,
    format('%s promotions, %s disputes, %s violations open', coalesce(promotions, 0), coalesce(disputes, 0),
        coalesce(violations, 0)) AS expected,
    format('%s, %s, %s', open_promotions, open_disputes, open_violations) AS found
FROM merchant LEFT JOIN opened USING (merchant_id)
WHERE lane = $2 AND (open_promotions, open_disputes, open_violations) IS DISTINCT FROM
    (coalesce(promotions, 0), coalesce(disputes, 0), coalesce(violations, 0))
UNION ALL
SELECT format('deposits of merchant %s in %s', merchant_id, currency), coalesce(minor, 0)::text, deposit_minor::text
FROM merchant_balance LEFT JOIN deposited USING (merchant_id, currency)
WHERE lane = $2 AND deposit_minor <> coalesce(minor, 0)
LIMIT $1;

-- name: deposits
-- A deposit has at most one refund in progress, and has lost what was refunded of it.
WITH asked AS (
    SELECT merchant_id, deposit_id,
        string_agg(request_id, ', ') FILTER (WHERE status IN ('awaiting_review', 'approved')) AS open_request_id,
        coalesce(sum(amount_minor) FILTER (WHERE status = 'paid'), 0) AS paid_minor
    FROM deposit_refund
    WHERE lane = $2
    GROUP BY merchant_id, deposit_id
)
SELECT format('deposit %s of merchant %s', deposit_id, merchant_id) AS subject,
    format('%s left of %s, with request %s in progress', amount_minor - coalesce(paid_minor, 0), amount_minor,
        coalesce(asked.open_request_id, 'none')) AS expected,
    format('%s left, with request %s', left_minor, coalesce(deposit.open_request_id, 'none')) AS found
FROM deposit LEFT JOIN asked USING (merchant_id, deposit_id)
WHERE lane = $2 AND (
    left_minor <> amount_minor - coalesce(paid_minor, 0) OR left_minor < 0
    OR deposit.open_request_id IS DISTINCT FROM asked.open_request_id
)
LIMIT $1;

-- name: shop_balances
-- A shop balance is what was refunded to it, less what was withdrawn and did not come back.
WITH moved AS (
    SELECT merchant_id, currency, amount_minor
    FROM deposit_refund
    WHERE lane = $2 AND status = 'paid' AND refund_to = 'shop_balance'
    UNION ALL
    SELECT merchant_id, currency, -amount_minor
    FROM shop_withdrawal
    WHERE lane = $2
    UNION ALL
    SELECT merchant_id, currency, amount_minor
    FROM merchant_payout
    WHERE lane = $2 AND reason = 'shop_withdrawal' AND status = 'failed'
), expected AS (
    SELECT merchant_id, currency, sum(amount_minor) AS minor
    FROM moved
    GROUP BY merchant_id, currency
)
SELECT format('shop balance of merchant %s in %s', merchant_id, currency) AS subject,
    format('%s, and at least 0', coalesce(minor, 0)) AS expected, coalesce(shop_balance_minor, 0)::text AS found
FROM expected FULL JOIN (SELECT * FROM merchant_balance WHERE lane = $2) AS kept USING (merchant_id, currency)
WHERE coalesce(minor, 0) <> coalesce(shop_balance_minor, 0) OR shop_balance_minor < 0
LIMIT $1;

-- name: approved_are_paid
-- An approved refund is paid when its deposit's freeze ends; nothing else waits for that.
WITH approved AS (
    SELECT merchant_id, request_id
    FROM deposit_refund
    WHERE lane = $2 AND status = 'approved'
), coming AS (
    SELECT party_id AS merchant_id, subject_id AS request_id, due_at
    FROM timer
    WHERE lane = $2 AND party_kind = 'merchant' AND kind = 'deposit_payment'
)
SELECT format('request %s of merchant %s', request_id, merchant_id) AS subject,
    CASE WHEN approved.request_id IS NULL THEN 'no payment, not being approved' ELSE 'a payment, being approved' END
        AS expected,
    coalesce('a payment at ' || due_at, 'none') AS found
FROM approved FULL JOIN coming USING (merchant_id, request_id)
WHERE approved.request_id IS NULL OR due_at IS NULL
LIMIT $1;

-- name: payables_are_paid
-- What is payable to a registered merchant in its currency goes out on a payout date; nothing else has one.
WITH expected AS (
    SELECT merchant_id, payable_minor
    FROM merchant JOIN merchant_balance USING (lane, merchant_id, currency)
    WHERE lane = $2 AND registered_on IS NOT NULL AND payable_minor > 0
), coming AS (
    SELECT party_id AS merchant_id, due_at
    FROM timer
    WHERE lane = $2 AND party_kind = 'merchant' AND kind = 'merchant_payout'
)
SELECT 'merchant ' || merchant_id AS subject,
    CASE WHEN payable_minor IS NULL THEN 'no payout' ELSE format('a payout of the %s payable', payable_minor) END
        AS expected,
    coalesce('a payout at ' || due_at, 'none') AS found
FROM expected FULL JOIN coming USING (merchant_id)
WHERE payable_minor IS NULL OR due_at IS NULL
LIMIT $1;
