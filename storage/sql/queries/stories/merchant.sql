-- The story of a merchant. `lane JOIN …` finds a party whose lane is not known by one look-up per lane.

-- name: merchant
SELECT merchant.*, archive_end.lane_time AS archived_until
FROM lane JOIN merchant USING (lane) LEFT JOIN archive_end USING (lane)
WHERE merchant_id = $1;

-- name: next_payout
-- When what is payable to a merchant goes out.
SELECT due_at
FROM timer
WHERE lane = $1 AND party_kind = 'merchant' AND party_id = $2 AND kind = 'merchant_payout';

-- name: merchant_balance
SELECT merchant_balance.*
FROM merchant_balance
WHERE lane = $1 AND merchant_id = $2
ORDER BY currency;

-- name: merchant_case
-- Only what is open: what has ended stands against nothing.
SELECT merchant_case.*
FROM merchant_case
WHERE lane = $1 AND merchant_id = $2 AND is_open
ORDER BY case_key;

-- name: deposit
SELECT deposit.*
FROM deposit
WHERE lane = $1 AND merchant_id = $2
ORDER BY no;

-- name: deposit_refund
SELECT deposit_refund.*
FROM deposit_refund
WHERE lane = $1 AND merchant_id = $2
ORDER BY no;

-- name: shop_withdrawal
SELECT shop_withdrawal.*
FROM shop_withdrawal
WHERE lane = $1 AND merchant_id = $2
ORDER BY no;

-- name: merchant_payout
SELECT merchant_payout.*
FROM merchant_payout
WHERE lane = $1 AND merchant_id = $2
ORDER BY no;

-- name: shop_settings
-- What the shop has set for itself, as the merchant's own lane knows it; other lanes may have come to others meanwhile.
SELECT shop_settings.*
FROM shop_settings
WHERE lane = $1 AND merchant_id = $2;
