"""Appeals: what an upheld one lifts, at once or once nothing is overdue."""

import pytest

from settlement.decision import DeclineReason, Outcome
from settlement.entities import Appeal
from settlement.messages import AppealDecided, CloseRequested, LineFrozen, LineUnfrozen, PurchaseReceived
from settlement.outputs import LimitRestored, NotificationRequested
from settlement.timers import TimerKind
from tests.unit.settlement.builders import (
    BUYER,
    Lane,
    deferred,
    lane_with_line,
    on_statement,
    placed,
    repaid,
    rules_of,
)


def appealed(outcome: str = "upheld", appeal_id: str = "appeal") -> AppealDecided:
    return AppealDecided(appeal_id, outcome, "the buyer was not at fault")


def lane_overdue(programme: str) -> Lane:
    """A lane on which something of 10 000 is overdue."""
    lane = lane_with_line(programme)
    lane.send("2026-01-02", deferred() if programme == "kuaishou" else on_statement())
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.tick("2026-02-12")
    assert "overdue" in lane.account.freeze_reasons
    return lane


def test_a_rejected_appeal_is_told_and_changes_nothing_else():
    lane = lane_with_line()
    lane.send("2026-01-02", LineFrozen("security"))
    assert lane.send("2026-01-03", appealed("rejected")).outcome is Outcome.APPLIED
    (notice,) = lane.outputs()
    assert isinstance(notice, NotificationRequested)
    assert (notice.template, notice.params["opinion"]) == ("appeal_rejected", "the buyer was not at fault")
    assert lane.account.freeze_reasons == ("security",)
    assert lane.get(Appeal, "appeal").outcome == "rejected"


@pytest.mark.parametrize("reason", ["security", "binding_changes", "credit_review"])
def test_an_upheld_appeal_lifts_what_may_be_appealed(reason):
    lane = lane_with_line(limit_minor=50_000)
    lane.send("2026-01-02", LineFrozen(reason))
    lane.send("2026-01-03", appealed())
    assert lane.outputs(LimitRestored) == [LimitRestored("buyer", 50_000, "CNY", "appeal", 50_000, 50_000)]
    assert lane.notices() == ["appeal_upheld", "limit_restored"]
    assert lane.send("2026-01-04", placed()).outcome is Outcome.APPLIED


@pytest.mark.parametrize("reason", ["manual", "risk_login"])
def test_an_upheld_appeal_leaves_other_freezes(reason):
    lane = lane_with_line()
    lane.send("2026-01-02", LineFrozen(reason))
    lane.send("2026-01-02", LineFrozen("security"))
    lane.send("2026-01-03", appealed())
    assert lane.account.freeze_reasons == (reason,)
    assert lane.notices() == ["appeal_upheld"]


def test_an_upheld_appeal_that_lifts_nothing_restores_nothing():
    lane = lane_with_line()
    assert lane.send("2026-01-03", appealed()).outcome is Outcome.APPLIED
    assert lane.notices() == ["appeal_upheld"]


def test_an_end_of_a_freeze_that_an_appeal_lifted_is_a_repetition():
    lane = lane_with_line()
    lane.send("2026-01-02", LineFrozen("security"))
    lane.send("2026-01-03", appealed())
    assert lane.send("2026-01-04", LineUnfrozen("security")).outcome is Outcome.DUPLICATE


@pytest.mark.parametrize("programme", ["taobao", "douyin"])
def test_an_upheld_appeal_ends_the_wait_after_clearing(programme):
    lane = lane_overdue(programme)
    lane.send("2026-02-13", repaid(20_000))
    assert lane.account.freeze_reasons == ("overdue",)
    lane.send("2026-02-13 13:00", appealed())
    assert lane.account.freeze_reasons == ()
    assert [each.reason for each in lane.outputs(LimitRestored)] == ["appeal"]
    assert TimerKind.RESTORE not in {kind for kind, _ in lane.states[BUYER].timers}


@pytest.mark.parametrize("programme", ["taobao", "douyin", "kuaishou"])
def test_an_appeal_upheld_while_something_is_overdue_takes_effect_the_moment_it_clears(programme):
    lane = lane_overdue(programme)
    lane.send("2026-02-12 13:00", appealed())
    assert lane.account.freeze_reasons == ("overdue",)
    assert lane.notices() == ["appeal_upheld"]
    lane.send("2026-02-14", repaid(20_000))
    (restored,) = lane.outputs(LimitRestored)
    assert (restored.amount_minor, restored.reason) == (90_000 if programme == "kuaishou" else 100_000, "appeal")
    assert lane.account.freeze_reasons == ()
    assert not lane.account.appeal_upheld


def test_while_something_is_overdue_an_upheld_appeal_lifts_the_other_freezes_and_restores_nothing():
    lane = lane_overdue("taobao")
    lane.send("2026-02-12", LineFrozen("security"))
    lane.send("2026-02-12 13:00", appealed())
    assert lane.account.freeze_reasons == ("overdue",)
    assert lane.outputs(LimitRestored) == []


def test_what_was_reclaimed_is_given_back_once_though_another_freeze_is_left():
    rules = rules_of("own", "kuaishou", restore={"when": "on_request", "days": 60})
    lane = lane_with_line("own", rules=rules)
    lane.send("2026-01-02", deferred())
    lane.send("2026-01-05", PurchaseReceived("order"))
    lane.tick("2026-02-02 00:00")
    lane.send("2026-02-03", repaid(20_000))
    assert lane.limits() == (10_000, 10_000, 0, 0)
    lane.send("2026-02-04", LineFrozen("manual"))
    lane.send("2026-02-04", LineFrozen("security"))
    lane.send("2026-02-05", appealed())
    assert lane.outputs(LimitRestored) == [LimitRestored("buyer", 90_000, "CNY", "appeal", 100_000, 100_000)]
    assert lane.account.freeze_reasons == ("manual",)


def test_an_appeal_is_decided_once():
    lane = lane_with_line()
    lane.send("2026-01-02", LineFrozen("security"))
    lane.send("2026-01-03", appealed("rejected"))
    assert lane.send("2026-01-04", appealed("rejected")).outcome is Outcome.DUPLICATE
    assert lane.send("2026-01-04", appealed("upheld")).outcome is Outcome.CONFLICT
    assert lane.account.freeze_reasons == ("security",)
    assert lane.send("2026-01-04", appealed("upheld", "another")).outcome is Outcome.APPLIED
    assert lane.account.freeze_reasons == ()


def test_on_a_closed_line_an_appeal_is_declined():
    lane = lane_with_line()
    lane.send("2026-01-02", appealed())
    lane.send("2026-01-02", CloseRequested())
    assert lane.send("2026-01-03", appealed()).reason == DeclineReason.LINE_CLOSED
