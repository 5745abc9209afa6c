-- What shops have set for themselves, as each lane knows it: every lane keeps a copy of its own.

CREATE TABLE shop_settings (
    lane integer NOT NULL,
    merchant_id text NOT NULL,
    enabled boolean NOT NULL,
    plans jsonb NOT NULL,
    max_order_minor bigint,
    currency text NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (lane, merchant_id)
);
COMMENT ON COLUMN shop_settings.plans IS 'JSON list of texts; a kind alone stands for all plans of it.';

GRANT SELECT ON shop_settings TO postpay_worker, postpay_auditor, postpay_ops;
GRANT INSERT, UPDATE ON shop_settings TO postpay_worker;
