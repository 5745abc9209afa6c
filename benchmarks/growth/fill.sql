-- How a stage's history is copied from its template: rows that a worker wrote for a few accounts become those of very
-- many, with ids of their own. Everything but the rows themselves lies in the schema `growth`, which is dropped after it.
--
-- Of a template the batches b = 0, 1 … of a lane are each repeated C times, one after the other: batch (b, c) has number
-- b * C + c after the last. So time only moves on, as it does in a lane that settled all of them.

-- name: begin
-- Where everything stands before the template is settled.
CREATE SCHEMA growth;
CREATE TABLE growth.lane_before AS SELECT lane, batch_seq, next_seq FROM lane;
CREATE TABLE growth.offset_before AS SELECT lane, topic, next_offset, settled_records FROM lane_offset;
CREATE TABLE growth.platform_before AS SELECT * FROM platform_balance;
CREATE TABLE growth.activity_before AS SELECT * FROM activity_total;
CREATE TABLE growth.merchant_before AS SELECT * FROM merchant_balance;
-- What an id becomes: of an account, and of whatever has a derived id (settlement/ids.py), of which the last 12 digits are
-- replaced. The marks are letters that no text has.
CREATE FUNCTION growth.marked(value text, account_id text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT regexp_replace(
        replace(value, account_id, E'\x01'),
        '([0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-)[0-9a-f]{12}', '\1' || E'\x02', 'g'
    )
$$;
-- The template's rows of a table, with marks, of which texts are kept as text.
CREATE PROCEDURE growth.take_rows(of_table text, party_column text) LANGUAGE plpgsql AS $$
DECLARE
    columns text;
BEGIN
    SELECT string_agg(
        CASE
            WHEN attname = 'event_hash' THEN format('rows.%I', attname)
            WHEN attname = 'raw' THEN format('growth.marked(convert_from(rows.%1$I, ''UTF8''), template.id) AS %1$I', attname)
            WHEN atttypid IN ('text'::regtype, 'jsonb'::regtype)
                THEN format('growth.marked(rows.%1$I::text, template.id) AS %1$I', attname)
            ELSE format('rows.%I', attname)
        END, ', ' ORDER BY attnum)
    INTO columns
    FROM pg_attribute
    WHERE attrelid = ('postpay.' || of_table)::regclass AND attnum > 0 AND NOT attisdropped;
    EXECUTE format(
        'CREATE TABLE growth.%1$I AS SELECT %2$s, template.place AS template_place FROM postpay.%1$I AS rows'
        ' JOIN growth.template ON template.lane = rows.lane AND template.id = rows.%3$I',
        of_table, columns, party_column
    );
END $$;
-- What a column of the template's rows is in a copy of it: `rows` joined with `member`.
CREATE FUNCTION growth.copied(of_table name, of_column name, of_type oid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    is_marked boolean := false;
    text_of text;
BEGIN
    IF of_column = 'event_hash' THEN
        RETURN 'decode(md5(rows.event_hash || convert_to(member.mark, ''UTF8'')), ''hex'')';
    END IF;
    IF of_type NOT IN ('text'::regtype, 'jsonb'::regtype) AND of_column <> 'raw' THEN
        RETURN format('rows.%I', of_column);
    END IF;
    EXECUTE format('SELECT bool_or(%1$I ~ E''[\x01\x02]'') FROM growth.%2$I', of_column, of_table) INTO is_marked;
    text_of := format(CASE WHEN is_marked THEN
        'replace(replace(rows.%I, E''\x01'', member.id), E''\x02'', member.mark)' ELSE 'rows.%I' END, of_column);
    RETURN CASE
        WHEN of_column = 'raw' THEN format('convert_to(%s, ''UTF8'')', text_of)
        WHEN of_type = 'jsonb'::regtype THEN text_of || '::jsonb'
        ELSE text_of
    END;
END $$;
-- The next copies of all that accounts of a lane have: those of `member`, a table of the session.
CREATE FUNCTION growth.copy_things(of_lane integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT * FROM growth.copying LOOP
        EXECUTE format(
            'INSERT INTO postpay.%1$I (%2$s) SELECT %3$s FROM growth.%1$I AS rows'
            ' JOIN member ON member.place = rows.template_place'
            ' WHERE rows.lane = %4$L ORDER BY member.copy, rows.template_place',
            one.of_table, one.columns, one.expressions, of_lane
        );
    END LOOP;
END $$;
-- The accounts of the lanes' templates; place 0 is whoever is no account.
CREATE TABLE growth.template (lane integer, place integer, id text);

-- name: take_things
-- The template's rows of everything that an account has, and of its timers.
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT relname, attname
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = 'postpay'::regnamespace AND relkind = 'r'
            AND (attname = 'account_id' OR (relname = 'timer' AND attname = 'party_id'))
    LOOP
        CALL growth.take_rows(one.relname, one.attname);
    END LOOP;
END $$;
CREATE TABLE growth.copying AS
SELECT relname AS of_table, string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS columns,
    string_agg(growth.copied(relname, attname, atttypid), ', ' ORDER BY attnum) AS expressions
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = 'postpay'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
    AND relname IN (SELECT relname FROM pg_class WHERE relnamespace = 'growth'::regnamespace)
    AND relname <> 'template'
GROUP BY relname;

-- name: take_batches
-- The template's batches: `place` 0, 1 …, its decisions, and of each topic the offsets that it settled.
CREATE TABLE growth.batch AS
SELECT batch.lane, batch.batch_seq - before.batch_seq - 1 AS place, batch.batch_seq, lane_time, first_seq, decisions, topics, next_offsets
FROM batch JOIN growth.lane_before AS before USING (lane)
WHERE batch.batch_seq > before.batch_seq;
CREATE TABLE growth.span AS
SELECT lane, batch_seq, topic, first_offset, next_offset,
    (min(first_offset) OVER (PARTITION BY lane, topic))::bigint AS begin_offset
FROM (
    SELECT batch.lane, batch_seq, moved.topic, moved.next_offset,
        lag(moved.next_offset, 1, coalesce(before.next_offset, 0))
            OVER (PARTITION BY batch.lane, moved.topic ORDER BY batch_seq) AS first_offset
    FROM growth.batch AS batch
    CROSS JOIN LATERAL unnest(topics, next_offsets) AS moved (topic, next_offset)
    LEFT JOIN growth.offset_before AS before ON before.lane = batch.lane AND before.topic = moved.topic
) AS spans;

-- name: take_decisions
-- The template's decisions and postings, and how their numbers go on from copy to copy: $1 is how many copies there will be.
-- Decisions of merchants are at the place of nobody.
CREATE TABLE growth.decision AS
SELECT rows.lane, kind, rows.topic, rows.partition, party_kind, growth.marked(party_id, coalesce(template.id, '')) AS party_id,
    growth.marked(event_id, coalesce(template.id, '')) AS event_id,
    growth.marked(timer_id, coalesce(template.id, '')) AS timer_id, event_hash, fingerprint, type, occurred_at, decided_at,
    outcome, reason, reasons, growth.marked(outputs, coalesce(template.id, '')) AS outputs,
    growth.marked(convert_from(raw, 'UTF8'), coalesce(template.id, '')) AS raw,
    seq AS template_seq, coalesce(template.place, 0) AS template_place, batch.decisions AS seq_step,
    lane.next_seq + (batch.first_seq - before.next_seq) * $1::bigint + seq - batch.first_seq AS seq_base,
    lane.batch_seq + 1 + batch.place * $1::bigint AS batch_base,
    position.next_offset + (span.first_offset - span.begin_offset) * $1::bigint + record_offset - span.first_offset AS offset_base,
    span.next_offset - span.first_offset AS offset_step
FROM decision AS rows
JOIN growth.batch AS batch USING (lane, batch_seq)
JOIN growth.lane_before AS before USING (lane)
JOIN lane USING (lane)
LEFT JOIN growth.template ON template.lane = rows.lane AND template.id = rows.party_id
LEFT JOIN growth.span AS span ON span.lane = rows.lane AND span.batch_seq = rows.batch_seq AND span.topic = rows.topic
LEFT JOIN lane_offset AS position ON position.lane = rows.lane AND position.topic = rows.topic;
CREATE TABLE growth.posting AS
SELECT rows.lane, n, growth.marked(rows.party_id, coalesce(template.id, '')) AS party_id, debit, credit, currency, amount_minor,
    template_place, seq_base, seq_step
FROM posting AS rows
JOIN growth.decision AS made ON made.lane = rows.lane AND made.template_seq = rows.seq
LEFT JOIN growth.template ON template.lane = rows.lane AND template.id = rows.party_id;
ANALYZE;

-- name: template_size
-- How many decisions one copy of all lanes' templates is.
SELECT coalesce(sum(decisions), 0) FROM growth.batch;

-- name: ends
-- Where each topic of each lane will end: after $1 copies.
SELECT position.lane, position.topic, position.next_offset,
    position.next_offset + (position.next_offset - coalesce(before.next_offset, 0)) * $1::bigint AS end_offset
FROM lane_offset AS position LEFT JOIN growth.offset_before AS before USING (lane, topic)
WHERE position.next_offset > coalesce(before.next_offset, 0);

-- name: hurry
-- Of a session that only fills: what it loses in a crash is made again.
SET synchronous_commit = off;
SET work_mem = '64MB';

-- name: members
-- The accounts of some copies: `place` in the template, and what its marks become.
CREATE TEMPORARY TABLE IF NOT EXISTS member (copy bigint, place integer, id text, mark text);
TRUNCATE member;

-- name: copy_things
-- The next copies of all that accounts of a lane have: those of `member`.
SELECT growth.copy_things($1::integer);

-- name: copy_decisions
-- The next copies of a lane's decisions.
INSERT INTO decision (
    lane, seq, batch_seq, kind, topic, partition, record_offset, party_kind, party_id, event_id, timer_id, event_hash,
    fingerprint, type, occurred_at, decided_at, outcome, reason, reasons, outputs, raw
)
SELECT lane, seq_base + copy * seq_step, batch_base + copy, kind, topic, partition, offset_base + copy * offset_step,
    party_kind, replace(party_id, E'\x01', id), replace(replace(event_id, E'\x01', id), E'\x02', mark),
    replace(replace(timer_id, E'\x01', id), E'\x02', mark),
    decode(md5(event_hash || convert_to(mark, 'UTF8')), 'hex'), fingerprint, type, occurred_at, decided_at, outcome, reason,
    reasons, replace(replace(outputs, E'\x01', id), E'\x02', mark),
    convert_to(replace(replace(raw, E'\x01', id), E'\x02', mark), 'UTF8')
FROM growth.decision JOIN member ON place = template_place
WHERE lane = $1
ORDER BY 2;

-- name: copy_postings
-- The next copies of a lane's postings.
INSERT INTO posting (lane, seq, n, party_id, debit, credit, currency, amount_minor)
SELECT lane, seq_base + copy * seq_step, n, replace(party_id, E'\x01', id), debit, credit, currency, amount_minor
FROM growth.posting JOIN member ON place = template_place
WHERE lane = $1
ORDER BY 2, 3;

-- name: batches
-- A lane's batches in the template, each with the first number and offsets of its first copy and how these go on.
SELECT batch.place, batch.lane_time, decisions,
    lane.next_seq + (first_seq - before.next_seq) * $2::bigint AS first_seq,
    lane.batch_seq + 1 + batch.place * $2::bigint AS batch_seq,
    topics,
    ARRAY(
        SELECT position.next_offset + (span.first_offset - span.begin_offset) * $2::bigint
        FROM unnest(topics) WITH ORDINALITY AS named (topic, n)
        JOIN growth.span USING (topic)
        JOIN lane_offset AS position ON position.lane = batch.lane AND position.topic = named.topic
        WHERE span.lane = batch.lane AND span.batch_seq = batch.batch_seq
        ORDER BY n
    ) AS first_offsets,
    ARRAY(
        SELECT span.next_offset - span.first_offset
        FROM unnest(topics) WITH ORDINALITY AS named (topic, n)
        JOIN growth.span USING (topic)
        WHERE span.lane = batch.lane AND span.batch_seq = batch.batch_seq
        ORDER BY n
    ) AS offset_steps
FROM growth.batch AS batch
JOIN growth.lane_before AS before USING (lane)
JOIN lane USING (lane)
WHERE batch.lane = $1
ORDER BY batch.place;

-- name: standing
-- The hash that the copies go on from.
SELECT chain_hash FROM lane WHERE lane = $1;

-- name: move_lane
-- The lane after all copies: $2 hash of the last batch, $3 how many copies.
UPDATE lane
SET chain_hash = $2,
    batch_seq = lane.batch_seq + (lane.batch_seq - before.batch_seq) * $3::bigint,
    next_seq = lane.next_seq + (lane.next_seq - before.next_seq) * $3::bigint
FROM growth.lane_before AS before
WHERE lane.lane = $1 AND before.lane = lane.lane
RETURNING lane.batch_seq, lane.lane_time, lane.terms_digest, lane.epoch;

-- name: move_relay
-- All of it counts as sent.
UPDATE lane_relay SET relayed_batch_seq = lane.batch_seq FROM lane WHERE lane.lane = lane_relay.lane AND lane.lane = $1;

-- name: move_offsets
-- Positions of a lane after all copies: $2 topics, $3 the fingerprints of their last records, $4 how many copies.
UPDATE lane_offset AS position
SET next_offset = position.next_offset + (position.next_offset - coalesce(before.next_offset, 0)) * $4::bigint,
    settled_records = position.settled_records
        + (position.settled_records - coalesce(before.settled_records, 0)) * $4::bigint,
    last_fingerprint = named.last_fingerprint
FROM unnest($2::text[], $3::bytea[]) AS named (topic, last_fingerprint)
LEFT JOIN growth.offset_before AS before ON before.lane = $1 AND before.topic = named.topic
WHERE position.lane = $1 AND position.topic = named.topic;

-- name: move_platform
-- What a lane keeps one sum of, $2 times more of what the template added.
UPDATE platform_balance AS balance
SET balance_minor = balance.balance_minor + (balance.balance_minor - coalesce(before.balance_minor, 0)) * $2::bigint
FROM platform_balance AS now_at
LEFT JOIN growth.platform_before AS before USING (lane, ledger_account, currency)
WHERE balance.lane = $1 AND now_at.lane = $1 AND now_at.ledger_account = balance.ledger_account
    AND now_at.currency = balance.currency;

-- name: move_activity
UPDATE activity_total AS total
SET sent_messages = total.sent_messages + (total.sent_messages - coalesce(before.sent_messages, 0)) * $2::bigint,
    sent_minor = total.sent_minor + (total.sent_minor - coalesce(before.sent_minor, 0)) * $2::bigint,
    received_messages = total.received_messages + (total.received_messages - coalesce(before.received_messages, 0)) * $2::bigint,
    received_minor = total.received_minor + (total.received_minor - coalesce(before.received_minor, 0)) * $2::bigint
FROM activity_total AS now_at LEFT JOIN growth.activity_before AS before USING (lane, currency)
WHERE total.lane = $1 AND now_at.lane = $1 AND now_at.currency = total.currency;

-- name: move_merchants
UPDATE merchant_balance AS balance
SET payable_minor = balance.payable_minor + (balance.payable_minor - coalesce(before.payable_minor, 0)) * $2::bigint
FROM merchant_balance AS now_at LEFT JOIN growth.merchant_before AS before USING (lane, merchant_id, currency)
WHERE balance.lane = $1 AND now_at.lane = $1 AND now_at.merchant_id = balance.merchant_id
    AND now_at.currency = balance.currency;

-- name: end
-- The template is not needed any more.
DROP SCHEMA growth CASCADE;

-- name: vacuum
-- As autovacuum leaves it some time later.
VACUUM (ANALYZE);

-- name: checkpoint
CHECKPOINT;

-- name: size
-- How large the database is, in bytes.
SELECT pg_database_size(current_database());

-- name: counted
-- How many accounts and decisions there are.
SELECT (SELECT count(*) FROM account) AS accounts, (SELECT sum(next_seq - 1) FROM lane)::bigint AS decisions;

-- name: middle
-- The lane time of the batch in the middle of all decisions.
SELECT min(lane_time)
FROM (
    SELECT lane_time, sum(decisions) OVER (ORDER BY lane_time) AS so_far, sum(decisions) OVER () AS decisions
    FROM batch
) AS batch
WHERE so_far > decisions / 2;

-- name: move_timers
-- Let $2 timers of a lane fall due at $1: reminders of due dates, which in real life fall due at one 00:00.
UPDATE timer
SET due_at = $1
FROM (
    SELECT party_id, subject_id
    FROM timer
    WHERE lane = $3 AND kind = 'reminder' AND party_kind = 'account'
    ORDER BY party_id
    LIMIT $2
) AS chosen
WHERE timer.lane = $3 AND timer.kind = 'reminder' AND timer.party_kind = 'account'
    AND timer.party_id = chosen.party_id AND timer.subject_id = chosen.subject_id;

-- name: vacuum_timers
VACUUM (ANALYZE) timer;

-- name: due_timers
-- How many there are.
SELECT count(*) FROM timer WHERE due_at = $1;
