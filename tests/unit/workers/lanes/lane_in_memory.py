"""A lane that is decided on tables in memory, as a replay might keep them.

Not on the replay's own (`workers.replay.tables`): those, and what the database loads, are checked against these, which
hold everything and can also load only what was asked for.
"""

from collections.abc import Sequence
from datetime import datetime

from contracts.records import RawRecord
from settlement.batch import Settled
from settlement.entities import Account, Merchant
from settlement.messages import Input
from settlement.party import Party
from storage import chain
from storage.load import Loaded, ReadSet
from tests.property.lane import RULES, Tables
from workers.lanes.deciding import Decided, Decider, Standing
from workers.lanes.taken import Taken


def at_start(lane=0, rules=RULES) -> Standing:
    """Where a lane stands that has settled nothing."""
    return Standing(0, chain.genesis(lane), 1, None, rules)


def taken(message: Input, topic: str | None = None) -> Taken:
    """An input in the record it would come in, or in one of another topic."""
    source = message.source
    key = None if message.party is None else message.party.id.encode()
    return Taken(RawRecord(topic or source.topic, source.partition, source.offset, 0, key, message.raw), message)


class LaneInMemory:
    """Decides batches one after the other.

    Args:
        whole: load everything of a party instead of only what is asked for.
    """

    def __init__(self, decider: Decider, standing: Standing, *, whole: bool = True) -> None:
        self.decider = decider
        self.standing = standing
        self.whole = whole
        self.tables: dict[Party | None, Tables] = {None: Tables(None)}
        self.results: list[Settled] = []
        self.loads = 0

    async def settle(self, records: Sequence[Taken], now: datetime, parties: int | None = None) -> Decided:
        """Decide records, then the due timers of the first `parties`, or of all; and keep what came of it."""
        undecided = self.decider.sort_out(records, self.standing, now)
        due = [] if undecided.until is None else self.due_parties(undecided.until)
        decided = await self.decider.decide(undecided, due[:parties], self.load)
        self._keep(decided)
        return decided

    def due_parties(self, until: datetime) -> list[Party]:
        """Parties with timers due by then, earliest first."""
        due = [
            (min(timer.due_at for timer in tables.timers.values()), party.kind, party.id, party)
            for party, tables in self.tables.items()
            if party is not None and tables.timers
        ]
        return [party for due_at, *_, party in sorted(due) if due_at <= until]

    async def load(self, wanted: ReadSet) -> Loaded:
        """Copies of what is wanted; no party has too many timers."""
        self.loads += 1
        states = {None: self.tables[None].load(set(), None, whole=True)}
        for party in wanted.parties:
            tables = self.tables.get(party) or Tables(party)
            states[party] = tables.load(wanted.entities.get(party, set()), wanted.timers_until, whole=self.whole)
        return Loaded(states, {party for party in wanted.parties if self._knows(party)}, set())

    def _knows(self, party: Party) -> bool:
        tables = self.tables.get(party)
        return tables is not None and bool(
            tables.entities.get(Account) or tables.entities.get(Merchant) or tables.parked
        )

    def _keep(self, decided: Decided) -> None:
        self.standing = decided.after
        self.results += decided.results
        for each in decided.results:
            party = each.input.party if each.input is not None else each.timer.party
            self.tables.setdefault(party, Tables(party)).take(each)
        for party, state in decided.states.items():
            self.tables.setdefault(party, Tables(party)).write(state)
