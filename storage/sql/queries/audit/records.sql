-- What must always hold of records, their outcomes, and lanes.
-- Each statement returns one row (subject, expected, found) for each thing that is wrong, at most $1 of them; $2 is the
-- lane where there is one.

-- name: one_decision_per_event
-- Per topic, key and event_id; a parked event is not decided yet, a duplicate by its content is not decided at all. Of events
-- whose decisions are archived the hashes are left.
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
    UNION ALL
    SELECT topic, party_kind, party_id, event_id
    FROM decision JOIN archived_event USING (lane, event_hash) JOIN archive_end USING (lane)
    WHERE lane = $2 AND archived_event.seq < archive_end.next_seq
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
    SELECT topic, partition, sum(records) AS records, max(last_offset) AS last_offset
    FROM (
        SELECT topic, partition, 1 AS records, record_offset AS last_offset
        FROM decision
        WHERE lane = $2 AND kind = 'input'
        UNION ALL
        SELECT topic, partition, 1, record_offset FROM receipt WHERE lane = $2
        UNION ALL
        SELECT topic, partition, 1, record_offset FROM dead_letter WHERE lane = $2 AND topic IS NOT NULL
        UNION ALL
        SELECT topic, partition, 1, record_offset FROM parked WHERE lane = $2
        UNION ALL
        SELECT topic, partition, records, last_offset
        FROM archived_outcome JOIN archive_end USING (lane)
        WHERE lane = $2 AND archived_outcome.next_seq <= archive_end.next_seq
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
-- A lane's batches and decisions are numbered without a hole, and end where the lane's row says. One that was split off
-- another begins after the batch it goes on from; what was decided before a split is looked at by the hash chain. Batches
-- stay when their decisions are archived.
WITH begin AS (
    SELECT coalesce(max(batch_seq), 0) AS batch_seq, coalesce(max(next_seq), 1) AS next_seq
    FROM lane_branch
    WHERE lane = $2 AND from_lane <> lane
), split AS (
    SELECT greatest(1, max(next_seq)) AS next_seq
    FROM (
        SELECT next_seq FROM lane_branch WHERE lane = $2
        UNION ALL
        SELECT next_seq FROM archive_end WHERE lane = $2
    ) AS begins
), numbered AS (
    SELECT batch.batch_seq, first_seq, decisions,
        lag(batch.batch_seq, 1, begin.batch_seq) OVER (ORDER BY batch.batch_seq) AS seq_before,
        lag(first_seq + decisions, 1, begin.next_seq) OVER (ORDER BY batch.batch_seq) AS first_expected
    FROM batch CROSS JOIN begin
    WHERE lane = $2
)
SELECT 'batch ' || batch_seq AS subject,
    format('number %s, first decision %s', seq_before + 1, first_expected) AS expected,
    format('number %s, first decision %s', batch_seq, first_seq) AS found
FROM numbered
WHERE batch_seq <> seq_before + 1 OR first_seq <> first_expected
UNION ALL
SELECT 'the lane''s row', format('batch %s, next decision %s', coalesce(max(numbered.batch_seq), begin.batch_seq),
    coalesce(max(first_seq + decisions), begin.next_seq)),
    format('batch %s, next decision %s', lane.batch_seq, lane.next_seq)
FROM lane CROSS JOIN begin LEFT JOIN numbered ON true
WHERE lane.lane = $2
GROUP BY lane.lane, begin.batch_seq, begin.next_seq
HAVING lane.batch_seq <> coalesce(max(numbered.batch_seq), begin.batch_seq)
    OR lane.next_seq <> coalesce(max(first_seq + decisions), begin.next_seq)
UNION ALL
SELECT 'decisions', format('%s from number %s on, the last %s', lane.next_seq - split.next_seq, split.next_seq,
    lane.next_seq - 1), format('%s, the last %s', count(seq), max(seq))
FROM lane CROSS JOIN split LEFT JOIN decision ON decision.lane = lane.lane AND seq >= split.next_seq
WHERE lane.lane = $2
GROUP BY lane.lane, split.next_seq
HAVING count(seq) <> lane.next_seq - split.next_seq
    OR coalesce(max(seq), split.next_seq - 1) <> lane.next_seq - 1
LIMIT $1;

-- name: branches
-- A lane goes on from what the lane that was split came to.
SELECT format('lane %s, split off lane %s of %s', branch.lane, branch.from_lane, branch.from_lanes) AS subject,
    format('batch %s with hash %s', branch.batch_seq, encode(branch.chain_hash, 'hex')) AS expected,
    coalesce(encode(coalesce(batch.chain_hash, other.chain_hash), 'hex'), 'no such batch') AS found
FROM lane_branch AS branch
LEFT JOIN batch ON batch.lane = branch.from_lane AND batch.batch_seq = branch.batch_seq
LEFT JOIN lane_branch AS other ON other.lane = branch.from_lane AND other.from_lane <> other.lane
    AND other.batch_seq = branch.batch_seq
WHERE branch.batch_seq > 0 AND branch.chain_hash IS DISTINCT FROM coalesce(batch.chain_hash, other.chain_hash)
LIMIT $1;

-- name: archives
-- As many rows went as are in files; a lane's go up to the end of a batch that is, or to where it was split; none is left below.
SELECT 'all lanes' AS subject, format('%s decisions and %s postings, as in files', filed.decisions, filed.postings) AS expected,
    format('%s and %s', went.decisions, went.postings) AS found
FROM (
    SELECT coalesce(sum(decisions), 0) AS decisions, coalesce(sum(postings), 0) AS postings FROM archive_file
) AS filed CROSS JOIN (
    SELECT coalesce(sum(decisions), 0) AS decisions, coalesce(sum(postings), 0) AS postings FROM archive_end
) AS went
WHERE (filed.decisions, filed.postings) <> (went.decisions, went.postings)
UNION ALL
SELECT 'lane ' || lane, 'an archive up to the end of a batch', format('up to decision %s', next_seq - 1)
FROM archive_end
WHERE NOT EXISTS (
    SELECT
    FROM archive_file JOIN batch ON batch.lane = archive_file.lane AND batch.batch_seq = archive_file.last_batch_seq
    WHERE first_seq + batch.decisions = archive_end.next_seq AND batch.lane_time = archive_end.lane_time
) AND NOT EXISTS (
    SELECT FROM lane_branch WHERE lane_branch.lane = archive_end.lane AND lane_branch.next_seq = archive_end.next_seq
)
UNION ALL
SELECT 'lane ' || lane, format('no row of a decision before number %s, which are archived', next_seq),
    format('decision %s', least(first.decision, first.posting))
FROM archive_end CROSS JOIN LATERAL (
    SELECT
        (SELECT min(seq) FROM decision WHERE decision.lane = archive_end.lane) AS decision,
        (SELECT min(seq) FROM posting WHERE posting.lane = archive_end.lane) AS posting
) AS first
WHERE least(first.decision, first.posting) < next_seq
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
