"""How far settling is behind Kafka, and sending behind settling.

Settled: what a read_committed consumer could still get of a lane's topics from the stored position on. Offsets alone
don't tell: the last ones of a partition may be transaction markers or aborted records, which nobody ever gets. So where
they differ, the first record that is left is looked for; without one the lag is 0.

Records at and beyond the last stable offset, where the first open transaction of a partition begins, nobody gets before
that transaction ends, committed ones among them. They are told apart, for no worker can do anything about them.

Relayed: batches in the database against the last one in the lane-log. Parked inputs are settled, they wait by design.
Timers that are due by the lane's time are work left to do and count as such.
"""

import json
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from contracts.topics import LANE_TOPICS, Topic
from storage.database import Connection
from storage.figures import LaneFigures, operations
from workers.kafka.clients import age_s, ends_of, reading
from workers.settings.model import Settings

LOOK_POLL_MS = 200
"""What to wait in one `getmany`, before the deadline is looked at."""
FIND_TIMEOUT_S = 10.0
"""A partition whose next record is not found in this time is said to have one: waiting is better than missing it. At
worst `postpay lag` says more than there is, and `--wait` looks again."""
LOG_LOOK_BACK = 64
LOG_LOOK_FURTHER = 8
# One record of each partition is wanted; the broker sends at least one batch however small this is.
LOOK_BYTES = 16 * 1024
LOOK_FETCH_WAIT_MS = 20
"""A fetch that waits at the broker for something to bring holds up every request behind it on its connection."""


@dataclass(frozen=True, slots=True)
class TopicLag:
    """One topic of one lane: records not settled, and the age of the oldest; `topic` is without prefix.

    `open_transaction_records` lie behind a transaction that somebody has not ended, for `open_transaction_seconds` by
    the time its first record carries.
    """

    lane: int
    topic: str
    records: int
    seconds: float
    next_offset: int
    end_offset: int
    open_transaction_records: int = 0
    open_transaction_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class LaneLag:
    """One lane: batches settled and not sent, the age of the oldest, and timers due and not fired."""

    lane: int
    batches: int
    seconds: float
    timers_due: int


@dataclass(frozen=True, slots=True)
class Lag:
    """All lanes."""

    topics: Sequence[TopicLag]
    lanes: Sequence[LaneLag]

    @property
    def caught_up(self) -> bool:
        """Whether everything is settled and relayed, and nothing lies behind an open transaction."""
        return not any(each.records or each.open_transaction_records for each in self.topics) and not any(
            each.batches or each.timers_due for each in self.lanes
        )


@asynccontextmanager
async def lag_reader(settings: Settings) -> AsyncIterator["LagReader"]:
    """A reader with consumers of its own.

    Raises:
        BrokerUnreachableError: no broker answered.
    """
    few: dict[str, Any] = {"max_partition_fetch_bytes": LOOK_BYTES, "fetch_max_wait_ms": LOOK_FETCH_WAIT_MS}
    async with (
        reading(settings.kafka, **few) as committed,
        reading(settings.kafka, isolation_level="read_uncommitted", **few) as uncommitted,
    ):
        yield LagReader(settings, committed, uncommitted)


class LagReader:
    """Measures as often as it is asked to.

    Args:
        settings: which lanes and topics.
        consumer: read_committed, without a group; used by nobody else.
        uncommitted: the same, read_uncommitted.
    """

    def __init__(self, settings: Settings, consumer: AIOKafkaConsumer, uncommitted: AIOKafkaConsumer) -> None:
        self._prefix = settings.topics.prefix
        self._lanes = range(settings.lanes)
        self._consumer = consumer
        self._uncommitted = uncommitted

    async def measure(self, connection: Connection) -> Lag:
        """Measure once.

        In this order a lag of 0 was true at one moment: what is sent after the database was read comes with a batch
        that was not sent then, or with an end beyond the position that was read.
        """
        figures = await operations(connection)
        positions = {(each.lane, topic): offset for each in figures for topic, offset in each.positions.items()}
        sent = await self._sent(each.lane for each in figures if each.batch_seq > each.relayed_batch_seq)
        partitions = [self._partition(topic, lane) for lane in self._lanes for topic in LANE_TOPICS]
        # What was there before the stable ends were asked for and lies beyond them lies behind an open transaction.
        last = await ends_of(self._uncommitted, partitions)
        ends = await ends_of(self._consumer, partitions)
        topics = await self._unsettled(ends, positions, last)
        return Lag(topics, [_lane_lag(each, sent.get(each.lane, 0)) for each in figures])

    async def _unsettled(
        self,
        ends: Mapping[TopicPartition, int],
        positions: Mapping[tuple[int, str], int],
        last: Mapping[TopicPartition, int],
    ) -> list[TopicLag]:
        found = {tp: positions.get((tp.partition, tp.topic.removeprefix(self._prefix)), 0) for tp in ends}
        unsettled = {tp: at for tp, at in found.items() if at < ends[tp]}
        first = await _first_records(self._consumer, unsettled, ends)
        unstable = {tp: end for tp, end in ends.items() if end < last[tp]}
        first_open = await _first_records(self._uncommitted, unstable, last)
        lags = []
        for tp, position in found.items():
            record = first.get(tp)
            lags.append(
                TopicLag(
                    lane=tp.partition,
                    topic=tp.topic.removeprefix(self._prefix),
                    records=0 if record is None else ends[tp] - record.offset,
                    seconds=_age_s(record),
                    next_offset=position,
                    end_offset=ends[tp],
                    open_transaction_records=max(0, last[tp] - ends[tp]),
                    open_transaction_seconds=_age_s(first_open.get(tp)),
                )
            )
        return sorted(lags, key=lambda lag: (lag.lane, LANE_TOPICS.index(Topic(lag.topic))))

    async def _sent(self, lanes: Iterable[int]) -> dict[int, int]:
        """The last batch in the lane-log of each lane; only asked where the database's hint says there may be more."""
        unknown = [self._partition(Topic.LANE_LOG, lane) for lane in lanes]
        if not unknown:
            return {}
        ends = await ends_of(self._consumer, unknown)
        starts = await self._consumer.beginning_offsets(unknown)
        sent: dict[int, int] = {}
        look_back = LOG_LOOK_BACK
        while unknown:
            positions = {tp: max(starts[tp], ends[tp] - look_back) for tp in unknown}
            sent |= await self._last_batches(positions, ends)
            unknown = [tp for tp in unknown if tp.partition not in sent and positions[tp] > starts[tp]]
            look_back *= LOG_LOOK_FURTHER
        return sent

    async def _last_batches(
        self, positions: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
    ) -> dict[int, int]:
        """The last batch from each position on and below its end, by lane, where there is one."""
        found: dict[int, int] = {}
        unread = await _seek(self._consumer, positions)
        deadline = time.monotonic() + FIND_TIMEOUT_S
        while unread and time.monotonic() < deadline:
            for tp, records in (await self._consumer.getmany(*unread, timeout_ms=LOOK_POLL_MS)).items():
                numbers = [_batch_seq(record) for record in records if record.offset < ends[tp]]
                found[tp.partition] = max([found.get(tp.partition, 0), *numbers])
            unread = [tp for tp in unread if await self._consumer.position(tp) < ends[tp]]
        return {lane: number for lane, number in found.items() if number}

    def _partition(self, topic: str, lane: int) -> TopicPartition:
        return TopicPartition(self._prefix + topic, lane)


def _lane_lag(figures: LaneFigures, sent: int) -> LaneLag:
    batches = figures.batch_seq - max(figures.relayed_batch_seq, sent)
    waiting_s = 0.0 if figures.unrelayed_since is None else time.time() - figures.unrelayed_since.timestamp()
    return LaneLag(
        lane=figures.lane,
        batches=max(0, batches),
        seconds=max(0.0, waiting_s) if batches > 0 else 0.0,
        timers_due=figures.timers_due,
    )


def _batch_seq(record: ConsumerRecord) -> int:
    """The number of the batch a lane-log record is of; 0 for claims and what is not ours."""
    try:
        document: dict[str, Any] = json.loads(record.value)
        return int(document["batch_seq"]) if document["kind"] == "batch" else 0
    except (ValueError, KeyError, TypeError):
        return 0


async def _first_records(
    consumer: AIOKafkaConsumer, positions: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, ConsumerRecord]:
    """The first record from each position on and below its end, where there is one."""
    found: dict[TopicPartition, ConsumerRecord] = {}
    unread = await _seek(consumer, positions) if positions else []
    deadline = time.monotonic() + FIND_TIMEOUT_S
    while unread and time.monotonic() < deadline:
        for tp, records in (await consumer.getmany(*unread, timeout_ms=LOOK_POLL_MS)).items():
            if records[0].offset < ends[tp]:
                found[tp] = records[0]
        unread = [tp for tp in unread if tp not in found and await consumer.position(tp) < ends[tp]]
    for tp in unread:
        found[tp] = _unseen(tp, positions[tp])
    return found


async def _seek(consumer: AIOKafkaConsumer, positions: Mapping[TopicPartition, int]) -> list[TopicPartition]:
    """Read these partitions from these positions, or from their start where that is gone."""
    partitions = list(positions)
    starts = await consumer.beginning_offsets(partitions)
    consumer.assign(partitions)
    for tp, position in positions.items():
        consumer.seek(tp, max(position, starts[tp]))
    return partitions


def _age_s(record: ConsumerRecord | None) -> float:
    return 0.0 if record is None else age_s(record.timestamp, time.time() * 1000)


def _unseen(tp: TopicPartition, offset: int) -> ConsumerRecord:
    """Stand in for a record that may be there and was not seen in time."""
    return ConsumerRecord(tp.topic, tp.partition, offset, int(time.time() * 1000), 0, None, None, None, -1, -1, ())
