-- Payouts of accounts and merchants as operators look at them.

-- name: newest
-- $1 … $6 are what they must agree with, each may be NULL; $7 … $10 the place they come before.
SELECT *
FROM (
    SELECT 'account' AS party_kind, account_id AS party_id, account_payout.* FROM account_payout
    UNION ALL
    SELECT 'merchant', merchant_id, merchant_payout.* FROM merchant_payout
) AS payout
WHERE (NOT $1::boolean OR status = 'requested')
    AND ($2::text IS NULL OR party_id = $2)
    AND ($3::text IS NULL OR payout_id = $3)
    AND ($4::text IS NULL OR reason = $4)
    AND requested_at >= coalesce($5::timestamptz, '-infinity')
    AND requested_at < coalesce($6::timestamptz, 'infinity')
    AND (requested_at, lane, party_kind, payout_id)
    < (coalesce($7::timestamptz, 'infinity'), $8::integer, $9::text, $10::text)
ORDER BY requested_at DESC, lane DESC, party_kind DESC, payout_id DESC
LIMIT $11;
