"""What a lane has fetched and not taken yet, and in which order it takes it.

Records of different topics are merged by time: the record's timestamp under the wall clock, `occurred_at` under the
event clock; at one instant by the order of LANE_TOPICS. Records of one topic are never reordered, so a late one waits
behind its predecessors but overtakes nothing. An empty topic that still has something to bring is waited for, so that
catching up after an outage doesn't decide a purchase before the repayment that came first.

The order depends on the records alone, so the offset ranges in the lane-log fix it for a replay.

Source: docs/flow.md, Order.
"""

import heapq
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from contracts.records import RawRecord
from workers.kafka.chunks import RECORD_OVERHEAD_BYTES, Chunk
from workers.kafka.clients import raw_record
from workers.lanes.taken import Decoded, Taken

BEFORE_EVERYTHING = float("-inf")


def buffered_bytes(record: RawRecord) -> int:
    """What a record takes in memory, roughly."""
    return RECORD_OVERHEAD_BYTES + len(record.value or b"") + len(record.key or b"")


@dataclass(slots=True)
class Buffer:
    """Fetched records of one topic's partition.

    `read_to` is the position after the last record taken, `fetched_to` the one after the last fetched; between them lie
    the buffered records.
    """

    topic: str
    rank: int
    read_to: int = 0
    fetched_to: int = 0
    size_bytes: int = 0
    records: deque[RawRecord] = field(default_factory=deque)
    head: Taken | None = None
    """The first record decoded, once the merge has looked at it."""


class Inbox:
    """The buffers of one lane.

    Args:
        topics: names without prefix, in the order that decides between records of one instant.
        decode: turns a record into an input or a refusal; never raises.
        event_clock: merge by `occurred_at` instead of the record's timestamp.
    """

    def __init__(self, topics: Sequence[str], decode: Callable[[RawRecord], Decoded], *, event_clock: bool) -> None:
        self.buffers = {topic: Buffer(topic, rank) for rank, topic in enumerate(topics)}
        self._by_rank = list(self.buffers.values())
        self._decode = decode
        self._time_of = self._event_time if event_clock else self._wall_time

    @property
    def size_bytes(self) -> int:
        """Memory that the buffered records take, roughly."""
        return sum(buffer.size_bytes for buffer in self._by_rank)

    def __len__(self) -> int:
        return sum(len(buffer.records) for buffer in self._by_rank)

    def restart(self, positions: Mapping[str, int]) -> None:
        """Drop what is buffered and begin at these positions, 0 where none is given."""
        for buffer in self._by_rank:
            buffer.records.clear()
            buffer.head, buffer.size_bytes = None, 0
            buffer.read_to = buffer.fetched_to = positions.get(buffer.topic, 0)

    def append(self, topic: str, chunk: Chunk) -> bool:
        """Buffer a chunk; False when it doesn't begin where the last one ended."""
        buffer = self.buffers[topic]
        if chunk.start != buffer.fetched_to:
            return False
        self.extend(topic, [raw_record(topic, record) for record in chunk.records], chunk.end, chunk.size_bytes)
        return True

    def extend(self, topic: str, records: Sequence[RawRecord], end: int, size_bytes: int) -> None:
        """Buffer all records of a topic from where the last ended up to `end`."""
        buffer = self.buffers[topic]
        buffer.records.extend(records)
        buffer.size_bytes += size_bytes
        buffer.fetched_to = end
        if not buffer.records:
            buffer.read_to = end

    def missing(self, may_bring: Callable[[Buffer], bool]) -> list[str]:
        """Topics that are empty here though they may still bring something."""
        return [buffer.topic for buffer in self._by_rank if not buffer.records and may_bring(buffer)]

    def take(self, most: int, most_bytes: int, may_bring: Callable[[Buffer], bool]) -> list[Taken]:
        """Take the earliest records.

        Stops at a topic that has run empty and may still bring something earlier than what the others hold.

        Args:
            most: number of records.
            most_bytes: their size; at least one record is taken all the same.
            may_bring: whether an empty topic has to be waited for.
        """
        if self.missing(may_bring):
            return []
        heads = [(self._time_of(buffer), buffer.rank) for buffer in self._by_rank if buffer.records]
        heapq.heapify(heads)
        taken: list[Taken] = []
        while heads and len(taken) < most and most_bytes > 0:
            buffer = self._by_rank[heads[0][1]]
            item, size_bytes = self._pop(buffer)
            taken.append(item)
            most_bytes -= size_bytes
            if buffer.records:
                heapq.heapreplace(heads, (self._time_of(buffer), buffer.rank))
            else:
                heapq.heappop(heads)
                if may_bring(buffer):
                    break
        return taken

    def _pop(self, buffer: Buffer) -> tuple[Taken, int]:
        record = buffer.records.popleft()
        taken = buffer.head or self._decoded(record)
        size_bytes = buffered_bytes(record)
        buffer.head = None
        buffer.size_bytes -= size_bytes
        # Past the last record there may be control records, which count as read.
        buffer.read_to = record.offset + 1 if buffer.records else buffer.fetched_to
        return taken, size_bytes

    def _decoded(self, record: RawRecord) -> Taken:
        return Taken(record, self._decode(record))

    @staticmethod
    def _wall_time(buffer: Buffer) -> float:
        return buffer.records[0].timestamp_ms

    def _event_time(self, buffer: Buffer) -> float:
        """When the first record occurred; one that tells no time follows its predecessor at once."""
        if buffer.head is None:
            buffer.head = self._decoded(buffer.records[0])
        at = buffer.head.decoded.occurred_at
        return BEFORE_EVERYTHING if at is None else at.timestamp()
