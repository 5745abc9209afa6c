"""A reversal that is undone: as if the repayment had never been reversed."""

from settlement.decision import Outcome
from settlement.entities import Order
from settlement.messages import RepaymentReinstated, RepaymentReversed
from settlement.outputs import AutoDebitCancelled, LimitReleased, LimitRestored, PayoutRequested
from settlement.statuses import OrderStatus
from tests.unit.settlement.builders import Lane, in_instalments, lane_with_line, repaid
from tests.unit.settlement.owing import lane_owing, notice

WON_BACK = RepaymentReinstated("repayment", "chargeback won")
BOUNCED = RepaymentReversed("repayment", "chargeback")


def lane_reversed() -> Lane:
    """Order `a`, due on 1 February, was repaid in time; the repayment was reversed on the 3rd."""
    lane = lane_owing(10_000)
    lane.send("2026-01-20", repaid(10_000))
    lane.send("2026-02-03 10:00", BOUNCED)
    return lane


def test_what_followed_a_reversal_is_undone_with_it():
    lane = lane_reversed()
    before = lane.limits()
    lane.tick("2026-02-05 00:00")
    debit = lane.requested
    assert (before[1], lane.account.freeze_reasons, lane.account.penalty_receivable_minor) == (0, ("overdue",), 10)
    lane.send("2026-02-05 10:00", WON_BACK)
    assert notice(lane, "repayment_reinstated")["amount_minor"] == 10_000
    assert lane.outputs(AutoDebitCancelled) == [AutoDebitCancelled("buyer", debit.debit_id, "repaid")]
    assert [each.amount_minor for each in lane.outputs(LimitReleased)] == [10_000]
    assert [each.reason for each in lane.outputs(LimitRestored)] == ["cleared"]
    account = lane.account
    assert (account.receivable_minor, account.penalty_receivable_minor, account.freeze_reasons) == (0, 0, ())
    assert lane.limits() == (100_000, 100_000, 0, 0)
    assert lane.get(Order, "a").status is OrderStatus.SETTLED


def test_a_repayment_is_reinstated_once_and_stays_so():
    lane = lane_reversed()
    assert lane.send("2026-02-05 10:00", WON_BACK).outcome is Outcome.APPLIED
    assert lane.send("2026-02-05 11:00", WON_BACK).outcome is Outcome.DUPLICATE
    assert lane.send("2026-02-05 12:00", RepaymentReversed("repayment", "again")).outcome is Outcome.DUPLICATE
    assert lane.account.receivable_minor == 0


def test_a_reinstatement_waits_for_its_reversal():
    lane = lane_owing(10_000)
    lane.send("2026-01-20", repaid(10_000))
    assert lane.send("2026-02-03 09:00", WON_BACK).outcome is Outcome.PARKED
    lane.send("2026-02-03 10:00", BOUNCED)
    assert lane.account.receivable_minor == 0
    assert lane.account.freeze_reasons == ()


def test_money_that_was_paid_again_meanwhile_goes_out():
    lane = lane_reversed()
    lane.send("2026-02-03 12:00", repaid(10_000, "instead"))
    lane.send("2026-02-05 10:00", WON_BACK)
    assert [(each.amount_minor, each.reason) for each in lane.outputs(PayoutRequested)] == [(10_000, "overpayment")]
    assert lane.account.customer_credit_minor == lane.account.receivable_minor == 0


def test_fees_that_a_payoff_waived_are_waived_again():
    lane = lane_with_line("douyin")
    lane.send("2026-01-15", in_instalments(amount_minor=60_000))
    lane.send("2026-01-20", repaid(60_000, purpose="payoff"))
    lane.send("2026-01-25", BOUNCED)
    assert lane.account.fee_receivable_minor == 1_080
    lane.send("2026-01-28", WON_BACK)
    assert lane.account.receivable_minor == lane.account.fee_receivable_minor == 0
