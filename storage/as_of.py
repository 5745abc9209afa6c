"""A session that reads the books as they were at a time, by the very statements that read them as they are.

What only grows (batches, decisions, postings, receipts, dead letters) is in the database, and is cut off after the last
batch of that time. What changes is not there any more as it was: it is given, and stands in temporary tables. Reading,
and TEMPORARY on the database, which everybody has unless it was revoked, are enough for that.

Source: docs/replay.md, As of a time.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from storage import archive
from storage.bulk import LaneCopy
from storage.database import Connection
from storage.distribution import DistributionError, is_distributed
from storage.queries import read
from storage.rows import TABLES

_SQL = read("as_of")

CHANGING = (
    *("lane", "lane_offset", "parked", "timer", "declined_subject", "platform_balance", "activity_total"),
    *("untracked_payout", *(table.name for table in TABLES.values())),
)
"""Tables that hold what is there now. A replay remembers every payout, so none is untracked (docs/operations.md)."""
GROWING = ("batch", "decision", "posting", "receipt", "dead_letter")
"""Tables whose rows stay as they were written, and tell of which batch they are."""


@dataclass(frozen=True, slots=True)
class BatchEnd:
    """The last batch of a lane by a time."""

    lane: int
    batch_seq: int
    chain_hash: bytes
    lane_time: datetime


@dataclass(frozen=True, slots=True)
class LastBatches:
    """What lanes had settled by a time.

    Args:
        ends: by lane, where there was a batch by then.
        first_at: lane time of the earliest first batch; None where nothing was ever settled.
        split_at: lane time after which all of them are those that there are now; None: they always were.
        archived_until: lane time of the last batch whose decisions are in files; None where none are.
    """

    ends: dict[int, BatchEnd]
    first_at: datetime | None
    split_at: datetime | None
    archived_until: datetime | None


async def known_until(connection: Connection, *, event_clock: bool) -> datetime | None:
    """Up to when something can be known: now, or under the event clock the latest lane time; None: nothing is."""
    row = await connection.fetchrow(_SQL["clocks"])
    found: datetime | None = row["latest"] if event_clock else row["now"]
    return found


async def last_batches(connection: Connection, lanes: Collection[int], at: datetime) -> LastBatches:
    """Where lanes stood at a time: after their last batch whose lane time is not after it."""
    rows = await connection.fetch(_SQL["last_batches"], [*lanes], at)
    ends = {
        row["lane"]: BatchEnd(row["lane"], row["batch_seq"], row["chain_hash"], row["lane_time"])
        for row in rows
        if row["batch_seq"] is not None
    }
    first_at = min((row["first_at"] for row in rows if row["first_at"] is not None), default=None)
    split_at = max((row["split_at"] for row in rows if row["split_at"] is not None), default=None)
    archives = await archive.ends(connection)
    archived_until = max((archives[lane].lane_time for lane in lanes if lane in archives), default=None)
    return LastBatches(ends, first_at, split_at, archived_until)


async def hide_the_present(connection: Connection) -> None:
    """From here on the session sees none of what is there now, until lanes are put there as they were.

    Args:
        connection: outside a transaction; of no use for anything else afterwards.

    Raises:
        DistributionError: the tables lie on several nodes.
        asyncpg.InsufficientPrivilegeError: the user may not make temporary tables.
    """
    if await is_distributed(connection):
        raise DistributionError(
            "expected a database on one node, and this one is distributed: it shows what there is now, not what there"
            " was"
        )
    await connection.execute(_SQL["choose_tables"], " ".join(CHANGING))
    await connection.execute(_SQL["hide_tables"])
    for name in GROWING:
        await connection.execute(_SQL[f"cut_{name}"])


async def put_lane(connection: Connection, end: BatchEnd, next_seq: int, terms_digest: bytes) -> LaneCopy:
    """Show where a lane stood; gives what puts its rows there."""
    await connection.execute(
        _SQL["put_lane"], end.lane, end.batch_seq, end.chain_hash, end.lane_time, next_seq, terms_digest
    )
    return LaneCopy(connection, end.lane)


async def analyze(connection: Connection) -> None:
    """Tell the planner what was put there."""
    await connection.execute(_SQL["analyze"])
