"""The audit finds nothing in sound books, and whatever is broken in broken ones."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from settlement.messages import (
    DepositRefundReviewed,
    MerchantActivity,
    MerchantRegistered,
    PayoutFailed,
    PurchaseReceived,
    RepaymentReversed,
    ShopWithdrawalRequested,
)
from settlement.outputs import PayoutRequested
from storage import lanes
from storage.audit import audit
from storage.write import write
from tests.integration.storage.settling import START, StoredLane, Traffic, account, merchant
from tests.unit.settlement.builders import cashed_out, deposited, opened, refund_asked, repaid

NAMES = {
    "debits equal credits",
    "balances are the sums of their postings",
    "one decision per event",
    "one outcome per input record",
    "every input record has its outcome",
    "limit = available + held + used",
    "the limit is what is granted",
    "nothing accepted beyond the limit",
    "obligations are what is owed and used",
    "obligations are open while something of them is",
    "orders agree with their obligations",
    "lines are frozen while something is overdue",
    "penalties stay within what was overdue",
    "repayments are what they paid",
    "cash-outs are what they are owed as",
    "held is promised to orders",
    "merchants agree with their cases and deposits",
    "deposits agree with their refunds",
    "shop balances are what came and was not withdrawn",
    "what is approved is paid when the freeze ends",
    "payouts on their way are what is not answered",
    "what is payable to merchants has its payout date",
    "parked inputs have a deadline",
    "batches and decisions without a hole",
    "offsets only move on",
    "trial balance",
    "every party on one lane",
    "re-routed records have one outcome",
    "merchant transit is what is in flight",
    "hash chain",
}


async def cashing(lane: StoredLane) -> None:
    """A buyer takes out cash twice, pays one of it back, and the bank takes the payment back; once more in vain."""
    buyer = account("cashing")
    bodies = (
        replace(opened("taobao"), identity_verified=True),
        cashed_out(3_000, "first"),
        cashed_out(2_000, "second"),
        repaid(4_000, "reversed"),
        RepaymentReversed("reversed", "chargeback"),
        repaid(9_000, "too much"),
    )
    for number, body in enumerate(bodies):
        await lane.settle([lane.message(body, buyer, f"cashing-{number}", START + timedelta(minutes=number))])
    (settled,) = await lane.settle([lane.message(cashed_out(500, "third"), buyer, "third", START + timedelta(hours=1))])
    (payout,) = [each.body for each in settled.decision.outputs if isinstance(each.body, PayoutRequested)]
    failed_ = PayoutFailed(payout.payout_id, "card closed")
    await lane.settle([lane.message(failed_, buyer, "failed", START + timedelta(hours=2))])


async def depositing(lane: StoredLane, now: datetime) -> None:
    """A merchant has a deposit moved to its shop balance and takes some of it out, once in vain; another one waits."""
    shop = merchant("depositing")
    bodies = (
        (MerchantRegistered("CNY", 30), now),
        (deposited("first"), now - timedelta(days=40)),
        (refund_asked("to-shop", deposit_id="first", refund_to="shop_balance"), now),
        (DepositRefundReviewed("to-shop", "approved", "fine"), now),
        (deposited("second"), now),
        (refund_asked("waits", deposit_id="second"), now),
        (DepositRefundReviewed("waits", "approved", "fine"), now),
        (ShopWithdrawalRequested("kept", 20_000, "CNY"), now),
    )
    for number, (body, occurred_at) in enumerate(bodies):
        await lane.settle([lane.message(body, shop, f"depositing-{number}", occurred_at)])
    (settled,) = await lane.settle([lane.message(ShopWithdrawalRequested("back", 5_000, "CNY"), shop, "back", now)])
    (payout,) = [each.body for each in settled.decision.outputs if isinstance(each.body, PayoutRequested)]
    await lane.settle([lane.message(PayoutFailed(payout.payout_id, "account closed"), shop, "failed", now)])


@pytest.fixture
async def books(connection) -> StoredLane:
    """Two months of a small platform's lane, and a little on another one."""
    lane = StoredLane(connection)
    traffic = Traffic(lane, accounts=30, merchants=4)
    await lane.settle(traffic.opening())
    await cashing(lane)
    for _ in range(14):
        lane.reject("purchase", b"not json")
        traffic.take_over(await lane.settle(traffic.mixed(60)))
        traffic.now += timedelta(days=4)
        traffic.take_over(await lane.settle(until=traffic.now))
    await lane.settle([lane.message(PurchaseReceived("unknown"), account("buyer-000001"), "parked", traffic.now)])
    sale = MerchantActivity("CNY", 5, 0)
    await lane.settle([lane.message(sale, merchant(name), "sale", traffic.now) for name in ("shop-0001", "unknown")])
    await depositing(lane, traffic.now)
    other = StoredLane(connection, number=1)
    await other.settle([other.message(opened(), account("elsewhere"), "event")])
    return lane


async def failed(connection) -> dict[str, str]:
    return {check.name: check.detail for check in await audit(connection) if not check.ok}


async def test_sound_books_pass_every_check(books):
    connection = books.connection
    seen = []
    checks = await audit(connection, seen.append)
    assert {check.name: check.detail for check in checks if not check.ok} == {}
    assert {check.name for check in checks} == NAMES == set(seen)
    kinds = await connection.fetch("SELECT DISTINCT kind || '/' || outcome AS what FROM decision")
    assert {row["what"] for row in kinds} == {"input/applied", "input/declined", "timer/applied"}
    tables = ("receipt", "dead_letter", "parked", "debit", "return_request", "repayment", "deposit", "merchant_case")
    for table in tables:
        assert await connection.fetchval(f"SELECT count(*) FROM {table}"), f"no {table} was looked at"
    late = "SELECT DISTINCT programme FROM obligation JOIN account USING (account_id) WHERE status = 'overdue'"
    assert {row["programme"] for row in await connection.fetch(late)} == {"kuaishou", "tmall"}
    assert await connection.fetchval("SELECT count(*) FROM cash_out") == 3
    assert await connection.fetchval("SELECT count(*) FROM repayment WHERE reversed_at IS NOT NULL") == 1


async def test_an_empty_database_passes_every_check(connection):
    assert await failed(connection) == {}


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
    "what is due and asked for no more": (
        (
            "UPDATE obligation SET asks = '[]', exhausted = false WHERE ctid = (SELECT obligation.ctid FROM obligation"
            " JOIN lane USING (lane) JOIN purchase_order USING (lane, account_id, order_id)"
            " WHERE obligation.status = 'overdue' AND open_return_ids = '[]'"
            " AND NOT EXISTS (SELECT FROM timer WHERE party_id = obligation.account_id AND kind = 'debit') LIMIT 1)"
        ),
        {"whatever is due is asked for"},
    ),
    "a retry that nothing will bring about": (
        (
            "UPDATE timer SET kind = 'restore', subject_id = 'account' WHERE ctid = (SELECT timer.ctid FROM timer"
            " JOIN obligation ON asks ->> 0 LIKE subject_id || ' retry %' WHERE kind = 'debit_retry' LIMIT 1)"
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
        {"lines are frozen while something is overdue", "orders agree with their obligations"},
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


async def test_a_record_without_an_outcome_is_counted_where_it_was_settled(connection, lane):
    """A batch that says it settled a record of which nothing is known."""
    lane.claim = await lanes.claim(connection, 0, "test")
    async with connection.transaction():
        lock = await lanes.lock(connection, 0, 1)
        batch = replace(lane.nothing(lock), positions={"purchase": lanes.Position(4, None)}, counts={"purchase": 4})
        await write(connection, batch)
    assert await failed(connection) == {
        "every input record has its outcome": (
            "lane 0, topic purchase: expected 4 outcomes before offset 4; found 0 outcomes, the last at offset "
        )
    }


async def test_rerouted_records_are_counted_under_the_topic_they_came_by(connection, lane):
    traffic = Traffic(lane, accounts=1, merchants=0)
    (sent,) = traffic.opening()
    foreign = replace(sent, source=replace(sent.source, partition=5, offset=77))
    lane.claim = await lanes.claim(connection, 0, "test")
    original = lane.batch

    def came_rerouted(*arguments):
        return replace(original(*arguments), positions={"rerouted": lanes.Position(1, None)}, counts={"rerouted": 1})

    lane.batch = came_rerouted
    await lane.settle([foreign])
    assert await failed(connection) == {}


async def test_the_audit_reads_only(books):
    await books.connection.execute("SET default_transaction_read_only = on")
    await audit(books.connection)
