"""What counters count by: values that are known before anything happens, never ones that somebody sent.

A counter that appears with its first event hides that event from Prometheus, which sees no rise from nothing to 1. So
what alarms look at begins at 0. Reasons of declines appear when they come: nobody is called for them, and with all of
them for all types every scrape would be four times as long.
"""

from collections import Counter
from itertools import product

from contracts.catalogue import TYPES
from contracts.topics import LANE_TOPICS, OUTPUT_TOPICS, Topic
from settlement.dead_letter import DeadLetterReason
from settlement.decision import Outcome
from settlement.timers import TimerKind

UNKNOWN = "unknown"
"""Stands for every type that is not understood, and for where none could be read."""

_CHECKED = list(DeadLetterReason)
_READ = _CHECKED.index(DeadLetterReason.UNKNOWN_TYPE) + 1
OF_UNKNOWN = (*_CHECKED[:_READ], DeadLetterReason.INTERNAL_ERROR)
"""Why something is a dead letter before its type is known; the others are reasons of those whose type is."""

WITHOUT_REASON = (Outcome.APPLIED, Outcome.DUPLICATE, Outcome.CONFLICT, Outcome.PARKED)


def inputs() -> Counter[tuple[str, str, str]]:
    """Inputs by (type, outcome, reason or ""), none of each."""
    kinds = sorted(TYPES)
    none = dict.fromkeys(product(kinds, map(str, WITHOUT_REASON), [""]), 0)
    none |= dict.fromkeys(product(kinds, [Outcome.DEAD_LETTERED.value], map(str, _CHECKED[_READ:])), 0)
    none |= dict.fromkeys(product([UNKNOWN], [Outcome.DEAD_LETTERED.value], map(str, OF_UNKNOWN)), 0)
    return Counter(none)


def timers() -> Counter[tuple[str, str]]:
    """Timers by (kind, outcome), none of each."""
    return Counter(dict.fromkeys(product(map(str, TimerKind), [Outcome.APPLIED, Outcome.DEAD_LETTERED]), 0))


def outputs() -> Counter[str]:
    """Messages by topic, none of each."""
    return Counter(dict.fromkeys(map(str, (*OUTPUT_TOPICS, Topic.MERCHANT_ACTIVITY, Topic.REROUTED)), 0))


def rerouted() -> Counter[str]:
    """Records on a wrong lane by topic, none of each."""
    return Counter(dict.fromkeys((str(topic) for topic in LANE_TOPICS if topic is not Topic.REROUTED), 0))


def type_of(told: str | None) -> str:
    """The type that something counts as."""
    return told if told in TYPES else UNKNOWN
