"""What follows an unpaid due date: docs/rules.md, Overdue."""

from dataclasses import replace
from datetime import date

import pytest

from settlement.decision import DeclineReason
from settlement.entities import Order
from settlement.messages import (
    CloseRequested,
    ExtensionRequested,
    LimitChanged,
    LineFrozen,
    LineUnfrozen,
    PurchaseReceived,
    RepaymentFailed,
)
from settlement.outputs import (
    AutoDebitRequested,
    LimitReclaimed,
    LimitRestored,
)
from settlement.statuses import ObligationStatus, OrderStatus
from settlement.terms import TermsBook
from settlement.timers import TimerKind
from tests.unit.settlement.builders import (
    RULES,
    at,
    deferred,
    in_instalments,
    lane_with_line,
    on_statement,
    placed,
    repaid,
    rules_of,
)
from tests.unit.settlement.owing import lane_on_statement, lane_overdue, lane_owing, notice


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


@pytest.mark.parametrize(("principal_minor", "daily_minor"), [(14_999, 1), (15_000, 2)])
def test_half_a_fen_of_penalty_is_a_fen_and_less_than_half_is_none(principal_minor, daily_minor):
    lane = lane_overdue(principal_minor, rules=rules_of("kuaishou", "kuaishou", {"penalty_bps_per_day": 1}))
    assert lane.obligations[0].penalty_minor == daily_minor


def test_the_penalty_has_the_rate_of_the_terms_under_which_the_order_was_placed():
    (first,) = RULES.terms.document["versions"]
    dearer = {**first, "effective_from": "2026-01-20", "penalty_bps_per_day": 10}
    rules = replace(RULES, terms=TermsBook.parse({"versions": [first, dearer]}))
    lane = lane_with_line("kuaishou", 1_000_000, rules=rules)
    for order_id, placed_on in (("old", "2026-01-19"), ("new", "2026-01-20")):
        lane.send(placed_on, deferred(order_id, 10_000))
        lane.send(placed_on, PurchaseReceived(order_id))
    lane.tick("2026-02-20 00:00")
    assert [(each.order_id, each.penalty_minor) for each in lane.obligations] == [("old", 10), ("new", 10)]
    assert lane.obligations[1].due_on == date(2026, 2, 19)


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


def test_a_last_fen_of_unused_limit_is_reclaimed():
    lane = lane_with_line("kuaishou", 10_001)
    lane.send("2026-01-02", deferred("a", 10_000))
    lane.send("2026-01-09", PurchaseReceived("a"))
    lane.tick("2026-02-02 00:00")
    assert [each.amount_minor for each in lane.outputs(LimitReclaimed)] == [1]


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


def test_a_line_is_not_closed_while_a_penalty_is_owed():
    lane = lane_overdue(10_000)
    assert lane.send("2026-02-02", CloseRequested()).reason == DeclineReason.OUTSTANDING
    assert notice(lane, "closing_refused")["payoff_minor"] == 10_005


def test_an_extension_told_when_the_order_is_overdue_is_too_late():
    lane = lane_with_line("tmall")
    lane.send("2026-01-02", placed(days=7))
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.tick("2026-01-14")
    assert lane.send("2026-01-11", ExtensionRequested("order", 3)).reason == DeclineReason.TOO_LATE
