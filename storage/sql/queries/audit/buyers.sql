-- What must always hold of buyers' accounts.
-- Each statement returns one row (subject, expected, found) for each thing that is wrong, at most $1 of them; $2 is the
-- lane where there is one.

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
-- Nothing is accepted beyond the limit: below 0 is only what a lowered limit, a line closed over holds, or a repayment undone,
-- leaves. $3: types of messages that may; of those whose decisions are archived it is on record whose they were.
SELECT 'account ' || account_id AS subject, 'available ≥ 0, because its limit was never lowered' AS expected,
    available_minor::text AS found
FROM account
WHERE lane = $2 AND available_minor < 0 AND NOT EXISTS (
    SELECT
    FROM decision
    WHERE decision.lane = $2 AND decision.party_kind = 'account' AND decision.party_id = account_id
        AND outcome = 'applied' AND type = ANY($3::text[])
) AND NOT EXISTS (
    SELECT
    FROM archived_lowering JOIN archive_end USING (lane)
    WHERE archived_lowering.lane = $2 AND archived_lowering.account_id = account.account_id
        AND archived_lowering.next_seq <= archive_end.next_seq
)
LIMIT $1;

-- name: obligations
-- What an account owes is the sum of its obligations, and its used limit their open principal; what it owed once and is given
-- up is what was charged off of them.
WITH owed AS (
    SELECT account_id,
        sum(principal_minor - paid_principal_minor - charged_off_principal_minor) AS principal_minor,
        sum(fee_minor - paid_fee_minor - charged_off_fee_minor) AS fee_minor,
        sum(penalty_minor - paid_penalty_minor - charged_off_penalty_minor) AS penalty_minor,
        sum(charged_off_principal_minor + charged_off_fee_minor + charged_off_penalty_minor) AS charged_off_minor
    FROM obligation
    WHERE lane = $2
    GROUP BY account_id
)
SELECT 'account ' || account_id AS subject,
    format('by its obligations: principal and used limit %s, fees %s, penalties %s, charged off %s',
        coalesce(owed.principal_minor, 0), coalesce(owed.fee_minor, 0), coalesce(owed.penalty_minor, 0),
        coalesce(owed.charged_off_minor, 0)) AS expected,
    format('receivable %s, used %s, fees %s, penalties %s, charged off %s', receivable_minor, used_minor,
        fee_receivable_minor, penalty_receivable_minor, account.charged_off_minor) AS found
FROM account LEFT JOIN owed USING (account_id)
WHERE lane = $2
    AND (receivable_minor, used_minor, fee_receivable_minor, penalty_receivable_minor, account.charged_off_minor)
        IS DISTINCT FROM (coalesce(owed.principal_minor, 0), coalesce(owed.principal_minor, 0),
            coalesce(owed.fee_minor, 0), coalesce(owed.penalty_minor, 0), coalesce(owed.charged_off_minor, 0))
LIMIT $1;

-- name: obligation_states
-- An obligation is open exactly as long as something of it is; it is charged off only where something of it was.
WITH part AS (
    SELECT account_id, obligation_id, status,
        principal_minor - paid_principal_minor - charged_off_principal_minor AS principal_minor,
        fee_minor - paid_fee_minor - charged_off_fee_minor AS fee_minor,
        penalty_minor - paid_penalty_minor - charged_off_penalty_minor AS penalty_minor,
        charged_off_principal_minor + charged_off_fee_minor + charged_off_penalty_minor AS charged_off_minor
    FROM obligation
    WHERE lane = $2
)
SELECT format('obligation %s of account %s', obligation_id, account_id) AS subject,
    CASE
        WHEN status IN ('open', 'overdue') THEN 'something open'
        WHEN status = 'charged_off' THEN 'nothing open, but something charged off'
        ELSE 'nothing open or charged off'
    END || ', being ' || status AS expected,
    format('%s of principal, %s of fee, %s of penalty open, %s charged off', principal_minor, fee_minor, penalty_minor,
        charged_off_minor) AS found
FROM part
WHERE (status IN ('open', 'overdue')) <> (principal_minor + fee_minor + penalty_minor > 0)
    OR principal_minor < 0 OR fee_minor < 0 OR penalty_minor < 0
    OR (status NOT IN ('open', 'overdue') AND (status = 'charged_off') <> (charged_off_minor > 0))
LIMIT $1;

-- name: recovered
-- What was recovered of an account is at most what was charged off of it.
SELECT 'account ' || account_id AS subject, format('at most %s recovered, which was charged off', charged_off_minor)
        AS expected, recovered_minor::text AS found
FROM account
WHERE lane = $2 AND NOT recovered_minor BETWEEN 0 AND charged_off_minor
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

-- name: past_due_is_overdue
-- What is open past its due date is overdue, or a timer is to let it fall. Left out are orders with an open return.
SELECT format('obligation %s of account %s', obligation_id, account_id) AS subject,
    'overdue, or a timer that lets it fall overdue' AS expected,
    format('open, being due since %s', obligation.due_on) AS found
FROM obligation
JOIN lane USING (lane)
LEFT JOIN purchase_order USING (lane, account_id, order_id)
WHERE lane = $2 AND obligation.status = 'open'
    AND obligation.due_on < (lane_time AT TIME ZONE 'Asia/Shanghai')::date
    AND coalesce(open_return_ids, '[]') = '[]'
    AND NOT EXISTS (
        SELECT
        FROM timer
        WHERE timer.lane = $2 AND timer.party_kind = 'account' AND timer.party_id = obligation.account_id
            AND kind IN ('due_day', 'overdue') AND subject_id = obligation.due_on::text
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
    SELECT account_id, obligation_id, obligation.due_on,
        principal_minor - paid_principal_minor - charged_off_principal_minor AS principal_minor,
        fee_minor - paid_fee_minor - charged_off_fee_minor AS fee_minor,
        penalty_minor - paid_penalty_minor - charged_off_penalty_minor AS penalty_minor
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
-- What a repayment paid, recovered and what became credit of it is its amount; of those from before shares were kept, none is
-- known.
-- A share is the obligation's id, then what was paid of penalty, fee and principal (settlement/rules/allocation.py).
WITH paid AS (
    SELECT account_id, repayment_id, amount_minor, credit_minor, recovered_minor,
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
    WHERE lane = $2 AND (shares <> '[]' OR credit_minor <> 0 OR recovered_minor <> 0)
    GROUP BY account_id, repayment_id, amount_minor, credit_minor, recovered_minor
)
SELECT format('repayment %s of account %s', repayment_id, account_id) AS subject,
    format('%s, paid on obligations of the account, recovered or kept as credit', amount_minor) AS expected,
    format('%s paid, %s recovered and %s kept, %s of the obligations unknown', shares_minor, recovered_minor,
        credit_minor, unknown) AS found
FROM paid
WHERE amount_minor <> shares_minor + recovered_minor + credit_minor OR unknown > 0
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
    SELECT made.account_id, made.cash_out_id, order_id, principal_minor,
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
        amount_minor - returned_minor - credited_minor, amount_minor) AS expected,
    format('%s obligations, %s of them open, %s overdue, over %s', obligations, open_obligations, overdue_obligations,
        principal_minor) AS found
FROM compared
WHERE jsonb_array_length(obligation_ids) <> obligations
    OR returned_minor + credited_minor + under_return_minor > amount_minor
    OR (status = 'overdue') <> (overdue_obligations > 0)
    OR CASE
        WHEN status IN ('owed', 'overdue') THEN
            open_obligations = 0 OR principal_minor <> amount_minor - returned_minor - credited_minor
        WHEN status = 'settled' THEN
            open_obligations > 0 OR principal_minor <> amount_minor - returned_minor - credited_minor
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

-- name: discounts
-- What discounts took off an order is what they were given as.
WITH given AS (
    SELECT account_id, order_id, sum(amount_minor) AS minor
    FROM concession
    WHERE lane = $2 AND kind = 'credit'
    GROUP BY account_id, order_id
)
SELECT format('order %s of account %s', order_id, account_id) AS subject,
    format('%s taken off by discounts', coalesce(minor, 0)) AS expected, coalesce(credited_minor, 0)::text AS found
FROM (SELECT account_id, order_id, credited_minor FROM purchase_order WHERE lane = $2) AS orders
FULL JOIN given USING (account_id, order_id)
WHERE coalesce(minor, 0) <> coalesce(credited_minor, 0)
LIMIT $1;
