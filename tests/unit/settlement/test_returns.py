"""Returns: conditions, inspection, refunds of unpaid and paid parts, how the order goes on."""

from dataclasses import replace
from datetime import date

import pytest

from settlement.decision import DeclineReason, Outcome
from settlement.entities import Order, Return
from settlement.messages import PurchaseCancelled, PurchaseReceived, RepaymentFailed, ReturnWithdrawn
from settlement.outputs import (
    AutoDebitCancelled,
    AutoDebitRequested,
    LimitReleased,
    NotificationRequested,
    PayoutRequested,
)
from settlement.statuses import ObligationStatus, OrderStatus, ReturnStatus
from tests.unit.settlement.builders import (
    damaged,
    deferred,
    intact,
    lane_with_line,
    placed,
    repaid,
    returned,
    reviewed,
    without_notices,
)
from tests.unit.settlement.returning import lane_deferred_with_inspection, lane_on_trial


def test_a_return_is_approved_at_once_and_waits_for_its_parcel():
    lane = lane_on_trial()
    assert lane.send("2026-01-06", returned(4_000)).outcome is Outcome.APPLIED
    assert lane.notices() == ["return_approved"]
    assert lane.get(Return, "return").status is ReturnStatus.AWAITING_PARCEL
    assert lane.get(Order, "order").under_return_minor == 4_000
    assert [share.after_sales for share in lane.last[0].decision.activity] == [1]


def test_an_intact_parcel_of_a_trial_releases_the_hold():
    lane = lane_on_trial()
    lane.send("2026-01-06", returned(10_000))
    lane.send("2026-01-08", intact())
    assert lane.limits() == (100_000, 100_000, 0, 0)
    assert without_notices(lane.outputs()) == [
        LimitReleased("buyer", "order", 10_000, "CNY", "returned", 100_000, 100_000)
    ]
    assert lane.notices() == ["return_refunded"]
    assert lane.get(Order, "order").status is OrderStatus.RETURNED
    assert [share.after_sales for share in lane.last[0].decision.activity] == [-1]
    assert lane.tick("2026-02-01") == []


def test_a_damaged_parcel_is_refused_with_photos():
    lane = lane_on_trial()
    lane.send("2026-01-06", returned(10_000))
    lane.send("2026-01-08", damaged())
    assert lane.limits() == (100_000, 90_000, 10_000, 0)
    (notice,) = lane.outputs(NotificationRequested)
    assert notice.template == "parcel_refused"
    assert notice.params["photos"] == ["https://photo/1"]
    assert notice.params["damage"] == ["water", "outer_box"]
    assert lane.get(Return, "return").status is ReturnStatus.PARCEL_REFUSED
    lane.tick("2026-01-12 00:00")
    assert lane.outputs(AutoDebitRequested)[0].amount_minor == 10_000


def test_a_trial_does_not_end_while_a_return_is_open():
    lane = lane_on_trial()
    lane.send("2026-01-11", returned(10_000))
    lane.tick("2026-01-15")
    assert lane.limits() == (100_000, 90_000, 10_000, 0)
    assert lane.outputs() == []
    lane.send("2026-01-15 13:00", damaged())
    assert lane.outputs(AutoDebitRequested) == []
    lane.tick("2026-01-16 00:00")
    (request,) = lane.outputs(AutoDebitRequested)
    assert (request.due_on, request.reason) == (date(2026, 1, 16), "trial_ended")


def test_the_rest_of_a_trial_goes_on_after_a_part_was_refunded():
    lane = lane_on_trial()
    lane.send("2026-01-06", returned(4_000))
    lane.send("2026-01-08", intact())
    assert lane.limits() == (100_000, 94_000, 6_000, 0)
    lane.tick("2026-01-12 00:00")
    assert lane.outputs(AutoDebitRequested)[0].amount_minor == 6_000
    assert lane.limits() == (100_000, 94_000, 0, 6_000)


CONDITIONS = [
    (DeclineReason.CURRENCY_MISMATCH, {"currency": "USD"}, "2026-01-06"),
    (DeclineReason.AMOUNT_EXCEEDS_ORDER, {"amount_minor": 10_001}, "2026-01-06"),
    (DeclineReason.WINDOW_CLOSED, {}, "2026-01-12 00:00"),
]


@pytest.mark.parametrize("first", range(len(CONDITIONS)))
def test_a_return_is_declined_with_the_first_reason_that_applies(first):
    lane = lane_on_trial()
    request, when = returned(), "2026-01-06"
    for _, changes, day in CONDITIONS[first:]:
        request, when = replace(request, **changes), day
    decision = lane.send(when, request)
    assert (decision.outcome, decision.reason) == (Outcome.DECLINED, CONDITIONS[first][0])
    assert "return_declined" in [each.template for each in lane.outputs(NotificationRequested)]
    assert lane.send("2026-01-12", intact()).reason == "subject_declined"


@pytest.mark.parametrize(
    ("when", "outcome"), [("2026-01-11 23:59", Outcome.APPLIED), ("2026-01-12 00:00", Outcome.DECLINED)]
)
def test_a_trial_may_be_returned_before_its_end(when, outcome):
    assert lane_on_trial().send(when, returned()).outcome is outcome


@pytest.mark.parametrize(
    ("when", "outcome"), [("2026-02-01 23:59", Outcome.APPLIED), ("2026-02-02 00:00", Outcome.DECLINED)]
)
def test_a_deferred_order_may_be_returned_until_its_due_date_is_over(when, outcome):
    assert lane_deferred_with_inspection().send(when, returned()).outcome is outcome


def test_the_window_counts_when_the_return_occurred_not_when_it_arrived():
    lane = lane_on_trial()
    lane.tick("2026-01-12 10:00")
    debit_id = lane.requested.debit_id
    assert lane.send("2026-01-11", returned()).outcome is Outcome.APPLIED
    assert lane.outputs(AutoDebitCancelled) == [AutoDebitCancelled("buyer", debit_id, "return_requested")]


def test_returns_are_capped_by_what_is_left_of_the_order():
    lane = lane_on_trial()
    lane.send("2026-01-06", returned(4_000, "first"))
    lane.send("2026-01-07", intact("first"))
    lane.send("2026-01-07", returned(3_000, "second"))
    assert lane.send("2026-01-07", returned(3_001, "third")).reason == "amount_exceeds_order"
    assert lane.send("2026-01-07", returned(3_000, "third")).outcome is Outcome.APPLIED
    lane.send("2026-01-08", intact("third"))
    lane.send("2026-01-08", intact("second"))
    assert lane.get(Order, "order").status is OrderStatus.RETURNED
    assert lane.send("2026-01-08", returned(1, "fourth")).reason == "amount_exceeds_order"


def test_an_order_waits_for_the_last_of_its_returns():
    lane = lane_on_trial()
    lane.send("2026-01-11", returned(1_000, "first"))
    lane.send("2026-01-11", returned(2_000, "second"))
    lane.send("2026-01-13", damaged("first"))
    lane.tick("2026-01-20")
    assert lane.outputs() == []
    lane.send("2026-01-20", intact("second"))
    lane.tick("2026-01-21 00:00")
    assert lane.outputs(AutoDebitRequested)[0].amount_minor == 8_000


def test_a_refund_first_reduces_what_is_unpaid_and_then_pays_out_what_was_repaid():
    lane = lane_deferred_with_inspection()
    lane.send("2026-01-06", repaid(7_000))
    lane.send("2026-01-07", returned(5_000))
    lane.send("2026-01-09", intact())
    released, payout = without_notices(lane.outputs())
    assert (released.amount_minor, released.reason) == (3_000, "returned")
    assert isinstance(payout, PayoutRequested)
    assert (payout.amount_minor, payout.reason) == (2_000, "order_refund")
    (obligation,) = lane.obligations
    assert (obligation.principal_minor, obligation.paid_principal_minor) == (5_000, 5_000)
    assert obligation.status is ObligationStatus.PAID
    assert lane.get(Order, "order").status is OrderStatus.SETTLED
    assert lane.account.receivable_minor == 0
    assert lane.limits() == (100_000, 100_000, 0, 0)
    assert sum(share.payable_minor for share in lane.last[0].decision.activity) == -5_000


def test_a_paid_order_is_paid_out_in_full():
    lane = lane_deferred_with_inspection()
    lane.send("2026-01-06", repaid(10_000))
    lane.send("2026-01-07", returned(10_000))
    lane.send("2026-01-09", intact())
    (payout,) = without_notices(lane.outputs())
    assert payout.amount_minor == 10_000
    assert lane.obligations[0].status is ObligationStatus.RETURNED
    assert lane.get(Order, "order").status is OrderStatus.RETURNED


def test_a_refund_that_leaves_nothing_owed_sends_customer_credit_out_too():
    lane = lane_deferred_with_inspection()
    lane.send("2026-01-06", deferred("other", 1_000))
    lane.send("2026-01-06", PurchaseReceived("other"))
    lane.send("2026-01-06", repaid(1_500, order_id="other"))
    lane.send("2026-01-07", returned(10_000))
    lane.send("2026-01-09", intact())
    payouts = [(body.amount_minor, body.reason) for body in lane.outputs(PayoutRequested)]
    assert payouts == [(500, "overpayment")]


def test_a_return_cancels_the_requested_debit_and_asks_for_the_other_orders():
    lane = lane_deferred_with_inspection()
    lane.send("2026-01-05", deferred("other", 2_000))
    lane.send("2026-01-05", PurchaseReceived("other"))
    lane.send("2026-01-02", deferred("same day", 3_000))
    lane.send("2026-01-05", PurchaseReceived("same day"))
    lane.tick("2026-02-01 00:00")
    first = lane.requested
    assert first.amount_minor == 13_000
    lane.send("2026-02-01 09:00", returned(10_000))
    cancelled, request = without_notices(lane.outputs())
    assert cancelled == AutoDebitCancelled("buyer", first.debit_id, "return_requested")
    assert (request.order_ids, request.amount_minor, request.due_on, request.attempt, request.reason) == (
        ("same day",),
        3_000,
        date(2026, 2, 1),
        1,
        "due",
    )
    lane.send("2026-02-03", damaged())
    assert lane.outputs(AutoDebitRequested) == []
    lane.tick("2026-02-04 00:00")
    (request,) = lane.outputs(AutoDebitRequested)
    assert (request.order_ids, request.amount_minor, request.attempt) == (("order", "other"), 12_000, 1)


def test_a_return_takes_its_order_out_of_a_pending_retry():
    lane = lane_deferred_with_inspection()
    lane.tick("2026-02-01 00:00")
    lane.send("2026-02-01 01:00", RepaymentFailed(lane.requested.debit_id, "no money", retryable=True))
    lane.send("2026-02-01 09:00", returned(10_000))
    lane.tick("2026-02-02 12:00")
    assert lane.outputs() == []
    lane.send("2026-02-03", damaged())
    lane.tick("2026-02-04 00:00")
    assert lane.outputs(AutoDebitRequested)[0].attempt == 1


def test_what_is_left_after_a_part_is_due_at_least_on_the_next_date():
    lane = lane_deferred_with_inspection()
    lane.send("2026-02-01", returned(4_000))
    lane.send("2026-02-10", intact())
    assert lane.obligations[0].due_on == lane.get(Order, "order").due_on == date(2026, 2, 11)
    lane.tick("2026-02-11 00:00")
    assert lane.outputs(AutoDebitRequested)[0].amount_minor == 6_000


def test_a_due_date_still_to_come_stays():
    lane = lane_deferred_with_inspection()
    lane.send("2026-01-07", returned(4_000))
    lane.send("2026-01-09", damaged())
    assert lane.obligations[0].due_on == date(2026, 2, 1)
    lane.tick("2026-02-01 00:00")
    assert lane.outputs(AutoDebitRequested)[0].amount_minor == 10_000


@pytest.mark.parametrize("reason", ["no_longer_wanted", "other"])
def test_kuaishou_refunds_without_inspection(reason):
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred(amount_minor=100_000))
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.send("2026-01-20", returned(100_000, reason=reason))
    assert lane.notices() == ["return_approved", "return_refunded"]
    assert lane.limits() == (100_000, 100_000, 0, 0)
    assert lane.get(Return, "return").status is ReturnStatus.REFUNDED
    assert sum(share.after_sales for share in lane.last[0].decision.activity) == 0
    assert lane.send("2026-01-21", intact()).reason == "wrong_state"


def test_before_receipt_a_return_holds_up_the_capture():
    lane = lane_deferred_with_inspection()
    lane.send("2026-01-06", deferred("late", 2_000))
    lane.send("2026-01-06", returned(500, order_id="late"))
    lane.send("2026-01-07", PurchaseReceived("late"))
    assert lane.get(Order, "late").status is OrderStatus.HELD
    assert lane.send("2026-01-07", PurchaseCancelled("late", "no")).reason == "wrong_state"
    lane.send("2026-01-08", damaged())
    assert lane.get(Order, "late").status is OrderStatus.OWED
    assert lane.limits() == (100_000, 88_000, 0, 12_000)


def test_a_received_order_is_captured_after_the_last_of_its_returns():
    lane = lane_deferred_with_inspection()
    lane.send("2026-01-06", deferred("late", 2_000))
    lane.send("2026-01-06", returned(500, "first", order_id="late"))
    lane.send("2026-01-06", returned(300, "second", order_id="late"))
    lane.send("2026-01-07", PurchaseReceived("late"))
    lane.send("2026-01-08", damaged("first"))
    assert lane.get(Order, "late").status is OrderStatus.HELD
    lane.send("2026-01-09", intact("second"))
    assert lane.get(Order, "late").status is OrderStatus.OWED
    assert lane.limits() == (100_000, 88_300, 0, 11_700)


def test_an_order_returned_before_receipt_is_over():
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred())
    lane.send("2026-01-03", returned())
    assert lane.limits() == (100_000, 100_000, 0, 0)
    assert lane.send("2026-01-04", PurchaseReceived("order")).reason == "wrong_state"


def test_a_parcel_is_inspected_once():
    lane = lane_on_trial()
    lane.send("2026-01-06", returned(1_000))
    lane.send("2026-01-07", intact())
    assert lane.send("2026-01-08", intact()).outcome is Outcome.DUPLICATE
    assert lane.send("2026-01-08", damaged()).reason == "wrong_state"


def test_a_parcel_waits_for_its_return_and_a_return_for_its_order():
    lane = lane_with_line()
    assert lane.send("2026-01-06", intact()).waits_for == "return:return"
    assert lane.send("2026-01-06", returned(10_000)).waits_for == "order:order"
    lane.send("2026-01-06", placed(amount_minor=10_000))
    assert [each.decision.outcome for each in lane.last] == ["applied"] * 3
    assert lane.limits() == (100_000, 100_000, 0, 0)


def test_a_return_id_is_taken_once():
    lane = lane_on_trial()
    lane.send("2026-01-06", returned(1_000))
    assert lane.send("2026-01-06", returned(1_000)).outcome is Outcome.DUPLICATE
    assert lane.send("2026-01-06", returned(2_000)).outcome is Outcome.CONFLICT


def test_a_cancelled_order_is_not_returned():
    lane = lane_with_line()
    lane.send("2026-01-02", placed())
    lane.send("2026-01-03", PurchaseCancelled("order", "no"))
    assert lane.send("2026-01-04", returned(currency="USD")).reason == "wrong_state"


@pytest.mark.parametrize("step", [intact(), reviewed("approved"), ReturnWithdrawn("return")])
def test_steps_of_a_return_of_a_declined_order_are_declined_as_well(step):
    lane = lane_with_line("tmall", 5_000)
    assert lane.send("2026-01-02", placed(amount_minor=10_000)).reason == DeclineReason.LIMIT_EXCEEDED
    assert lane.send("2026-01-03", returned(4_000)).reason == DeclineReason.SUBJECT_DECLINED
    assert lane.send("2026-01-04", step).reason == DeclineReason.SUBJECT_DECLINED
