"""Loads what a batch needs: the states of its parties, in a number of round trips that doesn't grow with the batch.

What a message needs is known in part only (an order's obligations, the debit on them), so loading goes in steps from
what is named to what hangs on it. A rule that needs more says so (`NotLoadedError`) and the batch is loaded again.

Source: docs/storage.md, Loading.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, cast

from settlement.entities import (
    Account,
    Merchant,
    MerchantBalance,
    Obligation,
    Repayment,
)
from settlement.entity import Entity
from settlement.messages import Input
from settlement.party import Party, PartyKind
from settlement.shop import ShopSettings
from settlement.state import ALL_OPEN, PAST_SINCE, Parked, PartyState, instant_of, subject_key
from settlement.suspense import SuspenseEntry
from settlement.timers import Timer, TimerKind
from storage import arrays
from storage.arrays import Literal
from storage.database import Connection, Row
from storage.naming import brought_by, hangs_on, repayments_of
from storage.parked import PARKED, ParkedRow, parked_row
from storage.queries import read
from storage.read_set import Loaded, ReadSet, Reference
from storage.rows import TABLES
from storage.together import Found, Lookup, Together

__all__ = ["LOOKUPS", "TOGETHER", "Loaded", "ReadSet", "due_parties", "load", "next_due"]

_SQL = read("load")

OPEN_OBLIGATIONS = 200
"""How many open obligations of an account are loaded unless all are asked for."""

TIMERS_PROBED = 500
"""Up to so many timers due in the whole lane are read at once; beyond, the parties' own are looked up."""

NO_LIMIT = 2**31

_PARTIES: Mapping[PartyKind, type[Entity]] = {PartyKind.ACCOUNT: Account, PartyKind.MERCHANT: Merchant}

WITH_PARTY = (Account, Merchant, MerchantBalance)
"""Loaded with the party itself."""

LOOKUPS = {table.name: Lookup(_SQL[table.name], table.columns) for table in TABLES.values()} | {
    "seen": Lookup(_SQL["seen"], ("event_hash", "fingerprint")),
    "parked": PARKED,
    "declined_subject": Lookup(_SQL["declined_subject"], ("party_kind", "party_id", "subject")),
    "open_obligations": Lookup(_SQL["open_obligations"], TABLES[Obligation].columns),
    "past_obligations": Lookup(_SQL["past_obligations"], TABLES[Obligation].columns),
}


def _together(*names: str) -> Together:
    return Together({name: LOOKUPS[name] for name in names})


TOGETHER = (
    _together(
        *("account", "merchant", "merchant_balance", "seen", "parked", "purchase_order", "open_obligations"),
        *("declined_subject", "shop_settings"),
    ),
    _together("purchase_order", "obligation", "debit", "return_request", "repayment", "declined_subject"),
    _together(
        *("cash_out", "appeal", "concession", "suspense_entry", "account_payout", "past_obligations"),
        *("merchant_case", "deposit", "deposit_refund", "shop_withdrawal", "merchant_payout"),
    ),
)
"""What goes in one statement: what nearly every small batch reads, what hangs on it, what is seldom read. Three and no
more, so that a session keeps few statements."""


def nothing(_: Input) -> Iterable[Reference]:
    """References of an input when the caller gives none: the batch finds out by loading again."""
    return ()


async def load(
    connection: Connection,
    lane: int,
    read_set: ReadSet,
    restore: Callable[[ParkedRow], Input],
    references: Callable[[Input], Iterable[Reference]] = nothing,
) -> Loaded:
    """Load the states of a batch, in the caller's transaction, after `lanes.lock`.

    Args:
        connection: in the transaction that holds the lane.
        lane: its number.
        read_set: what the batch names.
        restore: decodes a parked record again.
        references: what an input names (`settlement.subjects.references`), asked for parked inputs.
    """
    return await _Loading(connection, lane, read_set, restore, references).run()


async def due_parties(connection: Connection, lane: int, until: datetime, limit: int) -> list[Party]:
    """Parties whose timers are due, earliest first, at one instant by kind and id: so a replay finds the same.

    Those of the `limit` earliest timers, so fewer may be returned.
    """
    rows = await connection.fetch(_SQL["due_in_lane"], lane, until, limit)
    return list(dict.fromkeys(_party(row) for row in rows))


async def next_due(connection: Connection, lane: int) -> datetime | None:
    """When the lane's next timer is due; None when it has none."""
    due_at: datetime | None = await connection.fetchval(_SQL["next_due"], lane)
    return due_at


class _Loading:
    """One load: the states so far, and what is still to be fetched for them.

    Parties are looked up by kind and id: hashing a `Party` costs a microsecond, and there are many look-ups.
    """

    def __init__(
        self,
        connection: Connection,
        lane: int,
        read_set: ReadSet,
        restore: Callable[[ParkedRow], Input],
        references: Callable[[Input], Iterable[Reference]],
    ) -> None:
        self.connection = connection
        self.lane = lane
        self.read_set = read_set
        self.restore = restore
        self.references = references
        self.goes_together: bool = connection.sends_together
        self.states: dict[Party | None, PartyState] = {None: PartyState(None)}
        self.accounts: dict[str, PartyState] = {}
        self.merchants: dict[str, PartyState] = {}
        for party in read_set.parties:
            state = self.states[party] = PartyState(party)
            self._of_kind(party.kind)[party.id] = state
        self.owners = {
            event_hash: self.states[None] if party is None else self._state(party.kind, party.id)
            for party, hashes in read_set.event_hashes.items()
            for event_hash in hashes
        }
        self.known: set[Party] = set()
        self.more_timers: set[Party] = set()
        self.asked: list[tuple[PartyState, type[Entity], str]] = []
        """What the batch, its timers and its parked inputs name: its absence is noted."""
        self.named: dict[type[Entity], set[tuple[str, str]]] = defaultdict(set)
        """What to fetch next by (party id, entity id): that, and what hangs on what was found."""
        self.shops: set[str] = set()
        """Whose settings to fetch next."""
        self.named_by_batch: set[tuple[type[Entity], str, str]] = set()
        """What these name, by (class, party id, entity id); all else only hangs on it."""
        self.at_most: dict[str, int] = {}
        """How many open obligations of an account were asked for."""
        self.declined: dict[tuple[str, str, str], bool] = {}
        """Whether it was declined, by (party kind, party id, subject key), of what has been looked up."""

    async def run(self) -> Loaded:
        for party, entities in self.read_set.entities.items():
            if party is None:
                self.shops |= {entity_id for kind, entity_id in entities if kind is ShopSettings}
            else:
                self._name(self._state(party.kind, party.id), entities)
        found = await self._rows(self._first_keys())
        self._take_parties(found)
        self._take_seen_and_parked(found)
        self._take(found)
        await self._timers()
        if not self.goes_together:
            self._take(await self._rows(self._open_keys(self._owing())))
        while keys := self._named_keys():
            self._take(await self._rows(keys))
        await self._declined()
        return Loaded(self.states, self.known, self.more_timers)

    async def _rows(self, keys: Mapping[str, Sequence[Literal]]) -> Found:
        """Look up what there are keys for, by the names of the lookups: together, or one by one."""
        if not self.goes_together:
            return {name: await LOOKUPS[name].rows(self.connection, self.lane, *given) for name, given in keys.items()}
        found: dict[str, Sequence[tuple[Any, ...]]] = {}
        while left := keys.keys() - found.keys():
            together = max(TOGETHER, key=lambda each: (len(left & each.names), -len(each.names)))
            found |= await together.rows(
                self.connection, self.lane, {name: keys[name] for name in left & together.names}
            )
        return found

    # What to look up.

    def _first_keys(self) -> dict[str, Sequence[Literal]]:
        """The parties, what waits for them, what events are taken; of a small batch all that it names besides."""
        keys = self._past_keys()
        if self.accounts:
            keys["account"] = [arrays.texts(list(self.accounts))]
        if self.merchants:
            keys["merchant"] = keys["merchant_balance"] = [arrays.texts(list(self.merchants))]
        if self.read_set.parties:
            keys["parked"] = self._party_arrays()
        if self.owners:
            keys["seen"] = [arrays.blobs(list(self.owners))]
        if self.goes_together:
            keys |= self._open_keys(self.accounts)
            keys |= self._named_keys()
            own = ((state, _PARTIES[_party_of(state).kind], _party_of(state).id) for state in self._of_parties())
            keys |= self._declined_keys(_subject(*each) for each in [*self.asked, *own])
        return keys

    def _named_keys(self) -> dict[str, Sequence[Literal]]:
        """What was named since it was last asked."""
        keys: dict[str, Sequence[Literal]] = {}
        for kind, pairs in self.named.items():
            keys[TABLES[kind].name] = [*map(arrays.texts, zip(*pairs, strict=True))]
        if self.shops:
            keys["shop_settings"] = [arrays.texts(list(self.shops))]
            self.states[None].absent |= {subject_key(ShopSettings, shop) for shop in self.shops}
        self.named.clear()
        self.shops.clear()
        return keys

    def _open_keys(self, account_ids: Iterable[str]) -> dict[str, Sequence[Literal]]:
        """The earliest open obligations of accounts; all where all are asked for."""
        self.at_most = at_most = dict.fromkeys(account_ids, OPEN_OBLIGATIONS)
        for party, entities in self.read_set.entities.items():
            if party is not None and party.id in at_most and (Obligation, ALL_OPEN) in entities:
                at_most[party.id] = NO_LIMIT
        if not at_most:
            return {}
        return {"open_obligations": [arrays.texts(list(at_most)), arrays.plain(list(at_most.values()))]}

    def _past_keys(self) -> dict[str, Sequence[Literal]]:
        """What was paid lately, or was ever overdue, where a rule asks for it."""
        since: dict[str, datetime] = {}
        for party, entities in self.read_set.entities.items():
            if party is None:
                continue
            state = self.accounts.get(party.id) if party.kind is PartyKind.ACCOUNT else None
            asked = [instant_of(entity_id) for _, entity_id in entities if entity_id.startswith(PAST_SINCE)]
            if state is not None and asked:
                state.past_since = since[party.id] = min(asked)
        if not since:
            return {}
        return {"past_obligations": [arrays.texts(list(since)), arrays.instants(list(since.values()))]}

    def _declined_keys(self, subjects: Iterable[tuple[str, str, str]]) -> dict[str, Sequence[Literal]]:
        asked = dict.fromkeys(subjects, False)
        self.declined |= asked
        return {"declined_subject": [*map(arrays.texts, zip(*asked, strict=True))]} if asked else {}

    def _party_arrays(self) -> Sequence[Literal]:
        kinds = [PartyKind.ACCOUNT] * len(self.accounts) + [PartyKind.MERCHANT] * len(self.merchants)
        return arrays.texts(kinds), arrays.texts([*self.accounts, *self.merchants])

    # What was found.

    def _take_parties(self, found: Found) -> None:
        """Account, merchant and balance rows; a party without one has nothing else in storage but parked inputs."""
        for kind in WITH_PARTY:
            self._keep(kind, found.get(TABLES[kind].name, ()))
        for state in self._of_parties():
            party = _party_of(state)
            if state.entities:
                self.known.add(party)
            else:
                state.whole = True
                self.asked.append((state, _PARTIES[party.kind], party.id))

    def _take_seen_and_parked(self, found: Found) -> None:
        for event_hash, fingerprint in found.get("seen", ()):
            self.owners[event_hash].seen[event_hash] = fingerprint
        for parked in map(parked_row, found.get("parked", ())):
            state = self._state(parked.party.kind, parked.party.id)
            message = self.restore(parked)
            state.parked.append(Parked(message, parked.waits_for, parked.parked_at))
            state.seen[parked.event_hash] = parked.fingerprint
            self.known.add(parked.party)
            self._name(state, self.references(message))

    def _take(self, found: Found) -> None:
        """Keep what was found, then name what hangs on it and is not there."""
        kept: list[Entity] = []
        past: list[Obligation] = []
        for name, rows in found.items():
            if name == "open_obligations":
                kept += self._keep_open(rows)
            elif name == "past_obligations":
                past = cast("list[Obligation]", self._keep(Obligation, rows))
            elif name == "shop_settings":
                self._keep_settings(rows)
            elif name == "declined_subject":
                self.declined |= dict.fromkeys(rows, True)
            elif (kind := _NAMED.get(name)) is not None:
                kept += self._keep(kind, rows)
        for each in past:
            self._name_missing(Repayment, each.account_id, repayments_of(each))
        for entity in chain(kept, past):
            kind = type(entity)
            party_id = getattr(entity, TABLES[kind].party_column)
            is_named = (kind, party_id, entity.entity_id) in self.named_by_batch
            for other, entity_ids in chain(hangs_on(entity), brought_by(entity) if is_named else ()):
                self._name_missing(other, party_id, entity_ids)

    def _keep(self, kind: type[Entity], rows: Sequence[tuple[Any, ...]]) -> list[Entity]:
        states = self._of_kind(kind.party_kind)
        entities = TABLES[kind].of_columns(rows)
        for row, entity in zip(rows, entities, strict=True):
            states[row[0]].entities.setdefault(kind, {})[entity.entity_id] = entity
        return entities

    def _keep_open(self, rows: Sequence[tuple[Any, ...]]) -> list[Entity]:
        """Of each account one more may have come than was asked for, to tell that there are more."""
        found: dict[str, list[Obligation]] = defaultdict(list)
        for each in cast("list[Obligation]", TABLES[Obligation].of_columns(rows)):
            found[each.account_id].append(each)
        for account_id, obligations in found.items():
            state = self.accounts[account_id]
            if len(obligations) > self.at_most[account_id]:
                obligations.pop()
                state.all_open_loaded = False
                state.open_loaded_until = (obligations[-1].due_on, obligations[-1].no)
            state.entities.setdefault(Obligation, {}).update({each.obligation_id: each for each in obligations})
        return [each for obligations in found.values() for each in obligations]

    def _keep_settings(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """What the lane itself keeps of shops."""
        state = self.states[None]
        for each in TABLES[ShopSettings].of_columns(rows):
            state.entities.setdefault(ShopSettings, {})[each.entity_id] = each
            state.absent.discard(subject_key(ShopSettings, each.entity_id))

    async def _timers(self) -> None:
        until, limit = self.read_set.timers_until, self.read_set.timer_limit
        if until is None or not self.read_set.parties:
            return
        probed = min(limit, TIMERS_PROBED)
        rows = await self.connection.fetch(_SQL["due_in_lane"], self.lane, until, probed + 1)
        if len(rows) > probed:
            ranks = (arrays.texts(list(TimerKind)), arrays.plain([kind.rank for kind in TimerKind]))
            rows = await self.connection.fetch(
                _SQL["due_of_parties"], self.lane, until, *self._party_arrays(), *ranks, limit
            )
        due: dict[Party, list[Timer]] = defaultdict(list)
        for row in rows:
            party = _party(row)
            if party in self.states:
                due[party].append(Timer(party, TimerKind(row["kind"]), row["subject_id"], row["due_at"]))
        for party, timers in due.items():
            timers.sort(key=lambda each: each.order)
            if len(timers) > limit:
                self.more_timers.add(party)
                del timers[limit:]
            state = self.states[party]
            state.timers = {(timer.kind, timer.subject_id): timer for timer in timers}
            # Dates are about what is owed, which is loaded with the account, as the party itself is.
            subjects = [(timer.kind.subject, timer.subject_id) for timer in timers]
            self._name(state, [(kind, subject_id) for kind, subject_id in subjects if issubclass(kind, Entity)])

    async def _declined(self) -> None:
        """Note what was looked for and isn't there, and whether it was declined; what is there needs no looking up."""
        absent = []
        for state, kind, entity_id in self.asked:
            if entity_id not in state.entities.get(kind, ()):
                subject = _subject(state, kind, entity_id)
                state.absent.add(subject[2])
                absent.append((state, subject))
        unknown = [subject for _, subject in absent if subject not in self.declined]
        self._take(await self._rows(self._declined_keys(unknown)))
        for state, subject in absent:
            if self.declined[subject]:
                state.declined.add(subject[2])

    # What is named, and what hangs on it.

    def _name(self, state: PartyState, references: Iterable[Reference]) -> None:
        """Take up what is named of a party; of one that has no row there is nothing to fetch but money in suspense."""
        party = _party_of(state)
        for kind, entity_id in references:
            if kind is ShopSettings:
                self.shops.add(entity_id)
            if kind.party_kind is not party.kind or entity_id == ALL_OPEN or entity_id.startswith(PAST_SINCE):
                continue
            self.asked.append((state, kind, entity_id))
            if kind is SuspenseEntry or (not state.whole and kind not in WITH_PARTY):
                self.named_by_batch.add((kind, party.id, entity_id))
                self._name_missing(kind, party.id, (entity_id,))

    def _name_missing(self, kind: type[Entity], party_id: str, entity_ids: Iterable[str]) -> None:
        """Have fetched what is not there."""
        there = self._of_kind(kind.party_kind)[party_id].entities.get(kind, {})
        for entity_id in entity_ids:
            if entity_id not in there:
                self.named[kind].add((party_id, entity_id))

    # Parties.

    def _owing(self) -> list[str]:
        """Accounts that owe anything."""
        return [
            account_id
            for account_id, state in self.accounts.items()
            if not state.whole and _owes(state.entities[Account][account_id])
        ]

    def _of_parties(self) -> Iterable[PartyState]:
        return chain(self.accounts.values(), self.merchants.values())

    def _of_kind(self, kind: PartyKind | None) -> dict[str, PartyState]:
        return self.accounts if kind is PartyKind.ACCOUNT else self.merchants

    def _state(self, kind: PartyKind, party_id: str) -> PartyState:
        return self._of_kind(kind)[party_id]


_NAMED = {table.name: kind for kind, table in TABLES.items() if kind not in WITH_PARTY}


def _party_of(state: PartyState) -> Party:
    if state.party is None:
        raise TypeError("the lane itself has no entities, no timers and nothing parked")
    return state.party


def _subject(state: PartyState, kind: type[Entity], entity_id: str) -> tuple[str, str, str]:
    party = _party_of(state)
    return (party.kind, party.id, subject_key(kind, entity_id))


def _owes(account: Entity) -> bool:
    assert isinstance(account, Account)
    return bool(account.receivable_minor or account.fee_receivable_minor or account.penalty_receivable_minor)


def _party(row: Row) -> Party:
    return Party(PartyKind(row["party_kind"]), row["party_id"])
