-- Where duplicates, conflicts and dead letters belong among the decisions of their batch, so that the history of an account or a
-- merchant can tell every outcome in its order. Of rows from before it is not known: they come after their batch's decisions.
-- Lanes wait while the indexes are built: receipts are searched by ranges of pages, and dead letters are few.

ALTER TABLE receipt ADD COLUMN next_seq bigint, ADD COLUMN n integer;
ALTER TABLE dead_letter ADD COLUMN next_seq bigint, ADD COLUMN n integer;
COMMENT ON COLUMN receipt.next_seq IS 'Number of the decision that followed it, or would have; `n` orders what has the same.';
COMMENT ON COLUMN dead_letter.next_seq IS
'Number of the decision that followed it, or would have; NULL where it was not understood. `n` orders what has the same.';

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX receipt_party ON receipt
USING brin (party_id text_bloom_ops (n_distinct_per_range = 512, false_positive_rate = 0.001))
WITH (pages_per_range = 8, autosummarize = on);
-- A record's key may be longer than what a tree holds.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX dead_letter_key ON dead_letter USING hash (key);
