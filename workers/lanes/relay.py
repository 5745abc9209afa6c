"""Sends what a lane has settled: each batch's outputs and its lane-log record in one Kafka transaction, exactly once.

One transactional producer per lane, named after the database and the lane, and only while the lane is ours.
Taking over:

1. starting the producer fences the predecessor's and ends its transaction;
2. a claim record is committed to the lane-log and read back until it is seen, so all that came before is seen too;
3. the last batch record before it is the position: all up to there is sent, nothing after it;
4. that batch must be in the database with the same hash, and the outbox must go on with the next number.

After any error or time-out the producer is thrown away and the relay takes over from itself. A transaction may carry
several batches, each followed by its lane-log record. Protocol: docs/protocol.md, Output.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from contracts.topics import Topic
from storage import lanes, outbox
from storage.database import Connection, is_transient
from storage.identity import Identity
from storage.lanes import FencedError
from workers import logs
from workers.kafka.clients import connection
from workers.lanes.backoff import Backoff
from workers.lanes.checkpoints import reached
from workers.lanes.lanelog import ClaimLog, LaneLogError, LaneLogReader, Logged, log_key
from workers.lanes.outgoing import OutboxMessage, Relayable, unpack
from workers.settings.model import Settings
from workers.status import LaneStatus, WorkerStatus

START_TIMEOUT_S = 30.0
SEND_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0
TRANSACTION_TIMEOUT_MS = 30_000
REQUEST_TIMEOUT_MS = 10_000
PRODUCER_BATCH_BYTES = 512 * 1024
TRANSACTION_BYTES = 4 * 1024 * 1024
"""Batches that wait are sent in one transaction up to this size."""
BACKLOG_BYTES = 4 * 1024 * 1024
"""Of what is settled and not sent, packed; in memory it takes twice that, and as much again while it is sent."""
MOST_ODD_ERRORS = 5
"""In a row, without a transaction between them: then it is no accident of the broker's, and a person has to look."""
HINT_INTERVAL_S = 5.0
"""How often the database is told how far the relay is; only a hint, for people and for dropping old outbox rows."""


class RelayError(Exception):
    """The outbox and the lane-log contradict each other; the lane must stop until a person has looked."""


class _DatabaseAwayError(Exception):
    """The database can't be asked just now. Its client's OSError or TimeoutError could as well be the broker's."""


class Relay:
    """Sends the batches of one claim of one lane.

    Args:
        lane: its number.
        epoch: of the claim; once the lane has another, this relay ends.
        settled: batch_seq of the last batch committed before the claim.
        states: says what lasts once.
        on_moved: called when there is room again, or the relay has ended.
    """

    def __init__(
        self,
        lane: int,
        epoch: int,
        settled: int,
        *,
        owner: str,
        settings: Settings,
        identity: Identity,
        pool: asyncpg.Pool,
        reader: LaneLogReader,
        status: WorkerStatus,
        states: logs.ChangeOfState,
        on_moved: Callable[[], None],
    ) -> None:
        self.lane = lane
        self.epoch = epoch
        self.relayed = 0
        self.settled = settled
        self.error: BaseException | None = None
        """What ended the relay; the lane raises it."""
        self.agreed = False
        """The lane-log and the database have been compared and agree. Before that nothing may be settled: a restored
        database would decide anew, and differently, what is sent already."""
        self._owner = owner
        self._settings = settings
        self._identity = identity
        self._pool = pool
        self._reader = reader
        self._status = status
        self._states = states
        self._on_moved = on_moved
        self._handed: deque[Relayable] = deque()
        self._handed_bytes = 0
        self._work = asyncio.Event()
        self._drained = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._hinted = 0
        self._hinted_at = 0.0
        self._backoff = Backoff()
        self._odd_errors = 0

    def start(self) -> None:
        """Begin to take over and send, in the background."""
        self._lane_status().relayed_at = time.monotonic()
        self._task = asyncio.create_task(self._run(), name=f"relay-{self.lane}")

    def hand_over(self, batch: Relayable) -> None:
        """Take a batch that has just been committed."""
        if not self._handed:  # the watchdog counts from here: a relay without work may rest for ever
            self._lane_status().relayed_at = time.monotonic()
        self._handed.append(batch)
        self._handed_bytes += batch.size_bytes
        self.settled = batch.batch_seq
        self._drained.clear()
        self._work.set()

    @property
    def has_room(self) -> bool:
        """Whether the lane may settle another batch before more is sent."""
        return (
            len(self._handed) < self._settings.worker.relay_backlog and self._handed_bytes < BACKLOG_BYTES
        ) or self.error is not None

    async def drained(self, timeout_s: float) -> bool:
        """Wait until everything settled has been sent; False when time or the relay ended first."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._drained.wait()
        return self.error is None and self.agreed and self.relayed >= self.settled

    async def stop(self) -> None:
        """End at once; what is not sent stays in the outbox."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=STOP_TIMEOUT_S + 1)

    async def _run(self) -> None:
        try:
            while True:
                try:
                    await self._take_over_and_send()
                except (FencedError, RelayError, LaneLogError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    raise
                except _DatabaseAwayError as error:
                    self._said_away(f"the database: {error}")
                except Exception as error:  # noqa: BLE001  see below
                    # Whatever it was, and whatever became of the transaction: the log will tell the next producer.
                    # aiokafka answers an unexpected state with assertions, too, which another producer doesn't meet.
                    self._count_odd(error)
                    self._said_away(f"the broker: {str(error) or type(error).__name__}")
                await self._backoff.wait()
        except asyncio.CancelledError:
            self.error = self.error or FencedError(f"the relay of lane {self.lane} was stopped")
            raise
        except Exception as error:  # noqa: BLE001  handed to the lane, which stops or claims again
            self.error = error
        finally:
            self._drained.set()
            self._on_moved()

    def _count_odd(self, error: Exception) -> None:
        """Let an error that no broker's absence explains pass a few times only."""
        self._odd_errors = 0 if isinstance(error, (KafkaError, OSError, TimeoutError)) else self._odd_errors + 1
        if self._odd_errors >= MOST_ODD_ERRORS:
            raise error

    def _said_away(self, reason: str) -> None:
        lane = self._lane_status()
        lane.relay_detail = f"relay waits for {reason}"
        self._states.enter(
            ("relay", self.lane), "relay interrupted: it takes over again", lane=self.lane, error=reason[:500]
        )
        lane.relayed_at = time.monotonic()

    async def _take_over_and_send(self) -> None:
        await self._require_epoch()
        producer = self._new_producer()
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await producer.start()
            await self._take_over(producer)
            self._backoff.reset()
            lane = self._lane_status()
            lane.relay_detail, lane.relayed_at = "", time.monotonic()
            self._states.leave(("relay", self.lane), "relay goes on", lane=self.lane)
            while True:
                await self._send_next(producer)
        finally:
            await _throw_away(producer)

    @asynccontextmanager
    async def _database(self) -> AsyncIterator[Connection]:
        """A connection of the pool.

        Raises:
            _DatabaseAwayError: instead of what passes by itself.
        """
        try:
            async with self._pool.acquire() as connection_:
                yield connection_
        except Exception as error:
            if is_transient(error):
                raise _DatabaseAwayError(str(error).partition("\n")[0] or type(error).__name__) from error
            raise

    def _new_producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **connection(self._settings.kafka),
            transactional_id=f"postpay-{self._identity.database_id}-lane-{self.lane}",
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            max_batch_size=PRODUCER_BATCH_BYTES,
        )

    async def _require_epoch(self) -> None:
        """Never fence a successor: a relay whose lane has moved on ends before it starts a producer.

        Raises:
            FencedError: the lane has another epoch.
        """
        async with self._database() as connection_, connection_.transaction():
            await lanes.lock(connection_, self.lane, self.epoch)

    async def _take_over(self, producer: AIOKafkaProducer) -> None:
        claim = ClaimLog(
            str(self._identity.database_id),
            self._identity.cluster_id or "",
            self._settings.topics.prefix,
            self._settings.group,
            self.lane,
            self.epoch,
            self._owner,
        )
        offset = await self._claim(producer, claim)
        reached("after_claim_record")
        logged = await self._reader.last_before(self.lane, offset)
        await self._require_epoch()
        await self._check(logged)
        self._move_to(logged.batch_seq if logged is not None else 0)
        await self._read_outbox()
        self.agreed = True
        self._note_progress()

    async def _claim(self, producer: AIOKafkaProducer, claim: ClaimLog) -> int:
        """Commit the claim record; the offset the broker gave it."""
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await producer.begin_transaction()
            sent = await producer.send(
                self._settings.topics.prefix + Topic.LANE_LOG,
                claim.encode(),
                key=log_key(self.lane),
                partition=self.lane,
            )
            offset: int = (await sent).offset
            await producer.commit_transaction()
        return offset

    async def _check(self, logged: Logged | None) -> None:
        """The last batch in the log must be one of ours, with the same history.

        Raises:
            RelayError: it is not.
        """
        if logged is None:
            return
        async with self._database() as connection_:
            chain_hash = await outbox.batch_exists(connection_, self.lane, logged.batch_seq)
        if chain_hash is None:
            msg = (
                f"the lane-log of lane {self.lane} is ahead of the database: batch {logged.batch_seq} was sent, and the"
                " database does not have it (restored from a backup, or a fail-over lost commits?). Nothing more is"
                " sent; bring back the database that has it"
            )
            raise RelayError(msg)
        if chain_hash != logged.chain_hash:
            msg = (
                f"batch {logged.batch_seq} of lane {self.lane} was sent with hash {logged.chain_hash.hex()}, and the"
                f" database has {chain_hash.hex()}: the two histories differ (see docs/protocol.md)"
            )
            raise RelayError(msg)

    async def _read_outbox(self) -> None:
        """Bring in what lies between the log and what the lane has handed over.

        Raises:
            RelayError: a batch is missing.
        """
        missing: list[Relayable] = []
        position = self.relayed
        while position < self._first_in_memory() - 1:
            async with self._database() as connection_:
                rows = await outbox.read_after(connection_, self.lane, position, TRANSACTION_BYTES)
            rows = [row for row in rows if row.batch_seq < self._first_in_memory()]
            if not rows or rows[0].batch_seq != position + 1:
                msg = (
                    f"the outbox of lane {self.lane} has a hole: batch {position + 1} was never sent and is not there"
                    f" (the last sent is {self.relayed}, the last settled {self.settled})"
                )
                raise RelayError(msg)
            missing += [unpack(row.batch_seq, row.parts) for row in rows]
            position = rows[-1].batch_seq
        for batch in reversed(missing):
            self._handed.appendleft(batch)
            self._handed_bytes += batch.size_bytes
        if self._handed:
            self._work.set()

    def _first_in_memory(self) -> int:
        return self._handed[0].batch_seq if self._handed else self.settled + 1

    def _move_to(self, batch_seq: int) -> None:
        """Everything up to `batch_seq` is known to be sent."""
        self.relayed = batch_seq
        while self._handed and self._handed[0].batch_seq <= batch_seq:
            self._handed_bytes -= self._handed.popleft().size_bytes

    async def _send_next(self, producer: AIOKafkaProducer) -> None:
        if not self._handed:
            self._drained.set()
            self._work.clear()
            await self._wait_for_work()
        sending = self._next_transaction()
        begun = time.monotonic()
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await self._send(producer, sending)
        self._move_to(sending[-1].batch_seq)
        self._odd_errors = 0
        self._status.relay_seconds.observe(time.monotonic() - begun)
        self._note_progress()
        await self._hint()

    async def _wait_for_work(self) -> None:
        """Wait for a batch; before a long wait the database is told how far the lane is relayed."""
        try:
            async with asyncio.timeout(HINT_INTERVAL_S):
                await self._work.wait()
        except TimeoutError:
            await self._hint()
            await self._work.wait()

    def _next_transaction(self) -> list[Relayable]:
        """The batches of the next transaction; their numbers must follow what was sent.

        Raises:
            RelayError: they do not.
        """
        sending: list[Relayable] = []
        size_bytes = 0
        for expected, batch in enumerate(self._handed, start=self.relayed + 1):
            if sending and size_bytes + batch.size_bytes > TRANSACTION_BYTES:
                break
            if batch.batch_seq != expected:
                msg = f"batch {expected} of lane {self.lane} should be sent next, and {batch.batch_seq} was handed over"
                raise RelayError(msg)
            sending.append(batch)
            size_bytes += batch.size_bytes
        return sending

    async def _send(self, producer: AIOKafkaProducer, batches: Sequence[Relayable]) -> None:
        by_partition: dict[tuple[str, int], list[OutboxMessage]] = {}
        for batch in batches:
            for message in batch.messages:
                by_partition.setdefault((message.topic, message.partition), []).append(message)
        reached("before_kafka_transaction")
        await producer.begin_transaction()
        prefix = self._settings.topics.prefix
        tasks = [
            asyncio.create_task(_send_to(producer, prefix + topic, partition, messages))
            for (topic, partition), messages in by_partition.items()
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            reached("in_kafka_transaction")
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        reached("before_kafka_commit")
        await producer.commit_transaction()
        reached("after_kafka_commit")

    def _note_progress(self) -> None:
        lane = self._lane_status()
        lane.relayed, lane.relayed_at = self.relayed, time.monotonic()
        if not self._handed:
            self._drained.set()
        self._on_moved()

    async def _hint(self) -> None:
        if self._hinted == self.relayed or time.monotonic() - self._hinted_at < HINT_INTERVAL_S:
            return
        self._hinted, self._hinted_at = self.relayed, time.monotonic()
        async with self._database() as connection_:
            await outbox.relayed(connection_, self.lane, self.relayed)

    def _lane_status(self) -> LaneStatus:
        return self._status.lanes.setdefault(self.lane, LaneStatus(self.lane))


async def _send_to(producer: AIOKafkaProducer, topic: str, partition: int, messages: Iterable[OutboxMessage]) -> None:
    """Send messages to one partition, in order, as few record batches as they fit in.

    aiokafka's `send` costs a future and a look-up for each message (some 25 µs); a batch of its own 2 µs.
    """
    builder = producer.create_batch()
    delivered = []
    for _, _, key, value, headers in messages:
        named = list(headers)  # it takes nothing else
        if builder.append(timestamp=None, key=key, value=value, headers=named) is None:
            delivered.append(await producer.send_batch(builder, topic, partition=partition))
            builder = producer.create_batch()
            builder.append(timestamp=None, key=key, value=value, headers=named)
    delivered.append(await producer.send_batch(builder, topic, partition=partition))
    await asyncio.gather(*delivered)


async def _throw_away(producer: AIOKafkaProducer) -> None:
    """Close a producer whatever state it is in; an open transaction is ended by the next one's start."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await producer.stop()
    with contextlib.suppress(Exception):
        await producer.client.close()


__all__ = ["LaneLogError", "Relay", "RelayError"]
