"""Lowered amounts: what blocks them, and what becomes of hold, schedule and merchant."""

from datetime import date

import pytest

from settlement.decision import DeclineReason, Outcome
from settlement.entities import Order
from settlement.messages import PurchaseCancelled, PurchaseReceived, RepaymentFailed
from settlement.outputs import AutoDebitRequested, LimitReleased, NotificationRequested
from settlement.rules.schedule import shares
from settlement.statuses import ObligationStatus, OrderStatus
from tests.unit.settlement.builders import (
    Lane,
    careful_rules,
    damaged,
    deferred,
    in_instalments,
    intact,
    lane_with_line,
    lowered,
    opened,
    placed,
    repaid,
    returned,
    rules_of,
    without_notices,
)


def lane_owing(amount_minor: int = 10_000) -> Lane:
    """A lane on which an inspected programme's order is owed, due on 1 February 2026."""
    lane = Lane(careful_rules())
    lane.send("2026-01-01", opened("careful"))
    lane.send("2026-01-02", deferred("order", amount_minor))
    lane.send("2026-01-05", PurchaseReceived("order"))
    return lane


def test_lowering_a_held_order_releases_the_difference():
    lane = lane_with_line()
    lane.send("2026-01-02", placed(amount_minor=10_000))
    assert lane.send("2026-01-03", lowered(7_000)).outcome is Outcome.APPLIED
    assert lane.limits() == (100_000, 93_000, 7_000, 0)
    assert without_notices(lane.outputs()) == [
        LimitReleased("buyer", "order", 3_000, "CNY", "amount_lowered", 93_000, 100_000)
    ]
    (notice,) = lane.outputs(NotificationRequested)
    assert (notice.template, notice.params["amount_minor"], notice.params["lowered_by_minor"]) == (
        "purchase_amount_lowered",
        7_000,
        3_000,
    )
    assert lane.get(Order, "order").amount_minor == 7_000


def test_lowering_a_captured_order_lowers_what_is_owed_and_the_merchants_claim():
    lane = lane_owing()
    decision = lane.send("2026-01-06", lowered(7_000))
    assert lane.limits() == (100_000, 93_000, 0, 7_000)
    assert lane.account.receivable_minor == 7_000
    (obligation,) = lane.obligations
    assert (obligation.principal_minor, obligation.due_on) == (7_000, date(2026, 2, 1))
    assert [share.payable_minor for share in decision.activity] == [-3_000]
    lane.tick("2026-02-01 00:00")
    assert lane.outputs(AutoDebitRequested)[0].amount_minor == 7_000


def test_lowering_to_what_was_returned_ends_the_order():
    lane = lane_owing()
    lane.send("2026-01-06", returned(4_000))
    lane.send("2026-01-07", intact())
    lane.send("2026-01-08", lowered(4_000))
    assert lane.limits() == (100_000, 100_000, 0, 0)
    assert lane.get(Order, "order").status is OrderStatus.RETURNED
    assert [each.status for each in lane.obligations] == [ObligationStatus.RETURNED]


def test_lowering_a_trial_to_what_was_returned_ends_its_trial():
    lane = lane_with_line()
    lane.send("2026-01-02", placed(amount_minor=10_000))
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.send("2026-01-06", returned(4_000))
    lane.send("2026-01-07", intact())
    lane.send("2026-01-08", lowered(4_000))
    assert lane.get(Order, "order").status is OrderStatus.RETURNED
    assert lane.tick("2026-02-01") == []


@pytest.mark.parametrize(
    ("amount_minor", "currency", "reason"),
    [
        (10_000, "CNY", DeclineReason.NOT_LOWER),
        (10_001, "CNY", DeclineReason.NOT_LOWER),
        (5_999, "CNY", DeclineReason.BELOW_RETURNED),
        (10_001, "USD", DeclineReason.CURRENCY_MISMATCH),
    ],
)
def test_an_amount_that_is_no_lower_total_is_declined(amount_minor, currency, reason):
    lane = lane_owing()
    lane.send("2026-01-06", returned(4_000))
    lane.send("2026-01-07", intact())
    lane.send("2026-01-08", returned(2_000, "another"))
    decision = lane.send("2026-01-09", lowered(amount_minor, currency=currency))
    assert (decision.outcome, decision.reason) == (Outcome.DECLINED, reason)
    assert lane.limits() == (100_000, 94_000, 0, 6_000)
    assert lane.outputs() == []


def test_what_is_under_return_may_be_all_that_is_left():
    lane = lane_owing()
    lane.send("2026-01-06", returned(4_000))
    assert lane.send("2026-01-07", lowered(4_000)).outcome is Outcome.APPLIED
    assert lane.get(Order, "order").status is OrderStatus.OWED
    lane.send("2026-01-08", damaged())
    lane.tick("2026-02-01 00:00")
    assert lane.outputs(AutoDebitRequested)[0].amount_minor == 4_000


def test_a_payment_blocks_lowering():
    lane = lane_owing()
    lane.send("2026-01-06", repaid(1))
    assert lane.send("2026-01-07", lowered(5_000)).reason == DeclineReason.ALREADY_PAID
    assert lane.send("2026-01-07", lowered(10_000)).reason == DeclineReason.NOT_LOWER


def test_a_requested_debit_blocks_lowering_and_a_failed_one_does_not():
    lane = lane_owing()
    lane.tick("2026-02-01 00:00")
    assert lane.send("2026-02-01 01:00", lowered(5_000)).reason == DeclineReason.ALREADY_PAID
    lane.send("2026-02-01 02:00", RepaymentFailed(lane.requested.debit_id, "no funds", retryable=True))
    assert lane.send("2026-02-01 03:00", lowered(5_000)).outcome is Outcome.APPLIED
    lane.tick("2026-02-02 00:00")
    (retry,) = lane.outputs(AutoDebitRequested)
    assert (retry.amount_minor, retry.attempt) == (5_003, 2)  # half a fen of the penalty is rounded up


def test_a_retry_of_nothing_is_not_made():
    lane = lane_owing()
    lane.send("2026-01-06", returned(4_000))
    lane.send("2026-01-07", intact())
    lane.tick("2026-02-01 00:00")
    lane.send("2026-02-01 02:00", RepaymentFailed(lane.requested.debit_id, "no funds", retryable=True))
    lane.send("2026-02-01 03:00", lowered(4_000))
    lane.tick("2026-02-10")
    assert lane.outputs() == []


def test_a_cancelled_order_is_not_lowered():
    lane = lane_with_line()
    lane.send("2026-01-02", placed(amount_minor=10_000))
    lane.send("2026-01-03", PurchaseCancelled("order", "changed my mind"))
    assert lane.send("2026-01-04", lowered(5_000)).reason == DeclineReason.WRONG_STATE


def test_a_lowering_waits_for_its_order():
    lane = lane_with_line()
    assert lane.send("2026-01-02", lowered(5_000)).outcome is Outcome.PARKED
    lane.send("2026-01-03", placed(amount_minor=10_000))
    assert lane.limits() == (100_000, 95_000, 5_000, 0)


def test_a_schedule_is_split_anew_and_then_cut_by_what_was_returned():
    lane = lane_with_line("taobao")
    lane.send("2026-01-02", in_instalments(amount_minor=10_000, periods=3))
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.send("2026-01-06", returned(3_000))
    lane.send("2026-01-07", intact())
    assert [(each.principal_minor, each.fee_minor) for each in lane.obligations] == [
        (3_334, 42),
        (3_333, 42),
        (333, 42),
    ]
    lane.send("2026-01-08", lowered(8_000))
    assert [(each.principal_minor, each.fee_minor) for each in lane.obligations] == [(2_668, 30), (2_332, 30), (0, 0)]
    assert [each.due_on for each in lane.obligations] == [date(2026, 2, 10), date(2026, 3, 10), date(2026, 4, 10)]
    assert lane.obligations[2].status is ObligationStatus.RETURNED
    account = lane.account
    assert (account.receivable_minor, account.fee_receivable_minor, account.used_minor) == (5_000, 60, 5_000)


@pytest.mark.parametrize("amount_minor", [2, 3, 11, 83, 84, 10_000])
@pytest.mark.parametrize("bps", [0, 60, 2_000])
@pytest.mark.parametrize("part", [1, 2, 3])
def test_a_lowered_order_owes_what_one_of_its_new_total_would(amount_minor, bps, part):
    lowered_minor = max(1, amount_minor * part // 4)
    rules = rules_of("taobao", "taobao", {"instalment_fee_bps_per_period": bps})
    owed = []
    for placed_minor in (amount_minor, lowered_minor):
        lane = lane_with_line("taobao", rules=rules)
        lane.send("2026-01-02", in_instalments(amount_minor=placed_minor, periods=12))
        lane.send("2026-01-05", PurchaseReceived("order"))
        if placed_minor != lowered_minor:
            lane.send("2026-01-06", lowered(lowered_minor))
        owed.append([(each.due_on, each.principal_minor) for each in lane.obligations if each.principal_minor])
        assert lane.account.used_minor == lane.account.receivable_minor == lowered_minor
    assert owed[0] == owed[1]


@pytest.mark.parametrize(
    ("amount_minor", "parts", "split"), [(10_000, 3, [3_334, 3_333, 3_333]), (2, 3, [2, 0, 0]), (7, 1, [7])]
)
def test_shares_are_equal_floors_with_the_remainder_on_the_first(amount_minor, parts, split):
    assert shares(amount_minor, parts) == split
