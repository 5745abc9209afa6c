-- Requests for an approval: entries of the operator log, with what was decided on them.

-- name: requests
-- The newest below $1; with $2 only those that nobody has decided on.
SELECT asked.*, decided.action AS decision, decided.operator AS decided_by, decided.at AS decided_at,
    decided.reason AS decided_because, ended.outcome AS ended
FROM operator_log AS asked
LEFT JOIN operator_log AS decided ON decided.follows = asked.entry
    AND (decided.action = 'refuse_approval' OR (decided.action = 'approve' AND decided.outcome = 'intended'))
LEFT JOIN operator_log AS ended ON ended.follows = decided.entry AND ended.action = 'approve'
WHERE asked.action = 'request_approval'
    AND ($1::bigint IS NULL OR asked.entry < $1)
    AND (NOT $2::boolean OR decided.entry IS NULL)
ORDER BY asked.entry DESC
LIMIT $3;

-- name: request
SELECT asked.*, decided.action AS decision, decided.operator AS decided_by, decided.at AS decided_at,
    decided.reason AS decided_because, ended.outcome AS ended
FROM operator_log AS asked
LEFT JOIN operator_log AS decided ON decided.follows = asked.entry
    AND (decided.action = 'refuse_approval' OR (decided.action = 'approve' AND decided.outcome = 'intended'))
LEFT JOIN operator_log AS ended ON ended.follows = decided.entry AND ended.action = 'approve'
WHERE asked.entry = $1 AND asked.action = 'request_approval';
