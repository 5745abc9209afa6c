"""Whatever is broken in the books is found by the audit."""

import pytest

from tests.integration.storage.settling import failed

BROKEN = {
    "a posting between the books": (
        (
            "UPDATE posting SET credit = 'limit_used' WHERE (lane, seq, n) = (SELECT lane, seq, n FROM posting"
            " WHERE debit = 'receivable' LIMIT 1)"
        ),
        {"debits equal credits", "balances are the sums of their postings", "hash chain"},
    ),
    "an account's balance": (
        "UPDATE account SET customer_credit_minor = customer_credit_minor + 1 WHERE account_id = 'buyer-000001'",
        {"balances are the sums of their postings", "trial balance"},
    ),
    "two balances of an account, so that the sum is right": (
        (
            "UPDATE account SET available_minor = available_minor - 7, held_minor = held_minor + 7"
            " WHERE ctid = (SELECT ctid FROM account WHERE available_minor >= 7 LIMIT 1)"
        ),
        {"balances are the sums of their postings", "held is promised to orders"},
    ),
    "a merchant's balance": (
        "UPDATE merchant_balance SET payable_minor = payable_minor + 1 WHERE merchant_id = 'shop-0001' AND lane = 0",
        {"balances are the sums of their postings", "trial balance"},
    ),
    "a balance of the platform": (
        (
            "UPDATE platform_balance SET balance_minor = balance_minor + 1"
            " WHERE ledger_account = 'merchant_transit' AND lane = 0"
        ),
        {"balances are the sums of their postings", "trial balance", "merchant transit is what is in flight"},
    ),
    "a discount that was not given": (
        (
            "UPDATE purchase_order SET credited_minor = 1 WHERE ctid = (SELECT ctid FROM purchase_order"
            " WHERE status = 'held' LIMIT 1)"
        ),
        {"orders cost less by their discounts"},
    ),
    "money in suspense": (
        (
            "INSERT INTO suspense_entry SELECT 0, 'nobody', 'r-1', 5, 'CNY', 'external', 'account', NULL, NULL, 'e',"
            " now(), now(), '\\x00'"
        ),
        {"money in suspense is what was not released"},
    ),
    "an amount posted": (
        (
            "UPDATE posting SET amount_minor = amount_minor + 1 WHERE (lane, seq, n) = (SELECT"
            " lane, seq, n FROM posting"
            " WHERE debit = 'receivable' LIMIT 1)"
        ),
        {"balances are the sums of their postings", "hash chain"},
    ),
    "a posting removed": (
        (
            "DELETE FROM posting WHERE (lane, seq, n) = (SELECT lane, seq, n FROM posting WHERE debit = 'receivable'"
            " LIMIT 1)"
        ),
        {"balances are the sums of their postings", "hash chain"},
    ),
    "what was decided": (
        "UPDATE decision SET outcome = 'declined' WHERE (lane, seq) = (0, 5)",
        {"hash chain"},
    ),
    "an input's content": (
        "UPDATE decision SET raw = 'something else' WHERE (lane, seq) = (0, 5)",
        {"hash chain"},
    ),
    "the reasons of a decision": (
        "UPDATE decision SET reasons = 'overdue' WHERE (lane, seq) = (0, 5)",
        {"hash chain"},
    ),
    "the hash of a batch": (
        "UPDATE batch SET chain_hash = sha256('other') WHERE (lane, batch_seq) = (0, 3)",
        {"hash chain"},
    ),
    "the hash of the lane": (
        "UPDATE lane SET chain_hash = sha256('other') WHERE lane = 0",
        {"hash chain"},
    ),
    "a decision removed": (
        (
            "DELETE FROM decision WHERE lane = 0 AND seq = (SELECT max(seq) FROM decision WHERE lane = 0 AND kind ="
            " 'timer')"
        ),
        {"hash chain", "batches and decisions without a hole"},
    ),
    "an event decided twice": (
        (
            "UPDATE decision SET event_id = first.event_id, topic = first.topic, party_id ="
            " first.party_id FROM decision"
            " first WHERE (first.lane, first.seq) = (0, 5) AND (decision.lane, decision.seq) = (0, 6)"
        ),
        {"hash chain", "one decision per event"},
    ),
    "an event_id taken twice": (
        (
            "UPDATE receipt SET holds_event_id = true WHERE ctid = (SELECT ctid FROM receipt WHERE"
            " outcome = 'duplicate'"
            " LIMIT 1)"
        ),
        {"one decision per event"},
    ),
    "a record with two outcomes": (
        (
            "UPDATE receipt SET record_offset = first.record_offset FROM decision first WHERE (first.lane, first.seq) ="
            " (0, 5) AND receipt.ctid = (SELECT ctid FROM receipt WHERE topic = first.topic LIMIT 1)"
        ),
        {"one outcome per input record"},
    ),
    "a record without an outcome": (
        "DELETE FROM receipt WHERE ctid = (SELECT ctid FROM receipt LIMIT 1)",
        {"every input record has its outcome"},
    ),
    "a parked input lost": (
        "DELETE FROM parked WHERE ctid = (SELECT ctid FROM parked LIMIT 1)",
        {"every input record has its outcome", "parked inputs have a deadline"},
    ),
    "a deadline lost": (
        "DELETE FROM timer WHERE ctid = (SELECT ctid FROM timer WHERE kind = 'parking_expiry' LIMIT 1)",
        {"parked inputs have a deadline"},
    ),
    "a position set back": (
        "UPDATE lane_offset SET next_offset = 1 WHERE topic = 'purchase' AND lane = 0",
        {"offsets only move on", "every input record has its outcome"},
    ),
    "a batch that went back": (
        (
            "UPDATE batch SET next_offsets = array_fill(0::bigint, ARRAY[cardinality(next_offsets)]) WHERE (lane,"
            " batch_seq) = (0, 4)"
        ),
        {"offsets only move on"},
    ),
    "a batch removed": (
        "DELETE FROM batch WHERE (lane, batch_seq) = (0, 4)",
        {"batches and decisions without a hole", "hash chain"},
    ),
    "a limit beside its parts": (
        "UPDATE account SET limit_minor = limit_minor + 1 WHERE account_id = 'buyer-000001'",
        {"limit = available + held + used", "balances are the sums of their postings", "trial balance"},
    ),
    "more accepted than the limit": (
        (
            "UPDATE account SET limit_minor = held_minor + used_minor - 5, available_minor = -5"
            " WHERE account_id = 'buyer-000001'"
        ),
        {"nothing accepted beyond the limit", "balances are the sums of their postings"},
    ),
    "an obligation's principal": (
        (
            "UPDATE obligation SET principal_minor = principal_minor + 1 WHERE ctid = (SELECT ctid FROM obligation"
            " WHERE status = 'open' LIMIT 1)"
        ),
        {"obligations are what is owed and used", "orders agree with their obligations"},
    ),
    "an open obligation called paid": (
        (
            "UPDATE obligation SET status = 'paid' WHERE ctid = (SELECT ctid FROM obligation WHERE status = 'open'"
            " LIMIT 1)"
        ),
        {"obligations are open while something of them is", "orders agree with their obligations"},
    ),
    "a paid obligation called charged off": (
        (
            "UPDATE obligation SET status = 'charged_off' WHERE ctid ="
            " (SELECT ctid FROM obligation WHERE status = 'paid' LIMIT 1)"
        ),
        {"obligations are open while something of them is"},
    ),
    "more charged off of an obligation than of its account": (
        (
            "UPDATE obligation SET charged_off_fee_minor = 1, fee_minor = fee_minor + 1 WHERE ctid ="
            " (SELECT ctid FROM obligation WHERE status = 'overdue' LIMIT 1)"
        ),
        {"obligations are what is owed and used"},
    ),
    "more recovered than was charged off": (
        "UPDATE account SET recovered_minor = 1 WHERE account_id = 'buyer-000001'",
        {
            "no more is recovered than was charged off",
            "balances are the sums of their postings",
            "trial balance",
        },
    ),
    "an obligation lost": (
        (
            "DELETE FROM obligation WHERE ctid = (SELECT obligation.ctid FROM obligation JOIN repayment"
            " ON shares ->> 0 LIKE obligation_id || ' %' WHERE status = 'paid' AND obligation.order_id IS NOT NULL"
            " LIMIT 1)"
        ),
        {"orders agree with their obligations", "repayments are what they paid"},
    ),
    "a limit above what is granted": (
        (
            "UPDATE account SET granted_minor = granted_minor - 1 WHERE ctid = (SELECT ctid FROM account"
            " WHERE limit_minor = granted_minor LIMIT 1)"
        ),
        {"the limit is what is granted"},
    ),
    "limit reclaimed of a line with nothing overdue": (
        (
            "UPDATE account SET granted_minor = granted_minor + 1 WHERE ctid = (SELECT ctid FROM account"
            " WHERE freeze_reasons = '[]' LIMIT 1)"
        ),
        {"the limit is what is granted"},
    ),
    "what is open past its due date": (
        (
            "UPDATE obligation SET due_on = due_on - 400 WHERE ctid = (SELECT obligation.ctid FROM obligation"
            " JOIN purchase_order USING (lane, account_id, order_id)"
            " WHERE obligation.status = 'open' AND asks = '[]' AND NOT exhausted AND open_return_ids = '[]'"
            " AND NOT EXISTS (SELECT FROM timer WHERE party_id = obligation.account_id AND kind = 'debit') LIMIT 1)"
        ),
        {"what is past due is overdue", "whatever is due is asked for"},
    ),
    "what is due and asked for no more": (
        (
            "UPDATE obligation SET asks = '[]', exhausted = false WHERE ctid = (SELECT obligation.ctid FROM obligation"
            " JOIN lane USING (lane) JOIN purchase_order USING (lane, account_id, order_id)"
            " WHERE obligation.status = 'overdue' AND open_return_ids = '[]'"
            " AND NOT EXISTS (SELECT FROM timer WHERE party_id = obligation.account_id AND kind = 'debit') LIMIT 1)"
        ),
        {"whatever is due is asked for"},
    ),
    "a line that works while something is overdue": (
        (
            "UPDATE account SET freeze_reasons = '[]', cleared_at = NULL WHERE programme = 'tmall' AND account_id ="
            " (SELECT account_id FROM obligation JOIN account USING (account_id) WHERE status = 'overdue'"
            " AND programme = 'tmall' LIMIT 1)"
        ),
        {"lines are frozen while something is overdue"},
    ),
    "a line that waits to be restored and works": (
        (
            "UPDATE account SET cleared_at = now() WHERE ctid = (SELECT ctid FROM account"
            " WHERE freeze_reasons = '[]' LIMIT 1)"
        ),
        {"lines are frozen while something is overdue"},
    ),
    "a line frozen as overdue for nothing": (
        (
            "UPDATE account SET freeze_reasons = '[\"overdue\"]' WHERE ctid = (SELECT ctid FROM account"
            " WHERE freeze_reasons = '[]' LIMIT 1)"
        ),
        {"lines are frozen while something is overdue"},
    ),
    "an overdue obligation called open": (
        (
            "UPDATE obligation SET status = 'open' WHERE obligation_id = (SELECT min(obligation_id) FROM obligation"
            " JOIN account USING (account_id) WHERE status = 'overdue' AND cleared_at IS NULL GROUP BY account_id"
            " HAVING count(*) = 1 LIMIT 1)"
        ),
        {
            "lines are frozen while something is overdue",
            "orders agree with their obligations",
            "what is past due is overdue",
        },
    ),
    "an overdue order called owed": (
        (
            "UPDATE purchase_order SET status = 'owed' WHERE ctid = (SELECT ctid FROM purchase_order"
            " WHERE status = 'overdue' LIMIT 1)"
        ),
        {"orders agree with their obligations"},
    ),
    "penalties beyond what was overdue": (
        (
            "UPDATE obligation SET overdue_principal_minor = penalty_minor - 1 WHERE ctid = (SELECT ctid"
            " FROM obligation WHERE penalty_minor > 0 LIMIT 1)"
        ),
        {"penalties stay within what was overdue"},
    ),
    "an overdue obligation that never fell overdue": (
        (
            "UPDATE obligation SET overdue_principal_minor = NULL WHERE ctid = (SELECT ctid FROM obligation"
            " WHERE status = 'overdue' LIMIT 1)"
        ),
        {"penalties stay within what was overdue"},
    ),
    "what a repayment left as credit": (
        (
            "UPDATE repayment SET credit_minor = credit_minor + 1 WHERE ctid = (SELECT ctid FROM repayment"
            " WHERE shares <> '[]' LIMIT 1)"
        ),
        {"repayments are what they paid"},
    ),
    "what a repayment paid on": (
        (
            "UPDATE repayment SET shares = jsonb_build_array('nothing' || substr(shares ->> 0, 37)) WHERE ctid ="
            " (SELECT ctid FROM repayment WHERE jsonb_array_length(shares) = 1 LIMIT 1)"
        ),
        {"repayments are what they paid"},
    ),
    "a cash-out's amount": (
        "UPDATE cash_out SET amount_minor = amount_minor + 1 WHERE cash_out_id = 'first'",
        {"cash-outs are what they are owed as"},
    ),
    "a cash-out that nothing is owed for": (
        "UPDATE cash_out SET obligation_ids = '[]' WHERE cash_out_id = 'first'",
        {"cash-outs are what they are owed as"},
    ),
    "two cash-outs owed as one": (
        (
            "UPDATE cash_out SET obligation_ids = other.obligation_ids, amount_minor = other.amount_minor"
            " FROM cash_out AS other WHERE cash_out.cash_out_id = 'first' AND other.cash_out_id = 'second'"
        ),
        {"cash-outs are what they are owed as"},
    ),
    "an order called settled": (
        (
            "UPDATE purchase_order SET status = 'settled' WHERE ctid = (SELECT ctid FROM purchase_order WHERE status ="
            " 'owed' LIMIT 1)"
        ),
        {"orders agree with their obligations"},
    ),
    "a held order called cancelled": (
        (
            "UPDATE purchase_order SET status = 'cancelled' WHERE ctid = (SELECT ctid FROM"
            " purchase_order WHERE status ="
            " 'held' LIMIT 1)"
        ),
        {"held is promised to orders"},
    ),
    "an open case forgotten": (
        "UPDATE merchant SET open_promotions = open_promotions + 1 WHERE merchant_id = 'shop-0001'",
        {"merchants agree with their cases and deposits"},
    ),
    "a deposit": (
        "UPDATE deposit SET left_minor = left_minor - 1 WHERE ctid = (SELECT ctid FROM deposit LIMIT 1)",
        {"merchants agree with their cases and deposits", "deposits agree with their refunds"},
    ),
    "a refund in progress forgotten": (
        "UPDATE deposit SET open_request_id = 'r' WHERE ctid = (SELECT ctid FROM deposit LIMIT 1)",
        {"deposits agree with their refunds"},
    ),
    "a withdrawal forgotten": (
        "DELETE FROM shop_withdrawal WHERE withdrawal_id = 'kept'",
        {"shop balances are what came and was not withdrawn"},
    ),
    "a withdrawal that failed withdrawn all the same": (
        "UPDATE merchant_payout SET status = 'requested' WHERE reason = 'shop_withdrawal' AND status = 'failed'",
        {"shop balances are what came and was not withdrawn", "payouts on their way are what is not answered"},
    ),
    "a payment of an approved refund forgotten": (
        "DELETE FROM timer WHERE kind = 'deposit_payment'",
        {"what is approved is paid when the freeze ends"},
    ),
    "a payment of a refund that is not approved": (
        "UPDATE deposit_refund SET status = 'awaiting_review' WHERE request_id = 'waits'",
        {"what is approved is paid when the freeze ends"},
    ),
    "a merchant's payout called answered": (
        (
            "UPDATE merchant_payout SET status = 'succeeded' WHERE ctid = (SELECT ctid FROM merchant_payout"
            " WHERE status = 'requested' LIMIT 1)"
        ),
        {"payouts on their way are what is not answered"},
    ),
    "a payout of an account lost": (
        (
            "DELETE FROM account_payout WHERE ctid = (SELECT ctid FROM account_payout"
            " WHERE status = 'requested' AND reason <> 'cash_out' LIMIT 1)"
        ),
        {"payouts on their way are what is not answered"},
    ),
    "a cash-out that failed owed all the same": (
        (
            "UPDATE account_payout SET status = 'requested' WHERE ctid = (SELECT ctid FROM account_payout"
            " WHERE reason = 'cash_out' AND status = 'failed' LIMIT 1)"
        ),
        {"payouts on their way are what is not answered", "cash-outs are what they are owed as"},
    ),
    "a payout date forgotten": (
        "DELETE FROM timer WHERE ctid = (SELECT ctid FROM timer WHERE kind = 'merchant_payout' LIMIT 1)",
        {"what is payable to merchants has its payout date"},
    ),
    "a payout date of nothing": (
        (
            "INSERT INTO timer SELECT lane, 'merchant', merchant_id, 'merchant_payout', 'merchant', now()"
            " FROM merchant WHERE registered_on IS NULL LIMIT 1"
        ),
        {"what is payable to merchants has its payout date"},
    ),
    "activity received twice": (
        (
            "UPDATE activity_total SET received_messages = received_messages + 1, received_minor = received_minor + 5"
            " WHERE lane = 0"
        ),
        {"merchant transit is what is in flight"},
    ),
    "an account on two lanes": (
        (
            "INSERT INTO account SELECT 2 AS lane, account_id, programme, currency, opened_at, fingerprint, score,"
            " card_linked, identity_verified, '[]', lifted_freezes, closed_at, 0, 0, 0, 0, 0, 0, 0, 0, 0"
            " FROM account WHERE account_id = 'buyer-000001'"
        ),
        {"every party on one lane"},
    ),
    "a re-routed record settled at home too": (
        (
            "INSERT INTO receipt SELECT 2 AS lane, topic, partition, record_offset, batch_seq, party_kind, party_id,"
            " event_id, event_hash, fingerprint, type, occurred_at, decided_at, outcome, false, raw"
            " FROM receipt LIMIT 1"
        ),
        {"re-routed records have one outcome", "every input record has its outcome"},
    ),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_what_is_broken_is_found(books, what):
    statement, expected = BROKEN[what]
    connection = books.connection
    await connection.execute("SET session_replication_role = replica")  # triggers don't fire: as a superuser could
    status = await connection.execute(statement)
    assert int(status.split()[-1]) >= 1, "nothing was broken"
    assert set(await failed(connection)) == expected


async def test_a_finding_says_what_was_expected_and_what_was_found(books):
    connection = books.connection
    await connection.execute("UPDATE account SET customer_credit_minor = 99 WHERE account_id = 'buyer-000003'")
    detail = (await failed(connection))["balances are the sums of their postings"]
    assert detail == ("lane 0, customer_credit of buyer-000003 in CNY: expected 0, the sum of its postings; found 99")
