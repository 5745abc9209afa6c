-- What must always hold of the ledger.
-- Each statement returns one row (subject, expected, found) for each thing that is wrong, at most $1 of them; $2 is the
-- lane where there is one.

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
-- Every balance is the sum of its postings, on its normal side; those that are archived are carried forward. $3: accounts of
-- buyers, $4: of merchants, $5: of the platform (their party is nobody), $6: accounts that grow by a debit.
WITH side AS (
    SELECT CASE WHEN side.ledger_account = ANY($5::text[]) THEN '' ELSE party_id END AS party_id,
        side.ledger_account, currency, side.debit_minor
    FROM posting CROSS JOIN LATERAL (
        VALUES (debit, amount_minor), (credit, -amount_minor)
    ) AS side (ledger_account, debit_minor)
    WHERE lane = $2
    UNION ALL
    SELECT party_id, ledger_account, currency, debit_minor
    FROM archived_balance JOIN archive_end USING (lane)
    WHERE archived_balance.lane = $2 AND archived_balance.next_seq <= archive_end.next_seq
), moved AS (
    SELECT party_id, ledger_account, currency,
        sum(CASE WHEN ledger_account = ANY($6::text[]) THEN debit_minor ELSE -debit_minor END) AS minor
    FROM side
    GROUP BY party_id, ledger_account, currency
), kept AS (
    SELECT account_id AS party_id, balance.ledger_account, currency, balance.minor
    FROM account CROSS JOIN LATERAL (
        VALUES
            ('receivable', receivable_minor),
            ('fee_receivable', fee_receivable_minor),
            ('penalty_receivable', penalty_receivable_minor),
            ('customer_credit', customer_credit_minor),
            ('charge_off_loss', charged_off_minor),
            ('recovery_income', recovered_minor),
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

-- name: suspense
-- What lies on suspense is the money of unknown accounts that was not released.
WITH waiting AS (
    SELECT currency, sum(amount_minor) AS minor
    FROM suspense_entry
    WHERE lane = $2 AND released_at IS NULL
    GROUP BY currency
), kept AS (
    SELECT currency, balance_minor AS minor
    FROM platform_balance
    WHERE lane = $2 AND ledger_account = 'suspense'
)
SELECT 'suspense in ' || currency AS subject,
    format('%s, in entries that are not released', coalesce(waiting.minor, 0)) AS expected,
    coalesce(kept.minor, 0)::text AS found
FROM waiting FULL JOIN kept USING (currency)
WHERE coalesce(waiting.minor, 0) <> coalesce(kept.minor, 0)
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
