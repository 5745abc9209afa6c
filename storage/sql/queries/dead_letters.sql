-- Dead letters as operators look at them.

-- name: dead_letters
-- The newest, of one reason or all.
SELECT *
FROM dead_letter
WHERE $1::text IS NULL OR reason = $1
ORDER BY decided_at DESC, lane, dead_letter_id
LIMIT $2;

-- name: dead_letter
SELECT dead_letter.*
FROM lane JOIN dead_letter USING (lane)
WHERE dead_letter_id = $1;
