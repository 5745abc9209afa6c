-- name: lock
-- One migration at a time in a database; the key is arbitrary but ours: `postpay` in ASCII, and 1. Ends with the session.
SELECT pg_advisory_lock(8101821198601648385);

-- name: become_owner
-- Everything is made by one role, whoever migrates.
SET ROLE postpay_owner;

-- name: become_oneself
RESET ROLE;

-- name: journal
-- What has been applied; made before the first migration.
CREATE TABLE IF NOT EXISTS migration (
    version integer PRIMARY KEY,
    name text NOT NULL,
    checksum bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- name: has_journal
SELECT to_regclass('postpay.migration') IS NOT NULL;

-- name: applied
SELECT version, name, checksum
FROM migration
ORDER BY version;

-- name: record
INSERT INTO migration (version, name, checksum)
VALUES ($1, $2, $3);

-- name: has_log
-- Whether there is an operator log yet.
SELECT to_regclass('postpay.operator_log') IS NOT NULL;
