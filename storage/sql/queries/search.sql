-- What has an id, whatever it is the id of; at most $2 of each kind.

-- name: named
SELECT 'account' AS kind, account_id AS party_id, account_id AS id, NULL AS topic, NULL::timestamptz AS at
FROM lane JOIN account USING (lane)
WHERE account_id = $1
UNION ALL
SELECT 'merchant', merchant_id, merchant_id, NULL, NULL
FROM lane JOIN merchant USING (lane)
WHERE merchant_id = $1
UNION ALL
(SELECT 'order', account_id, order_id, NULL, placed_at FROM purchase_order WHERE order_id = $1 LIMIT $2)
UNION ALL
(SELECT 'return', account_id, return_id, NULL, requested_at FROM return_request WHERE return_id = $1 LIMIT $2)
UNION ALL
(SELECT 'debit', account_id, debit_id, NULL, first_requested_at FROM debit WHERE debit_id = $1 LIMIT $2)
UNION ALL
(SELECT 'account_payout', account_id, payout_id, NULL, requested_at FROM account_payout WHERE payout_id = $1 LIMIT $2)
UNION ALL
(SELECT 'merchant_payout', merchant_id, payout_id, NULL, requested_at FROM merchant_payout WHERE payout_id = $1 LIMIT $2)
UNION ALL
(
    SELECT 'event', party_id, event_id, topic, min(decided_at)
    FROM (
        (SELECT party_id, event_id, topic, decided_at FROM decision WHERE event_id = $1 LIMIT $2)
        UNION ALL
        (SELECT party_id, event_id, topic, decided_at FROM receipt WHERE event_id = $1 LIMIT $2)
        UNION ALL
        (SELECT party_id, event_id, topic, parked_at FROM parked WHERE event_id = $1 LIMIT $2)
    ) AS events
    GROUP BY party_id, event_id, topic
)
UNION ALL
(SELECT 'dead_letter', NULL, dead_letter_id, topic, decided_at FROM dead_letter WHERE event_id = $1 LIMIT $2)
UNION ALL
SELECT 'dead_letter', NULL, dead_letter_id, topic, decided_at
FROM lane JOIN dead_letter USING (lane)
WHERE dead_letter_id = $1;
