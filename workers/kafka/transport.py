# ruff: noqa: SLF001  here private parts of Faust and aiokafka are touched; besides, only a few hooks in app.py
"""Faust's transport, handing on whole record batches instead of single messages.

Faust costs two futures and a wait for every message (16–23 thousand a second on one core); its `Consumer` overridden to
hand on the lists that aiokafka decodes gives 920 thousand. Faust still does group membership, subscription, rebalancing
and supervision.

aiokafka's consumer lives in Faust's consumer thread. Two things there decide whether a message can be lost, so both are
done in one step of that thread's loop, without an await in between:

- `seek_now` moves partitions and stamps them with the *token* of the claim that asked for it;
- `_drain` takes what has been fetched and says for each partition under which token, and from which position to which.

So a chunk says exactly what it follows, offset gaps (aborted transactions, control records, compaction) included, and
the lane sees at once if one went missing. `fetched_records` of aiokafka is not used: it advances partition A and then
raises on B's broken batch, and A's records are gone. Here a partition that cannot be read on gives an error of its own.

What this module, joining.py and app.py touch of Faust 0.15.3 and aiokafka 0.14 is private to them;
tests/unit/workers/kafka/test_transport_pins.py fails when an upgrade moves any of it.

Protocol: docs/protocol.md, Input.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import CancelledError as ThreadCancelledError
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.consumer.fetcher import Fetcher, FetchError, FetchResult
from aiokafka.errors import CommitFailedError, ConsumerStoppedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.threads import WorkerThread

from workers.kafka.assignor import LaneAssignor
from workers.kafka.chunks import RECORD_OVERHEAD_BYTES, Chunk, Ends, Fetched, Owner, Seek
from workers.kafka.clients import connection, is_broker_away, stop_reading
from workers.kafka.fetch_sessions import FetchingClient
from workers.kafka.joining import JOIN_AGAIN_S, keep_joining
from workers.kafka.membership import MAX_POLL_INTERVAL_S, Membership
from workers.kafka.pacing import PacedFetches, without_pauses
from workers.settings.model import Settings

ResultT = TypeVar("ResultT")

FETCH_WAIT_MS = 100
"""How long the broker may hold a fetch that has nothing to bring. A resumed or newly sought partition waits for the
fetch under way, so this is short; Faust's own 1500 ms would be added to the first message after every pause."""
FETCH_RETURN_S = 1.0
"""A fetch with nothing to hand on comes back this often, to see stops and to show that it lives."""
DRAIN_BYTES = 256 * 1024
"""Most of one partition handed on at once."""
COMMIT_TIMEOUT_S = 4.0
"""Of the offsets that are committed as a hint, and to learn whether a lane is still ours. At worst a fenced lane asks
again, and lag monitors are behind."""
METADATA_MAX_AGE_MS = 30_000
"""A topic that gets more partitions is noticed within this time, and its lanes refused. At worst records go to a
partition that nobody settles for as long."""


class EndingThread(WorkerThread):
    """A thread that nobody waits for when the process ends: a request to a broker that hangs would hold it up."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.daemon = True


class LaneConsumerThread(driver.AIOKafkaConsumerThread):
    """aiokafka's consumer in its own thread, with seeks and fetches that are exact about each other."""

    app: Any  # a LaneApp (workers/kafka/app.py), which imports this module
    Worker = EndingThread

    def __post_init__(self) -> None:
        super().__post_init__()
        self._tokens: dict[TopicPartition, int] = {}
        self._fetches = 0

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        settings: Settings = self.app.postpay_settings
        membership = Membership(settings.worker.session_timeout_s)
        partitions = max(1, len(self.app.lane_topics) * settings.lanes)
        self._assignor = LaneAssignor()
        return AIOKafkaConsumer(
            **connection(settings.kafka),
            client_id=self.app.conf.broker_client_id,
            group_id=settings.group,
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            # Claims seek before anything is read; a position that is gone must be an error, never a jump.
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_partition_fetch_bytes=max(64 * 1024, settings.worker.fetch_budget_bytes // partitions),
            fetch_max_bytes=settings.worker.fetch_budget_bytes,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            check_crcs=True,
            session_timeout_ms=int(membership.session_s * 1000),
            heartbeat_interval_ms=int(membership.heartbeat_s * 1000),
            rebalance_timeout_ms=int(membership.rebalance_s * 1000),
            request_timeout_ms=int(membership.request_s * 1000),
            max_poll_interval_ms=int(MAX_POLL_INTERVAL_S * 1000),
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
        )

    async def on_start(self) -> None:
        """Start the consumer; unconsumed data of one partition puts no pause on all others."""
        while not await self._started_consumer():
            await self.sleep(JOIN_AGAIN_S)
            if self.should_stop:
                return
        keep_joining(self._ensure_consumer(), self._refused, self._found, self._ended)
        without_pauses(self._ensure_consumer())
        fetcher: Fetcher = self._ensure_consumer()._fetcher
        self._sessions = FetchingClient(fetcher._client)
        fetcher._client = self._sessions
        self._paced = PacedFetches(fetcher)

    async def _started_consumer(self) -> bool:
        """Open a consumer; False when the broker went away since it was asked for the topics."""
        try:
            await super().on_start()
        except Exception as error:
            if not is_broker_away(error):
                raise
            self._refused(error)
            await stop_reading(self._ensure_consumer())
            return False
        return True

    def _refused(self, error: BaseException) -> None:
        self._tell(self.app.lane_owner.on_refused, error)

    def _found(self) -> None:
        self._tell(self.app.lane_owner.on_coordinator)

    def _tell(self, call: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the main loop has ended: nobody wants to know
            self.parent_loop.call_soon_threadsafe(call, *arguments)

    def _ended(self, error: BaseException) -> None:
        asyncio.run_coroutine_threadsafe(self.app.crash(error), self.parent_loop)

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Forget all tokens before anything else can happen, so that nothing is drained until the next seek."""
        self._tokens.clear()
        await super().on_partitions_revoked(revoked)

    async def run(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run a coroutine on this thread's loop, called from the main loop.

        Faust's own queue runs two calls at a time: a fetch and a commit that waits for a dead broker would block seeks.
        """
        try:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.thread_loop))
        except ThreadCancelledError as cancelled:
            raise ConsumerStoppedError from cancelled

    async def seek_now(self, seeks: Mapping[TopicPartition, Seek]) -> None:
        """Go on reading partitions elsewhere, under the tokens given. Runs in the thread, in one step.

        Raises:
            IllegalStateError: a partition is not assigned any more; none was moved then.
        """
        consumer = self._ensure_consumer()
        for tp in seeks:
            if not consumer._subscription.is_assigned(tp):
                msg = f"{tp} is not assigned any more"
                raise IllegalStateError(msg)
        self._sessions.renew()
        for tp, seek in seeks.items():
            consumer.seek(tp, seek.offset)
            self._tokens[tp] = seek.token

    async def fetch(self, wanted: frozenset[TopicPartition], timeout_s: float) -> Fetched:
        """Hand on what has been fetched of the wanted partitions, waiting for something if there is nothing.

        Raises:
            KafkaError: the consumer cannot go on at all (not authorised, stopped, broken).
        """
        consumer = self._ensure_consumer()
        fetcher: Fetcher = consumer._fetcher
        self._fetches += 1
        number = self._fetches
        with consumer._subscription.fetch_context():
            if consumer._closed or fetcher._closed:
                raise ConsumerStoppedError
            chunks = self._drain(consumer, wanted)
            if not chunks:
                await self._wait_for_data(fetcher, timeout_s)
                chunks = self._drain(consumer, wanted)
        return Fetched(number, chunks)

    @staticmethod
    async def _wait_for_data(fetcher: Fetcher, timeout_s: float) -> None:
        waiter = fetcher._create_fetch_waiter()
        done, _ = await asyncio.wait(
            [waiter, fetcher.error_future], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
        )
        if not waiter.done():
            waiter.cancel()
        for ended in done:
            ended.result()
        if fetcher.error_future in done:
            msg = "aiokafka's fetch routine has ended"
            raise KafkaError(msg)

    def _drain(self, consumer: AIOKafkaConsumer, wanted: frozenset[TopicPartition]) -> list[Chunk]:
        """Take what is there. No await in here: see the module's docstring."""
        if consumer._subscription.reassignment_in_progress:
            return []
        fetcher: Fetcher = consumer._fetcher
        chunks = []
        for tp in list(fetcher._records):
            token = self._tokens.get(tp)
            if not token or tp not in wanted:
                continue
            result = fetcher._records[tp]
            state = consumer._subscription.subscription.assignment.state_value(tp)
            if state is None:
                del fetcher._records[tp]
                continue
            if type(result) is FetchResult:
                chunk = _read(result, tp, token, state.position)
                if chunk is not None:
                    state.consumed_to(chunk.end)
                    chunks.append(chunk)
                    if chunk.error is not None:
                        del self._tokens[tp]  # nothing more of it until it is sought again
                if chunk is None or chunk.error or not result.has_more():
                    del fetcher._records[tp]
            else:
                del fetcher._records[tp], self._tokens[tp]
                at = state.position if state.has_valid_position else -1
                chunks.append(Chunk(tp, token, at, at, [], 0, _error_of(result)))
        if chunks:
            fetcher._notify(fetcher._wait_consume_future)
        self._tell_if_taken(fetcher, wanted)
        return chunks

    def _tell_if_taken(self, fetcher: Fetcher, wanted: frozenset[TopicPartition]) -> None:
        if not any(self._tokens.get(tp) and tp in wanted for tp in fetcher._records):
            self._paced.taken()

    def wake(self) -> None:
        """Let a waiting fetch come back at once: what is wanted has changed. Called from the main loop."""
        self.thread_loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        consumer = self._consumer
        if consumer is not None:
            for waiter in list(consumer._fetcher._fetch_waiters):
                consumer._fetcher._notify(waiter)

    async def commit_offsets(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Commit offsets in the present generation of the group; whether the group took them. Runs in the thread.

        Raises:
            KafkaError, TimeoutError: the group cannot say.
        """
        consumer = self._ensure_consumer()
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                await consumer.commit({tp: OffsetAndMetadata(offset, "") for tp, offset in offsets.items()})
        except (CommitFailedError, IllegalStateError):
            return False
        return True

    def ends(self, tp: TopicPartition) -> Ends | None:
        """The partition's ends by the last answer of the broker; None before the first."""
        consumer = self._consumer
        subscription = consumer._subscription.subscription if consumer is not None else None
        assignment = subscription.assignment if subscription is not None else None
        state = assignment.state_value(tp) if assignment is not None else None
        return None if state is None or state.lso is None else Ends(state.lso, state.highwater)

    def partition_count(self, topic: str) -> int:
        """Partitions the topic has, by the metadata that the last assignment was made with."""
        return len(self._ensure_consumer()._client.cluster.partitions_for_topic(topic) or ())

    async def answers(self) -> bool:
        """Whether any broker answers at all. Runs in the thread."""
        return self._consumer is not None and bool(await self._consumer._client.force_metadata_update())


class LaneConsumer(driver.Consumer):
    """Faust's consumer, whose positions live in Postgres and whose messages go to lanes in bulk."""

    app: Any  # a LaneApp
    _thread: LaneConsumerThread

    def _new_consumer_thread(self) -> LaneConsumerThread:
        return LaneConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def owner(self) -> Owner:
        """Who owns the lanes."""
        owner: Owner = self.app.lane_owner
        return owner

    async def seek_to_committed(self) -> Mapping[TopicPartition, int]:
        """Claim the lanes of the assignment and seek every partition to what Postgres says.

        Faust calls this after its own `on_partitions_assigned`, so it must have the last word. If it fails as a whole
        the worker must exit: Faust's recovery loop would end without a word.
        """
        try:
            return await self.owner.on_assigned(frozenset(self.assignment()))
        except Exception as error:
            await self.app.crash(error)
            raise

    async def on_partitions_assigned(self, assigned: set[TopicPartition], generation_id: int = 0) -> None:
        """Have an empty assignment heard as well: where nothing is assigned, Faust seeks nothing."""
        await super().on_partitions_assigned(assigned, generation_id)
        if not assigned:
            await self.seek_to_committed()

    async def wait_empty(self) -> None:
        """Wait, within bounds, for batches in flight; Faust asks before partitions go and before it stops."""
        await self.owner.on_revoked()

    async def commit(self, *_: Any, **__: Any) -> bool:
        """Nothing: Postgres has the positions, and the hint for lag monitors is written elsewhere."""
        return False

    async def verify_all_partitions_active(self) -> None:
        """Nothing: our own watchdog counts batches, not messages acknowledged to Faust."""

    async def _drain_messages(self, fetcher: Any) -> None:
        while not (self._stopped.is_set() or fetcher._stopped.is_set()):
            if not self.flow_active:
                await self.wait(self.can_resume_flow.wait(), timeout=FETCH_RETURN_S)
                continue
            try:
                fetched = await self._thread.run(
                    self._thread.fetch(frozenset(self._get_active_partitions()), FETCH_RETURN_S)
                )
            except ConsumerStoppedError:
                if self.app.should_stop:
                    return
                raise
            self.owner.deliver(fetched)

    async def seek_lanes(self, seeks: Mapping[TopicPartition, Seek]) -> bool:
        """Seek under new tokens; False when a partition is not ours any more."""
        try:
            await self._thread.run(self._thread.seek_now(seeks))
        except (IllegalStateError, ConsumerStoppedError):
            return False
        return True

    def pause(self, tps: Iterable[TopicPartition]) -> None:
        """Hand on nothing more of these partitions; each keeps at most one fetched chunk back."""
        self.pause_partitions(tps)

    def resume(self, tps: Iterable[TopicPartition]) -> None:
        """Hand on these partitions again, at once. Partitions that went to others meanwhile are left out."""
        # Faust keeps these as they are, and later insists on its own tuples.
        self.resume_partitions({TP(*tp) for tp in tps} & self.assignment())
        self._thread.wake()

    async def still_member(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Commit offsets as a hint for lag monitors; whether the group still takes us for their owner.

        Raises:
            KafkaError, TimeoutError: the group cannot say.
        """
        return await self._thread.run(self._thread.commit_offsets(offsets))

    def ends(self, tp: TopicPartition) -> Ends | None:
        """See `LaneConsumerThread.ends`."""
        return self._thread.ends(tp)

    def partition_count(self, topic: str) -> int:
        """See `LaneConsumerThread.partition_count`."""
        return self._thread.partition_count(topic)

    async def broker_answers(self, timeout_s: float) -> bool:
        """Whether any broker answers within the time."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._thread.run(self._thread.answers())
        except (KafkaError, TimeoutError):
            return False


class LaneTransport(driver.Transport):
    """Faust's Kafka transport with our consumer."""

    Consumer = LaneConsumer


def _read(result: FetchResult, tp: TopicPartition, token: int, position: int) -> Chunk | None:
    """Decode records up to DRAIN_BYTES; None when they are not from where the partition now is."""
    if not result.check_assignment(tp) or not result.has_more():
        return None
    unread = result._partition_records
    records: list[ConsumerRecord] = []
    size_bytes = 0
    error: BaseException | None = None
    try:
        for record in unread:
            records.append(record)
            size_bytes += RECORD_OVERHEAD_BYTES + len(record.value or b"") + len(record.key or b"")
            if size_bytes >= DRAIN_BYTES:
                break
        else:
            result._partition_records = None
    except Exception as broken:  # noqa: BLE001  whatever a broken batch or a missing codec raises, it concerns this one
        error = broken
        result._partition_records = None
    return Chunk(tp, token, position, unread.next_fetch_offset, records, size_bytes, error)


def _error_of(failed: FetchError) -> BaseException:
    error: BaseException = failed._error
    return error
