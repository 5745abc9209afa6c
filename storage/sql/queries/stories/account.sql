-- The story of an account. `lane JOIN …` finds a party whose lane is not known by one look-up per lane.

-- name: account
SELECT account.*, lane.lane_time, archive_end.lane_time AS archived_until
FROM lane JOIN account USING (lane) LEFT JOIN archive_end USING (lane)
WHERE account_id = $1;

-- name: purchase_order
SELECT purchase_order.*
FROM purchase_order
WHERE lane = $1 AND account_id = $2
ORDER BY no;

-- name: obligation
SELECT obligation.*
FROM obligation
WHERE lane = $1 AND account_id = $2
ORDER BY due_on, no;

-- name: return_request
SELECT return_request.*
FROM return_request
WHERE lane = $1 AND account_id = $2
ORDER BY no;

-- name: debit
SELECT debit.*
FROM debit
WHERE lane = $1 AND account_id = $2
ORDER BY no;

-- name: cash_out
SELECT cash_out.*
FROM cash_out
WHERE lane = $1 AND account_id = $2
ORDER BY no;

-- name: account_payout
SELECT account_payout.*
FROM account_payout
WHERE lane = $1 AND account_id = $2
ORDER BY no;
