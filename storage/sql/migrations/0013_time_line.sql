-- What happened to an obligation and when, debits that ask for amounts, and what late money needs to know. Rows from before
-- have no changes: what was paid of them counts as paid before everything. Of what was ever overdue, the first penalty of its
-- last time tells when it fell; when that ended is taken to be when the account last was overdue.

ALTER TABLE account
    ADD COLUMN overdue_since timestamptz,
    ADD COLUMN paid_until timestamptz,
    ADD COLUMN penalty_noticed_on date,
    ADD COLUMN penalty_unnoticed_minor bigint NOT NULL DEFAULT 0;
UPDATE account SET overdue_since = opened_at WHERE freeze_reasons ? 'overdue';

ALTER TABLE obligation
    ADD COLUMN split_no bigint NOT NULL DEFAULT 0,
    ADD COLUMN lowered_bps bigint,
    ADD COLUMN falls jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN changes jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN paid_at timestamptz,
    ADD COLUMN asks jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN exhausted boolean NOT NULL DEFAULT false;
UPDATE obligation SET falls = jsonb_build_array(concat_ws(
    ' ',
    to_char(
        split_part(penalty_runs ->> 0, ' ', 1)::date::timestamp AT TIME ZONE 'Asia/Shanghai' AT TIME ZONE 'UTC',
        'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'
    ),
    '40',
    coalesce(overdue_principal_minor, 0),
    CASE WHEN obligation.status <> 'overdue' THEN
        to_char(
            coalesce(overdue_until, opened_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'
        )
    END
))
FROM account
WHERE account.lane = obligation.lane AND account.account_id = obligation.account_id AND penalty_runs <> '[]';
-- A run of no days was how a fall was noted.
UPDATE obligation SET penalty_runs = penalty_runs - 0
WHERE split_part(penalty_runs ->> 0, ' ', 2) = '0';
-- What a requested debit asked for is what is open now: whatever lowered it has cancelled it.
UPDATE obligation SET asks = jsonb_build_array(concat_ws(
    ' ',
    debit.debit_id,
    CASE debit.status WHEN 'failed' THEN 'retry' ELSE 'standing' END,
    penalty_minor - paid_penalty_minor,
    fee_minor - paid_fee_minor,
    principal_minor - paid_principal_minor
))
FROM debit
WHERE debit.lane = obligation.lane AND debit.account_id = obligation.account_id AND debit.debit_id = obligation.debit_id
    AND debit.status IN ('requested', 'failed');
-- What is overdue and was not asked for any more is asked for with the next due day, or when a card is linked.
UPDATE obligation SET exhausted = true WHERE status = 'overdue' AND asks = '[]';
-- squawk-ignore ban-drop-column
ALTER TABLE obligation DROP COLUMN debit_id, DROP COLUMN debit_on;
-- Lanes wait while the index is built: little is paid twice, or ever overdue.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX obligation_paid ON obligation (lane, account_id, paid_at) WHERE paid_at IS NOT NULL;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX obligation_fallen ON obligation (lane, account_id) WHERE falls <> '[]';

ALTER TABLE debit
    ADD COLUMN requested_at timestamptz,
    ADD COLUMN requested_rank bigint NOT NULL DEFAULT 0,
    ADD COLUMN unanswered_at timestamptz;

ALTER TABLE repayment
    ADD COLUMN counts_at timestamptz,
    ADD COLUMN counts_rank bigint NOT NULL DEFAULT 0,
    ADD COLUMN own_first boolean NOT NULL DEFAULT true,
    ADD COLUMN due_by date,
    ADD COLUMN reinstated boolean NOT NULL DEFAULT false;
