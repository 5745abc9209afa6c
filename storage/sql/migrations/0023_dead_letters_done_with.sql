-- Dead letters that are done with: sent again, or closed because nothing is to be sent again. Which of both, who did it and why
-- stands in the operator log, by the number of its entry; the database itself notes that, so no letter is closed without an entry.

ALTER TABLE dead_letter ADD COLUMN closed_entry bigint;
COMMENT ON COLUMN dead_letter.closed_entry IS 'Entry of the operator log that is the end of it; NULL while it is open.';
-- Lanes wait while the indexes are built: dead letters are few.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX dead_letter_id ON dead_letter (dead_letter_id);
UPDATE dead_letter SET closed_entry = operator_log.entry
FROM operator_log
WHERE action = 'redrive' AND outcome = 'done' AND subject = dead_letter_id;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX dead_letter_open ON dead_letter
(decided_at, lane, (coalesce(topic, '')), (coalesce(record_offset, -1)), dead_letter_id) WHERE closed_entry IS NULL;

CREATE FUNCTION note_end_of_dead_letter() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = postpay, pg_temp AS $$
BEGIN
    UPDATE dead_letter
    SET closed_entry = CASE WHEN NEW.action <> 'reopen_dead_letter' THEN NEW.entry END
    WHERE dead_letter_id = NEW.subject;
    RETURN NULL;
END $$;
CREATE TRIGGER note_end_of_dead_letter AFTER INSERT ON operator_log
FOR EACH ROW WHEN (
    NEW.outcome = 'done' AND NEW.action IN ('redrive', 'close_dead_letter', 'reopen_dead_letter')
) EXECUTE FUNCTION note_end_of_dead_letter();

-- Who a message says it is from: its `source` as it is spelled there, also where the rest can't be read. A byte that is no plain
-- character is `\ooo`, a backslash two; what stands after the first 4 KiB is not looked for.
CREATE FUNCTION producer_of(raw bytea) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$
    -- What stands before it can't be it, and need not be spelled out.
    SELECT CASE WHEN position('"source"'::bytea IN substr(raw, 1, 4096)) > 0 THEN
        substring(
            encode(substr(substr(raw, 1, 4096), position('"source"'::bytea IN raw)), 'escape')
            FROM '"source"\s*:\s*"((?:[^"\\]|\\[0-7]{3}|\\\\.)*)"'
        )
    END
$$;
