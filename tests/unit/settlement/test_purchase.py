"""Orders: placing with its reasons to decline, receipt, trial, keeping, cancelling."""

from dataclasses import replace
from datetime import date

import pytest

from settlement.decision import DeclineReason, Outcome
from settlement.entities import Account, Obligation, Order, PlanKind, Return
from settlement.messages import LineFrozen, Plan, PurchaseCancelled, PurchaseKept, PurchaseReceived
from settlement.outputs import AutoDebitCancelled, AutoDebitRequested, LimitReleased, PayoutRequested
from settlement.statuses import ObligationStatus, OrderStatus, ReturnStatus
from settlement.terms import TermsBook
from settlement.timers import TimerKind
from settlement.values import revised
from tests.unit.settlement.builders import (
    BUYER,
    RULES,
    Lane,
    at,
    damaged,
    deferred,
    in_instalments,
    intact,
    lane_with_line,
    lowered,
    on_statement,
    opened,
    placed,
    repaid,
    returned,
    rules_of,
    without_notices,
)


def test_an_accepted_order_holds_its_amount():
    lane = lane_with_line(limit_minor=50_000)
    assert lane.send("2026-01-02", placed(amount_minor=10_000)).outcome is Outcome.APPLIED
    assert lane.limits() == (50_000, 40_000, 10_000, 0)
    assert lane.notices() == ["purchase_accepted"]
    assert lane.get(Order, "order").terms_from == date(2020, 1, 1)


OBSTACLES = [
    (DeclineReason.LINE_CLOSED, {"closed_at": at("2026-01-01")}, {}),
    (DeclineReason.LINE_FROZEN, {"freeze_reasons": ("security",)}, {}),
    (DeclineReason.OVERDUE, {}, {}),
    (DeclineReason.CARD_NOT_LINKED, {"card_linked": False}, {}),
    (DeclineReason.IDENTITY_NOT_VERIFIED, {"identity_verified": False}, {}),
    (DeclineReason.SCORE_BELOW_THRESHOLD, {"score": 649}, {}),
    (DeclineReason.NOT_SUPPORTED, {}, {"item_eligible": False}),
    (DeclineReason.PLAN_NOT_OFFERED, {}, {"plan": replace(placed().plan, days=8)}),
    (DeclineReason.CURRENCY_MISMATCH, {}, {"currency": "USD"}),
    (DeclineReason.LIMIT_EXCEEDED, {}, {"amount_minor": 100_001}),
]
"""Each obstacle to a purchase alone, in the order of the rules."""


def demanding_lane() -> Lane:
    """A lane whose one programme needs a card, an identity and a score."""
    needs = {"card_linked": True, "identity_verified": True, "score_at_least": 650}
    lane = Lane(rules_of("tmall", "tmall", needs=needs))
    lane.send("2026-01-01", opened())
    return lane


def overdue_obligation() -> Obligation:
    return Obligation("buyer", "old", 99, None, date(2025, 12, 1), ObligationStatus.OVERDUE, 100, 0, 0, 0, 0, 0, None)


@pytest.mark.parametrize("first", range(len(OBSTACLES)))
def test_an_order_is_declined_with_the_first_reason_that_applies(first):
    lane = demanding_lane()
    order = placed()
    for reason, of_account, of_order in OBSTACLES[first:]:
        lane.states[BUYER].entities[Account][BUYER.id] = revised(lane.account, **of_account)
        order = replace(order, **of_order)
        if reason is DeclineReason.OVERDUE:
            lane.states[BUYER].entities[Obligation] = {"old": overdue_obligation()}
    before = lane.account
    decision = lane.send("2026-01-02", order)
    assert (decision.outcome, decision.reason) == (Outcome.DECLINED, OBSTACLES[first][0])
    assert lane.account == before
    assert lane.notices() == ["purchase_declined"]


def test_the_table_of_obstacles_is_in_the_order_of_the_reasons():
    table = [reason for reason, _, _ in OBSTACLES]
    assert table == [reason for reason in DeclineReason if reason in table]


def test_without_obstacles_the_demanding_programme_accepts():
    assert demanding_lane().send("2026-01-02", placed()).outcome is Outcome.APPLIED


@pytest.mark.parametrize(
    ("item_plans", "outcome"),
    [(None, "applied"), ((PlanKind.TRIAL,), "applied"), ((PlanKind.DEFERRED,), "declined"), ((), "declined")],
)
def test_an_item_offers_certain_plans(item_plans, outcome):
    assert lane_with_line().send("2026-01-02", placed(item_plans=item_plans)).outcome == outcome


def test_an_unknown_score_is_below_any_threshold():
    assert lane_with_line(score=None).send("2026-01-02", placed()).reason == "score_below_threshold"
    assert lane_with_line(score=650).send("2026-01-02", placed()).outcome is Outcome.APPLIED


def test_a_plan_of_another_programme_is_not_offered():
    assert lane_with_line("kuaishou").send("2026-01-02", placed()).reason == "plan_not_offered"
    assert lane_with_line("tmall").send("2026-01-02", deferred()).reason == "plan_not_offered"
    assert lane_with_line("tmall").send("2026-01-02", on_statement()).reason == "plan_not_offered"
    assert lane_with_line("taobao").send("2026-01-02", in_instalments(periods=4)).reason == "plan_not_offered"
    with_days = replace(on_statement(), plan=Plan(PlanKind.STATEMENT, days=30))
    assert lane_with_line("taobao").send("2026-01-02", with_days).reason == "plan_not_offered"


def test_an_order_up_to_the_last_fen_is_accepted():
    lane = lane_with_line(limit_minor=10_000)
    assert lane.send("2026-01-02", placed(amount_minor=10_000)).outcome is Outcome.APPLIED
    assert lane.send("2026-01-02", placed("next", 1)).reason == "limit_exceeded"


def test_an_order_id_is_taken_once_accepted_and_free_when_declined():
    lane = lane_with_line(limit_minor=10_000)
    assert lane.send("2026-01-02", placed(amount_minor=20_000)).outcome is Outcome.DECLINED
    assert lane.send("2026-01-02", PurchaseReceived("order")).reason == "subject_declined"
    assert lane.send("2026-01-02", placed(amount_minor=10_000)).outcome is Outcome.APPLIED
    assert lane.send("2026-01-02", placed(amount_minor=10_000)).outcome is Outcome.DUPLICATE
    assert lane.send("2026-01-02", placed(amount_minor=9_999)).outcome is Outcome.CONFLICT


def test_a_deferred_order_is_owed_on_receipt_and_due_by_its_placing_date():
    lane = lane_with_line("kuaishou", 50_000)
    lane.send("2026-01-02 23:59", deferred(days=30))
    lane.send("2026-01-05", PurchaseReceived("order"))
    assert lane.limits() == (50_000, 40_000, 0, 10_000)
    assert lane.account.receivable_minor == 10_000
    (obligation,) = lane.obligations
    assert (obligation.due_on, obligation.principal_minor) == (date(2026, 2, 1), 10_000)
    (share,) = lane.last[0].decision.activity
    assert (share.merchant_id, share.payable_minor, share.after_sales) == ("shop", 10_000, 0)


def test_a_deferred_order_is_debited_on_its_due_day():
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred(days=30))
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.tick("2026-01-31 23:59")
    assert lane.outputs(AutoDebitRequested) == []
    lane.tick("2026-02-01 00:00")
    (request,) = lane.outputs()
    assert request == AutoDebitRequested(
        "buyer", lane.requested.debit_id, 10_000, "CNY", ("order",), date(2026, 2, 1), 1, "due"
    )
    assert lane.last[0].decided_at == at("2026-02-01 00:00")


def test_one_debit_asks_for_all_that_is_due_on_a_date():
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02 08:00", deferred("a", 1_000))
    lane.send("2026-01-02 09:00", deferred("b", 2_000))
    lane.send("2026-01-03 09:00", deferred("c", 4_000))
    for order_id in "cba":
        lane.send("2026-01-04", PurchaseReceived(order_id))
    lane.tick("2026-02-02 00:00")
    asked = [(body.order_ids, body.amount_minor, body.due_on) for body in lane.outputs(AutoDebitRequested)]
    assert asked == [(("b", "a"), 3_000, date(2026, 2, 1)), (("c",), 4_000, date(2026, 2, 2))]


def test_a_receipt_told_after_the_due_date_is_debited_at_once():
    lane = lane_with_line("kuaishou", rules=rules_of("kuaishou", "kuaishou", {"automatic_receipt_days": 60}))
    lane.send("2026-01-02", deferred(days=30))
    lane.send("2026-02-03", PurchaseReceived("order"))
    (request,) = without_notices(lane.outputs())
    assert (request.due_on, request.reason) == (date(2026, 2, 1), "due")


def test_a_receipt_told_as_the_due_date_begins_is_debited_at_once():
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred(days=30))
    lane.send("2026-02-01 00:00", PurchaseReceived("order"))
    assert len(lane.outputs(AutoDebitRequested)) == 1


def test_a_receipt_starts_the_trial_and_its_end_captures_and_debits():
    lane = lane_with_line(limit_minor=50_000)
    lane.send("2026-01-02", placed(days=7))
    lane.send("2026-01-05 23:00", PurchaseReceived("order"))
    assert lane.get(Order, "order").status is OrderStatus.TRIAL
    assert lane.limits() == (50_000, 40_000, 10_000, 0)
    lane.tick("2026-01-11 23:59")
    assert lane.limits() == (50_000, 40_000, 10_000, 0)
    lane.tick("2026-01-12 00:00")
    assert lane.limits() == (50_000, 40_000, 0, 10_000)
    (request,) = lane.outputs(AutoDebitRequested)
    assert (request.amount_minor, request.due_on, request.reason) == (10_000, date(2026, 1, 12), "trial_ended")


def test_trials_that_end_together_share_one_debit():
    lane = lane_with_line()
    for order_id in "ab":
        lane.send("2026-01-02", placed(order_id, 1_000, days=7))
        lane.send("2026-01-05", PurchaseReceived(order_id))
    lane.tick("2026-01-12 00:00")
    (request,) = lane.outputs(AutoDebitRequested)
    assert (request.order_ids, request.amount_minor, request.reason) == (("a", "b"), 2_000, "trial_ended")


def test_a_receipt_that_occurred_before_the_trial_would_have_ended_counts_from_then():
    lane = lane_with_line()
    lane.send("2026-01-02", placed(days=7))
    lane.tick("2026-01-15")
    lane.send("2026-01-05", PurchaseReceived("order"))
    (request,) = without_notices(lane.outputs())
    assert (request.due_on, request.reason) == (date(2026, 1, 12), "trial_ended")
    assert lane.last[0].decided_at == at("2026-01-15")


def test_a_receipt_told_twice_is_a_duplicate():
    lane = lane_with_line()
    lane.send("2026-01-02", placed())
    lane.send("2026-01-03", PurchaseReceived("order"))
    assert lane.send("2026-01-04", PurchaseReceived("order")).outcome is Outcome.DUPLICATE


def test_an_order_whose_receipt_nobody_tells_is_received_15_days_after_placing():
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02 12:00", deferred(days=30))
    assert lane.tick("2026-01-17 11:59") == []
    assert [each.timer.kind for each in lane.tick("2026-01-17 12:00")] == [TimerKind.AUTOMATIC_RECEIPT]
    assert lane.get(Order, "order").received_at == at("2026-01-17 12:00")
    assert lane.limits() == (100_000, 90_000, 0, 10_000)
    assert lane.send("2026-01-18", PurchaseReceived("order")).outcome is Outcome.DUPLICATE
    assert lane.send("2026-01-18", PurchaseCancelled("order", "late")).reason == "wrong_state"


def test_a_trial_begins_with_the_automatic_receipt():
    lane = lane_with_line()
    lane.send("2026-01-02 12:00", placed(days=7))
    lane.tick("2026-01-17 12:00")
    assert (lane.get(Order, "order").status, lane.get(Order, "order").due_on) == (OrderStatus.TRIAL, date(2026, 1, 24))
    lane.tick("2026-01-24 00:00")
    assert lane.outputs(AutoDebitRequested)[0].reason == "trial_ended"


def test_a_return_holds_up_what_the_automatic_receipt_would_start():
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", on_statement())
    lane.send("2026-01-16", returned(4_000))
    lane.tick("2026-01-17 12:00")
    assert lane.get(Order, "order").received_at == at("2026-01-17 12:00")
    assert lane.limits() == (100_000, 90_000, 10_000, 0)
    lane.send("2026-01-18", damaged())
    assert lane.limits() == (100_000, 90_000, 0, 10_000)


@pytest.mark.parametrize(
    "end",
    [
        [PurchaseReceived("order")],
        [PurchaseCancelled("order", "changed my mind")],
        [returned(), intact()],
        [returned(4_000), intact(), lowered(4_000)],
    ],
)
def test_the_receipt_of_an_order_that_was_received_or_is_over_is_not_waited_for(end):
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", on_statement())
    for body in end:
        lane.send("2026-01-03", body)
    assert [kind for kind, _ in lane.states[BUYER].timers if kind is TimerKind.AUTOMATIC_RECEIPT] == []


@pytest.mark.parametrize(
    ("days", "expected"), [(7, (date(2026, 1, 24), OrderStatus.OWED)), (30, (date(2026, 2, 16), OrderStatus.TRIAL))]
)
def test_an_order_told_later_than_its_automatic_receipt_was_received_then(days, expected):
    lane = lane_with_line()
    lane.tick("2026-02-01")
    lane.send("2026-01-02 12:00", placed(days=days))
    order = lane.get(Order, "order")
    assert order.received_at == at("2026-01-17 12:00")
    assert (order.due_on, order.status) == expected
    assert [each.decision.outcome for each in lane.last] == [Outcome.APPLIED]


def test_the_automatic_receipt_follows_the_terms_of_the_order():
    lane = lane_with_line(rules=rules_of("tmall", "tmall", {"automatic_receipt_days": 3}))
    lane.send("2026-01-02 12:00", placed())
    lane.tick("2026-01-05 12:00")
    assert lane.get(Order, "order").received_at == at("2026-01-05 12:00")


def test_steps_of_an_unknown_order_wait_for_it():
    lane = lane_with_line()
    assert lane.send("2026-01-02", PurchaseKept("order")).outcome is Outcome.PARKED
    assert lane.send("2026-01-02", PurchaseReceived("order")).outcome is Outcome.PARKED
    lane.send("2026-01-03", placed())
    assert [each.decision.outcome for each in lane.last] == ["applied", "applied", "applied"]
    assert lane.get(Order, "order").status is OrderStatus.OWED


def test_a_kept_trial_is_captured_and_debited_at_once_and_stays_due_at_its_end():
    lane = lane_with_line()
    lane.send("2026-01-02", placed(days=7))
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.send("2026-01-06", PurchaseKept("order"))
    (request,) = lane.outputs()
    assert (request.amount_minor, request.due_on, request.attempt, request.reason) == (
        10_000,
        date(2026, 1, 12),
        1,
        "kept",
    )
    assert lane.obligations[0].due_on == date(2026, 1, 12)
    assert lane.send("2026-01-07", PurchaseKept("order")).outcome is Outcome.DUPLICATE
    assert [each.timer.kind for each in lane.tick("2026-01-12")] == [TimerKind.REMINDER, TimerKind.DUE_DAY]
    assert lane.outputs(AutoDebitRequested) == []
    ends = [TimerKind.OVERDUE, TimerKind.PENALTY, TimerKind.DEBIT_UNANSWERED]
    assert [each.timer.kind for each in lane.tick("2026-01-13 12:00")] == ends


def test_keeping_before_receipt_waits_for_it():
    lane = lane_with_line()
    lane.send("2026-01-02", placed())
    assert lane.send("2026-01-03", PurchaseKept("order")).outcome is Outcome.PARKED
    lane.send("2026-01-04", PurchaseReceived("order"))
    assert lane.get(Order, "order").status is OrderStatus.OWED


def test_keeping_is_wrong_where_no_trial_runs():
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred())
    assert lane.send("2026-01-03", PurchaseKept("order")).reason == "wrong_state"
    trial = lane_with_line()
    trial.send("2026-01-02", placed())
    trial.send("2026-01-03", PurchaseReceived("order"))
    trial.send("2026-01-04", returned(1_000))
    assert trial.send("2026-01-05", PurchaseKept("order")).reason == "wrong_state"
    ended = lane_with_line()
    ended.send("2026-01-02", placed())
    ended.send("2026-01-03", PurchaseReceived("order"))
    ended.tick("2026-01-11")
    assert ended.send("2026-01-11", PurchaseKept("order")).reason == "wrong_state"


def test_cancelling_before_receipt_releases_the_hold():
    lane = lane_with_line(limit_minor=50_000)
    lane.send("2026-01-02", placed(amount_minor=10_000))
    lane.send("2026-01-03", PurchaseCancelled("order", "changed my mind"))
    assert lane.limits() == (50_000, 50_000, 0, 0)
    assert lane.outputs() == [LimitReleased("buyer", "order", 10_000, "CNY", "cancelled", 50_000, 50_000)]
    assert lane.send("2026-01-04", PurchaseCancelled("order", "again")).outcome is Outcome.DUPLICATE
    assert lane.send("2026-01-04", PurchaseReceived("order")).reason == "wrong_state"


def test_cancelling_after_receipt_is_wrong():
    lane = lane_with_line()
    lane.send("2026-01-02", placed())
    lane.send("2026-01-03", PurchaseReceived("order"))
    assert lane.send("2026-01-04", PurchaseCancelled("order", "late")).reason == "wrong_state"


def test_cancelling_ends_open_returns():
    lane = lane_with_line(limit_minor=50_000)
    lane.send("2026-01-02", placed(amount_minor=10_000))
    lane.send("2026-01-02", returned(4_000))
    lane.send("2026-01-03", PurchaseCancelled("order", "lost"))
    assert lane.limits() == (50_000, 50_000, 0, 0)
    assert lane.get(Return, "return").status is ReturnStatus.WITHDRAWN
    assert [share.after_sales for share in lane.last[0].decision.activity] == [-1]


def lane_captured_on_placing() -> Lane:
    """A programme of deferred plans that are owed from placing on, and received some day after they are due."""
    lane = Lane(rules_of("early", "kuaishou", {"automatic_receipt_days": 60}, captured_on="placing"))
    lane.send("2026-01-01", opened("early", 50_000))
    return lane


def test_cancelling_what_is_captured_already_takes_it_back_and_pays_out_what_was_repaid():
    lane = lane_captured_on_placing()
    lane.send("2026-01-02", deferred(amount_minor=10_000))
    assert lane.limits() == (50_000, 40_000, 0, 10_000)
    lane.send("2026-01-03", repaid(4_000))
    lane.tick("2026-02-01 00:00")
    debit_id = lane.requested.debit_id
    lane.send("2026-02-01", PurchaseCancelled("order", "lost"))
    released, payout, cancelled = without_notices(lane.outputs())
    assert released == LimitReleased("buyer", "order", 6_000, "CNY", "cancelled", 50_000, 50_000)
    assert isinstance(payout, PayoutRequested)
    assert (payout.amount_minor, payout.route, payout.reason) == (4_000, "card", "order_refund")
    assert cancelled == AutoDebitCancelled("buyer", debit_id, "cancelled")
    assert sum(share.payable_minor for share in lane.last[0].decision.activity) == -10_000
    assert lane.account.receivable_minor == 0
    assert lane.obligations[0].status is ObligationStatus.RETURNED


def test_a_received_order_that_was_captured_on_placing_is_not_captured_again():
    lane = lane_captured_on_placing()
    lane.send("2026-01-02", deferred(amount_minor=10_000))
    assert lane.send("2026-01-03", PurchaseReceived("order")).outcome is Outcome.APPLIED
    assert lane.limits() == (50_000, 40_000, 0, 10_000)


def test_while_frozen_nothing_new_is_accepted_but_cancelling_works():
    lane = lane_with_line()
    lane.send("2026-01-02", placed())
    lane.send("2026-01-02", LineFrozen("manual"))
    assert lane.send("2026-01-03", placed("other")).reason == "line_frozen"
    assert lane.send("2026-01-03", PurchaseCancelled("order", "gone")).outcome is Outcome.APPLIED


def test_an_order_keeps_the_terms_it_was_accepted_under():
    lane = lane_with_line()
    lane.send("2026-01-02", placed(days=7))
    document = {"versions": [*RULES.terms.document["versions"]]}
    version = {**document["versions"][0], "effective_from": "2026-01-03"}
    tmall = {**version["programmes"]["tmall"], "plans": {"trial": {"days": [10]}}}
    version["programmes"] = {**version["programmes"], "tmall": tmall}
    lane.rules = replace(RULES, terms=TermsBook.parse({"versions": [*document["versions"], version]}))
    assert lane.send("2026-01-03", placed("next", days=7)).reason == "plan_not_offered"
    assert lane.send("2026-01-03", placed("next", days=10)).outcome is Outcome.APPLIED
    assert (lane.get(Order, "order").terms_from, lane.get(Order, "next").terms_from) == (
        date(2020, 1, 1),
        date(2026, 1, 3),
    )
    lane.send("2026-01-04", PurchaseReceived("order"))
    assert lane.get(Order, "order").due_on == date(2026, 1, 11)


def test_the_order_of_orders_is_kept():
    lane = lane_with_line()
    for order_id in ("b", "a"):
        lane.send("2026-01-02", placed(order_id, 100))
    orders = sorted(lane.states[BUYER].each(Order), key=lambda each: each.no)
    assert [order.order_id for order in orders] == ["b", "a"]
