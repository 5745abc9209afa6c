-- What is told of accounts and merchants alike.

-- name: history
-- Inputs decided on a party, in decision order; what account lanes hand to merchant lanes is internal and left out.
SELECT decided_at, topic, event_id, type, outcome, reason
FROM decision
WHERE lane = $1 AND party_kind = $2 AND party_id = $3 AND kind = 'input' AND topic <> 'merchant-activity'
ORDER BY seq;
