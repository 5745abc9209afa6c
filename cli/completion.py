"""What the Tab key offers: `postpay --install-completion`. Only names that are known without asking any server."""

from collections.abc import Callable, Iterable

from contracts.topics import LANE_TOPICS, Topic
from settlement.dead_letter import DeadLetterReason
from storage.operator_log import Action

Offer = Callable[[str], list[str]]


def _beginning(names: Iterable[str]) -> Offer:
    known = [str(name) for name in names]
    return lambda incomplete: [name for name in known if name.startswith(incomplete)]


topics = _beginning(Topic)
lane_topics = _beginning(LANE_TOPICS)
dead_letter_reasons = _beginning(DeadLetterReason)
actions = _beginning(Action)
