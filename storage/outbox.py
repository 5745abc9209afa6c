"""The outbox: each batch's encoded outputs, kept for a day after they were relayed.

Source: docs/protocol.md, Output.
"""

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import asyncpg

from storage.database import Connection, set_lock_timeout
from storage.queries import read

_SQL = read("outbox")

EMPTYING_LOCK_TIMEOUT_S = 0.5
"""TRUNCATE waits for readers of the whole table and holds up the ones behind it; it gives way and is tried again."""


@dataclass(frozen=True, slots=True)
class OutboxBatch:
    """One batch's outputs as they were handed to `write`."""

    batch_seq: int
    lane_time: datetime
    chain_hash: bytes
    parts: list[bytes]


async def read_after(connection: Connection, lane: int, batch_seq: int, limit_bytes: int) -> list[OutboxBatch]:
    """Read the batches after `batch_seq`, in order: as many as fit `limit_bytes`, but at least one if there is any.

    Every batch has a row, so a number missing between them is a hole; the caller compares.
    """
    rows = await connection.fetch(_SQL["read_after"], lane, batch_seq, limit_bytes)
    batches = []
    for number, parts in groupby(rows, key=lambda row: row["batch_seq"]):
        of_batch = list(parts)
        first = of_batch[0]
        batches.append(
            OutboxBatch(number, first["lane_time"], first["chain_hash"], [row["messages"] for row in of_batch])
        )
    return batches


async def batch_exists(connection: Connection, lane: int, batch_seq: int) -> bytes | None:
    """Return the chain hash of a batch, None when the database has no such batch."""
    chain_hash: bytes | None = await connection.fetchval(_SQL["batch_exists"], lane, batch_seq)
    return chain_hash


async def relayed(connection: Connection, lane: int, batch_seq: int) -> None:
    """Note how far the lane is relayed. Only a hint, but the outbox is emptied by it: never ahead of the lane-log."""
    await connection.execute(_SQL["relayed"], lane, batch_seq)


async def maintain(connection: Connection) -> list[int]:
    """Empty the parts of the table whose day is over; call it every hour or so, outside a transaction.

    Returns:
        The parts emptied; one that is in use or not yet relayed is left for the next time.
    """
    emptied = []
    for row in await connection.fetch(_SQL["stale_turns"]):
        turn: int = row["turn"]
        try:
            async with connection.transaction():
                await set_lock_timeout(connection, EMPTYING_LOCK_TIMEOUT_S)
                await connection.execute(_SQL[f"empty_turn_{turn}"])
        except asyncpg.LockNotAvailableError:
            continue
        emptied.append(turn)
    return emptied
