-- The debits that nobody has answered, oldest first, for operators to watch.
-- Lanes wait while the index is built: few debits are not answered.

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX debit_open ON debit (lane, requested_at) WHERE status = 'requested';
