-- What a batch needs, by key. Keys come as arrays and each is looked up for itself: OFFSET 0 keeps the planner from
-- joining the other way round, which it does while a table has no statistics and then reads all of a lane's rows for
-- every key (measured: 220 ms for 456 orders among 10,000).

-- name: account
-- The accounts of a batch.
SELECT found.*
FROM unnest($2::text::text[]) AS named (id)
CROSS JOIN LATERAL (
    SELECT *
    FROM account
    WHERE lane = $1 AND account_id = named.id
    OFFSET 0
) AS found;

-- name: merchant
-- The merchants of a batch.
SELECT found.*
FROM unnest($2::text::text[]) AS named (id)
CROSS JOIN LATERAL (
    SELECT *
    FROM merchant
    WHERE lane = $1 AND merchant_id = named.id
    OFFSET 0
) AS found;

-- name: merchant_balance
-- All balances of the merchants of a batch: one for each currency.
SELECT found.*
FROM unnest($2::text::text[]) AS named (id)
CROSS JOIN LATERAL (
    SELECT *
    FROM merchant_balance
    WHERE lane = $1 AND merchant_id = named.id
    OFFSET 0
) AS found;

-- name: seen
-- Which event ids are taken, and with what content: by a decision, by one that is archived, or by a duplicate of something
-- of another event id.
SELECT found.*
FROM unnest($2::text::bytea[]) AS named (event_hash)
CROSS JOIN LATERAL (
    SELECT event_hash, fingerprint
    FROM decision
    WHERE lane = $1 AND event_hash = named.event_hash
    UNION ALL
    SELECT event_hash, fingerprint
    FROM archived_event
    WHERE lane = $1 AND event_hash = named.event_hash
    UNION ALL
    SELECT event_hash, fingerprint
    FROM receipt
    WHERE lane = $1 AND holds_event_id AND event_hash = named.event_hash
    OFFSET 0
) AS found;

-- name: declined_subject
-- Which of these were declined when they were to be made.
SELECT named.*
FROM unnest($2::text::text[], $3::text::text[], $4::text::text[]) AS named (party_kind, party_id, subject)
CROSS JOIN LATERAL (
    SELECT
    FROM declined_subject
    WHERE lane = $1 AND party_kind = named.party_kind AND party_id = named.party_id AND subject = named.subject
    OFFSET 0
) AS found;

-- name: due_in_lane
-- The earliest timers due in the whole lane, whoever's they are; at one instant by party, as a replay will find them.
-- Usually few: then no party needs to be looked up.
SELECT party_kind, party_id, kind, subject_id, due_at
FROM timer
WHERE lane = $1 AND due_at <= $2
ORDER BY due_at, party_kind COLLATE "C", party_id COLLATE "C"
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

-- name: past_obligations
-- Of each of these accounts, what something was paid on since an instant, and what was ever overdue.
SELECT past.*
FROM unnest($2::text::text[], $3::text::timestamptz[]) AS asked (account_id, since)
CROSS JOIN LATERAL (
    SELECT obligation.*
    FROM obligation
    WHERE lane = $1 AND account_id = asked.account_id AND paid_at >= asked.since
    UNION ALL
    SELECT obligation.*
    FROM obligation
    WHERE lane = $1 AND account_id = asked.account_id AND falls <> '[]' AND (paid_at >= asked.since) IS NOT TRUE
) AS past;

-- name: purchase_order
SELECT found.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (account_id, order_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM purchase_order
    WHERE lane = $1 AND account_id = named.account_id AND order_id = named.order_id
    OFFSET 0
) AS found;

-- name: obligation
SELECT found.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (account_id, obligation_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM obligation
    WHERE lane = $1 AND account_id = named.account_id AND obligation_id = named.obligation_id
    OFFSET 0
) AS found;

-- name: debit
SELECT found.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (account_id, debit_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM debit
    WHERE lane = $1 AND account_id = named.account_id AND debit_id = named.debit_id
    OFFSET 0
) AS found;

-- name: return_request
SELECT found.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (account_id, return_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM return_request
    WHERE lane = $1 AND account_id = named.account_id AND return_id = named.return_id
    OFFSET 0
) AS found;

-- name: repayment
SELECT found.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (account_id, repayment_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM repayment
    WHERE lane = $1 AND account_id = named.account_id AND repayment_id = named.repayment_id
    OFFSET 0
) AS found;

-- name: cash_out
SELECT found.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (account_id, cash_out_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM cash_out
    WHERE lane = $1 AND account_id = named.account_id AND cash_out_id = named.cash_out_id
    OFFSET 0
) AS found;

-- name: appeal
SELECT found.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (account_id, appeal_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM appeal
    WHERE lane = $1 AND account_id = named.account_id AND appeal_id = named.appeal_id
    OFFSET 0
) AS found;

-- name: merchant_case
SELECT found.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (merchant_id, case_key)
CROSS JOIN LATERAL (
    SELECT *
    FROM merchant_case
    WHERE lane = $1 AND merchant_id = named.merchant_id AND case_key = named.case_key
    OFFSET 0
) AS found;

-- name: deposit
SELECT found.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (merchant_id, deposit_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM deposit
    WHERE lane = $1 AND merchant_id = named.merchant_id AND deposit_id = named.deposit_id
    OFFSET 0
) AS found;

-- name: deposit_refund
SELECT found.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (merchant_id, request_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM deposit_refund
    WHERE lane = $1 AND merchant_id = named.merchant_id AND request_id = named.request_id
    OFFSET 0
) AS found;

-- name: shop_withdrawal
SELECT found.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (merchant_id, withdrawal_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM shop_withdrawal
    WHERE lane = $1 AND merchant_id = named.merchant_id AND withdrawal_id = named.withdrawal_id
    OFFSET 0
) AS found;

-- name: account_payout
SELECT found.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (account_id, payout_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM account_payout
    WHERE lane = $1 AND account_id = named.account_id AND payout_id = named.payout_id
    OFFSET 0
) AS found;

-- name: merchant_payout
SELECT found.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (merchant_id, payout_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM merchant_payout
    WHERE lane = $1 AND merchant_id = named.merchant_id AND payout_id = named.payout_id
    OFFSET 0
) AS found;

-- name: shop_settings
-- The settings of these shops, as the lane knows them.
SELECT found.*
FROM unnest($2::text::text[]) AS named (merchant_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM shop_settings
    WHERE lane = $1 AND merchant_id = named.merchant_id
    OFFSET 0
) AS found;

-- name: suspense_entry
SELECT found.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (account_id, suspense_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM suspense_entry
    WHERE lane = $1 AND account_id = named.account_id AND suspense_id = named.suspense_id
    OFFSET 0
) AS found;

-- name: concession
SELECT found.*
FROM unnest($2::text::text[], $3::text::text[]) AS named (account_id, concession_key)
CROSS JOIN LATERAL (
    SELECT *
    FROM concession
    WHERE lane = $1 AND account_id = named.account_id AND concession_key = named.concession_key
    OFFSET 0
) AS found;
