-- Payouts to merchants on their settlement cycle, counted from the registration date. What has been payable to merchants
-- from before goes out once at the next 00:00 of the lane's time, then on their payout dates.

ALTER TABLE merchant ADD COLUMN cycle_from date;

INSERT INTO timer (lane, party_kind, party_id, kind, subject_id, due_at)
SELECT merchant.lane, 'merchant', merchant.merchant_id, 'merchant_payout', 'merchant',
    (date_trunc('day', lane.lane_time AT TIME ZONE 'Asia/Shanghai') + interval '1 day') AT TIME ZONE 'Asia/Shanghai'
FROM merchant
INNER JOIN merchant_balance USING (lane, merchant_id, currency)
INNER JOIN lane USING (lane)
WHERE merchant.registered_on IS NOT NULL AND merchant_balance.payable_minor > 0;
