"""Overdue debt in parts: docs/rules.md, Hardship."""

from datetime import date

from settlement.concession import Concession
from settlement.decision import Outcome
from settlement.entities import CashOut, Order
from settlement.ledger import Book
from settlement.messages import (
    AppealDecided,
    BillInstalmentRequested,
    CloseRequested,
    DebtRescheduled,
    LineFrozen,
    PayoutFailed,
    PenaltyWaived,
    PurchaseReceived,
    RepaymentFailed,
    RepaymentReinstated,
    RepaymentReversed,
)
from settlement.outputs import AutoDebitCancelled, LimitRestored, NotificationRequested, PayoutRequested
from settlement.statuses import ObligationStatus, OrderStatus
from tests.unit.settlement.builders import (
    Lane,
    cashed_out,
    deferred,
    in_instalments,
    lane_with_line,
    on_statement,
    repaid,
    returned,
    rules_of,
)


def plan(periods: int = 3, plan_id: str = "plan", reason: str = "illness") -> DebtRescheduled:
    return DebtRescheduled(plan_id, periods, reason, "an operator")


def parts_of(lane: Lane) -> list[tuple]:
    """Due date, principal, penalty and state of everything that was made, as it is paid."""
    return [(each.due_on, each.principal_minor, each.penalty_minor, each.status.value) for each in lane.obligations]


def lane_overdue(amount_minor: int = 10_000, *, tick: str = "2026-02-05 00:00", **terms: object) -> Lane:
    """A lane on which a deferred order, due on 1 February, has been overdue since the 2nd."""
    lane = lane_with_line("kuaishou", **terms)
    lane.send("2026-01-02", deferred(amount_minor=amount_minor))
    lane.send("2026-01-03", PurchaseReceived("order"))
    lane.tick(tick)
    return lane


def lane_billed(programme: str = "taobao") -> Lane:
    """A lane on which an order on a statement, due on 10 February, has cost two penalties."""
    lane = lane_with_line(programme)
    lane.send("2026-01-02", on_statement())
    lane.send("2026-01-03", PurchaseReceived("order"))
    lane.tick("2026-02-12 00:00")
    return lane


def test_without_statements_a_part_is_due_every_30_days():
    lane = lane_overdue()
    decided = lane.send("2026-02-05", plan())
    assert decided.outcome is Outcome.APPLIED
    assert [each for each in decided.postings if each.debit.book is Book.MONEY] == []
    assert parts_of(lane) == [
        (date(2026, 3, 7), 3_334, 20, "open"),
        (date(2026, 4, 6), 3_333, 0, "open"),
        (date(2026, 5, 6), 3_333, 0, "open"),
    ]
    order = lane.get(Order, "order")
    assert (order.status, order.due_on, len(order.obligation_ids)) == (OrderStatus.OWED, date(2026, 3, 7), 3)
    kept = lane.get(Concession, "plan:plan")
    assert (kept.amount_minor, kept.reason, kept.approved_by) == (10_020, "illness", "an operator")
    (told,) = [each for each in lane.outputs(NotificationRequested) if each.template == "debt_rescheduled"]
    assert told.params == {"amount_minor": 10_020, "currency": "CNY", "periods": 3, "first_due_on": "2026-03-07"}


def test_the_days_from_part_to_part_are_of_the_terms():
    lane = lane_overdue(rules=rules_of("kuaishou", "kuaishou", version_changes={"rescheduling_days": 10}))
    lane.send("2026-02-05", plan())
    assert [each.due_on for each in lane.obligations] == [date(2026, 2, 15), date(2026, 2, 25), date(2026, 3, 7)]


def test_with_statements_the_parts_are_billed_by_the_next_ones():
    lane = lane_billed()
    lane.send("2026-02-12", plan(6))
    assert [(each.billed_on, each.due_on) for each in lane.obligations] == [
        (date(2026, month, 1), date(2026, month, 10)) for month in range(3, 9)
    ]
    assert [each.principal_minor for each in lane.obligations] == [1_670, *[1_666] * 5]


def test_dates_count_from_when_it_was_asked_for_however_late_that_is_told():
    lane = lane_overdue(tick="2026-03-10 00:00")
    lane.send("2026-02-05", plan())
    assert [each.due_on for each in lane.obligations] == [date(2026, 3, 7), date(2026, 4, 6), date(2026, 5, 6)]
    assert lane.requested.due_on == date(2026, 3, 7)
    lane.tick("2026-03-11 00:00")
    assert lane.obligations[0].status is ObligationStatus.OVERDUE


def test_no_part_is_made_of_nothing():
    lane = lane_overdue(2)
    lane.send("2026-02-05", plan())
    assert parts_of(lane) == [(date(2026, 3, 7), 2, 2, "open")]


def test_what_was_paid_and_an_open_fee_stay_with_the_first_part():
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", in_instalments(amount_minor=9_000))
    lane.send("2026-01-03", PurchaseReceived("order"))
    lane.tick("2026-02-11 00:00")
    lane.send("2026-02-11", repaid(2 + 54 + 1_000))  # a penalty, the fee, and of the principal
    lane.tick("2026-02-12 00:00")
    lane.send("2026-02-12", plan())
    parts = [each for each in lane.obligations if each.plan_id == "plan"]
    assert [(each.principal_minor, each.fee_minor, each.penalty_minor) for each in parts] == [
        (1_000 + 668, 54, 3),
        (666, 0, 0),
        (666, 0, 0),
    ]
    assert (parts[0].paid_principal_minor, parts[0].open_minor) == (1_000, 668 + 1)
    assert [each.open_minor for each in lane.obligations if each.plan_id is None] == [3_054, 3_054]


def test_the_line_works_again_at_once_whatever_the_programme_says_of_clearing():
    for programme in ("taobao", "douyin"):
        lane = lane_billed(programme)
        assert lane.account.freeze_reasons == ("overdue",)
        lane.send("2026-02-12", plan())
        assert lane.account.freeze_reasons == ()
        (restored,) = lane.outputs(LimitRestored)
        assert (restored.reason, restored.amount_minor) == ("cleared", 90_000)


def test_reclaimed_limit_comes_back_and_other_freezes_stay():
    lane = lane_overdue()
    lane.send("2026-02-04", LineFrozen("manual"))
    assert lane.limits() == (10_000, 0, 0, 10_000)
    lane.send("2026-02-05", plan())
    assert lane.account.freeze_reasons == ("manual",)
    assert lane.limits() == (100_000, 90_000, 0, 10_000)


def test_it_is_the_plan_that_lifts_the_freeze_not_an_appeal_that_was_upheld():
    lane = lane_billed()
    lane.send("2026-02-12", AppealDecided("appeal", "upheld", "a mistake"))
    lane.send("2026-02-12", plan())
    assert [each.reason for each in lane.outputs(LimitRestored)] == ["cleared"]
    assert not lane.account.appeal_upheld


def test_only_what_is_overdue_is_rescheduled():
    lane = lane_overdue(tick="2026-01-20 00:00")
    lane.send("2026-01-20", deferred("later"))
    lane.send("2026-01-20", PurchaseReceived("later"))
    lane.tick("2026-02-02 00:00")
    lane.send("2026-02-02", plan())
    (later,) = [each for each in lane.obligations if each.order_id == "later"]
    assert (later.due_on, later.plan_id) == (date(2026, 2, 19), None)


def test_without_anything_overdue_it_is_refused():
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred())
    lane.send("2026-01-03", PurchaseReceived("order"))
    lane.tick("2026-02-01 00:00")
    assert lane.send("2026-02-01", plan()).reason == "nothing_due"
    assert [(each.template, each.params) for each in lane.outputs(NotificationRequested)] == [
        ("debt_rescheduling_refused", {"reason": "nothing_due", "periods": 3})
    ]


def test_debits_of_it_are_cancelled_and_a_retry_is_not_made():
    lane = lane_overdue()
    asked = lane.requested
    lane.send("2026-02-05", plan())
    assert [(each.debit_id, each.reason) for each in lane.outputs(AutoDebitCancelled)] == [
        (asked.debit_id, "rescheduled")
    ]


def test_a_pending_retry_does_not_ask_for_it():
    lane = lane_overdue(tick="2026-02-01 00:00")
    lane.send("2026-02-01 12:00", RepaymentFailed(lane.requested.debit_id, "no money", retryable=True))
    lane.tick("2026-02-02 00:00")
    lane.send("2026-02-02", RepaymentFailed(lane.requested.debit_id, "no money", retryable=True))
    lane.send("2026-02-02", plan())
    lane.tick("2026-02-10 00:00")
    assert [each.attempt for each in lane.debits] == [1, 2]


def test_no_part_costs_a_penalty_and_each_is_debited_on_its_day():
    lane = lane_overdue()
    lane.send("2026-02-05", plan())
    lane.tick("2026-03-07 00:00")
    assert lane.requested.amount_minor == 3_334 + 20
    lane.tick("2026-03-20 00:00")
    assert [each.penalty_minor for each in lane.obligations] == [20, 0, 0]
    assert lane.account.freeze_reasons == ("overdue",)


def test_who_misses_one_part_owes_all_others_that_very_day():
    lane = lane_overdue()
    lane.send("2026-02-05", plan())
    lane.tick("2026-03-07 00:00")
    lane.tick("2026-03-08 00:00")
    assert parts_of(lane) == [
        (date(2026, 3, 7), 3_334, 20, "overdue"),
        (date(2026, 3, 8), 3_333, 0, "open"),
        (date(2026, 3, 8), 3_333, 0, "open"),
    ]
    assert lane.requested_for(date(2026, 3, 8)).amount_minor == 6_666
    lane.tick("2026-03-09 00:00")
    assert [each.status.value for each in lane.obligations] == ["overdue"] * 3
    assert lane.get(Order, "order").due_on == date(2026, 3, 7)


def test_a_part_that_is_owed_again_past_its_day_is_missed():
    lane = lane_overdue()
    lane.send("2026-02-05", plan())
    lane.tick("2026-03-07 00:00")
    lane.send("2026-03-07", repaid(3_354, debit_id=lane.requested.debit_id))
    lane.send("2026-03-10", RepaymentReversed("repayment", "bounced"))
    assert [(each.due_on, each.status.value) for each in lane.obligations] == [
        (date(2026, 3, 7), "overdue"),
        (date(2026, 3, 10), "open"),
        (date(2026, 3, 10), "open"),
    ]
    assert lane.requested.amount_minor == 6_666


def test_parts_of_other_plans_keep_their_dates():
    lane = lane_overdue()
    lane.send("2026-02-05", plan())
    lane.send("2026-02-05", deferred("other"))
    lane.send("2026-02-05", PurchaseReceived("other"))
    lane.tick("2026-03-07 00:00")
    lane.send("2026-03-07", repaid(3_354, debit_id=lane.requested_for(date(2026, 3, 7)).debit_id))
    lane.tick("2026-03-09 00:00")
    lane.send("2026-03-09", plan(plan_id="second"))
    assert {each.plan_id for each in lane.obligations} == {"plan", "second"}
    lane.tick("2026-04-07 00:00")  # the first plan is missed on the 6th
    second = [each.due_on for each in lane.obligations if each.plan_id == "second" and each.due_on.month > 4]
    assert second == [date(2026, 5, 8), date(2026, 6, 7)]


def test_a_part_can_be_rescheduled_again():
    lane = lane_overdue()
    lane.send("2026-02-05", plan())
    lane.tick("2026-03-08 00:00")
    lane.send("2026-03-08", plan(plan_id="again"))
    assert [(each.plan_id, each.principal_minor) for each in lane.obligations] == [
        *[("plan", 3_333), ("plan", 3_333), ("again", 1_112), ("again", 1_111), ("again", 1_111)],
    ]


def test_a_part_is_not_made_instalments_which_bear_a_fee():
    lane = lane_billed("douyin")
    lane.send("2026-02-12", plan())
    lane.tick("2026-03-01 00:00")
    assert lane.send("2026-03-02", BillInstalmentRequested(date(2026, 3, 6), 3)).reason == "wrong_state"


def test_penalties_of_a_part_that_is_not_due_can_be_waived():
    lane = lane_overdue()
    lane.send("2026-02-05", plan())
    lane.send("2026-02-06", PenaltyWaived("waiver", None, "CNY", "illness", "an operator"))
    assert lane.obligations[0].open_minor == 3_334


def test_a_cash_out_that_fails_after_it_was_rescheduled_is_owed_no_more():
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", cashed_out(900))
    payout = next(iter(lane.outputs(PayoutRequested)))
    lane.tick("2026-02-11 00:00")
    lane.send("2026-02-11", plan())
    assert len(lane.get(CashOut, "cash-out").obligation_ids) == 3
    lane.send("2026-02-12", PayoutFailed(payout.payout_id, "no such card"))
    assert {each.status for each in lane.obligations} == {ObligationStatus.RETURNED}
    assert lane.account.receivable_minor == 0


def test_an_open_return_goes_on_with_the_parts():
    lane = lane_overdue()
    lane.send("2026-02-05", plan())
    lane.send("2026-02-06", returned(9_000))
    assert [each.principal_minor for each in lane.obligations] == [1_000, 0, 0]


def test_a_plan_id_is_taken_once_and_free_after_a_refusal():
    lane = lane_overdue(tick="2026-02-01 00:00")
    assert lane.send("2026-02-01", plan()).reason == "nothing_due"
    lane.tick("2026-02-02 00:00")
    assert lane.send("2026-02-02", plan()).outcome is Outcome.APPLIED
    assert lane.send("2026-02-02", plan()).outcome is Outcome.DUPLICATE
    assert lane.send("2026-02-02", plan(reason="another one")).outcome is Outcome.CONFLICT


def test_it_works_on_a_closed_line():
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred())
    lane.send("2026-01-03", PurchaseReceived("order"))
    lane.send("2026-01-04", repaid(10_000))
    lane.send("2026-01-05", CloseRequested())
    lane.send("2026-02-05", RepaymentReversed("repayment", "bounced"))
    assert lane.send("2026-02-05", plan()).outcome is Outcome.APPLIED
    assert len(lane.obligations) == 3


def test_late_money_charges_no_penalty_for_the_days_after_a_plan():
    lane = lane_overdue()
    lane.send("2026-02-05", plan())
    lane.tick("2026-03-15 00:00")
    assert [each.status.value for each in lane.obligations] == ["overdue"] * 3
    lane.send("2026-03-12", repaid(100))
    assert [each.penalty_minor for each in lane.obligations] == [20, 0, 0]


def test_penalties_that_change_after_a_plan_are_not_told_when_a_part_is_missed():
    lane = lane_overdue(tick="2026-02-01 00:00")
    lane.send("2026-02-01 10:00", repaid(10_000, "card", debit_id=lane.requested.debit_id))
    lane.send("2026-02-03 09:00", RepaymentReversed("card", "chargeback"))
    lane.send("2026-02-05 09:00", plan())
    lane.send("2026-02-05 10:00", RepaymentReinstated("card", "won"))
    lane.tick("2026-03-08 00:00")
    told = [each.template for each in lane.outputs(NotificationRequested)]
    assert ("payment_overdue" in told, "penalty_charged" in told) == (True, False)


def test_the_due_date_of_the_order_is_the_first_one_after_a_part_was_missed():
    lane = lane_overdue()
    lane.send("2026-02-05", plan())
    lane.tick("2026-03-07 00:00")
    lane.send("2026-03-07", repaid(3_354, debit_id=lane.requested.debit_id))
    lane.send("2026-03-10", RepaymentReversed("repayment", "bounced"))
    lane.send("2026-03-10", repaid(3_354, "again"))
    assert {each.due_on for each in lane.obligations} == {date(2026, 3, 7), date(2026, 3, 10)}
