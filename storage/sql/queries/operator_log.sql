-- What operators did, on record.

-- name: lock
SELECT lock_operator_log();

-- name: begin_alone
-- Whether no other session does that; until the end of this one.
SELECT pg_try_advisory_lock(hashtextextended('postpay.' || $1::text, 0));

-- name: end_alone
SELECT pg_advisory_unlock(hashtextextended('postpay.' || $1::text, 0));

-- name: is_under_way
-- Whether a session does that now, of those that this server can see: a standby knows nothing of those of its primary.
SELECT pg_is_in_recovery() OR EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND ((classid::bigint << 32) | objid::bigint) = hashtextextended('postpay.' || $1::text, 0)
);

-- name: append
-- Numbers, times, log-in and hashes are the trigger's.
INSERT INTO operator_log (operator, action, subject, outcome, follows, reason, before, after)
SELECT operator, action, subject, outcome, follows, reason, before, after
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[])
WITH ORDINALITY AS noted (operator, action, subject, outcome, follows, reason, before, after, n)
ORDER BY n
RETURNING entry;

-- name: accept_gap
SELECT accept_gap($1, $2, $3, $4, $5);

-- name: entries
-- The newest below $1; $2 … $6 are what they must agree with, each may be NULL.
SELECT *
FROM operator_log
WHERE ($1::bigint IS NULL OR entry < $1)
    AND ($2::text IS NULL OR action = $2)
    AND ($3::text IS NULL OR subject = $3)
    AND ($4::text IS NULL OR operator = $4)
    AND ($5::timestamptz IS NULL OR at >= $5)
    AND ($6::timestamptz IS NULL OR at < $6)
ORDER BY entry DESC
LIMIT $7;

-- name: latest
-- Of each subject the latest entry of an action: what is done comes before what was only begun.
SELECT latest.*
FROM unnest($2::text[]) AS wanted (subject)
CROSS JOIN LATERAL (
    SELECT *
    FROM operator_log
    WHERE action = $1 AND subject = wanted.subject
    ORDER BY outcome = 'done' DESC, entry DESC
    LIMIT 1
) AS latest;

-- name: of_numbers
SELECT *
FROM operator_log
WHERE entry = ANY($1::bigint[]);

-- name: chain
-- The next entries, to compute their hashes anew.
SELECT *
FROM operator_log
WHERE entry > $1
ORDER BY entry
LIMIT $2;
