"""Loads what a batch needs: the states of its parties, in a number of round trips that doesn't grow with the batch.

What a message needs is known in part only (an order's obligations, the debit on them), so loading goes in steps from
what is named to what hangs on it. A rule that needs more says so (`NotLoadedError`) and the batch is loaded again.

Source: docs/storage.md, Loading.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import cast

from settlement.concession import Concession
from settlement.entities import (
    Account,
    AccountPayout,
    Appeal,
    CashOut,
    Debit,
    Deposit,
    DepositRefund,
    Merchant,
    MerchantBalance,
    MerchantCase,
    MerchantPayout,
    Obligation,
    Order,
    Repayment,
    Return,
    ShopWithdrawal,
)
from settlement.entity import Entity, EntityT
from settlement.messages import Input
from settlement.party import Party, PartyKind
from settlement.shop import ShopSettings
from settlement.state import ALL_OPEN, PAST_SINCE, Parked, PartyState, instant_of, subject_key
from settlement.suspense import SuspenseEntry
from settlement.timers import Timer, TimerKind
from storage import arrays
from storage.database import Connection, Row
from storage.naming import asking_for, may_come_back, paid_by, repayments_of
from storage.parked import ParkedRow, parked_of
from storage.queries import read
from storage.read_set import Loaded, ReadSet, Reference
from storage.rows import TABLES

__all__ = ["Loaded", "ReadSet", "due_parties", "load", "next_due"]

_SQL = read("load")

OPEN_OBLIGATIONS = 200
"""How many open obligations of an account are loaded unless all are asked for."""

TIMERS_PROBED = 500
"""Up to so many timers due in the whole lane are read at once; beyond, the parties' own are looked up."""

NO_LIMIT = 2**31

WITH_PARTY = (Account, Merchant, MerchantBalance)
"""Loaded with the party itself."""


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
        self.states: dict[Party | None, PartyState] = {None: PartyState(None)}
        self.accounts: dict[str, PartyState] = {}
        self.merchants: dict[str, PartyState] = {}
        for party in read_set.parties:
            state = self.states[party] = PartyState(party)
            self._of_kind(party.kind)[party.id] = state
        self.known: set[Party] = set()
        self.more_timers: set[Party] = set()
        self.named: dict[type[Entity], set[tuple[str, str]]] = defaultdict(set)
        """What to fetch by (party id, entity id); taken out again when it is fetched."""
        self.asked: list[tuple[PartyState, type[Entity], str]] = []
        """What the batch, its timers and its parked inputs name: its absence is noted."""
        self.shops = {entity_id for kind, entity_id in read_set.entities.get(None, ()) if kind is ShopSettings}
        """Those whose settings are named."""

    async def run(self) -> Loaded:
        if self.read_set.parties:
            await self._parties()
        await self._seen()
        if self.read_set.parties:
            await self._parked()
            await self._timers()
            for party, entities in self.read_set.entities.items():
                if party is not None:
                    self._name(self._state(party.kind, party.id), entities)
            await self._of_accounts()
            await self._of_merchants()
            await self._declined(self._note_absent())
        await self._of_lane()
        return Loaded(self.states, self.known, self.more_timers)

    async def _parties(self) -> None:
        """Account, merchant and balance rows; a party without one has nothing else in storage but parked inputs."""
        for kind, states in ((Account, self.accounts), (Merchant, self.merchants)):
            if states:
                ids = arrays.texts(list(states))
                self._keep(kind, await self.connection.fetch(_SQL[TABLES[kind].name], self.lane, ids))
        for kind, states in ((Account, self.accounts), (Merchant, self.merchants)):
            for party_id, state in states.items():
                if state.entities:
                    self.known.add(_party_of(state))
                else:
                    state.whole = True
                    self.asked.append((state, kind, party_id))
        merchants = [merchant_id for merchant_id, state in self.merchants.items() if not state.whole]
        if merchants:
            rows = await self.connection.fetch(_SQL["merchant_balance"], self.lane, arrays.texts(merchants))
            self._keep(MerchantBalance, rows)

    async def _seen(self) -> None:
        owners = {
            event_hash: self.states[None] if party is None else self._state(party.kind, party.id)
            for party, hashes in self.read_set.event_hashes.items()
            for event_hash in hashes
        }
        if owners:
            for row in await self.connection.fetch(_SQL["seen"], self.lane, arrays.blobs(list(owners))):
                event_hash = row["event_hash"]
                owners[event_hash].seen[event_hash] = row["fingerprint"]

    async def _parked(self) -> None:
        for parked in await parked_of(self.connection, self.lane, *self._party_arrays()):
            state = self._state(parked.party.kind, parked.party.id)
            message = self.restore(parked)
            state.parked.append(Parked(message, parked.waits_for, parked.parked_at))
            state.seen[parked.event_hash] = parked.fingerprint
            self.known.add(parked.party)
            self._name(state, self.references(message))

    async def _timers(self) -> None:
        until, limit = self.read_set.timers_until, self.read_set.timer_limit
        if until is None:
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

    async def _of_accounts(self) -> None:
        """From what is named to what hangs on it: returns and debits, orders, obligations, then again the first two."""
        if not self.accounts:
            return
        cash_outs = await self._cash_outs_paid_out()
        await self._fetch(Appeal)
        await self._fetch(SuspenseEntry)
        await self._fetch(Concession)
        repayments = await self._fetch(Repayment)
        for each in await self._fetch(Return):
            self.named[Order].add((each.account_id, each.order_id))
        debits = await self._fetch(Debit)
        obligations = [*await self._open_obligations(), *await self._past_obligations()]
        for cash_out in cash_outs:
            self._name_missing(Obligation, cash_out.account_id, cash_out.obligation_ids)
        for debit in debits:
            self._name_missing(Obligation, debit.account_id, debit.obligation_ids)
        for repayment in repayments:
            if repayment.reversed_at is None:
                self._name_missing(Obligation, repayment.account_id, paid_by(repayment))
        for obligation in [*obligations, *await self._fetch(Obligation)]:
            self._name_what_hangs_on(obligation)
        for order in await self._fetch(Order):
            self._name_missing(Obligation, order.account_id, order.obligation_ids)
            self._name_missing(Return, order.account_id, order.open_return_ids)
        for obligation in await self._fetch(Obligation):
            self._name_what_hangs_on(obligation)
        await self._fetch(Debit)
        await self._fetch(Return)

    async def _cash_outs_paid_out(self) -> list[CashOut]:
        """Fetch named payouts and cash-outs; returns those that are undone if such a payout has failed."""
        undone = {
            (each.account_id, each.source_id)
            for each in await self._fetch(AccountPayout)
            if each.source_id is not None and may_come_back(each, "cash_out")
        }
        self.named[CashOut] |= undone
        return [each for each in await self._fetch(CashOut) if (each.account_id, each.cash_out_id) in undone]

    async def _of_merchants(self) -> None:
        if not self.merchants:
            return
        await self._fetch(MerchantCase)
        await self._fetch(ShopWithdrawal)
        for payout in await self._fetch(MerchantPayout):
            if payout.source_id is not None and may_come_back(payout, "deposit_refund"):
                self.named[DepositRefund].add((payout.merchant_id, payout.source_id))
        for refund in await self._fetch(DepositRefund):
            self._name_missing(Deposit, refund.merchant_id, [refund.deposit_id])
        for deposit in await self._fetch(Deposit):
            if deposit.open_request_id is not None:
                self._name_missing(DepositRefund, deposit.merchant_id, [deposit.open_request_id])
        await self._fetch(DepositRefund)

    async def _of_lane(self) -> None:
        """What the lane itself keeps of what is named."""
        if not self.shops:
            return
        rows = await self.connection.fetch(_SQL["shop_settings"], self.lane, arrays.texts(list(self.shops)))
        found = {each.entity_id: each for each in TABLES[ShopSettings].entities(rows)}
        state = self.states[None]
        state.entities[ShopSettings] = found
        state.absent |= {subject_key(ShopSettings, shop) for shop in self.shops - found.keys()}

    async def _open_obligations(self) -> list[Obligation]:
        """The earliest open obligations of accounts that owe anything; all where all are asked for."""
        at_most = {
            account_id: OPEN_OBLIGATIONS
            for account_id, state in self.accounts.items()
            if not state.whole and _owes(state.entities[Account][account_id])
        }
        for party, entities in self.read_set.entities.items():
            if party is not None and party.id in at_most and (Obligation, ALL_OPEN) in entities:
                at_most[party.id] = NO_LIMIT
        if not at_most:
            return []
        rows = await self.connection.fetch(
            _SQL["open_obligations"], self.lane, arrays.texts(list(at_most)), arrays.plain(list(at_most.values()))
        )
        found: dict[str, list[Obligation]] = defaultdict(list)
        for each in cast("list[Obligation]", TABLES[Obligation].entities(rows)):
            found[each.account_id].append(each)
        for account_id, obligations in found.items():
            state = self.accounts[account_id]
            if len(obligations) > at_most[account_id]:
                obligations.pop()
                state.all_open_loaded = False
                state.open_loaded_until = (obligations[-1].due_on, obligations[-1].no)
            state.entities.setdefault(Obligation, {}).update({each.obligation_id: each for each in obligations})
        return [each for obligations in found.values() for each in obligations]

    async def _past_obligations(self) -> list[Obligation]:
        """What was paid lately, or was ever overdue, where a rule asks for it; and the repayments that paid it."""
        since: dict[str, datetime] = {}
        for party, entities in self.read_set.entities.items():
            if party is None:
                continue
            state = self.accounts.get(party.id) if party.kind is PartyKind.ACCOUNT else None
            asked = [instant_of(entity_id) for _, entity_id in entities if entity_id.startswith(PAST_SINCE)]
            if state is not None and asked:
                state.past_since = since[party.id] = min(asked)
        if not since:
            return []
        asked_of, instants = arrays.texts(list(since)), arrays.instants(list(since.values()))
        rows = await self.connection.fetch(_SQL["past_obligations"], self.lane, asked_of, instants)
        found = cast("list[Obligation]", self._keep(Obligation, rows))
        for each in found:
            self._name_missing(Repayment, each.account_id, repayments_of(each))
        for repayment in await self._fetch(Repayment):
            self._name_missing(Debit, repayment.account_id, filter(None, (repayment.debit_id,)))
            self._name_missing(Order, repayment.account_id, filter(None, (repayment.order_id,)))
        return found

    def _note_absent(self) -> list[tuple[str, str, str]]:
        """Note what was looked for and isn't there; returns (party kind, party id, subject key) of each."""
        absent: list[tuple[str, str, str]] = []
        for state, kind, entity_id in self.asked:
            if entity_id not in state.entities.get(kind, ()):
                key = subject_key(kind, entity_id)
                state.absent.add(key)
                party = _party_of(state)
                absent.append((party.kind, party.id, key))
        return absent

    async def _declined(self, absent: list[tuple[str, str, str]]) -> None:
        """Which of what isn't there was declined; what is there needs no looking up."""
        if not absent:
            return
        columns = map(arrays.texts, zip(*absent, strict=True))
        for row in await self.connection.fetch(_SQL["declined_subject"], self.lane, *columns):
            self._state(PartyKind(row["party_kind"]), row["party_id"]).declined.add(row["subject"])

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
                self.named[kind].add((party.id, entity_id))

    def _name_missing(self, kind: type[Entity], party_id: str, entity_ids: Iterable[str]) -> None:
        """Have fetched what hangs on something fetched, unless it is there."""
        there = self._of_kind(kind.party_kind)[party_id].entities.get(kind, {})
        for entity_id in entity_ids:
            if entity_id not in there:
                self.named[kind].add((party_id, entity_id))

    def _name_what_hangs_on(self, obligation: Obligation) -> None:
        self._name_missing(Order, obligation.account_id, filter(None, (obligation.order_id,)))
        self._name_missing(Debit, obligation.account_id, asking_for(obligation))

    async def _fetch(self, kind: type[EntityT]) -> list[EntityT]:
        """Fetch what is named of a class; returns what was found."""
        pairs = self.named.pop(kind, None)
        if not pairs:
            return []
        named = map(arrays.texts, zip(*pairs, strict=True))
        return cast(
            "list[EntityT]", self._keep(kind, await self.connection.fetch(_SQL[TABLES[kind].name], self.lane, *named))
        )

    def _party_arrays(self) -> tuple[str, str]:
        kinds = [PartyKind.ACCOUNT] * len(self.accounts) + [PartyKind.MERCHANT] * len(self.merchants)
        return arrays.texts(kinds), arrays.texts([*self.accounts, *self.merchants])

    def _of_kind(self, kind: PartyKind | None) -> dict[str, PartyState]:
        return self.accounts if kind is PartyKind.ACCOUNT else self.merchants

    def _state(self, kind: PartyKind, party_id: str) -> PartyState:
        return self._of_kind(kind)[party_id]

    def _keep(self, kind: type[Entity], rows: Sequence[Row]) -> list[Entity]:
        table = TABLES[kind]
        states = self._of_kind(kind.party_kind)
        entities = table.entities(rows)
        for row, entity in zip(rows, entities, strict=True):
            states[row[table.party_column]].entities.setdefault(kind, {})[entity.entity_id] = entity
        return entities


def _party_of(state: PartyState) -> Party:
    if state.party is None:
        raise TypeError("the lane itself has no entities, no timers and nothing parked")
    return state.party


def _owes(account: Entity) -> bool:
    assert isinstance(account, Account)
    return bool(account.receivable_minor or account.fee_receivable_minor or account.penalty_receivable_minor)


def _party(row: Row) -> Party:
    return Party(PartyKind(row["party_kind"]), row["party_id"])
