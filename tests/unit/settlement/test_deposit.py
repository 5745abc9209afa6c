"""Deposits: conditions of a refund, review, freeze period, both ways of paying out."""

from dataclasses import replace
from datetime import date

import pytest

from settlement.calendar import WorkingDays
from settlement.decision import DeclineReason, Outcome
from settlement.draft import Rules
from settlement.entities import CaseKind, Deposit, DepositRefund
from settlement.ledger import LedgerAccount, Posting
from settlement.messages import (
    CaseClosed,
    CaseOpened,
    DepositRefundReviewed,
    MerchantActivity,
    MerchantRegistered,
)
from settlement.outputs import NotificationRequested, PayoutRequested
from settlement.statuses import DepositRefundStatus
from tests.unit.settlement.builders import (
    RULES,
    SHOP,
    Lane,
    at,
    deposited,
    lane_with_merchant,
    message,
    refund_asked,
    without_notices,
)


def lane_with_deposit(amount_minor: int = 50_000) -> Lane:
    """A lane on which a deposit was paid by Alipay on 2 January 2026, so frozen until 1 February."""
    lane = lane_with_merchant()
    lane.send("2026-01-02", deposited(amount_minor=amount_minor))
    return lane


def approve(lane: Lane, when: str, request_id: str = "request"):
    return lane.send(when, DepositRefundReviewed(request_id, "approved", "fine"))


def test_a_deposit_is_frozen_for_thirty_days():
    lane = lane_with_deposit()
    deposit = lane.get(Deposit, "deposit")
    assert (deposit.left_minor, deposit.frozen_until) == (50_000, date(2026, 2, 1))
    assert lane.balance.deposit_minor == 50_000
    assert lane.last[0].decision.postings == (
        Posting(LedgerAccount.GATEWAY_CLEARING, LedgerAccount.DEPOSIT, "CNY", 50_000),
    )


def test_a_request_keeps_why_it_is_urgent():
    lane = lane_with_deposit()
    lane.send("2026-01-05", replace(refund_asked(urgent=True), urgency="the shop closes"))
    request = lane.get(DepositRefund, "request")
    assert (request.urgent, request.urgency) == (True, "the shop closes")


def test_a_deposit_id_is_taken_once_and_its_currency_is_the_merchants():
    lane = lane_with_merchant()
    assert lane.send("2026-01-02", deposited(currency="USD")).reason == "currency_mismatch"
    assert lane.send("2026-01-02", deposited()).outcome is Outcome.APPLIED
    assert lane.send("2026-01-02", deposited()).outcome is Outcome.DUPLICATE
    assert lane.send("2026-01-02", deposited(amount_minor=1)).outcome is Outcome.CONFLICT


def test_a_request_is_taken_up_for_review_within_seven_working_days():
    lane = lane_with_deposit()
    assert lane.send("2026-01-09", refund_asked()).outcome is Outcome.APPLIED
    request = lane.get(DepositRefund, "request")
    assert (request.status, request.amount_minor, request.review_due_on) == (
        DepositRefundStatus.AWAITING_REVIEW,
        50_000,
        date(2026, 1, 20),
    )
    assert lane.notices() == ["deposit_refund_received"]
    assert without_notices(lane.outputs()) == []


def test_an_urgent_request_is_reviewed_within_three():
    lane = lane_with_deposit()
    lane.send("2026-01-09", refund_asked(urgent=True))
    assert lane.get(DepositRefund, "request").review_due_on == date(2026, 1, 14)


OBSTACLES = [
    (DeclineReason.PROMOTION_ACTIVE, CaseOpened(CaseKind.PROMOTION, "p")),
    (DeclineReason.DISPUTE_OPEN, CaseOpened(CaseKind.DISPUTE, "d")),
    (DeclineReason.AFTER_SALE_OPEN, MerchantActivity("CNY", 0, 1)),
    (DeclineReason.VIOLATION_OPEN, CaseOpened(CaseKind.VIOLATION, "v")),
    (DeclineReason.OWES_PLATFORM, MerchantActivity("CNY", -1, 0)),
]


def test_all_unmet_conditions_are_named_in_order():
    lane = lane_with_deposit()
    lane.send("2026-01-03", refund_asked("first", amount_minor=10_000))
    for _, obstacle in reversed(OBSTACLES):
        lane.send("2026-01-04", obstacle)
    decision = lane.send("2026-01-05", refund_asked("second", amount_minor=50_001))
    expected = (
        "promotion_active",
        "dispute_open",
        "after_sale_open",
        "violation_open",
        "owes_platform",
        "amount_exceeds_deposit",
        "refund_in_progress",
    )
    assert (decision.outcome, decision.reason, decision.reasons) == (Outcome.DECLINED, expected[0], expected)
    (notice,) = lane.outputs(NotificationRequested)
    assert (notice.template, notice.params["reasons"]) == ("deposit_refund_refused", list(expected))
    assert [reason for reason in DeclineReason if reason in expected] == list(expected)


@pytest.mark.parametrize(("reason", "obstacle"), OBSTACLES)
def test_each_condition_alone_declines(reason, obstacle):
    lane = lane_with_deposit()
    lane.send("2026-01-04", obstacle)
    assert lane.send("2026-01-05", refund_asked()).reasons == (reason,)


def test_what_is_owed_in_another_currency_stands_against_nothing():
    lane = lane_with_deposit()
    lane.send("2026-01-04", MerchantActivity("USD", -1, 0))
    assert lane.send("2026-01-05", refund_asked()).outcome is Outcome.APPLIED


def test_a_declined_request_shows_its_latest_reasons_and_leaves_its_id_free():
    lane = lane_with_deposit()
    lane.send("2026-01-03", CaseOpened(CaseKind.PROMOTION, "p"))
    lane.send("2026-01-04", refund_asked())
    assert lane.get(DepositRefund, "request").reasons == ("promotion_active",)
    assert lane.send("2026-01-04", DepositRefundReviewed("request", "approved", "x")).reason == "subject_declined"
    assert lane.send("2026-01-05", refund_asked(amount_minor=60_000)).reasons == (
        "promotion_active",
        "amount_exceeds_deposit",
    )
    request = lane.get(DepositRefund, "request")
    assert (request.status, request.reasons[-1]) == (DepositRefundStatus.DECLINED, "amount_exceeds_deposit")
    lane.send("2026-01-06", CaseClosed(CaseKind.PROMOTION, "p"))
    assert lane.send("2026-01-06", refund_asked()).outcome is Outcome.APPLIED
    request = lane.get(DepositRefund, "request")
    assert (request.status, request.reasons) == (DepositRefundStatus.AWAITING_REVIEW, ())
    assert lane.send("2026-01-07", refund_asked()).outcome is Outcome.DUPLICATE


def test_a_review_that_came_first_is_declined_with_its_request():
    lane = lane_with_deposit()
    lane.send("2026-01-03", CaseOpened(CaseKind.PROMOTION, "p"))
    assert lane.send("2026-01-04", DepositRefundReviewed("request", "approved", "x")).outcome is Outcome.PARKED
    lane.send("2026-01-05", refund_asked())
    assert [each.decision.reason for each in lane.last] == ["promotion_active", "subject_declined"]


def test_an_approved_request_is_paid_when_the_freeze_ends():
    lane = lane_with_deposit()
    lane.send("2026-01-03", refund_asked(amount_minor=20_000))
    approve(lane, "2026-01-05")
    assert lane.notices() == ["deposit_refund_approved"]
    assert lane.outputs(NotificationRequested)[0].params["paid_on"] == "2026-02-01"
    assert lane.tick("2026-01-31 23:59") == []
    lane.tick("2026-02-01 00:00")
    (payout,) = without_notices(lane.outputs())
    assert isinstance(payout, PayoutRequested)
    assert (payout.payee_kind, payout.payee_id, payout.amount_minor, payout.route, payout.reason) == (
        "merchant",
        "shop",
        20_000,
        "alipay",
        "deposit_refund",
    )
    assert lane.notices() == ["deposit_refund_paid"]
    assert lane.get(Deposit, "deposit").left_minor == lane.balance.deposit_minor == 30_000
    assert lane.send("2026-02-02", refund_asked("next")).outcome is Outcome.APPLIED


def test_after_the_freeze_an_approved_request_is_paid_at_once():
    lane = lane_with_deposit()
    lane.send("2026-02-01", refund_asked())
    approve(lane, "2026-02-02")
    assert lane.notices() == ["deposit_refund_approved", "deposit_refund_paid"]
    assert lane.get(DepositRefund, "request").status is DepositRefundStatus.PAID


def test_a_refund_to_the_shop_balance_stays_within_the_ledger():
    lane = lane_with_deposit()
    lane.send("2026-02-01", refund_asked(refund_to="shop_balance"))
    decision = approve(lane, "2026-02-02")
    assert decision.postings == (Posting(LedgerAccount.DEPOSIT, LedgerAccount.SHOP_BALANCE, "CNY", 50_000),)
    assert without_notices(lane.outputs()) == []
    assert (lane.balance.shop_balance_minor, lane.balance.deposit_minor) == (50_000, 0)


def test_conditions_are_checked_again_at_approval():
    lane = lane_with_deposit()
    lane.send("2026-01-03", refund_asked())
    lane.send("2026-01-04", CaseOpened(CaseKind.DISPUTE, "d"))
    assert approve(lane, "2026-01-05").outcome is Outcome.APPLIED
    request = lane.get(DepositRefund, "request")
    assert (request.status, request.reasons) == (DepositRefundStatus.DECLINED, ("dispute_open",))
    assert lane.notices() == ["deposit_refund_refused"]
    lane.send("2026-01-06", CaseClosed(CaseKind.DISPUTE, "d"))
    assert lane.send("2026-01-06", refund_asked()).outcome is Outcome.DUPLICATE
    assert lane.send("2026-01-06", refund_asked("another")).outcome is Outcome.APPLIED


def test_conditions_are_checked_again_at_payment():
    lane = lane_with_deposit()
    lane.send("2026-01-03", refund_asked())
    approve(lane, "2026-01-05")
    lane.send("2026-01-20", MerchantActivity("CNY", 0, 1))
    lane.send("2026-01-20", CaseOpened(CaseKind.VIOLATION, "v"))
    lane.tick("2026-02-01 00:00")
    assert lane.get(DepositRefund, "request").reasons == ("after_sale_open", "violation_open")
    assert lane.notices() == ["deposit_refund_refused"]
    assert lane.balance.deposit_minor == 50_000


def test_a_rejection_sends_the_opinion():
    lane = lane_with_deposit()
    lane.send("2026-01-03", refund_asked())
    lane.send("2026-01-05", DepositRefundReviewed("request", "rejected", "papers missing"))
    (notice,) = lane.outputs(NotificationRequested)
    assert (notice.template, notice.params["opinion"]) == ("deposit_refund_rejected", "papers missing")
    assert lane.get(DepositRefund, "request").opinion == "papers missing"
    assert lane.send("2026-01-06", refund_asked("next")).outcome is Outcome.APPLIED


def test_a_request_is_reviewed_once():
    lane = lane_with_deposit()
    lane.send("2026-01-03", refund_asked())
    approve(lane, "2026-01-05")
    assert approve(lane, "2026-01-06").outcome is Outcome.DUPLICATE
    rejected = DepositRefundReviewed("request", "rejected", "late")
    assert lane.send("2026-01-06", rejected).reason == "wrong_state"


def test_nothing_left_is_nothing_to_refund():
    lane = lane_with_deposit()
    lane.send("2026-02-01", refund_asked())
    approve(lane, "2026-02-02")
    assert lane.send("2026-02-03", refund_asked("next")).reasons == ("amount_exceeds_deposit",)


def test_another_currency_is_declined_alone():
    lane = lane_with_deposit()
    lane.send("2026-01-03", CaseOpened(CaseKind.PROMOTION, "p"))
    assert lane.send("2026-01-04", refund_asked(currency="USD")).reasons == ("currency_mismatch",)


def test_a_request_and_a_review_wait_for_what_they_name():
    lane = lane_with_merchant()
    assert lane.send("2026-01-03", DepositRefundReviewed("request", "approved", "x")).waits_for == (
        "deposit_refund:request"
    )
    assert lane.send("2026-01-03", refund_asked()).waits_for == "deposit:deposit"
    lane.send("2026-01-05", deposited())
    assert lane.get(DepositRefund, "request").status is DepositRefundStatus.APPROVED


def test_a_year_the_calendar_does_not_know_is_a_dead_letter():
    lane = Lane(Rules(RULES.terms, WorkingDays("test", {})))
    lane.send("2026-01-01", MerchantRegistered("CNY", 7))
    lane.send("2026-01-02", deposited())
    unknown = lane.unchecked(message(refund_asked(), SHOP, at("2026-01-03"), "event"))
    assert (unknown.outcome, unknown.reason) == (Outcome.DEAD_LETTERED, "calendar_unknown")
