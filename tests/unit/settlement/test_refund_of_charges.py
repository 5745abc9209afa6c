"""Fees and penalties that were paid for what is taken back, and money that is taken back after that."""

from collections import Counter

from settlement.entities import Order
from settlement.ledger import LedgerAccount
from settlement.messages import PurchaseCancelled, PurchaseReceived, RepaymentReversed
from settlement.outputs import AutoDebitRequested, PayoutRequested
from settlement.statuses import ObligationStatus, OrderStatus
from tests.unit.settlement.builders import (
    Lane,
    complained,
    in_instalments,
    intact,
    lane_with_line,
    on_statement,
    repaid,
    reviewed,
)
from tests.unit.settlement.owing import lane_owing


def lane_with_charges_paid() -> Lane:
    """A lane on which of an order that never came a fee of 54, a penalty of 2 and 100 of the principal are paid."""
    lane = lane_with_line("douyin")
    lane.send("2026-01-31", in_instalments(amount_minor=9_000))
    lane.tick("2026-02-07 12:00")
    lane.send("2026-02-07 13:00", repaid(156))
    first = lane.obligations[0]
    assert (first.paid_fee_minor, first.paid_penalty_minor, first.paid_principal_minor) == (54, 2, 100)
    return lane


def money(lane: Lane) -> tuple[int, int, int, int]:
    """Used limit, and what is receivable of principal, fees and penalties."""
    account = lane.account
    return (
        account.used_minor,
        account.receivable_minor,
        account.fee_receivable_minor,
        account.penalty_receivable_minor,
    )


def test_cancelling_gives_back_fee_and_penalty_out_of_what_they_earned():
    lane = lane_with_charges_paid()
    decision = lane.send("2026-02-07 14:00", PurchaseCancelled("order", "never sent"))
    assert [(each.reason, each.amount_minor) for each in lane.outputs(PayoutRequested)] == [("order_refund", 156)]
    gone: Counter[tuple[LedgerAccount, str]] = Counter()
    for posting in decision.postings:
        gone[posting.debit, posting.currency] += posting.amount_minor
        gone[posting.credit, posting.currency] -= posting.amount_minor
    assert gone[LedgerAccount.FEE_INCOME, "CNY"] == 3 * 54
    assert gone[LedgerAccount.PENALTY_INCOME, "CNY"] == 2
    assert gone[LedgerAccount.MERCHANT_TRANSIT, "CNY"] == 9_000
    assert gone[LedgerAccount.PAYOUT_CLEARING, "CNY"] == -156
    assert {currency for _, currency in gone} == {"CNY"}
    assert money(lane) == (0, 0, 0, 0)


def test_cancelling_gives_back_as_much_of_charges_as_of_the_principal():
    lane = lane_with_line("douyin")
    lane.send("2026-01-31", on_statement(amount_minor=10_000))
    lane.tick("2026-02-07 00:00")
    lane.send("2026-02-07 09:00", repaid(10))
    lane.send("2026-02-07 10:00", PurchaseCancelled("order", "never sent"))
    assert [each.amount_minor for each in lane.outputs(PayoutRequested)] == [10]


def test_a_repayment_of_charges_that_were_given_back_is_owed_anew_as_money_not_as_charges():
    lane = lane_with_charges_paid()
    lane.send("2026-02-07 14:00", PurchaseCancelled("order", "never sent"))
    lane.send("2026-02-07 15:00", RepaymentReversed("repayment", "taken back"))
    assert money(lane) == (156, 156, 0, 0)
    (again,) = [each for each in lane.obligations if each.open_minor]
    assert (again.order_id, again.principal_minor) == (None, 156)


def test_an_order_stays_settled_when_money_is_taken_back_that_was_refunded_already():
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", in_instalments(amount_minor=9_000))
    lane.send("2026-01-05", PurchaseReceived("order"))
    for repayment_id in ("first", "second", "third"):
        lane.send("2026-01-06", repaid(3_054, repayment_id))
    lane.send("2026-01-07", complained(3_000))
    lane.send("2026-01-07", reviewed("approved"))
    lane.send("2026-01-08", intact())
    assert [each.amount_minor for each in lane.outputs(PayoutRequested)] == [3_000]
    lane.send("2026-01-09", RepaymentReversed("third", "taken back"))
    assert lane.get(Order, "order").status is OrderStatus.SETTLED
    of_order = [each.status for each in lane.obligations if each.order_id == "order"]
    assert of_order == [ObligationStatus.PAID, ObligationStatus.PAID, ObligationStatus.RETURNED]
    assert lane.account.used_minor == 3_000


def test_what_a_return_left_paid_is_debited_when_its_money_is_taken_back():
    lane = lane_owing(10_000)
    lane.send("2026-01-10", repaid(4_000, "early"))
    lane.tick("2026-02-01 00:00")
    assert lane.requested.amount_minor == 6_000
    lane.send("2026-02-01 08:00", complained(6_000, order_id="a"))
    lane.send("2026-02-01 09:00", reviewed("approved"))
    lane.send("2026-02-01 10:00", intact())
    assert lane.obligations[0].status is ObligationStatus.PAID
    lane.send("2026-02-01 11:00", RepaymentReversed("early", "taken back"))
    lane.tick("2026-02-02 00:00")
    assert [each.amount_minor for each in lane.outputs(AutoDebitRequested)] == [4_000]
