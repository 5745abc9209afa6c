-- Dead letters, conflicts, parked inputs and payouts are looked through page by page, by when they became that.

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX dead_letter_decided ON dead_letter
(decided_at, lane, (coalesce(topic, '')), (coalesce(record_offset, -1)), dead_letter_id);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX receipt_conflict ON receipt (decided_at, lane, topic, record_offset, partition) WHERE outcome = 'conflict';
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX parked_since ON parked (parked_at, lane, topic, record_offset, partition);

-- Payouts, and apart from them those that nobody has answered, which may be few among many.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX account_payout_requested ON account_payout (requested_at, lane, payout_id);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX merchant_payout_requested ON merchant_payout (requested_at, lane, payout_id);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX account_payout_waiting ON account_payout (requested_at, lane, payout_id) WHERE status = 'requested';
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX merchant_payout_waiting ON merchant_payout (requested_at, lane, payout_id) WHERE status = 'requested';
