"""Returns, lowering and cancelling of what is overdue: docs/rules.md, Overdue."""

from dataclasses import replace
from datetime import date

from settlement.decision import DeclineReason, Outcome
from settlement.entities import Order
from settlement.messages import (
    PurchaseCancelled,
    PurchaseReceived,
    RepaymentFailed,
)
from settlement.outputs import (
    AutoDebitCancelled,
    AutoDebitRequested,
    PayoutRequested,
)
from settlement.statuses import ObligationStatus, OrderStatus
from tests.unit.settlement.builders import (
    Lane,
    at,
    careful_rules,
    damaged,
    deferred,
    intact,
    lane_with_line,
    lowered,
    on_statement,
    repaid,
    returned,
    reviewed,
    rules_of,
)
from tests.unit.settlement.owing import lane_overdue, lane_owing


def test_nothing_is_returned_that_is_overdue_but_for_its_quality():
    lane = lane_overdue()
    assert lane.send("2026-02-02", returned(order_id="a")).reason == DeclineReason.WINDOW_CLOSED
    complaint = replace(returned(10_000, order_id="a"), reason="quality_issue", evidence=("https://photo",))
    assert lane.send("2026-02-02", complaint).outcome is Outcome.APPLIED


def test_what_is_under_return_does_not_fall_overdue():
    lane = lane_owing(10_000, rules=careful_rules(), programme="careful")
    lane.send("2026-01-31", returned(10_000, order_id="a"))
    lane.tick("2026-02-10")
    assert lane.account.freeze_reasons == ()
    lane.send("2026-02-10 13:00", damaged())
    assert lane.obligations[0].due_on == date(2026, 2, 11)
    lane.tick("2026-02-11 00:00")
    assert lane.outputs(AutoDebitRequested)[0].due_on == date(2026, 2, 11)
    lane.tick("2026-02-12 00:00")
    assert lane.account.freeze_reasons == ("overdue",)


def overdue_complaint() -> Lane:
    """Order `a` is overdue and, since 3 February, under return for its quality."""
    lane = lane_overdue(10_000, until="2026-02-02 12:00", rules=careful_rules(), programme="careful")
    complaint = replace(returned(4_000, order_id="a"), reason="quality_issue", evidence=("https://photo",))
    lane.send("2026-02-03 09:00", complaint)
    return lane


def test_what_was_overdue_at_the_request_stays_overdue_and_is_debited_again_when_the_return_ends():
    lane = overdue_complaint()
    assert len(lane.outputs(AutoDebitCancelled)) == 1
    assert lane.outputs(AutoDebitRequested) == []
    lane.tick("2026-02-05 12:00")
    assert lane.obligations[0].penalty_minor == 4 * 5
    lane.send("2026-02-05 13:00", reviewed("rejected"))
    assert lane.obligations[0].status is ObligationStatus.OVERDUE
    assert lane.obligations[0].due_on == date(2026, 2, 1)
    lane.tick("2026-02-06 00:00")
    (request,) = lane.outputs(AutoDebitRequested)
    # The debit comes before the penalty of the same midnight.
    assert (request.amount_minor, request.due_on, request.attempt, request.reason) == (
        10_020,
        date(2026, 2, 1),
        1,
        "due",
    )


def test_a_refund_of_all_that_is_overdue_waives_the_penalty_and_clears_the_line():
    lane = lane_overdue(10_000, rules=rules_of("careful", "kuaishou", uninspected_returns=[]), programme="careful")
    complaint = replace(returned(10_000, order_id="a"), reason="quality_issue", evidence=("https://photo",))
    lane.send("2026-02-02 09:00", complaint)
    lane.send("2026-02-02 10:00", reviewed("approved"))
    lane.send("2026-02-02 11:00", intact())
    assert lane.account.penalty_receivable_minor == 0
    assert lane.account.freeze_reasons == ()
    assert lane.get(Order, "a").status is OrderStatus.RETURNED
    assert lane.account.overdue_until == at("2026-02-02 11:00")


def test_cancelling_what_is_overdue_gives_back_what_was_paid_of_its_penalty():
    lane = lane_with_line("douyin")
    lane.send("2026-01-31", on_statement(amount_minor=10_000))
    lane.tick("2026-02-07 00:00")
    assert lane.send("2026-02-07 09:00", repaid(1_005)).outcome is Outcome.APPLIED
    lane.send("2026-02-07 10:00", PurchaseCancelled("order", "never sent"))
    assert lane.outputs(PayoutRequested)[0].amount_minor == 1_005
    assert lane.get(Order, "order").status is OrderStatus.CANCELLED
    account = lane.account
    assert (account.used_minor, account.receivable_minor, account.penalty_receivable_minor) == (0, 0, 0)


def test_a_lowered_amount_lowers_what_is_overdue():
    lane = lane_owing(10_000)
    lane.tick("2026-02-01 00:00")
    lane.send("2026-02-01 09:00", RepaymentFailed(lane.requested.debit_id, "no money", retryable=False))
    lane.tick("2026-02-02 00:00")
    lane.send("2026-02-02 09:00", lowered(6_000, "a"))
    lane.tick("2026-02-03 00:00")
    assert lane.obligations[0].penalty_minor == 3 + 3  # at most its days at 5 bps of what is left
    assert lane.get(Order, "a").status is OrderStatus.OVERDUE


def test_customer_credit_that_pays_while_a_return_ends_stays_paid():
    lane = lane_owing(10_000, 5_000, rules=careful_rules(), programme="careful")
    lane.tick("2026-02-02 12:00")
    complaint = replace(returned(4_000, order_id="a"), reason="quality_issue", evidence=("https://photo",))
    lane.send("2026-02-02 13:00", complaint)
    lane.tick("2026-02-05 12:00")
    lane.send("2026-02-05 13:00", repaid(8_000, order_id="b"))
    assert lane.account.customer_credit_minor == 0
    lane.send("2026-01-30 09:00", reviewed("rejected"))
    lane.tick("2026-02-06 00:00")
    account = lane.account
    assert account.used_minor == sum(each.principal_minor - each.paid_principal_minor for each in lane.obligations)
    assert account.receivable_minor == account.used_minor
    assert account.customer_credit_minor == 0


def test_a_return_told_late_takes_the_overdue_back_and_what_goes_on_is_debited_at_once():
    lane = lane_overdue(10_000, until="2026-02-03 12:00", rules=careful_rules(), programme="careful")
    complaint = replace(returned(4_000, order_id="a"), reason="quality_issue", evidence=("https://photo",))
    lane.send("2026-01-20 09:00", complaint)
    assert (lane.account.freeze_reasons, lane.account.penalty_receivable_minor) == ((), 0)
    lane.send("2026-01-21 09:00", reviewed("rejected"))
    (request,) = lane.outputs(AutoDebitRequested)
    assert (request.amount_minor, request.due_on) == (10_000, date(2026, 2, 1))
    lane.tick("2026-02-04 00:00")
    assert lane.account.freeze_reasons == ("overdue",)


def test_a_return_replaces_its_debit_even_when_the_others_have_grown_to_its_amount():
    lane = lane_with_line("careful", 10_000_000, rules=careful_rules())
    for order_id, amount_minor in (("a", 10), ("b", 1_000_000)):
        lane.send("2026-01-02", deferred(order_id, amount_minor))
        lane.send("2026-01-09", PurchaseReceived(order_id))
    lane.tick("2026-02-02 12:00")
    first = lane.requested
    complaint = replace(returned(10, order_id="a"), reason="quality_issue", evidence=("https://photo",))
    lane.send("2026-02-02 13:00", complaint)
    assert lane.outputs(AutoDebitCancelled) == [AutoDebitCancelled("buyer", first.debit_id, "return_requested")]
    (again,) = lane.outputs(AutoDebitRequested)
    assert (again.amount_minor, again.order_ids) == (1_000_500, ("b",))
