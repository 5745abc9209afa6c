-- Debt that was given up: what was charged off of each obligation and account, and what came in of it later.

ALTER TABLE account
    ADD COLUMN charged_off_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN recovered_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN charged_off_at timestamptz,
    ADD COLUMN charged_off_no bigint NOT NULL DEFAULT 0;

ALTER TABLE obligation
    ADD COLUMN charged_off_principal_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN charged_off_fee_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN charged_off_penalty_minor bigint NOT NULL DEFAULT 0;

ALTER TABLE repayment ADD COLUMN recovered_minor bigint NOT NULL DEFAULT 0;
