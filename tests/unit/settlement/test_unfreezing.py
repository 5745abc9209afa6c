"""Requests to lift the freeze for what was overdue: what stands against them, and what they restore."""

import pytest

from settlement.decision import DeclineReason, Outcome
from settlement.entities import Account, Obligation
from settlement.messages import LineFrozen, LineUnfrozen, UnfreezeRequested
from settlement.outputs import LimitRestored, NotificationRequested
from settlement.statuses import ObligationStatus
from settlement.values import revised
from tests.unit.settlement.builders import (
    BUYER,
    RULES,
    Lane,
    at,
    lane_with_line,
    on_statement,
    opened,
    repaid,
    rules_of,
)


def lane_cleared(cleared_at: str = "2026-02-10 12:00", rules=RULES) -> Lane:
    """A douyin lane on which what was due on 6 February 2026 was paid late, so that the line waits for a request."""
    lane = lane_with_line("douyin", rules=rules)
    lane.send("2026-01-20", on_statement(amount_minor=10_000))
    lane.tick("2026-02-07 00:00")
    lane.send(cleared_at, repaid(20_000))
    return lane


OBSTACLES = [
    (DeclineReason.LINE_CLOSED, {"closed_at": at("2026-01-01")}, {}),
    (DeclineReason.OVERDUE, {}, {}),
    (DeclineReason.NOT_OFFERED, {}, {"restore": {"when": "cleared"}}),
    (DeclineReason.WRONG_STATE, {"freeze_reasons": ("manual",)}, {}),
    (DeclineReason.TOO_EARLY, {"cleared_at": at("2026-04-01")}, {}),
]
"""Each obstacle to a request alone, in the order of the rules: of the account, the programme."""


@pytest.mark.parametrize("first", range(len(OBSTACLES)))
def test_a_request_is_declined_with_the_first_reason_that_applies(first):
    terms, of_account = {}, {"freeze_reasons": ("overdue",), "cleared_at": at("2026-02-10")}
    for _, account, programme in reversed(OBSTACLES[first:]):
        of_account |= account
        terms |= programme
    lane = Lane(rules_of("douyin", "douyin", **terms))
    lane.send("2026-01-01", opened("douyin"))
    lane.states[BUYER].entities[Account][BUYER.id] = revised(lane.account, **of_account)
    if DeclineReason.OVERDUE in [reason for reason, *_ in OBSTACLES[first:]]:
        late = Obligation(
            "buyer", "old", 99, None, at("2026-02-06").date(), ObligationStatus.OVERDUE, 1, 0, 0, 0, 0, 0, None
        )
        lane.states[BUYER].entities[Obligation] = {"old": late}
    before = lane.account
    decision = lane.send("2026-04-20", UnfreezeRequested())
    assert (decision.outcome, decision.reason) == (Outcome.DECLINED, OBSTACLES[first][0])
    (notice,) = lane.outputs()
    assert isinstance(notice, NotificationRequested)
    assert (notice.template, notice.params["reason"]) == ("unfreeze_refused", OBSTACLES[first][0])
    assert lane.account == before


@pytest.mark.parametrize(
    ("when", "outcome"), [("2026-04-11 11:59", Outcome.DECLINED), ("2026-04-11 12:00", Outcome.APPLIED)]
)
def test_a_line_is_restored_on_request_60_days_after_clearing(when, outcome):
    lane = lane_cleared("2026-02-10 12:00")
    assert lane.send(when, UnfreezeRequested()).outcome is outcome
    assert lane.account.freeze_reasons == (() if outcome is Outcome.APPLIED else ("overdue",))


def test_what_is_available_is_told_as_unfrozen():
    lane = lane_cleared()
    assert lane.send("2026-04-20", on_statement("next")).reason == DeclineReason.LINE_FROZEN
    lane.send("2026-04-20", UnfreezeRequested())
    assert lane.outputs(LimitRestored) == [LimitRestored("buyer", 100_000, "CNY", "unfrozen", 100_000, 100_000)]
    assert lane.notices() == ["limit_restored"]
    assert lane.send("2026-04-21", on_statement("next")).outcome is Outcome.APPLIED
    assert lane.send("2026-04-21", UnfreezeRequested()).reason == DeclineReason.WRONG_STATE


def test_a_request_does_not_lift_other_freezes():
    lane = lane_cleared()
    lane.send("2026-03-01", LineFrozen("manual"))
    assert lane.send("2026-04-20", UnfreezeRequested()).outcome is Outcome.APPLIED
    assert lane.account.freeze_reasons == ("manual",)
    assert lane.outputs() == []
    lane.send("2026-04-21", LineUnfrozen("manual"))
    assert len(lane.outputs(LimitRestored)) == 1


def test_the_wait_starts_again_with_a_new_overdue():
    lane = lane_cleared()
    lane.send("2026-04-10", LineFrozen("manual"))
    lane.send("2026-04-12", UnfreezeRequested())
    lane.send("2026-04-12", LineUnfrozen("manual"))
    lane.send("2026-04-12", on_statement("next", 1_000))
    lane.tick("2026-05-07 00:00")
    assert lane.send("2026-05-07", UnfreezeRequested()).reason == DeclineReason.OVERDUE
    lane.send("2026-05-08 12:00", repaid(5_000, "late"))
    assert lane.send("2026-07-07 11:59", UnfreezeRequested()).reason == DeclineReason.TOO_EARLY
    assert lane.send("2026-07-07 12:00", UnfreezeRequested()).outcome is Outcome.APPLIED


def test_how_long_is_waited_follows_the_present_terms():
    lane = lane_cleared(rules=rules_of("douyin", "douyin", restore={"when": "on_request", "days": 2}))
    assert lane.send("2026-02-12 11:59", UnfreezeRequested()).reason == DeclineReason.TOO_EARLY
    assert lane.send("2026-02-12 12:00", UnfreezeRequested()).outcome is Outcome.APPLIED


@pytest.mark.parametrize("programme", ["kuaishou", "taobao", "tmall"])
def test_other_programmes_restore_without_a_request(programme):
    assert lane_with_line(programme).send("2026-01-02", UnfreezeRequested()).reason == DeclineReason.NOT_OFFERED
