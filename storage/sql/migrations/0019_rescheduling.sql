-- Overdue debt that is owed anew in parts: which plan an obligation is a part of, and which cash-out it is owed for, so that
-- its parts are.

ALTER TABLE obligation
    ADD COLUMN plan_id text,
    ADD COLUMN cash_out_id text;
UPDATE obligation SET cash_out_id = cash_out.cash_out_id
FROM cash_out CROSS JOIN LATERAL jsonb_array_elements_text(cash_out.obligation_ids) AS named (obligation_id)
WHERE cash_out.lane = obligation.lane AND cash_out.account_id = obligation.account_id
    AND named.obligation_id = obligation.obligation_id;
