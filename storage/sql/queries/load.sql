-- name: account
-- The accounts of a batch.
SELECT account.*
FROM account
WHERE lane = $1 AND account_id = ANY($2::text::text[]);

-- name: merchant
-- The merchants of a batch.
SELECT merchant.*
FROM merchant
WHERE lane = $1 AND merchant_id = ANY($2::text::text[]);

-- name: merchant_balance
-- All balances of the merchants of a batch: one for each currency.
SELECT merchant_balance.*
FROM merchant_balance
WHERE lane = $1 AND merchant_id = ANY($2::text::text[]);

-- name: seen
-- Which event ids are taken, and with what content: by a decision, or by a duplicate of something of another event id.
SELECT event_hash, fingerprint
FROM decision
WHERE lane = $1 AND event_hash = ANY($2::text::bytea[])
UNION ALL
SELECT event_hash, fingerprint
FROM receipt
WHERE lane = $1 AND holds_event_id AND event_hash = ANY($2::text::bytea[]);

-- name: parked
-- All that waits for something of these parties, in arrival order.
SELECT parked.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (party_kind, party_id)
JOIN parked USING (party_kind, party_id)
WHERE lane = $1
ORDER BY batch_seq, n;

-- name: declined_subject
-- Which of these were declined when they were to be made.
SELECT party_kind, party_id, subject
FROM unnest($2::text::text[], $3::text::text[], $4::text::text[]) AS named (party_kind, party_id, subject)
JOIN declined_subject USING (party_kind, party_id, subject)
WHERE lane = $1;

-- name: due_in_lane
-- The earliest timers due in the whole lane, whoever's they are. Usually few: then no party needs to be looked up.
SELECT party_kind, party_id, kind, subject_id, due_at
FROM timer
WHERE lane = $1 AND due_at <= $2
ORDER BY due_at
LIMIT $3;

-- name: due_of_parties
-- Where very many are due: those of these parties, each party's in the order in which they fire, one more than asked
-- for. $5 and $6 give the rank of each kind of timer; equal ranks go by the timer's id, `kind:party:subject:due`.
SELECT due.*
FROM unnest($3::text::text[], $4::text::text[]) AS named (party_kind, party_id)
CROSS JOIN LATERAL (
    SELECT timer.party_kind, timer.party_id, timer.kind, timer.subject_id, timer.due_at
    FROM timer
    JOIN unnest($5::text::text[], $6::text::integer[]) AS ranks (kind, rank) ON ranks.kind = timer.kind
    WHERE timer.lane = $1 AND timer.due_at <= $2
        AND timer.party_kind = named.party_kind AND timer.party_id = named.party_id
    ORDER BY timer.due_at, ranks.rank, timer.kind COLLATE "C",
        (replace(replace(timer.subject_id, '%', '%25'), ':', '%3A') || ':') COLLATE "C"
    LIMIT $7 + 1
) AS due;

-- name: next_due
-- When the lane's next timer is due.
SELECT due_at
FROM timer
WHERE lane = $1
ORDER BY due_at
LIMIT 1;

-- name: open_obligations
-- What these accounts owe, earliest first, one more of each than asked for, to tell whether there are more.
SELECT owed.*
FROM unnest($2::text::text[], $3::text::bigint[]) AS owing (account_id, at_most)
CROSS JOIN LATERAL (
    SELECT obligation.*
    FROM obligation
    WHERE lane = $1 AND account_id = owing.account_id AND status IN ('open', 'overdue')
    ORDER BY due_on, no
    LIMIT owing.at_most + 1
) AS owed;

-- name: purchase_order
SELECT purchase_order.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (account_id, order_id)
JOIN purchase_order USING (account_id, order_id)
WHERE lane = $1;

-- name: obligation
SELECT obligation.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (account_id, obligation_id)
JOIN obligation USING (account_id, obligation_id)
WHERE lane = $1;

-- name: debit
SELECT debit.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (account_id, debit_id)
JOIN debit USING (account_id, debit_id)
WHERE lane = $1;

-- name: return_request
SELECT return_request.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (account_id, return_id)
JOIN return_request USING (account_id, return_id)
WHERE lane = $1;

-- name: repayment
SELECT repayment.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (account_id, repayment_id)
JOIN repayment USING (account_id, repayment_id)
WHERE lane = $1;

-- name: merchant_case
SELECT merchant_case.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (merchant_id, case_key)
JOIN merchant_case USING (merchant_id, case_key)
WHERE lane = $1;

-- name: deposit
SELECT deposit.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (merchant_id, deposit_id)
JOIN deposit USING (merchant_id, deposit_id)
WHERE lane = $1;

-- name: deposit_refund
SELECT deposit_refund.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (merchant_id, request_id)
JOIN deposit_refund USING (merchant_id, request_id)
WHERE lane = $1;
