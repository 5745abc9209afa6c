-- Money of unknown accounts as operators look at it.

-- name: entries
-- The newest, of all or of what is still there; $2 … $6 are what it must agree with, each may be NULL.
SELECT *
FROM suspense_entry
WHERE (NOT $1::boolean OR released_at IS NULL)
    AND ($2::text IS NULL OR account_id = $2)
    AND ($3::text IS NULL OR event_id = $3)
    AND ($4::text IS NULL OR reason = $4)
    AND ($5::timestamptz IS NULL OR suspended_at >= $5)
    AND ($6::timestamptz IS NULL OR suspended_at < $6)
ORDER BY suspended_at DESC, lane, account_id, suspense_id
LIMIT $7;

-- name: entries_of_id
-- An id counts within its account, so several accounts may have one.
SELECT *
FROM suspense_entry
WHERE suspense_id = $1 AND ($2::text IS NULL OR account_id = $2)
ORDER BY suspended_at, lane, account_id;

-- name: account
-- Of the account that money is assigned to.
SELECT account.currency
FROM lane JOIN account USING (lane)
WHERE account_id = $1;
