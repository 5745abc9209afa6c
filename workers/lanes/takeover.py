"""Taking a lane's output over: which batch was the last one sent, whoever sent it, and that it is one of ours.

1. the producer has been started, and then the epoch is still ours;
2. whoever else may send for the lane, by its lane-log, is fenced, which ends its transaction;
3. a claim record is committed to the lane-log and read back until it is seen, so all that came before is seen too;
4. the last batch record before it is the position: all up to there is sent, nothing after it;
5. that batch must be in the database with the same hash.

Protocol: docs/protocol.md, Output.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from contracts.topics import Topic
from storage import lanes, outbox
from storage.database import Connection, borrowed, first_line, is_transient
from storage.identity import Identity
from workers.lanes.fault_points import reached
from workers.lanes.lanelog import ClaimLog, LaneLogReader, Logged, log_key
from workers.lanes.outgoing import OutboxMessage
from workers.lanes.sender import LaneShare, OutputRefusedError, SenderSession, fence, lane_sender
from workers.settings.model import Settings


class RelayError(Exception):
    """The outbox and the lane-log contradict each other; the lane must stop until a person has looked."""


class DatabaseAwayError(Exception):
    """The database can't be asked just now. Its client's OSError or TimeoutError could as well be the broker's."""


class LogAheadError(RelayError):
    """The lane-log has batches that the database does not have, because it was taken back to an earlier moment."""

    def __init__(self, message: str, logged: Logged) -> None:
        super().__init__(message)
        self.logged = logged


@asynccontextmanager
async def asking(pool: asyncpg.Pool) -> AsyncIterator[Connection]:
    """A connection of the pool.

    Raises:
        DatabaseAwayError: instead of what passes by itself.
    """
    try:
        async with borrowed(pool) as connection_:
            yield connection_
    except Exception as error:
        if is_transient(error):
            raise DatabaseAwayError(first_line(error)) from error
        raise


def to_be_fenced(claims: Sequence[ClaimLog], database_id: str, lane: int) -> set[str]:
    """Senders that may still send for a lane: those named last in its lane-log that have not released it since.

    A claim that names none is of a release in which every lane had a producer of its own; no claim so far back, too.

    Args:
        claims: of the end of the lane-log, oldest first.
        database_id: of the database.
        lane: its number.
    """
    own = lane_sender(database_id, lane)
    released = {claim.sender or own: claim.released for claim in claims} or {own: False}
    return {name for name, is_released in released.items() if not is_released}


async def fence_lanes(settings: Settings, database_id: str, lanes: Iterable[int]) -> None:
    """Fence whoever may still send for lanes that nobody holds.

    Raises:
        KafkaError, OSError, TimeoutError: the brokers are away.
    """
    reader = LaneLogReader(settings.kafka, settings.topics.prefix, database_id)
    try:
        names = {name for lane in lanes for name in to_be_fenced(await reader.claims(lane), database_id, lane)}
    finally:
        await reader.close()
    for name in sorted(names):
        await fence(settings, name)


@dataclass(slots=True)
class Takeover:
    """What one claim of one lane takes over with; as often as a producer has to be thrown away."""

    lane: int
    epoch: int
    owner: str
    own_sender: str
    """The name of this worker's sender."""
    settings: Settings
    identity: Identity
    pool: asyncpg.Pool
    reader: LaneLogReader
    on_step: Callable[[], None]
    """Called after each step that took its time."""

    others_fenced: bool = False
    """Once is enough for a claim: whoever was fenced since the epoch was raised finds it before it sends again."""

    async def require_epoch(self) -> None:
        """Never fence a successor: a relay whose lane has moved on ends before it starts a producer.

        Raises:
            FencedError: the lane has another epoch.
        """
        async with asking(self.pool) as connection_, connection_.transaction():
            await lanes.lock(connection_, self.lane, self.epoch)
        self.on_step()

    async def last_sent(self, session: SenderSession) -> int:
        """Find the last batch whose outputs are in Kafka; 0 when none was ever sent.

        Raises:
            FencedError: the lane has another epoch.
            LaneLogError: the log belongs to another database.
            LogAheadError: that batch is not in the database.
            RelayError: it is another one there.
        """
        await self.require_epoch()  # after the producer's start: who fences it later has raised the epoch before
        if not self.others_fenced:
            await self._fence_others(session)
        reached("others_fenced")
        offset = await self._claim(session)
        self.on_step()
        reached("after_claim_record")
        logged = await self.reader.last_before(self.lane, offset)
        self.on_step()
        await self.require_epoch()  # after the claim record: who did not find it there has raised the epoch before
        await self._require_ours(logged)
        return 0 if logged is None else logged.batch_seq

    async def _fence_others(self, session: SenderSession) -> None:
        """Fence all but this worker's own sender, whose transactions follow one another anyway."""
        claims = await self.reader.claims(self.lane)
        self.on_step()
        for name in to_be_fenced(claims, str(self.identity.database_id), self.lane) - {self.own_sender, session.name}:
            await fence(self.settings, name)
            self.on_step()
        self.others_fenced = True

    def claim_message(self, sender: str, *, released: bool = False) -> OutboxMessage:
        """The claim record, to be sent by this sender."""
        claim = ClaimLog(
            str(self.identity.database_id),
            self.identity.cluster_id or "",
            self.settings.topics.prefix,
            self.settings.group,
            self.lane,
            self.epoch,
            self.owner,
            sender,
            released,
        )
        return OutboxMessage(Topic.LANE_LOG.value, self.lane, log_key(self.lane), claim.encode(), ())

    async def _claim(self, session: SenderSession) -> int:
        """Commit the claim record; the offset the broker gave it."""
        offsets = await session.send(LaneShare([self.claim_message(session.name)], on_step=self.on_step))
        offset = offsets[Topic.LANE_LOG.value, self.lane]
        if offset < 0:  # nothing can be read back to a record of which nobody knows where it is
            raise OutputRefusedError(f"the broker did not say where the claim record of lane {self.lane} is")
        return offset

    async def _require_ours(self, logged: Logged | None) -> None:
        """The last batch in the log must be one of ours, with the same history.

        Raises:
            LogAheadError: it is not there.
            RelayError: it is another.
        """
        if logged is None:
            return
        async with asking(self.pool) as connection_:
            chain_hash = await outbox.batch_exists(connection_, self.lane, logged.batch_seq)
        if chain_hash is None:
            msg = (
                f"the lane-log of lane {self.lane} is ahead of the database: batch {logged.batch_seq} was sent, and the"
                " database does not have it (restored from a backup, or a fail-over lost commits?)"
            )
            raise LogAheadError(msg, logged)
        if chain_hash != logged.chain_hash:
            msg = (
                f"batch {logged.batch_seq} of lane {self.lane} was sent with hash {logged.chain_hash.hex()}, and the"
                f" database has {chain_hash.hex()}: the two histories differ (see docs/protocol.md)"
            )
            raise RelayError(msg)
