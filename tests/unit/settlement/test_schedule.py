"""Statements and instalments: when they are due, their shares and fees, and what payments and returns make of them."""

from datetime import date

import pytest

from settlement.decision import DeclineReason, InvariantBrokenError, Outcome
from settlement.entities import Order
from settlement.messages import PurchaseCancelled, PurchaseReceived, ReturnWithdrawn
from settlement.outputs import AutoDebitCancelled, AutoDebitRequested, LimitReleased, PayoutRequested
from settlement.rules.schedule import statement_dates
from settlement.statuses import ObligationStatus, OrderStatus
from settlement.terms import PlanTerms
from tests.unit.settlement.builders import (
    Lane,
    in_instalments,
    intact,
    lane_with_line,
    on_statement,
    opened,
    repaid,
    returned,
    rules_of,
    without_notices,
)


def owed(lane: Lane) -> list[tuple[date, int, int]]:
    """Due date, principal and fee of each obligation."""
    return [(each.due_on, each.principal_minor, each.fee_minor) for each in lane.obligations]


def balances(lane: Lane) -> tuple[int, int, int]:
    """Used, and what is receivable of principal and fees."""
    account = lane.account
    return (account.used_minor, account.receivable_minor, account.fee_receivable_minor)


def lane_in_instalments(amount_minor: int = 10_000, periods: int = 3) -> Lane:
    """A lane on which an order was received on 5 January 2026: due on the 10th of February and of the months after."""
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", in_instalments(amount_minor=amount_minor, periods=periods))
    lane.send("2026-01-05", PurchaseReceived("order"))
    return lane


@pytest.mark.parametrize(
    ("placed_on", "due_on"),
    [
        ("2026-03-01", date(2026, 4, 6)),
        ("2026-03-31 23:59", date(2026, 4, 6)),
        ("2026-04-01 00:00", date(2026, 5, 6)),
        ("2026-12-05", date(2027, 1, 6)),
    ],
)
def test_douyin_captures_on_placing_and_debits_on_the_6th_after_the_next_statement(placed_on, due_on):
    lane = lane_with_line("douyin")
    lane.send(placed_on, on_statement())
    assert lane.limits() == (100_000, 90_000, 0, 10_000)
    assert owed(lane) == [(due_on, 10_000, 0)]


@pytest.mark.parametrize(
    ("received_on", "due_on"), [("2026-01-31", date(2026, 2, 10)), ("2026-02-01 00:00", date(2026, 3, 10))]
)
def test_taobao_captures_on_receipt_and_debits_on_the_10th(received_on, due_on):
    lane = lane_with_line("taobao")
    lane.send("2026-01-30", on_statement())
    assert lane.limits() == (100_000, 90_000, 10_000, 0)
    lane.send(received_on, PurchaseReceived("order"))
    assert owed(lane) == [(due_on, 10_000, 0)]
    lane.tick(f"{due_on} 00:00")
    (request,) = lane.outputs(AutoDebitRequested)
    assert (request.amount_minor, request.due_on, request.reason) == (10_000, due_on, "due")


@pytest.mark.parametrize("periods", [3, 6, 12])
def test_instalments_are_equal_floors_with_the_remainder_and_a_fee_of_the_whole_on_each(periods):
    lane = lane_in_instalments(99_991, periods)
    shares = [principal for _, principal, _ in owed(lane)]
    assert sum(shares) == 99_991
    assert set(shares[1:]) == {99_991 // periods}
    assert {fee for _, _, fee in owed(lane)} == {600}  # 60 bps of 999.91 are 5.99946, rounded half up
    assert balances(lane) == (99_991, 99_991, 600 * periods)
    assert [due_on.day for due_on, _, _ in owed(lane)] == [10] * periods
    assert owed(lane)[0][0] == date(2026, 2, 10)
    assert owed(lane)[-1][0] == [date(2026, 4, 10), date(2026, 7, 10), date(2027, 1, 10)][[3, 6, 12].index(periods)]


@pytest.mark.parametrize(("amount_minor", "fee_minor"), [(83, 0), (84, 1), (250, 2), (249, 1)])
def test_a_fee_is_rounded_half_up(amount_minor, fee_minor):
    assert owed(lane_in_instalments(amount_minor))[0][2] == fee_minor


def test_an_amount_smaller_than_its_instalments_is_due_with_the_first():
    lane = lane_in_instalments(2)
    assert owed(lane) == [(date(2026, 2, 10), 2, 0)]
    lane.send("2026-01-06", repaid(2))
    assert lane.get(Order, "order").status is OrderStatus.SETTLED


def test_all_that_is_due_on_a_date_shares_one_debit():
    lane = lane_in_instalments()
    lane.send("2026-01-06", on_statement("other", 5_000))
    lane.send("2026-01-07", PurchaseReceived("other"))
    lane.tick("2026-02-10 00:00")
    (request,) = lane.outputs(AutoDebitRequested)
    assert (request.amount_minor, request.order_ids) == (3_334 + 60 + 5_000, ("order", "other"))
    lane.tick("2026-03-10 00:00")
    assert [body.amount_minor for body in lane.outputs(AutoDebitRequested) if body.due_on.month == 3] == [3_333 + 60]


def test_a_repayment_pays_fee_before_principal_and_reaches_what_is_not_billed():
    lane = lane_in_instalments()
    lane.send("2026-01-06", repaid(3_394 + 61))
    first, second, third = lane.obligations
    assert first.status is ObligationStatus.PAID
    assert (second.paid_fee_minor, second.paid_principal_minor, third.paid_fee_minor) == (60, 1, 0)
    assert lane.outputs(LimitReleased)[0].amount_minor == 3_335
    assert balances(lane) == (6_665, 6_665, 60)
    lane.send("2026-01-07", repaid(6_725, "rest"))
    assert balances(lane) == (0, 0, 0)
    assert lane.get(Order, "order").status is OrderStatus.SETTLED
    assert lane.tick("2026-12-31") is not None
    assert not any(each.decision.outputs for each in lane.last)


def test_a_return_reduces_the_last_instalments_first_and_the_fees_of_all():
    lane = lane_in_instalments()
    lane.send("2026-01-06", returned(5_000))
    lane.send("2026-01-08", intact())
    assert owed(lane) == [(date(2026, 2, 10), 3_334, 30), (date(2026, 3, 10), 1_666, 30), (date(2026, 4, 10), 0, 0)]
    assert lane.obligations[2].status is ObligationStatus.RETURNED
    assert balances(lane) == (5_000, 5_000, 60)
    assert lane.outputs(PayoutRequested) == []


def test_a_fee_that_was_paid_stays_and_counts_no_more_than_it():
    lane = lane_in_instalments()
    lane.send("2026-01-06", repaid(3_394))
    lane.send("2026-01-07", returned(9_000))
    lane.send("2026-01-08", intact())
    assert owed(lane) == [(date(2026, 2, 10), 1_000, 60), (date(2026, 3, 10), 0, 0), (date(2026, 4, 10), 0, 0)]
    assert balances(lane) == (0, 0, 0)
    (payout,) = lane.outputs(PayoutRequested)
    assert (payout.amount_minor, payout.reason) == (2_334, "order_refund")
    assert lane.get(Order, "order").status is OrderStatus.SETTLED


def test_returning_everything_keeps_only_the_fees_that_were_paid():
    lane = lane_in_instalments()
    lane.send("2026-01-06", repaid(3_394))
    lane.send("2026-01-07", returned(10_000))
    lane.send("2026-01-08", intact())
    assert owed(lane) == [(date(2026, 2, 10), 0, 60), (date(2026, 3, 10), 0, 0), (date(2026, 4, 10), 0, 0)]
    assert [each.amount_minor for each in lane.outputs(PayoutRequested)] == [3_334]
    assert balances(lane) == (0, 0, 0)
    assert lane.get(Order, "order").status is OrderStatus.RETURNED


def test_cancelling_gives_back_the_fees_that_were_paid_too():
    lane = lane_with_line("douyin")
    lane.send("2026-01-02", in_instalments())
    lane.send("2026-01-03", repaid(3_394 + 10))
    lane.send("2026-01-04", PurchaseCancelled("order", "lost"))
    released, payout = without_notices(lane.outputs())
    assert (released.amount_minor, released.reason) == (6_666, "cancelled")
    assert (payout.amount_minor, payout.reason) == (3_404, "order_refund")
    assert owed(lane) == [(date(2026, 2, 6), 0, 0), (date(2026, 3, 6), 0, 0), (date(2026, 4, 6), 0, 0)]
    assert balances(lane) == (0, 0, 0)
    assert {each.status for each in lane.obligations} == {ObligationStatus.RETURNED}
    assert lane.limits() == (100_000, 100_000, 0, 0)


def test_cancelling_a_captured_order_cancels_its_debit():
    lane = lane_with_line("douyin")
    lane.send("2026-01-30", in_instalments())
    lane.tick("2026-02-06 00:00")
    assert lane.requested.amount_minor == 3_394
    lane.send("2026-02-07", PurchaseCancelled("order", "lost"))
    assert [each.reason for each in lane.outputs(AutoDebitCancelled)] == ["cancelled"]
    assert lane.limits() == (100_000, 100_000, 0, 0)


def test_a_return_is_possible_up_to_the_first_due_date():
    lane = lane_in_instalments()
    assert lane.send("2026-02-10 23:59", returned(100)).outcome is Outcome.APPLIED
    assert lane.send("2026-02-11 00:00", returned(100, "late")).reason == DeclineReason.WINDOW_CLOSED


def test_a_return_that_ended_puts_off_what_became_due_and_nothing_else():
    lane = lane_in_instalments()
    lane.send("2026-02-09", returned(100))
    lane.tick("2026-02-12")
    assert lane.outputs(AutoDebitRequested) == []
    lane.send("2026-02-12 13:00", ReturnWithdrawn("return"))
    assert [due_on for due_on, _, _ in owed(lane)] == [date(2026, 2, 13), date(2026, 3, 10), date(2026, 4, 10)]
    assert lane.get(Order, "order").due_on == date(2026, 2, 13)
    lane.tick("2026-02-13 00:00")
    assert lane.outputs(AutoDebitRequested)[0].amount_minor == 3_394


def test_a_return_that_ended_after_the_first_instalment_was_paid_does_not_open_the_window_again():
    lane = lane_in_instalments()
    lane.send("2026-01-06", repaid(3_394))
    lane.send("2026-02-09", returned(100))
    lane.send("2026-02-12 13:00", ReturnWithdrawn("return"))
    assert lane.get(Order, "order").due_on == date(2026, 2, 10)


def test_a_receipt_told_months_late_debits_what_became_due_at_once():
    lane = lane_with_line("taobao", rules=rules_of("taobao", "taobao", {"automatic_receipt_days": 365}))
    lane.send("2026-01-02", in_instalments())
    lane.tick("2026-03-20")
    lane.send("2026-01-05", PurchaseReceived("order"))
    assert [(each.due_on, each.amount_minor) for each in lane.outputs(AutoDebitRequested)] == [
        (date(2026, 2, 10), 3_394),
        (date(2026, 3, 10), 3_393),
    ]


def test_a_due_day_in_the_month_before_its_number_is_that_of_the_month_after():
    lane = Lane(rules_of("taobao", "taobao", plans={"statement": {"bill_day": 20, "due_day": 5}}))
    lane.send("2026-01-01", opened("taobao"))
    lane.send("2026-01-02", on_statement())
    lane.send("2026-01-19", PurchaseReceived("order"))
    assert owed(lane) == [(date(2026, 2, 5), 10_000, 0)]


def test_a_statement_can_be_due_on_its_own_day():
    lane = Lane(rules_of("taobao", "taobao", plans={"statement": {"bill_day": 6, "due_day": 6}}))
    lane.send("2026-01-01", opened("taobao"))
    lane.send("2026-01-02", on_statement())
    lane.send("2026-01-05", PurchaseReceived("order"))
    assert owed(lane) == [(date(2026, 1, 6), 10_000, 0)]


def test_a_statement_is_due_on_the_first_due_day_from_its_bill_day_on():
    plan = PlanTerms(bill_day=1, due_day=28)
    assert statement_dates(plan, date(2026, 2, 10), 2) == [
        (date(2026, 3, 1), date(2026, 3, 28)),
        (date(2026, 4, 1), date(2026, 4, 28)),
    ]
    assert statement_dates(PlanTerms(bill_day=5, due_day=5), date(2026, 2, 10), 1) == [
        (date(2026, 3, 5), date(2026, 3, 5))
    ]


@pytest.mark.parametrize("plan", [PlanTerms(), PlanTerms(bill_day=1), PlanTerms(due_day=1)])
def test_a_plan_without_statements_has_no_dates(plan):
    with pytest.raises(InvariantBrokenError, match="a plan that has none"):
        statement_dates(plan, date(2026, 2, 10), 1)
