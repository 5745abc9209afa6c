-- What must always hold. Each statement returns one row (subject, expected, found) for each thing that is wrong, at
-- most $1 of them; $2 is the lane where there is one. Each is one snapshot of one lane, so workers go on meanwhile.

-- name: postings_within_one_book
-- A posting moves one amount, so debits equal credits unless its two accounts are of different books or unknown.
-- $3: accounts of the money book, $4: of the limit book.
SELECT format('posting %s of decision %s', n, seq) AS subject,
    'two accounts of one book' AS expected, format('debit %s, credit %s', debit, credit) AS found
FROM posting
WHERE lane = $2
    AND NOT (debit = ANY($3::text[]) AND credit = ANY($3::text[]))
    AND NOT (debit = ANY($4::text[]) AND credit = ANY($4::text[]))
LIMIT $1;

-- name: balances
-- Every balance is the sum of its postings, on its normal side. $3: accounts of buyers, $4: of merchants, $5: of the
-- platform (their party is nobody), $6: accounts that grow by a debit.
WITH moved AS (
    SELECT CASE WHEN side.ledger_account = ANY($5::text[]) THEN '' ELSE party_id END AS party_id,
        side.ledger_account, currency,
        sum(CASE WHEN side.ledger_account = ANY($6::text[]) THEN side.amount_minor ELSE -side.amount_minor END) AS minor
    FROM posting CROSS JOIN LATERAL (
        VALUES (debit, amount_minor), (credit, -amount_minor)
    ) AS side (ledger_account, amount_minor)
    WHERE lane = $2
    GROUP BY 1, 2, 3
), kept AS (
    SELECT account_id AS party_id, balance.ledger_account, currency, balance.minor
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
    ) AS balance (ledger_account, minor)
    WHERE lane = $2
    UNION ALL
    SELECT merchant_id, balance.ledger_account, currency, balance.minor
    FROM merchant_balance CROSS JOIN LATERAL (
        VALUES
            ('merchant_payable', payable_minor),
            ('shop_balance', shop_balance_minor),
            ('deposit', deposit_minor)
    ) AS balance (ledger_account, minor)
    WHERE lane = $2
    UNION ALL
    SELECT '', ledger_account, currency, balance_minor
    FROM platform_balance
    WHERE lane = $2
)
SELECT format('%s of %s in %s', ledger_account, coalesce(nullif(party_id, ''), 'the platform'), currency) AS subject,
    format('%s, the sum of its postings', coalesce(moved.minor, 0)) AS expected, coalesce(kept.minor, 0)::text AS found
FROM moved FULL JOIN kept USING (party_id, ledger_account, currency)
WHERE coalesce(moved.minor, 0) <> coalesce(kept.minor, 0)
    AND (ledger_account = ANY($3::text[]) OR ledger_account = ANY($4::text[]) OR ledger_account = ANY($5::text[]))
LIMIT $1;

-- name: one_decision_per_event
-- Per topic, key and event_id; a parked event is not decided yet, a duplicate by its content is not decided at all.
SELECT format('event %s of %s in %s', event_id, coalesce(party_id, 'the lane'), topic) AS subject,
    'one decision' AS expected, count(*)::text AS found
FROM (
    SELECT topic, party_kind, party_id, event_id
    FROM decision
    WHERE lane = $2 AND kind = 'input'
    UNION ALL
    SELECT topic, party_kind, party_id, event_id
    FROM receipt
    WHERE lane = $2 AND holds_event_id
    UNION ALL
    SELECT topic, party_kind, party_id, event_id
    FROM parked
    WHERE lane = $2
) AS decided
GROUP BY topic, party_kind, party_id, event_id
HAVING count(*) > 1
LIMIT $1;

-- name: parties_on_one_lane
-- Lanes are settled side by side, so a party on two of them would have two balances.
SELECT party_kind || ' ' || party_id AS subject, 'one lane' AS expected,
    'lanes ' || string_agg(lane::text, ', ' ORDER BY lane) AS found
FROM (
    SELECT lane, 'account' AS party_kind, account_id AS party_id FROM account
    UNION ALL
    SELECT lane, 'merchant', merchant_id FROM merchant
) AS everybody
GROUP BY party_kind, party_id
HAVING count(*) > 1
LIMIT $1;

-- name: one_outcome_per_record
-- No input record has two outcomes on a lane.
SELECT format('record %s of partition %s of %s', record_offset, partition, topic) AS subject,
    'one outcome' AS expected, string_agg(outcome, ', ') AS found
FROM (
    SELECT topic, partition, record_offset, outcome FROM decision WHERE lane = $2 AND kind = 'input'
    UNION ALL
    SELECT topic, partition, record_offset, outcome FROM receipt WHERE lane = $2
    UNION ALL
    SELECT topic, partition, record_offset, 'dead_lettered' FROM dead_letter WHERE lane = $2 AND topic IS NOT NULL
    UNION ALL
    SELECT topic, partition, record_offset, 'parked' FROM parked WHERE lane = $2
) AS outcomes
GROUP BY topic, partition, record_offset
HAVING count(*) > 1
LIMIT $1;

-- name: outcomes_of_rerouted
-- A record that came by `rerouted` has no outcome on the lane it was produced to.
WITH foreigner AS (
    SELECT lane, topic, partition, record_offset FROM decision WHERE partition <> lane AND kind = 'input'
    UNION ALL
    SELECT lane, topic, partition, record_offset FROM receipt WHERE partition <> lane
    UNION ALL
    SELECT lane, topic, partition, record_offset FROM dead_letter WHERE partition <> lane
    UNION ALL
    SELECT lane, topic, partition, record_offset FROM parked WHERE partition <> lane
)
SELECT format('record %s of partition %s of %s', record_offset, partition, topic) AS subject,
    format('an outcome on lane %s only, where it was sent on to', foreigner.lane) AS expected,
    format('another on lane %s', partition) AS found
FROM foreigner JOIN (
    SELECT lane, topic, partition, record_offset FROM decision
    UNION ALL
    SELECT lane, topic, partition, record_offset FROM receipt
    UNION ALL
    SELECT lane, topic, partition, record_offset FROM dead_letter
    UNION ALL
    SELECT lane, topic, partition, record_offset FROM parked
) AS own USING (topic, partition, record_offset)
WHERE own.lane = own.partition
LIMIT $1;

-- name: every_record_has_an_outcome
-- As many outcomes as records settled, topic by topic; what was produced to another partition came by `rerouted`.
WITH outcome AS (
    SELECT topic, partition, count(*) AS records, max(record_offset) AS last_offset
    FROM (
        SELECT topic, partition, record_offset FROM decision WHERE lane = $2 AND kind = 'input'
        UNION ALL
        SELECT topic, partition, record_offset FROM receipt WHERE lane = $2
        UNION ALL
        SELECT topic, partition, record_offset FROM dead_letter WHERE lane = $2 AND topic IS NOT NULL
        UNION ALL
        SELECT topic, partition, record_offset FROM parked WHERE lane = $2
    ) AS outcomes
    GROUP BY topic, partition
), by_topic AS (
    SELECT CASE WHEN partition = $2 THEN topic ELSE 'rerouted' END AS topic, sum(records) AS records,
        max(last_offset) FILTER (WHERE partition = $2) AS last_offset
    FROM outcome
    GROUP BY 1
), settled AS (
    SELECT topic, next_offset, settled_records FROM lane_offset WHERE lane = $2
)
SELECT 'topic ' || topic AS subject,
    format('%s outcomes before offset %s', coalesce(settled_records, 0), coalesce(next_offset, 0)) AS expected,
    format('%s outcomes, the last at offset %s', coalesce(records, 0), last_offset) AS found
FROM settled FULL JOIN by_topic USING (topic)
WHERE coalesce(settled_records, 0) <> coalesce(records, 0) OR last_offset >= coalesce(next_offset, 0)
LIMIT $1;

-- name: limits
-- limit = available + held + used.
SELECT 'account ' || account_id AS subject, limit_minor::text AS expected,
    format('%s available + %s held + %s used', available_minor, held_minor, used_minor) AS found
FROM account
WHERE lane = $2 AND limit_minor <> available_minor + held_minor + used_minor
LIMIT $1;

-- name: granted
-- The limit is what is granted, or less while something overdue keeps the line frozen.
SELECT 'account ' || account_id AS subject,
    CASE WHEN freeze_reasons ? 'overdue' THEN format('at most the %s granted', granted_minor)
        ELSE format('the %s granted, nothing being overdue', granted_minor) END AS expected,
    format('a limit of %s', limit_minor) AS found
FROM account
WHERE lane = $2
    AND (limit_minor > granted_minor OR (limit_minor < granted_minor AND NOT freeze_reasons ? 'overdue'))
LIMIT $1;

-- name: available
-- Nothing is accepted beyond the limit: below 0 is only what a lowered limit, or a repayment undone, leaves.
SELECT 'account ' || account_id AS subject, 'available ≥ 0, because its limit was never lowered' AS expected,
    available_minor::text AS found
FROM account
WHERE lane = $2 AND available_minor < 0 AND NOT EXISTS (
    SELECT
    FROM decision
    WHERE decision.lane = $2 AND decision.party_kind = 'account' AND decision.party_id = account_id
        AND outcome = 'applied' AND type IN ('credit_line.limit_changed', 'repayment.reversed')
)
LIMIT $1;

-- name: obligations
-- What an account owes is the sum of its obligations, and its used limit their open principal.
WITH owed AS (
    SELECT account_id,
        sum(principal_minor - paid_principal_minor) AS principal_minor,
        sum(fee_minor - paid_fee_minor) AS fee_minor,
        sum(penalty_minor - paid_penalty_minor) AS penalty_minor
    FROM obligation
    WHERE lane = $2
    GROUP BY account_id
)
SELECT 'account ' || account_id AS subject,
    format('by its obligations: principal and used limit %s, fees %s, penalties %s', coalesce(owed.principal_minor, 0),
        coalesce(owed.fee_minor, 0), coalesce(owed.penalty_minor, 0)) AS expected,
    format('receivable %s, used %s, fees %s, penalties %s', receivable_minor, used_minor, fee_receivable_minor,
        penalty_receivable_minor) AS found
FROM account LEFT JOIN owed USING (account_id)
WHERE lane = $2
    AND (receivable_minor, used_minor, fee_receivable_minor, penalty_receivable_minor) IS DISTINCT FROM
        (coalesce(owed.principal_minor, 0), coalesce(owed.principal_minor, 0), coalesce(owed.fee_minor, 0),
            coalesce(owed.penalty_minor, 0))
LIMIT $1;

-- name: obligation_states
-- An obligation is open exactly as long as something of it is.
SELECT format('obligation %s of account %s', obligation_id, account_id) AS subject,
    CASE WHEN status IN ('open', 'overdue') THEN 'something open' ELSE 'nothing open' END || ', being ' || status
        AS expected,
    format('%s of principal, %s of fee, %s of penalty open', principal_minor - paid_principal_minor,
        fee_minor - paid_fee_minor, penalty_minor - paid_penalty_minor) AS found
FROM obligation
WHERE lane = $2 AND (
    (status IN ('open', 'overdue')) <> (
        principal_minor + fee_minor + penalty_minor > paid_principal_minor + paid_fee_minor + paid_penalty_minor
    )
    OR principal_minor < paid_principal_minor OR fee_minor < paid_fee_minor OR penalty_minor < paid_penalty_minor
)
LIMIT $1;

-- name: overdue
-- A line is frozen for what is overdue: as long as something is, and then until it is restored.
WITH late AS (
    SELECT account_id, count(*) AS obligations
    FROM obligation
    WHERE lane = $2 AND status = 'overdue'
    GROUP BY account_id
), compared AS (
    SELECT account_id, coalesce(late.obligations, 0) AS obligations, freeze_reasons ? 'overdue' AS is_frozen, cleared_at
    FROM account LEFT JOIN late USING (account_id)
    WHERE lane = $2
)
SELECT 'account ' || account_id AS subject,
    CASE WHEN obligations > 0 THEN 'frozen as overdue, ' ELSE 'frozen as overdue only until it is restored, ' END
        || obligations || ' obligations being so' AS expected,
    CASE WHEN is_frozen THEN 'frozen as overdue' ELSE 'not frozen so' END
        || coalesce(', cleared at ' || cleared_at, ', never cleared') AS found
FROM compared
WHERE (obligations > 0 AND NOT is_frozen)
    OR (obligations = 0 AND is_frozen AND cleared_at IS NULL)
    OR (cleared_at IS NOT NULL AND NOT is_frozen)
LIMIT $1;

-- name: penalties
-- Only what was overdue costs penalties, all together at most what was unpaid of its principal then.
SELECT format('obligation %s of account %s', obligation_id, account_id) AS subject,
    CASE WHEN overdue_principal_minor IS NULL THEN 'no penalty, never having been overdue'
        ELSE format('penalties of at most %s', overdue_principal_minor) END AS expected,
    format('%s of penalty, being %s', penalty_minor, status) AS found
FROM obligation
WHERE lane = $2 AND (
    penalty_minor > coalesce(overdue_principal_minor, 0)
    OR (status = 'overdue' AND overdue_principal_minor IS NULL)
)
LIMIT $1;

-- name: due_is_asked_for
-- Whatever is due and open is asked for by a requested debit or a pending retry in full, or its series has failed for good,
-- or the next 00:00 is awaited. Left out are orders with an open return; penalties wait while principal is asked for.
WITH ask AS (
    SELECT account_id, obligation_id, split_part(text, ' ', 2) AS state,
        split_part(text, ' ', 3)::bigint AS penalty_minor, split_part(text, ' ', 4)::bigint AS fee_minor,
        split_part(text, ' ', 5)::bigint AS principal_minor
    FROM obligation CROSS JOIN LATERAL jsonb_array_elements_text(asks) AS text
    LEFT JOIN debit USING (lane, account_id)
    WHERE lane = $2 AND obligation.status IN ('open', 'overdue') AND debit.debit_id = split_part(text, ' ', 1)
        AND (
            (debit.status = 'requested' AND split_part(text, ' ', 2) = 'standing')
            OR (debit.status = 'failed' AND split_part(text, ' ', 2) = 'retry' AND EXISTS (
                SELECT
                FROM timer
                WHERE timer.lane = $2 AND timer.party_kind = 'account' AND timer.party_id = obligation.account_id
                    AND timer.kind = 'debit_retry' AND timer.subject_id = debit.debit_id
            ))
        )
), asked AS (
    SELECT account_id, obligation_id, bool_or(state = 'retry') AS is_retried,
        coalesce(sum(penalty_minor) FILTER (WHERE state = 'standing'), 0) AS penalty_minor,
        coalesce(sum(fee_minor) FILTER (WHERE state = 'standing'), 0) AS fee_minor,
        coalesce(sum(principal_minor) FILTER (WHERE state = 'standing'), 0) AS principal_minor
    FROM ask
    GROUP BY account_id, obligation_id
), due AS (
    SELECT account_id, obligation_id, obligation.due_on, principal_minor - paid_principal_minor AS principal_minor,
        fee_minor - paid_fee_minor AS fee_minor, penalty_minor - paid_penalty_minor AS penalty_minor
    FROM obligation
    JOIN lane USING (lane)
    LEFT JOIN purchase_order USING (lane, account_id, order_id)
    WHERE lane = $2 AND obligation.status IN ('open', 'overdue') AND NOT exhausted
        AND obligation.due_on <= (lane_time AT TIME ZONE 'Asia/Shanghai')::date
        AND coalesce(open_return_ids, '[]') = '[]'
        AND NOT EXISTS (
            SELECT
            FROM timer
            WHERE timer.lane = $2 AND timer.party_kind = 'account' AND timer.party_id = obligation.account_id
                AND (kind = 'debit' OR (kind IN ('due_day', 'reminder') AND subject_id = obligation.due_on::text))
        )
)
SELECT format('obligation %s of account %s', obligation_id, account_id) AS subject,
    format('%s of principal, %s of fee, %s of penalty asked for, being due since %s', due.principal_minor,
        due.fee_minor, due.penalty_minor, due_on) AS expected,
    format('%s, %s and %s, and nothing that is to ask for more', coalesce(asked.principal_minor, 0),
        coalesce(asked.fee_minor, 0), coalesce(asked.penalty_minor, 0)) AS found
FROM due LEFT JOIN asked USING (account_id, obligation_id)
WHERE NOT coalesce(is_retried, false) AND (
    due.principal_minor > coalesce(asked.principal_minor, 0)
    OR due.fee_minor > coalesce(asked.fee_minor, 0)
    OR (due.principal_minor = 0 AND due.penalty_minor > coalesce(asked.penalty_minor, 0))
)
LIMIT $1;

-- name: repayments
-- What a repayment paid and what became credit of it is its amount; of those from before shares were kept, neither is known.
-- A share is the obligation's id, then what was paid of penalty, fee and principal (settlement/rules/allocation.py).
WITH paid AS (
    SELECT account_id, repayment_id, amount_minor, credit_minor,
        coalesce(sum(split_part(share, ' ', 2)::bigint + split_part(share, ' ', 3)::bigint
            + split_part(share, ' ', 4)::bigint), 0) AS shares_minor,
        count(share) FILTER (WHERE obligation_id IS NULL) AS unknown
    FROM repayment
    LEFT JOIN LATERAL jsonb_array_elements_text(shares) AS share ON true
    LEFT JOIN LATERAL (
        SELECT obligation_id
        FROM obligation
        WHERE obligation.lane = $2 AND obligation.account_id = repayment.account_id
            AND obligation_id = split_part(share, ' ', 1)
    ) AS named ON true
    WHERE lane = $2 AND (shares <> '[]' OR credit_minor <> 0)
    GROUP BY account_id, repayment_id, amount_minor, credit_minor
)
SELECT format('repayment %s of account %s', repayment_id, account_id) AS subject,
    format('%s, paid on obligations of the account or kept as credit', amount_minor) AS expected,
    format('%s paid and %s kept, %s of the obligations unknown', shares_minor, credit_minor, unknown) AS found
FROM paid
WHERE amount_minor <> shares_minor + credit_minor OR unknown > 0
LIMIT $1;

-- name: cash_outs
-- A cash-out is the principal of its obligations, which are of no order and of no other cash-out; nothing where it could
-- not be paid out.
WITH failed AS (
    SELECT account_id, source_id AS cash_out_id
    FROM account_payout
    WHERE lane = $2 AND reason = 'cash_out' AND status = 'failed'
), expected AS (
    SELECT account_id, cash_out_id, CASE WHEN failed.cash_out_id IS NULL THEN amount_minor ELSE 0 END AS amount_minor
    FROM cash_out LEFT JOIN failed USING (account_id, cash_out_id)
    WHERE lane = $2
), made AS (
    SELECT account_id, cash_out_id, named.obligation_id
    FROM cash_out CROSS JOIN LATERAL jsonb_array_elements_text(obligation_ids) AS named (obligation_id)
    WHERE lane = $2
)
SELECT format('cash-out %s of account %s', cash_out_id, account_id) AS subject,
    format('obligations without order over %s', amount_minor) AS expected,
    format('%s over %s, %s of them of another one', count(order_id IS NULL), coalesce(sum(principal_minor), 0),
        count(*) FILTER (WHERE order_id IS NOT NULL OR is_shared)) AS found
FROM expected
LEFT JOIN (
    SELECT made.account_id, cash_out_id, order_id, principal_minor,
        count(*) OVER (PARTITION BY made.account_id, obligation_id) > 1 AS is_shared
    FROM made JOIN (SELECT * FROM obligation WHERE lane = $2) AS owed USING (account_id, obligation_id)
) AS owed USING (account_id, cash_out_id)
GROUP BY account_id, cash_out_id, amount_minor
HAVING coalesce(sum(principal_minor), 0) <> amount_minor OR bool_or(order_id IS NOT NULL OR is_shared)
LIMIT $1;

-- name: orders
-- An order's state and amounts agree with the obligations its capture made.
WITH made AS (
    SELECT account_id, order_id, count(*) AS obligations, sum(principal_minor) AS principal_minor,
        count(*) FILTER (WHERE status IN ('open', 'overdue')) AS open_obligations,
        count(*) FILTER (WHERE status = 'overdue') AS overdue_obligations
    FROM obligation
    WHERE lane = $2 AND order_id IS NOT NULL
    GROUP BY account_id, order_id
), compared AS (
    SELECT purchase_order.*, coalesce(made.obligations, 0) AS obligations,
        coalesce(made.open_obligations, 0) AS open_obligations,
        coalesce(made.overdue_obligations, 0) AS overdue_obligations, coalesce(made.principal_minor, 0) AS principal_minor
    FROM purchase_order LEFT JOIN made USING (account_id, order_id)
    WHERE lane = $2
)
SELECT format('order %s of account %s', order_id, account_id) AS subject,
    format('%s, with %s obligations named, %s of %s left', status, jsonb_array_length(obligation_ids),
        amount_minor - returned_minor, amount_minor) AS expected,
    format('%s obligations, %s of them open, %s overdue, over %s', obligations, open_obligations, overdue_obligations,
        principal_minor) AS found
FROM compared
WHERE jsonb_array_length(obligation_ids) <> obligations
    OR returned_minor + under_return_minor > amount_minor
    OR (status = 'overdue') <> (overdue_obligations > 0)
    OR CASE
        WHEN status IN ('owed', 'overdue') THEN
            open_obligations = 0 OR principal_minor <> amount_minor - returned_minor
        WHEN status = 'settled' THEN open_obligations > 0 OR principal_minor <> amount_minor - returned_minor
        WHEN status IN ('held', 'trial') THEN obligations > 0
        ELSE open_obligations > 0
    END
LIMIT $1;

-- name: held
-- What is held is promised to orders that are not captured yet.
WITH promised AS (
    SELECT account_id, sum(amount_minor - returned_minor) AS minor
    FROM purchase_order
    WHERE lane = $2 AND status IN ('held', 'trial')
    GROUP BY account_id
)
SELECT 'account ' || account_id AS subject, format('%s held, by its orders', coalesce(minor, 0)) AS expected,
    held_minor::text AS found
FROM account LEFT JOIN promised USING (account_id)
WHERE lane = $2 AND held_minor <> coalesce(minor, 0)
LIMIT $1;

-- name: merchants
-- A merchant's counts of open cases and its deposits agree with their rows.
WITH opened AS (
    SELECT merchant_id,
        count(*) FILTER (WHERE kind = 'promotion') AS promotions,
        count(*) FILTER (WHERE kind = 'dispute') AS disputes,
        count(*) FILTER (WHERE kind = 'violation') AS violations
    FROM merchant_case
    WHERE lane = $2 AND is_open
    GROUP BY merchant_id
), deposited AS (
    SELECT merchant_id, currency, sum(left_minor) AS minor
    FROM deposit
    WHERE lane = $2
    GROUP BY merchant_id, currency
)
SELECT 'merchant ' || merchant_id AS subject,
    format('%s promotions, %s disputes, %s violations open', coalesce(promotions, 0), coalesce(disputes, 0),
        coalesce(violations, 0)) AS expected,
    format('%s, %s, %s', open_promotions, open_disputes, open_violations) AS found
FROM merchant LEFT JOIN opened USING (merchant_id)
WHERE lane = $2 AND (open_promotions, open_disputes, open_violations) IS DISTINCT FROM
    (coalesce(promotions, 0), coalesce(disputes, 0), coalesce(violations, 0))
UNION ALL
SELECT format('deposits of merchant %s in %s', merchant_id, currency), coalesce(minor, 0)::text, deposit_minor::text
FROM merchant_balance LEFT JOIN deposited USING (merchant_id, currency)
WHERE lane = $2 AND deposit_minor <> coalesce(minor, 0)
LIMIT $1;

-- name: deposits
-- A deposit has at most one refund in progress, and has lost what was refunded of it.
WITH asked AS (
    SELECT merchant_id, deposit_id,
        string_agg(request_id, ', ') FILTER (WHERE status IN ('awaiting_review', 'approved')) AS open_request_id,
        coalesce(sum(amount_minor) FILTER (WHERE status = 'paid'), 0) AS paid_minor
    FROM deposit_refund
    WHERE lane = $2
    GROUP BY merchant_id, deposit_id
)
SELECT format('deposit %s of merchant %s', deposit_id, merchant_id) AS subject,
    format('%s left of %s, with request %s in progress', amount_minor - coalesce(paid_minor, 0), amount_minor,
        coalesce(asked.open_request_id, 'none')) AS expected,
    format('%s left, with request %s', left_minor, coalesce(deposit.open_request_id, 'none')) AS found
FROM deposit LEFT JOIN asked USING (merchant_id, deposit_id)
WHERE lane = $2 AND (
    left_minor <> amount_minor - coalesce(paid_minor, 0) OR left_minor < 0
    OR deposit.open_request_id IS DISTINCT FROM asked.open_request_id
)
LIMIT $1;

-- name: shop_balances
-- A shop balance is what was refunded to it, less what was withdrawn and did not come back.
WITH moved AS (
    SELECT merchant_id, currency, amount_minor
    FROM deposit_refund
    WHERE lane = $2 AND status = 'paid' AND refund_to = 'shop_balance'
    UNION ALL
    SELECT merchant_id, currency, -amount_minor
    FROM shop_withdrawal
    WHERE lane = $2
    UNION ALL
    SELECT merchant_id, currency, amount_minor
    FROM merchant_payout
    WHERE lane = $2 AND reason = 'shop_withdrawal' AND status = 'failed'
), expected AS (
    SELECT merchant_id, currency, sum(amount_minor) AS minor
    FROM moved
    GROUP BY merchant_id, currency
)
SELECT format('shop balance of merchant %s in %s', merchant_id, currency) AS subject,
    format('%s, and at least 0', coalesce(minor, 0)) AS expected, coalesce(shop_balance_minor, 0)::text AS found
FROM expected FULL JOIN (SELECT * FROM merchant_balance WHERE lane = $2) AS kept USING (merchant_id, currency)
WHERE coalesce(minor, 0) <> coalesce(shop_balance_minor, 0) OR shop_balance_minor < 0
LIMIT $1;

-- name: approved_are_paid
-- An approved refund is paid when its deposit's freeze ends; nothing else waits for that.
WITH approved AS (
    SELECT merchant_id, request_id
    FROM deposit_refund
    WHERE lane = $2 AND status = 'approved'
), coming AS (
    SELECT party_id AS merchant_id, subject_id AS request_id, due_at
    FROM timer
    WHERE lane = $2 AND party_kind = 'merchant' AND kind = 'deposit_payment'
)
SELECT format('request %s of merchant %s', request_id, merchant_id) AS subject,
    CASE WHEN approved.request_id IS NULL THEN 'no payment, not being approved' ELSE 'a payment, being approved' END
        AS expected,
    coalesce('a payment at ' || due_at, 'none') AS found
FROM approved FULL JOIN coming USING (merchant_id, request_id)
WHERE approved.request_id IS NULL OR due_at IS NULL
LIMIT $1;

-- name: payouts
-- What lies on payout_clearing is asked for and not answered.
WITH asked AS (
    SELECT currency, sum(amount_minor) AS minor
    FROM (
        SELECT currency, amount_minor FROM account_payout WHERE lane = $2 AND status = 'requested'
        UNION ALL
        SELECT currency, amount_minor FROM merchant_payout WHERE lane = $2 AND status = 'requested'
        UNION ALL
        SELECT currency, amount_minor FROM untracked_payout WHERE lane = $2
    ) AS unanswered
    GROUP BY currency
), clearing AS (
    SELECT currency, balance_minor AS minor
    FROM platform_balance
    WHERE lane = $2 AND ledger_account = 'payout_clearing'
)
SELECT 'payout_clearing in ' || currency AS subject,
    format('%s, in payouts that are not answered', coalesce(asked.minor, 0)) AS expected,
    coalesce(clearing.minor, 0)::text AS found
FROM asked FULL JOIN clearing USING (currency)
WHERE coalesce(asked.minor, 0) <> coalesce(clearing.minor, 0)
LIMIT $1;

-- name: payables_are_paid
-- What is payable to a registered merchant in its currency goes out on a payout date; nothing else has one.
WITH expected AS (
    SELECT merchant_id, payable_minor
    FROM merchant JOIN merchant_balance USING (lane, merchant_id, currency)
    WHERE lane = $2 AND registered_on IS NOT NULL AND payable_minor > 0
), coming AS (
    SELECT party_id AS merchant_id, due_at
    FROM timer
    WHERE lane = $2 AND party_kind = 'merchant' AND kind = 'merchant_payout'
)
SELECT 'merchant ' || merchant_id AS subject,
    CASE WHEN payable_minor IS NULL THEN 'no payout' ELSE format('a payout of the %s payable', payable_minor) END
        AS expected,
    coalesce('a payout at ' || due_at, 'none') AS found
FROM expected FULL JOIN coming USING (merchant_id)
WHERE payable_minor IS NULL OR due_at IS NULL
LIMIT $1;

-- name: parked_have_deadlines
-- What waits ends at the latest by its timer, and such a timer has something to end.
SELECT 'parked input ' || coalesce(encode(event_hash, 'hex'), timer.subject_id) AS subject,
    'a row and a timer' AS expected,
    CASE WHEN event_hash IS NULL THEN 'a timer only' ELSE 'a row only' END AS found
FROM (SELECT * FROM parked WHERE lane = $2) AS waiting
FULL JOIN (SELECT * FROM timer WHERE lane = $2 AND kind = 'parking_expiry') AS timer
    ON timer.party_kind = waiting.party_kind AND timer.party_id = waiting.party_id
    AND timer.subject_id = encode(waiting.event_hash, 'hex')
WHERE event_hash IS NULL OR timer.subject_id IS NULL
LIMIT $1;

-- name: batches
-- A lane's batches and decisions are numbered without a hole, and end where the lane's row says.
WITH numbered AS (
    SELECT batch_seq, first_seq, decisions,
        lag(batch_seq, 1, 0::bigint) OVER (ORDER BY batch_seq) AS seq_before,
        lag(first_seq + decisions, 1, 1::bigint) OVER (ORDER BY batch_seq) AS first_expected
    FROM batch
    WHERE lane = $2
)
SELECT 'batch ' || batch_seq AS subject,
    format('number %s, first decision %s', seq_before + 1, first_expected) AS expected,
    format('number %s, first decision %s', batch_seq, first_seq) AS found
FROM numbered
WHERE batch_seq <> seq_before + 1 OR first_seq <> first_expected
UNION ALL
SELECT 'the lane''s row', format('batch %s, next decision %s', coalesce(max(numbered.batch_seq), 0),
    coalesce(max(first_seq + decisions), 1)), format('batch %s, next decision %s', lane.batch_seq, lane.next_seq)
FROM lane LEFT JOIN numbered ON true
WHERE lane.lane = $2
GROUP BY lane.lane
HAVING lane.batch_seq <> coalesce(max(numbered.batch_seq), 0)
    OR lane.next_seq <> coalesce(max(first_seq + decisions), 1)
UNION ALL
SELECT 'decisions', format('%s of them, the last %s', lane.next_seq - 1, lane.next_seq - 1),
    format('%s, the last %s', count(seq), max(seq))
FROM lane LEFT JOIN decision USING (lane)
WHERE lane.lane = $2
GROUP BY lane.lane
HAVING count(seq) <> lane.next_seq - 1 OR coalesce(max(seq), 0) <> lane.next_seq - 1
LIMIT $1;

-- name: offsets
-- Positions only move on, and stand where the last batch, or an operator who accepted a gap, has put them.
WITH moved AS (
    SELECT batch_seq, topic, next_offset,
        lag(next_offset, 1, 0::bigint) OVER (PARTITION BY topic ORDER BY batch_seq) AS offset_before
    FROM batch CROSS JOIN LATERAL unnest(topics, next_offsets) AS position (topic, next_offset)
    WHERE lane = $2
), last AS (
    SELECT topic, max(next_offset) AS next_offset
    FROM moved
    GROUP BY topic
)
SELECT format('topic %s in batch %s', topic, batch_seq) AS subject, 'after ' || offset_before AS expected,
    next_offset::text AS found
FROM moved
WHERE next_offset <= offset_before
UNION ALL
SELECT 'topic ' || topic, format('next offset %s, as in its last batch', coalesce(last.next_offset, 0)),
    coalesce(now_at.next_offset, 0)::text
FROM (SELECT * FROM lane_offset WHERE lane = $2) AS now_at FULL JOIN last USING (topic)
WHERE coalesce(now_at.next_offset, 0) < coalesce(last.next_offset, 0)
LIMIT $1;

-- name: transit
-- What account lanes have sent and merchant lanes not yet received is what lies on merchant_transit.
WITH total AS (
    SELECT currency, sum(sent_messages - received_messages) AS in_flight,
        sum(sent_minor - received_minor) AS in_flight_minor
    FROM activity_total
    GROUP BY currency
), balance AS (
    SELECT currency, sum(balance_minor) AS minor
    FROM platform_balance
    WHERE ledger_account = 'merchant_transit'
    GROUP BY currency
)
SELECT 'merchant_transit in ' || currency AS subject,
    format('%s, sent in %s messages that are in flight', coalesce(in_flight_minor, 0), coalesce(in_flight, 0))
        AS expected,
    coalesce(minor, 0)::text AS found
FROM total FULL JOIN balance USING (currency)
WHERE coalesce(minor, 0) <> coalesce(in_flight_minor, 0) OR in_flight < 0 OR (in_flight = 0 AND in_flight_minor <> 0)
LIMIT $1;

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
