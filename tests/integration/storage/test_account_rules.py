"""Every rule of accounts finds in Postgres what it needs: a story settled there ends as it does in memory."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from settlement.entities import Account, AccountPayout, Appeal, CashOut, Debit, Obligation, Order, Repayment, Return
from settlement.messages import (
    AppealDecided,
    BillInstalmentRequested,
    CardLinked,
    CardUnlinked,
    CloseRequested,
    ExtensionRequested,
    PayoutFailed,
    PayoutSucceeded,
    PurchaseReceived,
    RepaymentFailed,
    RepaymentReversed,
    ReturnWithdrawn,
    UnfreezeRequested,
)
from settlement.statuses import PayoutStatus
from storage.audit import audit
from storage.load import ReadSet
from tests.unit.settlement.builders import (
    BUYER,
    Lane,
    at,
    cashed_out,
    complained,
    deferred,
    in_instalments,
    intact,
    lowered,
    on_statement,
    opened,
    placed,
    repaid,
    returned,
    reviewed,
)


def failed(due_on: date) -> Callable[[Lane], RepaymentFailed]:
    """The debit requested for a date fails, retryably."""
    return lambda lane: RepaymentFailed(lane.requested_for(due_on).debit_id, "no funds", retryable=True)


def of_payout(answer: Callable[[str], PayoutSucceeded | PayoutFailed]):
    """What is told of the latest payout that is open."""

    def told(lane: Lane) -> PayoutSucceeded | PayoutFailed:
        payouts = lane.states[BUYER].each(AccountPayout)
        is_open = [each for each in payouts if each.status is PayoutStatus.REQUESTED]
        return answer(max(is_open, key=lambda each: each.no).payout_id)

    return told


SUCCEEDED = of_payout(PayoutSucceeded)
FAILED = of_payout(lambda payout_id: PayoutFailed(payout_id, "card closed"))

STORIES = {
    "a lowered, extended trial with a complaint": [
        ("2026-01-01", opened()),
        ("2026-01-02", placed(amount_minor=10_000)),
        ("2026-01-03", placed("other", 5_000)),
        ("2026-01-03", CardUnlinked()),
        ("2026-01-04", lowered(8_000)),
        ("2026-01-05", PurchaseReceived("order")),
        ("2026-01-05", PurchaseReceived("other")),
        ("2026-01-06", ExtensionRequested("order", 7)),
        ("2026-01-07", complained(3_000)),
        ("2026-01-08", complained(1_000, "kept")),
        ("2026-01-09", intact()),
        ("2026-01-10", reviewed("approved")),
        ("2026-01-11", ReturnWithdrawn("kept")),
        ("2026-01-19 00:00", None),
        ("2026-01-19 01:00", failed(date(2026, 1, 19))),
        ("2026-01-19 02:00", lowered(7_000)),
        ("2026-01-20 01:00", repaid(1_000)),
    ],
    "two instalment orders, a return and payments": [
        ("2026-01-01", opened("taobao")),
        ("2026-01-02", in_instalments(amount_minor=10_000, periods=12)),
        ("2026-01-02", in_instalments("other", 5_000)),
        ("2026-01-05", PurchaseReceived("order")),
        ("2026-01-05", PurchaseReceived("other")),
        ("2026-01-06", repaid(1_000)),
        ("2026-01-07", returned(4_000)),
        ("2026-01-08", intact()),
        ("2026-01-09", lowered(4_500, "other")),
        ("2026-02-10 00:00", None),
        ("2026-02-10 01:00", failed(date(2026, 2, 10))),
        ("2026-02-11 00:00", None),
        ("2026-02-12", CloseRequested()),
        ("2026-02-12", repaid(20_000, "everything", purpose="payoff")),
        ("2026-02-13", CloseRequested()),
    ],
    "an overdue order with penalties, paid late, and the payment taken back": [
        ("2026-01-01", opened("kuaishou")),
        ("2026-01-02", deferred(amount_minor=9_000)),
        ("2026-01-02", deferred("other", 4_000, days=60)),
        ("2026-01-05", PurchaseReceived("order")),
        ("2026-01-05", PurchaseReceived("other")),
        ("2026-01-10", repaid(2_000, "early")),
        ("2026-01-29 00:00", None),
        ("2026-02-02 00:00", None),
        ("2026-02-05 00:00", None),
        ("2026-02-03 12:00", repaid(7_500, "late")),
        ("2026-02-06", RepaymentReversed("early", "chargeback")),
        ("2026-02-06", RepaymentReversed("early", "chargeback")),
        ("2026-02-09 00:00", None),
        ("2026-02-10", RepaymentReversed("late", "chargeback")),
        ("2026-02-12 00:00", None),
        ("2026-02-12", repaid(20_000, "everything")),
        ("2026-02-13", CloseRequested()),
        ("2026-02-14", RepaymentReversed("everything", "chargeback")),
        ("2026-02-18 00:00", None),
    ],
    "cash-outs that fall overdue, and an appeal": [
        ("2026-01-01", replace(opened("taobao"), identity_verified=True)),
        ("2026-01-02", cashed_out(3_000, "first")),
        ("2026-01-02", cashed_out(3_000, "first")),
        ("2026-01-02", cashed_out(2_000, "second")),
        ("2026-02-12 00:00", None),
        ("2026-02-12", AppealDecided("appeal", "upheld", "not at fault")),
        ("2026-02-12", AppealDecided("appeal", "upheld", "not at fault")),
        ("2026-02-13", repaid(5_010)),
        ("2026-02-14", cashed_out(1_000, "third")),
    ],
    "payouts that fail: an overpayment, a refund, and an overdue cash-out of which some was repaid": [
        ("2026-01-01", replace(opened("taobao"), identity_verified=True)),
        ("2026-01-02", repaid(700, "too early")),
        ("2026-01-03", FAILED),
        ("2026-01-04", on_statement(amount_minor=5_000)),
        ("2026-01-05", PurchaseReceived("order")),
        ("2026-01-06", repaid(4_300, "order")),
        ("2026-01-07", cashed_out(3_000, "first")),
        ("2026-02-12 00:00", None),
        ("2026-02-13", repaid(1_000, "some")),
        ("2026-02-14", FAILED),
        ("2026-02-15", RepaymentReversed("some", "chargeback")),
        ("2026-02-20 00:00", None),
        ("2026-02-21", repaid(8_000, "all")),
        ("2026-02-22", SUCCEEDED),
    ],
    "money that comes back pays what is overdue, goes to another card, and leaves with the line": [
        ("2026-01-01", opened("kuaishou")),
        ("2026-01-02", repaid(700, "taken back")),
        ("2026-01-03", RepaymentReversed("taken back", "chargeback")),
        ("2026-01-05 00:00", None),
        ("2026-01-06", FAILED),
        ("2026-01-07", repaid(300, "rest and more")),
        ("2026-01-08", FAILED),
        ("2026-01-09", CardUnlinked()),
        ("2026-01-10", CardLinked()),
        ("2026-01-11", FAILED),
        ("2026-01-12", CloseRequested()),
        ("2026-01-13", SUCCEEDED),
    ],
    "a bill in instalments, one overdue, and a request to lift the freeze": [
        ("2026-01-01", opened("douyin")),
        ("2026-01-02", on_statement(amount_minor=9_000)),
        ("2026-01-03", on_statement("other", 3_000)),
        ("2026-01-20", repaid(1_000, "part")),
        ("2026-02-02", BillInstalmentRequested(date(2026, 2, 6), 3)),
        ("2026-03-07 00:00", None),
        ("2026-03-08", returned(1_000, order_id="other")),
        ("2026-03-09", repaid(5_000)),
        ("2026-03-10", RepaymentReversed("part", "chargeback")),
        ("2026-03-11", UnfreezeRequested()),
        ("2026-03-25 00:00", None),
        ("2026-03-26", repaid(30_000, "everything", purpose="payoff")),
        ("2026-05-26", UnfreezeRequested()),
    ],
    "nobody says anything": [
        ("2026-01-01", opened("tmall")),
        ("2026-01-02", placed(amount_minor=10_000)),
        ("2026-01-03", returned(2_000)),
        ("2026-01-17 00:00", None),
        ("2026-01-18 00:00", None),
        ("2026-01-21 00:00", None),
        ("2026-01-25 00:00", None),
    ],
}
"""What is sent when, in Shanghai; None only lets time pass, and a function makes a message of what came before."""

KINDS = (Account, Order, Obligation, Debit, Return, Repayment, CashOut, Appeal, AccountPayout)


@pytest.mark.parametrize("story", STORIES)
async def test_a_story_settled_in_postgres_ends_as_it_does_in_memory(story, lane):
    memory = Lane()
    names = {kind: set() for kind in KINDS}
    for number, (when, told) in enumerate(STORIES[story]):
        if told is None:
            memory.tick(when)
            await lane.settle(until=at(when))
        else:
            body = told(memory) if callable(told) else told
            sent = lane.message(body, BUYER, f"event-{number}", at(when))
            memory.settle(sent)
            await lane.settle([sent])
        for kind in KINDS:
            names[kind] |= {each.entity_id for each in memory.states[BUYER].each(kind)}
    named = {(kind, each) for kind in KINDS for each in names[kind]}
    state = (await lane.read(ReadSet(parties={BUYER}, entities={BUYER: named})))[BUYER]
    for kind in KINDS:
        found = {each.entity_id: each for each in state.each(kind)}
        assert found == {each.entity_id: each for each in memory.states[BUYER].each(kind)}
    assert lane.loads == len(STORIES[story]), "a batch was loaded twice: what it needed was not to be foreseen"
    assert [check for check in await audit(lane.connection) if not check.ok] == []
