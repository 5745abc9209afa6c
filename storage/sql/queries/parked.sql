-- Inputs that wait for what they name.

-- name: parked
-- All that waits for something of these parties, in arrival order.
SELECT found.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (party_kind, party_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM parked
    WHERE lane = $1 AND party_id = named.party_id AND party_kind = named.party_kind
    OFFSET 0
) AS found
ORDER BY batch_seq, n;
