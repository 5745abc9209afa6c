-- Timers due at one instant fire in the order of their parties, so that a replay finds the same parties in the same order.

DROP INDEX timer_due;
CREATE INDEX timer_due ON timer (lane, due_at, party_kind COLLATE "C", party_id COLLATE "C");
