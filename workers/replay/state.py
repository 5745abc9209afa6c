"""What a lane is after its last batch, as the database has it, against what a replay came to: row for row.

The caller opens one snapshot, in which the lane is at the batch that the replay has come to.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from settlement.entity import Entity
from settlement.ledger import LedgerAccount
from settlement.party import Party, PartyKind
from storage import parked
from storage.database import Connection, Row
from storage.lanes import Position
from storage.outcomes import DeadLetterRow, ReceiptRow
from storage.recorded import SQL, contents
from storage.rows import TABLES, Table
from workers.lanes.deciding import Standing
from workers.replay.difference import Difference, columns_apart, of_rows
from workers.replay.packing import PartyTables, pack, unpack
from workers.replay.tables import LaneTables

FETCHED = 2000
"""Rows of a cursor that are fetched at once."""

_POSTED = frozenset({account.balance for account in LedgerAccount if account.balance is not None})
"""Columns that hold what postings come to."""
_STANDING = ("batch_seq", "chain_hash", "lane_time", "next_seq", "terms_digest")
TIMER = "timer"
PARKED = "parked input"
"""Of these the order counts: it is the one in which they came."""
_ACTIVITY = ("sent_messages", "sent_minor", "received_messages", "received_minor")


@dataclass(slots=True)
class StateComparison:
    """Compares one lane.

    Args:
        connection: in the snapshot.
        tables: what the replay came to.
        standing: likewise.
        positions: likewise, by topic.
        begins_after: the batch that the lane goes on from, where it was split off another.
    """

    connection: Connection
    tables: LaneTables
    standing: Standing
    positions: Mapping[str, Position]
    begins_after: int = 0
    rows: int = 0
    """How many rows were compared."""
    other_versions: bool = False
    """Whether any batch was decided under other rules than these."""
    by_rules: int = 0
    """How many differences these may have made, and none of them in a balance."""
    first_by_rules: Difference | None = None

    async def first_difference(self) -> Difference | None:
        """Compare all there is, and stop at the first difference."""
        self.tables.flush_outcomes()
        for compare in (
            self._lane,
            self._entities,
            self._beside_entities,
            self._totals,
            self._receipts,
            self._dead_letters,
            self._numbers,
        ):
            found = await compare()
            if found is not None:
                return found
        return None

    async def _lane(self) -> Difference | None:
        row = await self.connection.fetchrow(SQL["standing"], self.tables.lane)
        after = self.standing
        again = (after.batch_seq, after.chain_hash, after.lane_time, after.next_seq, after.rules.terms.digest)
        return of_rows("the lane's row", _STANDING, tuple(row), again)

    # Parties.

    async def _entities(self) -> Difference | None:
        for table in TABLES.values():
            found = await self._of_class(table)
            if found is not None:
                return found
        return None

    async def _of_class(self, table: Table) -> Difference | None:
        kind, rows = table.kind.party_kind, 0
        if kind is None:
            return await self._of_own_class(table)
        named = table.columns.index(table.kind.id_field)
        async for party_id, recorded in contents(self.connection, self.tables.lane, table):
            stored = self.tables.party(Party(kind, party_id)).entities.get(table.kind, {})
            self.tables.move_out()
            rows += len(recorded)
            if _are_equal(table, named, recorded, stored):
                continue
            found = self._strict(_of_entities(table, recorded, stored))
            if found is not None:
                return found
        self.rows += rows
        if rows == self.tables.totals.made[table.name]:
            return None
        there = {hash(party_id) async for party_id, _ in contents(self.connection, self.tables.lane, table)}
        for party, tables in self.tables.parties():
            if party.kind is kind and tables.entities.get(table.kind) and hash(party.id) not in there:
                return next(_of_entities(table, [], tables.entities[table.kind]))
        return Difference(f"table {table.name}", "rows", str(rows), str(self.tables.totals.made[table.name]))

    async def _of_own_class(self, table: Table) -> Difference | None:
        """Entities of the lane itself: few."""
        recorded = [each async for _, some in contents(self.connection, self.tables.lane, table) for each in some]
        self.rows += len(recorded)
        return self._strict(_of_entities(table, recorded, self.tables.own.entities.get(table.kind, {})))

    async def _beside_entities(self) -> Difference | None:
        """Rows that parties have besides entities: first those that are there, then those that should be."""
        there: dict[str, set[int]] = {}
        for rows in _BESIDE_ENTITIES:
            there[rows.subject] = set()
            async for party, recorded in self._by_party(rows.statement):
                again = rows.of(self.tables.party(party))
                self.tables.move_out()
                there[rows.subject].add(hash((party.kind, party.id)))
                self.rows += len(recorded)
                found = self._of_party(rows, party, recorded, again)
                if found is not None:
                    return found
        for party, tables in self.tables.parties():
            if not (tables.timers or tables.parked or tables.declined):
                continue
            for rows in _BESIDE_ENTITIES:
                if hash((party.kind, party.id)) not in there[rows.subject]:
                    found = self._of_party(rows, party, [], rows.of(tables))
                    if found is not None:
                        return found
        return None

    def _of_party(
        self, rows: "_PartyRows", party: Party, recorded: Sequence[tuple[Any, ...]], again: Sequence[tuple[Any, ...]]
    ) -> Difference | None:
        in_order = recorded if rows.subject == PARKED else sorted(recorded)
        if in_order == again:
            return None
        where = f"{rows.subject} of {party.kind} {party.id}"
        return self._strict(_of_lists(where, rows.names, rows.keys, in_order, again))

    def _strict(self, differences: Iterator[Difference]) -> Difference | None:
        """The first difference that no other version of the rules explains; those that one may are counted.

        What postings come to is no matter of rules once the postings are the same, and neither is what there is. But a
        later version may keep more of it, which the database was given by a migration and not by a decision.
        """
        for found in differences:
            by_rules = found.where.startswith(TIMER) or (found.column is not None and found.column not in _POSTED)
            if not self.other_versions or not by_rules:
                return found
            self.by_rules += 1
            self.first_by_rules = self.first_by_rules or found
        return None

    async def _by_party(self, statement: str) -> AsyncIterator[tuple[Party, Sequence[tuple[Any, ...]]]]:
        party, rows = None, list[tuple[Any, ...]]()
        async for row in self._cursor(statement):
            if party is None or (row[0], row[1]) != (party.kind, party.id):
                if party is not None:
                    yield party, rows
                party, rows = Party(PartyKind(row[0]), row[1]), []
            rows.append(tuple(row)[2:])
        if party is not None:
            yield party, rows

    # The lane itself.

    async def _totals(self) -> Difference | None:
        totals = self.tables.totals
        balances = {key: (amount,) for key, amount in totals.platform.items()}
        activity = {(currency,): tuple(sums) for currency, sums in totals.activity.items()}
        offsets = {
            (topic,): (each.next_offset, each.last_fingerprint, totals.settled[topic])
            for topic, each in self.positions.items()
        }
        return (
            await self._keyed("platform_balances", ("ledger_account", "currency"), ("balance_minor",), balances)
            or await self._keyed("activity_totals", ("currency",), _ACTIVITY, activity)
            or await self._keyed("offsets", ("topic",), ("next_offset", "last_fingerprint", "settled_records"), offsets)
        )

    async def _keyed(
        self, statement: str, keys: Sequence[str], names: Sequence[str], again: Mapping[Any, Sequence[Any]]
    ) -> Difference | None:
        recorded = {
            tuple(row)[: len(keys)]: tuple(row)[len(keys) :]
            for row in await self.connection.fetch(SQL[statement], self.tables.lane)
        }
        self.rows += len(recorded)
        for key in sorted({*recorded, *again}):
            found = of_rows(f"{statement} {', '.join(key)}", names, recorded.get(key), again.get(key))
            if found is not None:
                return found
        return None

    # What became of records, beside decisions.

    async def _receipts(self) -> Difference | None:
        def key(row: Sequence[Any]) -> bytes:
            return pack(row[1:4])

        return await self._outcomes("receipt", "receipts", ReceiptRow._fields, key)

    async def _dead_letters(self) -> Difference | None:
        def key(row: Sequence[Any]) -> bytes:
            return bytes(row[1].encode())

        return await self._outcomes("dead_letter", "dead_letters", DeadLetterRow._fields, key)

    async def _outcomes(self, name: str, statement: str, fields: Sequence[str], key_of: Any) -> Difference | None:
        names, rows = ("batch_seq", *fields), 0
        async for row in self._cursor(statement):
            key, recorded = key_of(row), tuple(row)
            content = self.tables.spill.outcome(name, key)
            if content is None or content != pack(recorded):
                again = None if content is None else unpack(content)
                found = of_rows(_outcome(name, recorded), names, recorded, _as_old_as(recorded, again))
                if found is not None:
                    return _in_batch(found, recorded[0])
            rows += 1
        self.rows += rows
        if rows == self.tables.spill.count(name):
            return None
        there = {hash(key_of(row)) async for row in self._cursor(statement)}
        for key, content in self.tables.spill.outcomes(name):
            if hash(key) not in there:
                again = unpack(content)
                found = of_rows(_outcome(name, again), names, None, again)
                return None if found is None else _in_batch(found, again[0])
        return None

    async def _numbers(self) -> Difference | None:
        """Decisions, postings and batches beyond those that were compared one by one."""
        row = await self.connection.fetchrow(SQL["decided_numbers"], self.tables.lane)
        totals, batches = self.tables.totals, self.standing.batch_seq - self.begins_after
        return of_rows(
            "the number of its rows",
            tuple(row.keys()),
            tuple(row),
            (
                totals.decisions,
                totals.last_decision or None,
                totals.postings,
                totals.last_posting or None,
                batches,
                self.standing.batch_seq if batches else None,
            ),
        )

    async def _cursor(self, statement: str) -> AsyncIterator[Row]:
        async for row in self.connection.cursor(SQL[statement], self.tables.lane, prefetch=FETCHED):
            yield row


def _are_equal(table: Table, named: int, recorded: Sequence[tuple[Any, ...]], stored: Mapping[str, Entity]) -> bool:
    """Whether a party's rows are its entities, each named by this column: nearly always, so nothing is made for it."""
    values = table.values
    for row in recorded:
        entity = stored.get(row[named])
        if entity is None or values(entity) != row:
            return False
    return len(recorded) == len(stored)


def _of_entities(
    table: Table, recorded: Iterable[tuple[Any, ...]], stored: Mapping[str, Entity]
) -> Iterator[Difference]:
    """Differences of one party's entities; what the rows say is compared, and no entity made of them."""
    named = table.columns.index(table.kind.id_field)
    there = {row[named]: row for row in recorded}
    again = {entity_id: table.values(entity) for entity_id, entity in stored.items()}
    if there == again:
        return
    for entity_id in sorted({*there, *again}):
        one, other = there.get(entity_id), again.get(entity_id)
        party_id = (one or other or ("",))[0]
        own = "" if entity_id == party_id else f" {entity_id}"
        where = f"{table.name}{own} of {table.kind.party_kind or 'shop'} {party_id}"
        yield from columns_apart(where, table.columns, one, other)


def _of_lists(
    where: str, names: Sequence[str], keys: int, recorded: Sequence[tuple[Any, ...]], again: Sequence[tuple[Any, ...]]
) -> Iterator[Difference]:
    if list(recorded) == list(again):
        return
    one, other = {row[:keys]: row for row in recorded}, {row[:keys]: row for row in again}
    if one == other:
        yield Difference(where, "order", str([*one]), str([*other]))
    for key in sorted({*one, *other}):
        named = f"{where}, {' '.join(each.hex() if isinstance(each, bytes) else str(each) for each in key)}"
        yield from columns_apart(named, names, one.get(key), other.get(key))


def _timers_of(tables: PartyTables) -> list[tuple[Any, ...]]:
    return sorted([(timer.kind.value, timer.subject_id, timer.due_at) for timer in tables.timers.values()])


def _declined_of(tables: PartyTables) -> list[tuple[Any, ...]]:
    return sorted([(subject,) for subject in tables.declined])


def _parked_of(tables: PartyTables) -> list[tuple[Any, ...]]:
    return [(each.input.event_hash, *parked.values(each)) for each in tables.parked.values()]


@dataclass(frozen=True, slots=True)
class _PartyRows:
    """Rows that parties have besides entities.

    Args:
        subject: what a row is called.
        statement: gives party_kind, party_id and the columns, each party's together.
        names: of the columns.
        keys: how many columns name a row.
        of: the rows that a party's tables should have, in order.
    """

    subject: str
    statement: str
    names: Sequence[str]
    keys: int
    of: Callable[[PartyTables], list[tuple[Any, ...]]]


_BESIDE_ENTITIES = (
    _PartyRows(TIMER, "timers", ("kind", "subject_id", "due_at"), 2, _timers_of),
    _PartyRows(PARKED, "parked", ("event_hash", *parked.COLUMNS), 1, _parked_of),
    _PartyRows("refusal", "declined_subjects", ("subject",), 1, _declined_of),
)


def _as_old_as(recorded: Sequence[Any], again: Sequence[Any] | None) -> Sequence[Any] | None:
    """The row without its place among the decisions, where one was written that did not know it yet."""
    return again if again is None or recorded[-1] is not None else (*again[:-2], None, None)


def _outcome(name: str, row: Sequence[Any]) -> str:
    if name == "receipt":
        _, topic, partition, offset, *_ = row
        return f"receipt of {topic}/{partition}/{offset}"
    return f"dead letter {row[1]}"


def _in_batch(found: Difference, batch_seq: int) -> Difference:
    return Difference(found.where, found.column, found.recorded, found.decided, batch_seq)
