-- Payouts of accounts and merchants as operators look at them.

-- name: newest
-- $1 … $5 are what they must agree with, each may be NULL; $6 … $8 the place they come before. $10 are all lanes: what is of
-- one party is found in each by its key.
SELECT *
FROM (
    (
        SELECT 'account' AS party_kind, account_id AS party_id, account_payout.*
        FROM account_payout
        WHERE ($1::text IS NULL OR (account_id = $1 AND lane = ANY($10::integer[])))
            AND ($2::text IS NULL OR payout_id = $2)
            AND ($3::text IS NULL OR reason = $3)
            AND requested_at >= coalesce($4::timestamptz, '-infinity')
            AND requested_at < coalesce($5::timestamptz, 'infinity')
            AND (requested_at, lane, payout_id) < (coalesce($6::timestamptz, 'infinity'), $7::integer, $8::text)
        ORDER BY requested_at DESC, lane DESC, payout_id DESC
        LIMIT $9
    )
    UNION ALL
    (
        SELECT 'merchant' AS party_kind, merchant_id AS party_id, merchant_payout.*
        FROM merchant_payout
        WHERE ($1::text IS NULL OR (merchant_id = $1 AND lane = ANY($10::integer[])))
            AND ($2::text IS NULL OR payout_id = $2)
            AND ($3::text IS NULL OR reason = $3)
            AND requested_at >= coalesce($4::timestamptz, '-infinity')
            AND requested_at < coalesce($5::timestamptz, 'infinity')
            AND (requested_at, lane, payout_id) < (coalesce($6::timestamptz, 'infinity'), $7::integer, $8::text)
        ORDER BY requested_at DESC, lane DESC, payout_id DESC
        LIMIT $9
    )
) AS payout
ORDER BY requested_at DESC, lane DESC, payout_id DESC
LIMIT $9;

-- name: unanswered
-- The same of those without a result.
SELECT *
FROM (
    (
        SELECT 'account' AS party_kind, account_id AS party_id, account_payout.*
        FROM account_payout
        WHERE status = 'requested'
            AND ($1::text IS NULL OR (account_id = $1 AND lane = ANY($10::integer[])))
            AND ($2::text IS NULL OR payout_id = $2)
            AND ($3::text IS NULL OR reason = $3)
            AND requested_at >= coalesce($4::timestamptz, '-infinity')
            AND requested_at < coalesce($5::timestamptz, 'infinity')
            AND (requested_at, lane, payout_id) < (coalesce($6::timestamptz, 'infinity'), $7::integer, $8::text)
        ORDER BY requested_at DESC, lane DESC, payout_id DESC
        LIMIT $9
    )
    UNION ALL
    (
        SELECT 'merchant' AS party_kind, merchant_id AS party_id, merchant_payout.*
        FROM merchant_payout
        WHERE status = 'requested'
            AND ($1::text IS NULL OR (merchant_id = $1 AND lane = ANY($10::integer[])))
            AND ($2::text IS NULL OR payout_id = $2)
            AND ($3::text IS NULL OR reason = $3)
            AND requested_at >= coalesce($4::timestamptz, '-infinity')
            AND requested_at < coalesce($5::timestamptz, 'infinity')
            AND (requested_at, lane, payout_id) < (coalesce($6::timestamptz, 'infinity'), $7::integer, $8::text)
        ORDER BY requested_at DESC, lane DESC, payout_id DESC
        LIMIT $9
    )
) AS payout
ORDER BY requested_at DESC, lane DESC, payout_id DESC
LIMIT $9;

-- name: unanswered_sums
-- The oldest $1 of accounts and of merchants that have no result, summed up by payee, reason and currency.
SELECT
    party_kind, reason, currency, count(*) AS payouts, sum(amount_minor)::bigint AS amount_minor,
    min(requested_at) AS oldest_at
FROM (
    (
        SELECT 'account' AS party_kind, reason, currency, amount_minor, requested_at
        FROM account_payout
        WHERE status = 'requested'
        ORDER BY requested_at, lane, payout_id
        LIMIT $1
    )
    UNION ALL
    (
        SELECT 'merchant', reason, currency, amount_minor, requested_at
        FROM merchant_payout
        WHERE status = 'requested'
        ORDER BY requested_at, lane, payout_id
        LIMIT $1
    )
) AS unanswered
GROUP BY party_kind, reason, currency
ORDER BY party_kind, reason, currency;
