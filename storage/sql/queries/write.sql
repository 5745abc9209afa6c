-- New rows of decision, posting, receipt, dead_letter and of all entities are copied (COPY), changed entities are in
-- update.sql; these statements write the rest. Each takes one array literal per column (storage/arrays.py), so their number
-- doesn't grow with the batch. Rows that go are looked up key by key, as in load.sql, and then found by their place; their
-- lane is named again, as every statement names it, for a database that is distributed by it (docs/storage.md, Past one machine).

-- name: park
-- New parked inputs; one that waits for something else now keeps its place in the order of arrival.
INSERT INTO parked (
    lane, batch_seq, event_hash, n, party_kind, party_id, topic, partition, record_offset, event_id, fingerprint, type,
    occurred_at, raw, traceparent, waits_for, parked_at
)
SELECT $1, $2, new.*
FROM unnest(
    $3::text::bytea[], $4::text::integer[], $5::text::text[], $6::text::text[], $7::text::text[],
    $8::text::integer[], $9::text::bigint[], $10::text::text[], $11::text::bytea[], $12::text::text[],
    $13::text::timestamptz[], $14::bytea[], $15::text::text[], $16::text::text[], $17::text::timestamptz[]
) AS new
ON CONFLICT (lane, event_hash) DO UPDATE SET waits_for = excluded.waits_for;

-- name: unpark
DELETE FROM parked
USING unnest($2::text::bytea[]) AS gone (event_hash)
CROSS JOIN LATERAL (
    SELECT ctid AS place
    FROM parked
    WHERE lane = $1 AND event_hash = gone.event_hash
    OFFSET 0
) AS found
WHERE parked.lane = $1 AND parked.ctid = found.place;

-- name: declined_subject
INSERT INTO declined_subject (lane, party_kind, party_id, subject)
SELECT $1, new.*
FROM unnest($2::text::text[], $3::text::text[], $4::text::text[]) AS new
ON CONFLICT DO NOTHING;

-- name: finish
-- All that nearly every batch writes, in one statement: what it moved on the platform's own ledger accounts, signed to
-- their normal side; what it handed to merchant lanes and took over from account lanes; how far the topics are settled
-- now; its encoded outputs, in the part of the outbox that is today's by the database's clock; timers set or moved, and
-- those that fired or are not wanted any more; decisions and postings, unless they were copied; the batch itself and the
-- lane's new state. No row comes back when the lane is not where the batch started from.
WITH balances AS (
    INSERT INTO platform_balance (lane, ledger_account, currency, balance_minor)
    SELECT $1, new.*
    FROM unnest($10::text::text[], $11::text::text[], $12::text::bigint[]) AS new
    ON CONFLICT (lane, ledger_account, currency)
    DO UPDATE SET balance_minor = platform_balance.balance_minor + excluded.balance_minor
),
activity AS (
    INSERT INTO activity_total (lane, currency, sent_messages, sent_minor, received_messages, received_minor)
    SELECT $1, new.*
    FROM unnest(
        $13::text::text[], $14::text::bigint[], $15::text::bigint[], $16::text::bigint[], $17::text::bigint[]
    ) AS new
    ON CONFLICT (lane, currency) DO UPDATE SET
        sent_messages = activity_total.sent_messages + excluded.sent_messages,
        sent_minor = activity_total.sent_minor + excluded.sent_minor,
        received_messages = activity_total.received_messages + excluded.received_messages,
        received_minor = activity_total.received_minor + excluded.received_minor
),
offsets AS (
    INSERT INTO lane_offset (lane, topic, next_offset, last_fingerprint, settled_records)
    SELECT $1, new.*
    FROM unnest($7::text::text[], $8::text::bigint[], $18::text::bytea[], $19::text::bigint[]) AS new
    ON CONFLICT (lane, topic) DO UPDATE SET
        next_offset = excluded.next_offset,
        last_fingerprint = excluded.last_fingerprint,
        settled_records = lane_offset.settled_records + excluded.settled_records
),
outputs AS (
    INSERT INTO outbox (lane, batch_seq, part, turn, lane_time, chain_hash, messages)
    SELECT $1, $2, part.number - 1, outbox_turn(now()), $4, $3, part.messages
    FROM unnest($20::bytea[]) WITH ORDINALITY AS part (messages, number)
),
scheduled AS (
    INSERT INTO timer (lane, party_kind, party_id, kind, subject_id, due_at)
    SELECT $1, new.*
    FROM unnest($21::text::text[], $22::text::text[], $23::text::text[], $24::text::text[], $25::text::timestamptz[])
        AS new
    ON CONFLICT (lane, party_kind, party_id, kind, subject_id) DO UPDATE SET due_at = excluded.due_at
),
cancelled AS (
    DELETE FROM timer
    USING unnest($26::text::text[], $27::text::text[], $28::text::text[], $29::text::text[])
        AS gone (party_kind, party_id, kind, subject_id)
    CROSS JOIN LATERAL (
        SELECT ctid AS place
        FROM timer
        WHERE lane = $1 AND party_kind = gone.party_kind AND party_id = gone.party_id AND kind = gone.kind
            AND subject_id = gone.subject_id
        OFFSET 0
    ) AS found
    WHERE timer.lane = $1 AND timer.ctid = found.place
),
decided AS (
    INSERT INTO decision (
        lane, batch_seq, seq, kind, topic, partition, record_offset, party_kind, party_id, event_id, timer_id, event_hash,
        fingerprint, type, occurred_at, decided_at, outcome, reason, reasons, outputs, raw
    )
    SELECT $1, $2, new.*
    FROM unnest(
        $30::text::bigint[], $31::text::text[], $32::text::text[], $33::text::integer[], $34::text::bigint[],
        $35::text::text[], $36::text::text[], $37::text::text[], $38::text::text[], $39::text::bytea[],
        $40::text::bytea[], $41::text::text[], $42::text::timestamptz[], $43::text::timestamptz[], $44::text::text[],
        $45::text::text[], $46::text::text[], $47::text::text[], $48::bytea[]
    ) AS new
),
posted AS (
    INSERT INTO posting (lane, seq, n, party_id, debit, credit, currency, amount_minor)
    SELECT $1, new.*
    FROM unnest(
        $49::text::bigint[], $50::text::integer[], $51::text::text[], $52::text::text[], $53::text::text[],
        $54::text::text[], $55::text::bigint[]
    ) AS new
),
moved AS (
    UPDATE lane
    SET batch_seq = $2, chain_hash = $3, lane_time = $4, next_seq = $5 + $6, terms_digest = coalesce($9, terms_digest)
    WHERE lane.lane = $1 AND lane.batch_seq = $2 - 1 AND lane.next_seq = $5
    RETURNING lane.lane
)
INSERT INTO batch (lane, batch_seq, chain_hash, lane_time, first_seq, decisions, topics, next_offsets, committed_at)
SELECT moved.lane, $2, $3, $4, $5, $6, $7::text::text[], $8::text::bigint[], statement_timestamp()
FROM moved
RETURNING batch_seq;

-- name: store_terms
-- A terms document the lane has come to, once for all lanes.
INSERT INTO terms (digest, document, stored_at)
VALUES ($1, $2, statement_timestamp())
ON CONFLICT DO NOTHING;
