-- Figures over all lanes.

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
            ('charge_off_loss', charged_off_minor),
            ('recovery_income', recovered_minor),
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
    SELECT outcome, records
    FROM archived_outcome JOIN archive_end USING (lane)
    WHERE archived_outcome.next_seq <= archive_end.next_seq
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
    (
        SELECT count(*) FROM (
            SELECT FROM debit WHERE debit.lane = lane.lane AND status = 'requested' LIMIT $1
        ) AS unanswered
    ) AS open_debits,
    (
        SELECT requested_at FROM debit
        WHERE debit.lane = lane.lane AND status = 'requested'
        ORDER BY requested_at LIMIT 1
    ) AS oldest_open_debit_at,
    (
        SELECT count(*) FROM (
            SELECT FROM account WHERE account.lane = lane.lane AND overdue_since IS NOT NULL LIMIT $1
        ) AS unpaid
    ) AS overdue_accounts,
    (
        SELECT overdue_since FROM account
        WHERE account.lane = lane.lane AND overdue_since IS NOT NULL
        ORDER BY overdue_since LIMIT 1
    ) AS oldest_overdue_at,
    ARRAY(
        SELECT ledger_account FROM platform_balance WHERE platform_balance.lane = lane.lane
        ORDER BY ledger_account, currency
    ) AS ledger_accounts,
    ARRAY(
        SELECT currency FROM platform_balance WHERE platform_balance.lane = lane.lane
        ORDER BY ledger_account, currency
    ) AS currencies,
    ARRAY(
        SELECT balance_minor FROM platform_balance WHERE platform_balance.lane = lane.lane
        ORDER BY ledger_account, currency
    ) AS balances_minor,
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

-- name: stored_terms
-- Every terms document that a lane has had.
SELECT digest, document, stored_at
FROM terms
ORDER BY stored_at DESC, digest;

-- name: chain_heads
SELECT lane, batch_seq, chain_hash, lane_time
FROM lane
ORDER BY lane;
