"""Deposit refunds that wait too long, and those that are withdrawn."""

from dataclasses import replace

import pytest

from settlement.calendar import WorkingDays
from settlement.decision import Outcome
from settlement.draft import Rules
from settlement.entities import CaseKind, Deposit, DepositRefund
from settlement.messages import CaseOpened, DepositRefundReviewed, DepositRefundWithdrawn
from settlement.outputs import NotificationRequested
from settlement.statuses import DepositRefundStatus
from tests.unit.settlement.builders import RULES, SHOP, Lane, at, deposited, lane_with_merchant, refund_asked


def lane_with_deposit(rules: Rules = RULES) -> Lane:
    """A lane on which a deposit was paid on 2 January 2026: frozen until 1 February, unpaid for long on 2 April."""
    lane = lane_with_merchant()
    lane.rules = rules
    lane.send("2026-01-02", deposited())
    return lane


def reviewed(lane: Lane, when: str, outcome: str = "approved", request_id: str = "request") -> None:
    lane.send(when, DepositRefundReviewed(request_id, outcome, "fine"))


def escalated(lane: Lane) -> list[tuple[str, str]]:
    """Whom the last step told of an escalation, and why."""
    return [
        (body.recipient_kind, body.params["reason"])
        for body in lane.outputs(NotificationRequested)
        if body.template == "deposit_refund_escalated"
    ]


TOLD = [("merchant", "review_late"), ("operator", "review_late")]
TOLD_UNPAID = [("merchant", "refund_unpaid"), ("operator", "refund_unpaid")]


@pytest.mark.parametrize(
    ("urgent", "last_minute", "midnight"),
    [
        (False, "2026-01-19 23:59", "2026-01-20 00:00"),  # seven working days after Thursday, 8 January
        (True, "2026-01-13 23:59", "2026-01-14 00:00"),
    ],
)
def test_a_request_not_reviewed_in_time_is_escalated_at_the_midnight_after(urgent, last_minute, midnight):
    lane = lane_with_deposit()
    lane.send("2026-01-08", refund_asked(urgent=urgent))
    assert lane.tick(last_minute) == []
    lane.tick(midnight)
    assert escalated(lane) == TOLD
    for notice in lane.outputs(NotificationRequested):
        assert (notice.params["merchant_id"], notice.params["request_id"]) == ("shop", "request")
    assert lane.tick("2026-03-01") == []


def test_make_up_days_count_as_working_days():
    calendar = RULES.calendar
    saturday = at("2026-01-10").date()
    years = {**calendar.years, 2026: calendar.years[2026] | {saturday}}
    lane = lane_with_deposit(replace(RULES, calendar=WorkingDays("make-up", years)))
    lane.send("2026-01-08", refund_asked(urgent=True))
    lane.tick("2026-01-13 00:00")
    assert escalated(lane) == TOLD


@pytest.mark.parametrize("outcome", ["approved", "rejected"])
def test_a_reviewed_request_is_not_escalated_for_its_review(outcome):
    lane = lane_with_deposit()
    lane.send("2026-01-08", refund_asked())
    reviewed(lane, "2026-01-09", outcome)
    lane.tick("2026-01-25")
    assert escalated(lane) == []


def test_a_request_that_fails_its_check_is_not_escalated():
    lane = lane_with_deposit()
    lane.send("2026-01-08", refund_asked())
    lane.send("2026-01-09", CaseOpened(CaseKind.DISPUTE, "d"))
    reviewed(lane, "2026-01-10")
    assert lane.get(DepositRefund, "request").status is DepositRefundStatus.DECLINED
    assert lane.tick("2026-04-03") == []


def test_a_request_declined_when_it_came_is_not_escalated():
    lane = lane_with_deposit()
    lane.send("2026-01-08", CaseOpened(CaseKind.DISPUTE, "d"))
    lane.send("2026-01-09", refund_asked())
    assert lane.tick("2026-04-03") == []


def test_a_request_told_after_its_review_was_due_is_escalated_at_once():
    lane = lane_with_deposit()
    lane.tick("2026-01-20 00:00")
    lane.send("2026-01-08", refund_asked())
    assert lane.notices() == ["deposit_refund_received", "deposit_refund_escalated", "deposit_refund_escalated"]
    assert lane.tick("2026-03-01") == []


def test_an_unreviewed_request_is_escalated_again_at_ninety_days_from_the_payment():
    lane = lane_with_deposit()
    lane.send("2026-03-30", refund_asked())
    assert lane.tick("2026-04-01 23:59") == []
    lane.tick("2026-04-02 00:00")
    assert escalated(lane) == TOLD_UNPAID
    lane.tick("2026-04-09 00:00")
    assert escalated(lane) == TOLD


def test_an_approved_request_that_is_held_is_escalated_at_ninety_days():
    terms = {**RULES.terms.document["versions"][0]["deposits"], "freeze_days": 120}
    lane = lane_with_deposit(replace(RULES, terms=with_deposits(terms)))
    lane.send("2026-01-08", refund_asked())
    reviewed(lane, "2026-01-09")
    lane.tick("2026-04-02 00:00")
    assert escalated(lane) == TOLD_UNPAID
    lane.tick("2026-05-02 00:00")
    assert lane.get(DepositRefund, "request").status is DepositRefundStatus.PAID


def with_deposits(deposits: dict):
    version = {**RULES.terms.document["versions"][0], "deposits": deposits}
    return type(RULES.terms).parse({"versions": [version]})


def test_a_paid_request_is_not_escalated():
    lane = lane_with_deposit()
    lane.send("2026-01-08", refund_asked())
    reviewed(lane, "2026-01-09")
    lane.tick("2026-02-01 00:00")
    assert lane.get(DepositRefund, "request").status is DepositRefundStatus.PAID
    assert lane.tick("2026-04-03") == []


def test_a_request_made_after_ninety_days_waits_for_its_review_only():
    lane = lane_with_deposit()
    lane.send("2026-04-02 00:00", refund_asked())
    assert lane.notices() == ["deposit_refund_received"]
    lane.tick("2026-04-14 00:00")
    assert escalated(lane) == TOLD


def test_a_request_made_before_ninety_days_and_told_after_is_escalated_at_once():
    lane = lane_with_deposit()
    lane.tick("2026-04-02 00:00")
    lane.send("2026-04-01 23:59", refund_asked())
    assert escalated(lane) == TOLD_UNPAID


def test_requests_for_several_deposits_are_escalated_each_for_itself():
    lane = lane_with_deposit()
    lane.send("2026-01-03", deposited("other"))
    lane.send("2026-01-08", refund_asked())
    lane.send("2026-01-08", refund_asked("second", deposit_id="other"))
    reviewed(lane, "2026-01-09")
    lane.tick("2026-01-20 00:00")
    told = [body.params["request_id"] for body in lane.outputs(NotificationRequested)]
    assert told == ["second", "second"]


@pytest.mark.parametrize("steps", [[], ["approved"]])
def test_a_withdrawn_request_ends_without_a_payment_or_an_escalation(steps):
    lane = lane_with_deposit()
    lane.send("2026-01-08", refund_asked())
    for outcome in steps:
        reviewed(lane, "2026-01-09", outcome)
    assert lane.send("2026-01-10", DepositRefundWithdrawn("request")).outcome is Outcome.APPLIED
    assert lane.get(DepositRefund, "request").status is DepositRefundStatus.WITHDRAWN
    assert lane.outputs() == []
    assert lane.tick("2026-04-03") == []
    assert lane.get(Deposit, "deposit").left_minor == 50_000
    assert lane.states[SHOP].timers == {}


def test_a_deposit_can_be_asked_for_again_after_a_withdrawal():
    lane = lane_with_deposit()
    lane.send("2026-01-08", refund_asked())
    lane.send("2026-01-10", DepositRefundWithdrawn("request"))
    assert lane.send("2026-01-11", refund_asked()).outcome is Outcome.DUPLICATE
    assert lane.send("2026-01-11", refund_asked("next")).outcome is Outcome.APPLIED


def test_a_withdrawal_of_a_request_waits_for_it():
    lane = lane_with_deposit()
    assert lane.send("2026-01-07", DepositRefundWithdrawn("request")).waits_for == "deposit_refund:request"
    lane.send("2026-01-08", refund_asked())
    assert lane.get(DepositRefund, "request").status is DepositRefundStatus.WITHDRAWN
