"""One lane's topics in memory: filled, taken by an inbox as a lane takes them, and read again as a history."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from contracts.records import RawRecord
from contracts.topics import Topic
from workers.lanes.lanelog import BatchLog, BranchLog, ClaimLog, OffsetRange
from workers.replay.extent import HISTORY_TOPICS, LaneExtent

LANE = 3
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds):
    return EPOCH + timedelta(seconds=seconds)


@dataclass
class TopicsInMemory:
    """By topic the records there are and where it ends; offsets that are missing were aborted or are markers."""

    records: dict[str, list[RawRecord]] = field(default_factory=lambda: defaultdict(list))
    ends: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    batches: int = 0
    database_id: str = "d"
    largest_read: int = 0
    """Records that were handed out at once at most."""

    def add(self, topic, *values, timestamp=0, key=b"k", gap=0):
        for value in values:
            offset = self.ends[topic] + gap
            stamp = timestamp(len(self.records[topic])) if callable(timestamp) else timestamp
            self.records[topic].append(RawRecord(topic, LANE, offset, stamp, key, value))
            self.ends[topic] = offset + 1

    def marker(self, topic):
        self.ends[topic] += 1

    def log(self, lane_time=EPOCH, **offsets):
        """Record a batch that took [first, next, records] of topics; `_` in their names stands for `-`."""
        self.batches += 1
        spans = {topic.replace("_", "-"): OffsetRange(*span) for topic, span in offsets.items()}
        log = BatchLog(self.database_id, LANE, 1, self.batches, lane_time, spans, None, 0, 0, b"", 1, {}, b"")
        self.add(Topic.LANE_LOG.value, log.encode())

    def claim(self):
        self.add(Topic.LANE_LOG.value, ClaimLog(self.database_id, "c", "", "g", LANE, 1, "o").encode())
        self.marker(Topic.LANE_LOG.value)

    def branch(self, batch_seq, from_lane=1):
        log = BranchLog(self.database_id, LANE, 4, from_lane, 2, batch_seq, 1, b"")
        self.add(Topic.LANE_LOG.value, log.encode())

    def extent(self, **starts):
        return LaneExtent(LANE, {topic: starts.get(topic, 0) for topic in HISTORY_TOPICS}, self.ends.copy(), None)

    async def read(self, topic, first, end):
        found = [record for record in self.records[topic] if first <= record.offset < end]
        self.largest_read = max(self.largest_read, len(found))
        return found


def some_values(chance: Random, number: int) -> list[bytes]:
    """Values in no order of time; some tell no time at all."""
    return [b"garbage" if chance.random() < 0.2 else b"%d" % chance.randrange(50) for _ in range(number)]
