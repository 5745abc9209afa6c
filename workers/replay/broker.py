"""A lane's history as the brokers have it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from contracts.records import RawRecord
from contracts.topics import Topic
from workers.kafka.clients import BrokerUnreachableError, ends_of, raw_record, reading, unreachable
from workers.kafka.pacing import without_pauses
from workers.lanes.lanelog import BatchLog
from workers.replay.extent import HISTORY_TOPICS, HistoryError, LaneExtent
from workers.replay.merge import batch_log
from workers.settings.model import Kafka, Settings

FETCH_BYTES = 1024 * 1024
"""Of one topic in one fetch. What is fetched and not decoded yet is all that lies in memory besides a batch: at most
this for each topic, and one record batch where it is larger."""
FETCH_WAIT_MS = 50
"""How long the broker may hold a fetch that has nothing to bring: at the end of a topic there may be markers only."""
POLL_MS = 2 * FETCH_WAIT_MS
STALL_S = 30.0
"""A read that brings nothing for so long has lost its broker. At worst a person waits this long to be told."""
LOOK_BACK = 32
LOOK_FURTHER = 8


@dataclass(slots=True)
class _Ahead:
    """Records of a topic that are read and were not asked for yet; `position`: up to where."""

    position: int = -1
    records: deque[RawRecord] = field(default_factory=deque)


class BrokerRecords:
    """Reads one lane's topics from the brokers.

    Args:
        consumer: started, without partitions; used by nobody else.
        kafka: where it reads, for what is said when that is away.
        prefix: of the topics.
        lane: their partition.
    """

    def __init__(self, consumer: AIOKafkaConsumer, kafka: Kafka, prefix: str, lane: int) -> None:
        self._consumer = consumer
        self._kafka = kafka
        self._partitions = {topic: TopicPartition(prefix + topic, lane) for topic in HISTORY_TOPICS}
        self._ahead = {topic: _Ahead() for topic in HISTORY_TOPICS}
        consumer.assign(list(self._partitions.values()))
        for tp in self._partitions.values():
            consumer.seek(tp, 0)  # or it would look for positions that a group has committed
        consumer.pause(*self._partitions.values())

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
            if ahead.position < 0:
                self._consumer.resume(tp)
            ahead.position = first

    async def _fetch(self, topic: str, ahead: _Ahead) -> None:
        """Wait until the topic has brought something, be it only a marker.

        Raises:
            HistoryError: the broker deleted what was to be read.
            BrokerUnreachableError: nothing came.
        """
        tp = self._partitions[topic]
        try:
            async with asyncio.timeout(STALL_S):
                while True:
                    fetched = await self._consumer.getmany(tp, timeout_ms=POLL_MS)
                    ahead.records.extend(raw_record(topic, record) for record in fetched.get(tp, ()))
                    before, ahead.position = ahead.position, await self._consumer.position(tp)
                    if ahead.position > before:
                        return
        except OffsetOutOfRangeError as error:
            msg = f"{tp.topic}[{tp.partition}] has no offset {ahead.position} any more: the broker deleted it meanwhile"
            raise HistoryError(msg) from error
        except TimeoutError as error:
            raise BrokerUnreachableError(unreachable(self._kafka, error)) from error


@asynccontextmanager
async def broker_records(settings: Settings, lane: int) -> AsyncIterator[BrokerRecords]:
    """Read a lane from the brokers, with a consumer of its own.

    Raises:
        BrokerUnreachableError: no broker answered.
    """
    async with _consumer(settings) as consumer:
        yield BrokerRecords(consumer, settings.kafka, settings.topics.prefix, lane)


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
        HistoryError: the lane-log has a record that is none.
        BrokerUnreachableError, KafkaError: the brokers are away.
    """
    prefix = settings.topics.prefix
    async with _consumer(settings) as consumer:
        partitions = [
            TopicPartition(prefix + topic, lane) for topic in HISTORY_TOPICS for lane in range(settings.lanes)
        ]
        ends = await ends_of(consumer, partitions)
        starts = await consumer.beginning_offsets(partitions)
        extents = {}
        for lane in range(settings.lanes):
            of_lane = {topic: TopicPartition(prefix + topic, lane) for topic in HISTORY_TOPICS}
            first = {topic: starts[tp] for topic, tp in of_lane.items()}
            end = {topic: ends[tp] for topic, tp in of_lane.items()}
            last = await _last_batch(consumer, settings, lane, first[Topic.LANE_LOG], end[Topic.LANE_LOG])
            extents[lane] = LaneExtent(lane, first, end, last)
    return extents


async def _last_batch(
    consumer: AIOKafkaConsumer, settings: Settings, lane: int, start: int, end: int
) -> BatchLog | None:
    """The last batch in the lane-log: at its end there may be claims."""
    look_back = LOOK_BACK
    while start < end:
        records = BrokerRecords(consumer, settings.kafka, settings.topics.prefix, lane)
        first = max(start, end - look_back)
        found = [batch_log(record) for record in await records.read(Topic.LANE_LOG, first, end)]
        last = next((log for log in reversed(found) if log is not None), None)
        if last is not None or first == start:
            return last
        look_back *= LOOK_FURTHER
    return None
