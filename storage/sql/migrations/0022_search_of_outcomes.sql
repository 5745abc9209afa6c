-- Dead letters, conflicts and parked inputs are looked through page by page, by when they became that.

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX dead_letter_decided ON dead_letter
(decided_at, lane, (coalesce(topic, '')), (coalesce(record_offset, -1)), dead_letter_id);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX receipt_conflict ON receipt (decided_at, lane, topic, record_offset, partition) WHERE outcome = 'conflict';
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX parked_since ON parked (parked_at, lane, topic, record_offset, partition);
