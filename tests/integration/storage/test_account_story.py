"""The story of an account has exactly the shape that the commands' documentation promises."""

from dataclasses import replace
from datetime import date, timedelta

from settlement.dates import midnight
from settlement.messages import (
    MerchantActivity,
    MerchantRegistered,
    PayoutSucceeded,
    PurchaseReceived,
)
from storage import figures
from storage.stories.account import account_story
from storage.stories.merchant import merchant_story
from tests.integration.storage.settling import START, account, merchant
from tests.unit.settlement.builders import (
    deferred,
    in_instalments,
    opened,
    repaid,
)

BUYER, SHOP = account("buyer"), merchant("shop")


async def test_the_story_of_an_account_has_every_field(buyer):
    story = (await account_story(buyer.connection, "buyer")).document()
    assert {name: value for name, value in story.items() if not isinstance(value, list | dict)} == {
        "account_id": "buyer",
        "programme": "tmall",
        "status": "frozen",
        "currency": "CNY",
        "score": 700,
        "limit_minor": 100_000,
        "granted_minor": 100_000,
        "available_minor": 87_000,
        "held_minor": 13_000,
        "used_minor": 0,
        **dict.fromkeys(("customer_credit_minor", "payoff_minor", "charged_off_minor"), 0),
    }
    assert story["freeze_reasons"] == ["security"] and not any(story["owed"].values())
    assert story["orders"] == [
        {
            "order_id": "b-first",
            "merchant_id": "shop",
            "plan": {"kind": "trial", "days": 7},
            "status": "trial",
            "amount_minor": 10_000,
            "returned_minor": 0,
            "credited_minor": 0,
            "placed_at": START + timedelta(days=1),
            "obligations": [],
        },
        {
            "order_id": "a-second",
            "merchant_id": "shop",
            "plan": {"kind": "trial", "days": 14},
            "status": "held",
            "amount_minor": 3_000,
            "returned_minor": 0,
            "credited_minor": 0,
            "placed_at": START + timedelta(days=2),
            "obligations": [],
        },
    ]
    assert story["returns"] == [
        {
            "return_id": "return",
            "order_id": "b-first",
            "status": "awaiting_parcel",
            "amount_minor": 4_000,
            "reason": "no_longer_wanted",
        }
    ]
    assert (story["debits"], story["cash_outs"], story["other_obligations"]) == ([], [], [])
    assert len(story["history"]) == 6
    assert story["history"][0] == {
        "decided_at": START,
        "topic": "credit-line",
        "event_id": "event-0",
        "type": "credit_line.opened",
        "outcome": "applied",
        "reason": None,
    }


async def test_payouts_are_told_with_what_became_of_them(lane):
    await lane.send(BUYER, opened("kuaishou"), repaid(700))
    story = (await account_story(lane.connection, "buyer")).document()
    (payout,) = story["payouts"]
    requested_at = START + timedelta(days=1)
    assert {name: value for name, value in payout.items() if name != "payout_id"} == {
        "amount_minor": 700,
        "currency": "CNY",
        "route": "card",
        "reason": "overpayment",
        "source_id": None,
        "status": "requested",
        "requested_at": requested_at,
        "answered_at": None,
    }
    await lane.send(SHOP, MerchantRegistered("CNY", 1), MerchantActivity("CNY", 50, 0))
    await lane.settle(until=START + timedelta(days=5))
    first = (await figures.operations(lane.connection))[0]
    assert (first.open_payouts, first.oldest_open_payout_at) == (2, requested_at)
    answered_at = START + timedelta(days=6)
    await lane.settle([lane.message(PayoutSucceeded(payout["payout_id"]), BUYER, "result", answered_at)])
    (payout,) = (await account_story(lane.connection, "buyer")).document()["payouts"]
    assert (payout["status"], payout["answered_at"]) == ("succeeded", answered_at)
    (payout,) = (await merchant_story(lane.connection, "shop")).document()["payouts"]
    assert (payout["reason"], payout["amount_minor"], payout["status"]) == ("merchant_settlement", 50, "requested")
    first = (await figures.operations(lane.connection))[0]
    assert (first.open_payouts, first.oldest_open_payout_at) == (1, payout["requested_at"])


async def test_obligations_and_debits_are_told_with_their_order(lane):
    await lane.send(BUYER, opened("kuaishou"), deferred("order", 9_000), PurchaseReceived("order"), repaid(2_000))
    await lane.settle(until=START + timedelta(days=60))
    story = (await account_story(lane.connection, "buyer")).document()
    (order,) = story["orders"]
    (obligation,) = order["obligations"]
    assert {name: value for name, value in obligation.items() if name != "obligation_id"} == {
        "due_on": date(2026, 2, 1),
        "principal_minor": 9_000,
        "fee_minor": 0,
        "penalty_minor": 29 * 4,
        "paid_minor": 2_000,
        "status": "overdue",
    }
    debit, *asked_again = story["debits"]
    assert len(asked_again) == 4, "one for each week that nobody answers"
    assert {name: value for name, value in debit.items() if name != "debit_id"} == {
        "amount_minor": 7_000,
        "due_on": date(2026, 2, 1),
        "attempt": 1,
        "status": "requested",
    }
    assert story["owed"] == {"principal_minor": 7_000, "fee_minor": 0, "penalty_minor": 29 * 4}
    assert (order["status"], story["status"], story["freeze_reasons"]) == ("overdue", "frozen", ["overdue"])
    assert (story["limit_minor"], story["granted_minor"]) == (7_000, 100_000)
    assert {each["type"] for each in story["history"]} >= {"purchase.placed", "repayment.received"}
    first, *others = await figures.operations(lane.connection)
    assert (first.overdue_accounts, first.oldest_overdue_at) == (1, midnight(date(2026, 2, 2)))
    earned_minor, came_minor = first.platform["penalty_income", "CNY"], first.platform["gateway_clearing", "CNY"]
    assert (earned_minor, came_minor) == (29 * 4, 2_000)
    assert all((each.overdue_accounts, each.oldest_overdue_at, each.platform) == (0, None, {}) for each in others)
    assert not {"due_day"} & {each["type"] for each in story["history"]}, "history holds inputs only"


async def test_what_is_owed_for_no_order_is_told_apart(connection, lane):
    await lane.send(BUYER, opened())
    await connection.execute(
        "INSERT INTO obligation VALUES (0, 'buyer', 'o', 1, NULL, '2026-02-01', 'open', 700, 1, 2, 3, 0, 1, NULL)"
    )
    story = (await account_story(connection, "buyer")).document()
    assert story["orders"] == []
    assert story["other_obligations"] == [
        {
            "obligation_id": "o",
            "due_on": date(2026, 2, 1),
            "principal_minor": 700,
            "fee_minor": 1,
            "penalty_minor": 2,
            "paid_minor": 4,
            "status": "open",
        }
    ]


async def test_cash_outs_are_told_with_their_obligations_and_what_is_overdue_as_such(connection, lane):
    await lane.send(BUYER, opened("taobao"))
    await connection.execute("UPDATE account SET limit_minor = 90, granted_minor = 100")
    await connection.execute(
        """
        INSERT INTO obligation SELECT 0, 'buyer', name, no, NULL, due_on::date, status, 700, 0, 2, 0, 0, 1
        FROM (VALUES
            ('third', 1, '2026-05-10', 'open'),
            ('first', 2, '2026-03-10', 'overdue'),
            ('second', 3, '2026-04-10', 'open'),
            ('reversed', 4, '2026-04-02', 'overdue')
        ) AS made (name, no, due_on, status)
        """
    )
    for number, obligations in enumerate(('["third", "first"]', '["second"]'), start=1):
        await connection.execute(
            "INSERT INTO cash_out VALUES (0, 'buyer', $1, $2, 1400, now(), $3, 'f')",
            f"cash-out-{9 - number}",
            number,
            obligations,
        )
    story = (await account_story(connection, "buyer")).document()
    assert [
        (each["cash_out_id"], each["amount_minor"], [(part["obligation_id"], part["status"]) for part in parts])
        for each in story["cash_outs"]
        for parts in [each["obligations"]]
    ] == [
        ("cash-out-8", 1400, [("first", "overdue"), ("third", "open")]),
        ("cash-out-7", 1400, [("second", "open")]),
    ]
    (other,) = story["other_obligations"]
    assert other == {
        "obligation_id": "reversed",
        "due_on": date(2026, 4, 2),
        "principal_minor": 700,
        "fee_minor": 0,
        "penalty_minor": 2,
        "paid_minor": 1,
        "status": "overdue",
    }
    assert story["cash_outs"][0]["obligations"][0].keys() == other.keys()
    assert (story["limit_minor"], story["granted_minor"]) == (90, 100)


async def test_an_account_nobody_opened_has_no_story(connection):
    assert await account_story(connection, "nobody") is None


async def test_a_history_tells_every_outcome_in_its_order(lane):
    sent = lane.message(opened("kuaishou"), BUYER, "opened")
    repeated = [replace(sent, source=replace(sent.source, offset=offset)) for offset in (20, 21)]
    inputs = [
        sent,
        repeated[0],
        lane.message(deferred("o", 100), BUYER, "placed"),
        replace(repeated[1], fingerprint=b"another"),
        lane.message(PurchaseReceived("unknown"), BUYER, "waits"),
        lane.message(deferred("o", 100), BUYER, "placed again"),
    ]
    await lane.settle(inputs)
    await lane.settle([replace(repeated[1], source=replace(sent.source, offset=22))])
    late = lane.message(PurchaseReceived("never"), BUYER, "never", START + timedelta(hours=1))
    await lane.settle([late])
    await lane.settle(until=START + timedelta(hours=72))
    history = (await account_story(lane.connection, BUYER.id)).document()["history"]
    told = [(each["event_id"], each["outcome"], each["reason"]) for each in history]
    assert told[:5] == [
        ("opened", "applied", None),
        ("opened", "duplicate", None),
        ("placed", "applied", None),
        ("opened", "conflict", None),
        ("placed again", "duplicate", None),
    ]
    assert told[5:] == [
        ("opened", "duplicate", None),
        ("never", "parked", None),
        ("waits", "dead_lettered", "unmatched"),
    ]
    (waiting,) = [each for each in history if each["outcome"] == "parked"]
    since = START + timedelta(hours=1)
    assert (waiting["waits_for"], waiting["decided_at"], waiting["until"]) == (
        "order:never",
        since,
        since + timedelta(hours=72),
    )
    assert not [each for each in history if each is not waiting and "until" in each]


async def test_a_history_tells_of_records_with_its_key_that_were_not_understood(lane):
    await lane.settle([lane.message(opened("kuaishou"), BUYER, "opened")])
    for topic, key in (("purchase", b"buyer"), ("purchase", b"another"), ("merchant", b"buyer"), ("clock", b"buyer")):
        lane.rejected.append(replace(lane.reject(topic, b"{"), key=key))
        del lane.rejected[-2]
    await lane.settle([lane.message(deferred("o", 100), BUYER, "placed")])
    history = (await account_story(lane.connection, BUYER.id)).document()["history"]
    assert [(each["topic"], each["event_id"], each["outcome"], each["reason"]) for each in history] == [
        ("credit-line", "opened", "applied", None),
        ("purchase", "placed", "applied", None),
        ("purchase", None, "dead_lettered", "not_json"),
    ]


async def test_what_a_payoff_takes_now_is_told(lane):
    await lane.settle([lane.message(replace(opened("taobao"), card_linked=True), BUYER, "opened")])
    placed = lane.message(in_instalments("o", 9_000), BUYER, "placed")
    await lane.settle([placed, lane.message(PurchaseReceived("o"), BUYER, "received")])
    story = await account_story(lane.connection, BUYER.id)
    assert (story.owed.principal_minor, story.owed.fee_minor, story.payoff_minor) == (9_000, 162, 9_000)
    await lane.settle([lane.message(repaid(1, "tick"), BUYER, "tick", START + timedelta(days=31))])
    assert (await account_story(lane.connection, BUYER.id)).payoff_minor == 9_054 - 1
    paid = lane.message(repaid(9_053, "all", purpose="payoff"), BUYER, "payoff", START + timedelta(days=31))
    await lane.settle([paid])
    story = await account_story(lane.connection, BUYER.id)
    assert (story.owed.principal_minor + story.owed.fee_minor, story.payoff_minor) == (0, 0)


async def test_debits_that_nobody_answers_are_counted_with_their_age(lane):
    await lane.settle([lane.message(opened("kuaishou"), BUYER, "opened")])
    await lane.settle([lane.message(deferred("o", 100), BUYER, "placed")])
    await lane.settle([lane.message(PurchaseReceived("o"), BUYER, "received")])
    await lane.settle(until=START + timedelta(days=31))
    first = (await figures.operations(lane.connection))[0]
    (debit,) = (await account_story(lane.connection, BUYER.id)).debits
    assert (first.open_debits, first.oldest_open_debit_at) == (1, START + timedelta(days=29, hours=16))
    answer = repaid(100, "answer", debit_id=debit.debit_id)
    await lane.settle([lane.message(answer, BUYER, "answer", START + timedelta(days=31))])
    first = (await figures.operations(lane.connection))[0]
    assert (first.open_debits, first.oldest_open_debit_at) == (0, None)
