"""Returns whose parcel does not come."""

from datetime import date

import pytest

from settlement.decision import DeclineReason
from settlement.entities import Return
from settlement.messages import PurchaseCancelled, ReturnWithdrawn
from settlement.outputs import (
    AutoDebitRequested,
    NotificationRequested,
)
from settlement.statuses import ReturnStatus
from settlement.timers import TimerKind
from tests.unit.settlement.builders import (
    BUYER,
    complained,
    damaged,
    intact,
    lane_with_line,
    placed,
    returned,
    reviewed,
    rules_of,
)
from tests.unit.settlement.returning import lane_on_trial


def test_a_return_whose_parcel_does_not_come_expires_15_days_after_its_approval():
    lane = lane_on_trial()
    lane.send("2026-01-06 12:00", returned())
    assert lane.tick("2026-01-21 11:59") != []  # the trial's end, which the return holds up
    assert lane.outputs() == []
    lane.tick("2026-01-21 12:00")
    (notice,) = lane.outputs(NotificationRequested)
    assert (notice.template, notice.params["return_id"]) == ("return_expired", "return")
    assert lane.get(Return, "return").status is ReturnStatus.EXPIRED
    assert [share.after_sales for share in lane.last[0].decision.activity] == [-1]
    lane.tick("2026-01-22 00:00")
    (request,) = lane.outputs(AutoDebitRequested)
    assert (request.due_on, request.amount_minor, request.reason) == (date(2026, 1, 22), 10_000, "trial_ended")
    assert lane.send("2026-01-23", intact()).reason == DeclineReason.WRONG_STATE
    assert lane.send("2026-01-23", ReturnWithdrawn("return")).reason == DeclineReason.WRONG_STATE


def test_a_parcel_is_waited_for_from_the_review_where_there_is_one():
    lane = lane_on_trial()
    lane.send("2026-01-06 12:00", complained())
    lane.tick("2026-01-31")
    assert lane.get(Return, "return").status is ReturnStatus.AWAITING_REVIEW
    lane.send("2026-02-01 12:00", reviewed("approved"))
    lane.tick("2026-02-16 11:59")
    assert lane.get(Return, "return").status is ReturnStatus.AWAITING_PARCEL
    lane.tick("2026-02-16 12:00")
    assert lane.get(Return, "return").status is ReturnStatus.EXPIRED


@pytest.mark.parametrize("end", [intact(), damaged(), ReturnWithdrawn("return"), PurchaseCancelled("order", "lost")])
def test_no_parcel_is_waited_for_when_the_return_has_ended(end):
    lane = lane_with_line()
    lane.send("2026-01-02", placed())
    lane.send("2026-01-03", returned(4_000))
    lane.send("2026-01-04", end)
    assert TimerKind.PARCEL_EXPIRY not in [kind for kind, _ in lane.states[BUYER].timers]


def test_a_return_whose_approval_is_told_after_its_parcel_was_waited_for_expired_then():
    lane = lane_on_trial()
    lane.send("2026-01-06", complained())
    lane.tick("2026-02-05 00:00")
    lane.send("2026-01-07 12:00", reviewed("approved"))
    assert lane.notices() == ["return_approved", "return_expired"]
    assert lane.get(Return, "return").status is ReturnStatus.EXPIRED
    assert [each.due_on for each in lane.obligations] == [date(2026, 1, 23)]
    assert lane.outputs(AutoDebitRequested)[-1].attempt == 1


def test_the_wait_for_a_parcel_follows_the_terms_of_the_order():
    lane = lane_with_line(rules=rules_of("tmall", "tmall", {"parcel_wait_days": 2}))
    lane.send("2026-01-02", placed())
    lane.send("2026-01-03 12:00", returned())
    lane.tick("2026-01-05 12:00")
    assert lane.notices() == ["return_expired"]
