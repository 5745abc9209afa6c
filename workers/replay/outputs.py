"""What was sent, against what is decided again: a lane's partition of each output topic, message after message.

Each output topic's partition k is written by lane k alone, in the order of its batches. What goes to lanes
(`merchant-activity`, `rerouted`) is not looked at here: it is the input of the lane it went to, and verified there.
"""

from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from contracts.records import RawRecord
from contracts.topics import OUTPUT_TOPICS, Topic
from workers.lanes.outgoing import OutboxMessage
from workers.replay.broker import BrokerRecords, broker_records, output_extent
from workers.replay.difference import Difference, of_rows
from workers.replay.extent import LaneExtent
from workers.settings.model import Settings

SENT_TOPICS = tuple(topic.value for topic in OUTPUT_TOPICS if topic is not Topic.LANE_LOG)
READ = 500
"""Offsets of one topic that are read at once."""
_NAMES = ("key", "value", "headers")


class SentOutputs:
    """Compares a lane's outputs, batch after batch, up to a fixed end.

    Args:
        records: of the lane's output topics.
        extent: from where to where. What is gone from the beginning is passed over, and counted.
        positions: by topic, where the first message is that is not compared yet; where none is given, at 0.
    """

    def __init__(self, records: BrokerRecords, extent: LaneExtent, positions: Mapping[str, int]) -> None:
        self.compared = 0
        self.gone: Counter[str] = Counter()
        """By topic, messages that the brokers have deleted."""
        self._records = records
        self._ends = extent.ends
        self._next = {topic: max(start, positions.get(topic, 0)) for topic, start in extent.starts.items()}
        self._ahead: dict[str, deque[RawRecord]] = {topic: deque() for topic in SENT_TOPICS}
        self._is_cut = {topic for topic, start in extent.starts.items() if start > positions.get(topic, 0)}
        """Topics whose first record that is left was not met yet."""

    @property
    def positions(self) -> dict[str, int]:
        """By topic, where the next message is to be found."""
        return {topic: ahead[0].offset if ahead else self._next[topic] for topic, ahead in self._ahead.items()}

    async def compare(self, messages: Iterable[OutboxMessage], *, all_sent: bool) -> Difference | None:
        """Compare what a batch sends.

        Args:
            messages: its outputs.
            all_sent: whether they must be there, because the batch was in the lane-log when the end was fixed.
        """
        for message in messages:
            ahead = self._ahead.get(message.topic)
            if ahead is None:
                continue
            if not ahead:
                await self._look(message.topic)
            if ahead and _sent(ahead[0]) == _again(message):
                ahead.popleft()
                self._is_cut.discard(message.topic)
                self.compared += 1
            elif (found := self._apart(message, ahead, must_be_there=all_sent)) is not None:
                return found
        return None

    async def beyond(self) -> Difference | None:
        """What there is beyond the outputs of all batches that were settled before the end was fixed."""
        for topic in SENT_TOPICS:
            record = await self._look(topic)
            if record is not None and topic not in self._is_cut:
                where = f"output on {topic}[{record.partition}] offset {record.offset}"
                return of_rows(where, _NAMES, _sent(record), None)
        return None

    def _apart(self, message: OutboxMessage, ahead: Sequence[RawRecord], *, must_be_there: bool) -> Difference | None:
        """What is to be said of a message that is not the next that was sent; None: it is gone, or not sent yet."""
        if message.topic in self._is_cut:
            self.gone[message.topic] += 1
            return None
        where = f"output on {message.topic}[{message.partition}]"
        if not ahead:
            return of_rows(where, _NAMES, None, _again(message)) if must_be_there else None
        return of_rows(f"{where} offset {ahead[0].offset}", _NAMES, _sent(ahead[0]), _again(message))

    async def _look(self, topic: str) -> RawRecord | None:
        """The next message that was sent; None at the end."""
        ahead = self._ahead[topic]
        while not ahead and self._next[topic] < self._ends[topic]:
            first, end = self._next[topic], min(self._next[topic] + READ, self._ends[topic])
            ahead.extend(await self._records.read(topic, first, end))
            self._next[topic] = end
        return ahead[0] if ahead else None


def _sent(record: RawRecord) -> tuple[Any, ...]:
    return (record.key, record.value, tuple(record.headers))


def _again(message: OutboxMessage) -> tuple[Any, ...]:
    return (message.key, message.value, tuple(message.headers))


@asynccontextmanager
async def sent_outputs(settings: Settings, lane: int, positions: Mapping[str, int]) -> AsyncIterator[SentOutputs]:
    """Open a lane's output topics up to their present ends, at these positions.

    Raises:
        HistoryError: a transaction in one does not end.
        BrokerUnreachableError, KafkaError: the brokers are away.
    """
    extent = await output_extent(settings, lane, SENT_TOPICS)
    async with broker_records(settings, extent) as records:
        yield SentOutputs(records, extent, positions)
