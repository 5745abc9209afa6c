"""Repayments that come late, and what they undo: docs/rules.md, Overdue."""

from settlement.entities import Order
from settlement.messages import (
    PurchaseReceived,
    RepaymentFailed,
    RepaymentReversed,
)
from settlement.outputs import (
    AutoDebitCancelled,
    AutoDebitRequested,
    LimitRestored,
    PayoutRequested,
)
from settlement.statuses import ObligationStatus, OrderStatus
from tests.unit.settlement.builders import (
    at,
    careful_rules,
    complained,
    in_instalments,
    intact,
    lane_with_line,
    on_statement,
    repaid,
    reviewed,
)
from tests.unit.settlement.owing import lane_on_statement, lane_overdue, lane_owing, notice


def test_a_repayment_made_before_the_due_date_was_over_undoes_penalty_freeze_and_reclaim():
    lane = lane_overdue(10_000, until="2026-02-04 12:00")
    assert lane.account.penalty_receivable_minor == 15
    lane.send("2026-02-01 23:59", repaid(10_000))
    assert lane.limits() == (100_000, 100_000, 0, 0)
    assert lane.account.freeze_reasons == ()
    assert lane.account.overdue_until is None
    assert lane.obligations[0].penalty_minor == 0
    assert lane.obligations[0].status is ObligationStatus.PAID
    assert lane.get(Order, "a").status is OrderStatus.SETTLED
    assert lane.outputs(LimitRestored)[0].reason == "cleared"
    lane.tick("2026-02-20")
    assert lane.outputs() == []


def test_a_repayment_made_between_two_penalties_undoes_the_second():
    lane = lane_overdue(10_000, until="2026-02-04 12:00")
    lane.send("2026-02-02 00:00", repaid(10_005))
    obligation = lane.obligations[0]
    assert (obligation.penalty_minor, obligation.status) == (5, ObligationStatus.PAID)
    assert lane.account.overdue_until == at("2026-02-02 00:00")
    assert lane.account.customer_credit_minor == 0


def test_a_late_repayment_of_a_part_undoes_what_it_would_have_prevented():
    lane = lane_overdue(10_000, until="2026-02-04 12:00")
    lane.send("2026-02-01 12:00", repaid(9_999))
    obligation = lane.obligations[0]
    assert (obligation.penalty_minor, obligation.paid_penalty_minor) == (1, 0)  # at most what fell overdue
    assert (obligation.open_minor, obligation.status) == (2, ObligationStatus.OVERDUE)


def test_days_without_a_penalty_between_those_with_one_are_not_taken_for_days_with_one():
    """Nothing of the principal is unpaid from the refund of 3 February to the reversal of the 5th."""
    lane = lane_owing(10_000, rules=careful_rules(), programme="careful")
    lane.send("2026-01-10", repaid(5_000, "early"))
    lane.send("2026-02-03 08:00", complained(5_000, order_id="a"))
    lane.send("2026-02-03 09:00", reviewed("approved"))
    lane.send("2026-02-03 10:00", intact())
    lane.send("2026-02-05 10:00", RepaymentReversed("early", "taken back"))
    lane.tick("2026-02-06 10:00")
    assert lane.obligations[0].penalty_runs == ("2026-02-02 2 3", "2026-02-06 1 3")
    lane.send("2026-02-04 10:00", repaid(5_006, "late"))
    assert lane.obligations[0].penalty_minor == 6
    assert lane.obligations[0].status is ObligationStatus.PAID


def test_a_penalty_that_was_paid_and_should_not_have_been_becomes_customer_credit():
    lane = lane_overdue(10_000, until="2026-02-02 12:00")
    lane.send("2026-02-02 13:00", repaid(4_005, "part"))
    lane.tick("2026-02-03 12:00")
    assert lane.obligations[0].penalty_minor == 8
    lane.send("2026-02-01 12:00", repaid(6_000, "late"))
    assert lane.obligations[0].open_minor == 0
    assert lane.account.penalty_receivable_minor == 0
    assert lane.outputs(PayoutRequested)[0].amount_minor == 10_005 - 10_000 - 2


def test_douyin_needs_no_request_when_nothing_should_have_been_overdue():
    lane = lane_on_statement("douyin")
    lane.tick("2026-02-08 12:00")
    lane.send("2026-02-06 12:00", repaid(10_000))
    assert lane.account.freeze_reasons == ()


def test_an_earlier_wait_goes_on_when_a_later_overdue_is_undone():
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", in_instalments(amount_minor=9_000))
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.tick("2026-02-11 00:00")
    lane.send("2026-03-10 09:00", repaid(3_000 + 54 + 28 * 2))
    lane.tick("2026-03-11 12:00")
    lane.send("2026-03-10 10:00", repaid(3_054, "late"))
    assert lane.account.freeze_reasons == ("overdue",)
    lane.tick("2026-03-13 08:59")
    assert lane.account.freeze_reasons == ("overdue",)
    lane.tick("2026-03-13 09:00")
    assert lane.account.freeze_reasons == ()


def test_undoing_cancels_a_debit_that_asks_for_the_penalty():
    lane = lane_owing(10_000)
    lane.tick("2026-02-01 00:00")
    lane.send("2026-02-01 09:00", RepaymentFailed(lane.requested.debit_id, "no money", retryable=True))
    lane.tick("2026-02-02 00:00")
    second = lane.requested.debit_id
    lane.send("2026-02-01 10:00", repaid(10_000))
    assert lane.outputs(AutoDebitCancelled) == [AutoDebitCancelled("buyer", second, "repaid")]
    assert lane.outputs(AutoDebitRequested) == []


def test_a_late_payoff_is_judged_by_what_it_took_when_it_was_made():
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", in_instalments(amount_minor=9_000))
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.tick("2026-02-13 12:00")
    lane.send("2026-02-10 12:00", repaid(9_054, purpose="payoff"))
    assert lane.get(Order, "order").status is OrderStatus.SETTLED
    assert notice(lane, "payoff_received")["waived_minor"] == 108
    assert lane.account.freeze_reasons == ()


def test_clearing_that_is_told_late_does_not_move_the_last_overdue_instant_back():
    lane = lane_owing(10_000, 20_000)
    lane.tick("2026-02-05 12:00")
    b = lane.obligations[1]
    lane.send("2026-02-05 13:00", repaid(b.open_minor, "b", order_id="b"))
    lane.send("2026-02-02 12:00", repaid(10_005, "a", order_id="a"))
    assert [each.status for each in lane.obligations] == [ObligationStatus.PAID] * 2
    assert lane.account.overdue_until == at("2026-02-05 13:00")


def test_the_wait_counts_from_the_last_clearing_whichever_is_told_last():
    lane = lane_with_line("taobao")
    for order_id in "ab":
        lane.send("2026-01-02", on_statement(order_id))
        lane.send("2026-01-05", PurchaseReceived(order_id))
    lane.tick("2026-02-13 12:00")
    open_minor = lane.obligations[1].open_minor
    lane.send("2026-02-13 13:00", repaid(open_minor, "b", order_id="b"))
    lane.send("2026-02-11 12:00", repaid(10_005, "a", order_id="a"))
    assert lane.account.cleared_at == at("2026-02-13 13:00")
    lane.tick("2026-02-16 12:59")
    assert lane.account.freeze_reasons == ("overdue",)
    lane.tick("2026-02-16 13:00")
    assert lane.account.freeze_reasons == ()


def test_a_wait_that_is_over_when_the_clearing_is_told_is_over_at_once():
    lane = lane_on_statement("taobao")
    lane.tick("2026-02-20 12:00")
    lane.send("2026-02-12 12:00", repaid(10_010))
    assert lane.account.overdue_until == at("2026-02-12 12:00")
    assert lane.account.freeze_reasons == ()
    assert [each.reason for each in lane.outputs(LimitRestored)] == ["cleared"]
    assert lane.tick("2026-03-20") == []
