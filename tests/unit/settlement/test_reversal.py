"""Repayments whose money was taken back: docs/rules.md, Repayment."""

from datetime import date

from settlement.decision import DeclineReason, Outcome
from settlement.entities import Order, Repayment
from settlement.messages import CloseRequested, PurchaseReceived, RepaymentReversed
from settlement.outputs import AutoDebitRequested, LimitReclaimed, NotificationRequested, PayoutRequested
from settlement.statuses import DebitStatus, ObligationStatus, OrderStatus
from settlement.values import revised
from tests.unit.settlement.builders import (
    BUYER,
    Lane,
    at,
    careful_rules,
    complained,
    deferred,
    in_instalments,
    intact,
    lane_with_line,
    on_statement,
    repaid,
    returned,
    reviewed,
)


def bounced(repayment_id: str = "repayment") -> RepaymentReversed:
    return RepaymentReversed(repayment_id, "insufficient funds")


def lane_owing(*amounts_minor: int, programme: str = "kuaishou") -> Lane:
    """A lane on which orders `a`, `b`, … of those amounts are due on 1 February 2026."""
    lane = lane_with_line(programme)
    for order_id, amount_minor in zip("abcdef", amounts_minor, strict=False):
        lane.send("2026-01-02", deferred(order_id, amount_minor))
        lane.send("2026-01-05", PurchaseReceived(order_id))
    return lane


def owed(lane: Lane) -> tuple[int, int, int, int]:
    """Principal, fees, penalties and customer credit."""
    account = lane.account
    return (
        account.receivable_minor,
        account.fee_receivable_minor,
        account.penalty_receivable_minor,
        account.customer_credit_minor,
    )


def test_before_the_due_date_a_reversal_makes_owed_again_what_was_paid():
    lane = lane_owing(10_000)
    lane.send("2026-01-10", repaid(4_000))
    assert lane.send("2026-01-12", bounced()).outcome is Outcome.APPLIED
    assert owed(lane) == (10_000, 0, 0, 0)
    assert lane.limits() == (100_000, 90_000, 0, 10_000)
    (told,) = lane.outputs(NotificationRequested)
    assert (told.template, told.params["amount_minor"]) == ("repayment_reversed", 4_000)
    lane.tick("2026-02-01 00:00")
    assert lane.outputs(AutoDebitRequested)[0].amount_minor == 10_000


def test_a_settled_order_is_owed_again_and_debited_on_its_due_day():
    lane = lane_owing(10_000)
    lane.send("2026-01-10", repaid(10_000))
    assert lane.get(Order, "a").status is OrderStatus.SETTLED
    lane.send("2026-01-12", bounced())
    assert lane.get(Order, "a").status is OrderStatus.OWED
    assert lane.obligations[0].status is ObligationStatus.OPEN
    lane.tick("2026-02-01 00:00")
    assert lane.outputs(AutoDebitRequested)[0].amount_minor == 10_000


def test_a_repayment_is_reversed_once():
    lane = lane_owing(10_000)
    lane.send("2026-01-10", repaid(4_000))
    lane.send("2026-01-12", bounced())
    assert lane.send("2026-01-13", bounced()).outcome is Outcome.DUPLICATE
    assert owed(lane) == (10_000, 0, 0, 0)
    assert lane.get(Repayment, "repayment").reversed_at == at("2026-01-12")


def test_the_same_repayment_sent_again_after_its_reversal_is_a_duplicate():
    lane = lane_owing(10_000)
    lane.send("2026-01-10", repaid(4_000))
    lane.send("2026-01-12", bounced())
    assert lane.send("2026-01-13", repaid(4_000)).outcome is Outcome.DUPLICATE


def test_a_reversal_waits_for_its_repayment():
    lane = lane_owing(10_000)
    assert lane.send("2026-01-09", bounced()).outcome is Outcome.PARKED
    lane.send("2026-01-10", repaid(4_000))
    assert [each.decision.outcome for each in lane.last] == [Outcome.APPLIED, Outcome.APPLIED]
    assert owed(lane) == (10_000, 0, 0, 0)


def test_a_reversal_of_a_declined_repayment_is_declined():
    lane = lane_owing(10_000)
    lane.send("2026-01-10", repaid(4_000, currency="USD"))
    assert lane.send("2026-01-12", bounced()).reason == DeclineReason.SUBJECT_DECLINED


def test_what_is_past_due_turns_overdue_without_back_penalties_and_is_debited_once_at_the_next_midnight():
    lane = lane_owing(10_000)
    lane.tick("2026-02-01 00:00")
    lane.send("2026-02-01 09:00", repaid(10_000, debit_id=lane.requested.debit_id))
    lane.tick("2026-02-05")
    lane.send("2026-02-06 15:00", bounced())
    assert lane.get(Order, "a").status is OrderStatus.OVERDUE
    assert lane.account.freeze_reasons == ("overdue",)
    assert owed(lane) == (10_000, 0, 0, 0)
    assert lane.outputs(AutoDebitRequested) == []
    assert lane.outputs(LimitReclaimed) == [LimitReclaimed("buyer", 90_000, "CNY", "overdue", 0, 10_000)]
    lane.tick("2026-02-07 00:00")
    (request,) = lane.outputs(AutoDebitRequested)
    assert (request.amount_minor, request.due_on, request.attempt, request.reason) == (
        10_000,
        date(2026, 2, 1),
        1,
        "due",
    )
    assert owed(lane) == (10_000, 0, 5, 0)
    assert lane.debits[0].status is DebitStatus.SUCCEEDED
    lane.tick("2026-02-13 23:59")
    assert lane.outputs(AutoDebitRequested) == []


def test_what_is_due_today_is_debited_and_overdue_at_the_next_midnight():
    lane = lane_owing(10_000)
    lane.tick("2026-02-01 00:00")
    lane.send("2026-02-01 09:00", repaid(10_000, debit_id=lane.requested.debit_id))
    lane.send("2026-02-01 15:00", bounced())
    assert lane.account.freeze_reasons == ()
    assert lane.outputs(AutoDebitRequested) == []
    lane.tick("2026-02-02 00:00")
    (request,) = lane.outputs(AutoDebitRequested)
    assert (request.amount_minor, request.due_on, request.attempt) == (10_000, date(2026, 2, 1), 1)
    assert lane.get(Order, "a").status is OrderStatus.OVERDUE
    assert owed(lane) == (10_000, 0, 5, 0)


def test_a_penalty_that_was_paid_is_owed_again():
    lane = lane_owing(10_000)
    lane.tick("2026-02-03 12:00")
    lane.send("2026-02-03 13:00", repaid(10_010))
    lane.send("2026-02-05 09:00", bounced())
    assert owed(lane) == (10_000, 0, 10, 0)
    lane.tick("2026-02-06 00:00")
    assert owed(lane) == (10_000, 0, 15, 0)


def test_credit_that_is_still_there_is_taken_back():
    lane = lane_owing(10_000, 5_000)
    lane.send("2026-01-10", repaid(7_000, order_id="b"))
    assert owed(lane) == (10_000, 0, 0, 2_000)
    lane.send("2026-01-12", bounced())
    assert owed(lane) == (15_000, 0, 0, 0)


def test_credit_that_was_paid_out_is_owed_on_the_next_day_and_uses_the_limit():
    lane = lane_owing(10_000)
    lane.send("2026-01-10", repaid(13_000))
    assert lane.outputs(PayoutRequested)[0].amount_minor == 3_000
    lane.send("2026-01-12 15:00", bounced())
    assert owed(lane) == (13_000, 0, 0, 0)
    assert lane.limits() == (100_000, 87_000, 0, 13_000)
    (other,) = [each for each in lane.obligations if each.order_id is None]
    assert (other.principal_minor, other.due_on) == (3_000, date(2026, 1, 13))
    lane.tick("2026-01-13 00:00")
    (request,) = lane.outputs(AutoDebitRequested)
    assert (request.amount_minor, request.order_ids, request.due_on) == (3_000, (), date(2026, 1, 13))
    lane.tick("2026-01-14 00:00")
    assert lane.account.freeze_reasons == ("overdue",)


def test_credit_that_was_spent_on_another_obligation_is_owed_anew_and_that_one_stays_paid():
    lane = lane_owing(10_000)
    lane.send("2026-01-20", deferred("late", 5_000, days=60))
    lane.send("2026-01-21", PurchaseReceived("late"))
    lane.send("2026-01-22", repaid(12_000, order_id="a"))
    lane.send("2026-01-23", deferred("third", 2_000, days=30))
    lane.send("2026-01-24", PurchaseReceived("third"))
    lane.tick("2026-02-22 00:00")
    assert lane.get(Order, "third").status is OrderStatus.SETTLED
    lane.send("2026-02-22 09:00", bounced())
    assert lane.get(Order, "third").status is OrderStatus.SETTLED
    (other,) = [each for each in lane.obligations if each.order_id is None]
    assert (other.principal_minor, other.due_on) == (2_000, date(2026, 2, 23))
    assert owed(lane) == (10_000 + 5_000 + 2_000, 0, 0, 0)


def test_what_was_refunded_meanwhile_is_owed_anew():
    lane = lane_owing(10_000)
    lane.send("2026-01-10", repaid(10_000))
    lane.send("2026-01-11", returned(4_000, order_id="a"))
    assert lane.outputs(PayoutRequested)[0].amount_minor == 4_000
    lane.send("2026-01-12", bounced())
    assert owed(lane) == (10_000, 0, 0, 0)
    own, other = sorted(lane.obligations, key=lambda each: each.order_id is None)
    assert (own.open_minor, own.due_on, own.status) == (6_000, date(2026, 2, 1), ObligationStatus.OPEN)
    assert (other.open_minor, other.due_on) == (4_000, date(2026, 1, 13))


def test_an_order_that_was_returned_in_full_stays_returned():
    lane = lane_owing(10_000)
    lane.send("2026-01-10", repaid(10_000))
    lane.send("2026-01-11", returned(10_000, order_id="a"))
    lane.send("2026-01-12", bounced())
    assert lane.get(Order, "a").status is OrderStatus.RETURNED
    assert owed(lane) == (10_000, 0, 0, 0)


def lane_in_instalments() -> Lane:
    """10,000 in three instalments with a fee of 60 each, due on 10 February, March and April 2026."""
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", in_instalments())
    lane.send("2026-01-05", PurchaseReceived("order"))
    return lane


def test_fees_that_a_payoff_waived_come_back():
    lane = lane_in_instalments()
    lane.send("2026-01-10", repaid(10_000, purpose="payoff"))
    assert owed(lane) == (0, 0, 0, 0)
    lane.send("2026-01-12", bounced())
    assert owed(lane) == (10_000, 180, 0, 0)
    assert [each.open_minor for each in lane.obligations] == [3_394, 3_393, 3_393]


def test_fees_that_come_back_are_those_of_the_principal_that_is_left():
    lane = lane_in_instalments()
    lane.send("2026-01-10", repaid(10_000, purpose="payoff"))
    lane.send("2026-01-11", returned(5_000))
    lane.send("2026-01-12", intact())
    lane.send("2026-01-13", bounced())
    assert owed(lane) == (10_000, 60, 0, 0)
    assert [each.fee_minor for each in lane.obligations if each.order_id] == [30, 30, 0]


def test_a_fee_that_was_paid_for_what_is_returned_since_is_not_owed_again():
    lane = lane_in_instalments()
    lane.send("2026-01-10", repaid(10_180))
    lane.send("2026-01-11", returned(10_000))
    lane.send("2026-01-12", intact())
    lane.send("2026-01-13", bounced())
    assert owed(lane) == (10_000, 0, 0, 0)
    assert lane.limits() == (100_000, 90_000, 0, 10_000)


def test_what_is_under_return_is_owed_again_and_waits_for_the_return():
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", on_statement(amount_minor=10_000))
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.send("2026-02-01", repaid(10_000))
    lane.send("2026-02-09", returned(5_000))
    lane.tick("2026-02-12")
    lane.send("2026-02-12 13:00", bounced())
    assert lane.account.freeze_reasons == ()
    lane.tick("2026-02-13")
    assert lane.outputs() == []
    lane.send("2026-02-14", intact())
    lane.tick("2026-02-15 00:00")
    (request,) = lane.outputs(AutoDebitRequested)
    assert (request.amount_minor, request.due_on) == (5_000, date(2026, 2, 15))


def test_on_a_closed_line_a_reversal_reopens_the_debt():
    lane = lane_owing(10_000)
    lane.send("2026-01-10", repaid(10_000))
    lane.send("2026-01-11", CloseRequested())
    lane.send("2026-01-12", bounced())
    assert owed(lane) == (10_000, 0, 0, 0)
    assert lane.limits() == (0, -10_000, 0, 10_000)
    lane.tick("2026-02-02 00:00")
    assert lane.account.freeze_reasons == ("overdue",)
    lane.send("2026-02-02 09:00", repaid(10_005, "again"))
    assert lane.limits() == (0, 0, 0, 0)
    assert lane.account.freeze_reasons == ()
    assert owed(lane) == (0, 0, 0, 0)


def test_a_reversal_after_an_overdue_was_cleared_starts_another_one():
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", on_statement(amount_minor=10_000))
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.tick("2026-02-11 00:00")
    lane.send("2026-02-11 09:00", repaid(10_005))
    lane.send("2026-02-13 09:00", bounced())
    lane.tick("2026-02-14 12:00")
    assert lane.account.freeze_reasons == ("overdue",)
    assert lane.obligations[0].penalty_minor == 10
    lane.send("2026-02-14 13:00", repaid(10_010, "again"))
    lane.tick("2026-02-17 12:59")
    assert lane.account.freeze_reasons == ("overdue",)
    lane.tick("2026-02-17 13:00")
    assert lane.account.freeze_reasons == ()


def test_penalties_go_on_when_principal_is_owed_again_where_only_a_penalty_was_left():
    lane = lane_with_line("careful", rules=careful_rules())
    lane.send("2026-01-02", deferred("a", 10_000))
    lane.send("2026-01-05", PurchaseReceived("a"))
    lane.send("2026-01-10", repaid(6_000))
    lane.tick("2026-02-02 12:00")
    lane.send("2026-02-02 13:00", complained(4_000, order_id="a"))
    lane.send("2026-02-02 14:00", reviewed("approved"))
    lane.send("2026-02-02 15:00", intact())
    assert owed(lane) == (0, 0, 2, 0)
    lane.tick("2026-02-05")
    assert owed(lane) == (0, 0, 2, 0)
    lane.send("2026-02-05 13:00", bounced())
    lane.tick("2026-02-07")
    assert owed(lane) == (6_000, 0, 2 + 3 + 3, 0)


def test_all_of_a_repayment_is_owed_anew_when_it_is_not_known_what_it_paid():
    lane = lane_owing(10_000)
    lane.send("2026-01-10", repaid(4_000))
    kept = lane.get(Repayment, "repayment")
    lane.states[BUYER].entities[Repayment]["repayment"] = revised(kept, shares=())  # as kept before shares were
    lane.send("2026-01-12", bounced())
    assert owed(lane) == (10_000, 0, 0, 0)
    assert [each.open_minor for each in lane.obligations if each.order_id is None] == [4_000]


def test_a_reversal_of_a_repayment_that_was_declined_is_declined_as_well():
    lane = lane_with_line("kuaishou", 5_000)
    assert lane.send("2026-01-03", repaid(10_000, currency="USD")).reason == DeclineReason.CURRENCY_MISMATCH
    assert lane.send("2026-01-04", bounced()).reason == DeclineReason.SUBJECT_DECLINED


def test_what_was_paid_for_a_declined_order_and_went_back_is_owed_when_it_bounces():
    lane = lane_with_line("kuaishou", 5_000)
    lane.send("2026-01-02", deferred("a", 10_000))
    lane.send("2026-01-03", repaid(4_000, order_id="a"))
    lane.send("2026-01-04", bounced())
    assert owed(lane) == (4_000, 0, 0, 0)


def test_a_reversal_told_late_leaves_the_buyer_until_the_next_day():
    lane = lane_owing(10_000)
    lane.send("2026-01-10", repaid(13_000))
    lane.tick("2026-01-20 12:00")
    lane.send("2026-01-12", bounced())
    assert lane.outputs(AutoDebitRequested) == []
    (other,) = [each for each in lane.obligations if each.order_id is None]
    assert other.due_on == date(2026, 1, 21)


def test_customer_credit_pays_first_what_a_reversal_opened_again():
    lane = lane_owing(10_000)
    lane.tick("2026-02-01 00:00")
    lane.send("2026-02-01 09:00", repaid(1_000, "first"))
    lane.send("2026-02-01 10:00", deferred("late", 500, days=60))
    lane.send("2026-02-01 10:01", PurchaseReceived("late"))
    lane.send("2026-02-01 11:00", repaid(1_500, "more", order_id="late"))
    lane.send("2026-02-01 12:00", bounced("first"))
    lane.tick("2026-02-02 00:00")
    assert lane.account.customer_credit_minor == 0
    assert sum(each.paid_principal_minor for each in lane.obligations if each.order_id == "a") == 1_000
