"""Sends what a lane has settled: each batch's outputs and its lane-log record in one Kafka transaction, exactly once.

One transactional producer per lane, named after the database and the lane, and only while the lane is ours. First it
finds where its predecessor left off (workers/lanes/takeover.py); the outbox must go on with the next number.

After any error or time-out the producer is thrown away and the relay takes over from itself. A transaction may carry
several batches, each followed by its lane-log record. Protocol: docs/protocol.md, Output.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from storage import outbox
from storage.database import first_line
from storage.identity import Identity
from storage.lanes import FencedError
from workers import logs
from workers.kafka.clients import is_broker_away, stop_within
from workers.lanes.backoff import Backoff
from workers.lanes.fault_points import reached
from workers.lanes.lanelog import LaneLogError, LaneLogReader
from workers.lanes.outgoing import OutboxMessage, Relayable, unpack
from workers.lanes.takeover import SEND_TIMEOUT_S, DatabaseAwayError, RelayError, Takeover, asking
from workers.settings.model import Settings
from workers.status import LaneStatus, WorkerStatus
from workers.tracing import UNTRACED, RelayTrace

PRODUCER_STOP_TIMEOUT_S = 1.0
"""Of the producer: to a broker that answers it says goodbye within milliseconds. At worst its transaction is ended by
the next one's start."""
END_TIMEOUT_S = 3.0
"""Of the whole relay: more than its producer and the reader of the lane-log may take. At worst it is left behind, and
the next relay's producer fences its own."""
TRANSACTION_BYTES = 4 * 1024 * 1024
"""Batches that wait are sent in one transaction up to this size."""
BACKLOG_BYTES = 4 * 1024 * 1024
"""Of what is settled and not sent, packed; in memory it takes twice that, and as much again while it is sent."""
MOST_ODD_ERRORS = 5
"""In a row, without a transaction between them: then it is no accident of the broker's, and a person has to look."""
TELL_INTERVAL_S = 5.0
"""How often the database is told how far the relay is; only a hint, for people and for dropping old outbox rows, which
are kept for days: nothing depends on its age."""


class OutputRefusedError(KafkaError):  # type: ignore[misc] # aiokafka has no types
    """The broker does not take what goes to one partition; says which, for its own errors seldom do."""


class Relay:
    """Sends the batches of one claim of one lane.

    Args:
        lane: its status; told how far the relay is.
        epoch: of the claim; once the lane has another, this relay ends.
        settled: batch_seq of the last batch committed before the claim.
        states: says what lasts once.
        on_moved: called when there is room again, or the relay has ended.
    """

    def __init__(
        self,
        lane: LaneStatus,
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
        trace: RelayTrace = UNTRACED,
    ) -> None:
        self.lane = lane.lane
        self.relayed = 0
        self.settled = settled
        self.error: BaseException | None = None
        """What ended the relay; the lane raises it."""
        self.agreed = False
        """The lane-log and the database have been compared and agree. Before that nothing may be settled: a restored
        database would decide anew, and differently, what is sent already."""
        self._takeover = Takeover(lane.lane, epoch, owner, settings, identity, pool, reader, on_step=self._note_step)
        self._settings = settings
        self._pool = pool
        self._lane_status = lane
        self._status = status
        self._states = states
        self._on_moved = on_moved
        self._trace = trace
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
        self._lane_status.relayed_at = time.monotonic()
        self._task = asyncio.create_task(self._run(), name=f"relay-{self.lane}")

    def hand_over(self, batch: Relayable) -> None:
        """Take a batch that has just been committed."""
        if not self._handed:  # the watchdog counts from here: a relay without work may rest for ever
            self._lane_status.relayed_at = time.monotonic()
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
            await asyncio.wait([self._task], timeout=END_TIMEOUT_S)

    async def _run(self) -> None:
        try:
            while True:
                try:
                    await self._take_over_and_send()
                except (FencedError, RelayError, LaneLogError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    raise
                except DatabaseAwayError as error:
                    self._said_away(f"the database: {error}")
                except Exception as error:  # noqa: BLE001  see below
                    # Whatever it was, and whatever became of the transaction: the log will tell the next producer.
                    # aiokafka answers an unexpected state with assertions, too, which another producer doesn't meet.
                    self._count_odd(error)
                    self._said_away(f"the broker: {first_line(error)}")
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
        self._odd_errors = 0 if is_broker_away(error) else self._odd_errors + 1
        if self._odd_errors >= MOST_ODD_ERRORS:
            raise error

    def _said_away(self, reason: str) -> None:
        lane = self._lane_status
        lane.relay_detail = f"relay waits for {reason}"
        self._states.enter(("relay", self.lane), "relay interrupted: it takes over again", lane=self.lane, error=reason)
        lane.relayed_at = time.monotonic()

    def _said_well(self) -> None:
        """All is sent, or at least something: a broker may take claims and refuse outputs, so a claim ends nothing."""
        self._backoff.reset()
        self._lane_status.relay_detail = ""
        self._states.leave(("relay", self.lane), "relay goes on", lane=self.lane)

    async def _take_over_and_send(self) -> None:
        await self._takeover.require_epoch()
        producer = self._takeover.new_producer()
        try:
            await self._take_over(producer)
            if not self._handed:
                self._said_well()
            while True:
                await self._send_next(producer)
        finally:
            await _throw_away(producer)

    async def _take_over(self, producer: AIOKafkaProducer) -> None:
        self._move_to(await self._takeover.last_sent(producer))
        await self._read_outbox()
        self.agreed = True
        self._note_progress()

    async def _read_outbox(self) -> None:
        """Bring in what lies between the log and what the lane has handed over.

        Raises:
            RelayError: a batch is missing.
        """
        missing: list[Relayable] = []
        position = self.relayed
        while position < self._first_in_memory() - 1:
            async with asking(self._pool) as connection_:
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
        self._trace.begin()
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await self._send(producer, sending)
        topics = (message.topic for batch in sending for message in batch.messages)
        self._trace.sent([batch.batch_seq for batch in sending], topics)
        self._move_to(sending[-1].batch_seq)
        self._odd_errors = 0
        self._said_well()
        self._status.relay_seconds.observe(time.monotonic() - begun)
        self._note_progress()
        await self._hint()

    async def _wait_for_work(self) -> None:
        """Wait for a batch; before a long wait the database is told how far the lane is relayed."""
        try:
            async with asyncio.timeout(TELL_INTERVAL_S):
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
        with self._trace.step("commit"):
            await producer.commit_transaction()
        reached("after_kafka_commit")

    def _note_step(self) -> None:
        self._lane_status.relayed_at = time.monotonic()

    def _note_progress(self) -> None:
        self._lane_status.relayed = self.relayed
        self._note_step()
        if not self._handed:
            self._drained.set()
        self._on_moved()

    async def _hint(self) -> None:
        if self._hinted == self.relayed or time.monotonic() - self._hinted_at < TELL_INTERVAL_S:
            return
        self._hinted, self._hinted_at = self.relayed, time.monotonic()
        async with asking(self._pool) as connection_:
            await outbox.relayed(connection_, self.lane, self.relayed)


async def _send_to(producer: AIOKafkaProducer, topic: str, partition: int, messages: Iterable[OutboxMessage]) -> None:
    """Send messages to one partition, in order, as few record batches as they fit in.

    aiokafka's `send` costs a future and a look-up for each message (some 25 µs); a batch of its own 2 µs.

    Raises:
        OutputRefusedError: the broker does not take them.
    """
    try:
        await _send_batches(producer, topic, partition, messages)
    except KafkaError as error:
        raise OutputRefusedError(f"{topic}[{partition}]: {first_line(error)}") from error


async def _send_batches(
    producer: AIOKafkaProducer, topic: str, partition: int, messages: Iterable[OutboxMessage]
) -> None:
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
    await stop_within(PRODUCER_STOP_TIMEOUT_S, producer.stop())
    with contextlib.suppress(Exception):
        await producer.client.close()
