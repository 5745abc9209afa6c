"""What of a lane's topics cannot be read: tried a few times, for the network may have broken it, then given up."""

from dataclasses import dataclass

from aiokafka import TopicPartition

from workers.kafka.chunks import Chunk

READS = 3
"""A batch that cannot be decoded is fetched this often before the lane stops."""
READ_AGAIN_AFTER_S = 0.5
"""Long enough for a broker to be asked anew, not so long that anybody notices. At worst a lane with a broken batch
stops a second later."""


@dataclass(frozen=True, slots=True)
class Break:
    """A place that cannot be read, how often that was tried, and why."""

    tp: TopicPartition
    position: int
    times: int
    error: BaseException


class Unreadable:
    """The broken places of one lane, one for each topic at most."""

    def __init__(self) -> None:
        self._breaks: dict[str, Break] = {}

    def __contains__(self, topic: str) -> bool:
        return topic in self._breaks

    def __len__(self) -> int:
        return len(self._breaks)

    def note(self, topic: str, chunk: Chunk) -> bool:
        """Note that a chunk ends at something broken; whether it should be read once more."""
        assert chunk.error is not None
        known = self._breaks.get(topic)
        times = known.times + 1 if known is not None and known.position == chunk.end else 1
        self._breaks[topic] = Break(chunk.tp, chunk.end, times, chunk.error)
        return times < READS

    def forget(self, topic: str) -> None:
        """What came after it could be read."""
        self._breaks.pop(topic, None)

    def clear(self) -> None:
        """The lane begins anew."""
        self._breaks.clear()

    def given_up(self) -> dict[str, Break]:
        """By topic, what was tried often enough."""
        return {topic: each for topic, each in self._breaks.items() if each.times >= READS}
