"""A lane's history as the brokers have it."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CorruptRecordException, OffsetOutOfRangeError

from contracts.records import RawRecord
from contracts.topics import LANE_TOPICS, Topic
from storage.replacement import unheard
from workers.kafka import topics
from workers.kafka.clients import BrokerUnreachableError, ends_of, raw_record, reading, unreachable
from workers.kafka.pacing import without_pauses
from workers.lanes.lanelog import BatchLog, BranchLog
from workers.replay.extent import HISTORY_TOPICS, HistoryError, LaneExtent
from workers.replay.merge import batch_log, begins, log_record
from workers.settings.model import Kafka, Settings

FETCH_BYTES = 1024 * 1024
"""Of one topic in one fetch. What is fetched and not decoded yet is all that lies in memory besides a batch: at most
this for each topic, and one record batch where it is larger."""
FETCH_WAIT_MS = 20
"""How long the broker may hold a fetch that has nothing to bring: at the end of a topic there may be markers only."""
POLL_MS = 2 * FETCH_WAIT_MS
STALL_S = 30.0
"""A read that brings nothing for so long has lost its broker. At worst a person waits this long to be told."""
OPEN_TIMEOUT_S = 90.0
"""Of a transaction in an output topic: its producer's time-out, and as long again for a broker whose partitions look
for leaders, and then some."""
OPEN_LOOK_S = 0.1
LOOK_BACK = 32
LOOK_FURTHER = 8


@dataclass(slots=True)
class _Ahead:
    """Records of a topic that are read and were not asked for yet; `position`: up to where.

    `most` records are taken of a fetch; None: all. Up to a damaged one they are taken one by one, for the client gives
    none that it found before it.
    """

    position: int = -1
    records: deque[RawRecord] = field(default_factory=deque)
    most: int | None = None


class BrokerRecords:
    """Reads one lane's topics from the brokers.

    Args:
        consumer: started, without partitions; used by nobody else.
        kafka: where it reads, for what is said when that is away.
        prefix: of the topics.
        lane: their partition.
        ends: by topic, and these are the ones to read: where there will be nothing more to bring. One that was read so
            far is not fetched any more, or the broker would hold every fetch for it.
    """

    def __init__(
        self, consumer: AIOKafkaConsumer, kafka: Kafka, prefix: str, lane: int, ends: Mapping[str, int]
    ) -> None:
        self._consumer = consumer
        self._ends = ends
        self._kafka = kafka
        self._partitions = {topic: TopicPartition(prefix + topic, lane) for topic in ends}
        self._ahead = {topic: _Ahead() for topic in ends}
        consumer.assign(list(self._partitions.values()))
        for tp in self._partitions.values():
            consumer.seek(tp, 0)  # or it would look for positions that a group has committed
        consumer.pause(*self._partitions.values())

    async def starts(self) -> dict[str, int]:
        """By topic, the first offset that the brokers have."""
        starts = await self._consumer.beginning_offsets(list(self._partitions.values()))
        return {topic: starts[tp] for topic, tp in self._partitions.items()}

    def begin(self, positions: Mapping[str, int]) -> None:
        """Begin to fetch topics that are about to be read, side by side; each from where it will be read."""
        for topic, position in positions.items():
            self._go_to(topic, self._ahead[topic], position)
            self._consumer.resume(self._partitions[topic])

    async def read(self, topic: str, first: int, end: int) -> list[RawRecord]:
        """Read, as `LaneRecords` says."""
        ahead = self._ahead[topic]
        self._go_to(topic, ahead, first)
        found: list[RawRecord] = []
        while True:
            while ahead.records and ahead.records[0].offset < end:
                found.append(ahead.records.popleft())
            if ahead.records or ahead.position >= end:
                return found
            await self._fetch(topic, ahead)

    def _go_to(self, topic: str, ahead: _Ahead, first: int) -> None:
        tp = self._partitions[topic]
        while ahead.records and ahead.records[0].offset < first:
            ahead.records.popleft()
        if ahead.position < first:
            self._consumer.seek(tp, first)
            ahead.position, ahead.most = first, None

    async def _fetch(self, topic: str, ahead: _Ahead) -> None:
        """Wait until the topic has brought something, be it only a marker.

        Raises:
            HistoryError: the broker deleted what was to be read, or it is damaged.
            BrokerUnreachableError: nothing came.
        """
        tp = self._partitions[topic]
        if tp in self._consumer.paused():
            self._consumer.resume(tp)
        try:
            async with asyncio.timeout(STALL_S):
                before = ahead.position
                while ahead.position == before:
                    fetched = await self._consumer.getmany(tp, timeout_ms=POLL_MS, max_records=ahead.most)
                    ahead.records.extend(raw_record(topic, record) for record in fetched.get(tp, ()))
                    ahead.position = await self._consumer.position(tp)
        except OffsetOutOfRangeError as error:
            msg = f"{tp.topic}[{tp.partition}] has no offset {ahead.position} any more: the broker deleted it meanwhile"
            raise HistoryError(msg) from error
        except CorruptRecordException as error:
            if ahead.most is not None:
                msg = f"{tp.topic}[{tp.partition}] cannot be read at offset {ahead.position}: {error}"
                raise HistoryError(msg) from error
            ahead.most = 1
            self._consumer.seek(tp, ahead.position)
        except TimeoutError as error:
            raise BrokerUnreachableError(unreachable(self._kafka, error)) from error
        if ahead.position >= self._ends[topic]:
            self._consumer.pause(tp)


@asynccontextmanager
async def broker_records(settings: Settings, extent: LaneExtent) -> AsyncIterator[BrokerRecords]:
    """Read a lane from the brokers, with a consumer of its own.

    Raises:
        BrokerUnreachableError: no broker answered.
    """
    async with _consumer(settings) as consumer:
        yield BrokerRecords(consumer, settings.kafka, settings.topics.prefix, extent.lane, extent.ends)


@asynccontextmanager
async def _consumer(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    async with reading(
        settings.kafka, max_partition_fetch_bytes=FETCH_BYTES, fetch_max_wait_ms=FETCH_WAIT_MS
    ) as consumer:
        without_pauses(consumer)
        yield consumer


async def broker_extents(settings: Settings) -> dict[int, LaneExtent]:
    """What the brokers have now of every lane.

    Raises:
        TopicsError: a topic is missing, or has other partitions than there are lanes.
        HistoryError: the lane-log has a record that is none.
        BrokerUnreachableError, KafkaError: the brokers are away.
    """
    await topics.require(settings)
    return await extents_of(settings)


async def extents_of(settings: Settings) -> dict[int, LaneExtent]:
    """What the brokers have now of every lane, of topics that have partitions for more lanes as well.

    Raises:
        HistoryError: the lane-log has a record that is none.
        BrokerUnreachableError, KafkaError: the brokers are away.
    """
    prefix = settings.topics.prefix
    async with _consumer(settings) as consumer:
        lanes = range(settings.lanes)
        # The lane-log's ends first: whatever it speaks of then lies below the ends of the others.
        ends = dict(await ends_of(consumer, [TopicPartition(prefix + Topic.LANE_LOG, lane) for lane in lanes]))
        ends |= await ends_of(
            consumer, [TopicPartition(prefix + topic, lane) for topic in LANE_TOPICS for lane in lanes]
        )
        starts = await consumer.beginning_offsets(list(ends))
        extents = {}
        for lane in lanes:
            of_lane = {topic: TopicPartition(prefix + topic, lane) for topic in HISTORY_TOPICS}
            first = {topic: starts[tp] for topic, tp in of_lane.items()}
            end = {topic: ends[tp] for topic, tp in of_lane.items()}
            extents[lane] = await _with_last_batch(consumer, settings, LaneExtent(lane, first, end, None))
        for lane in reversed(lanes):
            extents[lane] = replace(extents[lane], begins=await _begins(consumer, settings, extents[lane]))
            if extents[lanes[-1]].begins is None:
                break  # where lanes were ever split, the last was split off
    return extents


async def history_extent(settings: Settings, lane: int) -> LaneExtent:
    """What the brokers have now of a lane's history; its last batch is not looked for.

    Raises:
        BrokerUnreachableError, KafkaError: the brokers are away.
    """
    partitions = _partitions(settings, lane, HISTORY_TOPICS)
    async with _consumer(settings) as consumer:
        return await _extent(consumer, lane, partitions, await ends_of(consumer, partitions.values()))


async def output_extent(
    settings: Settings, lane: int, topics: Sequence[str], on_step: Callable[[], None] = unheard
) -> LaneExtent:
    """What the brokers have now of topics that a lane writes to, and nobody else.

    A broker shows a transaction in one partition before it does in another, by seconds where partitions look for their
    leaders: what the lane-log tells of may still be open here. So this waits until all has ended that is open now, and
    calls `on_step` meanwhile.

    Raises:
        HistoryError: something has not.
        BrokerUnreachableError, KafkaError: the brokers are away.
    """
    partitions = _partitions(settings, lane, topics)
    async with _consumer(settings) as consumer, reading(settings.kafka, isolation_level="read_uncommitted") as eager:
        ends, written = await asyncio.gather(*(ends_of(each, partitions.values()) for each in (consumer, eager)))
        until = time.monotonic() + OPEN_TIMEOUT_S
        while still_open := [tp for tp in written if ends[tp] < written[tp]]:
            if time.monotonic() > until:
                where = ", ".join(f"{tp.topic}[{tp.partition}] from offset {ends[tp]}" for tp in still_open)
                msg = (
                    f"{where}: a transaction is open there that nobody has ended for {OPEN_TIMEOUT_S:g} s; only workers"
                    " write to these topics, so look for who else does"
                )
                raise HistoryError(msg)
            on_step()
            await asyncio.sleep(OPEN_LOOK_S)
            ends = {**ends, **await ends_of(consumer, still_open)}
        return await _extent(consumer, lane, partitions, ends)


def _partitions(settings: Settings, lane: int, topics: Sequence[str]) -> dict[str, TopicPartition]:
    return {topic: TopicPartition(settings.topics.prefix + topic, lane) for topic in topics}


async def _extent(
    consumer: AIOKafkaConsumer,
    lane: int,
    partitions: Mapping[str, TopicPartition],
    ends: Mapping[TopicPartition, int],
) -> LaneExtent:
    starts = await consumer.beginning_offsets([*partitions.values()])
    first, end = ({topic: offsets[tp] for topic, tp in partitions.items()} for offsets in (starts, ends))
    return LaneExtent(lane, first, end, None)


async def log_position(settings: Settings, extent: LaneExtent, batch_seq: int) -> int:
    """Where to begin to read a lane-log, so that the first batch is no later than this one; looks back from the end.

    Raises:
        HistoryError: the lane-log has a record that is none.
        BrokerUnreachableError, KafkaError: the brokers are away.
    """
    topic = Topic.LANE_LOG.value
    start, end = extent.starts[topic], extent.ends[topic]
    look_back = LOOK_BACK
    async with _consumer(settings) as consumer:
        while True:
            first = max(start, end - look_back)
            records = BrokerRecords(consumer, settings.kafka, settings.topics.prefix, extent.lane, extent.ends)
            found = await _first_batch(records, first, end)
            if first == start or (found is not None and found.batch_seq <= batch_seq):
                return first
            look_back *= LOOK_FURTHER


async def _first_batch(records: BrokerRecords, first: int, end: int) -> BatchLog | None:
    for begin in range(first, end, LOOK_BACK):
        for record in await records.read(Topic.LANE_LOG.value, begin, min(begin + LOOK_BACK, end)):
            found = batch_log(record)
            if found is not None:
                return found
    return None


async def _begins(consumer: AIOKafkaConsumer, settings: Settings, extent: LaneExtent) -> BranchLog | None:
    """Look for where the lane goes on from, at the beginning of its lane-log."""
    topic = Topic.LANE_LOG.value
    start, end = extent.starts[topic], extent.ends[topic]
    records = BrokerRecords(consumer, settings.kafka, settings.topics.prefix, extent.lane, extent.ends)
    found: list[RawRecord] = []
    for first in range(start, end, LOOK_BACK):
        found += await records.read(topic, first, min(first + LOOK_BACK, end))
        if not all(isinstance(log_record(record), BranchLog) for record in found):
            break
    return begins(found)


async def _with_last_batch(consumer: AIOKafkaConsumer, settings: Settings, extent: LaneExtent) -> LaneExtent:
    """Look for the last batch in the lane-log: at its end there may be claims."""
    topic = Topic.LANE_LOG.value
    start, end = extent.starts[topic], extent.ends[topic]
    look_back = LOOK_BACK
    while start < end:
        records = BrokerRecords(consumer, settings.kafka, settings.topics.prefix, extent.lane, extent.ends)
        first = max(start, end - look_back)
        found = [batch_log(record) for record in await records.read(topic, first, end)]
        last = next((log for log in reversed(found) if log is not None), None)
        if last is not None or first == start:
            return replace(extent, last=last)
        look_back *= LOOK_FURTHER
    return extent
