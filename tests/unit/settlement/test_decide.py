"""Every message and every kind of timer has a rule."""

from typing import get_args

import pytest

from settlement.decide import LANE_BODIES, RULES, TIMER_RULES, decide, fire
from settlement.decision import InvariantBrokenError
from settlement.draft import Moment
from settlement.messages import Body, ClockTicked
from settlement.state import PartyState
from settlement.timers import Timer, TimerKind
from tests.unit.settlement.builders import BUYER, at, message
from tests.unit.settlement.builders import RULES as IN_FORCE


def test_every_message_has_a_rule():
    decided = {body.__name__ for body in (*RULES, *LANE_BODIES)}
    without = {body.__name__ for body in get_args(Body)} - decided
    assert not without, f"RULES of settlement/decide.py has no rule for the messages {without}"


def test_every_kind_of_timer_has_a_rule():
    without = {kind.name for kind in TimerKind if kind not in TIMER_RULES} - {"PARKING_EXPIRY"}
    assert not without, f"TIMER_RULES of settlement/decide.py has no rule for the timers {without}"


def test_what_concerns_a_lane_is_not_decided_for_a_party():
    now = at("2026-01-02")
    with pytest.raises(InvariantBrokenError, match="a lane, not a party"):
        decide(PartyState(BUYER), message(ClockTicked(), BUYER, now, "e"), Moment(now, now), IN_FORCE, PartyState(None))


def test_no_rule_ends_the_wait_of_an_input():
    timer = Timer(BUYER, TimerKind.PARKING_EXPIRY, "hash", at("2026-01-02"))
    with pytest.raises(InvariantBrokenError, match="no rule decides it"):
        fire(PartyState(BUYER), timer, IN_FORCE, PartyState(None))
