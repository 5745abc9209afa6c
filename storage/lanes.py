"""Claims and locks of lanes. The lane's row is the only lock: whoever holds it may write the lane's tables.

Source: docs/protocol.md, Claim and Input.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from settlement.totals import RECEIVED, SENT, Totals
from storage.database import Connection, Row, set_lock_timeout
from storage.queries import read
from storage.sessions import LOCK_TIMEOUT_S

_SQL = read("lanes")
LOCK_AT_ONCE = _SQL["lock_at_once"]


class FencedError(Exception):
    """Another owner has claimed the lane since; nothing may be written under the older epoch."""


class UnknownLaneError(LookupError):
    """The database has no such lane: it was created for fewer."""

    def __init__(self, lane: int) -> None:
        super().__init__(f"lane {lane} is not in the database; compare POSTPAY_LANES with what it was made for")


@dataclass(frozen=True, slots=True)
class Position:
    """How far a topic is settled: the next offset to settle, and the fingerprint of the record before it, if known."""

    next_offset: int
    last_fingerprint: bytes | None


@dataclass(frozen=True, slots=True)
class LaneClaim:
    """What a new owner takes over.

    `lane_time` is None before the first batch; `positions` names only topics of which something is settled.
    `totals` are the sums that the next batch begins with.
    """

    lane: int
    epoch: int
    batch_seq: int
    chain_hash: bytes
    lane_time: datetime | None
    next_seq: int
    terms_digest: bytes
    terms_document: dict[str, Any]
    positions: dict[str, Position]
    totals: Totals


class LaneView(NamedTuple):
    """A lane that nobody takes over, and the database's clock."""

    claim: LaneClaim
    now: datetime


@dataclass(frozen=True, slots=True)
class LaneLock:
    """The lane as of the lock; `now` is the database's clock after it was granted.

    Where its topics stand is not read again: who claimed the lane knows it, and nobody else moves them under its epoch.
    """

    batch_seq: int
    chain_hash: bytes
    lane_time: datetime | None
    next_seq: int
    now: datetime


async def claim(connection: Connection, lane: int, owner: str, *, lock_timeout_s: float = LOCK_TIMEOUT_S) -> LaneClaim:
    """Take a lane over from whoever has it, in a transaction of its own.

    Args:
        connection: outside a transaction.
        lane: its number.
        owner: who claims it, for operators.
        lock_timeout_s: how long to wait for a batch of the owner before.

    Raises:
        asyncpg.LockNotAvailableError: the owner before still holds the row (transient).
        UnknownLaneError: the database has no such lane.
    """
    async with connection.transaction():
        await set_lock_timeout(connection, lock_timeout_s)
        return await _taken_over(connection, lane, await connection.fetchrow(_SQL["claim"], lane, owner))


async def look(connection: Connection, lane: int) -> LaneView:
    """What a new owner would take over now, without a claim: for whoever only wants to know what would be decided.

    Args:
        connection: in a transaction of one snapshot.
        lane: its number.

    Raises:
        UnknownLaneError: the database has no such lane.
    """
    row = await connection.fetchrow(_SQL["look"], lane)
    claim = await _taken_over(connection, lane, row)
    return LaneView(claim, row["now"])


async def lock(connection: Connection, lane: int, epoch: int, *, wait: bool = True) -> LaneLock:
    """Lock a lane for the caller's transaction, before anything else is read or written in it.

    After a COMMIT of unknown outcome this tells what came of it: never while the lost session still holds the row.

    Args:
        connection: in a transaction.
        lane: its number.
        epoch: under which the caller has claimed it.
        wait: for a session that holds the row, as long as the session's `lock_timeout`, which `open_pool` sets.

    Raises:
        FencedError: the lane was claimed under another epoch since.
        asyncpg.LockNotAvailableError: another session holds the row (transient).
        UnknownLaneError: the database has no such lane.
    """
    row = await connection.fetchrow(_SQL["lock"] if wait else LOCK_AT_ONCE, lane)
    if row is None:
        raise UnknownLaneError(lane)
    if row["epoch"] != epoch:
        raise FencedError(f"lane {lane} is claimed by {row['owner']} under epoch {row['epoch']}, this is epoch {epoch}")
    return LaneLock(
        batch_seq=row["batch_seq"],
        chain_hash=row["chain_hash"],
        lane_time=row["lane_time"],
        next_seq=row["next_seq"],
        now=row["now"],
    )


async def positions(connection: Connection, lane: int) -> dict[str, Position]:
    """Positions of the topics a lane has settled anything of; of all others it is 0."""
    rows = await connection.fetch(_SQL["positions"], lane)
    return {row["topic"]: Position(row["next_offset"], row["last_fingerprint"]) for row in rows}


async def _taken_over(connection: Connection, lane: int, row: Row | None) -> LaneClaim:
    if row is None:
        raise UnknownLaneError(lane)
    return LaneClaim(
        lane=lane,
        epoch=row["epoch"],
        batch_seq=row["batch_seq"],
        chain_hash=row["chain_hash"],
        lane_time=row["lane_time"],
        next_seq=row["next_seq"],
        terms_digest=row["terms_digest"],
        terms_document=json.loads(row["terms_document"]),
        positions=await positions(connection, lane),
        totals=await _totals(connection, lane),
    )


async def _totals(connection: Connection, lane: int) -> Totals:
    rows = await connection.fetch(_SQL["totals"], lane, SENT, RECEIVED)
    return {(row["name"], row["currency"]): row["minor"] for row in rows}
