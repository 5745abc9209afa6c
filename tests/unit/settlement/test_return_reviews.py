"""Returns that are reviewed first, and those that are withdrawn."""

from datetime import date

import pytest

from settlement.decision import DeclineReason, Outcome
from settlement.entities import Return
from settlement.messages import PurchaseCancelled, PurchaseReceived, ReturnWithdrawn
from settlement.outputs import (
    AutoDebitCancelled,
    AutoDebitRequested,
    NotificationRequested,
    PayoutRequested,
)
from settlement.statuses import ReturnStatus
from tests.unit.settlement.builders import (
    complained,
    deferred,
    intact,
    lane_with_line,
    placed,
    repaid,
    returned,
    reviewed,
)
from tests.unit.settlement.returning import lane_deferred_with_inspection, lane_on_trial


def test_a_quality_issue_is_reviewed_before_it_is_approved():
    lane = lane_on_trial()
    assert lane.send("2026-01-06", complained(4_000)).outcome is Outcome.APPLIED
    assert lane.notices() == []
    assert lane.get(Return, "return").status is ReturnStatus.AWAITING_REVIEW
    assert [share.after_sales for share in lane.last[0].decision.activity] == [1]
    lane.send("2026-01-07", reviewed("approved"))
    assert lane.notices() == ["return_approved"]
    assert lane.get(Return, "return").status is ReturnStatus.AWAITING_PARCEL
    lane.send("2026-01-08", intact())
    assert lane.limits() == (100_000, 94_000, 6_000, 0)


def test_a_rejected_quality_issue_is_told_with_the_opinion_and_the_order_goes_on():
    lane = lane_on_trial()
    lane.send("2026-01-06", complained())
    lane.tick("2026-01-14")
    lane.send("2026-01-14 13:00", reviewed("rejected"))
    (notice,) = lane.outputs(NotificationRequested)
    assert (notice.template, notice.params["opinion"]) == ("return_rejected", "checked the photos")
    assert lane.get(Return, "return").status is ReturnStatus.REJECTED
    assert [share.after_sales for share in lane.last[0].decision.activity] == [-1]
    lane.tick("2026-01-15 00:00")
    assert lane.outputs(AutoDebitRequested)[0].due_on == date(2026, 1, 15)


def test_an_approved_quality_issue_needs_no_inspection_where_the_programme_says_so():
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred())
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.send("2026-01-06", complained(10_000))
    assert lane.limits() == (100_000, 90_000, 0, 10_000)
    decision = lane.send("2026-01-07", reviewed("approved"))
    assert lane.notices() == ["return_approved", "return_refunded"]
    assert lane.limits() == (100_000, 100_000, 0, 0)
    assert sum(share.after_sales for share in decision.activity) == -1
    assert lane.send("2026-01-08", intact()).reason == DeclineReason.WRONG_STATE


def test_a_quality_issue_needs_evidence():
    lane = lane_on_trial()
    assert lane.send("2026-01-06", returned(reason="quality_issue")).reason == DeclineReason.EVIDENCE_MISSING
    assert lane.notices() == ["return_declined"]
    too_much = returned(10_001, reason="quality_issue")
    assert lane.send("2026-01-06", too_much).reason == DeclineReason.AMOUNT_EXCEEDS_ORDER


def test_no_window_limits_a_quality_issue():
    lane = lane_on_trial()
    lane.tick("2026-01-12 00:00")
    lane.send("2026-01-12 08:00", repaid(10_000, debit_id=lane.requested.debit_id))
    assert lane.send("2026-06-01", complained(10_000)).outcome is Outcome.APPLIED
    lane.send("2026-06-02", reviewed("approved"))
    lane.send("2026-06-03", intact())
    (payout,) = lane.outputs(PayoutRequested)
    assert (payout.amount_minor, payout.reason) == (10_000, "order_refund")


def test_a_parcel_waits_for_the_review():
    lane = lane_on_trial()
    lane.send("2026-01-06", complained())
    assert lane.send("2026-01-07", intact()).outcome is Outcome.PARKED
    lane.send("2026-01-08", reviewed("approved"))
    assert lane.get(Return, "return").status is ReturnStatus.REFUNDED


def test_a_parcel_of_a_rejected_return_is_not_refunded():
    lane = lane_on_trial()
    lane.send("2026-01-06", complained())
    lane.send("2026-01-07", intact())
    lane.send("2026-01-08", reviewed("rejected"))
    assert [each.decision.reason for each in lane.last] == [None, DeclineReason.WRONG_STATE]
    assert lane.limits() == (100_000, 90_000, 10_000, 0)


@pytest.mark.parametrize("first", ["approved", "rejected"])
@pytest.mark.parametrize("second", ["approved", "rejected"])
def test_the_same_review_once_more_is_a_duplicate_and_another_is_too_late(first, second):
    lane = lane_on_trial()
    lane.send("2026-01-06", complained())
    lane.send("2026-01-07", reviewed(first))
    decision = lane.send("2026-01-08", reviewed(second))
    assert decision.outcome is (Outcome.DUPLICATE if first == second else Outcome.DECLINED)


def test_what_needs_no_review_counts_as_approved():
    lane = lane_on_trial()
    lane.send("2026-01-06", returned())
    assert lane.send("2026-01-07", reviewed("approved")).outcome is Outcome.DUPLICATE
    assert lane.send("2026-01-07", reviewed("rejected")).reason == DeclineReason.WRONG_STATE
    assert lane.get(Return, "return").status is ReturnStatus.AWAITING_PARCEL


@pytest.mark.parametrize("request_", [returned(), complained()])
def test_a_withdrawn_return_lets_the_order_go_on(request_):
    lane = lane_deferred_with_inspection()
    lane.tick("2026-02-01 00:00")
    lane.send("2026-02-01 08:00", request_)
    assert lane.outputs(AutoDebitCancelled)[0].reason == "return_requested"
    lane.send("2026-02-03", ReturnWithdrawn("return"))
    assert lane.get(Return, "return").status is ReturnStatus.WITHDRAWN
    assert [share.after_sales for share in lane.last[-1].decision.activity] == [-1]
    lane.tick("2026-02-04 00:00")
    (request,) = lane.outputs(AutoDebitRequested)
    assert (request.due_on, request.amount_minor) == (date(2026, 2, 4), 10_000)
    assert lane.send("2026-02-04", ReturnWithdrawn("return")).outcome is Outcome.DUPLICATE


@pytest.mark.parametrize("after", [ReturnWithdrawn("return"), reviewed("rejected")])
def test_a_withdrawn_return_is_not_reviewed_and_a_rejected_one_not_withdrawn(after):
    lane = lane_on_trial()
    lane.send("2026-01-06", complained())
    lane.send("2026-01-07", after)
    other = reviewed("rejected") if isinstance(after, ReturnWithdrawn) else ReturnWithdrawn("return")
    assert lane.send("2026-01-08", other).reason == DeclineReason.WRONG_STATE


def test_a_review_and_a_withdrawal_wait_for_their_return():
    lane = lane_on_trial()
    assert lane.send("2026-01-06", reviewed("approved")).outcome is Outcome.PARKED
    assert lane.send("2026-01-06", ReturnWithdrawn("return")).outcome is Outcome.PARKED
    lane.send("2026-01-07", complained())
    assert lane.get(Return, "return").status is ReturnStatus.WITHDRAWN


def test_cancelling_an_order_ends_a_return_under_review():
    lane = lane_with_line()
    lane.send("2026-01-02", placed())
    lane.send("2026-01-03", complained())
    lane.send("2026-01-04", PurchaseCancelled("order", "changed my mind"))
    assert lane.get(Return, "return").status is ReturnStatus.WITHDRAWN
    assert lane.limits() == (100_000, 100_000, 0, 0)
