-- What was done to one thing, whatever it was, and what one person did: pages show the latest of each, of a log that only
-- grows. Whoever appends waits while the indexes are built.

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX operator_log_of ON operator_log (subject, entry);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX operator_log_by ON operator_log (operator, entry);
