"""Stories have exactly the shape that the commands' documentation promises."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from settlement.batch import Settled
from settlement.decision import Decision, Outcome
from settlement.entities import CaseKind
from settlement.messages import (
    CaseClosed,
    CaseOpened,
    DepositRefundReviewed,
    LineFrozen,
    MerchantActivity,
    MerchantRegistered,
    PayoutSucceeded,
    PurchaseReceived,
    RepaymentReversed,
)
from settlement.terms import TermsBook
from settlement.timers import Timer, TimerKind
from storage import dead_letters, lanes, views
from storage.outbox import relayed
from storage.write import write
from tests.integration.storage.settling import START, StoredLane, Traffic, account, merchant
from tests.unit.settlement.builders import (
    cashed_out,
    deferred,
    deposited,
    opened,
    placed,
    refund_asked,
    repaid,
    returned,
)

BUYER, SHOP = account("buyer"), merchant("shop")


async def send(lane: StoredLane, party, *bodies) -> None:
    for number, body in enumerate(bodies):
        when = START + timedelta(days=number)
        await lane.settle([lane.message(body, party, f"event-{number}", when)])


@pytest.fixture
async def buyer(lane) -> StoredLane:
    await send(
        lane,
        BUYER,
        opened("tmall"),
        placed("b-first", 10_000),
        placed("a-second", 3_000, days=14),
        PurchaseReceived("b-first"),
        returned(4_000, order_id="b-first"),
        LineFrozen("security"),
    )
    return lane


async def test_the_story_of_an_account_has_every_field(buyer):
    story = await views.account_story(buyer.connection, "buyer")
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
        "customer_credit_minor": 0,
    }
    assert story["freeze_reasons"] == ["security"]
    assert story["owed"] == {"principal_minor": 0, "fee_minor": 0, "penalty_minor": 0}
    assert story["orders"] == [
        {
            "order_id": "b-first",
            "merchant_id": "shop",
            "plan": {"kind": "trial", "days": 7},
            "status": "trial",
            "amount_minor": 10_000,
            "returned_minor": 0,
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
    await send(lane, BUYER, opened("kuaishou"), repaid(700))
    story = await views.account_story(lane.connection, "buyer")
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
    await send(lane, SHOP, MerchantRegistered("CNY", 1), MerchantActivity("CNY", 50, 0))
    await lane.settle(until=START + timedelta(days=5))
    first = (await views.operations(lane.connection))[0]
    assert (first.open_payouts, first.oldest_open_payout_at) == (2, requested_at)
    answered_at = START + timedelta(days=6)
    await lane.settle([lane.message(PayoutSucceeded(payout["payout_id"]), BUYER, "result", answered_at)])
    (payout,) = (await views.account_story(lane.connection, "buyer"))["payouts"]
    assert (payout["status"], payout["answered_at"]) == ("succeeded", answered_at)
    (payout,) = (await views.merchant_story(lane.connection, "shop"))["payouts"]
    assert (payout["reason"], payout["amount_minor"], payout["status"]) == ("merchant_settlement", 50, "requested")
    first = (await views.operations(lane.connection))[0]
    assert (first.open_payouts, first.oldest_open_payout_at) == (1, payout["requested_at"])


async def test_obligations_and_debits_are_told_with_their_order(lane):
    await send(lane, BUYER, opened("kuaishou"), deferred("order", 9_000), PurchaseReceived("order"), repaid(2_000))
    await lane.settle(until=START + timedelta(days=60))
    story = await views.account_story(lane.connection, "buyer")
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
    (debit,) = story["debits"]
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
    assert not {"due_day"} & {each["type"] for each in story["history"]}, "history holds inputs only"


async def test_what_is_owed_for_no_order_is_told_apart(connection, lane):
    await send(lane, BUYER, opened())
    await connection.execute(
        "INSERT INTO obligation VALUES (0, 'buyer', 'o', 1, NULL, '2026-02-01', 'open', 700, 1, 2, 3, 0, 1, NULL)"
    )
    story = await views.account_story(connection, "buyer")
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
    await send(lane, BUYER, opened("taobao"))
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
    story = await views.account_story(connection, "buyer")
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


async def test_nobody_has_no_story(connection):
    assert await views.account_story(connection, "nobody") is None
    assert await views.merchant_story(connection, "nobody") is None
    assert await views.decision_story(connection, "purchase", "never") is None
    assert await dead_letters.dead_letter(connection, "purchase/0/0") is None


async def test_the_story_of_a_merchant_has_every_field(lane):
    await send(
        lane,
        SHOP,
        MerchantRegistered("CNY", 30),
        MerchantActivity("CNY", 12_000, 1),
        MerchantActivity("USD", 500, 0),
        deposited(),
        CaseOpened(CaseKind.PROMOTION, "spring"),
        CaseOpened(CaseKind.DISPUTE, "over"),
        CaseClosed(CaseKind.DISPUTE, "over"),
        refund_asked(),
    )
    story = await views.merchant_story(lane.connection, "shop")
    paid_at = START + timedelta(days=3)
    assert {name: value for name, value in story.items() if name not in {"history", "deposit_refunds"}} == {
        "merchant_id": "shop",
        "currency": "CNY",
        "registered_on": date(2026, 1, 1),
        "settlement_cycle_days": 30,
        "next_payout_at": datetime(2026, 1, 30, 16, tzinfo=UTC),
        "payable_minor": 12_000,
        "shop_balance_minor": 0,
        "balances": [
            {"currency": "CNY", "payable_minor": 12_000, "shop_balance_minor": 0, "deposit_minor": 50_000},
            {"currency": "USD", "payable_minor": 500, "shop_balance_minor": 0, "deposit_minor": 0},
        ],
        "deposits": [
            {
                "deposit_id": "deposit",
                "route": "alipay",
                "amount_minor": 50_000,
                "left_minor": 50_000,
                "paid_at": paid_at,
                "frozen_until": date(2026, 2, 3),
            }
        ],
        "payouts": [],
        "shop_withdrawals": [],
        "open": {"promotions": 1, "disputes": 0, "after_sales": 1, "violations": 0},
        "open_cases": [{"kind": "promotion", "case_id": "spring"}],
    }
    assert story["deposit_refunds"] == [
        {
            "request_id": "request",
            "deposit_id": "deposit",
            "amount_minor": 50_000,
            "refund_to": "original_route",
            "status": "declined",
            "reasons": ["promotion_active", "after_sale_open"],
            "urgent": False,
            "urgency": None,
            "reason": "closing",
            "contact": "contact",
            "requested_at": START + timedelta(days=7),
            "review_due_on": None,
            "opinion": None,
        }
    ]
    types = [each["type"] for each in story["history"]]
    assert "merchant_activity.recorded" not in types and len(types) == 6


async def test_the_story_of_a_merchant_tells_what_the_reviewer_wrote(lane):
    rejected = DepositRefundReviewed("request", "rejected", "goods are still on their way")
    await send(lane, SHOP, MerchantRegistered("CNY", 7), deposited(), refund_asked(), rejected)
    (request,) = (await views.merchant_story(lane.connection, "shop"))["deposit_refunds"]
    assert (request["status"], request["opinion"]) == ("rejected", "goods are still on their way")


async def test_the_story_of_a_decision_tells_postings_and_outputs(buyer):
    connection = buyer.connection
    story = await views.decision_story(connection, "purchase", "event-1")
    assert (story["outcome"], story["reason"], story["party_id"], story["lane"]) == ("applied", None, "buyer", 0)
    assert story["postings"] == [
        {"debit": "limit_held", "credit": "limit_available", "currency": "CNY", "amount_minor": 10_000}
    ]
    assert [each["type"] for each in story["outputs"]] == ["notification.requested"]
    assert len(story["outputs"][0]["event_id"]) == 36
    assert (story["repeats"], story["keys"]) == ([], ["buyer"])


async def test_the_stories_of_a_cash_out_and_of_a_reversal_tell_what_they_moved(lane):
    await send(
        lane,
        BUYER,
        replace(opened("taobao"), identity_verified=True),
        cashed_out(3_000),
        repaid(1_000),
        RepaymentReversed("repayment", "chargeback"),
    )
    story = await views.decision_story(lane.connection, "credit-line", "event-1")
    assert [(each["debit"], each["credit"], each["amount_minor"]) for each in story["postings"]] == [
        ("limit_used", "limit_available", 3_000),
        ("receivable", "payout_clearing", 3_000),
    ]
    assert [each["type"] for each in story["outputs"]] == ["payout.requested", "notification.requested"]
    story = await views.decision_story(lane.connection, "repayment", "event-3")
    assert [(each["debit"], each["credit"], each["amount_minor"]) for each in story["postings"]] == [
        ("receivable", "gateway_clearing", 1_000),
        ("limit_used", "limit_available", 1_000),
    ]
    assert (story["type"], story["reason"]) == ("repayment.reversed", None)
    shown = await views.account_story(lane.connection, "buyer")
    (cash_out,) = shown["cash_outs"]
    assert (cash_out["cash_out_id"], cash_out["amount_minor"]) == ("cash-out", 3_000)
    assert [(each["principal_minor"], each["paid_minor"]) for each in cash_out["obligations"]] == [(3_000, 0)]
    assert shown["other_obligations"] == []


async def test_the_story_of_a_decision_tells_all_reasons_and_its_repetitions(lane):
    await send(lane, SHOP, MerchantRegistered("CNY", 7), deposited(), CaseOpened(CaseKind.PROMOTION, "spring"))
    await send(lane, SHOP, MerchantActivity("CNY", 1, 1))
    asked = lane.message(refund_asked(), SHOP, "asked", START + timedelta(days=5))
    again = replace(asked, source=replace(asked.source, offset=9))
    conflict = replace(asked, source=replace(asked.source, offset=10), fingerprint=b"other")
    await lane.settle([asked, again, conflict])
    story = await views.decision_story(lane.connection, "deposit-refund-request", "asked")
    assert (story["outcome"], story["reason"]) == ("declined", "promotion_active")
    assert story["reasons"] == ["promotion_active", "after_sale_open"]
    assert [(each["outcome"], each["offset"]) for each in story["repeats"]] == [("duplicate", 9), ("conflict", 10)]


async def test_what_waits_and_what_is_dead_has_a_story_too(lane):
    await lane.settle([lane.message(PurchaseReceived("order"), BUYER, "event")])
    story = await views.decision_story(lane.connection, "purchase", "event")
    assert (story["outcome"], story["waits_for"]) == ("parked", "account:buyer")
    await lane.settle(until=START + timedelta(days=3))
    story = await views.decision_story(lane.connection, "purchase", "event")
    assert (story["outcome"], story["reason"], story["dead_letter_id"]) == (
        "dead_lettered",
        "unmatched",
        "purchase/0/0",
    )


async def test_what_repeats_or_contradicts_another_event_has_a_story_too(lane):
    await send(lane, BUYER, opened())
    again = [
        lane.message(opened(), BUYER, "repeated"),
        lane.message(opened(limit_minor=1), BUYER, "contradicts"),
        lane.message(opened(limit_minor=1), BUYER, "contradicts"),
    ]
    for message in again:
        await lane.settle([message])
    story = await views.decision_story(lane.connection, "credit-line", "repeated")
    assert (story["outcome"], story["party_id"], story["repeats"]) == ("duplicate", "buyer", [])
    story = await views.decision_story(lane.connection, "credit-line", "contradicts")
    assert (story["outcome"], story["type"], story["postings"]) == ("conflict", "credit_line.opened", [])
    assert [each["outcome"] for each in story["repeats"]] == ["conflict"]
    assert story["offset"] < story["repeats"][0]["offset"]


async def test_an_event_id_of_several_keys_names_them_and_tells_of_the_one_asked_for(lane):
    for name in ("one", "two"):
        await lane.settle([lane.message(opened(), account(name), "event")])
    story = await views.decision_story(lane.connection, "credit-line", "event")
    assert (story["party_id"], story["keys"]) == ("one", ["one", "two"])
    story = await views.decision_story(lane.connection, "credit-line", "event", "two")
    assert story["party_id"] == "two"
    assert await views.decision_story(lane.connection, "credit-line", "event", "three") is None


async def test_dead_letters_are_listed_newest_first_and_shown_with_all_there_is(lane):
    refused = lane.reject("purchase", b"\x00\xff", event_id="e", headers=(("trace", b"1"),))
    await lane.settle()
    failed = Settled(
        Decision(Outcome.DEAD_LETTERED, reason="internal_error"),
        START + timedelta(seconds=1),
        timer=Timer(BUYER, TimerKind.TRIAL_END, "order", START),
        detail="KeyError in fire\nTraceback …",
    )
    async with lane.connection.transaction():
        lock = await lanes.lock(lane.connection, 0, lane.claim.epoch)
        await write(lane.connection, replace(lane.nothing(lock), results=[failed]))
    timer, record = await dead_letters.dead_letters(lane.connection)
    assert (timer.letter, record.letter) == (failed.dead_letter, refused)
    assert (timer.lane, record.lane) == (0, 0)
    assert await dead_letters.dead_letters(lane.connection, reason="not_json") == [record]
    assert len(await dead_letters.dead_letters(lane.connection, limit=1)) == 1
    assert await dead_letters.dead_letter(lane.connection, "purchase/0/0") == record
    assert await dead_letters.dead_letter(lane.connection, failed.timer.timer_id) == timer


async def test_ledger_totals_balance_in_both_books(lane):
    traffic = Traffic(lane, accounts=20, merchants=3)
    await lane.settle(traffic.opening())
    await lane.settle(traffic.mixed(150))
    totals = await views.ledger_totals(lane.connection)
    assert {each.book for each in totals} == {"money", "limit"}
    by_account = {each.ledger_account.value: each.balance_minor for each in totals}
    assert by_account["limit_granted"] == 20 * 2_000_000
    assert by_account["limit_granted"] == sum(by_account[f"limit_{name}"] for name in ("available", "held", "used"))


async def test_inputs_are_counted_by_outcome(lane):
    sent = lane.message(opened("kuaishou"), BUYER, "event")
    lane.reject("purchase", b"not json")
    await lane.settle(
        [
            sent,
            replace(sent, source=replace(sent.source, offset=5)),
            lane.message(deferred("order", 1_000_000), BUYER, "declined"),
            lane.message(PurchaseReceived("other"), BUYER, "parked"),
        ]
    )
    assert await views.outcome_counts(lane.connection) == {
        "applied": 1,
        "dead_lettered": 1,
        "declined": 1,
        "duplicate": 1,
        "parked": 1,
    }


async def test_figures_of_every_lane_are_told(lane, database):
    lane.reject("purchase", b"not json")
    await lane.settle([lane.message(PurchaseReceived("order"), BUYER, "event")])
    await lane.settle()
    await relayed(lane.connection, 0, 1)
    first, *others = await views.operations(lane.connection)
    assert (first.lane, first.epoch, first.owner, first.batch_seq, first.relayed_batch_seq) == (0, 1, "test", 2, 1)
    assert (first.outbox_backlog, first.parked, first.dead_letters, first.timers_due) == (1, 1, 1, 0)
    assert first.positions == {"purchase": 2}
    assert [each.lane for each in others] == list(range(1, database.lanes))
    assert all((each.outbox_backlog, each.positions) == (0, {}) for each in others)


async def test_timers_are_due_by_the_lanes_time(connection, lane):
    timer = Timer(BUYER, TimerKind.DUE_DAY, "2026-01-01", START)
    lane.claim = await lanes.claim(connection, 0, "test")
    for lane_time, due in ((START - timedelta(seconds=1), 0), (START, 1)):
        async with connection.transaction():
            batch = lane.nothing(await lanes.lock(connection, 0, 1))
            batch.states[None].timer_changes.clear()
            states = {**batch.states}
            if not due:
                state = states[BUYER] = (await lane.read(lane.wanted([], [BUYER])))[BUYER]
                state.timer_changes[timer.kind, timer.subject_id] = timer
            await write(connection, replace(batch, states=states, lane_time=lane_time))
        assert (await views.operations(connection))[0].timers_due == due


async def test_the_terms_in_force_are_told_with_their_lanes(connection, database):
    (terms,) = await views.terms_in_force(connection)
    assert terms.document == TermsBook.builtin().document
    assert terms.lanes == tuple(range(database.lanes))
    assert terms.digest == TermsBook.builtin().digest
