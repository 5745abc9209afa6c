"""Repayments: allocation, left-overs, late and double successes."""

from datetime import date

import pytest

from settlement.decision import Outcome
from settlement.entities import Order
from settlement.ledger import LedgerAccount, Posting
from settlement.messages import PurchaseReceived, RepaymentFailed
from settlement.outputs import AutoDebitCancelled, AutoDebitRequested, LimitReleased, PayoutRequested
from settlement.statuses import DebitStatus, ObligationStatus, OrderStatus
from tests.unit.settlement.builders import (
    Lane,
    deferred,
    in_instalments,
    lane_with_line,
    repaid,
    without_notices,
)


def lane_owing(*amounts_minor: int, limit_minor: int = 100_000) -> Lane:
    """A lane on which orders `a`, `b`, … are owed, due on 1, 2, … February 2026."""
    lane = lane_with_line("kuaishou", limit_minor)
    for day, (order_id, amount_minor) in enumerate(zip("abcdef", amounts_minor, strict=False), start=2):
        lane.send(f"2026-01-{day:02}", deferred(order_id, amount_minor))
        lane.send(f"2026-01-{day:02}", PurchaseReceived(order_id))
    return lane


def test_a_repayment_pays_the_earliest_due_date_first():
    lane = lane_owing(1_000, 2_000, 3_000)
    lane.send("2026-01-10", repaid(2_500))
    assert [each.open_minor for each in lane.obligations] == [0, 500, 3_000]
    assert [each.status for each in lane.obligations][:2] == [ObligationStatus.PAID, ObligationStatus.OPEN]
    assert lane.get(Order, "a").status is OrderStatus.SETTLED
    assert lane.outputs() == [
        LimitReleased("buyer", "a", 1_000, "CNY", "repaid", 95_000, 100_000),
        LimitReleased("buyer", "b", 1_500, "CNY", "repaid", 96_500, 100_000),
    ]
    assert lane.limits() == (100_000, 96_500, 0, 3_500)


def test_within_one_obligation_penalty_and_fee_come_before_principal():
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", in_instalments(amount_minor=9_000))
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.tick("2026-02-11 00:00")
    (owed, *_) = lane.obligations
    assert (owed.penalty_minor, owed.fee_minor, owed.principal_minor) == (2, 54, 3_000)
    for amount_minor, paid in ((1, (1, 0, 0)), (50, (2, 49, 0)), (100, (2, 54, 95))):
        lane.send("2026-02-11 09:00", repaid(amount_minor, f"of {amount_minor}"))
        owed = lane.obligations[0]
        assert (owed.paid_penalty_minor, owed.paid_fee_minor, owed.paid_principal_minor) == paid


def test_an_order_repayment_pays_that_order_only():
    lane = lane_owing(1_000, 2_000)
    lane.send("2026-01-10", repaid(2_500, order_id="b"))
    assert [each.open_minor for each in lane.obligations] == [1_000, 0]
    assert lane.account.customer_credit_minor == 500
    assert lane.outputs(PayoutRequested) == []


def test_over_payment_goes_out_when_nothing_is_owed():
    lane = lane_owing(1_000)
    decision = lane.send("2026-01-10", repaid(1_500))
    payout = lane.outputs(PayoutRequested)[0]
    assert (payout.amount_minor, payout.route, payout.reason, payout.payee_id) == (500, "card", "overpayment", "buyer")
    assert lane.account.customer_credit_minor == 0
    assert Posting(LedgerAccount.CUSTOMER_CREDIT, LedgerAccount.PAYOUT_CLEARING, "CNY", 500) in decision.postings


def test_holds_do_not_count_as_owed():
    lane = lane_owing(1_000)
    lane.send("2026-01-09", deferred("held", 5_000))
    lane.send("2026-01-10", repaid(1_500))
    assert lane.outputs(PayoutRequested)[0].amount_minor == 500


def test_money_for_nothing_goes_out_at_once():
    lane = lane_with_line()
    assert lane.send("2026-01-02", repaid(700)).outcome is Outcome.APPLIED
    assert lane.outputs(PayoutRequested)[0].amount_minor == 700


def test_credit_waits_while_something_is_owed_and_goes_out_when_the_last_of_it_is_paid():
    lane = lane_owing(1_000, 2_000)
    lane.send("2026-01-10", repaid(2_500, order_id="b"))
    lane.send("2026-01-11", repaid(1_000, "second", order_id="a"))
    assert lane.outputs(PayoutRequested)[0].amount_minor == 500


def test_a_repayment_for_an_order_that_is_only_held_becomes_credit():
    lane = lane_owing(1_000)
    lane.send("2026-01-09", deferred("held", 5_000))
    lane.send("2026-01-10", repaid(300, order_id="held"))
    assert lane.account.customer_credit_minor == 300
    assert lane.limits() == (100_000, 94_000, 5_000, 1_000)


def test_a_repayment_id_is_taken_once():
    lane = lane_owing(1_000)
    assert lane.send("2026-01-10", repaid(100)).outcome is Outcome.APPLIED
    assert lane.send("2026-01-10", repaid(100)).outcome is Outcome.DUPLICATE
    assert lane.send("2026-01-10", repaid(101)).outcome is Outcome.CONFLICT
    assert lane.account.receivable_minor == 900


def test_another_currency_is_declined_and_the_id_stays_free():
    lane = lane_owing(1_000)
    assert lane.send("2026-01-10", repaid(100, currency="USD")).reason == "currency_mismatch"
    assert lane.send("2026-01-10", repaid(100)).outcome is Outcome.APPLIED


def test_a_repayment_waits_for_the_order_or_debit_it_names():
    lane = lane_owing(1_000)
    assert lane.send("2026-01-10", repaid(100, "x", order_id="nowhere")).waits_for == "order:nowhere"
    assert lane.send("2026-01-10", repaid(100, "y", debit_id="nowhere")).waits_for == "debit:nowhere"
    assert lane.account.receivable_minor == 1_000


def test_what_is_paid_for_an_order_that_was_declined_becomes_credit():
    lane = lane_owing(1_000)
    assert lane.send("2026-01-09", deferred("dear", 1_000_000)).outcome is Outcome.DECLINED
    assert lane.send("2026-01-10", repaid(300, order_id="dear")).outcome is Outcome.APPLIED
    assert (lane.account.receivable_minor, lane.account.customer_credit_minor) == (1_000, 300)


def test_what_is_paid_for_an_order_that_is_declined_later_goes_out_when_nothing_is_owed():
    lane = lane_with_line("kuaishou", 100_000)
    assert lane.send("2026-01-09", repaid(300, order_id="dear")).outcome is Outcome.PARKED
    lane.send("2026-01-10", deferred("dear", 1_000_000))
    assert [each.decision.outcome for each in lane.last] == [Outcome.DECLINED, Outcome.APPLIED]
    assert [(body.amount_minor, body.reason) for body in lane.outputs(PayoutRequested)] == [(300, "overpayment")]


def lane_debited(*amounts_minor: int) -> Lane:
    lane = lane_owing(*amounts_minor)
    lane.tick("2026-02-01 00:00")
    return lane


def test_a_successful_debit_pays_what_it_asked_for():
    lane = lane_debited(1_000, 2_000)
    debit_id = lane.requested.debit_id
    lane.send("2026-02-01 09:00", repaid(1_000, debit_id=debit_id))
    assert lane.notices() == ["debit_made"]
    assert lane.debits[0].status is DebitStatus.SUCCEEDED
    assert [each.open_minor for each in lane.obligations] == [0, 2_000]
    assert lane.outputs(AutoDebitCancelled) == []


def test_a_debit_pays_its_own_obligations_and_then_any_whatever_the_purpose():
    lane = lane_owing(1_000, 2_000)
    lane.tick("2026-02-01 00:00")
    lane.tick("2026-02-02 00:00")
    second = lane.requested_for(date(2026, 2, 2))
    lane.send("2026-02-02 09:00", repaid(2_300, order_id="b", debit_id=second.debit_id))
    assert [each.open_minor for each in lane.obligations] == [701, 0]  # with a penalty of 1, charged after the request
    amounts = [(body.amount_minor, body.due_on) for body in lane.outputs(AutoDebitRequested)]
    assert amounts == [(701, date(2026, 2, 1))]
    released = [(body.order_id, body.amount_minor) for body in lane.outputs(LimitReleased)]
    assert released == [("a", 300), ("b", 2_000)]


def test_what_a_partial_success_leaves_is_debited_at_the_next_midnight():
    lane = lane_debited(1_000)
    lane.send("2026-02-01 09:00", repaid(400, debit_id=lane.requested.debit_id))
    assert lane.outputs(AutoDebitRequested) == []
    lane.tick("2026-02-02 00:00")
    (request,) = lane.outputs(AutoDebitRequested)
    assert (request.amount_minor, request.attempt, request.reason) == (600, 1, "due")


@pytest.mark.parametrize("double", [False, True])
def test_a_debit_that_succeeds_after_all_was_paid_leaves_an_over_payment(double):
    lane = lane_debited(1_000)
    debit_id = lane.requested.debit_id
    lane.send("2026-02-01 08:00", repaid(1_000, "first", debit_id=debit_id if double else None))
    assert lane.debits[0].status is (DebitStatus.SUCCEEDED if double else DebitStatus.CANCELLED)
    assert lane.send("2026-02-01 09:00", repaid(1_000, "second", debit_id=debit_id)).outcome is Outcome.APPLIED
    assert lane.debits[0].status is DebitStatus.SUCCEEDED
    (payout,) = without_notices(lane.outputs())
    assert (payout.amount_minor, payout.reason) == (1_000, "overpayment")
    assert lane.account.customer_credit_minor == lane.account.receivable_minor == 0


def test_a_failed_debit_may_succeed_late_and_is_not_retried_then():
    lane = lane_debited(1_000)
    debit_id = lane.requested.debit_id
    lane.send("2026-02-01 08:00", RepaymentFailed(debit_id, "timeout", retryable=True))
    lane.send("2026-02-01 09:00", repaid(1_000, debit_id=debit_id))
    assert lane.debits[0].status is DebitStatus.SUCCEEDED
    lane.tick("2026-02-02 00:00")
    assert lane.outputs() == []


def test_a_first_attempt_that_succeeds_late_cancels_the_second():
    lane = lane_debited(1_000)
    first = lane.requested.debit_id
    lane.send("2026-02-01 08:00", RepaymentFailed(first, "timeout", retryable=True))
    lane.tick("2026-02-02 00:00")
    second = lane.requested.debit_id
    lane.send("2026-02-01 23:00", repaid(1_000, debit_id=first))
    assert lane.outputs(AutoDebitCancelled) == [AutoDebitCancelled("buyer", second, "repaid")]
    assert [each.status for each in lane.debits] == [DebitStatus.SUCCEEDED, DebitStatus.CANCELLED]


def test_a_repayment_before_receipt_of_nothing_owed_does_not_change_holds():
    lane = lane_with_line("kuaishou", 10_000)
    lane.send("2026-01-02", deferred(amount_minor=10_000))
    lane.send("2026-01-03", repaid(10_000))
    assert lane.limits() == (10_000, 0, 10_000, 0)
    assert lane.outputs(PayoutRequested)[0].amount_minor == 10_000
