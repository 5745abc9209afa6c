-- Lanes, and what the hashes of their batches are computed from.

-- name: lanes
SELECT lane, batch_seq, chain_hash
FROM lane
ORDER BY lane;

-- name: chain_batches
-- The next batches to compute hashes of.
SELECT batch_seq, chain_hash, lane_time, first_seq, decisions
FROM batch
WHERE lane = $1 AND batch_seq > $2 AND batch_seq <= $3
ORDER BY batch_seq
LIMIT $4;

-- name: chain_decisions
-- Fields in the order of outcomes.DecisionRow.
SELECT seq, kind, topic, partition, record_offset, party_kind, party_id, event_id, timer_id, event_hash, fingerprint,
    type,
    occurred_at, decided_at, outcome, reason, reasons, outputs, raw
FROM decision
WHERE lane = $1 AND seq >= $2 AND seq < $3
ORDER BY seq;

-- name: chain_postings
-- Fields in the order of outcomes.PostingRow.
SELECT seq, n, party_id, debit, credit, currency, amount_minor
FROM posting
WHERE lane = $1 AND seq >= $2 AND seq < $3
ORDER BY seq, n;
