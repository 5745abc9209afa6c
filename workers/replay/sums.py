"""What a lane that is replayed has sums of, and of whom the rows and records are that it counts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from settlement.messages import Input, Source
from settlement.totals import RECEIVED, SENT, Totals
from storage.branching import name_in
from storage.outcomes import DeadLetterRow, DecisionRow, PostingRow, ReceiptRow
from storage.write import Activity, platform_balances
from workers.lanes.deciding import Decided


@dataclass(slots=True)
class Sums:
    """What the lane itself has: sums over its parties, and how many rows there are of each class."""

    platform: Counter[tuple[str, str]] = field(default_factory=Counter)
    activity: dict[str, Activity] = field(default_factory=dict)
    settled: Counter[str] = field(default_factory=Counter)
    made: Counter[str] = field(default_factory=Counter)
    decisions: int = 0
    last_decision: int = 0
    postings: int = 0
    last_posting: int = 0

    def add(self, decisions: Sequence[DecisionRow], postings: Sequence[PostingRow]) -> None:
        """Count what a batch has decided."""
        if decisions:
            self.decisions += len(decisions)
            self.last_decision = decisions[-1].seq
        if postings:
            self.postings += len(postings)
            self.last_posting = postings[-1].seq
        self.platform.update(platform_balances(postings))

    def in_deciding(self) -> Totals:
        """The sums that the next batch begins with."""
        activity = self.activity.items()
        return {
            **self.platform,
            **{(SENT, currency): each.sent_minor for currency, each in activity},
            **{(RECEIVED, currency): each.received_minor for currency, each in activity},
        }


_RECEIPT_PARTY, _DEAD_LETTER_KEY = 1 + ReceiptRow._fields.index("party_id"), 1 + DeadLetterRow._fields.index("key")
"""Their places in a row that is led by the batch."""


def whose(name: str, row: Sequence[Any]) -> str | None:
    """Of which account, merchant or key a receipt or dead letter is; None: of nobody."""
    return name_in(row[_DEAD_LETTER_KEY]) if name == "dead_letter" else row[_RECEIPT_PARTY]


def sources_of(decided: Decided) -> list[tuple[str | None, Source]]:
    """Where the records come from that a batch gives their outcome, and of whom that is."""
    letters = {letter.source: name_in(letter.key) for letter in decided.rejected if letter.source is not None}
    for settled in decided.results:
        letter = settled.dead_letter
        if letter is not None and letter.source is not None:
            letters[letter.source] = name_in(letter.key)
    rerouted = {taken.decoded.source for taken in decided.rerouted}
    found = []
    for taken in decided.records:
        decoded = taken.decoded
        if decoded.source in rerouted:
            continue
        party = decoded.party if isinstance(decoded, Input) else None
        found.append((letters.get(decoded.source) if party is None else party.id, decoded.source))
    return found
