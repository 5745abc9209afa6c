"""What the database recorded of a lane, read again in order, to be compared with what it should be.

Rows of batches, decisions and postings never change once written, so they are read as far as is wanted while workers go
on. What a lane is now (`rows_of`, and the statements of recorded.sql) is read in one snapshot, which the caller opens.
"""

from bisect import bisect_left
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

from storage import archive, branches, chain
from storage.database import Connection, Row
from storage.outcomes import DecisionRow, PostingRow
from storage.queries import read
from storage.rows import Table

SQL = read("recorded")

BATCHES_AT_ONCE = 500
DECISIONS_AT_ONCE = 5_000
"""Bounds of what is held in memory of a lane."""


@dataclass(frozen=True, slots=True)
class BatchRows:
    """A batch as the database has it: its row, its decisions and their postings.

    `stated` is how many decisions its row says it has. A row of a decision or posting equals a `DecisionRow` or
    `PostingRow` that says the same; none is made of it, for most are only compared. Of one that `is_archived` the
    decisions and postings are in a file, and none is here.
    """

    batch_seq: int
    chain_hash: bytes
    lane_time: datetime
    first_seq: int
    stated: int
    positions: Mapping[str, int]
    decisions: Sequence[Row]
    postings: Sequence[Row]
    is_archived: bool = False

    def named(self) -> tuple[list[DecisionRow], list[PostingRow]]:
        """Its decisions and postings with the names of their fields."""
        return list(map(DecisionRow._make, self.decisions)), list(map(PostingRow._make, self.postings))

    def hash_after(self, previous: bytes) -> bytes:
        """What its rows and the hash before it give."""
        return chain.link(previous, self.batch_seq, self.lane_time, *self.named())


async def lanes(connection: Connection) -> Sequence[Row]:
    """Every lane's number, last batch and hash."""
    rows: Sequence[Row] = await connection.fetch(SQL["lanes"])
    return rows


async def story(connection: Connection, lane: int, after: int, last: int) -> AsyncIterator[BatchRows]:
    """Each batch of a lane's whole story, as `batches`: at first those of the lane that it was a part of."""
    begins = await branches.begins(connection, lane)
    if after < begins.batch_seq:
        async for batch in story(connection, begins.from_lane, after, min(last, begins.batch_seq)):
            yield batch
    async for batch in batches(connection, lane, max(after, begins.batch_seq), last):
        yield batch


async def batches(connection: Connection, lane: int, after: int, last: int) -> AsyncIterator[BatchRows]:
    """Each batch of a lane after one and up to another that the database has, with its decisions and postings."""
    for family in await branches.families(connection, lane):
        until = last if family.last_batch is None else min(last, family.last_batch)
        async for batch in _batches(connection, lane, after, until, family.lanes):
            yield batch
        after = max(after, until)


async def _batches(
    connection: Connection, lane: int, after: int, last: int, lanes_of_rows: Sequence[int]
) -> AsyncIterator[BatchRows]:
    done = after
    while rows := await connection.fetch(SQL["batches"], lane, done, last, BATCHES_AT_ONCE):
        for group in _groups(rows):
            span = (lanes_of_rows, group[0]["first_seq"], group[-1]["first_seq"] + group[-1]["decisions"])
            decisions = await connection.fetch(SQL["decisions"], *span)
            postings = await connection.fetch(SQL["postings"], *span)
            kept_from = await archive.kept_from(connection, lanes_of_rows)  # last: some may have gone meanwhile
            for row in group:
                until = row["first_seq"] + row["decisions"]
                is_archived = row["first_seq"] < min(kept_from, until)
                yield BatchRows(
                    row["batch_seq"],
                    row["chain_hash"],
                    row["lane_time"],
                    row["first_seq"],
                    row["decisions"],
                    dict(zip(row["topics"], row["next_offsets"], strict=True)),
                    _taken_before(decisions, until),
                    _taken_before(postings, until),
                    is_archived,
                )
        done = rows[-1]["batch_seq"]


def _taken_before(rows: list[Row], seq: int) -> list[Row]:
    """Take the rows with a lower number off the front."""
    end = bisect_left(rows, seq, key=itemgetter("seq"))
    taken = rows[:end]
    del rows[:end]
    return taken


def _groups(batches: Sequence[Row]) -> list[list[Row]]:
    """Neighbouring batches, together at most DECISIONS_AT_ONCE decisions or a single batch."""
    groups: list[list[Row]] = []
    decisions = 0
    for batch in batches:
        if not groups or decisions + batch["decisions"] > DECISIONS_AT_ONCE:
            groups.append([])
            decisions = 0
        groups[-1].append(batch)
        decisions += batch["decisions"]
    return groups


async def contents(
    connection: Connection, lane: int, table: Table
) -> AsyncIterator[tuple[str, Sequence[tuple[Any, ...]]]]:
    """All that is recorded of a lane's entities of one class, by party: its id, then its rows as `Table.values`.

    Args:
        connection: in a transaction whose snapshot is to be read; one such reading at a time.
        lane: its number.
        table: of the class.
    """
    await connection.fetch(SQL["choose_rows"], table.name, str(lane), table.party_column)
    await connection.execute(SQL["open_rows"])
    statement = await connection.prepare(SQL["next_rows"])  # anew for each table, as its columns are others
    party_id, found = None, list[tuple[Any, ...]]()
    while rows := await statement.fetch():
        for values in table.contents(rows):
            if values[0] != party_id:
                if party_id is not None:
                    yield party_id, found
                party_id, found = values[0], []
            found.append(values)
    if party_id is not None:
        yield party_id, found
    await connection.execute(SQL["close_rows"])
