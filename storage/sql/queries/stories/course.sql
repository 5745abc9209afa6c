-- Everything that happened to a party, in its order, the newest first: what it was told, and what came by itself.

-- name: course
-- A page of it: $6 … $9 is the place the rows come before; $10 how many. What account lanes hand to merchant lanes is
-- internal and left out. A dead letter may not have been understood: it is of the party whose key and topics its record has.
SELECT *
FROM (
    SELECT batch_seq, seq AS place, 1 AS follows, 0 AS n, seq, decided_at, occurred_at, topic, event_id, timer_id, type,
        outcome, reason, reasons, outputs, NULL AS dead_letter_id, NULL AS waits_for, NULL::timestamptz AS until
    FROM decision
    WHERE lane = $1 AND party_kind = $2 AND party_id = $3 AND topic IS DISTINCT FROM 'merchant-activity'
    UNION ALL
    SELECT batch_seq, coalesce(next_seq, $11), 0, coalesce(n, 0), NULL, decided_at, occurred_at, topic, event_id, NULL, type,
        outcome, NULL, '', '', NULL, NULL, NULL
    FROM receipt
    WHERE lane = $1 AND party_kind = $2 AND party_id = $3 AND topic <> 'merchant-activity'
    UNION ALL
    SELECT batch_seq, coalesce(next_seq, $11), 0, coalesce(n, 0), NULL, decided_at, occurred_at, topic, event_id, timer_id, type,
        'dead_lettered', reason, reason, '', dead_letter_id, NULL, NULL
    FROM dead_letter
    WHERE lane = $1 AND key = $4 AND topic = ANY($5::text[])
    UNION ALL
    SELECT parked.batch_seq, $11::bigint, 2, parked.n, NULL, parked.parked_at, parked.occurred_at, parked.topic,
        parked.event_id, NULL, parked.type, 'parked', NULL, '', '', NULL, parked.waits_for, timer.due_at
    FROM parked LEFT JOIN timer
        ON timer.lane = parked.lane AND timer.party_kind = parked.party_kind AND timer.party_id = parked.party_id
        AND timer.kind = 'parking_expiry' AND timer.subject_id = encode(parked.event_hash, 'hex')
    WHERE parked.lane = $1 AND parked.party_kind = $2 AND parked.party_id = $3
) AS told
WHERE (batch_seq, place, follows::bigint, n::bigint) < ($6::bigint, $7::bigint, $8::bigint, $9::bigint)
ORDER BY batch_seq DESC, place DESC, follows DESC, n DESC
LIMIT $10;

-- name: postings
-- Of some decisions of a lane.
SELECT seq, debit, credit, currency, amount_minor
FROM posting
WHERE lane = $1 AND seq = ANY($2::bigint[])
ORDER BY seq, n;

-- name: timers
-- What will come by itself, the next first.
SELECT kind, subject_id, due_at
FROM timer
WHERE lane = $1 AND party_kind = $2 AND party_id = $3
ORDER BY due_at, kind, subject_id
LIMIT $4;

-- name: account_lane
SELECT lane FROM lane JOIN account USING (lane) WHERE account_id = $1;

-- name: merchant_lane
SELECT lane FROM lane JOIN merchant USING (lane) WHERE merchant_id = $1;
