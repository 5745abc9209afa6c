-- What the operators' page looks for: orders, returns, debits and payouts by their ids alone, and what waits for a second
-- person. Filters over ranges of pages, as of decisions: a tree over each would cost every batch more.

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX purchase_order_search ON purchase_order
USING brin (order_id text_bloom_ops (n_distinct_per_range = 256, false_positive_rate = 0.001))
WITH (pages_per_range = 16, autosummarize = on);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX return_request_search ON return_request
USING brin (return_id text_bloom_ops (n_distinct_per_range = 256, false_positive_rate = 0.001))
WITH (pages_per_range = 16, autosummarize = on);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX debit_search ON debit
USING brin (debit_id text_bloom_ops (n_distinct_per_range = 256, false_positive_rate = 0.001))
WITH (pages_per_range = 16, autosummarize = on);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX account_payout_search ON account_payout
USING brin (payout_id text_bloom_ops (n_distinct_per_range = 256, false_positive_rate = 0.001))
WITH (pages_per_range = 16, autosummarize = on);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX merchant_payout_search ON merchant_payout
USING brin (payout_id text_bloom_ops (n_distinct_per_range = 256, false_positive_rate = 0.001))
WITH (pages_per_range = 16, autosummarize = on);

-- What follows an entry; and a request is decided once, so that no two people carry it out.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX operator_log_follows ON operator_log (follows) WHERE follows IS NOT NULL;
-- squawk-ignore require-concurrent-index-creation
CREATE UNIQUE INDEX operator_log_decided ON operator_log (follows)
WHERE action = 'refuse_approval' OR (action = 'approve' AND outcome = 'intended');

CREATE FUNCTION require_second_person() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = postpay, pg_temp AS $$
DECLARE
    request operator_log;
BEGIN
    SELECT * INTO request FROM operator_log WHERE entry = NEW.follows;
    IF request.action IS DISTINCT FROM 'request_approval' THEN
        RAISE EXCEPTION 'entry % is no request for an approval', NEW.follows USING ERRCODE = 'check_violation';
    END IF;
    IF request.operator = NEW.operator THEN
        RAISE EXCEPTION '% may not decide on a request of their own', NEW.operator USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER require_second_person BEFORE INSERT ON operator_log FOR EACH ROW
WHEN (NEW.action = 'refuse_approval' OR (NEW.action = 'approve' AND NEW.outcome = 'intended'))
EXECUTE FUNCTION require_second_person();
