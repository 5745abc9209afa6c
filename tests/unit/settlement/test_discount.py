"""Discounts without a parcel: docs/rules.md, Discount."""

import pytest

from settlement.concession import Concession
from settlement.decision import Outcome
from settlement.entities import Order
from settlement.messages import PurchaseCredited, PurchaseReceived
from settlement.outputs import (
    AutoDebitCancelled,
    AutoDebitRequested,
    LimitReleased,
    NotificationRequested,
    PayoutRequested,
)
from settlement.statuses import ObligationStatus, OrderStatus
from tests.unit.settlement.builders import (
    Lane,
    deferred,
    in_instalments,
    intact,
    lane_with_line,
    lowered,
    on_statement,
    placed,
    repaid,
    returned,
)


def credited(amount_minor: int, credit_id: str = "credit", *, order_id: str = "order", currency: str = "CNY"):
    return PurchaseCredited(order_id, credit_id, amount_minor, currency, "goodwill", "a scratch")


def lane_owing(amount_minor: int = 10_000) -> Lane:
    """A lane on which an order is owed, due on 1 February 2026."""
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred(amount_minor=amount_minor))
    lane.send("2026-01-05", PurchaseReceived("order"))
    return lane


def test_what_is_unpaid_is_reduced_and_the_merchant_un_booked():
    lane = lane_owing()
    decision = lane.send("2026-01-10", credited(3_000))
    assert (decision.outcome, decision.activity[0].payable_minor) == (Outcome.APPLIED, -3_000)
    (released,) = lane.outputs(LimitReleased)
    assert (released.order_id, released.amount_minor, released.reason) == ("order", 3_000, "credited")
    (notice,) = lane.outputs(NotificationRequested)
    assert notice.template == "purchase_credited"
    assert (notice.params["amount_minor"], notice.params["paid_out_minor"]) == (3_000, 0)
    order = lane.get(Order, "order")
    assert (order.amount_minor, order.credited_minor, order.returned_minor) == (10_000, 3_000, 0)
    assert lane.obligations[0].principal_minor == 7_000
    assert lane.limits() == (100_000, 93_000, 0, 7_000)
    kept = lane.get(Concession, "credit:credit")
    assert (kept.amount_minor, kept.order_id, kept.reason) == (3_000, "order", "goodwill")


def test_what_was_repaid_goes_back_and_several_discounts_add_up():
    lane = lane_owing()
    lane.send("2026-01-10", repaid(6_000))
    lane.send("2026-01-11", credited(3_000, "first"))
    assert lane.outputs(PayoutRequested) == []
    lane.send("2026-01-12", credited(2_500, "second"))
    (payout,) = lane.outputs(PayoutRequested)
    assert (payout.amount_minor, payout.reason) == (1_500, "order_refund")
    (released,) = lane.outputs(LimitReleased)
    assert released.amount_minor == 1_000
    order = lane.get(Order, "order")
    assert (order.status, order.credited_minor) == (OrderStatus.SETTLED, 5_500)
    assert lane.account.receivable_minor == 0


def test_a_requested_debit_asks_for_what_is_left():
    lane = lane_owing()
    lane.tick("2026-02-01 00:00")
    lane.send("2026-02-01", credited(4_000))
    (cancelled,), (again,) = lane.outputs(AutoDebitCancelled), lane.outputs(AutoDebitRequested)
    assert (cancelled.reason, again.amount_minor) == ("credited", 6_000)


def test_a_discount_of_all_settles_the_order():
    lane = lane_owing()
    lane.send("2026-01-10", credited(10_000))
    assert lane.get(Order, "order").status is OrderStatus.SETTLED
    assert lane.obligations[0].status is ObligationStatus.RETURNED
    assert lane.send("2026-01-11", credited(1, "more")).reason == "amount_exceeds_order"


def test_fees_are_those_of_what_is_left():
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", in_instalments(amount_minor=9_000))
    lane.send("2026-01-05", PurchaseReceived("order"))
    assert [each.fee_minor for each in lane.obligations] == [54] * 3
    lane.send("2026-01-10", credited(3_000))
    assert [each.fee_minor for each in lane.obligations] == [36, 36, 0]


def test_penalties_are_held_to_what_is_left_and_what_was_paid_above_goes_back():
    lane = lane_owing(10_000)
    for day in range(2, 32):
        lane.tick(f"2026-03-{day:02} 00:00")
    (owed,) = lane.obligations
    days = owed.penalty_minor // 5
    assert owed.penalty_minor == days * 5 and days > 28
    lane.send("2026-03-31", repaid(owed.penalty_minor))
    lane.send("2026-04-01", credited(9_000))
    (payout,) = lane.outputs(PayoutRequested)
    charged = lane.obligations[0].penalty_minor
    assert charged == days + 1
    assert payout.amount_minor == owed.penalty_minor - charged


@pytest.mark.parametrize(
    ("steps", "amount_minor", "currency", "reason"),
    [
        ([], 10_001, "USD", "currency_mismatch"),
        ([], 10_001, "CNY", "amount_exceeds_order"),
        ([returned(4_000)], 6_001, "CNY", "amount_exceeds_order"),
        ([credited(4_000, "before")], 6_001, "CNY", "amount_exceeds_order"),
        ([returned(10_000)], 1, "USD", "wrong_state"),
    ],
)
def test_a_discount_is_refused_with_the_first_reason(steps, amount_minor, currency, reason):
    lane = lane_owing()
    for step in steps:
        lane.send("2026-01-09", step)
    before = lane.limits()
    assert lane.send("2026-01-10", credited(amount_minor, currency=currency)).reason == reason
    assert lane.notices() == ["purchase_credit_declined"]
    assert lane.limits() == before


def test_what_is_under_an_open_return_is_not_credited():
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", on_statement())
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.send("2026-01-06", returned(4_000))
    assert lane.send("2026-01-10", credited(6_001)).reason == "amount_exceeds_order"
    assert lane.send("2026-01-10", credited(6_000, "less")).outcome is Outcome.APPLIED
    lane.send("2026-01-11", intact())
    order = lane.get(Order, "order")
    assert (order.status, order.returned_minor, order.credited_minor) == (OrderStatus.RETURNED, 4_000, 6_000)


def test_a_return_takes_no_more_than_a_discount_left():
    lane = lane_owing()
    lane.send("2026-01-09", credited(4_000))
    assert lane.send("2026-01-10", returned(6_001)).reason == "amount_exceeds_order"
    assert lane.send("2026-01-10", lowered(3_999)).reason == "below_returned"
    lane.send("2026-01-10", lowered(9_000))
    assert lane.obligations[0].principal_minor == 5_000


def test_an_order_that_is_not_captured_or_not_known_gets_none():
    lane = lane_with_line()
    assert lane.send("2026-01-02", credited(1)).waits_for == "order:order"
    lane.send("2026-01-02", placed())
    assert [each.decision.reason for each in lane.last] == [None, "wrong_state"]


def test_a_credit_id_is_taken_once_and_free_after_a_refusal():
    lane = lane_owing()
    lane.send("2026-01-09", credited(20_000))
    assert lane.send("2026-01-10", credited(3_000)).outcome is Outcome.APPLIED
    assert lane.send("2026-01-11", credited(3_000)).outcome is Outcome.DUPLICATE
    assert lane.send("2026-01-11", credited(3_001)).outcome is Outcome.CONFLICT
    assert lane.get(Order, "order").credited_minor == 3_000


def test_a_second_discount_holds_penalties_to_what_it_leaves():
    lane = lane_owing()
    lane.tick("2026-03-01 00:00")
    lane.send("2026-03-01", credited(9_900, "first"))
    days = lane.obligations[0].penalty_minor
    assert days > 20  # one a day
    lane.send("2026-03-01", credited(97, "second"))
    owed = lane.obligations[0]
    assert (owed.principal_minor, owed.penalty_minor) == (3, 3)
