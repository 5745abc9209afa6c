"""A lane's tables while it is replayed: what is in use in memory, the rest in a file.

Loading gives less than a database would, because what a rule asks for besides is at hand: nothing is loaded twice.
Entities never change, so states share them with the tables, and what a batch changes comes in by `keep`.
"""

import heapq
import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from contracts.topics import Topic
from settlement.decision import Outcome
from settlement.entities import Account, Merchant, Obligation
from settlement.entity import Entity, EntityT
from settlement.party import Party, PartyKind
from settlement.state import ALL_OPEN, PAST_SINCE, PartyState, instant_of
from storage.load import OPEN_OBLIGATIONS, WITH_PARTY
from storage.outcomes import dead_letters, receipts
from storage.read_set import Loaded, ReadSet
from storage.rows import TABLES
from storage.write import Activity, activity_totals
from workers.lanes.deciding import Decided
from workers.replay.lineage import Heir
from workers.replay.packing import PartyTables, pack, packed, unpack, unpacked
from workers.replay.spill import Spill
from workers.replay.sums import Sums, sources_of, whose

HOT_ROWS = 150_000
"""Rows of parties in memory, with some 600 bytes each, before those that were longest not in use go to the file."""
HOT_SEEN = 300_000
"""Event hashes in memory, with some 200 bytes each, before they go to the file."""
HELD_OUTCOMES = 5_000
"""Receipts and dead letters in memory before they go to the file."""

_EPOCH = datetime(1, 1, 1, tzinfo=UTC)
_RANKS = {kind: bytes([rank]) for rank, kind in enumerate(sorted(PartyKind))}
_KINDS = sorted(PartyKind)


class _State(PartyState):
    """Finds what was not loaded in the tables."""

    __slots__ = ("stored",)
    stored: Mapping[type[Entity], Mapping[str, Entity]]

    def find(self, kind: type[EntityT], entity_id: str) -> EntityT | None:
        """Return the entity, or None when it does not exist."""
        loaded = self.entities.get(kind)
        if loaded is not None and (found := loaded.get(entity_id)) is not None:
            return found  # type: ignore[return-value]  # keyed by its own type
        stored = self.stored.get(kind)
        if stored is not None and (found := stored.get(entity_id)) is not None:
            self.entities.setdefault(kind, {})[entity_id] = found
            return found  # type: ignore[return-value]
        return None


class LaneTables:
    """The tables of one lane, as they are after the last batch that was kept.

    Args:
        lane: its number.
        spill: the file beside it, empty or a checkpoint.
        heirs: lanes that go on from it, each from the one before: the tables become theirs one after the other.
    """

    def __init__(
        self,
        lane: int,
        spill: Spill,
        *,
        heirs: Sequence[Heir] = (),
        hot_rows: int = HOT_ROWS,
        hot_seen: int = HOT_SEEN,
    ) -> None:
        self.lane = lane
        self.totals = Sums()
        self._heirs = [(heir, Sums()) for heir in heirs]
        self._seen_of_nobody: dict[bytes, bytes] = {}
        """Event ids of what is no party's: those that are split off do not know them."""
        self.own = PartyTables()
        """What the lane itself keeps."""
        self.spill = spill
        self._hot: OrderedDict[Party, PartyTables] = OrderedDict()
        self._hot_rows, self._most_rows = 0, hot_rows
        self._seen: dict[bytes, bytes] = {}
        self._seen_spilled = False
        self._most_seen = hot_seen
        self._outcomes: list[tuple[str, bytes, bytes]] = []
        self._due: list[bytes] = []
        self._moved = False

    # What a batch reads.

    async def load(self, wanted: ReadSet) -> Loaded:
        """Give the states of a batch, as `workers.lanes.deciding.Load` says."""
        states: dict[Party | None, PartyState] = {None: _state(None, self.own, None, ())}
        known = set()
        for party in wanted.parties:
            tables = self.party(party)
            asked = [name for kind, name in wanted.entities.get(party, ()) if kind is Obligation]
            states[party] = _state(party, tables, wanted.timers_until, asked)
            if tables.parked or tables.entities.get(Account) or tables.entities.get(Merchant):
                known.add(party)
        named = {hash_: party for party, hashes in wanted.event_hashes.items() for hash_ in hashes}
        for hash_, fingerprint in self._taken(named):
            states[named[hash_]].seen[hash_] = fingerprint
        return Loaded(states, known, set())

    def due_parties(self, until: datetime, parties: int) -> list[Party]:
        """The first so many parties with timers due by then: earliest first, at one instant by kind and id."""
        return self.due_before(_instant(until + timedelta.resolution), parties)

    def due_before(self, bound: bytes, parties: int = sys.maxsize) -> list[Party]:
        """The first so many parties of the index of timers before a place in it, which `due_bound` gives."""
        found: list[Party] = []
        while len(found) < parties and self._due and self._due[0] < bound:
            entry = heapq.heappop(self._due)
            party = _party_of(entry)
            tables = self.party(party)
            if tables.due == entry:  # otherwise it was moved or cancelled since
                tables.due = None
                found.append(party)
        return found

    def due_bound(self, until: datetime) -> bytes:
        """The place in the index of timers up to where everything due by then was taken out."""
        bound = _instant(until + timedelta.resolution)
        while self._due and self._due[0] < bound:
            if self.party(_party_of(self._due[0])).due == self._due[0]:
                return self._due[0]
            heapq.heappop(self._due)
        return bound

    def party(self, party: Party) -> PartyTables:
        """All of a party; of one that is new nothing."""
        tables = self._hot.get(party)
        if tables is not None:
            self._hot.move_to_end(party)
            return tables
        content = self.spill.party(party.kind, party.id) if self._moved else None
        tables = PartyTables() if content is None else unpacked(party, content)
        self._hot[party] = tables
        self._hot_rows += tables.size
        return tables

    def parties(self) -> Iterator[tuple[Party, PartyTables]]:
        """All parties, in no order. Nothing else may be asked meanwhile."""
        yield from self._hot.items()
        for kind, party_id, content in self.spill.parties():
            party = Party(PartyKind(kind), party_id)
            if party not in self._hot:
                yield party, unpacked(party, content)

    def _taken(self, hashes: Mapping[bytes, Any]) -> Iterator[tuple[bytes, bytes]]:
        """Which of these event ids are taken by decisions or receipts, and with what fingerprint."""
        unknown = []
        for hash_ in hashes:
            fingerprint = self._seen.get(hash_) or self._seen_of_nobody.get(hash_)
            if fingerprint is None:
                unknown.append(hash_)
            else:
                yield hash_, fingerprint
        if unknown and self._seen_spilled:
            yield from self.spill.seen(unknown).items()

    # What a batch leaves.

    def keep(self, decided: Decided) -> None:
        """Take over what a batch changes."""
        for party, state in decided.states.items():
            if party is not None:
                self.take_over(party, state)
            else:
                self._put_entities(self.own, state)
        for settled in decided.results:
            message, outcome = settled.input, settled.decision.outcome
            if message is not None and (
                outcome is Outcome.APPLIED
                or outcome is Outcome.DECLINED
                or (outcome is Outcome.DUPLICATE and not settled.is_repeat)
            ):
                seen = self._seen if message.party is not None else self._seen_of_nobody
                seen[message.event_hash] = message.fingerprint
        if decided.rejected or len(decided.results) > len(decided.recorded.decisions):
            self._keep_outcomes(decided)
        self._keep_totals(decided)
        self.move_out()

    def take_over(self, party: Party, state: PartyState) -> None:
        """Take over what a batch has changed of one party."""
        tables = self.party(party)
        self._hot_rows += self._put_entities(tables, state)
        tables.declined |= state.newly_declined
        for hash_ in state.unparked:
            tables.parked.pop(hash_, None)
        tables.parked |= state.newly_parked
        if state.timer_changes:
            for key, timer in state.timer_changes.items():
                if timer is None:
                    tables.timers.pop(key, None)
                else:
                    tables.timers[key] = timer
        if state.timer_changes or tables.due is None:
            self._index(party, tables)

    def _put_entities(self, tables: PartyTables, state: PartyState) -> int:
        """Keep the entities that a batch made or changed; how many it made."""
        made = 0
        for kind, ids in state.made.items():
            self.totals.made[TABLES[kind].name] += len(ids)
            made += len(ids)
            tables.put(kind, ids, state.entities[kind])
        for kind, ids in state.changed.items():
            tables.put(kind, ids, state.entities[kind])
        tables.size += made
        return made

    def _index(self, party: Party, tables: PartyTables) -> None:
        """Note when the party's next timer is due."""
        due = _entry(party, tables)
        if due is not None and due != tables.due:
            heapq.heappush(self._due, due)
        tables.due = due

    def _keep_outcomes(self, decided: Decided) -> None:
        batch_seq = decided.after.batch_seq
        first_seq = decided.before.next_seq
        rows = receipts(decided.results, first_seq)
        self._outcomes += [("receipt", pack(row[:3]), pack((batch_seq, *row))) for row in rows]
        letters = dead_letters(decided.results, decided.rejected, first_seq)
        self._outcomes += [("dead_letter", row[0].encode(), pack((batch_seq, *row))) for row in letters]
        if len(self._outcomes) > HELD_OUTCOMES:
            self.flush_outcomes()

    def flush_outcomes(self) -> None:
        """Put all receipts and dead letters into the file."""
        self.spill.put_outcomes(self._outcomes)
        self._outcomes.clear()

    def _keep_totals(self, decided: Decided) -> None:
        totals, recorded = self.totals, decided.recorded
        totals.add(recorded.decisions, recorded.postings)
        for currency, sums in activity_totals(decided.activity, decided.results).items():
            totals.activity[currency] = totals.activity.get(currency, Activity()).plus(*sums)
        totals.settled.update(each.record.topic for each in decided.records)
        totals.settled.subtract(each.record.topic for each in decided.rerouted)
        if self._heirs:
            self._keep_totals_of_heirs(decided)

    def _keep_totals_of_heirs(self, decided: Decided) -> None:
        decisions, postings = decided.recorded.decisions, decided.recorded.postings
        sources = sources_of(decided)
        for heir, sums in self._heirs:
            decisions = [row for row in decisions if heir.has(row.party_id)]
            postings = [row for row in postings if heir.has(row.party_id)]
            sources = [(name, source) for name, source in sources if heir.has(name)]
            sums.add(decisions, postings)
            sums.settled.update(
                source.topic if source.partition == heir.lane else Topic.REROUTED.value for _, source in sources
            )

    # What becomes of it where the lane was split.

    def keeps(self, name: str | None) -> bool:
        """Whether the last of the heirs will have what is of an account, merchant or key; None: of nobody."""
        return all(heir.has(name) for heir, _ in self._heirs)

    def become_heirs(self) -> None:
        """Become the tables of the next heir: what is of others goes."""
        heir, sums = self._heirs.pop(0)
        self.flush()
        gone = []
        for kind, party_id, content in self.spill.parties():
            if not heir.has(party_id):
                gone.append((kind, party_id))
                continue
            for of_class, rows in unpacked(Party(PartyKind(kind), party_id), content).entities.items():
                sums.made[TABLES[of_class].name] += len(rows)
        self.spill.drop_parties(gone)
        for of_class, rows in self.own.entities.items():
            sums.made[TABLES[of_class].name] += len(rows)
        self.spill.drop_outcomes(
            [
                (name, key)
                for name in ("receipt", "dead_letter")
                for key, content in self.spill.outcomes(name)
                if not heir.has(whose(name, unpack(content)))
            ]
        )
        self._due = [entry for entry in self._due if heir.has(_party_of(entry).id)]
        heapq.heapify(self._due)
        if heir.lane == self.lane:
            sums.activity = self.totals.activity
        else:
            self._seen_of_nobody.clear()
        self.lane, self.totals = heir.lane, sums

    # What goes to the file.

    def move_out(self) -> None:
        """Put into the file what is too much for memory; to be called now and then while parties are looked at."""
        if len(self._seen) > self._most_seen:
            self._move_seen()
        if self._hot_rows > self._most_rows:
            self._move_parties(self._most_rows * 3 // 4)

    def _move_seen(self) -> None:
        self.spill.put_seen(self._seen)
        self._seen.clear()
        self._seen_spilled = True

    def _move_parties(self, rows: int) -> None:
        """Move those that were longest not in use, until about so many rows are left."""

        def moved() -> Iterator[tuple[str, str, bytes]]:
            while self._hot and self._hot_rows > rows:
                party, tables = self._hot.popitem(last=False)
                self._hot_rows -= tables.size
                yield party.kind.value, party.id, packed(tables)

        self.spill.put_parties(moved())
        self._moved = True

    def flush(self) -> None:
        """Put everything into the file."""
        self._move_parties(-1)
        self._move_seen()
        self.flush_outcomes()

    def content(self) -> dict[str, Any]:
        """What there is to say of the lane itself, for a checkpoint; to be asked after `flush`."""
        sums = self.totals
        return {
            "platform": [[*key, amount] for key, amount in sums.platform.items()],
            "activity": {currency: list(each) for currency, each in sums.activity.items()},
            "settled": dict(sums.settled),
            "made": dict(sums.made),
            "decisions": [sums.decisions, sums.last_decision],
            "postings": [sums.postings, sums.last_posting],
            "seen_of_nobody": [[*each] for each in self._seen_of_nobody.items()],
            "own": packed(self.own),
            "due": sorted(self._due),
        }

    @classmethod
    def of_content(cls, lane: int, spill: Spill, content: Mapping[str, Any]) -> "LaneTables":
        """The tables as they were when `content` was asked for, with the file of that time."""
        tables = cls(lane, spill)
        sums = tables.totals
        sums.platform.update({(account, currency): amount for account, currency, amount in content["platform"]})
        sums.activity = {currency: Activity(*each) for currency, each in content["activity"].items()}
        sums.settled.update(content["settled"])
        sums.made.update(content["made"])
        sums.decisions, sums.last_decision = content["decisions"]
        sums.postings, sums.last_posting = content["postings"]
        tables._seen_of_nobody = dict(content["seen_of_nobody"])
        tables.own = unpacked(None, content["own"])
        tables._due = list(content["due"])
        tables._moved = tables._seen_spilled = True
        return tables


def _state(party: Party | None, tables: PartyTables, until: datetime | None, asked: Sequence[str]) -> PartyState:
    """A party's state; `asked` are the ids by which rules ask for obligations."""
    state = _State(party)
    stored = state.stored = tables.entities
    for kind in WITH_PARTY:
        rows = stored.get(kind)
        if rows:
            state.entities[kind] = dict(rows)
    obligations = stored.get(Obligation, {})
    if len(obligations) <= OPEN_OBLIGATIONS:
        state.whole = True
        state.entities[Obligation] = dict(obligations)
    else:
        state.entities[Obligation] = _some_obligations(state, tables, asked)
    if tables.declined:
        state.declined = set(tables.declined)
    if tables.parked:
        state.parked = list(tables.parked.values())
        state.seen = {hash_: parked.input.fingerprint for hash_, parked in tables.parked.items()}
    if tables.timers and until is not None:
        state.timers = {key: timer for key, timer in tables.timers.items() if timer.due_at <= until}
    return state


def _some_obligations(state: PartyState, tables: PartyTables, asked: Sequence[str]) -> dict[str, Entity]:
    """The earliest open ones of very many, and what is asked for; says in the state what may be missing."""
    owed: Iterable[Obligation] = tables.owed.values()
    if ALL_OPEN not in asked and len(tables.owed) > OPEN_OBLIGATIONS:
        owed = heapq.nsmallest(OPEN_OBLIGATIONS, owed, key=lambda each: (each.due_on, each.no))
        state.all_open_loaded = False
        state.open_loaded_until = (owed[-1].due_on, owed[-1].no)
    found: dict[str, Entity] = {each.obligation_id: each for each in owed}
    state.past_since = min([instant_of(name) for name in asked if name.startswith(PAST_SINCE)], default=None)
    if state.past_since is not None:
        for each in cast("Iterable[Obligation]", tables.entities[Obligation].values()):
            if each.falls or (each.paid_at is not None and each.paid_at >= state.past_since):
                found[each.obligation_id] = each
    return found


def _entry(party: Party, tables: PartyTables) -> bytes | None:
    """The party's entry in the index of timers; entries sort as timers are due."""
    if not tables.timers:
        return None
    due_at = min([timer.due_at for timer in tables.timers.values()])
    return _instant(due_at) + _RANKS[party.kind] + party.id.encode()


def _party_of(entry: bytes) -> Party:
    return Party(_KINDS[entry[8]], entry[9:].decode())


def _instant(at: datetime) -> bytes:
    return ((at - _EPOCH) // timedelta.resolution).to_bytes(8, "big")
