-- What operators and stories show. `lane JOIN …` finds a party whose lane is not known by one look-up per lane.

-- name: account
SELECT account.*
FROM lane JOIN account USING (lane)
WHERE account_id = $1;

-- name: purchase_order
SELECT purchase_order.*
FROM purchase_order
WHERE lane = $1 AND account_id = $2
ORDER BY no;

-- name: obligation
SELECT obligation.*
FROM obligation
WHERE lane = $1 AND account_id = $2
ORDER BY due_on, no;

-- name: return_request
SELECT return_request.*
FROM return_request
WHERE lane = $1 AND account_id = $2
ORDER BY no;

-- name: debit
SELECT debit.*
FROM debit
WHERE lane = $1 AND account_id = $2
ORDER BY no;

-- name: cash_out
SELECT cash_out.*
FROM cash_out
WHERE lane = $1 AND account_id = $2
ORDER BY no;

-- name: history
-- Inputs decided on a party, in decision order; what account lanes hand to merchant lanes is internal and left out.
SELECT decided_at, topic, event_id, type, outcome, reason
FROM decision
WHERE lane = $1 AND party_kind = $2 AND party_id = $3 AND kind = 'input' AND topic <> 'merchant-activity'
ORDER BY seq;

-- name: merchant
SELECT merchant.*
FROM lane JOIN merchant USING (lane)
WHERE merchant_id = $1;

-- name: next_payout
-- When what is payable to a merchant goes out.
SELECT due_at
FROM timer
WHERE lane = $1 AND party_kind = 'merchant' AND party_id = $2 AND kind = 'merchant_payout';

-- name: merchant_balance
SELECT merchant_balance.*
FROM merchant_balance
WHERE lane = $1 AND merchant_id = $2
ORDER BY currency;

-- name: merchant_case
-- Only what is open: what has ended stands against nothing.
SELECT merchant_case.*
FROM merchant_case
WHERE lane = $1 AND merchant_id = $2 AND is_open
ORDER BY case_key;

-- name: deposit
SELECT deposit.*
FROM deposit
WHERE lane = $1 AND merchant_id = $2
ORDER BY no;

-- name: deposit_refund
SELECT deposit_refund.*
FROM deposit_refund
WHERE lane = $1 AND merchant_id = $2
ORDER BY no;

-- name: shop_withdrawal
SELECT shop_withdrawal.*
FROM shop_withdrawal
WHERE lane = $1 AND merchant_id = $2
ORDER BY no;

-- name: account_payout
SELECT account_payout.*
FROM account_payout
WHERE lane = $1 AND account_id = $2
ORDER BY no;

-- name: merchant_payout
SELECT merchant_payout.*
FROM merchant_payout
WHERE lane = $1 AND merchant_id = $2
ORDER BY no;

-- name: decisions_of_event
-- An event_id counts within its topic and key, so several parties may have one.
SELECT *
FROM decision
WHERE event_id = $2 AND topic = $1
ORDER BY decided_at, lane;

-- name: postings
SELECT debit, credit, currency, amount_minor
FROM posting
WHERE lane = $1 AND seq = $2
ORDER BY n;

-- name: parked_of_event
SELECT *
FROM parked
WHERE topic = $1 AND event_id = $2
ORDER BY parked_at, lane;

-- name: dead_letters_of_event
SELECT *
FROM dead_letter
WHERE topic = $1 AND event_id = $2
ORDER BY decided_at, lane;

-- name: receipts_of_event
SELECT *
FROM receipt
WHERE event_id = $2 AND topic = $1
ORDER BY decided_at, lane;

-- name: ledger_totals
-- Every ledger account's balance by currency, on its normal side, over all lanes and parties.
SELECT ledger_account, currency, sum(balance_minor)::bigint AS balance_minor
FROM (
    SELECT balance.ledger_account, currency, balance.balance_minor
    FROM account CROSS JOIN LATERAL (
        VALUES
            ('receivable', receivable_minor),
            ('fee_receivable', fee_receivable_minor),
            ('penalty_receivable', penalty_receivable_minor),
            ('customer_credit', customer_credit_minor),
            ('limit_granted', limit_minor),
            ('limit_available', available_minor),
            ('limit_held', held_minor),
            ('limit_used', used_minor)
    ) AS balance (ledger_account, balance_minor)
    UNION ALL
    SELECT balance.ledger_account, currency, balance.balance_minor
    FROM merchant_balance CROSS JOIN LATERAL (
        VALUES
            ('merchant_payable', payable_minor),
            ('shop_balance', shop_balance_minor),
            ('deposit', deposit_minor)
    ) AS balance (ledger_account, balance_minor)
    UNION ALL
    SELECT ledger_account, currency, balance_minor
    FROM platform_balance
) AS every_balance
GROUP BY ledger_account, currency
ORDER BY currency, ledger_account;

-- name: outcome_counts
-- Input records by what became of them.
SELECT outcome, sum(records)::bigint AS records
FROM (
    SELECT outcome, count(*) AS records FROM decision WHERE kind = 'input' GROUP BY outcome
    UNION ALL
    SELECT outcome, count(*) FROM receipt GROUP BY outcome
    UNION ALL
    SELECT 'dead_lettered', count(*) FROM dead_letter WHERE topic IS NOT NULL
    UNION ALL
    SELECT 'parked', count(*) FROM parked
) AS outcomes
GROUP BY outcome
HAVING sum(records) > 0
ORDER BY outcome;

-- name: operations
-- Figures of each lane; counts of what may be very many end at $1.
SELECT
    lane.lane, lane.epoch, lane.owner, lane.batch_seq, lane.lane_time, relayed_batch_seq,
    (
        SELECT committed_at FROM batch
        WHERE batch.lane = lane.lane AND batch.batch_seq > relayed_batch_seq
        ORDER BY batch.batch_seq LIMIT 1
    ) AS unrelayed_since,
    (
        SELECT count(*) FROM (
            SELECT FROM timer WHERE timer.lane = lane.lane AND due_at <= lane.lane_time LIMIT $1
        ) AS due
    ) AS timers_due,
    (SELECT count(*) FROM (SELECT FROM parked WHERE parked.lane = lane.lane LIMIT $1) AS waiting) AS parked,
    (
        SELECT count(*) FROM (SELECT FROM dead_letter WHERE dead_letter.lane = lane.lane LIMIT $1) AS dead
    ) AS dead_letters,
    (
        SELECT count(*) FROM (
            SELECT FROM account_payout WHERE account_payout.lane = lane.lane AND status = 'requested'
            UNION ALL
            SELECT FROM merchant_payout WHERE merchant_payout.lane = lane.lane AND status = 'requested'
            LIMIT $1
        ) AS unanswered
    ) AS open_payouts,
    least(
        (
            SELECT requested_at FROM account_payout
            WHERE account_payout.lane = lane.lane AND status = 'requested'
            ORDER BY requested_at LIMIT 1
        ),
        (
            SELECT requested_at FROM merchant_payout
            WHERE merchant_payout.lane = lane.lane AND status = 'requested'
            ORDER BY requested_at LIMIT 1
        )
    ) AS oldest_open_payout_at,
    ARRAY(SELECT topic FROM lane_offset WHERE lane_offset.lane = lane.lane ORDER BY topic) AS topics,
    ARRAY(SELECT next_offset FROM lane_offset WHERE lane_offset.lane = lane.lane ORDER BY topic) AS next_offsets
FROM lane JOIN lane_relay USING (lane)
ORDER BY lane.lane;

-- name: terms_in_force
-- The terms documents that lanes have, with these lanes.
SELECT terms.digest, terms.document, array_agg(lane.lane ORDER BY lane.lane) AS lanes
FROM lane JOIN terms ON terms.digest = lane.terms_digest
GROUP BY terms.digest, terms.document
ORDER BY min(lane.lane);
