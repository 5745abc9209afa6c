"""Two stories side by side: the numbers of both, whose differ, and one party's steps."""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from settlement.batch import Settled
from settlement.party import Party, PartyKind
from workers.replay.simulation.figures import OF_PARTY, StoryFigures, mark, measured

RECORDED, OTHER = 0, 1
MOST_PARTIES = 20
MOST_STEPS = 5_000
_PAID_OUT = {"payouts_to_accounts": "paid_out", "payouts_to_merchants": "paid_out"}


@dataclass(frozen=True, slots=True)
class StoryStep:
    """What became of one input or timer of the party that is looked at."""

    name: str
    what: str
    at: datetime
    outcome: str
    reason: str | None
    postings: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(slots=True)
class Comparison:
    """Follows two stories of parties of one kind.

    Args:
        kind: of the parties; what concerns others is not counted.
        watched: the party whose steps are kept.
    """

    kind: PartyKind
    watched: str | None = None
    figures: tuple[StoryFigures, StoryFigures] = field(default_factory=lambda: (StoryFigures(), StoryFigures()))
    apart: dict[str, list[int]] = field(default_factory=dict)
    """By party, while its stories differ: the difference of marks, then of each of OF_PARTY (other less recorded)."""
    steps: tuple[list[StoryStep], list[StoryStep]] = field(default_factory=lambda: ([], []))

    def take(self, story: int, results: Iterable[Settled]) -> None:
        """Take what a batch came to in one of the stories."""
        sign = 1 if story == OTHER else -1
        for settled in results:
            party = _party_of(settled)
            if party is None or party.kind is not self.kind:
                continue
            found = measured(settled)
            self.figures[story].take(settled, found)
            apart = self.apart.setdefault(party.id, [0] * (1 + len(OF_PARTY)))
            apart[0] += sign * mark(settled)
            for measure, _, amount_minor, _ in found:
                name = _PAID_OUT.get(measure, measure)
                if name in OF_PARTY:
                    apart[1 + OF_PARTY.index(name)] += sign * amount_minor
            if not any(apart):
                del self.apart[party.id]
            if party.id == self.watched and len(self.steps[story]) < MOST_STEPS:
                self.steps[story].append(_step(settled))

    def most_apart(self) -> list[dict[str, Any]]:
        """The parties whose stories differ most, by the sum of what differs in amounts."""
        ranked = heapq.nsmallest(
            MOST_PARTIES, self.apart.items(), key=lambda each: (-sum(map(abs, each[1][1:])), each[0])
        )
        return [
            {"kind": self.kind.value, "id": party_id, **dict(zip(OF_PARTY, differences[1:], strict=True))}
            for party_id, differences in ranked
        ]


def distance(row: Mapping[str, Any]) -> int:
    """How far the stories of a row of `most_apart` differ: the sum of what differs in amounts."""
    return sum(abs(row[measure]) for measure in OF_PARTY)


def _party_of(settled: Settled) -> Party | None:
    if settled.input is not None:
        return settled.input.party
    return None if settled.timer is None else settled.timer.party


def _step(settled: Settled) -> StoryStep:
    decision, message, timer = settled.decision, settled.input, settled.timer
    return StoryStep(
        message.source.name if message is not None else timer.timer_id if timer is not None else "",
        message.type if message is not None else timer.kind.value if timer is not None else "",
        settled.decided_at,
        decision.outcome.value,
        decision.reason,
        tuple(f"{each.debit} ← {each.credit} {each.amount_minor} {each.currency}" for each in decision.postings),
        tuple(_told(each.body) for each in decision.outputs),
    )


def _told(body: Any) -> str:
    amount = getattr(body, "amount_minor", None)
    named = getattr(body, "template", body.type)
    return named if amount is None else f"{named} {amount}"
