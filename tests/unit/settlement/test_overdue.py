"""What follows an unpaid due date: docs/rules.md, Overdue."""

from dataclasses import replace
from datetime import date

import pytest

from settlement.decision import DeclineReason, Outcome
from settlement.entities import Order
from settlement.messages import (
    CloseRequested,
    ExtensionRequested,
    LimitChanged,
    LineFrozen,
    LineUnfrozen,
    PurchaseCancelled,
    PurchaseReceived,
    RepaymentFailed,
)
from settlement.outputs import (
    AutoDebitCancelled,
    AutoDebitRequested,
    LimitReclaimed,
    LimitRestored,
    NotificationRequested,
    PayoutRequested,
)
from settlement.statuses import ObligationStatus, OrderStatus
from settlement.timers import TimerKind
from tests.unit.settlement.builders import (
    RULES,
    Lane,
    at,
    careful_rules,
    damaged,
    deferred,
    in_instalments,
    intact,
    lane_with_line,
    lowered,
    on_statement,
    placed,
    repaid,
    returned,
    reviewed,
    rules_of,
)


def lane_owing(*amounts_minor: int, programme: str = "kuaishou", rules=RULES) -> Lane:
    """A lane on which orders `a`, `b`, … of those amounts are due on 1, 2, … February 2026."""
    lane = lane_with_line(programme, rules=rules)
    for day, (order_id, amount_minor) in enumerate(zip("abcdef", amounts_minor, strict=False), start=2):
        lane.send(f"2026-01-{day:02}", deferred(order_id, amount_minor))
    for order_id, _ in zip("abcdef", amounts_minor, strict=False):
        lane.send("2026-01-09", PurchaseReceived(order_id))
    return lane


def lane_overdue(amount_minor: int = 10_000, until: str = "2026-02-02 00:00", **more) -> Lane:
    """A lane on which order `a`, due on 1 February, is overdue."""
    lane = lane_owing(amount_minor, **more)
    lane.tick(until)
    return lane


def lane_on_statement(programme: str, amount_minor: int = 10_000) -> Lane:
    """A lane on which one statement order is due on the 6th (douyin) or 10th (taobao) of February 2026."""
    lane = lane_with_line(programme)
    lane.send("2026-01-02", on_statement(amount_minor=amount_minor))
    lane.send("2026-01-05", PurchaseReceived("order"))
    return lane


def notice(lane: Lane, template: str) -> dict:
    (found,) = [body.params for body in lane.outputs(NotificationRequested) if body.template == template]
    return found


def test_what_is_unpaid_at_midnight_after_its_due_date_is_overdue_and_freezes_the_line():
    lane = lane_owing(10_000)
    lane.tick("2026-02-01 23:59")
    assert lane.get(Order, "a").status is OrderStatus.OWED
    lane.tick("2026-02-02 00:00")
    assert lane.get(Order, "a").status is OrderStatus.OVERDUE
    assert lane.obligations[0].status is ObligationStatus.OVERDUE
    assert lane.account.freeze_reasons == ("overdue",)
    assert lane.notices() == ["limit_reclaimed", "payment_overdue", "penalty_charged"]
    assert notice(lane, "payment_overdue") == {"amount_minor": 10_000, "due_on": "2026-02-01", "currency": "CNY"}
    assert lane.send("2026-02-02", deferred("b")).reason == DeclineReason.LINE_FROZEN


def test_what_is_paid_on_its_due_date_is_not_overdue():
    lane = lane_owing(10_000)
    lane.send("2026-02-01 23:59", repaid(10_000))
    lane.tick("2026-02-05")
    assert lane.account.freeze_reasons == ()
    assert lane.account.penalty_receivable_minor == 0


def test_a_fen_that_is_not_paid_is_overdue():
    lane = lane_owing(10_000)
    lane.send("2026-02-01 23:59", repaid(9_999))
    lane.tick("2026-02-02 00:00")
    assert lane.obligations[0].penalty_minor == 1
    assert lane.get(Order, "a").status is OrderStatus.OVERDUE


@pytest.mark.parametrize(
    ("principal_minor", "daily_minor"), [(2_999, 1), (3_000, 2), (1, 1), (123_000, 62), (122_999, 61)]
)
def test_the_penalty_is_5_bps_of_the_unpaid_principal_half_up_and_at_least_1(principal_minor, daily_minor):
    lane = lane_with_line("kuaishou", 1_000_000)
    lane.send("2026-01-02", deferred("a", principal_minor))
    lane.send("2026-01-09", PurchaseReceived("a"))
    lane.tick("2026-02-02 00:00")
    assert notice(lane, "penalty_charged")["amount_minor"] == daily_minor
    assert lane.account.penalty_receivable_minor == daily_minor


def test_the_penalty_is_charged_at_each_midnight_until_it_is_paid():
    lane = lane_overdue(10_000)
    lane.tick("2026-02-04 23:59")
    assert lane.obligations[0].penalty_minor == 15
    lane.send("2026-02-05 00:00", repaid(10_020))
    lane.tick("2026-02-20")
    assert lane.outputs() == []
    assert lane.obligations[0].paid_penalty_minor == lane.obligations[0].penalty_minor == 20


def test_a_part_that_is_paid_lowers_the_penalties_that_follow():
    lane = lane_overdue(10_000)
    lane.send("2026-02-02", repaid(4_005))
    lane.tick("2026-02-04")
    assert lane.obligations[0].penalty_minor == 5 + 3 + 3


def test_penalties_are_in_sum_at_most_the_principal_that_fell_overdue():
    lane = lane_overdue(3)
    lane.tick("2026-06-01")
    assert lane.obligations[0].penalty_minor == 3
    lane.tick("2026-07-01")
    assert {each.timer.kind for each in lane.last} <= {TimerKind.DEBIT_UNANSWERED, TimerKind.DEBIT}


def test_a_rate_of_nothing_costs_nothing():
    lane = lane_overdue(rules=rules_of("kuaishou", "kuaishou", {"penalty_bps_per_day": 0}))
    lane.tick("2026-02-20")
    assert lane.obligations[0].penalty_minor == 0
    assert lane.account.freeze_reasons == ("overdue",)


def test_each_obligation_has_its_own_penalty_and_one_notice_tells_their_sum():
    lane = lane_owing(10_000, 20_000)
    lane.tick("2026-02-02 00:00")
    assert notice(lane, "penalty_charged")["amount_minor"] == 5
    lane.tick("2026-02-08 00:00")
    assert [each.penalty_minor for each in lane.obligations] == [35, 60]
    assert "penalty_charged" not in lane.notices()
    lane.tick("2026-02-09 00:00")
    assert notice(lane, "penalty_charged")["amount_minor"] == 7 * 5 + 7 * 10


def test_penalties_of_less_than_1_yuan_wait_for_a_later_notice():
    lane = lane_overdue(20_000, until="2026-02-02 12:00")
    lane.tick("2026-02-15 12:00")
    assert "penalty_charged" not in lane.notices()
    lane.tick("2026-02-16 00:00")
    assert notice(lane, "penalty_charged")["amount_minor"] == 14 * 10


def test_kuaishou_reclaims_the_unused_limit_and_gives_it_back_at_once_when_cleared():
    lane = lane_owing(10_000)
    lane.tick("2026-02-02 00:00")
    assert lane.outputs(LimitReclaimed) == [LimitReclaimed("buyer", 90_000, "CNY", "overdue", 0, 10_000)]
    lane.send("2026-02-02 09:00", repaid(10_005))
    assert lane.outputs(LimitRestored) == [LimitRestored("buyer", 90_000, "CNY", "cleared", 100_000, 100_000)]
    assert lane.account.freeze_reasons == ()
    assert lane.limits() == (100_000, 100_000, 0, 0)


def test_limit_is_reclaimed_at_each_obligation_that_falls_overdue():
    lane = lane_owing(10_000, 20_000)
    lane.tick("2026-02-02 12:00")
    lane.send("2026-02-02 13:00", repaid(4_005))
    assert lane.limits() == (30_000, 4_000, 0, 26_000)
    lane.tick("2026-02-03 00:00")
    assert lane.outputs(LimitReclaimed) == [LimitReclaimed("buyer", 4_000, "CNY", "overdue", 0, 26_000)]


def test_a_rise_of_the_limit_waits_for_the_restoring_while_limit_is_reclaimed():
    lane = lane_overdue(10_000)
    lane.send("2026-02-02 08:00", LimitChanged(150_000, "CNY", "better"))
    assert lane.outputs() == []
    assert lane.limits() == (10_000, 0, 0, 10_000)
    lane.send("2026-02-02 09:00", repaid(10_005))
    assert lane.outputs(LimitRestored)[0].amount_minor == 140_000
    assert lane.limits() == (150_000, 150_000, 0, 0)


def test_a_lowered_limit_lowers_the_reclaimed_one_only_where_that_is_above_it():
    lane = lane_overdue(10_000)
    lane.send("2026-02-02 08:00", LimitChanged(50_000, "CNY", "worse"))
    assert lane.limits() == (10_000, 0, 0, 10_000)
    lane.send("2026-02-02 08:30", LimitChanged(7_000, "CNY", "worse"))
    assert lane.outputs(LimitReclaimed) == [LimitReclaimed("buyer", 3_000, "CNY", "limit_lowered", -3_000, 7_000)]
    lane.send("2026-02-02 09:00", repaid(10_005))
    assert lane.limits() == (7_000, 7_000, 0, 0)


def test_other_programmes_keep_the_limit_while_it_is_frozen():
    lane = lane_on_statement("douyin")
    lane.tick("2026-02-07 00:00")
    assert lane.account.freeze_reasons == ("overdue",)
    assert lane.outputs(LimitReclaimed) == []
    lane.send("2026-02-07 08:00", LimitChanged(150_000, "CNY", "better"))
    assert lane.limits() == (150_000, 140_000, 0, 10_000)


def test_tmall_is_restored_at_once_and_tells_what_is_available():
    lane = lane_with_line("tmall")
    lane.send("2026-01-02", placed(days=7))
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.tick("2026-01-13 00:00")
    assert lane.account.freeze_reasons == ("overdue",)
    lane.send("2026-01-13 09:00", repaid(10_005))
    assert lane.outputs(LimitRestored) == [LimitRestored("buyer", 100_000, "CNY", "cleared", 100_000, 100_000)]


def test_another_freeze_stays_and_nothing_is_told_while_the_limit_does_not_rise():
    lane = lane_with_line("tmall")
    lane.send("2026-01-02", placed(days=7))
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.send("2026-01-06", LineFrozen("security"))
    lane.tick("2026-01-13 00:00")
    lane.send("2026-01-13 09:00", repaid(10_005))
    assert lane.account.freeze_reasons == ("security",)
    assert lane.outputs(LimitRestored) == []
    lane.send("2026-01-14", LineUnfrozen("security"))
    assert lane.outputs(LimitRestored)[0].reason == "unfrozen"


def test_taobao_is_restored_72_hours_after_clearing():
    lane = lane_on_statement("taobao")
    lane.tick("2026-02-11 00:00")
    lane.send("2026-02-12 10:00", repaid(10_010))
    assert lane.account.freeze_reasons == ("overdue",)
    assert lane.send("2026-02-13", on_statement("b")).reason == DeclineReason.LINE_FROZEN
    lane.tick("2026-02-15 09:59")
    assert lane.account.freeze_reasons == ("overdue",)
    lane.tick("2026-02-15 10:00")
    assert lane.account.freeze_reasons == ()
    assert lane.outputs(LimitRestored)[0].reason == "cleared"


def test_the_wait_starts_again_when_something_falls_overdue_meanwhile():
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", in_instalments(amount_minor=9_000))
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.tick("2026-02-11 00:00")
    first_minor = 3_000 + 54 + 2
    lane.send("2026-03-09 10:00", repaid(first_minor + 26 * 2))
    lane.tick("2026-03-11 00:00")
    assert lane.account.freeze_reasons == ("overdue",)
    lane.tick("2026-03-12 10:00")
    assert lane.account.freeze_reasons == ("overdue",)
    lane.send("2026-03-13 08:00", repaid(3_000 + 54 + 3 * 2, "second"))
    lane.tick("2026-03-16 07:59")
    assert lane.account.freeze_reasons == ("overdue",)
    lane.tick("2026-03-16 08:00")
    assert lane.account.freeze_reasons == ()


def test_douyin_is_not_restored_by_itself():
    lane = lane_on_statement("douyin")
    lane.tick("2026-02-07 00:00")
    lane.send("2026-02-08 10:00", repaid(10_010))
    lane.tick("2026-12-31")
    assert lane.account.freeze_reasons == ("overdue",)
    assert lane.account.overdue_until == at("2026-02-08 10:00")


def test_two_overdue_obligations_are_cleared_by_the_second():
    lane = lane_owing(10_000, 20_000)
    lane.tick("2026-02-03 00:00")
    lane.send("2026-02-03 09:00", repaid(10_010))
    assert lane.get(Order, "a").status is OrderStatus.SETTLED
    assert lane.account.freeze_reasons == ("overdue",)
    lane.send("2026-02-03 10:00", repaid(20_010, "second"))
    assert lane.account.freeze_reasons == ()


def test_an_order_of_which_nothing_is_overdue_any_more_is_owed_again():
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", in_instalments(amount_minor=9_000))
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.tick("2026-02-11 00:00")
    assert lane.get(Order, "order").status is OrderStatus.OVERDUE
    lane.send("2026-02-11 09:00", repaid(3_056))
    assert lane.get(Order, "order").status is OrderStatus.OWED


def test_an_obligation_made_after_its_due_date_is_debited_at_once_and_overdue_at_the_next_midnight():
    lane = lane_with_line("kuaishou")
    lane.tick("2026-03-10 12:00")
    lane.send("2026-01-02", deferred("a"))  # told after its automatic receipt and its due date
    assert len(lane.outputs(AutoDebitRequested)) == 1
    assert lane.account.freeze_reasons == ()
    lane.tick("2026-03-10 23:59")
    assert lane.account.freeze_reasons == ()
    lane.tick("2026-03-11 00:00")
    assert lane.account.freeze_reasons == ("overdue",)
    assert lane.obligations[0].penalty_minor == 5


def test_a_retry_asks_for_the_penalty_as_well():
    lane = lane_owing(10_000)
    lane.tick("2026-02-01 00:00")
    lane.send("2026-02-01 09:00", RepaymentFailed(lane.requested.debit_id, "no money", retryable=True))
    lane.tick("2026-02-02 00:00")
    assert lane.outputs(AutoDebitRequested)[0].amount_minor == 10_005


# Returns, lowering and cancelling of what is overdue.


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


# Repayments that come late.


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


def test_a_line_is_not_closed_while_a_penalty_is_owed():
    lane = lane_overdue(10_000)
    assert lane.send("2026-02-02", CloseRequested()).reason == DeclineReason.OUTSTANDING
    assert notice(lane, "closing_refused")["payoff_minor"] == 10_005


def test_a_late_payoff_is_judged_by_what_it_took_when_it_was_made():
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", in_instalments(amount_minor=9_000))
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.tick("2026-02-13 12:00")
    lane.send("2026-02-10 12:00", repaid(9_054, purpose="payoff"))
    assert lane.get(Order, "order").status is OrderStatus.SETTLED
    assert notice(lane, "payoff_received")["waived_minor"] == 108
    assert lane.account.freeze_reasons == ()


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


def test_an_extension_told_when_the_order_is_overdue_is_too_late():
    lane = lane_with_line("tmall")
    lane.send("2026-01-02", placed(days=7))
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.tick("2026-01-14")
    assert lane.send("2026-01-11", ExtensionRequested("order", 3)).reason == DeclineReason.TOO_LATE
