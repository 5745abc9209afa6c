"""What was moved out of the database to files: decisions and postings of long ago.

Their batches stay, with their hashes; so do the hashes of their events, what their postings moved, and how many records
had their outcome in them. So a repeated event is recognised for ever, and the audit goes on adding up.

Source: docs/storage.md, Archive; docs/decisions/0033-what-is-archived-is-carried-forward.md.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeVar

from storage.database import Connection
from storage.queries import read

ReadT = TypeVar("ReadT")

_SQL = read("archive")

TABLES = (
    *("archive_end", "archive_file"),
    *("archived_event", "archived_balance", "archived_outcome", "archived_lowering"),
)
"""Nothing is in them once a database is rebuilt. With anything in them lanes aren't split, nor times before shown."""


@dataclass(frozen=True, slots=True)
class ArchiveEnd:
    """Decisions of a lane with a lower number than `next_seq`, and their postings, are in files.

    Args:
        lane: its number.
        next_seq: the first decision that is still there.
        lane_time: of the last batch that is in files.
        decisions: rows of this lane that are, likewise the postings.
        archived_at: when, by the clock of the database.
    """

    lane: int
    next_seq: int
    lane_time: datetime
    decisions: int
    postings: int
    archived_at: datetime


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """A file: all decisions and postings of some neighbouring batches that a lane has settled."""

    lane: int
    first_batch_seq: int
    last_batch_seq: int
    decisions: int
    postings: int
    name: str
    size_bytes: int
    sha256: bytes

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self), "sha256": self.sha256.hex()}


async def in_one_snapshot(connection: Connection, read_all: Callable[[], Awaitable[ReadT]]) -> ReadT:
    """What reads all that is read in one snapshot; once more where something was archived meanwhile.

    A lane's decisions lie in another table then, and an older snapshot does not see what was copied into it last.
    """
    while True:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            before = await ends(connection)
            found = await read_all()
        if await ends(connection) == before:
            return found


async def ends(connection: Connection) -> Mapping[int, ArchiveEnd]:
    """Where archives end, by lane; lanes of which nothing was archived are left out."""
    return {row["lane"]: ArchiveEnd(*row) for row in await connection.fetch(_SQL["ends"])}


async def kept_from(connection: Connection, lanes: Sequence[int]) -> int:
    """The number from which on all decisions of all these lanes are in the database."""
    found: int = await connection.fetchval(_SQL["kept_from"], [*lanes])
    return found


async def files(connection: Connection) -> list[ArchiveFile]:
    """All files, each lane's in order."""
    return [ArchiveFile(*row) for row in await connection.fetch(_SQL["files"])]


async def hashes(connection: Connection, file: ArchiveFile) -> list[tuple[int, datetime, bytes]]:
    """Number, lane time and hash of each batch of a file, as the database has them."""
    rows = await connection.fetch(_SQL["hashes"], file.lane, file.first_batch_seq, file.last_batch_seq)
    return [tuple(row) for row in rows]


async def recognised(
    connection: Connection, lanes: Sequence[int], taken: Sequence[tuple[bytes, bytes | None, int]]
) -> int:
    """How many of some events are recognised on these lanes, by hash, fingerprint and number of the decision."""
    columns = [[*column] for column in zip(*taken, strict=True)] or [[], [], []]
    found: int = await connection.fetchval(_SQL["recognised"], [*lanes], *columns)
    return found


async def moved(connection: Connection) -> Mapping[tuple[str, str], int]:
    """What was carried forward of the postings in all files: debits less credits, by ledger account and currency."""
    rows = await connection.fetch(_SQL["moved"])
    return {(row["ledger_account"], row["currency"]): row["debit_minor"] for row in rows}


async def events(connection: Connection) -> int:
    """How many events are still recognised whose decisions are in files."""
    found: int = await connection.fetchval(_SQL["events"])
    return found
