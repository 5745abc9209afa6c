"""Bills in instalments: what stands against them, what becomes of the bill, and of what happens to its orders later."""

from datetime import date

import pytest

from settlement.decision import DeclineReason, Outcome
from settlement.entities import Account, Obligation, Order
from settlement.ledger import LedgerAccount
from settlement.messages import BillInstalmentRequested, PurchaseCancelled, RepaymentReversed
from settlement.outputs import AutoDebitCancelled, AutoDebitRequested, NotificationRequested
from settlement.statuses import ObligationStatus, OrderStatus
from settlement.values import revised
from tests.unit.settlement.builders import (
    BUYER,
    RULES,
    Lane,
    at,
    cashed_out,
    complained,
    in_instalments,
    intact,
    lane_with_line,
    lowered,
    on_statement,
    opened,
    repaid,
    returned,
    reviewed,
    rules_of,
    without_notices,
)

BILL = date(2026, 2, 6)


def split(periods: int = 3, due_on: date = BILL) -> BillInstalmentRequested:
    return BillInstalmentRequested(due_on, periods)


def lane_billed(*amounts_minor: int, rules=RULES) -> Lane:
    """A lane on which statement orders `a`, `b`, … of those amounts are billed on 1 and due on 6 February 2026."""
    lane = lane_with_line("douyin", rules=rules)
    for order_id, amount_minor in zip("abcdef", amounts_minor, strict=False):
        lane.send("2026-01-20", on_statement(order_id, amount_minor))
    return lane


def owed(lane: Lane, order_id: str = "a") -> list[tuple[date, int, int]]:
    """Due date, principal and fee of each obligation of an order."""
    found = [each for each in lane.obligations if each.order_id == order_id]
    return [(each.due_on, each.principal_minor, each.fee_minor) for each in found]


OBSTACLES = [
    (DeclineReason.LINE_CLOSED, {"closed_at": at("2026-01-01")}),
    (DeclineReason.LINE_FROZEN, {"freeze_reasons": ("security",)}),
    (DeclineReason.NOT_OFFERED, {}),
    (DeclineReason.PLAN_NOT_OFFERED, {}),
    (DeclineReason.TOO_LATE, {}),
    (DeclineReason.WRONG_STATE, {}),
]
"""Each obstacle to splitting a bill alone, in the order of the rules."""


@pytest.mark.parametrize("first", range(len(OBSTACLES)))
def test_a_request_is_declined_with_the_first_reason_that_applies(first):
    reasons = [reason for reason, _ in OBSTACLES[first:]]
    offered = {} if DeclineReason.NOT_OFFERED in reasons else {"periods": [3, 6]}
    lane = lane_billed(10_000, rules=rules_of("douyin", "douyin", bill_instalment=offered))
    lane.send("2026-02-02", repaid(10_000))
    for _, of_account in OBSTACLES[first:]:
        lane.states[BUYER].entities[Account][BUYER.id] = revised(lane.account, **of_account)
    before = lane.account
    periods = 4 if DeclineReason.PLAN_NOT_OFFERED in reasons else 3
    when = "2026-02-06 00:00" if DeclineReason.TOO_LATE in reasons else "2026-02-05 23:59"
    decision = lane.send(when, split(periods))
    assert (decision.outcome, decision.reason) == (Outcome.DECLINED, OBSTACLES[first][0])
    notice = lane.outputs(NotificationRequested)[-1]
    assert (notice.template, notice.params["reason"]) == ("bill_instalment_refused", OBSTACLES[first][0])
    assert lane.account == before


def test_without_obstacles_a_bill_is_split():
    lane = lane_billed(10_000)
    assert lane.send("2026-02-05 23:59", split()).outcome is Outcome.APPLIED


def test_an_unpaid_bill_is_split_over_the_statements_after_it():
    lane = lane_billed(10_000)
    (before,) = lane.obligations
    decision = lane.send("2026-02-02", split(3))
    assert owed(lane) == [(date(2026, 3, 6), 3_334, 60), (date(2026, 4, 6), 3_333, 60), (date(2026, 5, 6), 3_333, 60)]
    assert [each.billed_on for each in lane.obligations] == [date(2026, month, 1) for month in (3, 4, 5)]
    assert lane.obligations[0].obligation_id == before.obligation_id
    assert {each.status for each in lane.obligations} == {ObligationStatus.OPEN}
    assert [(each.debit, each.credit, each.amount_minor) for each in decision.postings] == [
        (LedgerAccount.FEE_RECEIVABLE, LedgerAccount.FEE_INCOME, 180)
    ]
    (notice,) = lane.outputs(NotificationRequested)
    assert notice.template == "bill_instalment_granted"
    assert (notice.params["amount_minor"], notice.params["fee_minor"], notice.params["periods"]) == (10_000, 180, 3)
    assert lane.limits() == (100_000, 90_000, 0, 10_000)


def test_a_split_bill_is_not_due_on_its_day_but_with_later_statements():
    lane = lane_billed(10_000)
    lane.send("2026-02-02", split(3))
    lane.tick("2026-02-28")
    assert without_notices(lane.outputs()) == []
    lane.tick("2026-03-06 00:00")
    (request,) = lane.outputs(AutoDebitRequested)
    assert (request.amount_minor, request.due_on, request.order_ids) == (3_394, date(2026, 3, 6), ("a",))
    assert lane.account.freeze_reasons == ()


def test_a_bill_that_was_to_be_debited_again_is_debited_with_its_first_instalment_instead():
    lane = lane_billed(10_000)
    lane.send("2026-02-03", repaid(10_000))
    lane.send("2026-02-06 08:00", RepaymentReversed("repayment", "taken back"))
    assert lane.send("2026-02-05 23:59", split(3)).outcome is Outcome.APPLIED
    lane.tick("2026-02-28")
    assert without_notices(lane.outputs()) == []
    lane.tick("2026-03-06 00:00")
    (request,) = lane.outputs(AutoDebitRequested)
    assert (request.amount_minor, request.due_on, request.reason) == (3_394, date(2026, 3, 6), "due")


def test_the_return_window_follows_the_first_due_date():
    lane = lane_billed(10_000)
    lane.send("2026-02-02", split(3))
    assert lane.get(Order, "a").due_on == date(2026, 3, 6)
    lane.tick("2026-02-10")
    assert lane.send("2026-03-05", returned(100, order_id="a")).outcome is Outcome.APPLIED


def test_each_order_of_a_bill_is_split_and_rounded_by_itself():
    lane = lane_billed(10_000, 84)
    lane.send("2026-02-02", split(3))
    assert owed(lane, "a") == [
        (date(2026, 3, 6), 3_334, 60),
        (date(2026, 4, 6), 3_333, 60),
        (date(2026, 5, 6), 3_333, 60),
    ]
    assert owed(lane, "b") == [(date(2026, 3, 6), 28, 1), (date(2026, 4, 6), 28, 1), (date(2026, 5, 6), 28, 1)]
    assert lane.account.fee_receivable_minor == 183


def test_of_a_bill_that_is_paid_in_part_only_the_rest_is_split():
    lane = lane_billed(10_000)
    (before,) = lane.obligations
    lane.send("2026-02-02", repaid(4_000))
    lane.send("2026-02-03", split(3))
    paid, *parts = lane.obligations
    assert (paid.obligation_id, paid.status, paid.due_on) == (before.obligation_id, ObligationStatus.PAID, BILL)
    assert (paid.principal_minor, paid.paid_principal_minor, paid.fee_minor) == (4_000, 4_000, 0)
    assert [(each.due_on, each.principal_minor, each.fee_minor) for each in parts] == [
        (date(2026, 3, 6), 2_000, 36),
        (date(2026, 4, 6), 2_000, 36),
        (date(2026, 5, 6), 2_000, 36),
    ]
    assert lane.get(Order, "a").due_on == BILL
    assert lane.get(Order, "a").obligation_ids == tuple(each.obligation_id for each in lane.obligations)
    assert lane.account.receivable_minor == 6_000


@pytest.mark.parametrize(("amount_minor", "parts"), [(2, [2]), (3, [1, 1, 1])])
def test_no_part_is_made_of_nothing(amount_minor, parts):
    lane = lane_billed(amount_minor)
    lane.send("2026-02-02", split(3))
    assert [principal for _, principal, _ in owed(lane)] == parts
    lane.send("2026-02-03", repaid(amount_minor))
    assert lane.get(Order, "a").status is OrderStatus.SETTLED


def test_a_bill_can_be_split_from_its_first_on():
    lane = lane_billed(10_000)
    assert lane.send("2026-01-31 23:59", split()).reason == DeclineReason.WRONG_STATE
    assert lane.send("2026-02-01 00:00", split()).outcome is Outcome.APPLIED


@pytest.mark.parametrize("due_on", [date(2026, 2, 7), date(2026, 3, 6)])
def test_a_date_without_a_bill_cannot_be_split(due_on):
    lane = lane_billed(10_000)
    assert lane.send("2026-02-02", split(3, due_on)).reason == DeclineReason.WRONG_STATE


def test_what_is_in_instalments_already_is_not_split_again():
    lane = lane_with_line("douyin")
    lane.send("2026-01-20", in_instalments("a", 10_000))
    assert lane.send("2026-02-02", split()).reason == DeclineReason.WRONG_STATE
    lane.send("2026-02-03", repaid(3_394))
    lane.send("2026-02-03", on_statement("b", 3_000))
    lane.send("2026-03-02", split(3, date(2026, 3, 6)))
    assert [principal for _, principal, _ in owed(lane, "a")] == [3_334, 3_333, 3_333]
    assert [principal for _, principal, _ in owed(lane, "b")] == [1_000, 1_000, 1_000]
    assert lane.send("2026-03-02", split(3, date(2026, 3, 6))).reason == DeclineReason.WRONG_STATE


def test_cash_outs_are_not_split():
    rules = rules_of("both", "douyin", cash_out={"daily_cap_minor": 100_000, "days_without_overdue": 90})
    lane = Lane(rules)
    lane.send("2026-01-01", opened("both"))
    lane.send("2026-01-20", cashed_out(5_000))
    assert lane.send("2026-02-02", split()).reason == DeclineReason.WRONG_STATE


def test_a_request_told_on_the_due_day_takes_the_debit_back():
    lane = lane_billed(10_000)
    lane.send("2026-01-20", in_instalments("b", 3_000))
    lane.tick("2026-02-06 08:00")
    debit = lane.requested
    assert debit.amount_minor == 11_018
    lane.send("2026-02-05", split(3))
    cancelled, request = without_notices(lane.outputs())
    assert cancelled == AutoDebitCancelled("buyer", debit.debit_id, "bill_instalment")
    assert (request.amount_minor, request.order_ids, request.due_on) == (1_018, ("b",), BILL)
    assert {each.asks for each in lane.obligations if each.order_id == "a"} == {()}


def test_a_return_takes_from_the_last_instalment_and_lowers_all_fees():
    lane = lane_billed(10_000)
    lane.send("2026-02-02", split(3))
    lane.send("2026-02-03", returned(5_000, order_id="a"))
    lane.send("2026-02-04", intact())
    assert owed(lane) == [(date(2026, 3, 6), 3_334, 30), (date(2026, 4, 6), 1_666, 30), (date(2026, 5, 6), 0, 0)]


def test_what_was_paid_before_the_split_bears_no_fee_after_a_return():
    lane = lane_billed(10_000)
    lane.send("2026-02-02", repaid(4_000))
    lane.send("2026-02-03", split(3))
    lane.send("2026-02-04", returned(3_000, order_id="a"))
    lane.send("2026-02-05", intact())
    assert owed(lane) == [
        (BILL, 4_000, 0),
        (date(2026, 3, 6), 2_000, 18),
        (date(2026, 4, 6), 1_000, 18),
        (date(2026, 5, 6), 0, 0),
    ]


def test_lowering_splits_the_new_total_over_the_same_instalments():
    lane = lane_billed(10_000)
    lane.send("2026-02-02", split(3))
    assert lane.send("2026-02-03", lowered(8_000, "a")).outcome is Outcome.APPLIED
    assert owed(lane) == [(date(2026, 3, 6), 2_668, 48), (date(2026, 4, 6), 2_666, 48), (date(2026, 5, 6), 2_666, 48)]
    assert (lane.account.receivable_minor, lane.account.fee_receivable_minor) == (8_000, 144)


def test_cancelling_a_split_order_takes_all_of_it_back():
    lane = lane_billed(10_000)
    lane.send("2026-02-02", repaid(4_000))
    lane.send("2026-02-03", split(3))
    lane.send("2026-02-03", PurchaseCancelled("a", "lost"))
    assert lane.limits() == (100_000, 100_000, 0, 0)
    assert (lane.account.receivable_minor, lane.account.fee_receivable_minor) == (0, 0)


def test_a_payoff_waives_the_fees_of_instalments_that_are_not_billed():
    lane = lane_billed(10_000)
    lane.send("2026-02-02", split(3))
    lane.send("2026-02-03", repaid(10_000, purpose="payoff"))
    assert lane.get(Order, "a").status is OrderStatus.SETTLED


def test_a_reversal_after_the_split_makes_the_paid_part_owed_on_its_own_day():
    lane = lane_billed(10_000)
    lane.send("2026-02-02", repaid(4_000))
    lane.send("2026-02-03", split(3))
    lane.send("2026-02-04", RepaymentReversed("repayment", "bounced"))
    lane.tick("2026-02-06 00:00")
    (request,) = lane.outputs(AutoDebitRequested)
    assert (request.amount_minor, request.due_on) == (4_000, BILL)


def test_a_split_order_under_a_return_goes_on_with_its_new_dates():
    lane = lane_billed(10_000)
    lane.send("2026-02-01", complained(1_000, order_id="a"))
    assert lane.send("2026-02-02", split(3)).outcome is Outcome.APPLIED
    lane.send("2026-02-20", reviewed("rejected"))
    assert [due_on for due_on, _, _ in owed(lane)] == [date(2026, 3, 6), date(2026, 4, 6), date(2026, 5, 6)]


@pytest.mark.parametrize("programme", ["taobao", "kuaishou", "tmall"])
def test_other_programmes_split_no_bills(programme):
    assert lane_with_line(programme).send("2026-02-02", split()).reason == DeclineReason.NOT_OFFERED


def test_the_fee_follows_the_terms_of_the_order():
    lane = lane_billed(10_000, rules=rules_of("douyin", "douyin", {"instalment_fee_bps_per_period": 100}))
    lane.send("2026-02-02", split(6))
    assert {fee for _, _, fee in owed(lane)} == {100}
    assert len(lane.states[BUYER].entities[Obligation]) == 6
