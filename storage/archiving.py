"""Moving a lane's old decisions and postings out of the database, once they are in files.

Rows never change, so all but a moment of it is done while workers go on: what stays is copied into a new partition, and
what is needed of the rest is carried forward. Then, in one transaction, the new partition takes the place of the old
one, which is dropped. Until then nothing that was done counts; who is killed begins again.

Source: docs/storage.md, Archive; docs/decisions/0033-what-is-archived-is-carried-forward.md.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import NamedTuple

import asyncpg
import stamina

from settlement.ledger import owned_by
from storage import archive, branches, operator_log, recorded
from storage.archive import ArchiveFile
from storage.audit.checks import BELOW_NOTHING_AFTER
from storage.database import Connection, set_lock_timeout
from storage.distribution import is_distributed
from storage.migrations import LOCK_ATTEMPTS, LOCK_TIMEOUT_S, alone, require_migrated
from storage.operator_log import Note
from storage.queries import read
from storage.replacement import unheard
from storage.sessions import Password

_SQL = read("archiving")

ROWS_AT_ONCE = 50_000
"""Decisions that are copied by one statement."""
LEFT_AT_MOST = 2_000
"""Decisions that are copied while the lanes wait."""
QUICK_LOCK_TIMEOUT_S = 0.2
"""How long the first attempts wait for what reads the tables, for everybody who settles waits behind them."""
QUICK_ATTEMPTS = 10
"""Later ones wait LOCK_TIMEOUT_S: an autovacuum gives way only to who has waited for a second (deadlock_timeout)."""

_PLATFORM = sorted(owned_by(None))
_LAST = 2**62
"""Beyond every number of a batch."""

Told = Callable[[int], None]
"""Told how many more decisions were looked at."""


class NotArchivableError(Exception):
    """Nothing can be archived in this database; says why."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a lane's decisions are cut: those from `kept_from` to below `next_seq` go.

    Args:
        lane: its number.
        after: its own batches after this one are to be written to files,
        batch_seq: up to this one; the same as `after` where none of its own is old enough.
        kept_from: the first decision that is there now.
        next_seq: the first one that stays.
        lane_time: of the last batch that goes.
    """

    lane: int
    after: int
    batch_seq: int
    kept_from: int
    next_seq: int
    lane_time: datetime


Family = Sequence[Cut]
"""Lanes that were one lane once: files of what it settled then hold rows of all of them, so they are cut together."""


@asynccontextmanager
async def archivist(dsn: str, password: Password | None = None) -> AsyncIterator[asyncpg.Connection]:
    """A connection that alone may change the schema for as long as it lives, as its owner.

    What was copied and took no place is dropped in the end, or by the next one.

    Raises:
        NotMigratedError: the database lacks migrations.
        NotArchivableError: it is distributed over nodes, or the user is no member of postpay_owner.
    """
    async with alone(dsn, password) as connection:
        await require_migrated(connection)
        if await is_distributed(connection):
            raise NotArchivableError(
                "expected a database on one node, and this one is distributed: partitions are not exchanged on nodes"
            )
        try:
            await connection.execute(_SQL["act_as_owner"])
        except asyncpg.InsufficientPrivilegeError as error:
            raise NotArchivableError(
                f"expected a database user who migrates, a member of postpay_owner: {error}"
            ) from error
        try:
            await connection.execute(_SQL["drop_kept"])
        except asyncpg.LockNotAvailableError as error:
            raise NotArchivableError(
                "what an archiving left that did not come to its end is being read, by a backup: try again later"
            ) from error
        try:
            yield connection
        finally:
            if not connection.is_closed():
                with suppress(asyncpg.LockNotAvailableError):  # a backup reads it: the next one drops it
                    await connection.execute(_SQL["drop_kept"])


async def cuts(connection: Connection, before: datetime) -> list[Family]:
    """Where lanes are cut so that all batches with a lane time before this one go; only of lanes of which any do."""
    ends = await archive.ends(connection)
    split = await branches.branches(connection)
    lanes_at_first = min((branch.from_lanes for branch in split), default=_LAST)
    families: dict[int, list[Cut]] = defaultdict(list)
    for row in await recorded.lanes(connection):
        lane = row["lane"]
        kept_from = ends[lane].next_seq if lane in ends else 1
        cut = await _cut(connection, lane, before, kept_from)
        if cut is not None:
            families[lane % lanes_at_first].append(cut)
    return [family for family in families.values() if family]


async def _cut(connection: Connection, lane: int, before: datetime, kept_from: int) -> Cut | None:
    """Where a lane is cut; None where nothing goes."""
    begins = await branches.begins(connection, lane)
    after = await connection.fetchval(_SQL["last_archived"], lane) or begins.batch_seq
    owner, until = lane, _LAST
    while (last := await connection.fetchrow(_SQL["last_before"], owner, before, until)) is None:
        if begins.from_lane == owner:
            return None
        owner, until = begins.from_lane, begins.batch_seq
        begins = await branches.begins(connection, owner)
    if last["next_seq"] <= kept_from:
        return None
    own = last["batch_seq"] if owner == lane else after
    return Cut(lane, after, own, kept_from, last["next_seq"], last["lane_time"])


class Going(NamedTuple):
    """How many decisions and postings of a lane go; the highest number of one, and of one that has posted."""

    decisions: int
    postings: int
    last_decision: int
    last_posting: int


@dataclass(slots=True)
class Archiving:
    """The rest of what is done with a family once its files are written.

    Args:
        connection: of `archivist`, outside a transaction.
        family: which lanes are cut, and where.
    """

    connection: Connection
    family: Family

    async def to_prepare(self) -> int:
        """How many decisions `prepare` looks at, by and large."""
        ends = [await self.connection.fetchval(_SQL["next_seq"], cut.lane) for cut in self.family]
        return sum(end - cut.kept_from for cut, end in zip(self.family, ends, strict=True))

    async def prepare(self, told: Told) -> dict[int, int]:
        """Copy what stays and carry forward what is needed of the rest; workers go on meanwhile.

        Returns:
            By lane, up to below which decision it was copied.
        """
        copied = {}
        for cut in self.family:
            await self._carry_forward(cut, told)
            copied[cut.lane] = await self._keep(cut, told)
        return copied

    async def going(self) -> dict[int, Going]:
        """What goes of each lane."""
        return {
            cut.lane: Going(*await self.connection.fetchrow(_SQL["going"], cut.lane, cut.next_seq))
            for cut in self.family
        }

    async def exchange(
        self,
        copied: dict[int, int],
        going: Mapping[int, Going],
        files: Sequence[ArchiveFile],
        note: Note,
        on_exchanged: Callable[[], None] = unheard,
    ) -> None:
        """Drop what is in files, in one transaction: the lanes wait for what was settled since it was prepared.

        Args:
            copied: as `prepare` gave it; what was settled since is copied before each attempt, and added.
            going: what goes.
            files: those of these lanes, which hold all that goes.
            note: for the operator log.
            on_exchanged: called before the COMMIT.

        Raises:
            NotArchivableError: the tables are read without a pause; nothing has changed.
        """
        try:
            async for attempt in stamina.retry_context(
                on=(asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError),
                attempts=LOCK_ATTEMPTS,
                timeout=None,
                wait_initial=0.2,
                wait_max=5.0,
            ):
                with attempt:
                    for cut in self.family:
                        copied[cut.lane] = await self._catch_up(cut.lane, copied[cut.lane])
                    async with self.connection.transaction():
                        is_quick = attempt.num <= QUICK_ATTEMPTS
                        await set_lock_timeout(self.connection, QUICK_LOCK_TIMEOUT_S if is_quick else LOCK_TIMEOUT_S)
                        await self._exchange(copied, going, files)
                        await operator_log.append(self.connection, [note])
                        on_exchanged()
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            lanes = ", ".join(str(cut.lane) for cut in self.family)
            raise NotArchivableError(
                f"partitions of lane {lanes} could not be exchanged: decisions are read without a pause, by a backup or"
                " another command; nothing has changed, try again later"
            ) from error

    async def _exchange(
        self, copied: Mapping[int, int], going: Mapping[int, Going], files: Sequence[ArchiveFile]
    ) -> None:
        connection = self.connection
        for row in await connection.fetch(_SQL["hold"], [cut.lane for cut in self.family]):
            await self._copy(row["lane"], copied[row["lane"]], row["next_seq"])
        await operator_log.lock(connection)  # before decisions, as whoever redrives does
        await connection.execute(_SQL["close_tables"])
        for cut in self.family:
            await self._choose(cut.lane)
            await connection.execute(_SQL["exchange"])
            await connection.execute(_SQL["put_end"], cut.lane, cut.next_seq, cut.lane_time, *going[cut.lane])
        for file in files:
            await connection.execute(_SQL["put_file"], *astuple(file))

    async def _carry_forward(self, cut: Cut, told: Told) -> None:
        connection = self.connection
        for first in range(cut.kept_from, cut.next_seq, ROWS_AT_ONCE):
            until = min(first + ROWS_AT_ONCE, cut.next_seq)
            await connection.execute(_SQL["carry_events"], cut.lane, first, until)
            told(until - first)
        async with connection.transaction():
            await connection.execute(_SQL["forget_unfinished"], cut.lane)
            await connection.execute(_SQL["carry_balances"], cut.lane, cut.next_seq, _PLATFORM)
            await connection.execute(_SQL["carry_outcomes"], cut.lane, cut.next_seq)
            await connection.execute(_SQL["carry_lowerings"], cut.lane, cut.next_seq, BELOW_NOTHING_AFTER)

    async def _keep(self, cut: Cut, told: Told) -> int:
        await self._choose(cut.lane)
        await self.connection.execute(_SQL["make_kept"])
        copied = await self._catch_up(cut.lane, cut.next_seq, told)
        await self.connection.execute(_SQL["index_kept"])
        return copied

    async def _catch_up(self, lane: int, copied: int, told: Told = lambda _: None) -> int:
        """Copy what was settled since, until that is little."""
        while (until := await self.connection.fetchval(_SQL["next_seq"], lane)) - copied > LEFT_AT_MOST:
            upto = min(copied + ROWS_AT_ONCE, until)
            await self._copy(lane, copied, upto)
            told(upto - copied)
            copied = upto
        return copied

    async def _copy(self, lane: int, first: int, until: int) -> None:
        await self._choose(lane, first, until)
        await self.connection.execute(_SQL["keep_rows"])

    async def _choose(self, lane: int, first: int = 0, until: int = 0) -> None:
        await self.connection.execute(_SQL["choose_rows"], str(lane), str(first), str(until))
