"""Returns that were asked for in time and are told late: what they would have prevented is undone."""

from datetime import date

import pytest

from settlement.decision import DeclineReason, Outcome
from settlement.messages import RepaymentFailed
from settlement.outputs import AutoDebitCancelled, PayoutRequested
from tests.unit.settlement.builders import complained, repaid, returned
from tests.unit.settlement.owing import lane_on_statement, lane_overdue


def test_a_return_in_time_undoes_overdue_penalty_freeze_and_debit():
    lane = lane_overdue(until="2026-02-04 00:00")
    debit = lane.requested
    assert (lane.account.freeze_reasons, lane.account.penalty_receivable_minor) == (("overdue",), 15)
    assert lane.send("2026-02-01 20:00", returned(order_id="a")).outcome is Outcome.APPLIED
    assert AutoDebitCancelled("buyer", debit.debit_id, "return_requested") in lane.outputs()
    assert lane.account.freeze_reasons == ()
    assert lane.limits() == (100_000, 100_000, 0, 0)
    assert lane.account.penalty_receivable_minor == lane.account.receivable_minor == 0


def test_a_penalty_that_was_paid_meanwhile_goes_back():
    lane = lane_overdue(until="2026-02-02 00:00")
    lane.send("2026-02-02 08:00", repaid(5))
    assert lane.obligations[0].paid_penalty_minor == 5
    lane.send("2026-02-01 20:00", returned(order_id="a"))
    assert sum(each.amount_minor for each in lane.outputs(PayoutRequested)) == 5
    assert lane.account.customer_credit_minor == 0


def test_a_return_outside_its_window_is_declined_as_before():
    lane = lane_overdue(until="2026-02-04 00:00")
    assert lane.send("2026-02-02 20:00", returned(order_id="a")).reason == DeclineReason.WINDOW_CLOSED
    assert lane.account.freeze_reasons == ("overdue",)


@pytest.mark.parametrize(("occurred", "is_overdue"), [("2026-02-10 20:00", False), ("2026-02-11 20:00", True)])
def test_a_complaint_undoes_what_it_would_have_prevented_only_when_it_was_made_in_time(occurred, is_overdue):
    lane = lane_on_statement("taobao")
    lane.tick("2026-02-10 00:00")
    lane.send("2026-02-10 09:00", RepaymentFailed(lane.requested.debit_id, "account closed", retryable=False))
    lane.tick("2026-02-12 00:00")
    assert lane.send(occurred, complained(10_000)).outcome is Outcome.APPLIED
    assert (lane.account.freeze_reasons == ("overdue",)) is is_overdue
    assert (lane.account.penalty_receivable_minor == 10) is is_overdue
    assert lane.obligations[0].due_on == date(2026, 2, 10)
