-- Timers due at one instant fire in the order of their parties, so that a replay finds the same parties in the same order.
-- Lanes wait while the index is built: timers that are still to come are no more than a few for each account.

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX timer_due_by_party ON timer (lane, due_at, party_kind COLLATE "C", party_id COLLATE "C");
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX timer_due;
