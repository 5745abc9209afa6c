-- What is told of accounts and merchants alike.

-- name: history
-- Every outcome of inputs about a party, in its order; what account lanes hand to merchant lanes is internal and left out.
-- A dead letter may not have been understood: it is of the party whose key and topics its record has ($4, $5). What still
-- waits comes after the decisions of its batch, as a dead letter does that was not understood.
SELECT decided_at, topic, event_id, type, outcome, reason, waits_for, until
FROM (
    SELECT batch_seq, seq AS place, 1 AS follows, 0 AS n, decided_at, topic, event_id, type, outcome, reason,
        NULL AS waits_for, NULL::timestamptz AS until
    FROM decision
    WHERE lane = $1 AND party_kind = $2 AND party_id = $3 AND kind = 'input' AND topic <> 'merchant-activity'
    UNION ALL
    SELECT batch_seq, next_seq, 0, n, decided_at, topic, event_id, type, outcome, NULL, NULL, NULL
    FROM receipt
    WHERE lane = $1 AND party_kind = $2 AND party_id = $3 AND topic <> 'merchant-activity'
    UNION ALL
    SELECT batch_seq, next_seq, 0, n, decided_at, topic, event_id, type, 'dead_lettered', reason, NULL, NULL
    FROM dead_letter
    WHERE lane = $1 AND key = $4 AND topic = ANY($5::text[])
    UNION ALL
    SELECT parked.batch_seq, NULL, 2, parked.n, parked.parked_at, parked.topic, parked.event_id, parked.type, 'parked',
        NULL, parked.waits_for, timer.due_at
    FROM parked LEFT JOIN timer
        ON timer.lane = parked.lane AND timer.party_kind = parked.party_kind AND timer.party_id = parked.party_id
        AND timer.kind = 'parking_expiry' AND timer.subject_id = encode(parked.event_hash, 'hex')
    WHERE parked.lane = $1 AND parked.party_kind = $2 AND parked.party_id = $3
) AS told
ORDER BY batch_seq, place NULLS LAST, follows, n, decided_at;
