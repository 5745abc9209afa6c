-- Who may do what. The roles themselves are made by sql/roles.sql.

GRANT USAGE ON SCHEMA postpay TO postpay_worker, postpay_auditor, postpay_ops;
GRANT SELECT ON ALL TABLES IN SCHEMA postpay TO postpay_worker, postpay_auditor, postpay_ops;

-- Never changed once written.
GRANT INSERT ON decision, posting, batch, outbox, receipt, dead_letter, terms, declined_subject TO postpay_worker;
GRANT INSERT, UPDATE ON
    lane_offset, activity_total, platform_balance,
    account, purchase_order, obligation, debit, return_request, repayment,
    merchant, merchant_balance, merchant_case, deposit, deposit_refund
    TO postpay_worker;
GRANT UPDATE ON lane, lane_relay, identity TO postpay_worker;
GRANT INSERT, UPDATE, DELETE ON timer, parked TO postpay_worker;

-- An operator accepts a gap in the input (docs/protocol.md).
GRANT INSERT, UPDATE ON lane_offset TO postpay_ops;

-- Workers empty old parts of the outbox; TRUNCATE on nothing else.
GRANT TRUNCATE ON outbox_turn_0, outbox_turn_1, outbox_turn_2, outbox_turn_3 TO postpay_worker;
