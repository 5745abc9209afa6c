"""A worker's one transactional producer: what its lanes have settled by then goes out in one Kafka transaction.

A lane's relay gives its share and waits. While a transaction is under way the shares of others gather for the next.

What a producer is in after an error nobody promises, and only the lane-log tells whether an unanswered COMMIT took
place. So a session, the life of one producer from its start, ends with its first error; the next producer's start ends
what transaction was left open, and every lane takes over again before it sends. A lane whose share was in a transaction
that failed goes on by itself, on a producer of its own, until something of it has got through: what is refused to one
lane, or hangs, holds up no other.

Protocol: docs/protocol.md, Output.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerFenced

from storage.database import first_line
from workers import logs
from workers.kafka.clients import connection, stop_within
from workers.lanes.fault_points import reached
from workers.lanes.outgoing import OutboxMessage
from workers.settings.model import Settings
from workers.status import WorkerStatus
from workers.tracing import UNTRACED, RelayTrace

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
PRODUCER_STOP_TIMEOUT_S = 1.0
"""Of the producer: to a broker that answers it says goodbye within milliseconds. At worst its transaction is ended by
the next one's start."""
PRODUCER_BATCH_BYTES = 512 * 1024
TRANSACTION_BYTES = 4 * 1024 * 1024
"""What waits is sent in one transaction up to this size."""

LOG = logs.get(__name__)

FirstOffsets = Mapping[tuple[str, int], int]
"""By topic without prefix, and partition: where the first record of a transaction went."""


class OutputRefusedError(KafkaError):  # type: ignore[misc] # aiokafka has no types
    """The broker does not take what goes to one partition; says which, for its own errors seldom do."""


class SessionOverError(Exception):
    """The producer was fenced, or failed with what was not this lane's: the lane takes over again, at once."""


class SharedFailureError(Exception):
    """A transaction failed that others had a share in: alone it will show whose fault it was."""


@dataclass(slots=True)
class LaneShare:
    """What one lane sends in a transaction.

    `has_batches` tells it from a claim record alone. `on_step` is called when its transaction begins.
    """

    messages: Sequence[OutboxMessage]
    size_bytes: int = 0
    has_batches: bool = False
    on_step: Callable[[], None] = lambda: None
    trace: RelayTrace = UNTRACED
    sent: asyncio.Future[FirstOffsets] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def failed(self, error: Exception) -> None:
        """Tell whoever still waits for it."""
        if not self.sent.done():
            self.sent.set_exception(error)


class SenderSession:
    """One producer, from its start to its first error.

    Args:
        producer: started.
        name: its transactional id.
        prefix: of topics.
        status: of the worker.
    """

    def __init__(self, producer: AIOKafkaProducer, name: str, prefix: str, status: WorkerStatus) -> None:
        self.name = name
        self.is_over = False
        self._producer = producer
        self._prefix = prefix
        self._status = status
        self._waiting: deque[LaneShare] = deque()
        self._work = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="sender")

    async def send(self, share: LaneShare) -> FirstOffsets:
        """Send a share in the next transaction; once this returns it is committed.

        Raises:
            SessionOverError, SharedFailureError: take over again.
            Exception: the transaction of this share alone failed. Whether it was committed the lane-log tells.
        """
        if self.is_over:
            raise SessionOverError("the producer was thrown away")
        self._waiting.append(share)
        self._work.set()
        return await share.sent

    async def close(self) -> None:
        """Throw the producer away; an open transaction is ended by the next one's start."""
        self._task.cancel()
        await asyncio.wait([self._task], timeout=PRODUCER_STOP_TIMEOUT_S)
        self._end([], SessionOverError("the worker ends"))
        await throw_away(self._producer)

    async def _run(self) -> None:
        shares: list[LaneShare] = []
        try:
            while True:
                await self._work.wait()
                shares = self._next()
                if shares:
                    await self._send_together(shares)
        except Exception as error:  # noqa: BLE001  handed to those whose shares it were
            self._end(shares, error)
        finally:
            self._end(shares, SessionOverError("the producer was thrown away"))

    def _next(self) -> list[LaneShare]:
        """What goes into the next transaction; nobody waits any more for what was given up."""
        shares: list[LaneShare] = []
        size_bytes = 0
        while self._waiting and (not shares or size_bytes + self._waiting[0].size_bytes <= TRANSACTION_BYTES):
            share = self._waiting.popleft()
            if not share.sent.done():
                shares.append(share)
                size_bytes += share.size_bytes
        if not self._waiting:
            self._work.clear()
        return shares

    async def _send_together(self, shares: Sequence[LaneShare]) -> None:
        begun = time.monotonic()
        has_batches = any(share.has_batches for share in shares)
        for share in shares:
            share.on_step()
        async with asyncio.timeout(SEND_TIMEOUT_S):
            offsets = await self._transaction(shares, reached if has_batches else _not_counted)
        if has_batches:
            self._status.relay_seconds.observe(time.monotonic() - begun)
        for share in shares:
            if not share.sent.done():
                share.sent.set_result(offsets)

    async def _transaction(self, shares: Sequence[LaneShare], passed: Callable[[str], None]) -> FirstOffsets:
        by_partition: dict[tuple[str, int], list[OutboxMessage]] = {}
        for share in shares:
            for message in share.messages:
                by_partition.setdefault((message.topic, message.partition), []).append(message)
        passed("before_kafka_transaction")
        await self._producer.begin_transaction()
        tasks = [
            asyncio.create_task(_send_to(self._producer, self._prefix + topic, partition, messages))
            for (topic, partition), messages in by_partition.items()
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            passed("in_kafka_transaction")
            offsets = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        passed("before_kafka_commit")
        with contextlib.ExitStack() as steps:
            for share in shares:
                steps.enter_context(share.trace.step("commit"))
            await self._producer.commit_transaction()
        passed("after_kafka_commit")
        return dict(zip(by_partition, offsets, strict=True))

    def _end(self, shares: Sequence[LaneShare], error: Exception) -> None:
        """No share is sent any more; say why to each that waits."""
        self.is_over = True
        if isinstance(error, ProducerFenced):
            LOG.info("sender fenced: a lane of it went to another worker, the others take over again", detail=self.name)
            error = SessionOverError(first_line(error))
        elif len(shares) > 1 and not isinstance(error, SessionOverError):
            error = SharedFailureError(first_line(error))
        for share in shares:
            share.failed(error)
        for share in self._waiting:
            share.failed(SessionOverError(first_line(error)))
        self._waiting.clear()


class OutputSender:
    """Starts one session after the other, under one transactional id.

    Args:
        settings: of the worker.
        database_id: leads all transactional ids.
        status: of the worker.
        name: the transactional id; without one, one that no other process has.
    """

    def __init__(self, settings: Settings, database_id: str, status: WorkerStatus, name: str | None = None) -> None:
        self.name = name or f"postpay-{database_id}-sender-{uuid4().hex}"
        self._settings = settings
        self._database_id = database_id
        self._status = status
        self._session: SenderSession | None = None
        self._starting: asyncio.Task[SenderSession] | None = None

    def alone(self, lane: int) -> "OutputSender":
        """One for a lane by itself."""
        return OutputSender(self._settings, self._database_id, self._status, lane_sender(self._database_id, lane))

    async def session(self) -> SenderSession:
        """The session in progress, or the next one; what transaction the one before had open has ended then.

        Raises:
            KafkaError, OSError, TimeoutError: the brokers are away.
        """
        if self._session is not None and not self._session.is_over:
            return self._session
        if self._starting is None or self._starting.done():
            self._starting = asyncio.create_task(self._start(), name="sender's start")
            self._starting.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        return await asyncio.shield(self._starting)  # others wait for it as well

    async def close(self) -> None:
        """Throw the producer away."""
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
            await asyncio.wait([self._starting], timeout=PRODUCER_STOP_TIMEOUT_S)
        await self._end()

    async def _start(self) -> SenderSession:
        await self._end()
        producer = producer_named(self._settings, self.name)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await producer.start()
        except BaseException:
            await throw_away(producer)
            raise
        self._session = SenderSession(producer, self.name, self._settings.topics.prefix, self._status)
        return self._session

    async def _end(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def lane_sender(database_id: str, lane: int) -> str:
    """The transactional id of a lane by itself; before there were senders, of every lane."""
    return f"postpay-{database_id}-lane-{lane}"


def producer_named(settings: Settings, name: str) -> AIOKafkaProducer:
    """A transactional producer, to be started: that fences whoever has its name, and ends its transaction."""
    return AIOKafkaProducer(
        **connection(settings.kafka),
        transactional_id=name,
        transaction_timeout_ms=int(TRANSACTION_TIMEOUT_S * 1000),
        request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000),
        max_batch_size=PRODUCER_BATCH_BYTES,
    )


async def fence(settings: Settings, name: str) -> None:
    """End what transaction a sender has left open, and let none be committed that was begun before.

    Raises:
        KafkaError, OSError, TimeoutError: the brokers are away.
    """
    producer = producer_named(settings, name)
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            await producer.start()
    finally:
        await throw_away(producer)


async def throw_away(producer: AIOKafkaProducer) -> None:
    """Close a producer whatever state it is in; an open transaction is ended by the next one's start."""
    await stop_within(PRODUCER_STOP_TIMEOUT_S, producer.stop())
    with contextlib.suppress(Exception):
        await producer.client.close()


def _not_counted(_point: str) -> None:
    """Transactions without a batch pass no fault points."""


async def _send_to(producer: AIOKafkaProducer, topic: str, partition: int, messages: Iterable[OutboxMessage]) -> int:
    """Send messages to one partition, in order, as few record batches as they fit in; the first one's offset.

    aiokafka's `send` costs a future and a look-up for each message (some 25 µs); a batch of its own 2 µs.

    Raises:
        ProducerFenced: by whoever claims a lane.
        OutputRefusedError: the broker does not take them.
    """
    try:
        return await _send_batches(producer, topic, partition, messages)
    except ProducerFenced:
        raise
    except KafkaError as error:
        raise OutputRefusedError(f"{topic}[{partition}]: {first_line(error)}") from error


async def _send_batches(
    producer: AIOKafkaProducer, topic: str, partition: int, messages: Iterable[OutboxMessage]
) -> int:
    builder = producer.create_batch()
    delivered = []
    for _, _, key, value, headers in messages:
        named = list(headers)  # it takes nothing else
        if builder.append(timestamp=None, key=key, value=value, headers=named) is None:
            delivered.append(await producer.send_batch(builder, topic, partition=partition))
            builder = producer.create_batch()
            builder.append(timestamp=None, key=key, value=value, headers=named)
    delivered.append(await producer.send_batch(builder, topic, partition=partition))
    first, *_ = await asyncio.gather(*delivered)
    offset: int = first.offset
    return offset
