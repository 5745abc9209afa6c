"""Which topics of a lane are handed on no further: those that have their fill. Decides; the lane asks the consumer.

One topic may fill a part of the inbox by itself; once the whole inbox is full, each has its even share. A topic that is
empty is never full, for the others may have to wait for it. Bounds: docs/flow.md, Lanes.
"""

from collections.abc import Iterable

from workers.lanes.inbox import Buffer, Inbox

TOPIC_QUOTA = 4
"""One topic alone may fill a quarter of the inbox: with the default that is more than a thousand messages."""


class Pausing:
    """Remembers what is paused.

    Args:
        inbox: of the lane.
        most_bytes: that it should hold.
    """

    def __init__(self, inbox: Inbox, most_bytes: int) -> None:
        self._inbox = inbox
        self._most_bytes = most_bytes
        self._quota = most_bytes // TOPIC_QUOTA
        self._share = most_bytes // len(inbox.buffers)
        self._paused: set[str] = set()

    def filled(self, topics: Iterable[str]) -> list[str]:
        """Of these topics, those to pause now: full, and not paused yet."""
        full = [topic for topic in topics if topic not in self._paused and self._is_full(self._inbox.buffers[topic])]
        self._paused.update(full)
        return full

    def emptied(self) -> list[str]:
        """Those to resume now: at half, so that a partition is not paused and resumed with every batch."""
        if not self._paused:
            return []
        room = self._share if self._inbox.size_bytes >= self._most_bytes else self._quota
        roomy = [topic for topic in self._paused if self._inbox.buffers[topic].size_bytes <= room // 2]
        self._paused.difference_update(roomy)
        return roomy

    def forgotten(self) -> list[str]:
        """All that were paused: the consumer has forgotten it, or the lane begins anew."""
        paused, self._paused = self._paused, set()
        return list(paused)

    def _is_full(self, buffer: Buffer) -> bool:
        if buffer.size_bytes >= self._quota:
            return True
        return buffer.size_bytes >= self._share and self._inbox.size_bytes >= self._most_bytes
