-- Fills the schema of more lanes from the one in use, row for row: docs/decisions/0025-a-lane-is-split-like-a-branch.md. The
-- session's tables are the new ones; those in use are named with their schema. A lane k of n splits into its heirs, all lanes
-- that leave k when divided by n.

-- name: make_homes
-- On which lane an id is from now on.
CREATE TEMPORARY TABLE home (id text NOT NULL, lane integer NOT NULL);

-- name: make_homes_found
-- A key may be larger than an entry of a btree may.
CREATE INDEX ON home USING hash (id);

-- name: make_strangers
-- Ids in a column of a lane's rows that have no home yet; keys, which may be anything, in hexadecimal.
CREATE FUNCTION pg_temp.strangers(carried text, by_column text, of_lane integer) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    id text := CASE by_column WHEN 'key' THEN 'encode(key, ''hex'')' ELSE quote_ident(by_column) END;
BEGIN
    RETURN QUERY EXECUTE format(
        'SELECT DISTINCT %1$s FROM postpay.%2$I AS old WHERE lane = $1 AND %3$I IS NOT NULL'
        ' AND NOT EXISTS (SELECT FROM home WHERE home.id = %1$s)', id, carried, by_column
    ) USING of_lane;
END $$;

-- name: make_carry
-- Copies a lane's rows of one table, each to the lane that the id in a column is on; of no column: to where they were; what has
-- no id stays as well. Every heir gets a copy where `by_column` is `*`.
CREATE FUNCTION pg_temp.carry(carried text, by_column text, of_lane integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    columns text;
    to_lane text;
BEGIN
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns
    FROM pg_attribute
    WHERE attrelid = format('postpay.%I', carried)::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'lane';
    to_lane := CASE
        WHEN by_column IS NULL THEN 'CROSS JOIN LATERAL (VALUES (old.lane)) AS heir (heir)'
        WHEN by_column = '*' THEN
            'JOIN (SELECT lane AS heir FROM postpay_rebuilt.lane) AS heirs'
            ' ON heir % (SELECT count(*) FROM postpay.lane) = old.lane'
        ELSE format(
            'CROSS JOIN LATERAL (SELECT coalesce((SELECT home.lane FROM home WHERE home.id = %s), old.lane)) AS heirs (heir)',
            CASE by_column WHEN 'key' THEN 'encode(old.key, ''hex'')' ELSE format('old.%I', by_column) END
        )
    END;
    EXECUTE format(
        'INSERT INTO postpay_rebuilt.%1$I (lane, %2$s) SELECT heir, %2$s FROM postpay.%1$I AS old %3$s WHERE old.lane = $1',
        carried, columns, to_lane
    ) USING of_lane;
END $$;

-- name: strangers
SELECT id
FROM pg_temp.strangers($1, $2, $3) AS id;

-- name: carry
SELECT pg_temp.carry($1, $2, $3);

-- name: forget_homes
TRUNCATE home;

-- name: look_at_homes
ANALYZE home;

-- name: sizes
-- How many bytes each table has, its parts and indexes included.
SELECT relname AS name, (pg_total_relation_size(oid) + coalesce(parts.bytes, 0))::bigint AS bytes
FROM pg_class LEFT JOIN LATERAL (
    SELECT sum(pg_total_relation_size(relid)) AS bytes FROM pg_partition_tree(pg_class.oid) WHERE level > 0
) AS parts ON true
WHERE relnamespace = 'postpay'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition;

-- name: carry_terms
INSERT INTO terms (digest, document, stored_at)
SELECT digest, document, stored_at
FROM postpay.terms
ON CONFLICT (digest) DO UPDATE SET stored_at = excluded.stored_at;

-- name: begin_lanes
-- Every heir goes on from where its lane is.
UPDATE lane
SET batch_seq = old.batch_seq, chain_hash = old.chain_hash, lane_time = old.lane_time, next_seq = old.next_seq,
    terms_digest = old.terms_digest
FROM postpay.lane AS old
WHERE old.lane = lane.lane % $1;

-- name: begin_relays
-- All of it was sent.
UPDATE lane_relay
SET relayed_batch_seq = lane.batch_seq, relayed_at = clock_timestamp()
FROM lane
WHERE lane.lane = lane_relay.lane;

-- name: carry_branches
-- Those of earlier times.
INSERT INTO lane_branch (lane, from_lane, from_lanes, batch_seq, chain_hash, next_seq, lane_time)
SELECT lane, from_lane, from_lanes, batch_seq, chain_hash, next_seq, lane_time
FROM postpay.lane_branch;

-- name: branch
INSERT INTO lane_branch (lane, from_lane, from_lanes, batch_seq, chain_hash, next_seq, lane_time)
SELECT lane.lane, old.lane, $1, old.batch_seq, old.chain_hash, old.next_seq, old.lane_time
FROM lane JOIN postpay.lane AS old ON old.lane = lane.lane % $1;

-- name: sum_platform
-- What lies on the platform's ledger accounts ($2; those of $3 grow by a debit) by the postings that are on these lanes now.
INSERT INTO platform_balance (lane, ledger_account, currency, balance_minor)
SELECT lane, side.ledger_account, currency,
    sum(CASE WHEN side.ledger_account = ANY($3::text[]) THEN side.minor ELSE -side.minor END)
FROM posting CROSS JOIN LATERAL (VALUES (debit, amount_minor), (credit, -amount_minor)) AS side (ledger_account, minor)
WHERE lane = ANY($1::integer[]) AND side.ledger_account = ANY($2::text[])
GROUP BY lane, side.ledger_account, currency;

-- name: sum_untracked
-- What was paid out before payouts were remembered is what else lies on payout_clearing, as when that began.
INSERT INTO untracked_payout (lane, currency, amount_minor)
SELECT lane, currency, balance_minor - coalesce(asked.minor, 0)
FROM platform_balance LEFT JOIN (
    SELECT lane, currency, sum(amount_minor) AS minor
    FROM (
        SELECT lane, currency, amount_minor FROM account_payout WHERE status = 'requested'
        UNION ALL
        SELECT lane, currency, amount_minor FROM merchant_payout WHERE status = 'requested'
    ) AS unanswered
    GROUP BY lane, currency
) AS asked USING (lane, currency)
WHERE ledger_account = 'payout_clearing' AND balance_minor <> coalesce(asked.minor, 0);

-- name: begin_offsets
-- Positions stay with the partition; outcomes count on the lane that has them now. What another partition brought counts as
-- `rerouted`, as ever.
INSERT INTO lane_offset (lane, topic, next_offset, last_fingerprint, settled_records)
SELECT lane, topic, coalesce(next_offset, 0), last_fingerprint, coalesce(records, 0)
FROM (
    SELECT lane, CASE WHEN partition = lane THEN topic ELSE 'rerouted' END AS topic, count(*) AS records
    FROM (
        SELECT lane, topic, partition FROM decision WHERE lane = ANY($1::integer[]) AND kind = 'input'
        UNION ALL
        SELECT lane, topic, partition FROM receipt WHERE lane = ANY($1::integer[])
        UNION ALL
        SELECT lane, topic, partition FROM dead_letter WHERE lane = ANY($1::integer[]) AND topic IS NOT NULL
        UNION ALL
        SELECT lane, topic, partition FROM parked WHERE lane = ANY($1::integer[])
    ) AS outcome
    GROUP BY 1, 2
) AS outcomes
FULL JOIN (
    SELECT lane, topic, next_offset, last_fingerprint FROM postpay.lane_offset WHERE lane = $2
) AS positions USING (lane, topic);

-- name: apart
-- Sums over all lanes that are not what they were.
WITH total AS (
    SELECT 'old' AS of, ledger_account || ' in ' || currency AS what, balance_minor AS minor FROM postpay.platform_balance
    UNION ALL
    SELECT 'new', ledger_account || ' in ' || currency, balance_minor FROM platform_balance
    UNION ALL
    SELECT 'old', 'payouts that nobody remembers in ' || currency, amount_minor FROM postpay.untracked_payout
    UNION ALL
    SELECT 'new', 'payouts that nobody remembers in ' || currency, amount_minor FROM untracked_payout
    UNION ALL
    SELECT 'old', 'records that have their outcome', settled_records FROM postpay.lane_offset
    UNION ALL
    SELECT 'new', 'records that have their outcome', settled_records FROM lane_offset
)
SELECT what, coalesce(sum(minor) FILTER (WHERE of = 'old'), 0)::text AS expected,
    coalesce(sum(minor) FILTER (WHERE of = 'new'), 0)::text AS found
FROM total
GROUP BY what
HAVING coalesce(sum(minor) FILTER (WHERE of = 'old'), 0) <> coalesce(sum(minor) FILTER (WHERE of = 'new'), 0)
ORDER BY what;
