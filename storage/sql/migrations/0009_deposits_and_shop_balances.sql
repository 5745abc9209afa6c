-- What merchants take out of their shop balances, and the escalation of deposit refunds that wait for too long. Requests from
-- before that wait already are escalated in time, those that have waited too long at the next 00:00 of the lane's time.

CREATE TABLE shop_withdrawal (
    lane integer NOT NULL,
    merchant_id text NOT NULL,
    withdrawal_id text NOT NULL,
    no bigint NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    requested_at timestamptz NOT NULL,
    fingerprint bytea NOT NULL,
    PRIMARY KEY (lane, merchant_id, withdrawal_id)
);

GRANT SELECT ON shop_withdrawal TO postpay_worker, postpay_auditor, postpay_ops;
GRANT INSERT, UPDATE ON shop_withdrawal TO postpay_worker;

INSERT INTO timer (lane, party_kind, party_id, kind, subject_id, due_at)
SELECT
    request.lane, 'merchant', request.merchant_id, late.kind, request.request_id,
    greatest(late.day, (lane.lane_time AT TIME ZONE 'Asia/Shanghai')::date + 1)::timestamp AT TIME ZONE 'Asia/Shanghai'
FROM deposit_refund AS request
INNER JOIN deposit USING (lane, merchant_id, deposit_id)
INNER JOIN lane USING (lane)
CROSS JOIN LATERAL (
    VALUES
        ('deposit_review_late', request.review_due_on + 1),
        ('deposit_unpaid', (deposit.paid_at AT TIME ZONE 'Asia/Shanghai')::date + 90)
) AS late (kind, day)
WHERE request.status = 'awaiting_review' OR (request.status = 'approved' AND late.kind = 'deposit_unpaid');
