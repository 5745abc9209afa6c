"""What there is of one lane's history, and where reading it ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from contracts.records import RawRecord
from contracts.topics import LANE_TOPICS, Topic
from workers.lanes.lanelog import BatchLog, BranchLog

HISTORY_TOPICS = (*(topic.value for topic in LANE_TOPICS), Topic.LANE_LOG.value)
"""What a history is made of, without prefix."""


class HistoryError(Exception):
    """The history has a hole, or is not what postpay wrote; the message says where, and what a person can do."""


@dataclass(frozen=True, slots=True)
class LaneExtent:
    """One lane's topics, the lane-log among them, from the first offset that is left up to a fixed end.

    Args:
        lane: its number, and its partition of each topic.
        starts: by topic without prefix, the first offset that can be read.
        ends: by topic, the offset before which reading ends; records that lie below are all committed or aborted.
        last: the last batch in the lane-log below its end; None where there is none, so that the order of deciding is
            not known and only `unlogged` can read the lane.
        begins: from which batch of another lane it goes on; None: it was there from the beginning.
    """

    lane: int
    starts: Mapping[str, int]
    ends: Mapping[str, int]
    last: BatchLog | None
    begins: BranchLog | None = None

    @property
    def offsets(self) -> int:
        """Offsets of the lane's input topics: hardly more than there are records to read."""
        return sum(max(0, self.ends[topic] - self.starts[topic]) for topic in LANE_TOPICS)


class LaneRecords(Protocol):
    """Reads one lane's topics, wherever they are. Not to be used by two at a time."""

    async def read(self, topic: str, first: int, end: int) -> list[RawRecord]:
        """All that read_committed shows of a topic in [first, end), in order, under the topic's name without prefix.

        Offsets of control records, aborted records and such as were compacted away are just not there. A topic is read
        forwards only: `first` is never below the `end` of the reading before. How much is held in memory is up to the
        caller: it is what lies between the two, and a fetch's size for each topic.

        Raises:
            HistoryError: part of it is gone.
            BrokerUnreachableError, KafkaError: the brokers are away.
        """
