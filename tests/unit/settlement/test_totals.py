"""What storage can't hold is a dead letter of the message that leads to it: docs/rules.md, Outcomes."""

import pytest

from settlement.batch import Batch
from settlement.decision import Outcome
from settlement.entities import MerchantBalance, Repayment
from settlement.messages import MerchantActivity, MerchantRegistered, PurchaseReceived
from settlement.outputs import MerchantActivityRecorded
from settlement.totals import LARGEST_ACTIVITY_MINOR, LARGEST_MINOR, RECEIVED, SENT
from tests.unit.settlement.builders import (
    BUYER,
    RULES,
    SHOP,
    Lane,
    at,
    deferred,
    deposited,
    lane_with_line,
    lane_with_merchant,
    message,
    repaid,
)

MOST = 10**15


def assert_overflow(decision, detail: str, lane: Lane) -> None:
    assert (decision.outcome, decision.reason) == (Outcome.DEAD_LETTERED, "amount_overflow")
    told = [each.detail for each in lane.last if each.decision is decision]
    assert told == [f"{detail}: expected at most {LARGEST_MINOR} on either side of 0, got {LARGEST_MINOR + 1}"]


def test_money_beyond_what_the_platforms_account_can_hold_is_a_dead_letter_and_leaves_its_ids_free():
    lane = lane_with_line()
    lane.totals = {("gateway_clearing", "CNY"): LARGEST_MINOR - MOST}
    assert_overflow(lane.send("2026-01-02", repaid(MOST + 1), event_id="e"), "gateway_clearing in CNY", lane)
    assert lane.outputs() == []
    assert lane.totals == {("gateway_clearing", "CNY"): LARGEST_MINOR - MOST}
    assert list(lane.states[BUYER].each(Repayment)) == []
    assert lane.send("2026-01-02", repaid(MOST), event_id="e").outcome is Outcome.APPLIED
    assert lane.totals["gateway_clearing", "CNY"] == LARGEST_MINOR


def test_a_sum_that_fell_again_makes_room():
    lane = lane_with_line()
    lane.send("2026-01-02", repaid(MOST))
    assert lane.totals == {("gateway_clearing", "CNY"): MOST, ("payout_clearing", "CNY"): MOST}


def test_more_than_a_party_can_hold_is_a_dead_letter():
    lane = lane_with_merchant()
    lane.send("2026-01-02", deposited("first", MOST))
    balance = MerchantBalance(SHOP.id, "CNY", 0, 0, LARGEST_MINOR - 1)
    lane.states[SHOP].entities[MerchantBalance]["CNY"] = balance
    assert_overflow(lane.send("2026-01-02", deposited("second", 2)), "deposit_minor", lane)
    assert lane.balance == balance


@pytest.mark.parametrize("sign", [1, -1])
def test_activity_is_counted_on_both_sides(sign):
    lane = lane_with_merchant()
    lane.totals = {(RECEIVED, "CNY"): sign * (LARGEST_MINOR - 5)}
    assert lane.send("2026-01-02", MerchantActivity("CNY", sign * 5, 0)).outcome is Outcome.APPLIED
    assert lane.send("2026-01-02", MerchantActivity("CNY", sign * 1, 0)).reason == "amount_overflow"
    assert lane.send("2026-01-02", MerchantActivity("CNY", -sign * 1, 0)).outcome is Outcome.APPLIED

    buyers = lane_with_line("kuaishou")
    buyers.send("2026-01-02", deferred("o", 100))
    buyers.totals = {(SENT, "CNY"): LARGEST_MINOR - 99}
    assert_overflow(buyers.send("2026-01-03", PurchaseReceived("o")), f"{SENT} in CNY", buyers)
    assert buyers.limits() == (100_000, 99_900, 100, 0)


def test_a_timer_that_leads_to_an_overflow_is_a_dead_letter():
    lane = lane_with_line("kuaishou", 2 * MOST)
    lane.send("2026-01-02", deferred("o", MOST))
    lane.totals = {("merchant_transit", "CNY"): LARGEST_MINOR}
    (received, *_) = lane.tick("2026-01-20")
    assert received.timer is not None
    assert (received.decision.outcome, received.decision.reason) == (Outcome.DEAD_LETTERED, "amount_overflow")


def test_what_no_message_to_a_merchant_may_say_is_said_in_several():
    lane = lane_with_line("kuaishou", MOST)
    batch = Batch(lane.states, RULES, lane.time, event_clock=True)
    batch._activity = {("shop", "CNY"): [2 * LARGEST_ACTIVITY_MINOR + 7, 3], ("other", "CNY"): [0, 0]}
    bodies = [each.body for each in batch.activity_outputs(0, 1)]
    assert bodies == [
        MerchantActivityRecorded("shop", "CNY", LARGEST_ACTIVITY_MINOR, 3),
        MerchantActivityRecorded("shop", "CNY", LARGEST_ACTIVITY_MINOR, 0),
        MerchantActivityRecorded("shop", "CNY", 7, 0),
    ]
    assert len({each.event_id for each in batch.activity_outputs(0, 1)}) == 3


def test_nothing_is_lost_of_what_a_batch_takes_from_a_merchant():
    lane = lane_with_line("kuaishou")
    batch = Batch(lane.states, RULES, lane.time, event_clock=True)
    batch._activity = {("shop", "CNY"): [-LARGEST_ACTIVITY_MINOR - 1, 0]}
    assert [each.body.payable_minor for each in batch.activity_outputs(0, 1)] == [-LARGEST_ACTIVITY_MINOR, -1]


def test_an_input_of_before_is_recognised_after_an_overflow():
    lane = lane_with_merchant()
    again = message(MerchantRegistered("CNY", 7), SHOP, at("2026-01-01"), "event-1")
    lane.totals = {("gateway_clearing", "CNY"): LARGEST_MINOR}
    assert lane.send("2026-01-02", deposited()).reason == "amount_overflow"
    assert lane.settle(again).outcome is Outcome.DUPLICATE
