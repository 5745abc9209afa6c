-- Of several lanes in one transaction, what lanes.sql and write.sql have of one: the other statements of a batch are made
-- from theirs (storage/of_lanes.py). Not sent on a distributed database.

-- name: lock
-- `lock_at_once`: no lane is locked where somebody else holds one of them.
SELECT lane, epoch, owner, batch_seq, chain_hash, lane_time, next_seq, clock_timestamp() AS now
FROM lane
WHERE lane = ANY ($1::text::integer[])
FOR UPDATE NOWAIT;

-- name: finish
-- `finish`. Before the arrays of each part stands one that says of which lane their values are. Those lanes come back that
-- were where their batches started from.
WITH settled AS (
    SELECT *
    FROM unnest(
        $1::text::integer[], $2::text::bigint[], $3::text::bytea[], $4::text::timestamptz[], $5::text::bigint[],
        $6::text::bigint[], $7::text::bytea[]
    ) AS each (lane, batch_seq, chain_hash, lane_time, first_seq, decisions, terms_digest)
),
balances AS (
    INSERT INTO platform_balance (lane, ledger_account, currency, balance_minor)
    SELECT new.*
    FROM unnest($13::text::integer[], $14::text::text[], $15::text::text[], $16::text::bigint[]) AS new
    ON CONFLICT (lane, ledger_account, currency)
    DO UPDATE SET balance_minor = platform_balance.balance_minor + excluded.balance_minor
),
activity AS (
    INSERT INTO activity_total (lane, currency, sent_messages, sent_minor, received_messages, received_minor)
    SELECT new.*
    FROM unnest(
        $17::text::integer[], $18::text::text[], $19::text::bigint[], $20::text::bigint[], $21::text::bigint[],
        $22::text::bigint[]
    ) AS new
    ON CONFLICT (lane, currency) DO UPDATE SET
        sent_messages = activity_total.sent_messages + excluded.sent_messages,
        sent_minor = activity_total.sent_minor + excluded.sent_minor,
        received_messages = activity_total.received_messages + excluded.received_messages,
        received_minor = activity_total.received_minor + excluded.received_minor
),
offsets AS (
    INSERT INTO lane_offset (lane, topic, next_offset, last_fingerprint, settled_records)
    SELECT new.*
    FROM unnest(
        $8::text::integer[], $9::text::text[], $10::text::bigint[], $11::text::bytea[], $12::text::bigint[]
    ) AS new
    ON CONFLICT (lane, topic) DO UPDATE SET
        next_offset = excluded.next_offset,
        last_fingerprint = excluded.last_fingerprint,
        settled_records = lane_offset.settled_records + excluded.settled_records
),
outputs AS (
    INSERT INTO outbox (lane, batch_seq, part, turn, lane_time, chain_hash, messages)
    SELECT settled.lane, settled.batch_seq, row_number() OVER (PARTITION BY part.lane ORDER BY part.number) - 1,
        outbox_turn(now()), settled.lane_time, settled.chain_hash, part.messages
    FROM unnest($23::text::integer[], $24::bytea[]) WITH ORDINALITY AS part (lane, messages, number)
    JOIN settled ON settled.lane = part.lane
),
scheduled AS (
    INSERT INTO timer (lane, party_kind, party_id, kind, subject_id, due_at)
    SELECT new.*
    FROM unnest(
        $25::text::integer[], $26::text::text[], $27::text::text[], $28::text::text[], $29::text::text[],
        $30::text::timestamptz[]
    ) AS new
    ON CONFLICT (lane, party_kind, party_id, kind, subject_id) DO UPDATE SET due_at = excluded.due_at
),
cancelled AS (
    DELETE FROM timer
    USING unnest($31::text::integer[], $32::text::text[], $33::text::text[], $34::text::text[], $35::text::text[])
        AS gone (lane, party_kind, party_id, kind, subject_id)
    CROSS JOIN LATERAL (
        SELECT ctid AS place
        FROM timer
        WHERE lane = gone.lane AND party_kind = gone.party_kind AND party_id = gone.party_id AND kind = gone.kind
            AND subject_id = gone.subject_id
        OFFSET 0
    ) AS found
    WHERE timer.ctid = found.place
),
decided AS (
    INSERT INTO decision (
        batch_seq, lane, seq, kind, topic, partition, record_offset, party_kind, party_id, event_id, timer_id, event_hash,
        fingerprint, type, occurred_at, decided_at, outcome, reason, reasons, outputs, raw
    )
    SELECT settled.batch_seq, new.*
    FROM unnest(
        $36::text::integer[], $37::text::bigint[], $38::text::text[], $39::text::text[], $40::text::integer[],
        $41::text::bigint[], $42::text::text[], $43::text::text[], $44::text::text[], $45::text::text[],
        $46::text::bytea[], $47::text::bytea[], $48::text::text[], $49::text::timestamptz[],
        $50::text::timestamptz[], $51::text::text[], $52::text::text[], $53::text::text[], $54::text::text[],
        $55::bytea[]
    ) AS new (lane)
    JOIN settled ON settled.lane = new.lane
),
posted AS (
    INSERT INTO posting (lane, seq, n, party_id, debit, credit, currency, amount_minor)
    SELECT new.*
    FROM unnest(
        $56::text::integer[], $57::text::bigint[], $58::text::integer[], $59::text::text[], $60::text::text[],
        $61::text::text[], $62::text::text[], $63::text::bigint[]
    ) AS new
),
moved AS (
    UPDATE lane
    SET batch_seq = settled.batch_seq, chain_hash = settled.chain_hash, lane_time = settled.lane_time,
        next_seq = settled.first_seq + settled.decisions,
        terms_digest = coalesce(settled.terms_digest, lane.terms_digest)
    FROM settled
    WHERE lane.lane = settled.lane AND lane.batch_seq = settled.batch_seq - 1 AND lane.next_seq = settled.first_seq
    RETURNING settled.*
)
INSERT INTO batch (lane, batch_seq, chain_hash, lane_time, first_seq, decisions, topics, next_offsets, committed_at)
SELECT lane, batch_seq, chain_hash, lane_time, first_seq, decisions,
    ARRAY(
        SELECT at.topic
        FROM unnest($8::text::integer[], $9::text::text[]) WITH ORDINALITY AS at (lane, topic, number)
        WHERE at.lane = moved.lane
        ORDER BY at.number
    ),
    ARRAY(
        SELECT at.next_offset
        FROM unnest($8::text::integer[], $10::text::bigint[]) WITH ORDINALITY AS at (lane, next_offset, number)
        WHERE at.lane = moved.lane
        ORDER BY at.number
    ),
    statement_timestamp()
FROM moved
RETURNING lane, batch_seq;
