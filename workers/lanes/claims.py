"""Taking a lane: a new epoch in the database, and proof that its topics still hold what comes next.

A claim raises the lane's epoch, so that whoever held it before can write nothing more. Then, for each topic: the log
must still begin at or before the next offset, must not end before it, and the last record that was settled must be the
one that stands there. Otherwise retention or a re-created topic has eaten input, and going on would hide it.

Protocol: docs/protocol.md, Claim.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.records import RawRecord
from storage import lanes
from storage.lanes import LaneClaim, Position
from workers.kafka.clients import raw_record
from workers.kafka.shared import POLL_MS, SharedConsumer
from workers.settings.model import Kafka
from workers.status import LaneStatus, WorkerStatus

CHECK_TIMEOUT_S = 10.0
"""A check takes a moment; a broker that has just come back takes seconds to find its leaders. At worst a lane is
claimed this much later, and so are those that wait for their turn behind it."""
CHECK_BYTES = 128 * 1024
"""One record of a partition is wanted; the broker sends at least one batch however small this is."""
OFFSET_BYTES = 8
DIGEST_BYTES = 16


class LaneStoppedError(Exception):
    """The lane must not go on until a person has looked; the message says at what, and what to do.

    `may_heal` tells that a person can mend it while the worker runs: the lane is claimed again now and then.
    """

    def __init__(self, message: str, *, may_heal: bool = False) -> None:
        super().__init__(message)
        self.may_heal = may_heal


def fingerprint(record: RawRecord) -> bytes:
    """Recognise a record: its offset, and a hash of time, key and value."""
    digest = hashlib.blake2b(record.value or b"", digest_size=DIGEST_BYTES)
    digest.update(b"\0" + (record.key or b"") + record.timestamp_ms.to_bytes(8, "big", signed=True))
    return bytes(record.offset.to_bytes(OFFSET_BYTES, "big")) + digest.digest()


def fingerprint_offset(stored: bytes) -> int:
    """Where the record of a stored fingerprint stands."""
    return int.from_bytes(stored[:OFFSET_BYTES], "big")


@dataclass(frozen=True, slots=True)
class Bounds:
    """First offset of a partition's log, and the end of what read_committed can see."""

    start: int
    end: int


class Claimer:
    """Claims lanes for one worker. One consumer does the checks of all lanes, one at a time."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        kafka: Kafka,
        prefix: str,
        topics: Iterable[str],
        *,
        owner: str,
        status: WorkerStatus,
    ) -> None:
        self._pool = pool
        self._prefix = prefix
        self._topics = tuple(topics)
        self._owner = owner
        self._status = status
        self._consumer = SharedConsumer(kafka, partition_bytes=CHECK_BYTES)

    async def claim(self, lane: LaneStatus) -> LaneClaim:
        """Raise the lane's epoch in a short transaction of its own, then check its topics when it has its turn.

        Raises:
            LaneStoppedError: input is gone that was never settled.
            asyncpg.PostgresError, KafkaError, OSError, TimeoutError: as they come; the caller tries again.
        """
        async with self._pool.acquire() as connection_:
            claim = await lanes.claim(connection_, lane.lane, self._owner)
        lane.waits_for_turn = True
        try:
            async with self._consumer.borrowed(CHECK_TIMEOUT_S) as consumer:
                lane.waits_for_turn = False
                await self._check(consumer, lane.lane, claim.positions)
        finally:
            lane.waits_for_turn = False
            self._status.noted_turn()
        return claim

    async def _check(self, consumer: AIOKafkaConsumer, lane: int, positions: Mapping[str, Position]) -> None:
        partitions = {topic: TopicPartition(self._prefix + topic, lane) for topic in self._topics}
        # Makes the client ask for all topics' metadata at once; offsets of unknown topics cost 0.1 s for each of them.
        consumer.assign(list(partitions.values()))
        starts = await consumer.beginning_offsets(list(partitions.values()))
        ends = await consumer.end_offsets(list(partitions.values()))
        expected: dict[TopicPartition, bytes] = {}
        for topic, tp in partitions.items():
            position = positions.get(topic, Position(0, None))
            bounds = Bounds(starts[tp], ends[tp])
            require_unbroken(tp, position.next_offset, bounds)
            last = position.last_fingerprint
            if last is not None and fingerprint_offset(last) >= bounds.start:
                expected[tp] = last
        await self._compare(consumer, expected)

    async def _compare(self, consumer: AIOKafkaConsumer, expected: Mapping[TopicPartition, bytes]) -> None:
        """Read the last settled record of each topic again."""
        consumer.assign(list(expected))
        for tp, last in expected.items():
            consumer.seek(tp, fingerprint_offset(last))
        waiting = set(expected)
        while waiting:
            fetched = await consumer.getmany(*waiting, timeout_ms=POLL_MS)
            for tp, records in fetched.items():
                waiting.discard(tp)
                require_same(tp, expected[tp], fingerprint(raw_record(tp.topic, records[0])))
            if waiting:
                consumer.pause(*(set(expected) - waiting))

    async def close(self) -> None:
        """Close the consumer; the next claim opens another."""
        await self._consumer.close()


def require_unbroken(tp: TopicPartition, next_offset: int, bounds: Bounds) -> None:
    """What comes next must still be in the log.

    Raises:
        LaneStoppedError: it is not.
    """
    if next_offset < bounds.start:
        msg = (
            f"{tp.topic}[{tp.partition}]: offsets {next_offset} to {bounds.start - 1} were deleted before they were"
            " settled (retention?). Accept the gap only after finding out what was in it: docs/runbooks/lane-stopped.md"
        )
        raise LaneStoppedError(msg, may_heal=True)
    if next_offset > bounds.end:
        msg = (
            f"{tp.topic}[{tp.partition}] ends at offset {bounds.end}, and everything below {next_offset} was settled:"
            " the topic was made anew, or is another cluster's. See docs/runbooks/lane-stopped.md"
        )
        raise LaneStoppedError(msg, may_heal=True)


def require_same(tp: TopicPartition, expected: bytes, found: bytes) -> None:
    """The last settled record must still stand where it stood.

    Raises:
        LaneStoppedError: another stands there.
    """
    if expected != found:
        msg = (
            f"{tp.topic}[{tp.partition}]: the record at offset {fingerprint_offset(expected)} is not the one that was"
            " settled last: the topic was made anew, or is another cluster's. See docs/runbooks/lane-stopped.md"
        )
        raise LaneStoppedError(msg, may_heal=True)
