"""Paying off everything at once: what it takes, and which fees are waived."""

import pytest

from settlement.entities import Order
from settlement.messages import PurchaseReceived, RepaymentReversed
from settlement.outputs import AutoDebitCancelled, LimitReleased, NotificationRequested, PayoutRequested
from settlement.statuses import ObligationStatus, OrderStatus
from tests.unit.settlement.builders import Lane, complained, deferred, in_instalments, lane_with_line, repaid


def lane_in_instalments() -> Lane:
    """A lane on which 100.00 and three fees of 0.60 are owed, billed on the 1st of February, March and April 2026."""
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", in_instalments(amount_minor=10_000, periods=3))
    lane.send("2026-01-05", PurchaseReceived("order"))
    return lane


def notice(lane: Lane) -> tuple[str, int, int]:
    """Template, amount, and what was waived or would have been required."""
    (found,) = lane.outputs(NotificationRequested)
    params = found.params
    return (found.template, params["amount_minor"], params.get("waived_minor", params.get("required_minor")))


@pytest.mark.parametrize(
    ("paid_on", "required_minor", "waived_minor"),
    [("2026-01-31 23:59", 10_000, 180), ("2026-02-01 00:00", 10_060, 120), ("2026-03-02", 10_160, 60)],
)
def test_a_payoff_waives_the_fees_that_are_not_billed_and_no_penalties(paid_on, required_minor, waived_minor):
    lane = lane_in_instalments()
    lane.tick(paid_on)
    lane.send(paid_on, repaid(required_minor, purpose="payoff"))
    assert notice(lane) == ("payoff_received", required_minor, waived_minor)
    account = lane.account
    assert (account.used_minor, account.receivable_minor, account.fee_receivable_minor) == (0, 0, 0)
    assert lane.limits() == (100_000, 100_000, 0, 0)
    assert sum(each.fee_minor for each in lane.obligations) == 180 - waived_minor
    assert {each.status for each in lane.obligations} == {ObligationStatus.PAID}
    assert lane.get(Order, "order").status is OrderStatus.SETTLED
    assert lane.outputs(LimitReleased)[0].amount_minor == 10_000
    assert lane.outputs(PayoutRequested) == []


def test_more_than_a_payoff_takes_goes_back():
    lane = lane_in_instalments()
    lane.send("2026-01-06", repaid(10_100, purpose="payoff"))
    (payout,) = lane.outputs(PayoutRequested)
    assert (payout.amount_minor, payout.reason) == (100, "overpayment")


def test_a_payoff_that_is_too_small_is_taken_as_any_repayment():
    lane = lane_in_instalments()
    lane.send("2026-01-06", repaid(9_999, purpose="payoff"))
    assert notice(lane) == ("payoff_insufficient", 9_999, 10_000)
    assert sum(each.fee_minor for each in lane.obligations) == 180
    assert sum(each.open_minor for each in lane.obligations) == 181


def test_fees_that_were_paid_before_are_not_waived():
    lane = lane_in_instalments()
    lane.send("2026-01-06", repaid(3_394 + 20))
    lane.send("2026-01-07", repaid(6_666, "rest", purpose="payoff"))
    assert notice(lane) == ("payoff_received", 6_666, 100)
    assert sum(each.fee_minor for each in lane.obligations) == 80
    assert lane.account.fee_receivable_minor == 0


def test_a_payoff_cancels_the_debit_that_asks_for_a_part():
    lane = lane_in_instalments()
    lane.tick("2026-02-10 00:00")
    lane.send("2026-02-10 01:00", repaid(10_060, purpose="payoff"))
    assert [each.reason for each in lane.outputs(AutoDebitCancelled)] == ["repaid"]
    assert lane.account.receivable_minor == 0


def test_a_payoff_of_what_is_due_once_has_nothing_to_waive():
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred())
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.send("2026-01-06", repaid(10_000, purpose="payoff"))
    assert notice(lane) == ("payoff_received", 10_000, 0)


def test_a_payoff_of_nothing_goes_back_whole():
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-06", repaid(500, purpose="payoff"))
    (payout,) = lane.outputs(PayoutRequested)
    assert payout.amount_minor == 500
    assert lane.notices() == []
    assert lane.account.customer_credit_minor == 0


def test_a_late_payoff_undoes_the_penalties_that_came_after_it_even_of_what_was_paid_and_is_owed_again():
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred())
    lane.send("2026-01-03", PurchaseReceived("order"))
    lane.tick("2026-02-02 00:00")
    lane.send("2026-02-02 10:00", repaid(10_005, "first"))
    lane.send("2026-02-02 11:00", complained())
    lane.send("2026-02-02 12:00", RepaymentReversed("first", "taken back"))
    lane.send("2026-02-01 12:00", repaid(10_000, "payoff", purpose="payoff"))
    assert lane.notices()[0] == "payoff_received"
    assert lane.account.penalty_receivable_minor + lane.account.receivable_minor == 0


def lane_owing_one_fee_of_what_is_paid() -> Lane:
    """Of the first instalment only the fee, of the others all is owed."""
    lane = lane_in_instalments()
    lane.send("2026-01-06", repaid(60, "fee"))
    lane.send("2026-01-07", repaid(3_334, "principal"))
    lane.send("2026-01-08", RepaymentReversed("fee", "taken back"))
    assert [each.open_minor for each in lane.obligations] == [60, 3_393, 3_393]
    return lane


def test_an_instalment_of_which_only_the_waived_fee_was_owed_is_paid():
    lane = lane_owing_one_fee_of_what_is_paid()
    lane.send("2026-01-09", repaid(6_666, "payoff", purpose="payoff"))
    assert {each.status for each in lane.obligations} == {ObligationStatus.PAID}
    assert lane.get(Order, "order").status is OrderStatus.SETTLED


def test_a_late_payoff_calls_off_the_debit_of_a_fee_that_it_waives():
    lane = lane_owing_one_fee_of_what_is_paid()
    lane.tick("2026-02-10 00:00")
    debit = lane.requested
    assert debit.amount_minor == 60
    lane.send("2026-01-09", repaid(6_666, "payoff", purpose="payoff"))
    assert lane.outputs(AutoDebitCancelled) == [AutoDebitCancelled("buyer", debit.debit_id, "repaid")]
