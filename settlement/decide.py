"""The one door to the rules: an input or a timer and the party's state in, a decision out.

Pure: no I/O, no clock, no randomness.
"""

from settlement.decision import Decision
from settlement.draft import Moment, Rules
from settlement.messages import Input
from settlement.state import PartyState
from settlement.timers import Timer


def decide(state: PartyState, message: Input, moment: Moment, rules: Rules) -> Decision:
    """Decide an input of a party. Repeated event ids are recognised by the caller (`batch`)."""
    raise NotImplementedError(state, message, moment, rules)


def fire(state: PartyState, timer: Timer, rules: Rules) -> Decision:
    """Decide a due timer as of its due time."""
    raise NotImplementedError(state, timer, rules)
