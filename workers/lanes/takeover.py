"""Taking a lane's output over: which batch was the last one sent, whoever sent it, and that it is one of ours.

1. starting the producer fences the predecessor's and ends its transaction;
2. a claim record is committed to the lane-log and read back until it is seen, so all that came before is seen too;
3. the last batch record before it is the position: all up to there is sent, nothing after it;
4. that batch must be in the database with the same hash.

Protocol: docs/protocol.md, Output.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
from aiokafka import AIOKafkaProducer

from contracts.topics import Topic
from storage import lanes, outbox
from storage.database import Connection, borrowed, first_line, is_transient
from storage.identity import Identity
from workers.kafka.clients import connection
from workers.lanes.fault_points import reached
from workers.lanes.lanelog import ClaimLog, LaneLogReader, Logged, log_key
from workers.settings.model import Settings

START_TIMEOUT_S = 30.0
"""Of the producer's start, which waits until the broker has ended the predecessor's transaction: milliseconds when all
is well, seconds while partitions look for leaders. At worst a relay says this late that it waits for the broker."""
SEND_TIMEOUT_S = 20.0
"""Of one transaction, from its begin to its commit: less than TRANSACTION_TIMEOUT_S, so that it is we who give up and
not the broker. At worst a relay says this late that it waits for the broker."""
TRANSACTION_TIMEOUT_S = 30.0
"""After this the broker ends a transaction whose producer is gone. At worst a lane that nobody takes over keeps
read_committed readers of its partitions from what came after for as long."""
REQUEST_TIMEOUT_S = 10.0
"""Of one request; half of SEND_TIMEOUT_S, so that one that got lost is sent once more in time."""
PRODUCER_BATCH_BYTES = 512 * 1024


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


def lane_producer(settings: Settings, database_id: str, lane: int) -> AIOKafkaProducer:
    """A lane's transactional producer, to be started: that fences its predecessor, and ends its transaction."""
    return AIOKafkaProducer(
        **connection(settings.kafka),
        transactional_id=f"postpay-{database_id}-lane-{lane}",
        transaction_timeout_ms=int(TRANSACTION_TIMEOUT_S * 1000),
        request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000),
        max_batch_size=PRODUCER_BATCH_BYTES,
    )


@dataclass(frozen=True, slots=True)
class Takeover:
    """What one claim of one lane takes over with; as often as its producer has to be thrown away."""

    lane: int
    epoch: int
    owner: str
    settings: Settings
    identity: Identity
    pool: asyncpg.Pool
    reader: LaneLogReader
    on_step: Callable[[], None]
    """Called after each step that took its time."""

    def new_producer(self) -> AIOKafkaProducer:
        """The lane's transactional producer, named after database and lane, to be started."""
        return lane_producer(self.settings, str(self.identity.database_id), self.lane)

    async def require_epoch(self) -> None:
        """Never fence a successor: a relay whose lane has moved on ends before it starts a producer.

        Raises:
            FencedError: the lane has another epoch.
        """
        async with asking(self.pool) as connection_, connection_.transaction():
            await lanes.lock(connection_, self.lane, self.epoch)
        self.on_step()

    async def last_sent(self, producer: AIOKafkaProducer) -> int:
        """Start the producer and find the last batch whose outputs are in Kafka; 0 when none was ever sent.

        Raises:
            FencedError: the lane has another epoch.
            LaneLogError: the log belongs to another database.
            LogAheadError: that batch is not in the database.
            RelayError: it is another one there.
        """
        async with asyncio.timeout(START_TIMEOUT_S):
            await producer.start()
        self.on_step()
        offset = await self._claim(producer)
        self.on_step()
        reached("after_claim_record")
        logged = await self.reader.last_before(self.lane, offset)
        self.on_step()
        await self.require_epoch()
        await self._require_ours(logged)
        return 0 if logged is None else logged.batch_seq

    async def _claim(self, producer: AIOKafkaProducer) -> int:
        """Commit the claim record; the offset the broker gave it."""
        claim = ClaimLog(
            str(self.identity.database_id),
            self.identity.cluster_id or "",
            self.settings.topics.prefix,
            self.settings.group,
            self.lane,
            self.epoch,
            self.owner,
        )
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await producer.begin_transaction()
            sent = await producer.send(
                self.settings.topics.prefix + Topic.LANE_LOG,
                claim.encode(),
                key=log_key(self.lane),
                partition=self.lane,
            )
            offset: int = (await sent).offset
            await producer.commit_transaction()
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
