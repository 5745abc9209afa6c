-- The accounts that are overdue, longest first, for operators to watch: few among many, and read every few seconds.
-- Lanes wait while the index is built. Whoever is overdue stays so for days, so hardly an update of an account touches it.

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX account_overdue ON account (lane, overdue_since) WHERE overdue_since IS NOT NULL;
